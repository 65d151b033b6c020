// SPDX-License-Identifier: LGPL-2.1-or-later
// Which camera and which mode a user gets, and when a frame was captured.

#include <random>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

#include "sys/camera/captureclock.h"
#include "sys/camera/devicematch.h"
#include "sys/camera/mode.h"

using namespace streamlib::camera;

// ---- Devices

static const std::vector<DeviceInfo> kDevices = {
    {{"/dev/video0"}, "A1", "HD Webcam", "v4l2"},
    {{"/dev/video2"}, "B2", "HD Webcam", "v4l2"},
    {{"usb-cam-3"}, "", "Desk Camera", "pipewire"},
    {{"desk"}, "Desk Camera", "Other", "pipewire"},
};

static void expect_index(const std::vector<DeviceInfo> &devices, const char *query, size_t index)
{
  const auto result = match(devices, query);
  fail_unless(result.ok(), "“%s” was refused: %s", query,
              result.ok() ? "" : result.error().text.c_str());
  fail_unless_equals_int(*result, index);
}

static void expect_refusal(const std::vector<DeviceInfo> &devices, const char *query,
                           MatchError why, std::vector<const char *> named)
{
  const auto result = match(devices, query);
  fail_if(result.ok());
  fail_unless_equals_int(result.error().code, static_cast<int>(why));
  for (const char *text : named)
    fail_unless(result.error().text.find(text) != std::string::npos, "“%s” is not in “%s”", text,
                result.error().text.c_str());
}

GST_START_TEST(test_match_in_order)
{
  expect_index(kDevices, "/dev/video2", 1);
  expect_index(kDevices, "A1", 0);
  // A serial goes before a name.
  expect_index(kDevices, "Desk Camera", 3);
  expect_index(kDevices, "Other", 3);
  // A path goes before a part of a name.
  expect_index(kDevices, "desk", 3);
  expect_index(kDevices, "DESK c", 2);
  expect_index(kDevices, "", 0);
}
GST_END_TEST

GST_START_TEST(test_match_refusals_list_what_exists)
{
  expect_refusal({}, "", MatchError::NoDevice, {"no camera", "fallback=test"});
  expect_refusal({}, "x", MatchError::NoDevice, {"no camera"});
  expect_refusal(kDevices, "nothing", MatchError::Unknown,
                 {"nothing", "HD Webcam", "/dev/video2", "usb-cam-3", "serial A1"});
  expect_refusal(kDevices, "HD Webcam", MatchError::Ambiguous, {"/dev/video0", "/dev/video2"});
  expect_refusal(kDevices, "webcam", MatchError::Ambiguous, {"serial A1", "serial B2"});
  const auto ambiguous = match(kDevices, "webcam");
  fail_unless(ambiguous.error().text.find("Desk Camera") == std::string::npos);
}
GST_END_TEST

// The same camera by two backends is one camera.
GST_START_TEST(test_match_one_camera_of_two_backends)
{
  const std::vector<DeviceInfo> devices = {
      {{"/dev/video0"}, "A1", "Cam", "v4l2"},
      {{"/dev/video0", "v4l2_input.pci"}, "", "Cam (V4L2)", "pipewire"},
  };
  expect_index(devices, "", 1);
  expect_index(devices, "cam", 1);
  expect_index(devices, "/dev/video0", 0);
  fail_unless(same_device(devices[0], devices[1]));
  // The same plug, but another camera in it.
  fail_if(
      same_device({{"/dev/video0"}, "A1", "Cam", "v4l2"}, {{"/dev/video0"}, "B2", "Cam", "v4l2"}));
  // The same camera in another plug.
  fail_unless(
      same_device({{"/dev/video0"}, "A1", "Cam", "v4l2"}, {{"/dev/video4"}, "A1", "Cam", "v4l2"}));
  fail_if(same_device({{"a"}, "", "Cam", "pipewire"}, {{"b"}, "", "Cam", "pipewire"}));
}
GST_END_TEST

// ---- Modes

static ModeSet fixed(const char *media, int width, int height, std::vector<int> rates)
{
  ModeSet set = {media, {{width, width, 1}}, {{height, height, 1}}, {}};
  for (int rate : rates)
    set.rates.push_back({{rate, 1}, {rate, 1}});
  return set;
}

// A usual webcam: raw frames are slow where they are large.
static const std::vector<ModeSet> kWebcam = {
    fixed("video/x-raw", 640, 480, {30, 15}), fixed("video/x-raw", 1280, 720, {10}),
    fixed("image/jpeg", 640, 480, {30}),      fixed("image/jpeg", 1280, 720, {30, 60}),
    fixed("image/jpeg", 1920, 1080, {30}),
};

static void expect_mode(const std::vector<ModeSet> &sets, const ModeWish &wish, const char *text)
{
  const auto mode = nearest_mode(sets, wish);
  fail_unless(mode.has_value());
  const std::string got = text_of(*mode);
  fail_unless_equals_string(got.c_str(), text);
}

GST_START_TEST(test_nearest_mode)
{
  expect_mode(kWebcam, {}, "1280x720, 30/1, image/jpeg");
  expect_mode(kWebcam, {640, 480, {}}, "640x480, 30/1, video/x-raw");
  expect_mode(kWebcam, {640, 480, {15, 1}}, "640x480, 15/1, video/x-raw");
  expect_mode(kWebcam, {1280, 720, {60, 1}}, "1280x720, 60/1, image/jpeg");
  expect_mode(kWebcam, {1280, 720, {5, 1}}, "1280x720, 10/1, video/x-raw");
  expect_mode(kWebcam, {4000, 3000, {}}, "1920x1080, 30/1, image/jpeg");
  expect_mode(kWebcam, {0, 0, {10, 1}}, "1280x720, 10/1, video/x-raw");
  expect_mode(kWebcam, {1900, 0, {}}, "1920x1080, 30/1, image/jpeg");
  fail_if(nearest_mode({}, {}).has_value());
}
GST_END_TEST

GST_START_TEST(test_nearest_mode_in_ranges)
{
  const std::vector<ModeSet> ranges = {
      {"video/x-raw", {{16, 1600, 16}}, {{16, 1200, 8}}, {{{1, 1}, {60, 1}}}}};
  expect_mode(ranges, {}, "1280x720, 30/1, video/x-raw");
  expect_mode(ranges, {650, 483, {24000, 1001}}, "656x480, 24000/1001, video/x-raw");
  expect_mode(ranges, {9999, 1, {120, 1}}, "1600x16, 60/1, video/x-raw");
  const std::vector<ModeSet> silent = {{"video/x-raw", {{320, 320, 1}}, {{240, 240, 1}}, {}}};
  expect_mode(silent, {0, 0, {25, 1}}, "320x240, video/x-raw");
}
GST_END_TEST

// ---- Capture times

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kFrame = 33'333'333;

// The worst distance of the stamps from an even grid, after the first second.
static int64_t worst_jitter(double frame_ns, double delay_ms, double jitter_ms, int lost_every)
{
  std::mt19937 random(1);
  std::exponential_distribution<double> late(1.0 / jitter_ms);
  CaptureClock clock;
  clock.set_duration(kFrame);
  int64_t lowest = INT64_MAX;
  int64_t highest = INT64_MIN;
  for (int n = 0; n < 900; n++) {
    if (lost_every > 0 && n % lost_every == 0)
      continue;
    const double captured = n * frame_ns;
    const double wait = delay_ms + std::min(late(random), 12.0);
    const auto arrival = static_cast<uint64_t>(captured + wait * kMs);
    const uint64_t stamp = clock.stamp(arrival, std::nullopt);
    fail_unless(stamp <= arrival, "frame %d is stamped after its arrival", n);
    if (n < 30)
      continue;
    const int64_t error = static_cast<int64_t>(stamp) - static_cast<int64_t>(captured);
    lowest = std::min(lowest, error);
    highest = std::max(highest, error);
  }
  return highest - lowest;
}

static void expect_jitter_below(double limit_ms, double drift, int lost_every)
{
  const double jitter_ms =
      static_cast<double>(worst_jitter(kFrame * drift, 2, 3, lost_every)) / kMs;
  fail_unless(jitter_ms < limit_ms, "%f ms with drift %f", jitter_ms, drift);
}

GST_START_TEST(test_estimates_have_no_jitter)
{
  // The arrivals jitter by 12 ms.
  expect_jitter_below(1.5, 1.0, 0);
  // Lost frames leave the grid as it is.
  expect_jitter_below(1.5, 1.0, 7);
  // A camera whose crystal is off by 100 ppm is followed, in both directions.
  expect_jitter_below(2.5, 1.0001, 0);
  expect_jitter_below(2.5, 0.9999, 0);
}
GST_END_TEST

GST_START_TEST(test_claims_are_believed_where_possible)
{
  CaptureClock clock;
  clock.set_duration(kFrame);
  fail_unless_equals_uint64(clock.stamp(500 * kMs, 480 * kMs), 480 * kMs);
  fail_if(clock.estimated());
  // From another clock: older than a second, or from the future.
  fail_unless_equals_uint64(clock.stamp(1700 * kMs, 600 * kMs), 1700 * kMs);
  fail_unless(clock.estimated());
  const uint64_t future = clock.stamp(1734 * kMs, 99999 * kMs);
  fail_unless(future <= 1734 * kMs && future > 1700 * kMs);
  fail_unless(clock.estimated());
  // A read of the clock apart is no future.
  fail_unless_equals_uint64(clock.stamp(1800 * kMs, 1800 * kMs + 500'000), 1800 * kMs);
  // Never backwards.
  fail_unless(clock.stamp(1820 * kMs, 1790 * kMs) >= 1800 * kMs);
}
GST_END_TEST

GST_START_TEST(test_without_a_rate_the_arrival_counts)
{
  CaptureClock clock;
  for (uint64_t arrival : {10 * kMs, 45 * kMs, 75 * kMs})
    fail_unless_equals_uint64(clock.stamp(arrival, std::nullopt), arrival);
}
GST_END_TEST

static Suite *camera_core_suite(void)
{
  Suite *suite = suite_create("camera core");
  TCase *devices = tcase_create("devices");
  suite_add_tcase(suite, devices);
  tcase_add_test(devices, test_match_in_order);
  tcase_add_test(devices, test_match_refusals_list_what_exists);
  tcase_add_test(devices, test_match_one_camera_of_two_backends);
  TCase *modes = tcase_create("modes");
  suite_add_tcase(suite, modes);
  tcase_add_test(modes, test_nearest_mode);
  tcase_add_test(modes, test_nearest_mode_in_ranges);
  TCase *times = tcase_create("times");
  suite_add_tcase(suite, times);
  tcase_add_test(times, test_estimates_have_no_jitter);
  tcase_add_test(times, test_claims_are_believed_where_possible);
  tcase_add_test(times, test_without_a_rate_the_arrival_counts);
  return suite;
}

GST_CHECK_MAIN(camera_core)
