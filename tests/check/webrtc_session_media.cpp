// SPDX-License-Identifier: LGPL-2.1-or-later
// What a session makes of media: encoders, encoded input, H.264 as it is on the wire.
#include <cstring>

#include <gst/rtp/rtp.h>

#include "ext/webrtc/session/encoders.h"
#include "ext/webrtc/session/h264check.h"
#include "gst/support/guards.h"
#include "webrtc_peers.h"

using namespace fixture;
using streamlib::webrtc::H264Check;
using streamlib::webrtc::H264Profile;

namespace {

constexpr uint32_t kVideoSsrc = 0x11111111;
constexpr uint32_t kRtxSsrc = 0x22222222;
constexpr uint32_t kAudioSsrc = 0x33333333;

constexpr char kRawVideo[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1";
constexpr char kRawAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";

SessionMedia video_of(Codec codec)
{
  return sending("v", MediaKind::Video, {std::move(codec)}, kVideoSsrc, kRtxSsrc);
}

SessionMedia audio()
{
  return sending("a", MediaKind::Audio, {opus()}, kAudioSsrc);
}

// Already encoded media pass as they are.
void check_encoded(MediaKind kind, const SessionMedia &media, const char *source,
                   const char *decoder)
{
  Pair pair;
  pair.a.add_source(kind, source);
  pair.a.play();
  pair.b.play();
  pair.begin({media});
  pair.b.add_output(kind, decoder);
  pair.connect();
  const bool flowed = eventually([&] { return pair.b.count(kind) >= 30; });
  ck_assert_msg(flowed, "%s | %s", pair.a.error(0).c_str(), pair.b.error(0).c_str());
}

std::vector<uint8_t> nals(std::initializer_list<std::vector<uint8_t>> units)
{
  std::vector<uint8_t> stream;
  for (const auto &unit : units) {
    stream.insert(stream.end(), {0, 0, 0, 1});
    stream.insert(stream.end(), unit.begin(), unit.end());
  }
  return stream;
}

std::string refuse(H264Check &check, const std::vector<uint8_t> &stream)
{
  return check.refuse(stream.data(), stream.size());
}

const std::vector<uint8_t> kConstrainedSps = {0x67, 66, 0xc0, 31, 0x8c};
const std::vector<uint8_t> kHighSps = {0x67, 100, 0, 31, 0xac};
const std::vector<uint8_t> kPps = {0x68, 0xce, 0x3c, 0x80};
// first_mb_in_slice 0, slice_type 7 (I), 5 (P), 6 (B): 1, then 0001000, 00110, 00111.
const std::vector<uint8_t> kIdr = {0x65, 0x88, 0x84};
const std::vector<uint8_t> kP = {0x41, 0x98, 0x80};
const std::vector<uint8_t> kB = {0x01, 0x9c, 0x80};

}  // namespace

GST_START_TEST(test_encoded_input)
{
  const std::string raw = std::string(kRawVideo) + " ! ";
  const std::string sound = std::string(kRawAudio) + " ! ";
  check_encoded(MediaKind::Video, video_of(vp8()), (raw + "vp8enc deadline=1 cpu-used=8").c_str(),
                "vp8dec");
  check_encoded(MediaKind::Video, video_of(vp9()),
                (std::string(kRawVideo) + ",format=I420 ! vp9enc deadline=1 cpu-used=8").c_str(),
                "vp9dec");
  check_encoded(MediaKind::Video, video_of(h264()),
                (raw + "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! "
                       "video/x-h264,profile=constrained-baseline")
                    .c_str(),
                "h264parse ! avdec_h264");
  check_encoded(MediaKind::Audio, audio(), (sound + "opusenc").c_str(), "opusdec");
}
GST_END_TEST

GST_START_TEST(test_opus_both_ways)
{
  Pair pair;
  SessionMedia media = audio();
  media.local.direction = media.remote.direction = Direction::SendRecv;
  media.remote.ssrc = 0x44444444;
  for (Peer *peer : {&pair.a, &pair.b}) {
    peer->add_source(MediaKind::Audio, kRawAudio);
    peer->play();
  }
  pair.begin({media});
  for (Peer *peer : {&pair.a, &pair.b})
    peer->add_output(MediaKind::Audio, "opusdec");
  pair.connect();
  ck_assert(eventually([&] {
    return pair.a.count(MediaKind::Audio) >= 30 && pair.b.count(MediaKind::Audio) >= 30;
  }));
}
GST_END_TEST

// No SSRC was announced: the MID says to which section a stream belongs.
GST_START_TEST(test_unknown_ssrc_with_mid)
{
  Pair pair;
  pair.a.add_source(MediaKind::Audio, kRawAudio);
  pair.a.add_source(MediaKind::Video, kRawVideo);
  pair.a.play();
  pair.b.play();
  // The same payload type in two sections tells nothing.
  std::vector<SessionMedia> media = {video_of(vp8()), audio()};
  media.push_back(sending("b", MediaKind::Audio, {opus()}, 0));
  std::vector<SessionMedia> there = turned(media);
  for (SessionMedia &section : there) {
    section.remote.ssrc.reset();
    section.remote.rtx_ssrc.reset();
  }
  ck_assert(pair.a.session().begin(media, pair.forth.get()).ok());
  ck_assert(pair.b.session().begin(there, pair.back.get()).ok());
  pair.forth->set_receiver(&pair.b.session());
  pair.back->set_receiver(&pair.a.session());
  pair.b.add_output(MediaKind::Video);
  pair.b.add_output(MediaKind::Audio);
  pair.connect();
  ck_assert(eventually([&] {
    return pair.b.count(MediaKind::Video) >= 10 && pair.b.count(MediaKind::Audio) >= 10;
  }));
  ck_assert_uint_eq(pair.b.stat("dropped-unassociated"), 0);
}
GST_END_TEST

// A payload type that nobody agreed upon, in a stream that is known.
GST_START_TEST(test_unknown_payload_type)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video, kRawVideo);
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(vp8())});
  pair.b.add_output(MediaKind::Video);
  for (guint16 number = 0; number < 5; number++) {
    GstBuffer *packet = gst_rtp_buffer_new_allocate(20, 0, 0);
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    gst_rtp_buffer_map(packet, GST_MAP_WRITE, &rtp);
    gst_rtp_buffer_set_ssrc(&rtp, kVideoSsrc);
    gst_rtp_buffer_set_payload_type(&rtp, 63);
    gst_rtp_buffer_set_seq(&rtp, number);
    gst_rtp_buffer_unmap(&rtp);
    pair.b.session().received(PacketKind::Rtp, adopt_mini(packet));
  }
  ck_assert(eventually([&] { return pair.b.stat("dropped-payload-type") == 5; }));
  const auto bus = adopt_object(gst_element_get_bus(pair.b.pipeline()));
  const auto warning = adopt_mini(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING));
  ck_assert(warning);
  GError *error = nullptr;
  gst_message_parse_warning(warning.get(), &error, nullptr);
  ck_assert(strstr(error->message, "payload type 63") != nullptr);
  g_error_free(error);
  // It says so once, and what was agreed upon flows.
  pair.connect();
  ck_assert(eventually([&] { return pair.b.count(MediaKind::Video) >= 5; }));
  ck_assert(!adopt_mini(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING)));
}
GST_END_TEST

// A peer may send any of the codecs that were agreed upon, and change at any time.
GST_START_TEST(test_codec_change)
{
  Pair pair;
  const std::string line = std::string(kRawVideo) +
                           " ! tee name=t  t. ! queue ! vp8enc deadline=1 cpu-used=8 "
                           "keyframe-max-dist=30 ! s.sink_0  t. ! queue ! x264enc "
                           "tune=zerolatency speed-preset=ultrafast key-int-max=30 ! "
                           "video/x-h264,profile=constrained-baseline ! s.sink_1  "
                           "input-selector name=s sync-streams=false";
  GstElement *source = pair.a.add_source(MediaKind::Video, line);
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
  const auto comes = [&](const char *type) {
    return eventually([&] {
      const auto caps = pair.b.caps(MediaKind::Video);
      return caps && gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), type);
    });
  };
  const auto flows = [&] {
    const size_t before = pair.b.count(MediaKind::Video);
    return eventually([&] { return pair.b.count(MediaKind::Video) >= before + 20; });
  };
  ck_assert(comes("video/x-vp8") && flows());
  for (const auto &[pad, type] :
       {std::pair("sink_1", "video/x-h264"), std::pair("sink_0", "video/x-vp8")}) {
    choose(pad);
    ck_assert_msg(comes(type), "no %s; %s", type, pair.a.error(0).c_str());
    ck_assert_msg(flows(), "%s does not flow", type);
  }
  ck_assert(pair.a.error(0) == "");
  const auto all = pair.b.received(MediaKind::Video);
  for (size_t i = 1; i < all.size(); i++)
    ck_assert_uint_ge(all[i].running, all[i - 1].running);
}
GST_END_TEST

// A sender whose payloader puts SPS and PPS before each slice of a key picture: four in each.
GST_START_TEST(test_parameter_sets_before_each_slice)
{
  struct Pictures {
    std::atomic<int> all = 0;
    std::atomic<int> broken = 0;
  } pictures;
  Pair pair;
  pair.b.play();
  pair.begin({video_of(h264())});
  pair.b.add_output(MediaKind::Video,
                    "identity name=units ! avdec_h264 ! videoconvert ! "
                    "video/x-raw,format=I420 ! identity name=pictures");
  const auto probe = [&](const char *name, GstPadProbeCallback callback, gpointer data) {
    const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(pair.b.pipeline()), name));
    const auto pad = adopt_object(gst_element_get_static_pad(element.get(), "src"));
    return streamlib::support::PadProbe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, callback, data);
  };
  std::atomic<int> units = 0;
  const auto units_probe = probe(
      "units",
      [](GstPad *, GstPadProbeInfo *, gpointer count) {
        (*static_cast<std::atomic<int> *>(count))++;
        return GST_PAD_PROBE_OK;
      },
      &units);
  const auto pictures_probe = probe(
      "pictures",
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto *seen = static_cast<Pictures *>(data);
        const streamlib::support::MappedBuffer map(GST_PAD_PROBE_INFO_BUFFER(info), GST_MAP_READ);
        // White, from the first row to the last one.
        for (int row = 0; row < 240; row += 10)
          if (map.data()[row * 320 + 160] < 200) {
            seen->broken++;
            break;
          }
        seen->all++;
        return GST_PAD_PROBE_OK;
      },
      &pictures);
  const auto sender = adopt_object(gst_parse_launch(
      "videotestsrc is-live=true pattern=white ! video/x-raw,width=320,height=240,framerate=30/1 ! "
      "x264enc tune=zerolatency speed-preset=ultrafast threads=4 sliced-threads=true "
      "key-int-max=10 ! video/x-h264,profile=constrained-baseline ! "
      "rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=102 ssrc=286331153 ! "
      "fakesink name=packets signal-handoffs=true sync=false async=false",
      nullptr));
  const auto packets = adopt_object(gst_bin_get_by_name(GST_BIN(sender.get()), "packets"));
  const auto forward = +[](GstElement *, GstBuffer *buffer, GstPad *, gpointer wire) {
    static_cast<Wire *>(wire)->send(PacketKind::Rtp, adopt_mini(gst_buffer_copy(buffer)));
  };
  g_signal_connect(packets.get(), "handoff", G_CALLBACK(forward), pair.forth.get());
  gst_element_set_state(sender.get(), GST_STATE_PLAYING);
  const bool flowed = eventually([&] { return pictures.all >= 60; });
  gst_element_set_state(sender.get(), GST_STATE_NULL);
  ck_assert(flowed);
  ck_assert_int_eq(pictures.broken, 0);
  // One unit a picture: parts would be more.
  ck_assert_int_le(units, pictures.all + 2);
}
GST_END_TEST

GST_START_TEST(test_h264_check)
{
  H264Check check(H264Profile::ConstrainedBaseline);
  ck_assert(refuse(check, nals({kConstrainedSps, kPps, kIdr})) == "");
  ck_assert(check.has_idr() && check.has_parameter_sets());
  ck_assert(refuse(check, nals({kP})) == "");
  ck_assert(!check.has_idr());
  ck_assert(refuse(check, nals({kB})).find("B-frames") != std::string::npos);
  const std::string reason = refuse(check, nals({kHighSps}));
  ck_assert(reason.find("profile high") != std::string::npos);
  ck_assert(reason.find("constrained-baseline") != std::string::npos);
  ck_assert(refuse(check, nals({{0x67, 66}})).find("cut off") != std::string::npos);
  H264Check high(H264Profile::High);
  ck_assert(refuse(high, nals({kHighSps, kPps, kIdr})) == "");
  ck_assert(refuse(high, nals({kConstrainedSps})) == "");
  ck_assert(refuse(check, {}) == "");
}
GST_END_TEST

// The error is there, and says what to do.
GST_START_TEST(test_h264_with_b_frames_is_refused)
{
  Pair pair;
  pair.a.add_source(MediaKind::Video,
                    (std::string(kRawVideo) +
                     " ! x264enc bframes=2 b-adapt=false speed-preset=ultrafast key-int-max=30 ! "
                     "video/x-h264,profile=main")
                        .c_str());
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(h264("4d001f"))});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  const std::string error = pair.a.error(8000);
  ck_assert_msg(error.find("B-frames") != std::string::npos, "%s", error.c_str());
}
GST_END_TEST

// A receiver that comes late finds SPS and PPS before each IDR picture.
GST_START_TEST(test_parameter_sets_with_each_idr)
{
  Pair pair;
  std::mutex mutex;
  bool has_sps = false;
  bool has_pps = false;
  unsigned idrs = 0;
  unsigned bare = 0;
  const auto take = [&](int type) {
    has_sps = has_sps || type == 7;
    has_pps = has_pps || type == 8;
    if (type != 5)
      return;
    idrs++;
    bare += !has_sps || !has_pps;
  };
  pair.forth->lose = [&](PacketKind kind, const std::vector<uint8_t> &packet) {
    if (kind == PacketKind::Rtcp)
      return false;
    size_t at = 12;
    if ((packet[0] & 0x10) != 0)
      at += 4 + 4 * (static_cast<size_t>(packet[14]) << 8 | packet[15]);
    const bool is_last = (packet[1] & 0x80) != 0;
    const std::lock_guard lock(mutex);
    const int type = packet[at] & 0x1f;
    if (type == 24) {
      for (size_t i = at + 1; i + 2 < packet.size();
           i += 2 + (static_cast<size_t>(packet[i]) << 8 | packet[i + 1]))
        take(packet[i + 2] & 0x1f);
    } else if (type == 28) {
      if ((packet[at + 1] & 0x80) != 0)
        take(packet[at + 1] & 0x1f);
    } else {
      take(type);
    }
    if (is_last)
      has_sps = has_pps = false;
    return false;
  };
  pair.a.add_source(MediaKind::Video,
                    (std::string(kRawVideo) +
                     " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! "
                     "video/x-h264,profile=constrained-baseline,stream-format=avc")
                        .c_str());
  pair.a.play();
  pair.b.play();
  pair.begin({video_of(h264())});
  pair.b.add_output(MediaKind::Video);
  pair.connect();
  ck_assert(eventually([&] {
    const std::lock_guard lock(mutex);
    return idrs >= 6;
  }));
  const std::lock_guard lock(mutex);
  ck_assert_uint_eq(bare, 0);
}
GST_END_TEST

// Each encoder that is installed here encodes, and a bitrate that is set while it does has effect.
GST_START_TEST(test_encoders)
{
  unsigned tried = 0;
  for (const auto &entry : streamlib::webrtc::known_encoders()) {
    if (!adopt_object(gst_element_factory_find(entry.factory)))
      continue;
    const bool is_audio = std::string_view(entry.codec) == "OPUS";
    auto made =
        streamlib::webrtc::make_encoder(entry, {is_audio ? 128000U : 3000000U, 2000}, 30, 1);
    ck_assert_msg(made.ok(), "%s: %s", entry.factory, made.ok() ? "" : made.error().text.c_str());
    const GObjectPtr<GstElement> encoder = *made;
    GError *error = nullptr;
    const auto pipeline = streamlib::support::sink_object(gst_parse_launch(
        is_audio ? "audiotestsrc wave=white-noise num-buffers=400 samplesperbuffer=960 ! "
                   "audio/x-raw,rate=48000,channels=2 ! audioconvert ! identity name=in"
                 : "videotestsrc pattern=zone-plate kx2=20 ky2=20 kt=3 num-buffers=120 ! "
                   "video/x-raw,width=320,height=240,framerate=30/1 ! videoconvert ! "
                   "identity name=in",
        &error));
    ck_assert(error == nullptr);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    struct Sizes {
      const streamlib::webrtc::EncoderEntry *entry;
      GstElement *encoder;
      guint lower;
      unsigned half;
      unsigned count = 0;
      gsize before = 0;
      gsize after = 0;
    } sizes{&entry, encoder.get(), is_audio ? 16000U : 200000U, is_audio ? 200U : 60U};
    g_object_set(sink, "signal-handoffs", TRUE, "sync", FALSE, nullptr);
    g_signal_connect(
        sink, "handoff", G_CALLBACK(+[](GstElement *, GstBuffer *buffer, GstPad *, gpointer data) {
          auto *seen = static_cast<Sizes *>(data);
          (seen->count < seen->half ? seen->before : seen->after) += gst_buffer_get_size(buffer);
          if (++seen->count == seen->half)
            streamlib::webrtc::set_encoder_bitrate(seen->encoder, *seen->entry, seen->lower);
        }),
        &sizes);
    gst_bin_add_many(GST_BIN(pipeline.get()), GST_ELEMENT(gst_object_ref(encoder.get())), sink,
                     nullptr);
    const auto in = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline.get()), "in"));
    const auto caps = adopt_mini(gst_caps_from_string(entry.output_caps));
    ck_assert_msg(gst_element_link(in.get(), encoder.get()), "%s", entry.factory);
    ck_assert_msg(gst_element_link_filtered(encoder.get(), sink, caps.get()), "%s", entry.factory);
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
    const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
    const auto message = adopt_mini(gst_bus_timed_pop_filtered(
        bus.get(), static_cast<GstClockTime>(limit_ms(20000)) * GST_MSECOND,
        static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR)));
    ck_assert_msg(message && GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS,
                  "%s does not encode", entry.factory);
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    ck_assert_msg(sizes.count >= sizes.half * 2 - 5, "%s: %u", entry.factory, sizes.count);
    ck_assert_msg(sizes.after * 10 < sizes.before * 7, "%s: %u bytes, then %u", entry.factory,
                  static_cast<unsigned>(sizes.before), static_cast<unsigned>(sizes.after));
    tried++;
  }
  ck_assert_uint_ge(tried, 4);
}
GST_END_TEST

static Suite *webrtc_session_media_suite()
{
  Suite *suite = suite_create("webrtc-session-media");
  TCase *tcase = tcase_create("media");
  tcase_add_test(tcase, test_encoded_input);
  tcase_add_test(tcase, test_opus_both_ways);
  tcase_add_test(tcase, test_unknown_ssrc_with_mid);
  tcase_add_test(tcase, test_unknown_payload_type);
  tcase_add_test(tcase, test_parameter_sets_before_each_slice);
  tcase_add_test(tcase, test_codec_change);
  tcase_add_test(tcase, test_h264_check);
  tcase_add_test(tcase, test_h264_with_b_frames_is_refused);
  tcase_add_test(tcase, test_parameter_sets_with_each_idr);
  tcase_add_test(tcase, test_encoders);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_session_media)
