// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and a peer that changes its codec while it sends.
#include <cmath>

#include "codec_selector.h"
#include "ext/webrtc/sdp/codecs.h"
#include "whep_stage.h"

using namespace fixture;

namespace {

FarPlan plan_of_all()
{
  FarPlan plan;
  plan.video = {streamlib::webrtc::vp8_codec(), streamlib::webrtc::h264_codec("42e01f"),
                streamlib::webrtc::vp9_codec()};
  plan.video_line = all_encoded(
      "videotestsrc is-live=true pattern=black ! video/x-raw,width=320,height=240,"
      "framerate=30/1");
  return plan;
}

void choose_at(WhepServer &server, const CodecCase &codec)
{
  server.for_each([&](FarPeer &peer) { choose(peer.pipeline(), codec); });
}

// The longest time without a picture, in milliseconds.
double longest_gap(const std::vector<Seen> &all)
{
  GstClockTime longest = 0;
  for (size_t i = 1; i < all.size(); i++)
    longest = std::max(longest, all[i].running - all[i - 1].running);
  return static_cast<double>(longest) / GST_MSECOND;
}

}  // namespace

GST_START_TEST(raw_output_goes_on_with_another_codec)
{
  WhepServer server(plan_of_all());
  server.set_on_session([](FarPeer &peer) { choose(peer.pipeline(), kVp8); });
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}, {kAudio, kRawAudio}});
  viewer.play();
  ck_assert(flows(viewer, 30));
  for (const CodecCase &codec : {kH264, kVp9, kVp8, kH264}) {
    const size_t before = viewer.count(kVideo);
    choose_at(server, codec);
    sleep_ms(500);
    ck_assert_msg(flows(viewer, 30), "%s does not flow", codec.type);
    const auto all = viewer.seen(kVideo);
    for (size_t i = before; i < all.size(); i++)
      for (int bar = 0; bar < kBars - 1; bar++)
        ck_assert_int_le(std::abs(all[i].u[bar] - kBarU[bar]), 24);
  }
  const auto pictures = viewer.seen(kVideo);
  check_rising(pictures);
  ck_assert_msg(longest_gap(pictures) < limit_ms(1000), "%f ms", longest_gap(pictures));
  ck_assert_msg(longest_gap(viewer.seen(kAudio)) < limit_ms(200), "%f ms",
                longest_gap(viewer.seen(kAudio)));
  ck_assert_int_eq(viewer.pads_added, 2);
  ck_assert_int_eq(viewer.pads_removed, 0);
  ck_assert(!viewer.message(GST_MESSAGE_ERROR, 0));
}
GST_END_TEST

GST_START_TEST(encoded_output_has_other_caps)
{
  WhepServer server(plan_of_all());
  server.set_on_session([](FarPeer &peer) { choose(peer.pipeline(), kVp8); });
  Viewer viewer(
      server.endpoint(),
      {{kVideo, "capsfilter caps=video/x-vp8;video/x-h264;video/x-vp9"}, {kAudio, kRawAudio}});
  viewer.play();
  ck_assert(flows(viewer, 30));
  for (const CodecCase &codec : {kH264, kVp9, kVp8}) {
    choose_at(server, codec);
    ck_assert_msg(eventually([&] { return viewer.caps(kVideo).starts_with(codec.type); }), "%s",
                  viewer.caps(kVideo).c_str());
    ck_assert_msg(flows(viewer, 30), "%s does not flow", codec.type);
  }
  const auto all = viewer.seen(kVideo);
  check_rising(all);
  ck_assert_msg(longest_gap(all) < limit_ms(1000), "%f ms", longest_gap(all));
  size_t keyframes = 0;
  for (const Seen &seen : all)
    keyframes += seen.is_key;
  ck_assert_uint_ge(keyframes, 4);
  ck_assert(!viewer.message(GST_MESSAGE_ERROR, 0));
}
GST_END_TEST

// Who takes the first codec alone is told why the pictures end.
GST_START_TEST(output_that_takes_one_codec)
{
  WhepServer server(plan_of_all());
  server.set_on_session([](FarPeer &peer) { choose(peer.pipeline(), kVp8); });
  Viewer viewer(server.endpoint(), {{kVideo, "capsfilter caps=video/x-vp8"}, {kAudio, kRawAudio}});
  viewer.play();
  ck_assert(flows(viewer, 30));
  choose_at(server, kH264);
  const auto error = viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_int_eq(error.code, GST_STREAM_ERROR_FORMAT);
  ck_assert_msg(error.text.find("video_0") != std::string::npos, "%s", error.text.c_str());
}
GST_END_TEST

// A new session after the end of the first one.
GST_START_TEST(server_comes_back_with_another_codec)
{
  FarPlan plan;
  WhepServer server(plan);
  Viewer viewer(server.endpoint(), {{kVideo, kRawVideo}, {kAudio, kRawAudio}});
  set(viewer, "reconnect-delay", "100");
  viewer.play();
  ck_assert(flows(viewer));
  plan.video = {streamlib::webrtc::h264_codec("42e01f")};
  server.set_plan(plan);
  server.close_sessions();
  ck_assert(eventually([&] { return server.posts == 2; }));
  ck_assert(flows(viewer, 30));
  check_rising(viewer.seen(kVideo));
  ck_assert_int_eq(viewer.pads_added, 2);
  ck_assert(!viewer.message(GST_MESSAGE_ERROR, 0));
}
GST_END_TEST

static Suite *webrtc_whepsrc_codecs_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc-codecs");
  TCase *tc = tcase_create("changes");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, raw_output_goes_on_with_another_codec);
  tcase_add_test(tc, encoded_output_has_other_caps);
  tcase_add_test(tc, output_that_takes_one_codec);
  tcase_add_test(tc, server_comes_back_with_another_codec);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc_codecs)
