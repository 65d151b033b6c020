// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/gstslmedialink.h"

#include <memory>

using streamlib::support::adopt_mini;
using streamlib::support::MiniPtr;
using streamlib::webrtc::MediaLinkHooks;

namespace {

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

struct MediaLinkState {
  MediaLinkHooks hooks;
};

}  // namespace

typedef MediaLinkState GstSlMediaLinkPrivate;

struct _GstSlMediaLink {
  GstSlProcessor parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlMediaLink, gst_sl_media_link, GST_TYPE_SL_PROCESSOR,
                              G_ADD_PRIVATE(GstSlMediaLink))

static MediaLinkState &gst_sl_media_link_state(gpointer self)
{
  return *static_cast<MediaLinkState *>(
      gst_sl_media_link_get_instance_private(GST_SL_MEDIA_LINK(self)));
}

static GstFlowReturn gst_sl_media_link_process(GstSlProcessor *processor, GstSlLinkPad *,
                                               GstBuffer *input, GstBuffer **)
{
  const MediaLinkHooks &hooks = gst_sl_media_link_state(processor).hooks;
  if (!hooks.buffer(&input)) {
    gst_buffer_unref(input);
    return GST_FLOW_OK;
  }
  const GstFlowReturn flow = gst_sl_processor_push(processor, nullptr, input);
  if (flow == GST_FLOW_OK)
    return flow;
  if (gst_sl_processor_is_stopping(processor))
    return GST_FLOW_FLUSHING;
  hooks.refused(flow);
  return GST_FLOW_OK;
}

static gboolean gst_sl_media_link_sink_event(GstSlProcessor *processor, GstSlLinkPad *pad,
                                             GstEvent *event)
{
  event = gst_sl_media_link_state(processor).hooks.event(event);
  if (event != nullptr)
    GST_SL_PROCESSOR_CLASS(gst_sl_media_link_parent_class)->sink_event(processor, pad, event);
  // Whoever does not take an event of one stream must not end it.
  return TRUE;
}

static void gst_sl_media_link_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_media_link_state(object));
  G_OBJECT_CLASS(gst_sl_media_link_parent_class)->finalize(object);
}

static void gst_sl_media_link_class_init(GstSlMediaLinkClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_media_link_finalize;
  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->process = gst_sl_media_link_process;
  processor_class->sink_event = gst_sl_media_link_sink_event;

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const auto any = adopt_mini(gst_caps_new_any());
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                     any.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "WebRTC Media Link", "Generic/Connector",
                                        "Takes one received stream to a thread of its own",
                                        "The gst-streamlib authors");
}

static void gst_sl_media_link_init(GstSlMediaLink *self)
{
  std::construct_at(&gst_sl_media_link_state(self));
}

namespace streamlib::webrtc {

support::GObjectPtr<GstElement> make_media_link(MediaLinkHooks hooks)
{
  auto link = support::sink_object(GST_ELEMENT(g_object_new(GST_TYPE_SL_MEDIA_LINK, nullptr)));
  gst_sl_media_link_state(link.get()).hooks = std::move(hooks);
  return link;
}

}  // namespace streamlib::webrtc
