// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/foreignsink.h"

#include <string>

#include <gst/video/videooverlay.h>

namespace streamlib::display {

using support::ErrorPtr;
using support::Failure;
using support::Result;

GstFlowReturn flow_after(OnClose on_close)
{
  switch (on_close) {
    case OnClose::Eos:
      return GST_FLOW_EOS;
    case OnClose::Error:
      return GST_FLOW_ERROR;
    case OnClose::Disconnect:
      break;
  }
  return GST_FLOW_OK;
}

Result<std::shared_ptr<ForeignSink>> ForeignSink::make(Backend backend)
{
  const char *description =
      backend == Backend::Gl ? "glimagesink" : "videoconvertscale ! kmssink name=sink";
  GError *raw = nullptr;
  GstElement *made = backend == Backend::Gl
                         ? gst_element_factory_make("glimagesink", nullptr)
                         : gst_parse_bin_from_description_full(description, TRUE, nullptr,
                                                               GST_PARSE_FLAG_FATAL_ERRORS, &raw);
  ErrorPtr error(raw);
  if (made == nullptr)
    return Failure{0,
                   std::string("The backend ") + nick_of(backend) +
                       " cannot be made. Install its GStreamer plugin, or take another backend.",
                   error ? error->message : description};
  std::shared_ptr<ForeignSink> self(new ForeignSink());
  self->element_ = support::sink_object(made);
  self->sink_ = backend == Backend::Gl
                    ? self->element_
                    : support::adopt_object(gst_bin_get_by_name(GST_BIN(made), "sink"));
  GstPad *pad = gst_element_get_static_pad(self->sink_.get(), "sink");
  self->probe_ = support::PadProbe(
      pad, static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      &ForeignSink::answer, self.get());
  gst_object_unref(pad);
  return self;
}

GstPadProbeReturn ForeignSink::answer(GstPad *, GstPadProbeInfo *info, gpointer user_data)
{
  const int flow = static_cast<ForeignSink *>(user_data)->flow_.load();
  if (flow == GST_FLOW_CUSTOM_SUCCESS)
    return GST_PAD_PROBE_OK;
  gst_mini_object_unref(GST_MINI_OBJECT(GST_PAD_PROBE_INFO_DATA(info)));
  GST_PAD_PROBE_INFO_DATA(info) = nullptr;
  GST_PAD_PROBE_INFO_FLOW_RETURN(info) = static_cast<GstFlowReturn>(flow);
  return GST_PAD_PROBE_HANDLED;
}

bool ForeignSink::says_closed(GstMessage *message) const
{
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR ||
      GST_MESSAGE_SRC(message) != GST_OBJECT_CAST(sink_.get()))
    return false;
  GError *raw = nullptr;
  gst_message_parse_error(message, &raw, nullptr);
  const ErrorPtr error(raw);
  return g_error_matches(error.get(), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
}

bool ForeignSink::close(OnClose on_close)
{
  int open = GST_FLOW_CUSTOM_SUCCESS;
  return flow_.compare_exchange_strong(open, flow_after(on_close));
}

}  // namespace streamlib::display
