// SPDX-License-Identifier: LGPL-2.1-or-later
// What slwhipsink and slwhepsrc tell the log.
#include <algorithm>
#include <memory>

#include "captured_log.h"
#include "whep_server.h"
#include "whep_viewer.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

constexpr char kToken[] = "hidden-token";
constexpr char kSessions[] = "/hidden-session/";
// What a user can read at a glance.
constexpr size_t kScreen = 24;

struct OwnLog : CapturedLog {
  OwnLog() : CapturedLog(GST_LEVEL_NONE) { gst_debug_set_threshold_for_name("sl*", GST_LEVEL_LOG); }
  ~OwnLog() { gst_debug_unset_threshold_for_name("sl*"); }

  std::vector<std::string> at_info() const
  {
    std::vector<std::string> texts;
    for (const auto &[level, text] : lines())
      if (level <= GST_LEVEL_INFO)
        texts.push_back(text);
    return texts;
  }
  bool says(const std::string &part) const
  {
    const auto texts = at_info();
    return std::any_of(texts.begin(), texts.end(), [&](const std::string &text) {
      return text.find(part) != std::string::npos;
    });
  }
};

// All of a life, in one screen, and nothing that is for the server alone.
void check_log(const OwnLog &log)
{
  for (const char *part : {"new -> connecting", "offering to http://127.0.0.1:", "agreed: ",
                           "VP8 (", "connected after ", "-> connected", "connected -> closed"})
    ck_assert_msg(log.says(part), "%s is missing", part);
  ck_assert_uint_le(log.at_info().size(), kScreen);
  bool has_session = false;
  bool has_description = false;
  for (const auto &[level, text] : log.lines()) {
    ck_assert_msg(text.find(kToken) == std::string::npos, "%s", text.c_str());
    has_description |= level == GST_LEVEL_LOG && text.find("a=fingerprint") != std::string::npos;
    if (text.find("hidden") == std::string::npos)
      continue;
    ck_assert_msg(level >= GST_LEVEL_DEBUG, "%s", text.c_str());
    has_session = true;
  }
  ck_assert(has_session);
  ck_assert(has_description);
}

}  // namespace

GST_START_TEST(test_log_of_a_publisher)
{
  const OwnLog log;
  {
    WhipServerSettings settings;
    settings.token = kToken;
    settings.sessions = kSessions;
    WhipServer server(settings);
    Publisher publisher(server, std::string("video-codec=VP8 auth-token=") + kToken,
                        to("video_0", kVideo) + to("audio_0", kAudio));
    publisher.play();
    check_flows(publisher, server, MediaKind::Video, 5);
    ck_assert_int_lt(publisher.stop(), 2000);
    ck_assert_int_eq(server.deletes, 1);
  }
  check_log(log);
}
GST_END_TEST

GST_START_TEST(test_log_of_a_player)
{
  const OwnLog log;
  {
    WhepServer server;
    server.set_token(kToken);
    server.set_sessions(kSessions);
    Viewer viewer(server.endpoint(), {{MediaKind::Video, "identity"}});
    g_object_set(viewer.src(), "auth-token", kToken, nullptr);
    viewer.play();
    ck_assert(eventually([&] { return viewer.count(MediaKind::Video) > 5; }));
    viewer.stop();
    ck_assert_int_eq(server.deletes, 1);
  }
  check_log(log);
}
GST_END_TEST

// What a server says about a refusal is in the log, where it is asked for, and not in the message.
GST_START_TEST(test_reason_of_a_refusal)
{
  const OwnLog log;
  WhepServer server;
  server.refuse_next(403);
  Viewer viewer(server.endpoint(), {});
  viewer.play();
  const auto problem = viewer.problem(GST_MESSAGE_ERROR);
  ck_assert(problem.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  ck_assert(log.says("status 403"));
  ck_assert(log.says("connecting -> failed"));
  const auto lines = log.lines();
  ck_assert(std::any_of(lines.begin(), lines.end(), [](const auto &line) {
    return line.first == GST_LEVEL_DEBUG && line.second == "403: no";
  }));
  ck_assert(!log.says("agreed: "));
}
GST_END_TEST

static Suite *webrtc_log_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-log");
  TCase *tcase = tcase_create("log");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_log_of_a_publisher);
  tcase_add_test(tcase, test_log_of_a_player);
  tcase_add_test(tcase, test_reason_of_a_refusal);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(webrtc_log)
