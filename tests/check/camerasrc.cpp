// SPDX-License-Identifier: LGPL-2.1-or-later
// slcamerasrc with cameras that come, go and fail.

#include <string>

#include <gst/allocators/gstdmabuf.h>

#include "tests/check/camerarun.h"
#include "tests/check/fakecamera.h"

using fakecamera::Camera;
using fakecamera::Fault;
using fakecamera::Run;
using namespace streamlib::support;

static const Camera kRed = {"Red Camera", "fake-red", "R1", 10};
static const Camera kBlue = {"Blue Camera", "fake-blue", "B1", 20};

static Camera with(Camera camera, Fault fault)
{
  camera.fault = fault;
  return camera;
}

static void setup(void)
{
  fakecamera::init();
  fakecamera::plug(kRed);
  fakecamera::plug(kBlue);
}

static void teardown(void)
{
  fakecamera::unplug_all();
  fakecamera::wait_until_unwatched();
}

// ---- Which one

GST_START_TEST(test_named_camera)
{
  for (const char *device : {"fake-blue", "B1", "\"Blue Camera\"", "blue"}) {
    Run run(std::string("device=") + device);
    fail_unless_equals_int(run.play(), GST_STATE_CHANGE_ASYNC);
    fail_unless_equals_int(run.pull_value(), kBlue.value);
    run.expect_text("current-device", "Blue Camera");
  }
}
GST_END_TEST

GST_START_TEST(test_unknown_and_ambiguous)
{
  Run unknown("device=green");
  fail_unless_equals_int(unknown.play(), GST_STATE_CHANGE_FAILURE);
  unknown.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"green", "Red Camera", "fake-blue", "B1"});
  Run ambiguous("device=camera");
  fail_unless_equals_int(ambiguous.play(), GST_STATE_CHANGE_FAILURE);
  ambiguous.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"more than one", "fake-red", "fake-blue"});
}
GST_END_TEST

GST_START_TEST(test_no_camera)
{
  fakecamera::unplug_all();
  Run none("");
  fail_unless_equals_int(none.play(), GST_STATE_CHANGE_FAILURE);
  none.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"no camera", "device=test"});
  Run fallback("fallback=test width=160 height=120");
  fallback.play();
  auto info = adopt_mini(gst_bus_timed_pop_filtered(fallback.bus(), GST_SECOND, GST_MESSAGE_INFO));
  fail_unless(static_cast<bool>(info));
  auto sample = fallback.pull();
  gint width = 0;
  gst_structure_get_int(gst_caps_get_structure(gst_sample_get_caps(sample.get()), 0), "width",
                        &width);
  fail_unless_equals_int(width, 160);
}
GST_END_TEST

GST_START_TEST(test_test_picture)
{
  Run run("device=test num-buffers=3 framerate=50/1");
  run.play();
  auto first = run.pull();
  run.pull();
  run.pull();
  auto eos = adopt_mini(gst_bus_timed_pop_filtered(run.bus(), 3 * GST_SECOND, GST_MESSAGE_EOS));
  fail_unless(static_cast<bool>(eos));
  run.expect_no_error();
  fail_unless(run.text("mode").find("1280x720, 50/1") == 0, "%s", run.text("mode").c_str());
}
GST_END_TEST

// One slot for all cameras was the fault of the original.
GST_START_TEST(test_cameras_stay_apart)
{
  Run red("device=red width=64");
  Run blue("device=blue width=64");
  Run blue_again("device=blue width=64");
  red.play();
  blue.play();
  blue_again.play();
  for (int i = 0; i < 50; i++) {
    fail_unless_equals_int(red.pull_value(), kRed.value);
    fail_unless_equals_int(blue.pull_value(), kBlue.value);
    fail_unless_equals_int(blue_again.pull_value(), kBlue.value);
  }
}
GST_END_TEST

// ---- Which mode

GST_START_TEST(test_nearest_mode)
{
  Run small("device=red width=100 height=60");
  small.play();
  small.pull();
  small.expect_text("mode", "64x48, 50/1, GRAY8");
  // What comes after the camera has a say, too.
  Run asked("device=red", "video/x-raw,width=320 !");
  asked.play();
  asked.pull();
  asked.expect_text("mode", "320x240, 25/1, GRAY8");
}
GST_END_TEST

GST_START_TEST(test_no_mode_fits)
{
  Run run("device=red", "video/x-raw,width=123 !");
  fail_unless_equals_int(run.play(), GST_STATE_CHANGE_FAILURE);
  run.expect(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
             {"Red Camera", "videoconvertscale", "video/x-raw, width=(int)64", "width=(int)320"});
}
GST_END_TEST

static void check_encoded(const char *launch, const char *caps, const char *decoder)
{
  fakecamera::plug({"Encoded", "fake-encoded", "", 0, Fault::None, caps, launch});
  Run run("device=fake-encoded");
  run.play();
  auto sample = run.pull();
  const GstStructure *structure = gst_caps_get_structure(gst_sample_get_caps(sample.get()), 0);
  fail_unless(gst_structure_has_name(structure, "video/x-raw"));
  gint width = 0;
  gst_structure_get_int(structure, "width", &width);
  fail_unless_equals_int(width, 320);
  for (int i = 0; i < 5; i++)
    fail_unless(GST_BUFFER_PTS_IS_VALID(gst_sample_get_buffer(run.pull().get())));
  const std::string mode = run.text("mode");
  fail_unless(mode.find("320x240, 30/1") == 0 && mode.find(decoder) != std::string::npos, "%s",
              mode.c_str());
  fakecamera::unplug("fake-encoded");
}

GST_START_TEST(test_jpeg_is_decoded)
{
  check_encoded("videotestsrc is-live=true ! jpegenc",
                "image/jpeg, width=320, height=240, framerate=30/1", "decoded by jpegdec");
}
GST_END_TEST

GST_START_TEST(test_vp8_is_decoded)
{
  check_encoded("videotestsrc is-live=true ! vp8enc deadline=1",
                "video/x-vp8, width=320, height=240, framerate=30/1", "decoded by vp8dec");
}
GST_END_TEST

GST_START_TEST(test_h264_is_decoded)
{
  check_encoded("videotestsrc is-live=true ! openh264enc",
                "video/x-h264, stream-format=byte-stream, alignment=au, width=320, height=240, "
                "framerate=30/1",
                "decoded by ");
}
GST_END_TEST

// What the camera has in DMABuf memory is passed as it is where that is taken, and not offered
// where it is not.
GST_START_TEST(test_dmabuf_passes)
{
  Camera camera = {"Buffers", "fake-dmabuf", "", 77};
  camera.caps = "video/x-raw(memory:DMABuf), format=GRAY8, width=64, height=48, framerate=50/1";
  camera.dmabuf = true;
  fakecamera::plug(camera);
  Run run("device=fake-dmabuf", "video/x-raw(memory:DMABuf) !");
  run.play();
  for (int i = 0; i < 5; i++) {
    auto sample = run.pull();
    GstBuffer *buffer = gst_sample_get_buffer(sample.get());
    fail_unless(
        gst_caps_features_contains(gst_caps_get_features(gst_sample_get_caps(sample.get()), 0),
                                   GST_CAPS_FEATURE_MEMORY_DMABUF));
    fail_unless_equals_int(gst_buffer_n_memory(buffer), 1);
    fail_unless(gst_is_dmabuf_memory(gst_buffer_peek_memory(buffer, 0)));
    fail_unless(GST_BUFFER_PTS_IS_VALID(buffer));
  }
  fail_unless_equals_int(run.pull_value(), camera.value);
  run.expect_text("mode", "64x48, 50/1, GRAY8");
  Run plain("device=fake-dmabuf", "video/x-raw !");
  fail_unless_equals_int(plain.play(), GST_STATE_CHANGE_FAILURE);
  plain.expect(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
               {"Buffers", "video/x-raw(memory:DMABuf), width=(int)64", "glupload"});
}
GST_END_TEST

// ---- When

GST_START_TEST(test_capture_times)
{
  for (Fault fault : {Fault::None, Fault::NoStamps}) {
    fakecamera::plug(with({"Clock", "fake-clock", "", 30}, fault));
    Run run("device=fake-clock width=64");
    run.play();
    GstClockTime last = 0;
    for (int i = 0; i < 60; i++) {
      auto sample = run.pull();
      GstBuffer *buffer = gst_sample_get_buffer(sample.get());
      fail_unless(GST_BUFFER_PTS_IS_VALID(buffer));
      if (i > 0)
        fail_unless(GST_BUFFER_PTS(buffer) > last);
      last = GST_BUFFER_PTS(buffer);
      fail_unless(GST_BUFFER_DURATION(buffer) == 20 * GST_MSECOND);
    }
    auto clock = adopt_object(gst_element_get_clock(run.pipeline()));
    const GstClockTime now =
        gst_clock_get_time(clock.get()) - gst_element_get_base_time(run.pipeline());
    fail_unless(last <= now && now - last < GST_SECOND);
    GstStructure *raw = nullptr;
    g_object_get(run.camera(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    guint64 estimated = 0;
    fail_unless(gst_structure_get_uint64(stats.get(), "estimated-times", &estimated));
    fail_unless((estimated == 0) == (fault == Fault::None));
    fakecamera::unplug("fake-clock");
  }
}
GST_END_TEST

GST_START_TEST(test_latency_is_live_and_a_frame)
{
  Run run("device=red width=64");
  run.play();
  run.pull();
  auto query = adopt_mini(gst_query_new_latency());
  auto pad = adopt_object(gst_element_get_static_pad(run.camera(), "src"));
  fail_unless(gst_pad_query(pad.get(), query.get()));
  gboolean live = FALSE;
  GstClockTime min = 0;
  GstClockTime max = 0;
  gst_query_parse_latency(query.get(), &live, &min, &max);
  fail_unless(live);
  fail_unless_equals_uint64(min, 20 * GST_MSECOND);
  fail_unless(max >= min);
}
GST_END_TEST

// ---- Faults

GST_START_TEST(test_busy_and_denied)
{
  fakecamera::set_fault("fake-red", Fault::Busy);
  Run busy("device=red");
  fail_unless_equals_int(busy.play(), GST_STATE_CHANGE_FAILURE);
  busy.expect_error(GST_RESOURCE_ERROR_BUSY, {"Red Camera", "fake-red", "another program"});
  fakecamera::set_fault("fake-red", Fault::Denied);
  Run denied("device=red");
  fail_unless_equals_int(denied.play(), GST_STATE_CHANGE_FAILURE);
  denied.expect_error(GST_RESOURCE_ERROR_NOT_AUTHORIZED, {"Red Camera", "group `video`"});
}
GST_END_TEST

GST_START_TEST(test_dies)
{
  fakecamera::set_fault("fake-red", Fault::Dies);
  Run run("device=red width=64");
  run.play();
  run.expect_error(GST_RESOURCE_ERROR_READ, {"Red Camera", "Unplug"});
}
GST_END_TEST

GST_START_TEST(test_ends_by_itself)
{
  fakecamera::set_fault("fake-red", Fault::Ends);
  Run run("device=red width=64");
  run.play();
  run.expect_error(GST_RESOURCE_ERROR_READ, {"Red Camera", "ended its stream"});
}
GST_END_TEST

GST_START_TEST(test_unplugged)
{
  Run run("device=red width=64");
  run.play();
  run.pull();
  fakecamera::unplug("fake-red");
  run.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"Red Camera", "is gone", "on-device-lost=wait"});
}
GST_END_TEST

// The watch of the element before is still ending.
GST_START_TEST(test_unplugged_after_a_restart)
{
  for (int i = 0; i < 3; i++) {
    Run run("device=red width=64");
    run.play();
    run.pull();
  }
  Run run("device=red width=64");
  run.play();
  run.pull();
  // By now it has ended.
  g_usleep(400 * 1000);
  fakecamera::unplug("fake-red");
  run.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"Red Camera", "is gone"});
}
GST_END_TEST

// Each element hears of its own camera, whoever else looks for cameras.
GST_START_TEST(test_unplugged_beside_another)
{
  Run red("device=red width=64");
  Run blue("device=blue width=64");
  red.play();
  red.pull();
  blue.play();
  blue.pull();
  fakecamera::unplug("fake-red");
  red.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"Red Camera", "is gone"});
  blue.expect_no_error();
  blue.pull();
}
GST_END_TEST

// The error that a removal causes comes before the news of it.
GST_START_TEST(test_dies_and_is_unplugged)
{
  Run run("device=red width=64");
  run.play();
  run.pull();
  fakecamera::set_fault("fake-red", Fault::Dies);
  g_usleep(250 * 1000);
  fakecamera::unplug("fake-red");
  run.expect_error(GST_RESOURCE_ERROR_NOT_FOUND, {"Red Camera", "is gone"});
}
GST_END_TEST

GST_START_TEST(test_comes_back)
{
  Run run("device=red width=64 on-device-lost=wait");
  run.play();
  GstClockTime last = 0;
  for (int i = 0; i < 5; i++)
    last = GST_BUFFER_PTS(gst_sample_get_buffer(run.pull().get()));
  for (guint8 round = 1; round <= 3; round++) {
    fakecamera::unplug("fake-red");
    run.expect(GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
               {"Red Camera", "is gone"});
    run.expect_element_message("camera-lost");
    Camera again = kRed;
    again.value = 100 + round;
    fakecamera::plug(again);
    run.expect_element_message("camera-back");
    // What was on its way may come first.
    guint8 value = 0;
    for (int i = 0; i < 100 && value != again.value; i++)
      value = run.pull_value();
    fail_unless_equals_int(value, again.value);
    auto sample = run.pull();
    const GstClockTime pts = GST_BUFFER_PTS(gst_sample_get_buffer(sample.get()));
    fail_unless(pts > last);
    last = pts;
  }
  run.expect_no_error();
}
GST_END_TEST

GST_START_TEST(test_ends_while_it_waits)
{
  Run run("device=red width=64 on-device-lost=wait");
  run.play();
  run.pull();
  fakecamera::unplug("fake-red");
  run.expect_element_message("camera-lost");
  g_usleep(100 * 1000);
  fail_unless(gst_element_send_event(run.pipeline(), gst_event_new_eos()));
  auto eos = adopt_mini(gst_bus_timed_pop_filtered(run.bus(), 3 * GST_SECOND, GST_MESSAGE_EOS));
  fail_unless(static_cast<bool>(eos));
  // And down and up again, without the device and with it.
  gst_element_set_state(run.pipeline(), GST_STATE_READY);
  fakecamera::plug(kRed);
  run.stop();
  run.play();
  fail_unless_equals_int(run.pull_value(), kRed.value);
}
GST_END_TEST

GST_START_TEST(test_stall_is_named)
{
  Run run("device=red width=64");
  run.play();
  run.pull();
  fakecamera::set_fault("fake-red", Fault::Stalls);
  const gint64 begin = g_get_monotonic_time();
  run.expect(GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
             {"Red Camera", "no frames"});
  fail_unless(g_get_monotonic_time() - begin < 2300 * 1000);
  run.expect_element_message("camera-stalled");
  fakecamera::set_fault("fake-red", Fault::None);
  run.expect_element_message("camera-resumed");
  run.expect_no_error();
}
GST_END_TEST

GST_START_TEST(test_wrong_size)
{
  Run run("device=red width=64");
  run.play();
  run.pull();
  fakecamera::set_fault("fake-red", Fault::Short);
  run.expect(GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
             {"Red Camera", "wrong size"});
  run.expect(GST_MESSAGE_ERROR, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
             {"Red Camera", "another mode"});
}
GST_END_TEST

// A sound server that does not answer must not hang the application.
GST_START_TEST(test_enumeration_has_a_limit)
{
  fakecamera::hold_enumeration(true);
  {
    Run run("device=red");
    fail_unless_equals_int(run.play(), GST_STATE_CHANGE_FAILURE);
    run.expect_error(GST_RESOURCE_ERROR_OPEN_READ, {"Looking for cameras", "PipeWire"});
  }
  fakecamera::hold_enumeration(false);
  // The thread that was left behind ends now.
  g_usleep(200 * 1000);
  Run run("device=red");
  run.play();
  fail_unless_equals_int(run.pull_value(), kRed.value);
}
GST_END_TEST

GST_START_TEST(test_nothing_is_left)
{
  GWeakRef weak;
  {
    Run run("device=red width=64");
    run.play();
    run.pull();
    g_weak_ref_init(&weak, run.camera());
  }
  gpointer left = g_weak_ref_get(&weak);
  fail_unless(left == nullptr);
  g_weak_ref_clear(&weak);
}
GST_END_TEST

GST_START_TEST(test_many_starts_and_stops)
{
  Run run("device=red width=64 on-device-lost=wait");
  for (int i = 0; i < 15; i++) {
    run.play();
    if (i % 3 == 0)
      run.pull();
    if (i % 4 == 0)
      fakecamera::unplug("fake-red");
    run.stop();
    if (i % 4 == 0)
      fakecamera::plug(kRed);
  }
  run.play();
  fail_unless_equals_int(run.pull_value(), kRed.value);
}
GST_END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
  TCase *tcase = tcase_create(name);
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, setup, teardown);
  return tcase;
}

static Suite *camerasrc_suite(void)
{
  Suite *suite = suite_create("slcamerasrc");
  TCase *device = add_case(suite, "device");
  tcase_add_test(device, test_named_camera);
  tcase_add_test(device, test_unknown_and_ambiguous);
  tcase_add_test(device, test_no_camera);
  tcase_add_test(device, test_test_picture);
  tcase_add_test(device, test_cameras_stay_apart);
  TCase *mode = add_case(suite, "mode");
  tcase_add_test(mode, test_nearest_mode);
  tcase_add_test(mode, test_no_mode_fits);
  tcase_add_test(mode, test_jpeg_is_decoded);
  tcase_add_test(mode, test_vp8_is_decoded);
  tcase_add_test(mode, test_h264_is_decoded);
  tcase_add_test(mode, test_dmabuf_passes);
  TCase *times = add_case(suite, "time");
  tcase_add_test(times, test_capture_times);
  tcase_add_test(times, test_latency_is_live_and_a_frame);
  TCase *faults = add_case(suite, "faults");
  tcase_add_test(faults, test_busy_and_denied);
  tcase_add_test(faults, test_dies);
  tcase_add_test(faults, test_ends_by_itself);
  tcase_add_test(faults, test_unplugged);
  tcase_add_test(faults, test_unplugged_after_a_restart);
  tcase_add_test(faults, test_unplugged_beside_another);
  tcase_add_test(faults, test_dies_and_is_unplugged);
  tcase_add_test(faults, test_comes_back);
  tcase_add_test(faults, test_ends_while_it_waits);
  tcase_add_test(faults, test_stall_is_named);
  tcase_add_test(faults, test_wrong_size);
  tcase_add_test(faults, test_enumeration_has_a_limit);
  tcase_add_test(faults, test_nothing_is_left);
  tcase_add_test(faults, test_many_starts_and_stops);
  return suite;
}

GST_CHECK_MAIN(camerasrc)
