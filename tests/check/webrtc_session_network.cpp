// SPDX-License-Identifier: LGPL-2.1-or-later
// Two joined sessions over bad networks: what is mended, and what times come out.
#include "webrtc_peers.h"

using namespace fixture;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kRtxSsrc = 0x22222222;
constexpr uint32_t kAudioSsrc = 0x33333333;

constexpr char kLiveAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";
// Several packets a picture, and not much work for an encoder on a busy machine.
constexpr char kDenseVideo[] =
    "videotestsrc is-live=true pattern=snow ! video/x-raw,width=160,height=120,framerate=30/1";

std::vector<SessionMedia> both_media()
{
  return {sending("v", MediaKind::Video, {vp8()}, kVideoSsrc, kRtxSsrc),
          sending("a", MediaKind::Audio, {opus()}, kAudioSsrc)};
}

// On a busy machine a request and its answer wait for a processor in nine threads: what was lost
// then comes after the default of 200 ms, which is no fault of the session.
SessionSettings patient()
{
  SessionSettings settings;
  settings.video_latency_ms = 1000;
  settings.audio_latency_ms = 1000;
  return settings;
}

uint32_t ssrc_of(const std::vector<uint8_t> &packet)
{
  return static_cast<uint32_t>(packet[8]) << 24 | static_cast<uint32_t>(packet[9]) << 16 |
         static_cast<uint32_t>(packet[10]) << 8 | packet[11];
}

guint64 output_stat(Peer &peer, const char *output, const char *field)
{
  const StructurePtr stats = peer.session().stats();
  guint64 value = 0;
  const GValue *entry = gst_structure_get_value(stats.get(), output);
  ck_assert(entry != nullptr);
  ck_assert(gst_structure_get_uint64(gst_value_get_structure(entry), field, &value));
  return value;
}

// Both media for some seconds.
void run(Pair &pair, int seconds)
{
  pair.a.add_source(MediaKind::Video, kDenseVideo);
  pair.a.add_source(MediaKind::Audio, kLiveAudio);
  pair.a.play();
  pair.b.play();
  pair.begin(both_media());
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 5; }));
  sleep_ms(seconds * 1000);
}

}  // namespace

// Of what a network loses, nearly all comes again in time.
GST_START_TEST(test_retransmissions_recover_losses)
{
  WireSettings wire;
  wire.delay_ms = 20;
  Pair pair(wire, {}, patient(), wire);
  std::mutex mutex;
  std::mt19937 random(11);
  std::atomic<unsigned> lost_media = 0;
  std::atomic<unsigned> media = 0;
  pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &packet) {
    if (kind == PacketKind::Rtcp)
      return false;
    const std::lock_guard lock(mutex);
    const bool is_media = ssrc_of(packet) == kVideoSsrc;
    media += is_media;
    // The beginning is for the peers to learn of each other.
    const bool is_lost = media > 200 && std::uniform_real_distribution<double>()(random) < 0.05;
    lost_media += is_lost && is_media;
    return is_lost;
  };
  run(pair, 6);
  ck_assert(eventually([&] { return lost_media >= 20; }));
  const unsigned lost = lost_media;
  sleep_ms(1000);
  const guint64 recovered = pair.b.stat("rtx-recovered");
  ck_assert_msg(recovered * 10 >= lost * 8, "%u of %u", static_cast<unsigned>(recovered), lost);
}
GST_END_TEST

// The same after another codec has taken over, with other payload types on the same SSRCs.
GST_START_TEST(test_retransmissions_of_another_codec)
{
  WireSettings wire;
  wire.delay_ms = 20;
  Pair pair(wire, {}, patient(), wire);
  std::mutex mutex;
  std::mt19937 random(12);
  std::atomic<unsigned> lost = 0;
  std::atomic<bool> is_lossy = false;
  pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &packet) {
    if (kind == PacketKind::Rtcp || !is_lossy)
      return false;
    const std::lock_guard lock(mutex);
    const bool is_lost = std::uniform_real_distribution<double>()(random) < 0.05;
    lost += is_lost && ssrc_of(packet) == kVideoSsrc;
    return is_lost;
  };
  GstElement *source = pair.a.add_source(
      MediaKind::Video,
      std::string(kDenseVideo) +
          ",format=I420 ! tee name=t  t. ! queue ! vp8enc deadline=1 cpu-used=8 "
          "target-bitrate=1000000 keyframe-max-dist=30 ! s.sink_0  t. ! queue ! x264enc "
          "tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=1500 ! "
          "video/x-h264,profile=constrained-baseline ! s.sink_1  "
          "input-selector name=s sync-streams=false");
  const auto selector = adopt_object(gst_bin_get_by_name(GST_BIN(source), "s"));
  const auto choose = [&](const char *name) {
    const auto pad = adopt_object(gst_element_get_static_pad(selector.get(), name));
    g_object_set(selector.get(), "active-pad", pad.get(), nullptr);
  };
  choose("sink_0");
  pair.a.play();
  pair.b.play();
  pair.begin({sending("v", MediaKind::Video, {vp8(), h264()}, kVideoSsrc, kRtxSsrc)});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 20; }));
  choose("sink_1");
  ck_assert(eventually([&] {
    const auto caps = pair.b.caps(MediaKind::Video);
    return caps && gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), "video/x-h264");
  }));
  is_lossy = true;
  ck_assert(eventually([&] { return lost >= 25; }, 15000));
  is_lossy = false;
  sleep_ms(1000);
  const guint64 recovered = pair.b.stat("rtx-recovered");
  ck_assert_msg(recovered * 10 >= lost * 8, "%u of %u", static_cast<unsigned>(recovered),
                lost.load());
}
GST_END_TEST

// The jitter buffer takes its first estimate of the peer's clock from packets that are late by
// chance, so that a time may step back now and then, in most runs in less than one of forty
// buffers; one of eleven was seen on a busy machine.
GST_START_TEST(test_times_rarely_step_back)
{
  WireSettings wire;
  wire.seed = 3;
  wire.loss = 0.03;
  wire.duplicate = 0.03;
  wire.delay_ms = 20;
  wire.jitter_ms = 30;
  Pair pair(wire, {}, patient(), wire);
  run(pair, 5);
  for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
    const char *output = kind == MediaKind::Video ? "video-output" : "audio-output";
    ck_assert(eventually([&] { return output_stat(pair.b, output, "buffers") >= 60; }));
    const guint64 mended = output_stat(pair.b, output, "times-mended");
    const guint64 buffers = output_stat(pair.b, output, "buffers");
    ck_assert_msg(mended * 5 <= buffers, "%s: %u of %u", output, static_cast<unsigned>(mended),
                  static_cast<unsigned>(buffers));
    const std::vector<Received> all = pair.b.received(kind);
    for (size_t i = 1; i < all.size(); i++)
      ck_assert_uint_ge(all[i].running, all[i - 1].running);
  }
  ck_assert_uint_ge(pair.b.stat("jitter-duplicates"), 1);
}
GST_END_TEST

static Suite *webrtc_session_network_suite()
{
  Suite *suite = suite_create("webrtc-session-network");
  TCase *tcase = tcase_create("network");
  tcase_add_test(tcase, test_retransmissions_recover_losses);
  tcase_add_test(tcase, test_retransmissions_of_another_codec);
  tcase_add_test(tcase, test_times_rarely_step_back);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session_network)
