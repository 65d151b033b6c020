// SPDX-License-Identifier: LGPL-2.1-or-later
// Converts, scales, places and turns a frame onto a canvas of 32-bit pixels.
#pragma once

#include <memory>
#include <vector>

#include <gst/video/video.h>

#include "sys/display/geometry.h"

namespace streamlib::display {

// Memory to paint on, 4 bytes a pixel.
struct Canvas {
  guint8 *pixels = nullptr;
  int stride = 0;
  Size size;
  GstVideoFormat format = GST_VIDEO_FORMAT_BGRx;
};

// One thread at a time.
class Painter {
public:
  // What `buffer` shows, with its crop meta.
  static Picture picture_of(GstBuffer *buffer, const GstVideoInfo &info, Orientation orientation);

  // False when the buffer cannot be mapped, is too small for `info`, or has a format without a
  // conversion. `placement` says where the picture went.
  bool paint(GstBuffer *buffer, const GstVideoInfo &info, Orientation orientation, Scaling scaling,
             const Canvas &canvas, Placement *placement);

private:
  struct FreeConverter {
    void operator()(GstVideoConverter *converter) const { gst_video_converter_free(converter); }
  };
  // What the converter at hand was made for.
  struct Plan {
    GstVideoInfo input;
    Size output;
    GstVideoFormat format;
    Placement placement;
  };

  bool prepare(const GstVideoInfo &info, const Canvas &output, const Placement &placement);
  bool paint_turned(const GstVideoFrame *frame, const GstVideoInfo &info, Orientation orientation,
                    const Canvas &canvas, const Placement &placement);

  std::unique_ptr<GstVideoConverter, FreeConverter> converter_;
  Plan plan_ = {};
  // The picture before it is turned.
  std::vector<guint8> scratch_;
};

}  // namespace streamlib::display
