// SPDX-License-Identifier: LGPL-2.1-or-later
// An example of a processor: an effect that makes the picture sway like a flag.
//
//   gst-launch-1.0 slcamerasrc fallback=test ! videoconvert ! slwave ! sldisplaysink
//
// GstSlProcessor has the link, the thread, the events and the states; what is left to say is which
// pads there are, what a stream's caps mean, and what becomes of a buffer.
#include "config.h"

#include <algorithm>
#include <cmath>

#include <gst/streamlib/streamlib.h>
#include <gst/video/video.h>

struct Wave {
  GstSlProcessor parent;
  GstVideoInfo info;
};
struct WaveClass {
  GstSlProcessorClass parent_class;
};

G_DEFINE_TYPE(Wave, wave, GST_TYPE_SL_PROCESSOR)

static gboolean wave_set_caps(GstSlProcessor *processor, GstSlLinkPad *, GstCaps *caps)
{
  return gst_video_info_from_caps(&reinterpret_cast<Wave *>(processor)->info, caps) &&
         gst_sl_processor_set_src_caps(processor, nullptr, caps);
}

static GstFlowReturn wave_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *input,
                                  GstBuffer **output)
{
  const GstVideoInfo &info = reinterpret_cast<Wave *>(processor)->info;
  *output = gst_buffer_make_writable(input);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info, *output, GST_MAP_READWRITE))
    return GST_FLOW_ERROR;
  const int width = GST_VIDEO_INFO_WIDTH(&info);
  const int height = GST_VIDEO_INFO_HEIGHT(&info);
  // By the capture time, so that the sway is even whatever the frame rate is.
  const double seconds =
      static_cast<double>(GST_BUFFER_PTS_IS_VALID(*output) ? GST_BUFFER_PTS(*output) : 0) /
      GST_SECOND;
  for (int y = 0; y < height; y++) {
    auto *row = reinterpret_cast<guint32 *>(
        static_cast<guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
        static_cast<gsize>(y) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
    const double sway = std::sin(2 * G_PI * (2.0 * y / height + 0.5 * seconds));
    const int shift = width + static_cast<int>(std::lround(0.03 * width * sway));
    std::rotate(row, row + shift % width, row + width);
  }
  gst_video_frame_unmap(&frame);
  return GST_FLOW_OK;
}

static void wave_class_init(WaveClass *klass)
{
  auto *element = GST_ELEMENT_CLASS(klass);
  GstCaps *caps = gst_caps_from_string(GST_VIDEO_CAPS_MAKE("{ BGRx, RGBx, BGRA, RGBA }"));
  gst_element_class_add_pad_template(
      element, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps,
                                               GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
  gst_element_class_set_static_metadata(element, "Wave", "Filter/Effect/Video",
                                        "Makes the picture sway like a flag",
                                        "The gst-streamlib developers");
  auto *processor = GST_SL_PROCESSOR_CLASS(klass);
  processor->set_caps = wave_set_caps;
  processor->process = wave_process;
}

static void wave_init(Wave *) {}

static gboolean plugin_init(GstPlugin *plugin)
{
  return gst_element_register(plugin, "slwave", GST_RANK_NONE, wave_get_type());
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, slexamples, "Examples of processors",
                  plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
