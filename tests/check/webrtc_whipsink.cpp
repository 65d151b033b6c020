// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and a server of our own layers: each codec, the end, and what a user sets.
#include <cstring>

#include "scripted_http.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

void check_codec(const char *name, const char *caps, const std::string &video)
{
  WhipServer server({.codecs = {name, "opus"}});
  Publisher publisher(server, "", to("video_0", video) + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 20);
  check_flows(publisher, server, MediaKind::Audio, 20);
  ck_assert(server.caps_of_last(MediaKind::Video) == caps);
  ck_assert(server.caps_of_last(MediaKind::Audio) == "audio/x-opus");
  ck_assert(publisher.state() == "connected");
  ck_assert_int_le(publisher.stop(), limit_ms(2000));
  ck_assert_int_eq(server.deletes, 1);
  ck_assert_int_eq(server.sessions, 0);
}

}  // namespace

GST_START_TEST(raw_video_becomes_vp8)
{
  check_codec("VP8", "video/x-vp8", kVideo);
}
GST_END_TEST

GST_START_TEST(raw_video_becomes_h264)
{
  check_codec("H264", "video/x-h264", kVideo);
}
GST_END_TEST

GST_START_TEST(encoded_vp8_goes_as_it_is)
{
  check_codec("VP8", "video/x-vp8",
              std::string(kVideo) + " ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=30");
}
GST_END_TEST

GST_START_TEST(encoded_vp9_goes_as_it_is)
{
  check_codec(
      "VP9", "video/x-vp9",
      std::string(kVideo) + ",format=I420 ! vp9enc deadline=1 cpu-used=8 keyframe-max-dist=30");
}
GST_END_TEST

GST_START_TEST(encoded_h264_goes_as_it_is)
{
  check_codec("H264", "video/x-h264",
              std::string(kVideo) +
                  " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 ! "
                  "video/x-h264,profile=constrained-baseline");
}
GST_END_TEST

GST_START_TEST(raw_video_becomes_vp9_by_preference)
{
  WhipServer server;
  Publisher publisher(server, "video-codec=VP9,VP8", to("video_0", kVideo));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  ck_assert(server.caps_of_last(MediaKind::Video) == "video/x-vp9");
  ck_assert_ptr_eq(strstr(server.last_offer().c_str(), "H264"), nullptr);
}
GST_END_TEST

GST_START_TEST(encoded_opus_goes_as_it_is)
{
  WhipServer server;
  Publisher publisher(server, "", to("audio_0", std::string(kAudio) + " ! opusenc"));
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 30);
}
GST_END_TEST

// Both stay in the pipeline's hands: nothing of it waits for a server that says nothing.
GST_START_TEST(paused_does_not_wait_for_the_network)
{
  ScriptedHttp silent;
  silent.answer("POST", ScriptedAnswer::silence());
  Publisher publisher(silent.origin() + "/whip", "",
                      to("video_0", "videotestsrc ! video/x-raw,width=320,height=240"));
  const gint64 begin = g_get_monotonic_time();
  ck_assert_int_ne(publisher.set(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  ck_assert_int_eq(gst_element_get_state(publisher.pipeline(), nullptr, nullptr, 2 * GST_SECOND),
                   GST_STATE_CHANGE_SUCCESS);
  publisher.play();
  ck_assert_int_eq(gst_element_get_state(publisher.pipeline(), nullptr, nullptr, 2 * GST_SECOND),
                   GST_STATE_CHANGE_SUCCESS);
  ck_assert_int_le(g_get_monotonic_time() - begin, limit_ms(1000) * 1000);
  ck_assert(eventually([&] { return !silent.requests("POST").empty(); }));
  ck_assert(publisher.state() == "connecting");
  ck_assert_int_le(publisher.stop(), limit_ms(2000));
}
GST_END_TEST

// The requests to the server are none of the streaming threads' business, nor is there a lock that
// both take: media is dropped in time, and properties answer at once.
GST_START_TEST(streaming_threads_never_wait_for_the_server)
{
  ScriptedHttp silent;
  silent.answer("POST", ScriptedAnswer::silence());
  Publisher publisher(silent.origin() + "/whip", "",
                      to("audio_0", std::string(kAudio) + " ! identity name=watched"));
  struct Watch {
    std::atomic<gint64> last = 0;
    std::atomic<gint64> longest = 0;
    std::atomic<int> count = 0;
  } watch;
  const auto watched = adopt_object(gst_bin_get_by_name(GST_BIN(publisher.pipeline()), "watched"));
  g_signal_connect(watched.get(), "handoff",
                   G_CALLBACK(+[](GstElement *, GstBuffer *, gpointer data) {
                     auto *own = static_cast<Watch *>(data);
                     const gint64 now = g_get_monotonic_time();
                     const gint64 before = own->last.exchange(now);
                     if (before != 0)
                       own->longest = MAX(own->longest.load(), now - before);
                     own->count++;
                   }),
                   &watch);
  publisher.play();
  ck_assert(eventually([&] { return !silent.requests("POST").empty(); }));
  gint64 longest_call = 0;
  while (watch.count < 100) {
    const gint64 begin = g_get_monotonic_time();
    g_object_set(publisher.sink(), "audio-bitrate", 32000 + watch.count, nullptr);
    (void)publisher.stats();
    longest_call = MAX(longest_call, g_get_monotonic_time() - begin);
    sleep_ms(10);
  }
  ck_assert_int_le(watch.longest, limit_ms(300) * 1000);
  ck_assert_int_le(longest_call, limit_ms(100) * 1000);
  const StructurePtr stats = publisher.stats();
  const GstStructure *session =
      gst_value_get_structure(gst_structure_get_value(stats.get(), "session"));
  const GstStructure *input =
      gst_value_get_structure(gst_structure_get_value(session, "audio-input"));
  guint64 dropped = 0;
  ck_assert(gst_structure_get_uint64(input, "dropped-closed", &dropped));
  ck_assert_uint_ge(dropped, 90);
}
GST_END_TEST

// Of an encoder inside and of one before it, neither of which makes one by itself.
GST_START_TEST(keyframe_comes_when_the_peer_asks)
{
  for (const char *encoder : {"", " ! vp8enc deadline=1 cpu-used=8 keyframe-max-dist=1000"}) {
    WhipServer server({.codecs = {"VP8"}});
    Publisher publisher(server, "keyframe-interval=600000",
                        to("video_0", std::string(kVideo) + encoder));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 30);
    const size_t before = server.keyframes_of_last();
    server.request_keyframe();
    ck_assert(eventually([&] { return server.keyframes_of_last() > before; }, 3000));
  }
}
GST_END_TEST

GST_START_TEST(source_gives_what_encoders_take)
{
  WhipServer server;
  Publisher publisher(
      server, "",
      to("video_0", "videotestsrc is-live=true") + to("audio_0", "audiotestsrc is-live=true"));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 5);
  for (const auto &[name, format] : {std::pair("video_0", "I420"), std::pair("audio_0", "S16LE")}) {
    const auto pad = adopt_object(gst_element_get_static_pad(publisher.sink(), name));
    const auto caps = adopt_mini(gst_pad_get_current_caps(pad.get()));
    ck_assert_str_eq(gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "format"),
                     format);
  }
}
GST_END_TEST

GST_START_TEST(end_of_stream_ends_the_session_first)
{
  WhipServer server;
  // The inputs are live: what they give before the session is connected is lost.
  Publisher publisher(
      server, "",
      to("video_0", "videotestsrc is-live=true num-buffers=" + std::to_string(limit_ms(45)) +
                        " ! video/x-raw,width=320,height=240,framerate=30/1") +
          to("audio_0", "audiotestsrc is-live=true num-buffers=" + std::to_string(limit_ms(150)) +
                            " samplesperbuffer=480 ! audio/x-raw,rate=48000"));
  publisher.play();
  const auto end = publisher.message(GST_MESSAGE_EOS, limit_ms(10000));
  ck_assert_msg(end, "%s", publisher.stats_text().c_str());
  ck_assert_int_eq(server.deletes, 1);
  ck_assert(eventually([&] { return server.byes() >= 1; }, limit_ms(1000)));
  ck_assert_uint_ge(server.buffers(MediaKind::Video), 30);
  ck_assert(publisher.state() == "closed");
  // And once more.
  publisher.stop();
  ck_assert(publisher.state() != "closed");
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  ck_assert(publisher.message(GST_MESSAGE_EOS, 10000));
  ck_assert_int_eq(server.deletes, 2);
}
GST_END_TEST

GST_START_TEST(file_waits_and_keeps_the_pace)
{
  WhipServer server;
  Publisher publisher(server, "",
                      to("audio_0",
                         "audiotestsrc num-buffers=100 samplesperbuffer=480 ! "
                         "audio/x-raw,rate=48000"));
  const gint64 begin = g_get_monotonic_time();
  publisher.play();
  ck_assert(publisher.message(GST_MESSAGE_EOS, 10000));
  ck_assert_int_ge(g_get_monotonic_time() - begin, 900000);
  ck_assert_uint_ge(server.buffers(MediaKind::Audio), 45);
}
GST_END_TEST

GST_START_TEST(bad_settings_are_errors_at_once)
{
  const struct {
    const char *endpoint;
    const char *properties;
    const char *text;
  } cases[] = {
      {"\"\"", "", "whip-endpoint"},
      {"ftp://example.org", "", "whip-endpoint"},
      {"http://127.0.0.1:9/", "video-codec=H266", "H266"},
      {"http://127.0.0.1:9/", "stun-server=example.org", "stun"},
      {"http://127.0.0.1:9/", "turn-server=turn://example.org", "turn"},
      {"http://127.0.0.1:9/", "ice-transport-policy=relay", "turn-server"},
      {"http://127.0.0.1:9/",
       "ice-transport-policy=relay use-link-headers=true stun-server=stun://127.0.0.1:9",
       "turn-server"},
  };
  for (const auto &one : cases) {
    Publisher publisher(std::string(one.endpoint), one.properties, to("audio_0", kAudio));
    ck_assert_int_eq(publisher.set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS) &&
                      error.text.find(one.text) != std::string::npos,
                  "%s: %s", one.text, error.text.c_str());
  }
}
GST_END_TEST

GST_START_TEST(pads_are_one_of_a_kind)
{
  const auto sink =
      streamlib::support::sink_object(gst_element_factory_make("slwhipsink", nullptr));
  const auto video = adopt_object(gst_element_request_pad_simple(sink.get(), "video_%u"));
  const auto audio = adopt_object(gst_element_request_pad_simple(sink.get(), "audio_%u"));
  ck_assert_str_eq(GST_PAD_NAME(video.get()), "video_0");
  ck_assert_str_eq(GST_PAD_NAME(audio.get()), "audio_0");
  ck_assert_ptr_eq(gst_element_request_pad_simple(sink.get(), "video_%u"), nullptr);
  gst_element_release_request_pad(sink.get(), video.get());
  const auto again = adopt_object(gst_element_request_pad_simple(sink.get(), "video_%u"));
  ck_assert(again);
}
GST_END_TEST

GST_START_TEST(bitrate_changes_while_playing)
{
  WhipServer server({.codecs = {"VP8"}});
  Publisher publisher(server, "video-bitrate=2000000", to("video_0", kVideo));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  const auto encoder_rate = [&] {
    int rate = 0;
    GstIterator *all = gst_bin_iterate_recurse(GST_BIN(publisher.sink()));
    GValue item = G_VALUE_INIT;
    while (gst_iterator_next(all, &item) == GST_ITERATOR_OK) {
      auto *element = GST_ELEMENT(g_value_get_object(&item));
      GstElementFactory *factory = gst_element_get_factory(element);
      if (factory != nullptr && g_str_equal(GST_OBJECT_NAME(factory), "vp8enc"))
        g_object_get(element, "target-bitrate", &rate, nullptr);
      g_value_unset(&item);
    }
    gst_iterator_free(all);
    return rate;
  };
  ck_assert_int_eq(encoder_rate(), 2000000);
  g_object_set(publisher.sink(), "video-bitrate", 300000, nullptr);
  ck_assert_int_eq(encoder_rate(), 300000);
}
GST_END_TEST

static Suite *webrtc_whipsink_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink");
  TCase *media = tcase_create("media");
  tcase_set_timeout(media, 60);
  tcase_add_test(media, raw_video_becomes_vp8);
  tcase_add_test(media, raw_video_becomes_h264);
  tcase_add_test(media, raw_video_becomes_vp9_by_preference);
  tcase_add_test(media, encoded_vp8_goes_as_it_is);
  tcase_add_test(media, encoded_vp9_goes_as_it_is);
  tcase_add_test(media, encoded_h264_goes_as_it_is);
  tcase_add_test(media, encoded_opus_goes_as_it_is);
  tcase_add_test(media, bitrate_changes_while_playing);
  tcase_add_test(media, keyframe_comes_when_the_peer_asks);
  tcase_add_test(media, source_gives_what_encoders_take);
  tcase_add_test(media, end_of_stream_ends_the_session_first);
  tcase_add_test(media, file_waits_and_keeps_the_pace);
  suite_add_tcase(suite, media);
  TCase *shell = tcase_create("shell");
  tcase_set_timeout(shell, 60);
  tcase_add_test(shell, bad_settings_are_errors_at_once);
  tcase_add_test(shell, pads_are_one_of_a_kind);
  tcase_add_test(shell, paused_does_not_wait_for_the_network);
  tcase_add_test(shell, streaming_threads_never_wait_for_the_server);
  suite_add_tcase(suite, shell);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink)
