// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/gstslpacketsource.h"

#include <memory>

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::webrtc::PacketFilter;
using streamlib::webrtc::PacketKind;

namespace {

// A datagram has no place in a stream, so the field is free to carry the kind.
constexpr guint64 kRtcpMark = 1;

GstStaticPadTemplate rtp_template = GST_STATIC_PAD_TEMPLATE("rtp", GST_PAD_SRC, GST_PAD_ALWAYS,
                                                            GST_STATIC_CAPS("application/x-rtp"));
GstStaticPadTemplate rtcp_template = GST_STATIC_PAD_TEMPLATE("rtcp", GST_PAD_SRC, GST_PAD_ALWAYS,
                                                             GST_STATIC_CAPS("application/x-rtcp"));

struct PacketSourceState {
  PacketFilter filter;
};

}  // namespace

typedef PacketSourceState GstSlPacketSourcePrivate;

struct _GstSlPacketSource {
  GstSlProcessor parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlPacketSource, gst_sl_packet_source, GST_TYPE_SL_PROCESSOR,
                              G_ADD_PRIVATE(GstSlPacketSource))

static PacketSourceState &gst_sl_packet_source_state(gpointer self)
{
  return *static_cast<PacketSourceState *>(
      gst_sl_packet_source_get_instance_private(GST_SL_PACKET_SOURCE(self)));
}

static GstFlowReturn gst_sl_packet_source_process(GstSlProcessor *processor, GstSlLinkPad *,
                                                  GstBuffer *input, GstBuffer **)
{
  auto packet = adopt_mini(input);
  const PacketKind kind =
      GST_BUFFER_OFFSET(input) == kRtcpMark ? PacketKind::Rtcp : PacketKind::Rtp;
  const PacketFilter &filter = gst_sl_packet_source_state(processor).filter;
  if (filter && !filter(kind, input))
    return GST_FLOW_OK;
  const auto pad = adopt_object(gst_element_get_static_pad(
      GST_ELEMENT(processor), kind == PacketKind::Rtcp ? "rtcp" : "rtp"));
  const GstFlowReturn flow = gst_sl_processor_push(processor, pad.get(), packet.release());
  // One stream that cannot go on, or a session that is being exchanged, must not end the others.
  return flow == GST_FLOW_FLUSHING && gst_sl_processor_is_stopping(processor) ? flow : GST_FLOW_OK;
}

static gboolean gst_sl_packet_source_set_caps(GstSlProcessor *processor, GstSlLinkPad *, GstCaps *)
{
  bool ok = true;
  for (const char *name : {"rtp", "rtcp"}) {
    const auto pad = adopt_object(gst_element_get_static_pad(GST_ELEMENT(processor), name));
    const auto caps = adopt_mini(gst_pad_get_pad_template_caps(pad.get()));
    ok = gst_sl_processor_set_src_caps(processor, pad.get(), caps.get()) && ok;
  }
  return ok;
}

static void gst_sl_packet_source_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_packet_source_state(object));
  G_OBJECT_CLASS(gst_sl_packet_source_parent_class)->finalize(object);
}

static void gst_sl_packet_source_class_init(GstSlPacketSourceClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_packet_source_finalize;
  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->process = gst_sl_packet_source_process;
  processor_class->set_caps = gst_sl_packet_source_set_caps;

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const auto any = adopt_mini(gst_caps_new_any());
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                     any.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_static_pad_template(element_class, &rtp_template);
  gst_element_class_add_static_pad_template(element_class, &rtcp_template);
  gst_element_class_set_static_metadata(element_class, "WebRTC Packet Source", "Source/Network",
                                        "Takes received packets from a link to the session",
                                        "The gst-streamlib authors");
}

static void gst_sl_packet_source_init(GstSlPacketSource *self)
{
  std::construct_at(&gst_sl_packet_source_state(self));
}

namespace streamlib::webrtc {

support::GObjectPtr<GstElement> make_packet_source(PacketFilter filter)
{
  auto source = support::sink_object(
      GST_ELEMENT(g_object_new(GST_TYPE_SL_PACKET_SOURCE, "name", "packets-in", "scheduling",
                               GST_SL_SCHEDULING_ASYNC, nullptr)));
  gst_sl_packet_source_state(source.get()).filter = std::move(filter);
  return source;
}

void mark_packet(GstBuffer *packet, PacketKind kind)
{
  GST_BUFFER_OFFSET(packet) = kind == PacketKind::Rtcp ? kRtcpMark : 0;
}

}  // namespace streamlib::webrtc
