// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and inputs whose codec changes.
#include <map>
#include <mutex>

#include <gst/rtp/rtp.h>

#include "codec_selector.h"
#include "ext/webrtc/session/send_chain.h"
#include "ext/webrtc/transport/srtp.h"
#include "whip_pipeline.h"

using namespace fixture;
using streamlib::support::MappedBuffer;
using streamlib::support::sink_object;
using streamlib::webrtc::SendChain;
using streamlib::webrtc::SendChainConfig;
using streamlib::webrtc::Srtp;
using streamlib::webrtc::SrtpKeys;
using streamlib::webrtc::SrtpOutcome;

namespace {

constexpr size_t kHeader = 12;
constexpr guint kSsrc = 0x01020304;

struct RtpFacts {
  guint32 ssrc;
  guint16 seqnum;
  guint8 type;
};

// All packets of RTP that slwhipsink sends, in their order.
class Tap {
public:
  explicit Tap(GstElement *sink)
  {
    GstIterator *all = gst_bin_iterate_recurse(GST_BIN(sink));
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(all, &item) == GST_ITERATOR_OK) {
      auto *element = static_cast<GstElement *>(g_value_get_object(&item));
      if (g_str_equal(G_OBJECT_TYPE_NAME(element), "GstSlPacketSink")) {
        const auto pad = adopt_object(gst_element_get_static_pad(element, "rtp"));
        probe_ = streamlib::support::PadProbe(
            pad.get(),
            static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER |
                                         GST_PAD_PROBE_TYPE_BUFFER_LIST),
            on_data, this);
      }
      g_value_reset(&item);
    }
    g_value_unset(&item);
    gst_iterator_free(all);
  }

  std::vector<RtpFacts> packets()
  {
    const std::lock_guard lock(mutex_);
    return packets_;
  }

private:
  static gboolean take(GstBuffer **buffer, guint, gpointer data)
  {
    auto *self = static_cast<Tap *>(data);
    GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
    if (gst_rtp_buffer_map(*buffer, GST_MAP_READ, &rtp)) {
      self->packets_.push_back({gst_rtp_buffer_get_ssrc(&rtp), gst_rtp_buffer_get_seq(&rtp),
                                gst_rtp_buffer_get_payload_type(&rtp)});
      gst_rtp_buffer_unmap(&rtp);
    }
    return TRUE;
  }
  static GstPadProbeReturn on_data(GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    const std::lock_guard lock(static_cast<Tap *>(data)->mutex_);
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER_LIST) != 0)
      gst_buffer_list_foreach(GST_PAD_PROBE_INFO_BUFFER_LIST(info), take, data);
    else
      take(&buffer, 0, data);
    return GST_PAD_PROBE_OK;
  }

  std::mutex mutex_;
  std::vector<RtpFacts> packets_;
  streamlib::support::PadProbe probe_;
};

// One stream, each packet after the other, whatever is in it.
void check_one_stream(const std::vector<RtpFacts> &packets, size_t types)
{
  std::map<guint8, size_t> seen;
  for (size_t i = 0; i < packets.size(); i++) {
    seen[packets[i].type]++;
    ck_assert_uint_eq(packets[i].ssrc, packets[0].ssrc);
    if (i > 0)
      ck_assert_msg(packets[i].seqnum == static_cast<guint16>(packets[i - 1].seqnum + 1),
                    "%u after %u, payload types %u after %u", packets[i].seqnum,
                    packets[i - 1].seqnum, packets[i].type, packets[i - 1].type);
  }
  ck_assert_uint_eq(seen.size(), types);
}

SrtpKeys keys(char local, char remote)
{
  SrtpKeys made;
  made.local.assign(30, static_cast<uint8_t>(local));
  made.remote.assign(30, static_cast<uint8_t>(remote));
  return made;
}

// A chain by itself, and the packets that came out of it.
class LoneChain {
public:
  LoneChain(const SendChainConfig &config, const char *caps)
      : pipeline_(sink_object(gst_pipeline_new(nullptr)))
  {
    const auto input = adopt_mini(gst_caps_from_string(caps));
    auto made = SendChain::make(config, input.get());
    ck_assert_msg(made.ok(), "%s", made.ok() ? "" : made.error().text.c_str());
    chain_ = std::move(*made);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    g_object_set(sink, "signal-handoffs", TRUE, "sync", FALSE, "async", FALSE, nullptr);
    g_signal_connect(sink, "handoff", G_CALLBACK(on_packet), this);
    gst_bin_add_many(GST_BIN(pipeline_.get()), chain_->bin(), sink, nullptr);
    ck_assert(gst_element_link(chain_->bin(), sink));
  }
  LoneChain(const LoneChain &) = delete;
  LoneChain &operator=(const LoneChain &) = delete;
  ~LoneChain()
  {
    chain_->stop();
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  // Until its end; empty: nothing flows.
  void run(const char *source)
  {
    if (*source != '\0') {
      GstElement *bin = gst_parse_bin_from_description(source, TRUE, nullptr);
      gst_bin_add(GST_BIN(pipeline_.get()), bin);
      ck_assert(gst_element_link(bin, chain_->bin()));
    }
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    if (*source != '\0')
      ck_assert(message_of(pipeline_.get(), GST_MESSAGE_EOS, 10000));
  }

  std::vector<std::vector<uint8_t>> packets;

private:
  static void on_packet(GstElement *, GstBuffer *buffer, GstPad *, gpointer self)
  {
    const MappedBuffer map(buffer, GST_MAP_READ);
    static_cast<LoneChain *>(self)->packets.emplace_back(map.data(), map.data() + map.size());
  }

  GObjectPtr<GstElement> pipeline_;
  std::unique_ptr<SendChain> chain_;
};

// What flows of a kind, and of which codec.
bool publishes(Publisher &publisher, const WhipServer &server, const CodecCase &codec)
{
  const auto is_there = [&] { return server.caps_of_last(MediaKind::Video) == codec.type; };
  if (!eventually(is_there))
    return false;
  check_flows(publisher, server, MediaKind::Video, server.buffers_of_last(MediaKind::Video) + 20);
  return is_there();
}

}  // namespace

// The numbers go on from one payloader to the next, also over their end: the receiver's SRTP, which
// counts the rollovers, takes each packet.
GST_START_TEST(numbers_go_on_from_chain_to_chain)
{
  streamlib::webrtc::KeyframeThrottle throttle(0);
  streamlib::webrtc::RtpPlace place{0xfff0, 12345};
  SendChainConfig config;
  const SessionMedia media = sending("v", MediaKind::Video, {vp8(), h264()}, kSsrc);
  config.local = media.local;
  config.remote = media.remote;
  config.throttle = &throttle;
  config.place = &place;
  auto sender = Srtp::create(keys('a', 'b'));
  auto receiver = Srtp::create(keys('b', 'a'));
  ck_assert(sender.ok() && receiver.ok());
  constexpr char kPictures[] =
      "videotestsrc num-buffers=8 ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! ";
  const std::string as_vp8 = std::string(kPictures) + "vp8enc deadline=1 cpu-used=8";
  const std::string as_h264 = std::string(kPictures) +
                              "x264enc tune=zerolatency speed-preset=ultrafast ! "
                              "video/x-h264,profile=constrained-baseline";
  guint16 next = place.seqnum;
  size_t all = 0;
  for (const auto &[caps, source] :
       {std::pair("video/x-vp8", as_vp8), std::pair("video/x-h264", as_h264),
        std::pair("video/x-vp8", std::string()), std::pair("video/x-h264", std::string()),
        std::pair("video/x-vp8", as_vp8)}) {
    LoneChain chain(config, caps);
    chain.run(source.c_str());
    for (std::vector<uint8_t> &packet : chain.packets) {
      ck_assert_uint_eq(packet[2] << 8 | packet[3], next);
      next++;
      size_t size = packet.size();
      packet.resize(size + Srtp::kMaxOverhead);
      ck_assert((*sender)->protect(PacketKind::Rtp, packet.data(), packet.size(), &size) ==
                SrtpOutcome::Ok);
      ck_assert((*receiver)->unprotect(PacketKind::Rtp, packet.data(), &size) == SrtpOutcome::Ok);
      ck_assert_uint_gt(size, kHeader);
    }
    all += chain.packets.size();
  }
  ck_assert_uint_ge(all, 40);
  ck_assert_uint_lt(next, 0xfff0);
}
GST_END_TEST

GST_START_TEST(encoded_input_changes_its_codec)
{
  WhipServer server({.codecs = {"VP8", "VP9", "H264"}});
  Publisher publisher(server, "video-codec=VP8,VP9,H264", to("video_0", all_encoded(kVideo)));
  choose(publisher.pipeline(), kVp8);
  publisher.play();
  ck_assert(publishes(publisher, server, kVp8));
  Tap tap(publisher.sink());
  for (const CodecCase &codec : {kH264, kVp9, kVp8, kH264}) {
    const size_t keyframes = server.keyframes_of_last();
    const gint64 begin = g_get_monotonic_time();
    choose(publisher.pipeline(), codec);
    ck_assert_msg(publishes(publisher, server, codec), "no %s; %s", codec.type,
                  publisher.error(0).text.c_str());
    // The source is asked at once.
    ck_assert_uint_gt(server.keyframes_of_last(), keyframes);
    ck_assert_int_lt((g_get_monotonic_time() - begin) / 1000, limit_ms(2000));
  }
  check_one_stream(tap.packets(), 3);
  ck_assert_int_eq(server.posts, 1);
}
GST_END_TEST

// From raw to encoded media and back.
GST_START_TEST(raw_input_becomes_encoded)
{
  WhipServer server({.codecs = {"VP8", "H264"}});
  const std::string line = std::string(kVideo) +
                           ",format=I420 ! tee name=pictures  pictures. ! queue ! codecs.sink_0  "
                           "pictures. ! queue ! x264enc tune=zerolatency speed-preset=ultrafast ! "
                           "video/x-h264,profile=constrained-baseline ! codecs.sink_1  "
                           "input-selector name=codecs sync-streams=false cache-buffers=false";
  Publisher publisher(server, "video-codec=VP8,H264", to("video_0", line));
  const CodecCase raw = {"sink_0", "video/x-vp8"};
  choose(publisher.pipeline(), raw);
  publisher.play();
  ck_assert(publishes(publisher, server, raw));
  Tap tap(publisher.sink());
  for (const CodecCase &codec : {kH264, raw}) {
    choose(publisher.pipeline(), codec);
    ck_assert_msg(publishes(publisher, server, codec), "no %s; %s", codec.type,
                  publisher.error(0).text.c_str());
  }
  check_one_stream(tap.packets(), 2);
}
GST_END_TEST

// As demuxers and cameras give it.
GST_START_TEST(h264_of_any_stream_format)
{
  for (const char *format : {"stream-format=avc,alignment=au", "stream-format=avc3,alignment=au",
                             "stream-format=byte-stream,alignment=nal"}) {
    WhipServer server({.codecs = {"H264"}});
    Publisher publisher(
        server, "",
        to("video_0", std::string(kVideo) +
                          " ! x264enc tune=zerolatency speed-preset=ultrafast ! "
                          "video/x-h264,profile=constrained-baseline ! h264parse ! video/x-h264," +
                          format));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
  }
}
GST_END_TEST

// Left to itself, the encoder would take the picture as videotestsrc likes it best, in 4:4:4.
GST_START_TEST(encoders_choose_a_profile_that_peers_play)
{
  for (const auto &[codec, encoder] :
       {std::pair("H264", "x264enc tune=zerolatency speed-preset=ultrafast"),
        std::pair("VP9", "vp9enc deadline=1 cpu-used=8")}) {
    WhipServer server({.codecs = {codec}, .h264_profile = "42e01f"});
    Publisher publisher(server, "",
                        to("video_0", std::string("videotestsrc is-live=true ! ") + encoder));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 10);
  }
}
GST_END_TEST

GST_START_TEST(codec_that_was_not_accepted_is_an_error)
{
  WhipServer server({.codecs = {"VP8", "VP9"}});
  Publisher publisher(server, "video-codec=VP8,VP9,H264", to("video_0", all_encoded(kVideo)));
  choose(publisher.pipeline(), kVp8);
  publisher.play();
  ck_assert(publishes(publisher, server, kVp8));
  choose(publisher.pipeline(), kH264);
  const auto error = publisher.error();
  ck_assert_msg(error.is(GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND), "%s",
                error.text.c_str());
  for (const char *name : {"H264", "VP8", "VP9"})
    ck_assert_msg(error.text.find(name) != std::string::npos, "%s", error.text.c_str());
  ck_assert_int_lt(publisher.stop(), 2000);
}
GST_END_TEST

static Suite *webrtc_whipsink_codecs_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-codecs");
  TCase *tc = tcase_create("changes");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, numbers_go_on_from_chain_to_chain);
  tcase_add_test(tc, encoded_input_changes_its_codec);
  tcase_add_test(tc, raw_input_becomes_encoded);
  tcase_add_test(tc, h264_of_any_stream_format);
  tcase_add_test(tc, encoders_choose_a_profile_that_peers_play);
  tcase_add_test(tc, codec_that_was_not_accepted_is_an_error);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_codecs)
