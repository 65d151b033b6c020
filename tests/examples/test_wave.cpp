// SPDX-License-Identifier: LGPL-2.1-or-later
// That the example does what it says.

#include <memory>
#include <vector>

#include <gst/app/gstappsink.h>
#include <gst/check/gstcheck.h>
#include <gst/support/guards.h>
#include <gst/support/ownership.h>

using namespace streamlib::support;

constexpr int kWidth = 128;
constexpr int kHeight = 64;

// The rows of two frames half a second apart, of a picture with one white column.
static std::vector<std::vector<guint32>> frames_through(const char *effect)
{
  CStr launch(g_strdup_printf(
      "videotestsrc pattern=white num-buffers=2 ! video/x-raw,width=64,height=%d,framerate=2/1 ! "
      "videobox left=-32 right=-32 ! videoconvert ! video/x-raw,format=BGRx %s ! "
      "appsink name=sink sync=false",
      kHeight, effect));
  GError *error = nullptr;
  auto pipeline = sink_object(gst_parse_launch(launch.get(), &error));
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  auto sink = adopt_object(GST_APP_SINK(gst_bin_get_by_name(GST_BIN(pipeline.get()), "sink")));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  std::vector<std::vector<guint32>> frames;
  for (int i = 0; i < 2; i++) {
    auto sample = adopt_mini(gst_app_sink_try_pull_sample(sink.get(), 5 * GST_SECOND));
    fail_unless(static_cast<bool>(sample));
    MappedBuffer map(gst_sample_get_buffer(sample.get()), GST_MAP_READ);
    fail_unless_equals_int(map.size(), kWidth * kHeight * 4);
    const auto *pixels = reinterpret_cast<const guint32 *>(map.data());
    frames.emplace_back(pixels, pixels + kWidth * kHeight);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  return frames;
}

// Where the white begins in a row.
static int edge_of(const std::vector<guint32> &frame, int y)
{
  int x = 0;
  while (x < kWidth && (frame[y * kWidth + x] & 0xff) < 128)
    x++;
  return x;
}

GST_START_TEST(test_rows_sway)
{
  const auto plain = frames_through("");
  const auto swayed = frames_through("! slwave");
  int moved = 0;
  for (int y = 0; y < kHeight; y++) {
    fail_unless_equals_int(edge_of(plain[0], y), 32);
    const int edge = edge_of(swayed[0], y);
    fail_unless(edge >= 28 && edge <= 36, "row %d begins at %d", y, edge);
    moved += edge != 32;
    // Half a second later it is a quarter of a sway further.
    if (y == kHeight / 2)
      fail_unless(edge_of(swayed[1], y) != edge);
  }
  fail_unless(moved > kHeight / 2);
}
GST_END_TEST

static Suite *wave_suite(void)
{
  Suite *suite = suite_create("slwave");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_rows_sway);
  return suite;
}

GST_CHECK_MAIN(wave)
