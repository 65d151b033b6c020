// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink when its server goes away and comes back, and when it is stopped at any moment.
#include <algorithm>
#include <random>

#include "whip_pipeline.h"

using namespace fixture;

namespace {

size_t count_of(const char *folder)
{
  size_t count = 0;
  GDir *opened = g_dir_open(folder, 0, nullptr);
  while (opened != nullptr && g_dir_read_name(opened) != nullptr)
    count++;
  if (opened != nullptr)
    g_dir_close(opened);
  return count;
}

}  // namespace

// A server that ends the session in order, such as one that is restarted.
GST_START_TEST(closed_by_the_peer_is_connected_anew)
{
  WhipServer server;
  Publisher publisher(server, "reconnect-delay=100", to("video_0", kVideo));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  server.close_sessions();
  ck_assert(eventually([&] { return server.posts == 2; }));
  check_flows(publisher, server, MediaKind::Video, 20);
  ck_assert_uint_eq(stat(publisher, "connections"), 2);
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(closed_by_the_peer_is_the_end_where_it_is_to_be)
{
  WhipServer server;
  Publisher publisher(server, "reconnect=never", to("video_0", kVideo));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  server.close_sessions();
  ck_assert(publisher.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE));
  ck_assert(publisher.state() == "failed");
}
GST_END_TEST

// Its sockets are closed, and it has forgotten the session: consent ends, the restart is refused,
// and a new session takes over.
GST_START_TEST(dead_peer_is_noticed_and_replaced)
{
  WhipServer server;
  Publisher publisher(server, "reconnect-delay=100", to("video_0", kVideo) + to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Video, 10);
  const gint64 begin = g_get_monotonic_time();
  server.kill_sessions();
  ck_assert(eventually([&] { return server.posts == 2; }, 20000));
  ck_assert_int_le(g_get_monotonic_time() - begin, limit_ms(16000) * 1000);
  check_flows(publisher, server, MediaKind::Video, 20);
  check_flows(publisher, server, MediaKind::Audio, 20);
}
GST_END_TEST

GST_START_TEST(end_while_it_reconnects)
{
  WhipServer server;
  Publisher publisher(server, "reconnect-delay=100",
                      to("audio_0",
                         "audiotestsrc is-live=true num-buffers=100 "
                         "samplesperbuffer=480 ! audio/x-raw,rate=48000"));
  server.refuse(503, 1000);
  publisher.play();
  ck_assert(publisher.message(GST_MESSAGE_EOS, 10000));
  ck_assert(publisher.state() == "closed");
}
GST_END_TEST

// The EOS message comes in the I/O thread, and a synchronous handler may stop the pipeline there.
GST_START_TEST(stopped_in_the_io_thread)
{
  WhipServer server;
  struct Stop {
    GstElement *pipeline = nullptr;
    std::atomic<gint64> took_us = -1;
  } stop;
  for (int i = 0; i < 3; i++) {
    Publisher publisher(server, "",
                        to("audio_0",
                           "audiotestsrc is-live=true num-buffers=60 "
                           "samplesperbuffer=480 ! audio/x-raw,rate=48000"));
    stop.pipeline = publisher.pipeline();
    stop.took_us = -1;
    const auto bus = adopt_object(gst_element_get_bus(publisher.pipeline()));
    gst_bus_set_sync_handler(
        bus.get(),
        [](GstBus *, GstMessage *message, gpointer data) {
          auto *own = static_cast<Stop *>(data);
          if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS) {
            const gint64 begin = g_get_monotonic_time();
            gst_element_set_state(own->pipeline, GST_STATE_NULL);
            own->took_us = g_get_monotonic_time() - begin;
          }
          // One that is posted to the bus after NULL has emptied it keeps the pipeline for ever.
          gst_message_unref(message);
          return GST_BUS_DROP;
        },
        &stop, nullptr);
    publisher.play();
    ck_assert(eventually([&] { return stop.took_us >= 0; }));
    ck_assert_int_lt(stop.took_us, limit_ms(1000) * 1000);
    gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
  }
}
GST_END_TEST

GST_START_TEST(stopped_at_any_moment)
{
  constexpr int kRounds = 50;
  constexpr int kWarmUp = 10;
  WhipServer server;
  std::mt19937 random(1);
  std::uniform_int_distribution<int> moment(0, 250);
  int worst = 0;
  size_t threads = 0;
  size_t files = 0;
  for (int i = 0; i < kRounds; i++) {
    Publisher publisher(server, "reconnect-delay=20",
                        to("video_0", std::string(kVideo) + " ! queue") + to("audio_0", kAudio));
    publisher.play();
    sleep_ms(moment(random));
    worst = std::max(worst, publisher.stop());
    if (i == kWarmUp) {
      server.forget_sessions();
      threads = count_of("/proc/self/task");
      files = count_of("/proc/self/fd");
    }
  }
  GST_INFO("worst stop: %d ms", worst);
  ck_assert_int_lt(worst, limit_ms(2000));
  ck_assert_int_eq(server.sessions, 0);
  server.forget_sessions();
  // Those of GLib's pool come and go by its own rules.
  const auto names = [] {
    std::string text;
    for (const std::string &name : thread_names())
      text += name + " ";
    return text;
  };
  ck_assert_msg(eventually([&] { return count_of("/proc/self/task") <= threads + 4; }),
                "%zu threads, then %zu: %s", threads, count_of("/proc/self/task"), names().c_str());
  ck_assert_msg(eventually([&] { return count_of("/proc/self/fd") <= files + 2; }),
                "%zu descriptors, then %zu", files, count_of("/proc/self/fd"));
}
GST_END_TEST

static Suite *webrtc_whipsink_return_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-return");
  TCase *cases = tcase_create("return");
  tcase_set_timeout(cases, 60);
  tcase_add_test(cases, closed_by_the_peer_is_connected_anew);
  tcase_add_test(cases, closed_by_the_peer_is_the_end_where_it_is_to_be);
  tcase_add_test(cases, dead_peer_is_noticed_and_replaced);
  tcase_add_test(cases, end_while_it_reconnects);
  tcase_add_test(cases, stopped_in_the_io_thread);
  tcase_add_test(cases, stopped_at_any_moment);
  suite_add_tcase(suite, cases);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_return)
