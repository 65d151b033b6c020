// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/gstslpacketsink.h"

#include <memory>

using streamlib::support::adopt_mini;
using streamlib::support::share_mini;
using streamlib::webrtc::PacketKind;
using streamlib::webrtc::PacketSinkHooks;

namespace {

GstStaticPadTemplate rtp_template = GST_STATIC_PAD_TEMPLATE("rtp", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                            GST_STATIC_CAPS("application/x-rtp"));
GstStaticPadTemplate rtcp_template = GST_STATIC_PAD_TEMPLATE("rtcp", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                             GST_STATIC_CAPS("application/x-rtcp"));

struct PacketSinkState {
  PacketSinkHooks hooks;
};

}  // namespace

typedef PacketSinkState GstSlPacketSinkPrivate;

struct _GstSlPacketSink {
  GstElement parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlPacketSink, gst_sl_packet_sink, GST_TYPE_ELEMENT,
                              G_ADD_PRIVATE(GstSlPacketSink))

static PacketSinkState &gst_sl_packet_sink_state(gpointer self)
{
  return *static_cast<PacketSinkState *>(
      gst_sl_packet_sink_get_instance_private(GST_SL_PACKET_SINK(self)));
}

static PacketKind gst_sl_packet_sink_kind(GstPad *pad)
{
  return GST_PAD_PAD_TEMPLATE(pad) != nullptr &&
                 g_str_equal(GST_PAD_TEMPLATE_NAME_TEMPLATE(GST_PAD_PAD_TEMPLATE(pad)), "rtcp")
             ? PacketKind::Rtcp
             : PacketKind::Rtp;
}

static GstFlowReturn gst_sl_packet_sink_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_sl_packet_sink_state(parent).hooks.packet(gst_sl_packet_sink_kind(pad), adopt_mini(buffer));
  return GST_FLOW_OK;
}

static GstFlowReturn gst_sl_packet_sink_chain_list(GstPad *pad, GstObject *parent,
                                                   GstBufferList *buffers)
{
  const auto list = adopt_mini(buffers);
  const PacketKind kind = gst_sl_packet_sink_kind(pad);
  for (guint i = 0; i < gst_buffer_list_length(buffers); i++)
    gst_sl_packet_sink_state(parent).hooks.packet(kind,
                                                  share_mini(gst_buffer_list_get(buffers, i)));
  return GST_FLOW_OK;
}

static gboolean gst_sl_packet_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  const bool is_eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
  gst_event_unref(event);
  if (is_eos)
    gst_sl_packet_sink_state(parent).hooks.ended(gst_sl_packet_sink_kind(pad));
  return TRUE;
}

static void gst_sl_packet_sink_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_packet_sink_state(object));
  G_OBJECT_CLASS(gst_sl_packet_sink_parent_class)->finalize(object);
}

static void gst_sl_packet_sink_class_init(GstSlPacketSinkClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_packet_sink_finalize;
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_class, &rtp_template);
  gst_element_class_add_static_pad_template(element_class, &rtcp_template);
  gst_element_class_set_static_metadata(element_class, "WebRTC Packet Sink", "Sink/Network",
                                        "Gives the packets of a session to its transport",
                                        "The gst-streamlib authors");
}

static void gst_sl_packet_sink_init(GstSlPacketSink *self)
{
  std::construct_at(&gst_sl_packet_sink_state(self));
  for (GstStaticPadTemplate *pad_template : {&rtp_template, &rtcp_template}) {
    GstPad *pad = gst_pad_new_from_static_template(pad_template, pad_template->name_template);
    gst_pad_set_chain_function(pad, gst_sl_packet_sink_chain);
    gst_pad_set_chain_list_function(pad, gst_sl_packet_sink_chain_list);
    gst_pad_set_event_function(pad, gst_sl_packet_sink_event);
    gst_element_add_pad(GST_ELEMENT(self), pad);
  }
}

namespace streamlib::webrtc {

support::GObjectPtr<GstElement> make_packet_sink(PacketSinkHooks hooks)
{
  auto sink = support::sink_object(
      GST_ELEMENT(g_object_new(GST_TYPE_SL_PACKET_SINK, "name", "packets-out", nullptr)));
  gst_sl_packet_sink_state(sink.get()).hooks = std::move(hooks);
  return sink;
}

}  // namespace streamlib::webrtc
