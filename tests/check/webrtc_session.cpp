// SPDX-License-Identifier: LGPL-2.1-or-later
// Media through two joined sessions: each codec, raw and encoded, requests for keyframes, loss.
#include <algorithm>

#include "webrtc_peers.h"

using namespace fixture;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kRtxSsrc = 0x22222222;
constexpr uint32_t kAudioSsrc = 0x33333333;

constexpr char kLiveVideo[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1";
constexpr char kLiveAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";
constexpr char kLiveVp8[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1 ! "
    "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=1000 target-bitrate=800000";

SessionMedia video_of(Codec codec)
{
  return sending("v", MediaKind::Video, {std::move(codec)}, kVideoSsrc, kRtxSsrc);
}

SessionMedia audio()
{
  return sending("a", MediaKind::Audio, {opus()}, kAudioSsrc);
}

void check_rising(const std::vector<Received> &buffers)
{
  for (size_t i = 1; i < buffers.size(); i++)
    ck_assert_uint_ge(buffers[i].running, buffers[i - 1].running);
}

std::string stats_text(Peer &peer)
{
  const StructurePtr stats = peer.session().stats();
  const streamlib::support::CStr text(gst_structure_to_string(stats.get()));
  return text.get() + (" | " + peer.error(0));
}

// Raw in, encoded and decoded out.
void check_codec(const Codec &codec, const char *decoder)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(codec), audio()});
  pair.b.add_output(MediaKind::Video, decoder);
  pair.b.add_output(MediaKind::Audio, "opusdec");
  pair.connect();
  const bool flowed = eventually(
      [&] { return pair.b.count(MediaKind::Video) >= 30 && pair.b.count(MediaKind::Audio) >= 30; });
  ck_assert_msg(flowed, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  check_rising(pair.b.received(MediaKind::Audio));
  check_rising(pair.b.received(MediaKind::Video));
  for (const Received &picture : pair.b.received(MediaKind::Video))
    ck_assert_uint_eq(picture.size, 320 * 240 * 3 / 2);
  ck_assert_uint_le(pair.forth->largest, 1200 - 16 - 36);
  ck_assert_uint_eq(pair.b.stat("dropped-unassociated"), 0);
}

}  // namespace

GST_START_TEST(test_vp8)
{
  check_codec(vp8(), "vp8dec");
}
GST_END_TEST

GST_START_TEST(test_vp9)
{
  check_codec(vp9(), "vp9dec");
}
GST_END_TEST

GST_START_TEST(test_h264)
{
  check_codec(h264(), "h264parse ! avdec_h264");
}
GST_END_TEST

// Each side sends and receives.
GST_START_TEST(test_both_ways)
{
  Pair pair;
  SessionMedia media = video_of(vp8());
  media.local.direction = media.remote.direction = Direction::SendRecv;
  media.remote.ssrc = 0x44444444;
  media.remote.rtx_ssrc = 0x55555555;
  for (Peer *peer : {&pair.a, &pair.b}) {
    peer->add_source(MediaKind::Video, kLiveVideo);
    peer->play();
  }
  pair.begin({media});
  for (Peer *peer : {&pair.a, &pair.b})
    peer->add_output(MediaKind::Video, "vp8dec");
  pair.connect();
  ck_assert(eventually([&] {
    return pair.a.count(MediaKind::Video) >= 20 && pair.b.count(MediaKind::Video) >= 20;
  }));
}
GST_END_TEST

GST_START_TEST(test_live_input_is_dropped_and_other_input_waits)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio,
                    "audiotestsrc num-buffers=100 samplesperbuffer=480 ! "
                    "audio/x-raw,rate=48000,channels=1");
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8()), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  const auto input_stat = [&](const char *input, const char *field) {
    const StructurePtr stats = pair.a.session().stats();
    guint64 value = 0;
    const GstStructure *entry =
        gst_value_get_structure(gst_structure_get_value(stats.get(), input));
    ck_assert(gst_structure_get_uint64(entry, field, &value));
    return value;
  };
  ck_assert(eventually([&] { return input_stat("video-input", "dropped-closed") > 10; }));
  ck_assert_uint_eq(input_stat("audio-input", "dropped-closed"), 0);
  ck_assert_uint_eq(pair.forth->rtp, 0);
  const gint64 connected = g_get_monotonic_time();
  pair.connect();
  // 100 buffers of 10 ms make 50 frames of Opus, at the pace of the clock.
  ck_assert(eventually([&] { return input_stat("audio-input", "passed") == 100; }));
  ck_assert_int_ge(g_get_monotonic_time() - connected, 900000);
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Audio) >= 49; }));
  const bool flowed = eventually([&] { return pair.b.count(MediaKind::Video) >= 10; });
  ck_assert_msg(flowed, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  check_rising(pair.b.received(MediaKind::Audio));
}
GST_END_TEST

// The first keyframe is lost; without a request there would be no other one.
GST_START_TEST(test_lost_keyframe_is_asked_for)
{
  Pair pair;
  std::atomic<int> to_lose = 20;
  pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &) {
    return kind == PacketKind::Rtp && to_lose > 0 && to_lose-- > 0;
  };
  pair.a.add_source(MediaKind::Video, kLiveVp8);
  pair.a.play();
  pair.b.play();
  Codec codec = vp8();
  codec.feedback = {"nack pli"};
  codec.rtx_payload_type.reset();
  pair.begin({video_of(codec)});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  const bool flowed = eventually([&] { return pair.b.count(MediaKind::Video) >= 20; });
  ck_assert_msg(flowed, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  ck_assert(pair.b.received(MediaKind::Video).front().is_key);
  ck_assert_uint_ge(pair.back->plis, 1);
  ck_assert_uint_eq(pair.back->firs, 0);
  ck_assert_uint_ge(pair.a.stat("keyframe-requests-received"), 1);
}
GST_END_TEST

// Where the peer knows FIR only, FIR it is.
GST_START_TEST(test_fir)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVp8);
  pair.a.play();
  pair.b.play();
  Codec codec = vp8();
  codec.feedback = {"ccm fir"};
  pair.begin({video_of(codec)});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 10; }));
  const auto keys = [&] {
    const auto all = pair.b.received(MediaKind::Video);
    return std::count_if(all.begin(), all.end(), [](const Received &b) { return b.is_key; });
  };
  const auto before = keys();
  pair.b.session().request_keyframe();
  const bool came = eventually([&] { return keys() > before; });
  ck_assert_msg(came, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  ck_assert_uint_ge(pair.back->firs, 1);
  ck_assert_uint_eq(pair.back->plis, 0);
}
GST_END_TEST

GST_START_TEST(test_keyframe_requests_are_throttled)
{
  SessionSettings settings;
  settings.keyframe_request_interval_ms = 500;
  Pair pair({}, settings, settings);
  pair.a.add_source(MediaKind::Video, kLiveVp8);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8())});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 5; }));
  const guint64 before = pair.b.stat("keyframe-requests-sent");
  for (int i = 0; i < 100; i++) {
    pair.b.session().request_keyframe();
    sleep_ms(10);
  }
  const guint64 sent = pair.b.stat("keyframe-requests-sent") - before;
  ck_assert_uint_ge(pair.b.stat("keyframe-requests-wanted"), 100);
  ck_assert_uint_ge(sent, 1);
  ck_assert_uint_le(sent, static_cast<guint64>(limit_ms(4)));
}
GST_END_TEST

// 5 % loss, jitter, reordering and duplicates.
GST_START_TEST(test_bad_network)
{
  WireSettings wire;
  wire.seed = 7;
  wire.loss = 0.05;
  wire.duplicate = 0.05;
  wire.delay_ms = 10;
  wire.jitter_ms = 20;
  Pair pair(wire);
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8()), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  const bool flowed = eventually([&] { return pair.b.count(MediaKind::Video) >= 120; }, 15000);
  ck_assert_msg(flowed, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  ck_assert_uint_ge(pair.forth->lost, 5);
  ck_assert_uint_ge(pair.back->nacks, 1);
  ck_assert_uint_ge(pair.b.stat("rtx-recovered"), 1);
  ck_assert_uint_ge(pair.a.stat("rtx-sent"), 1);
  ck_assert_uint_ge(pair.b.stat("jitter-duplicates"), 1);
  check_rising(pair.b.received(MediaKind::Video));
}
GST_END_TEST

// Each side can say it, again and again.
GST_START_TEST(test_bye)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVp8);
  pair.a.play();
  pair.b.play();
  for (int i = 0; i < 5; i++) {
    const auto reset = [](Pair &p) {
      p.forth->byes = p.back->byes = p.back->rtcp = 0;
      for (Peer *peer : {&p.a, &p.b})
        peer->listener.byes_sent = peer->listener.byes_received = 0;
    };
    reset(pair);
    pair.begin({video_of(vp8())});
    if (i == 0)
      pair.b.add_output(MediaKind::Video);
    const size_t before = pair.b.count(MediaKind::Video);
    pair.connect();
    ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= before + 5; }));
    ck_assert(eventually([&] { return pair.back->rtcp > 0; }));
    pair.a.session().begin_bye();
    pair.a.session().begin_bye();
    ck_assert_int_eq(pair.a.listener.byes_sent, 1);
    ck_assert_uint_eq(pair.forth->byes, 1);
    ck_assert_int_eq(pair.a.listener.ended, 0);
    const unsigned rtp = pair.forth->rtp;
    const unsigned rtcp = pair.forth->rtcp;
    ck_assert(eventually([&] { return pair.b.listener.byes_received > 0; }, 2000));
    // A side that only receives says BYE too.
    pair.b.session().begin_bye();
    ck_assert_int_eq(pair.b.listener.byes_sent, 1);
    ck_assert_uint_eq(pair.back->byes, 1);
    sleep_ms(100);
    ck_assert_uint_le(pair.forth->rtp, rtp + 1);
    ck_assert_uint_eq(pair.forth->rtcp, rtcp);
  }
}
GST_END_TEST

// Who has said nothing must not say BYE (RFC 3550 §6.3.7), but is done with it.
GST_START_TEST(test_bye_of_the_silent)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVp8);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8())});
  pair.a.session().begin_bye();
  ck_assert_int_eq(pair.a.listener.byes_sent, 1);
  ck_assert_uint_eq(pair.forth->byes, 0);
}
GST_END_TEST

// The end of all inputs is told once, when everything has been sent; a BYE follows.
GST_START_TEST(test_end_of_inputs)
{
  Pair pair;
  pair.a.add_source(MediaKind::Audio,
                    "audiotestsrc num-buffers=20 samplesperbuffer=960 ! "
                    "audio/x-raw,rate=48000,channels=2");
  pair.a.play();
  pair.b.play();
  pair.begin({audio()});
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] { return pair.a.listener.ended == 1; }));
  ck_assert(eventually([&] { return pair.a.listener.byes_sent == 1; }, 2000));
  ck_assert_uint_eq(pair.forth->byes, 1);
  ck_assert(eventually([&] { return pair.b.listener.byes_received == 1; }, 2000));
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Audio) >= 20; }));
  sleep_ms(300);
  ck_assert_uint_eq(pair.forth->byes, 1);
  ck_assert_int_eq(pair.a.listener.ended, 1);
}
GST_END_TEST

GST_START_TEST(test_input_that_ends_first_leaves_the_other)
{
  Pair pair;
  pair.a.add_source(MediaKind::Audio,
                    "audiotestsrc num-buffers=20 samplesperbuffer=960 ! "
                    "audio/x-raw,rate=48000,channels=2");
  GstElement *picture = pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8()), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Audio) >= 20; }));
  const size_t before = pair.b.count(MediaKind::Video);
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= before + 30; }));
  ck_assert_int_eq(pair.a.listener.ended, 0);
  ck_assert_uint_eq(pair.forth->byes, 0);
  ck_assert(gst_element_send_event(picture, gst_event_new_eos()));
  ck_assert(eventually([&] { return pair.a.listener.byes_sent == 1; }));
  ck_assert_int_eq(pair.a.listener.ended, 1);
  ck_assert_uint_eq(pair.forth->byes, 1);
}
GST_END_TEST

// Another session in the place of the first one: other SSRCs and RTP times, the same pads.
GST_START_TEST(test_renewal_keeps_pads_and_running_time)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kLiveVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8()), audio()});
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] {
    return pair.b.count(MediaKind::Video) >= 20 && pair.b.count(MediaKind::Audio) >= 20;
  }));
  GstPad *const pad = pair.b.session().output(MediaKind::Video);
  SessionMedia video = video_of(vp8(120));
  video.local.ssrc = 0x66666666;
  video.local.rtx_ssrc = 0x77777777;
  SessionMedia sound = audio();
  sound.local.ssrc = 0x88888888;
  pair.begin({video, sound});
  const size_t pictures = pair.b.count(MediaKind::Video);
  const size_t sounds = pair.b.count(MediaKind::Audio);
  pair.connect();
  const bool flowed = eventually([&] {
    return pair.b.count(MediaKind::Video) >= pictures + 20 &&
           pair.b.count(MediaKind::Audio) >= sounds + 20;
  });
  ck_assert_msg(flowed, "%s | %s", stats_text(pair.a).c_str(), stats_text(pair.b).c_str());
  ck_assert_ptr_eq(pair.b.session().output(MediaKind::Video), pad);
  const auto all = pair.b.received(MediaKind::Video);
  check_rising(all);
  ck_assert(all[pictures].is_discont);
  ck_assert(all[pictures].is_key);
  ck_assert_uint_lt(all.back().running - all.front().running, 20 * GST_SECOND);
}
GST_END_TEST

static Suite *webrtc_session_suite()
{
  Suite *suite = suite_create("webrtc-session");
  TCase *tcase = tcase_create("session");
  tcase_add_test(tcase, test_vp8);
  tcase_add_test(tcase, test_vp9);
  tcase_add_test(tcase, test_h264);
  tcase_add_test(tcase, test_both_ways);
  tcase_add_test(tcase, test_live_input_is_dropped_and_other_input_waits);
  tcase_add_test(tcase, test_lost_keyframe_is_asked_for);
  tcase_add_test(tcase, test_fir);
  tcase_add_test(tcase, test_keyframe_requests_are_throttled);
  tcase_add_test(tcase, test_bad_network);
  tcase_add_test(tcase, test_bye);
  tcase_add_test(tcase, test_bye_of_the_silent);
  tcase_add_test(tcase, test_end_of_inputs);
  tcase_add_test(tcase, test_input_that_ends_first_leaves_the_other);
  tcase_add_test(tcase, test_renewal_keeps_pads_and_running_time);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session)
