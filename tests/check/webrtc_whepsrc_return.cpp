// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and servers that end, die and come back.
#include <algorithm>

#include "whep_stage.h"

using namespace fixture;

// The server ends what it sends, and comes back as another one: other SSRCs, another certificate.
GST_START_TEST(test_server_ends_sessions_and_goes_on)
{
  WhepServer server;
  Viewer viewer(server.endpoint(), {{kVideo, "capsfilter caps=video/x-vp8"}, {kAudio, kRawAudio}});
  set(viewer, "reconnect-delay", "100");
  viewer.play();
  ck_assert(flows(viewer));
  server.close_sessions();
  ck_assert(eventually([&] { return viewer.state() == "reconnecting"; }));
  const size_t before = viewer.count(kVideo);
  const bool flowed = eventually([&] { return server.posts == 2; }) && flows(viewer);
  ck_assert_msg(flowed, "%s", viewer.stats_text().c_str());
  ck_assert_int_eq(viewer.pads_added, 2);
  ck_assert_int_eq(viewer.pads_removed, 0);
  ck_assert_int_eq(viewer.no_more_pads, 1);
  const auto pictures = viewer.seen(kVideo);
  check_rising(pictures);
  check_rising(viewer.seen(kAudio));
  const auto is_break = [](const Seen &seen) { return seen.is_discont && seen.is_key; };
  ck_assert(
      std::any_of(pictures.begin() + static_cast<ptrdiff_t>(before), pictures.end(), is_break));
  ck_assert(viewer.problem(GST_MESSAGE_ERROR, 0).text.empty());
}
GST_END_TEST

// The running time is that of the pipeline, however long nobody was there.
GST_START_TEST(test_server_dies_and_comes_back)
{
  Stage stage;
  stage.viewer.play();
  ck_assert(flows(stage.viewer));
  stage.server.kill();
  // Consent expires after some 10 s.
  ck_assert(eventually([&] { return stage.viewer.state() == "reconnecting"; }, 20000));
  const size_t before = stage.viewer.count(kVideo);
  sleep_ms(500);
  stage.server.come_back();
  const bool flowed = flows(stage.viewer, 10, 15000);
  ck_assert_msg(flowed, "%s", stage.viewer.stats_text().c_str());
  ck_assert_int_eq(stage.viewer.pads_added, 2);
  ck_assert_int_eq(stage.viewer.pads_removed, 0);
  const auto pictures = stage.viewer.seen(kVideo);
  check_rising(pictures);
  check_rising(stage.viewer.seen(kAudio));
  const GstClockTime gap = pictures[before].running - pictures[before - 1].running;
  ck_assert_uint_ge(gap, 8 * GST_SECOND);
  const GstClockTime now = gst_element_get_current_running_time(stage.viewer.pipeline());
  ck_assert_uint_lt(now - std::min(now, pictures.back().running), 2 * GST_SECOND);
}
GST_END_TEST

// With reconnect=never the end of what is played is the end of the stream.
GST_START_TEST(test_end_of_the_peer_is_eos)
{
  Stage stage;
  set(stage.viewer, "reconnect", "never");
  stage.viewer.play();
  ck_assert(flows(stage.viewer));
  stage.server.close_sessions();
  const auto message =
      stage.viewer.message(static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  ck_assert(message.get() != nullptr);
  ck_assert_int_eq(GST_MESSAGE_TYPE(message.get()), GST_MESSAGE_EOS);
}
GST_END_TEST

static Suite *webrtc_whepsrc_return_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc-return");
  TCase *tcase = tcase_create("return");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_server_ends_sessions_and_goes_on);
  tcase_add_test(tcase, test_server_dies_and_comes_back);
  tcase_add_test(tcase, test_end_of_the_peer_is_eos);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc_return)
