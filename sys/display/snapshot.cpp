// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/snapshot.h"

#include <gst/support/guards.h>
#include <gst/support/ownership.h>
#include <gst/video/video.h>

#include "sys/display/painter.h"

namespace streamlib::display {

namespace {

using support::CStr;
using support::Done;
using support::ErrorPtr;
using support::Failure;
using support::MappedBuffer;
using support::MiniPtr;
using support::Status;

constexpr GstClockTime kEncodeLimit = 1500 * GST_MSECOND;

MiniPtr<GstSample> painted(GstSample *sample, Orientation orientation)
{
  GstVideoInfo info;
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  GstCaps *caps = gst_sample_get_caps(sample);
  if (buffer == nullptr || caps == nullptr || !gst_video_info_from_caps(&info, caps))
    return nullptr;
  const Size size = natural_size(Painter::picture_of(buffer, info, orientation));
  GstVideoInfo output;
  gst_video_info_set_format(&output, GST_VIDEO_FORMAT_BGRx, size.width, size.height);
  auto picture = support::adopt_mini(gst_buffer_new_and_alloc(GST_VIDEO_INFO_SIZE(&output)));
  {
    MappedBuffer map(picture.get(), GST_MAP_WRITE);
    if (!map)
      return nullptr;
    const Canvas canvas = {map.data(), GST_VIDEO_INFO_PLANE_STRIDE(&output, 0), size,
                           GST_VIDEO_FORMAT_BGRx};
    Painter painter;
    Placement placement;
    if (!painter.paint(buffer, info, orientation, Scaling::Stretch, canvas, &placement))
      return nullptr;
  }
  auto output_caps = support::adopt_mini(gst_video_info_to_caps(&output));
  return support::adopt_mini(gst_sample_new(picture.get(), output_caps.get(), nullptr, nullptr));
}

}  // namespace

Status write_png(GstSample *sample, Orientation orientation, const std::string &path)
{
  const MiniPtr<GstSample> picture = painted(sample, orientation);
  if (!picture)
    return Failure{0, "The last frame cannot be read by the CPU. Take another backend.", ""};
  auto png = support::adopt_mini(gst_caps_new_empty_simple("image/png"));
  GError *raw = nullptr;
  auto encoded =
      support::adopt_mini(gst_video_convert_sample(picture.get(), png.get(), kEncodeLimit, &raw));
  ErrorPtr error(raw);
  if (!encoded)
    return Failure{0, "The frame cannot be written as PNG. Install the GStreamer element pngenc.",
                   error ? error->message : "no reason given"};
  MappedBuffer map(gst_sample_get_buffer(encoded.get()), GST_MAP_READ);
  raw = nullptr;
  const bool written =
      map && g_file_set_contents(path.c_str(), reinterpret_cast<const gchar *>(map.data()),
                                 static_cast<gssize>(map.size()), &raw);
  error.reset(raw);
  if (!written)
    return Failure{0,
                   "The file " + path + " cannot be written. Name one in a folder that is yours.",
                   error ? error->message : "the encoded picture cannot be read"};
  return Done{};
}

}  // namespace streamlib::display
