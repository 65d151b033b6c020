// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/painter.h"

#include <cstring>
#include <utility>

namespace streamlib::display {

namespace {

constexpr int kBytesPerPixel = 4;

// A canvas as the output of a converter, which looks at nothing but the layout and the planes.
GstVideoFrame frame_of(const Canvas &canvas)
{
  GstVideoFrame frame = {};
  gst_video_info_set_format(&frame.info, canvas.format, canvas.size.width, canvas.size.height);
  frame.info.stride[0] = canvas.stride;
  frame.data[0] = canvas.pixels;
  return frame;
}

void blacken(const Canvas &canvas, const Rect &except)
{
  const auto clear = [&canvas](int x, int y, int width, int height) {
    for (int row = y; row < y + height; row++)
      std::memset(canvas.pixels + static_cast<gsize>(row) * canvas.stride + x * kBytesPerPixel, 0,
                  static_cast<gsize>(width) * kBytesPerPixel);
  };
  const int right = except.x + except.width;
  const int below = except.y + except.height;
  clear(0, 0, canvas.size.width, except.y);
  clear(0, below, canvas.size.width, canvas.size.height - below);
  clear(0, except.y, except.x, except.height);
  clear(right, except.y, canvas.size.width - right, except.height);
}

// Where the first pixel of the upright picture lies in the other one, and how far it is from there
// to its neighbours on the right and below, in pixels.
struct Walk {
  gssize first;
  gssize right;
  gssize down;
};

// `width` and `height` are those of the picture before it is turned.
Walk walk_of(Orientation orientation, gssize width, gssize height)
{
  const gssize last_column = width - 1;
  const gssize last_row = (height - 1) * width;
  switch (orientation) {
    case Orientation::Clockwise:
      return {last_row, -width, 1};
    case Orientation::Half:
      return {last_row + last_column, -1, -width};
    case Orientation::Counterclockwise:
      return {last_column, width, -1};
    case Orientation::MirrorX:
      return {last_column, -1, width};
    case Orientation::MirrorY:
      return {last_row, 1, -width};
    case Orientation::UlLr:
      return {0, width, 1};
    case Orientation::UrLl:
      return {last_row + last_column, -width, -1};
    case Orientation::Identity:
      break;
  }
  return {0, 1, width};
}

void turn(const guint8 *from, Size from_size, Orientation orientation, const Canvas &canvas,
          const Rect &target)
{
  const Walk walk = walk_of(orientation, from_size.width, from_size.height);
  for (int y = 0; y < target.height; y++) {
    guint8 *to = canvas.pixels + static_cast<gsize>(target.y + y) * canvas.stride +
                 static_cast<gsize>(target.x) * kBytesPerPixel;
    gssize pixel = walk.first + y * walk.down;
    for (int x = 0; x < target.width; x++) {
      std::memcpy(to, from + pixel * kBytesPerPixel, kBytesPerPixel);
      to += kBytesPerPixel;
      pixel += walk.right;
    }
  }
}

}  // namespace

Picture Painter::picture_of(GstBuffer *buffer, const GstVideoInfo &info, Orientation orientation)
{
  const Rect whole = {0, 0, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)};
  Picture picture = {whole, GST_VIDEO_INFO_PAR_N(&info), GST_VIDEO_INFO_PAR_D(&info), orientation};
  if (picture.par_n <= 0 || picture.par_d <= 0)
    picture.par_n = picture.par_d = 1;
  const GstVideoCropMeta *crop = gst_buffer_get_video_crop_meta(buffer);
  if (crop != nullptr && crop->width > 0 && crop->height > 0 &&
      crop->x + crop->width <= static_cast<guint>(whole.width) &&
      crop->y + crop->height <= static_cast<guint>(whole.height))
    picture.visible = {static_cast<int>(crop->x), static_cast<int>(crop->y),
                       static_cast<int>(crop->width), static_cast<int>(crop->height)};
  return picture;
}

bool Painter::prepare(const GstVideoInfo &info, const Canvas &output, const Placement &placement)
{
  if (converter_ && gst_video_info_is_equal(&plan_.input, &info) && plan_.output == output.size &&
      plan_.format == output.format && plan_.placement == placement)
    return true;

  GstVideoInfo target = frame_of(output).info;
  const Rect &from = placement.source;
  const Rect &to = placement.target;
  GstStructure *config = gst_structure_new(
      "config", GST_VIDEO_CONVERTER_OPT_SRC_X, G_TYPE_INT, from.x, GST_VIDEO_CONVERTER_OPT_SRC_Y,
      G_TYPE_INT, from.y, GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT, from.width,
      GST_VIDEO_CONVERTER_OPT_SRC_HEIGHT, G_TYPE_INT, from.height, GST_VIDEO_CONVERTER_OPT_DEST_X,
      G_TYPE_INT, to.x, GST_VIDEO_CONVERTER_OPT_DEST_Y, G_TYPE_INT, to.y,
      GST_VIDEO_CONVERTER_OPT_DEST_WIDTH, G_TYPE_INT, to.width, GST_VIDEO_CONVERTER_OPT_DEST_HEIGHT,
      G_TYPE_INT, to.height, GST_VIDEO_CONVERTER_OPT_FILL_BORDER, G_TYPE_BOOLEAN, TRUE,
      GST_VIDEO_CONVERTER_OPT_BORDER_ARGB, G_TYPE_UINT, 0xff000000u, nullptr);
  // The converter refuses frames of different rates; a canvas has none of its own.
  target.fps_n = info.fps_n;
  target.fps_d = info.fps_d;
  target.interlace_mode = info.interlace_mode;
  GstVideoInfo input = info;
  converter_.reset(gst_video_converter_new(&input, &target, config));
  plan_ = {info, output.size, output.format, placement};
  return converter_ != nullptr;
}

bool Painter::paint_turned(const GstVideoFrame *frame, const GstVideoInfo &info,
                           Orientation orientation, const Canvas &canvas,
                           const Placement &placement)
{
  Size size = placement.target.size();
  if (swaps_axes(orientation))
    std::swap(size.width, size.height);
  const int stride = size.width * kBytesPerPixel;
  scratch_.resize(static_cast<gsize>(stride) * size.height);
  const Canvas unturned = {scratch_.data(), stride, size, canvas.format};
  const Placement all = {placement.source, {0, 0, size.width, size.height}};
  if (!prepare(info, unturned, all))
    return false;
  GstVideoFrame output = frame_of(unturned);
  gst_video_converter_frame(converter_.get(), frame, &output);
  blacken(canvas, placement.target);
  turn(scratch_.data(), size, orientation, canvas, placement.target);
  return true;
}

bool Painter::paint(GstBuffer *buffer, const GstVideoInfo &info, Orientation orientation,
                    Scaling scaling, const Canvas &canvas, Placement *placement)
{
  *placement = place(picture_of(buffer, info, orientation), canvas.size, scaling);
  GstVideoFrame frame;
  if (!gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ))
    return false;
  bool painted = false;
  if (orientation != Orientation::Identity) {
    painted = paint_turned(&frame, info, orientation, canvas, *placement);
  } else if (prepare(info, canvas, *placement)) {
    GstVideoFrame output = frame_of(canvas);
    gst_video_converter_frame(converter_.get(), &frame, &output);
    painted = true;
  }
  gst_video_frame_unmap(&frame);
  return painted;
}

}  // namespace streamlib::display
