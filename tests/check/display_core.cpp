// SPDX-License-Identifier: LGPL-2.1-or-later
// Where a picture goes on a surface, and what is painted there.

#include <memory>
#include <utility>
#include <vector>

#include <gst/check/gstcheck.h>
#include <gst/support/ownership.h>

#include "sys/display/geometry.h"
#include "sys/display/painter.h"

using namespace streamlib::display;
using streamlib::support::adopt_mini;
using streamlib::support::MiniPtr;

static Picture picture(int width, int height, Orientation orientation = Orientation::Identity)
{
  return {{0, 0, width, height}, 1, 1, orientation};
}

static void expect(const Rect &got, int x, int y, int width, int height)
{
  const Rect wanted = {x, y, width, height};
  fail_unless(got == wanted, "got %d,%d %dx%d, wanted %d,%d %dx%d", got.x, got.y, got.width,
              got.height, x, y, width, height);
}

GST_START_TEST(test_letterbox)
{
  // Wide into square: borders above and below.
  expect(place(picture(1600, 800), {400, 400}, Scaling::Letterbox).target, 0, 100, 400, 200);
  // Tall into square: borders left and right.
  expect(place(picture(800, 1600), {400, 400}, Scaling::Letterbox).target, 100, 0, 200, 400);
  // The same proportions: no borders, even at odd sizes.
  expect(place(picture(321, 241), {321, 241}, Scaling::Letterbox).target, 0, 0, 321, 241);
  // Pixels twice as wide as high.
  Picture wide = picture(720, 576);
  wide.par_n = 64;
  wide.par_d = 45;
  expect(place(wide, {1024, 1024}, Scaling::Letterbox).target, 0, 224, 1024, 576);
  // A quarter turn swaps the sides.
  expect(place(picture(1600, 800, Orientation::Clockwise), {400, 400}, Scaling::Letterbox).target,
         100, 0, 200, 400);
  // Nothing vanishes, however thin.
  expect(place(picture(10000, 1), {100, 100}, Scaling::Letterbox).target, 0, 49, 100, 1);
}
GST_END_TEST

GST_START_TEST(test_crop_and_stretch)
{
  const Placement crop = place(picture(1600, 800), {400, 400}, Scaling::Crop);
  expect(crop.source, 400, 0, 800, 800);
  expect(crop.target, 0, 0, 400, 400);
  const Placement turned =
      place(picture(1600, 800, Orientation::Counterclockwise), {400, 400}, Scaling::Crop);
  expect(turned.source, 400, 0, 800, 800);
  // Upright it is 800 wide and 1600 high, the surface 400x100: a quarter of the height is seen.
  expect(place(picture(1600, 800, Orientation::Clockwise), {400, 100}, Scaling::Crop).source, 700,
         0, 200, 800);
  const Placement stretch = place(picture(1600, 800), {123, 457}, Scaling::Stretch);
  expect(stretch.source, 0, 0, 1600, 800);
  expect(stretch.target, 0, 0, 123, 457);
}
GST_END_TEST

GST_START_TEST(test_natural_size)
{
  Picture wide = picture(720, 576);
  wide.par_n = 16;
  wide.par_d = 15;
  fail_unless(natural_size(wide) == (Size{768, 576}));
  wide.par_n = 8;
  wide.par_d = 9;
  fail_unless(natural_size(wide) == (Size{720, 648}));
  fail_unless(natural_size(picture(640, 480, Orientation::Clockwise)) == (Size{480, 640}));
}
GST_END_TEST

// For each orientation: the corner of the frame that is seen at the upper left.
GST_START_TEST(test_points_go_back_to_the_frame)
{
  const struct {
    Orientation orientation;
    double x, y;
  } cases[] = {
      {Orientation::Identity, 0, 0}, {Orientation::Clockwise, 0, 20},
      {Orientation::Half, 40, 20},   {Orientation::Counterclockwise, 40, 0},
      {Orientation::MirrorX, 40, 0}, {Orientation::MirrorY, 0, 20},
      {Orientation::UlLr, 0, 0},     {Orientation::UrLl, 40, 20},
  };
  for (const auto &c : cases) {
    const Placement placement =
        place(picture(40, 20, c.orientation), {100, 100}, Scaling::Letterbox);
    const Rect &target = placement.target;
    const Point point = to_frame(placement, c.orientation,
                                 {static_cast<double>(target.x), static_cast<double>(target.y)});
    fail_unless_equals_float(point.x, c.x);
    fail_unless_equals_float(point.y, c.y);
  }
  // Beside the picture: the nearest pixel of it.
  const Placement placement = place(picture(40, 20), {100, 100}, Scaling::Letterbox);
  fail_unless_equals_float(to_frame(placement, Orientation::Identity, {50, 0}).y, 0);
  fail_unless_equals_float(to_frame(placement, Orientation::Identity, {50, 99}).y, 20);
}
GST_END_TEST

// A frame of 32-bit pixels with one colour in each quarter: red, green, blue, white.
static MiniPtr<GstBuffer> quarters(const GstVideoInfo &info)
{
  auto buffer = adopt_mini(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr));
  GstVideoFrame frame;
  fail_unless(gst_video_frame_map(&frame, &info, buffer.get(), GST_MAP_WRITE));
  const int width = GST_VIDEO_INFO_WIDTH(&info);
  const int height = GST_VIDEO_INFO_HEIGHT(&info);
  const guint32 colours[] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff};
  for (int y = 0; y < height; y++) {
    auto *row =
        reinterpret_cast<guint32 *>(static_cast<guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, 0)) +
                                    y * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0));
    for (int x = 0; x < width; x++)
      row[x] = GUINT32_TO_LE(colours[(y >= height / 2) * 2 + (x >= width / 2)]);
  }
  gst_video_frame_unmap(&frame);
  return buffer;
}

struct Painted {
  std::vector<guint8> memory;
  Canvas canvas;

  Painted(int width, int height) : memory(static_cast<size_t>(width) * height * 4 + 64, 0x77)
  {
    canvas = {memory.data(), width * 4, {width, height}, GST_VIDEO_FORMAT_BGRx};
  }
  guint32 at(int x, int y) const
  {
    const guint8 *p = memory.data() + static_cast<size_t>(y) * canvas.stride + x * 4;
    return static_cast<guint32>(p[2] << 16 | p[1] << 8 | p[0]);
  }
};

static guint32 colour_of(char name)
{
  switch (name) {
    case 'r':
      return 0xff0000;
    case 'g':
      return 0x00ff00;
    case 'b':
      return 0x0000ff;
    default:
      return 0xffffff;
  }
}

// What is seen in the quarters for each way to turn them, in reading order.
GST_START_TEST(test_painting_turns)
{
  const char *upright[] = {"rgbw", "brwg", "wbgr", "gwrb", "grwb", "bwrg", "rbgw", "wgbr"};
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRx, 40, 20);
  const auto buffer = quarters(info);
  for (int i = 0; i < 8; i++) {
    const auto orientation = static_cast<Orientation>(i);
    Painter painter;
    Placement placement;
    Painted painted(101, 99);
    fail_unless(painter.paint(buffer.get(), info, orientation, Scaling::Letterbox, painted.canvas,
                              &placement));
    const Rect &to = placement.target;
    for (int quarter = 0; quarter < 4; quarter++) {
      const int x = to.x + to.width * (quarter % 2 == 0 ? 1 : 3) / 4;
      const int y = to.y + to.height * (quarter < 2 ? 1 : 3) / 4;
      fail_unless_equals_int_hex(painted.at(x, y), colour_of(upright[i][quarter]));
    }
    // The border is black, all of it, and nothing is written behind the canvas.
    fail_unless_equals_int_hex(painted.at(0, 0), 0);
    fail_unless_equals_int_hex(painted.at(100, 98), 0);
    fail_unless_equals_int_hex(painted.memory.back(), 0x77);
  }
}
GST_END_TEST

// Half of the range in each sample.
static void fill_grey(GstBuffer *buffer, const GstVideoInfo &info)
{
  if (GST_VIDEO_INFO_COMP_DEPTH(&info, 0) == 8) {
    gst_buffer_memset(buffer, 0, 0x80, GST_VIDEO_INFO_SIZE(&info));
    return;
  }
  const guint shift = GST_VIDEO_INFO_FORMAT(&info) == GST_VIDEO_FORMAT_I420_10LE ? 9 : 15;
  const guint16 half = GUINT16_TO_LE(static_cast<guint16>(1u << shift));
  for (gsize at = 0; at + sizeof half <= GST_VIDEO_INFO_SIZE(&info); at += sizeof half)
    gst_buffer_fill(buffer, at, &half, sizeof half);
}

// Odd sizes, subsampled, high depth, all over a canvas of another size: a grey stays that grey.
GST_START_TEST(test_painting_converts)
{
  const GstVideoFormat formats[] = {GST_VIDEO_FORMAT_I420,      GST_VIDEO_FORMAT_NV12,
                                    GST_VIDEO_FORMAT_YUY2,      GST_VIDEO_FORMAT_I420_10LE,
                                    GST_VIDEO_FORMAT_P010_10LE, GST_VIDEO_FORMAT_RGB,
                                    GST_VIDEO_FORMAT_GRAY8,     GST_VIDEO_FORMAT_GRAY16_LE};
  for (GstVideoFormat format : formats) {
    GstVideoInfo info;
    gst_video_info_set_format(&info, format, 33, 17);
    auto buffer = adopt_mini(gst_buffer_new_allocate(nullptr, GST_VIDEO_INFO_SIZE(&info), nullptr));
    fill_grey(buffer.get(), info);
    Painter painter;
    Placement placement;
    Painted painted(57, 31);
    fail_unless(painter.paint(buffer.get(), info, Orientation::Identity, Scaling::Crop,
                              painted.canvas, &placement));
    for (const auto &[x, y] : {std::pair(0, 0), std::pair(28, 15), std::pair(56, 30)}) {
      const guint32 pixel = painted.at(x, y);
      for (int shift : {0, 8, 16}) {
        const int part = (pixel >> shift) & 0xff;
        fail_unless(part > 115 && part < 140, "%s gave %06x at %d,%d",
                    gst_video_format_to_string(format), pixel, x, y);
      }
    }
  }
}
GST_END_TEST

GST_START_TEST(test_crop_meta_and_stride)
{
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRx, 40, 20);
  auto buffer = quarters(info);
  GstVideoCropMeta *crop = gst_buffer_add_video_crop_meta(buffer.get());
  crop->x = 20;
  crop->y = 10;
  crop->width = 20;
  crop->height = 10;
  Painter painter;
  Placement placement;
  Painted painted(20, 10);
  // A canvas with room behind each line, which stays as it is.
  painted.canvas.size = {15, 10};
  fail_unless(painter.paint(buffer.get(), info, Orientation::Identity, Scaling::Stretch,
                            painted.canvas, &placement));
  fail_unless_equals_int_hex(painted.at(0, 0), 0xffffff);
  fail_unless_equals_int_hex(painted.at(14, 9), 0xffffff);
  fail_unless_equals_int_hex(painted.at(15, 5), 0x777777);
}
GST_END_TEST

GST_START_TEST(test_a_short_buffer_is_refused)
{
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRx, 40, 20);
  auto buffer = adopt_mini(gst_buffer_new_allocate(nullptr, 100, nullptr));
  Painter painter;
  Placement placement;
  Painted painted(20, 10);
  fail_if(painter.paint(buffer.get(), info, Orientation::Identity, Scaling::Stretch, painted.canvas,
                        &placement));
}
GST_END_TEST

static Suite *display_core_suite(void)
{
  Suite *suite = suite_create("display core");
  TCase *geometry = tcase_create("geometry");
  suite_add_tcase(suite, geometry);
  tcase_add_test(geometry, test_letterbox);
  tcase_add_test(geometry, test_crop_and_stretch);
  tcase_add_test(geometry, test_natural_size);
  tcase_add_test(geometry, test_points_go_back_to_the_frame);
  TCase *painter = tcase_create("painter");
  suite_add_tcase(suite, painter);
  tcase_add_test(painter, test_painting_turns);
  tcase_add_test(painter, test_painting_converts);
  tcase_add_test(painter, test_crop_meta_and_stride);
  tcase_add_test(painter, test_a_short_buffer_is_refused);
  return suite;
}

GST_CHECK_MAIN(display_core)
