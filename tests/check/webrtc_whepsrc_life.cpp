// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc is started and stopped, at any time and again.
#include <algorithm>
#include <filesystem>

#include "ext/webrtc/gstslwhepsrc.h"
#include "whep_stage.h"

using namespace fixture;
using streamlib::support::adopt_object;

namespace {

int entries_of(const char *folder)
{
  int count = 0;
  for ([[maybe_unused]] const auto &entry : std::filesystem::directory_iterator(folder))
    count++;
  return count;
}

}  // namespace

// More than once; what is set in READY counts.
GST_START_TEST(test_null_and_ready_and_back)
{
  Stage stage;
  for (int round = 1; round <= 4; round++) {
    stage.viewer.play();
    ck_assert(flows(stage.viewer));
    for (const MediaKind kind : {kVideo, kAudio})
      stage.viewer.unlink(kind);
    const gint64 begin = g_get_monotonic_time();
    gst_element_set_state(stage.viewer.pipeline(),
                          round % 2 == 0 ? GST_STATE_NULL : GST_STATE_READY);
    ck_assert_int_lt(g_get_monotonic_time() - begin, kMaxStopUs);
    ck_assert_int_eq(stage.server.deletes, round);
    ck_assert_int_eq(stage.viewer.pads_removed, 2 * round);
  }
  WhepServer other;
  gst_element_set_state(stage.viewer.pipeline(), GST_STATE_READY);
  g_object_set(stage.viewer.src(), "whep-endpoint", other.endpoint().c_str(), nullptr);
  stage.viewer.play();
  ck_assert(flows(stage.viewer));
  ck_assert_int_eq(other.posts, 1);
  ck_assert_int_eq(stage.server.posts, 4);
}
GST_END_TEST

GST_START_TEST(test_server_that_never_answers)
{
  Stage stage;
  GSocketListener *listener = g_socket_listener_new();
  const guint16 port = g_socket_listener_add_any_inet_port(listener, nullptr, nullptr);
  const std::string address = "http://127.0.0.1:" + std::to_string(port) + "/whep";
  g_object_set(stage.viewer.src(), "whep-endpoint", address.c_str(), nullptr);
  stage.viewer.play();
  sleep_ms(300);
  ck_assert_int_lt(stage.viewer.stop(), kMaxStopUs);
  g_object_unref(listener);
}
GST_END_TEST

// At any moment between the beginning and the first pictures.
GST_START_TEST(test_starts_and_stops)
{
  constexpr int kRounds = 50;
  constexpr int kWarmUp = 8;
  FarPlan plan;
  plan.video_line =
      "videotestsrc is-live=true pattern=black ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=15/1";
  WhepServer server(plan);
  GRand *random = g_rand_new_with_seed(11);
  gint64 worst_us = 0;
  int playing = 0;
  int threads = 0;
  int descriptors = 0;
  for (int round = 0; round < kRounds; round++) {
    if (round == kWarmUp) {
      // A session whose address nobody has got yet ends by itself.
      server.close_sessions();
      ck_assert(eventually([&] { return server.sessions() == 0; }));
      sleep_ms(200);
      threads = entries_of("/proc/self/task");
      descriptors = entries_of("/proc/self/fd");
    }
    Viewer viewer(server.endpoint(), {{kVideo, "identity"}, {kAudio, "identity"}});
    viewer.play();
    sleep_ms(g_rand_int_range(random, 0, limit_ms(400)));
    playing += viewer.count(kVideo) + viewer.count(kAudio) > 0;
    worst_us = std::max(worst_us, viewer.stop());
  }
  g_rand_free(random);
  g_print("%d of %d played, the worst stop took %" G_GINT64_FORMAT " us\n", playing, kRounds,
          worst_us);
  ck_assert_int_lt(worst_us, kMaxStopUs);
  ck_assert(playing > 0 && playing < kRounds);
  server.close_sessions();
  const auto is_flat = [&] {
    return entries_of("/proc/self/task") <= threads && entries_of("/proc/self/fd") <= descriptors;
  };
  ck_assert_msg(eventually(is_flat, 3000), "threads %d, before %d; descriptors %d, before %d",
                entries_of("/proc/self/task"), threads, entries_of("/proc/self/fd"), descriptors);
}
GST_END_TEST

// An application that wants the end, as gst-launch-1.0 -e does, gets it: what waits for pads that
// have not come, or never will, too, and for one with another codec.
GST_START_TEST(test_end_comes_without_pads)
{
  FarPlan plan;
  if (__i__ == 1)
    plan.video.clear();
  WhepServer server(plan);
  if (__i__ == 0)
    server.kill();
  GST_ELEMENT_REGISTER(slwhepsrc, nullptr);
  const std::string line = "slwhepsrc name=play whep-endpoint=" + server.endpoint() + " play. ! " +
                           (__i__ == 2 ? "video/x-h264" : "videoconvert") +
                           " ! fakesink play. ! audioconvert ! fakesink";
  const auto pipeline = adopt_object(gst_parse_launch(line.c_str(), nullptr));
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  if (__i__ >= 1)
    ck_assert(eventually([&] { return server.sessions() == 1; }));
  sleep_ms(300);
  const gint64 begin = g_get_monotonic_time();
  ck_assert(gst_element_send_event(pipeline.get(), gst_event_new_eos()));
  ck_assert(message_of(pipeline.get(), GST_MESSAGE_EOS, 5000));
  ck_assert_int_lt(g_get_monotonic_time() - begin, kMaxStopUs);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  const auto play = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "play"));
  ck_assert_int_eq(play.get()->numpads, 0);
}
GST_END_TEST

static Suite *webrtc_whepsrc_life_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc-life");
  TCase *tcase = tcase_create("life");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_null_and_ready_and_back);
  tcase_add_test(tcase, test_server_that_never_answers);
  tcase_add_test(tcase, test_starts_and_stops);
  tcase_add_loop_test(tcase, test_end_comes_without_pads, 0, 3);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc_life)
