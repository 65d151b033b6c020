// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and servers that refuse, wrong peers, lost packets, slow consumers.
#include <cmath>
#include <memory>

#include "whep_stage.h"

using namespace fixture;

GST_START_TEST(test_token)
{
  Stage stage;
  stage.server.set_token("s3cret");
  set(stage.viewer, "auth-token", "s3cret");
  stage.viewer.play();
  ck_assert(flows(stage.viewer));
  stage.viewer.stop();
  ck_assert_int_eq(stage.server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(test_no_endpoint)
{
  Stage stage;
  g_object_set(stage.viewer.src(), "whep-endpoint", nullptr, nullptr);
  ck_assert_int_eq(gst_element_set_state(stage.viewer.pipeline(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
  const auto problem = stage.viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_int_eq(problem.code, GST_RESOURCE_ERROR_SETTINGS);
  ck_assert(problem.text.find("whep-endpoint") != std::string::npos);
}
GST_END_TEST

// The server would rather offer itself (draft-ietf-wish-whep §4.3.2).
GST_START_TEST(test_406_counter_offer)
{
  Stage stage;
  stage.server.makes_counter_offers = true;
  stage.viewer.play();
  const bool flowed = flows(stage.viewer);
  ck_assert_msg(flowed, "%s", stage.viewer.stats_text().c_str());
  ck_assert_int_eq(stage.server.counter_offers_answered, 1);
  stage.viewer.stop();
  ck_assert_int_eq(stage.server.deletes, 1);
}
GST_END_TEST

// Another certificate than the one that the server has named: nothing of it comes out.
GST_START_TEST(test_wrong_fingerprint)
{
  FarPlan plan;
  plan.has_wrong_fingerprint = true;
  Stage stage(plan);
  stage.viewer.play();
  const auto problem = stage.viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_msg(
      problem.domain == GST_RESOURCE_ERROR && problem.code == GST_RESOURCE_ERROR_NOT_AUTHORIZED,
      "%s", problem.text.c_str());
  ck_assert(problem.text.find("certificate") != std::string::npos);
  ck_assert(eventually([&] { return stage.server.deletes == 1; }));
  sleep_ms(300);
  ck_assert_uint_eq(stage.viewer.count(kVideo), 0);
  ck_assert_uint_eq(stage.viewer.count(kAudio), 0);
  ck_assert_int_lt(stage.viewer.stop(), kMaxStopUs);
  // Nobody tries a wrong peer once more.
  ck_assert_int_eq(stage.server.posts, 1);
}
GST_END_TEST

// Packets are lost, the first keyframe among them: it is asked for, and neither medium stands.
GST_START_TEST(test_loss)
{
  FarPlan plan;
  plan.session.video_encoder.keyframe_interval_ms = 60000;
  Stage stage(plan);
  struct Loss {
    std::atomic<unsigned> pictures = 0;
    std::atomic<unsigned> sounds = 0;
    std::atomic<size_t> lost_sounds = 0;
  };
  const auto loss = std::make_shared<Loss>();
  stage.server.set_on_session([loss](FarPeer &peer) {
    peer.lose_out = [loss](PacketKind kind, GstBuffer *packet) {
      guint8 ssrc = 0;
      gst_buffer_extract(packet, 8, &ssrc, 1);
      if (kind != PacketKind::Rtp)
        return false;
      if (ssrc != FarPeer::kAudioSsrc >> 24) {
        const unsigned number = loss->pictures++;
        return number < 10 || number % 20 == 7;
      }
      const bool is_lost = loss->sounds++ % 8 == 3;
      loss->lost_sounds += is_lost;
      return is_lost;
    };
  });
  stage.viewer.play();
  const bool flowed = eventually(
      [&] { return stage.viewer.count(kVideo) >= 90 && stage.viewer.count(kAudio) >= 200; }, 20000);
  ck_assert_msg(flowed, "%s", stage.viewer.stats_text().c_str());
  check_rising(stage.viewer.seen(kVideo));
  // What is lost of the sound is made up for.
  const auto sounds = stage.viewer.seen(kAudio);
  size_t holes = 0;
  for (size_t i = 1; i < sounds.size(); i++) {
    const GstClockTime length = gst_util_uint64_scale(sounds[i - 1].size / 4, GST_SECOND, 48000);
    holes += sounds[i].running > sounds[i - 1].running + length + 10 * GST_MSECOND;
  }
  ck_assert_uint_ge(loss->lost_sounds, 20);
  ck_assert_msg(holes * 2 < loss->lost_sounds, "%zu holes, %zu packets lost", holes,
                loss->lost_sounds.load());
}
GST_END_TEST

// Whoever takes pictures too slowly does not hold the sound.
GST_START_TEST(test_slow_consumer)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {{kVideo, "identity sleep-time=400000"}, {kAudio, kRawAudio}});
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(kAudio) >= 400; }, 15000));
  const auto sounds = viewer.seen(kAudio);
  check_rising(sounds);
  for (size_t i = 1; i < sounds.size(); i++)
    ck_assert_uint_lt(sounds[i].running - sounds[i - 1].running, 300 * GST_MSECOND);
  ck_assert(eventually([&] { return viewer.pad_stat("video_0", "dropped-full") > 0; }));
  ck_assert_int_lt(viewer.stop(), kMaxStopUs);
}
GST_END_TEST

static Suite *webrtc_whepsrc_faults_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc-faults");
  TCase *tcase = tcase_create("faults");
  tcase_set_timeout(tcase, 30);
  tcase_add_test(tcase, test_token);
  tcase_add_test(tcase, test_no_endpoint);
  tcase_add_test(tcase, test_406_counter_offer);
  tcase_add_test(tcase, test_wrong_fingerprint);
  tcase_add_test(tcase, test_loss);
  tcase_add_test(tcase, test_slow_consumer);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc_faults)
