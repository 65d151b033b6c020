// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and a server of our own layers: each codec, the end, and coming back.
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
  ck_assert_str_eq(server.caps_of_last(MediaKind::Video).c_str(), caps);
  ck_assert_str_eq(server.caps_of_last(MediaKind::Audio).c_str(), "audio/x-opus");
  ck_assert_str_eq(publisher.state().c_str(), "connected");
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
  ck_assert_str_eq(server.caps_of_last(MediaKind::Video).c_str(), "video/x-vp9");
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
  ck_assert_str_eq(publisher.state().c_str(), "connecting");
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

GST_START_TEST(end_of_stream_ends_the_session_first)
{
  WhipServer server;
  Publisher publisher(server, "",
                      to("video_0",
                         "videotestsrc is-live=true num-buffers=45 ! "
                         "video/x-raw,width=320,height=240,framerate=30/1") +
                          to("audio_0",
                             "audiotestsrc is-live=true num-buffers=150 "
                             "samplesperbuffer=480 ! audio/x-raw,rate=48000"));
  publisher.play();
  const auto end = publisher.message(GST_MESSAGE_EOS, 10000);
  ck_assert_msg(end, "%s", publisher.stats_text().c_str());
  ck_assert_int_eq(server.deletes, 1);
  ck_assert_uint_ge(server.byes(), 1);
  ck_assert_uint_ge(server.buffers(MediaKind::Video), 30);
  ck_assert_str_eq(publisher.state().c_str(), "closed");
  // And once more.
  publisher.stop();
  ck_assert_str_ne(publisher.state().c_str(), "closed");
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

GST_START_TEST(wrong_peer_gets_nothing)
{
  WhipServer server({.is_wrong_peer = true});
  Publisher publisher(server, "reconnect=always", to("video_0", kVideo) + to("audio_0", kAudio));
  publisher.play();
  const auto error = publisher.error();
  ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED), "%s",
                error.text.c_str());
  ck_assert_msg(error.text.find("certificate") != std::string::npos, "%s", error.text.c_str());
  ck_assert_uint_eq(server.packets(), 0);
  ck_assert_int_eq(server.deletes, 1);
  ck_assert_int_eq(server.posts, 1);
  ck_assert_str_eq(publisher.state().c_str(), "failed");
}
GST_END_TEST

GST_START_TEST(peer_that_is_not_found_is_an_error)
{
  WhipServer server({.is_deaf = true});
  Publisher publisher(server, "reconnect=never timeout=1", to("audio_0", kAudio));
  publisher.play();
  const auto error = publisher.error();
  ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE), "%s",
                error.text.c_str());
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(refusals_are_errors_of_their_kind)
{
  const struct {
    guint status;
    int code;
  } cases[] = {
      {401, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {403, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {404, GST_RESOURCE_ERROR_NOT_FOUND},
      {422, GST_RESOURCE_ERROR_OPEN_WRITE},
  };
  for (const auto &one : cases) {
    WhipServer server;
    server.refuse(one.status, 1);
    Publisher publisher(server, "", to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, one.code), "%u: %d, %s", one.status, error.code,
                  error.text.c_str());
    ck_assert_int_eq(server.posts, 1);
    ck_assert_int_eq(server.deletes, 0);
  }
}
GST_END_TEST

GST_START_TEST(what_may_pass_is_tried_again)
{
  WhipServer server;
  server.refuse(503, 2, 1);
  Publisher publisher(server, "reconnect-delay=50", to("audio_0", kAudio));
  const gint64 begin = g_get_monotonic_time();
  publisher.play();
  const auto warning = publisher.problem(GST_MESSAGE_WARNING, 10000);
  ck_assert_msg(warning.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY), "%s",
                warning.text.c_str());
  check_flows(publisher, server, MediaKind::Audio, 10);
  ck_assert_int_eq(server.posts, 3);
  // The server has asked for a second, twice.
  ck_assert_int_ge(g_get_monotonic_time() - begin, 2000000);
  publisher.stop();
  server.refuse(503, 1);
  Publisher impatient(server, "reconnect=never", to("audio_0", kAudio));
  impatient.play();
  ck_assert(impatient.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY));
  // And for ever, where it is asked to: a refusal too.
  server.refuse(404, 2);
  Publisher stubborn(server, "reconnect=always reconnect-delay=50", to("audio_0", kAudio));
  stubborn.play();
  check_flows(stubborn, server, MediaKind::Audio, 10);
}
GST_END_TEST

GST_START_TEST(attempts_have_a_limit)
{
  WhipServer server;
  server.refuse(500, 100);
  Publisher publisher(server, "reconnect-delay=20 reconnect-attempts=2", to("audio_0", kAudio));
  publisher.play();
  ck_assert(publisher.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY));
  ck_assert_int_eq(server.posts, 3);
}
GST_END_TEST

GST_START_TEST(token_goes_to_the_server)
{
  WhipServer server({.token = "t0p"});
  Publisher publisher(server, "auth-token=t0p", to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 10);
  Publisher stranger(server, "auth-token=other", to("audio_0", kAudio));
  stranger.play();
  ck_assert(stranger.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
}
GST_END_TEST

// One kind that the server does not take must not stop the other.
GST_START_TEST(refused_kind_is_dropped_and_said)
{
  WhipServer server({.codecs = {"opus"}});
  Publisher publisher(server, "", to("video_0", kVideo) + to("audio_0", kAudio));
  publisher.play();
  const auto warning = publisher.problem(GST_MESSAGE_WARNING, 10000);
  ck_assert_msg(warning.is(GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND), "%s",
                warning.text.c_str());
  check_flows(publisher, server, MediaKind::Audio, 20);
  ck_assert(eventually([&] {
    const StructurePtr stats = publisher.stats();
    guint64 refused = 0;
    return gst_structure_get_uint64(stats.get(), "dropped-refused-video", &refused) && refused > 5;
  }));
}
GST_END_TEST

GST_START_TEST(refused_codecs_are_an_error)
{
  WhipServer server({.codecs = {"VP8"}});
  Publisher publisher(server, "video-codec=H264", to("video_0", kVideo));
  publisher.play();
  const auto error = publisher.error();
  ck_assert_msg(!error.text.empty(), "no error");
  // B-frames: refused by the stream itself.
  WhipServer taker({.codecs = {"H264"}});
  Publisher reordered(taker, "",
                      to("video_0", std::string(kVideo) +
                                        " ! x264enc bframes=2 b-adapt=false speed-preset=ultrafast "
                                        "! video/x-h264,profile=main"));
  reordered.play();
  const auto refusal = reordered.error();
  ck_assert_msg(refusal.is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT), "%s", refusal.text.c_str());
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
  };
  for (const auto &one : cases) {
    Publisher publisher(std::string(one.endpoint), one.properties, to("audio_0", kAudio));
    ck_assert_int_eq(publisher.set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS) &&
                      error.text.find(one.text) != std::string::npos,
                  "%s: %s", one.text, error.text.c_str());
  }
  // Without anything to send.
  Publisher empty(std::string("http://127.0.0.1:9/"), "", "fakesrc ! fakesink");
  ck_assert_int_eq(empty.set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  ck_assert(empty.error().is(GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE));
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
  tcase_add_test(media, encoded_h264_goes_as_it_is);
  tcase_add_test(media, encoded_opus_goes_as_it_is);
  tcase_add_test(media, bitrate_changes_while_playing);
  tcase_add_test(media, end_of_stream_ends_the_session_first);
  tcase_add_test(media, file_waits_and_keeps_the_pace);
  suite_add_tcase(suite, media);
  TCase *refusals = tcase_create("refusals");
  tcase_set_timeout(refusals, 60);
  tcase_add_test(refusals, wrong_peer_gets_nothing);
  tcase_add_test(refusals, peer_that_is_not_found_is_an_error);
  tcase_add_test(refusals, refusals_are_errors_of_their_kind);
  tcase_add_test(refusals, what_may_pass_is_tried_again);
  tcase_add_test(refusals, attempts_have_a_limit);
  tcase_add_test(refusals, token_goes_to_the_server);
  tcase_add_test(refusals, refused_kind_is_dropped_and_said);
  tcase_add_test(refusals, refused_codecs_are_an_error);
  suite_add_tcase(suite, refusals);
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
