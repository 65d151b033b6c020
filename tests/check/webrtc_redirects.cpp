// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and slwhepsrc: redirects and the token, and that nobody reads secrets where they do
// not belong.
#include <mutex>

#include "captured_log.h"
#include "scripted_http.h"
#include "whep_server.h"
#include "whep_viewer.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

constexpr char kToken[] = "t0p-s3cret";
const std::map<MediaKind, std::string> kLines = {{MediaKind::Audio, "identity"}};

ScriptedAnswer redirect(const char *status, const std::string &target)
{
  return ScriptedAnswer::of(status, {{"Location", target}});
}

std::string text_of(GstMessage *message)
{
  std::string text = GST_MESSAGE_TYPE_NAME(message);
  GError *error = nullptr;
  gchar *debug = nullptr;
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, &debug);
  else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
    gst_message_parse_warning(message, &error, &debug);
  if (error != nullptr)
    text.append(" ").append(error->message).append(" ").append(debug != nullptr ? debug : "");
  g_clear_error(&error);
  g_free(debug);
  if (const GstStructure *structure = gst_message_get_structure(message))
    text.append(" ").append(streamlib::support::CStr(gst_structure_to_string(structure)).get());
  return text;
}

// All messages of a pipeline, in any thread.
class Messages {
public:
  explicit Messages(GstElement *pipeline)
  {
    const auto bus = adopt_object(gst_element_get_bus(pipeline));
    gst_bus_set_sync_handler(
        bus.get(),
        [](GstBus *, GstMessage *message, gpointer data) {
          auto *self = static_cast<Messages *>(data);
          const std::lock_guard lock(self->mutex_);
          self->texts_.push_back(text_of(message));
          return GST_BUS_PASS;
        },
        this, nullptr);
  }
  std::vector<std::string> texts() const
  {
    const std::lock_guard lock(mutex_);
    return texts_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::string> texts_;
};

// The token, the addresses of sessions, the path and the query of the endpoint, and the password of
// the TURN server.
constexpr const char *kSecrets[] = {kToken, "hidden-session", "room?key", "turn-s3cret"};

void check_clean(const std::string &text)
{
  for (const char *secret : kSecrets)
    ck_assert_msg(text.find(secret) == std::string::npos, "%s: %s", secret, text.c_str());
}

}  // namespace

// RFC 9725 §4.5. The other origin does not see the token, so it says no.
GST_START_TEST(token_does_not_follow_a_redirect)
{
  for (const char *status : {"307 X", "308 X"}) {
    WhipServer server({.token = kToken});
    ScriptedHttp front;
    front.answer("POST", redirect(status, server.endpoint()));
    Publisher publisher(front.origin() + "/whip", std::string("auth-token=") + kToken,
                        to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    const std::string origin = server.endpoint().substr(0, server.endpoint().rfind('/'));
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) &&
                      error.text.find(origin) != std::string::npos,
                  "%s", error.text.c_str());
    ck_assert(front.requests("POST").at(0).field("authorization") ==
              std::string("Bearer ") + kToken);
    ck_assert_int_eq(server.posts, 1);
    ck_assert_int_eq(server.tokens, 0);
  }
  WhepServer server;
  server.set_token(kToken);
  ScriptedHttp front;
  front.answer("POST", redirect("307 X", server.endpoint()));
  Viewer viewer(front.origin() + "/whep", kLines);
  g_object_set(viewer.src(), "auth-token", kToken, nullptr);
  viewer.play();
  ck_assert_int_eq(viewer.problem(GST_MESSAGE_ERROR).code, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
  ck_assert_int_eq(server.tokens, 0);
}
GST_END_TEST

// The candidates and the end of the session go there with it, too.
GST_START_TEST(token_follows_a_redirect_where_that_is_asked_for)
{
  for (const char *status : {"307 X", "308 X"}) {
    WhipServer server({.token = kToken});
    ScriptedHttp front;
    front.answer("POST", redirect(status, server.endpoint()));
    Publisher publisher(front.origin() + "/whip",
                        std::string("forward-auth-on-redirect=true use-link-headers=true "
                                    "auth-token=") +
                            kToken,
                        to("audio_0", kAudio));
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 10);
    publisher.stop();
    ck_assert_int_eq(server.deletes, 1);
    ck_assert_int_ge(server.patches, 1);
    ck_assert_int_eq(server.tokens, server.posts + server.patches + server.deletes);
  }
  WhepServer server;
  server.set_token(kToken);
  ScriptedHttp front;
  front.answer("POST", redirect("308 X", server.endpoint()));
  Viewer viewer(front.origin() + "/whep", kLines);
  g_object_set(viewer.src(), "auth-token", kToken, "forward-auth-on-redirect", TRUE, nullptr);
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(MediaKind::Audio) > 10; }));
  viewer.stop();
  ck_assert_int_eq(server.deletes, 1);
}
GST_END_TEST

GST_START_TEST(redirects_that_lose_the_offer_are_errors)
{
  for (const char *status : {"301 X", "302 X", "303 X"}) {
    WhipServer server;
    ScriptedHttp front;
    front.answer("POST", redirect(status, server.endpoint()));
    Publisher publisher(front.origin() + "/whip", "", to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS) &&
                      error.text.find("307 or 308") != std::string::npos,
                  "%s", error.text.c_str());
    ck_assert_int_eq(server.posts, 0);
  }
}
GST_END_TEST

// What every user of a log sees, and what every reader of the bus does.
GST_START_TEST(secrets_are_neither_logged_nor_told)
{
  std::vector<std::string> told;
  const CapturedLog log(GST_LEVEL_DEBUG);
  {
    WhipServer server({.token = kToken, .sessions = "/hidden-session/"});
    Publisher publisher(std::string("http://127.0.0.1:9/none"), "", to("audio_0", kAudio));
    // Of what is parsed GStreamer logs the text.
    g_object_set(publisher.sink(), "whip-endpoint", (server.endpoint() + "?room?key=1").c_str(),
                 "auth-token", kToken, "turn-server", "turn://u:turn-s3cret@127.0.0.1:9",
                 "reconnect-delay", 50, nullptr);
    server.refuse(503, 1);
    const Messages messages(publisher.pipeline());
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 10);
    // Lost, and found again.
    server.close_sessions();
    ck_assert(eventually([&] { return server.posts == 3; }));
    check_flows(publisher, server, MediaKind::Audio, 10);
    told.push_back(publisher.stats_text());
    publisher.stop();
    // And refused for good.
    g_object_set(publisher.sink(), "auth-token", "t0p-s3cret-no-more", nullptr);
    publisher.play();
    ck_assert(eventually([&] { return publisher.state() == "failed"; }));
    told.push_back(publisher.stats_text());
    publisher.stop();
    const auto texts = messages.texts();
    told.insert(told.end(), texts.begin(), texts.end());
    ck_assert(std::any_of(texts.begin(), texts.end(),
                          [](const auto &text) { return text.starts_with("error"); }));
  }
  {
    WhepServer server;
    server.set_sessions("/hidden-session/");
    server.set_token(kToken);
    Viewer viewer(server.endpoint() + "?room?key=1", kLines);
    g_object_set(viewer.src(), "auth-token", kToken, "reconnect-delay", 50, nullptr);
    const Messages messages(viewer.pipeline());
    viewer.play();
    ck_assert(eventually([&] { return viewer.count(MediaKind::Audio) > 10; }));
    server.close_sessions();
    ck_assert(eventually([&] { return server.posts == 2; }));
    told.push_back(viewer.stats_text());
    viewer.stop();
    const auto texts = messages.texts();
    told.insert(told.end(), texts.begin(), texts.end());
  }
  ck_assert_uint_ge(told.size(), 20);
  for (const std::string &text : told)
    check_clean(text);
  bool is_seen = false;
  for (const auto &[level, text] : log.lines()) {
    if (level <= GST_LEVEL_INFO)
      check_clean(text);
    ck_assert_msg(text.find(kToken) == std::string::npos, "%s", text.c_str());
    is_seen = is_seen || text.find("hidden-session") != std::string::npos;
  }
  // Else the test looks at nothing.
  ck_assert(is_seen);
}
GST_END_TEST

static Suite *webrtc_redirects_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-redirects");
  TCase *tc = tcase_create("redirects");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, token_does_not_follow_a_redirect);
  tcase_add_test(tc, token_follows_a_redirect_where_that_is_asked_for);
  tcase_add_test(tc, redirects_that_lose_the_offer_are_errors);
  tcase_add_test(tc, secrets_are_neither_logged_nor_told);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_redirects)
