// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink is started, changed and stopped, again and again.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "whip_pipeline.h"

using namespace fixture;

namespace {

constexpr int kRounds = 20;
constexpr char kSmall[] =
    "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1";

GstElement *named(const Publisher &publisher, const char *name)
{
  // The pipeline keeps it.
  return adopt_object(gst_bin_get_by_name(GST_BIN(publisher.pipeline()), name)).get();
}

// In milliseconds, until the message.
int end_stream(Publisher &publisher)
{
  const gint64 begin = g_get_monotonic_time();
  ck_assert(gst_element_send_event(publisher.pipeline(), gst_event_new_eos()));
  ck_assert(publisher.message(GST_MESSAGE_EOS, 10000));
  return static_cast<int>((g_get_monotonic_time() - begin) / 1000);
}

}  // namespace

// Each session is ended at the server, whichever state it is stopped by.
GST_START_TEST(starts_again_from_ready_and_from_null)
{
  WhipServer server;
  Publisher publisher(server, "video-codec=VP8", to("video_0", kSmall) + to("audio_0", kAudio));
  for (int round = 1; round <= kRounds; round++) {
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 3);
    const gint64 begin = g_get_monotonic_time();
    ck_assert_int_ne(publisher.set(round % 3 == 0 ? GST_STATE_NULL : GST_STATE_READY),
                     GST_STATE_CHANGE_FAILURE);
    ck_assert_int_le(g_get_monotonic_time() - begin, limit_ms(2000) * 1000);
    ck_assert_int_eq(server.posts, round);
    ck_assert_int_eq(server.deletes, round);
    ck_assert_int_eq(server.sessions, 0);
    server.forget_sessions();
  }
  ck_assert(
      !publisher.message(static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_WARNING), 0));
}
GST_END_TEST

GST_START_TEST(settings_count_from_the_next_start)
{
  WhipServer first({.codecs = {"VP8", "H264"}});
  WhipServer second({.codecs = {"VP8", "H264"}});
  Publisher publisher(first, "video-codec=VP8", to("video_0", kSmall));
  publisher.play();
  check_flows(publisher, first, MediaKind::Video, 5);
  // While it plays they are taken down, and what runs goes on.
  g_object_set(publisher.sink(), "video-codec", "H264", "keyframe-interval", 300, nullptr);
  check_flows(publisher, first, MediaKind::Video, first.buffers_of_last(MediaKind::Video) + 10);
  ck_assert(first.caps_of_last(MediaKind::Video) == "video/x-vp8");
  publisher.set(GST_STATE_READY);
  g_object_set(publisher.sink(), "whip-endpoint", second.endpoint().c_str(), nullptr);
  publisher.play();
  check_flows(publisher, second, MediaKind::Video, 30);
  ck_assert(second.caps_of_last(MediaKind::Video) == "video/x-h264");
  ck_assert_uint_ge(second.keyframes_of_last(), 3);
  ck_assert_int_eq(first.posts, 1);
  // What is wrong with them is said when it starts.
  publisher.set(GST_STATE_READY);
  g_object_set(publisher.sink(), "whip-endpoint", nullptr, nullptr);
  ck_assert_int_eq(publisher.set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE);
  ck_assert(publisher.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  // And mended.
  publisher.set(GST_STATE_READY);
  g_object_set(publisher.sink(), "whip-endpoint", first.endpoint().c_str(), nullptr);
  publisher.play();
  check_flows(publisher, first, MediaKind::Video, 5);
}
GST_END_TEST

GST_START_TEST(end_of_stream_takes_two_seconds_at_most)
{
  WhipServer server;
  Publisher publisher(server, "", to("video_0", kSmall) + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 5);
  ck_assert_int_le(end_stream(publisher), limit_ms(2000));
  ck_assert(eventually([&] { return server.byes() >= 1; }, limit_ms(1000)));
  ck_assert_int_eq(server.deletes, 1);
  publisher.stop();
  // Of a server that does not answer any more, too.
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 5);
  std::thread frozen([&] { server.freeze(4000); });
  sleep_ms(100);
  const int taken_ms = end_stream(publisher);
  frozen.join();
  ck_assert_int_le(taken_ms, limit_ms(2300));
}
GST_END_TEST

GST_START_TEST(second_pad_of_a_kind_is_refused_and_it_is_said_why)
{
  WhipServer server;
  Publisher publisher(server, "", to("audio_0", kAudio));
  ck_assert_ptr_eq(gst_element_request_pad_simple(publisher.sink(), "audio_%u"), nullptr);
  const auto second = publisher.problem(GST_MESSAGE_WARNING, 0);
  ck_assert_msg(second.text.find("audio_0 already") != std::string::npos, "%s",
                second.text.c_str());
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 5);
  ck_assert_ptr_eq(gst_element_request_pad_simple(publisher.sink(), "video_%u"), nullptr);
  const auto late = publisher.problem(GST_MESSAGE_WARNING, 0);
  ck_assert_msg(late.text.find("before PAUSED") != std::string::npos, "%s", late.text.c_str());
  check_flows(publisher, server, MediaKind::Audio, server.buffers_of_last(MediaKind::Audio) + 5);
}
GST_END_TEST

// While it plays the other one goes on, and in READY another source comes in its place.
GST_START_TEST(pad_is_released_and_asked_for_again)
{
  WhipServer server;
  Publisher publisher(
      server, "",
      to("video_0", std::string(kSmall) + " ! identity name=picture") + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 5);
  const auto pad = adopt_object(gst_element_get_static_pad(publisher.sink(), "video_0"));
  GstElement *picture = named(publisher, "picture");
  // Whoever unlinks a source stops it first.
  const auto from = adopt_object(gst_element_get_static_pad(picture, "src"));
  const gulong probe = gst_pad_add_probe(
      from.get(), GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad *, GstPadProbeInfo *, gpointer) { return GST_PAD_PROBE_OK; }, nullptr, nullptr);
  ck_assert(eventually([&] { return gst_pad_is_blocking(from.get()) != FALSE; }));
  ck_assert(gst_pad_unlink(from.get(), pad.get()));
  gst_element_release_request_pad(publisher.sink(), pad.get());
  check_flows(publisher, server, MediaKind::Audio, server.buffers_of_last(MediaKind::Audio) + 20);
  ck_assert(!publisher.message(GST_MESSAGE_ERROR, 0));
  publisher.set(GST_STATE_READY);
  server.forget_sessions();
  gst_pad_remove_probe(from.get(), probe);
  const auto again = adopt_object(gst_element_request_pad_simple(publisher.sink(), "video_%u"));
  ck_assert(again);
  ck_assert_int_eq(gst_pad_link(from.get(), again.get()), GST_PAD_LINK_OK);
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 5);
  check_flows(publisher, server, MediaKind::Audio, 5);
  ck_assert_int_eq(server.posts, 2);
}
GST_END_TEST

// From the I/O thread while it runs, from the application's when it stops.
GST_START_TEST(state_is_notified)
{
  WhipServer server;
  Publisher publisher(server, "", to("audio_0", kAudio));
  struct Seen {
    std::mutex mutex;
    std::vector<std::string> states;
  } seen;
  g_signal_connect(publisher.sink(), "notify::state",
                   G_CALLBACK(+[](GObject *sink, GParamSpec *, gpointer data) {
                     auto *own = static_cast<Seen *>(data);
                     GValue value = G_VALUE_INIT;
                     g_object_get_property(sink, "state", &value);
                     const GEnumValue *one = g_enum_get_value(
                         static_cast<GEnumClass *>(g_type_class_peek(G_VALUE_TYPE(&value))),
                         g_value_get_enum(&value));
                     const std::lock_guard lock(own->mutex);
                     if (own->states.empty() || own->states.back() != one->value_nick)
                       own->states.emplace_back(one->value_nick);
                     g_value_unset(&value);
                   }),
                   &seen);
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 5);
  server.close_sessions();
  ck_assert(eventually([&] { return stat(publisher, "connections") == 2; }));
  publisher.stop();
  g_signal_handlers_disconnect_by_data(publisher.sink(), &seen);
  const std::vector<std::string> wanted = {"connecting", "connected", "reconnecting",
                                           "connected",  "closed",    "new"};
  std::string all;
  for (const std::string &one : seen.states)
    all += one + " ";
  ck_assert_msg(seen.states == wanted, "%s", all.c_str());
}
GST_END_TEST

static Suite *webrtc_whipsink_life_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-life");
  TCase *tc = tcase_create("life");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, starts_again_from_ready_and_from_null);
  tcase_add_test(tc, settings_count_from_the_next_start);
  tcase_add_test(tc, end_of_stream_takes_two_seconds_at_most);
  tcase_add_test(tc, second_pad_of_a_kind_is_refused_and_it_is_said_why);
  tcase_add_test(tc, pad_is_released_and_asked_for_again);
  tcase_add_test(tc, state_is_notified);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_life)
