// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and slwhepsrc in the programs that users have: gst-launch-1.0, and graphs of
// docs/graphs, which scripts/run runs by scripts/graph.py.
#include "program.h"
#include "text_file.h"
#include "whep_server.h"
#include "whip_server.h"

using namespace fixture;

namespace {

std::vector<std::string> launch(const std::string &line)
{
  std::vector<std::string> arguments = {"gst-launch-1.0", "-e", "-q"};
  gchar **words = g_strsplit(line.c_str(), " ", -1);
  for (gchar **word = words; *word != nullptr; word++)
    arguments.emplace_back(*word);
  g_strfreev(words);
  return arguments;
}

std::vector<std::string> graph(const std::string &file, const std::vector<std::string> &settings)
{
  std::vector<std::string> arguments = {"/usr/bin/python3", SOURCE_ROOT "/scripts/graph.py", file};
  for (const std::string &setting : settings) {
    arguments.emplace_back("--set");
    arguments.push_back(setting);
  }
  return arguments;
}

bool flows(const WhipServer &server, MediaKind kind)
{
  return eventually([&] { return server.buffers_of_last(kind) > 10; }, 30000);
}

}  // namespace

GST_START_TEST(interrupt_of_gst_launch_ends_the_session)
{
  {
    WhipServer server;
    Program program(launch("slwhipsink name=whip whip-endpoint=" + server.endpoint() +
                           " videotestsrc is-live=true ! whip.video_0 "
                           "audiotestsrc is-live=true ! whip.audio_0"));
    ck_assert(flows(server, MediaKind::Video));
    ck_assert_int_le(program.interrupt(), limit_ms(4000));
    ck_assert_int_eq(server.deletes, 1);
    ck_assert(eventually([&] { return server.byes() >= 1; }, limit_ms(1000)));
  }
  // The file is complete: its index is there.
  const TextFile file("");
  WhepServer server;
  Program program(
      launch("slwhepsrc name=play whep-endpoint=" + server.endpoint() +
             " play.video_0 ! video/x-vp8 ! matroskamux ! filesink location=" + file.name()));
  ck_assert(eventually([&] { return server.sessions() == 1; }, 30000));
  sleep_ms(3000);
  ck_assert_int_le(program.interrupt(), limit_ms(4000));
  ck_assert_int_eq(server.deletes, 1);
  gchar *text = nullptr;
  gsize length = 0;
  ck_assert(g_file_get_contents(file.name().c_str(), &text, &length, nullptr));
  const std::string whole(text, length);
  g_free(text);
  // Of Matroska: the element Cues.
  ck_assert(whole.find("\x1c\x53\xbb\x6b") != std::string::npos);
}
GST_END_TEST

// Before there are pads, too, and where one never comes.
GST_START_TEST(interrupt_of_gst_launch_ends_what_has_not_begun)
{
  FarPlan plan;
  if (__i__ == 1)
    plan.video.clear();
  WhepServer server(plan);
  if (__i__ == 0)
    server.kill();
  const TextFile file("");
  Program program(launch("slwhepsrc name=play whep-endpoint=" + server.endpoint() +
                         " play. ! videoconvert ! fakesink play. ! audio/x-opus ! matroskamux ! "
                         "filesink location=" +
                         file.name()));
  if (__i__ == 1)
    ck_assert(eventually([&] { return server.sessions() == 1; }, 30000));
  sleep_ms(2000);
  ck_assert_int_le(program.interrupt(), limit_ms(2000));
  ck_assert_int_eq(server.deletes, server.posts);
}
GST_END_TEST

GST_START_TEST(graph_publishes)
{
  WhipServer server;
  Program program(graph(SOURCE_ROOT "/docs/graphs/publish.json",
                        {"publish.whip-endpoint=" + server.endpoint(), "publish.video-codec=VP8",
                         "camera.device=none-of-these"}));
  ck_assert(flows(server, MediaKind::Video));
  ck_assert(flows(server, MediaKind::Audio));
  ck_assert(server.caps_of_last(MediaKind::Video) == "video/x-vp8");
  program.interrupt();
  ck_assert_int_eq(server.deletes, 1);
  ck_assert_int_eq(server.sessions, 0);
}
GST_END_TEST

GST_START_TEST(graph_plays)
{
  WhepServer server;
  std::atomic<int> connected = 0;
  Program program(
      graph(SOURCE_ROOT "/docs/graphs/play.json", {"play.whep-endpoint=" + server.endpoint()}));
  ck_assert(eventually([&] { return server.sessions() == 1; }, 30000));
  ck_assert(eventually([&] {
    server.for_each([&](FarPeer &peer) {
      connected = peer.state() == streamlib::webrtc::TransportState::Connected;
    });
    return connected == 1;
  }));
  sleep_ms(1000);
  program.interrupt();
  ck_assert_int_eq(server.posts, 1);
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

// What the element gives up is for the graph to mend, where it is told to.
GST_START_TEST(error_of_the_peer_restarts_the_node)
{
  WhipServer server;
  server.refuse(503, 1);
  const TextFile file(R"({"nodes": {
    "picture": {"type": "test", "config": {"media": "video", "interval": 40000000}},
    "publish": {"type": "whip", "restart": {"delay": 100, "attempts": 5}, "config": {
      "reconnect": "never", "whip-endpoint": ")" +
                      server.endpoint() + R"("}}},
  "links": [{"from": "picture", "to": "publish.video_0"}]})");
  Program program(graph(file.name(), {}));
  ck_assert(flows(server, MediaKind::Video));
  ck_assert_int_eq(server.posts, 2);
  // The peer goes, in order.
  server.close_sessions();
  ck_assert(eventually([&] { return server.posts == 3; }));
  const size_t before = server.buffers(MediaKind::Video);
  ck_assert(eventually([&] { return server.buffers(MediaKind::Video) > before + 10; }));
  program.interrupt();
}
GST_END_TEST

static Suite *webrtc_launch_suite()
{
  Suite *suite = suite_create("webrtc-launch");
  TCase *tc = tcase_create("launch");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, interrupt_of_gst_launch_ends_the_session);
  tcase_add_loop_test(tc, interrupt_of_gst_launch_ends_what_has_not_begun, 0, 2);
  tcase_add_test(tc, graph_publishes);
  tcase_add_test(tc, graph_plays);
  tcase_add_test(tc, error_of_the_peer_restarts_the_node);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_launch)
