// SPDX-License-Identifier: LGPL-2.1-or-later
// WHIP and WHEP: a session is made, with all that a server may say to it, and ended.
#include <cstdlib>
#include <cstring>

#include "webrtc_signalling_fixture.h"

using namespace fixture;

namespace {

void expect(const SignallingFailure &failure, Category category, const char *text)
{
  fail_unless(failure.category() == category, "category %d: %s", failure.code,
              failure.text.c_str());
  fail_unless(mentions(failure, text), "'%s' without '%s'", failure.text.c_str(), text);
}

std::string location_of(const char *location)
{
  Stage stage;
  stage.server.answer("POST", created({{"Location", location}}));
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  const auto result = stage.open();
  fail_unless(result.ok(), "%s", result.ok() ? "" : result.error().text.c_str());
  fail_unless(stage.close().ok());
  return stage.request("DELETE").path;
}

ScriptedAnswer redirect(const std::string &status, const std::string &location)
{
  return ScriptedAnswer::of(status, {{"Location", location}});
}

ScriptedAnswer counter_offer(const std::string &type = "application/sdp")
{
  return ScriptedAnswer::of("406 Not Acceptable",
                            {{"Content-Type", type}, {"Location", "/session/2"}}, "v=0 counter");
}

}  // namespace

GST_START_TEST(offer_is_posted_as_sdp)
{
  Stage stage;
  stage.opened();
  const ScriptedRequest post = stage.request("POST");
  fail_unless(post.path == "/whip/room?key=1", "%s", post.path.c_str());
  fail_unless(post.field("content-type") == "application/sdp");
  fail_unless(post.body == "v=0 offer");
  fail_unless(!post.has("if-match"));
}
GST_END_TEST;

GST_START_TEST(answer_is_taken_with_its_session)
{
  Stage stage;
  stage.server.answer(
      "POST", created({{"Content-Type", "Application/SDP; charset=utf-8"}}, "v=0\r\ns=answer\r\n"));
  const auto result = stage.open();
  fail_unless(result.ok());
  fail_unless(result->sdp == "v=0\r\ns=answer\r\n");
  fail_unless(!result->is_counter_offer && result->ice_servers.empty());
  fail_unless(stage.client().is_open() && stage.client().has_session_url());
}
GST_END_TEST;

GST_START_TEST(location_is_resolved_against_what_has_answered)
{
  fail_unless(location_of("/session/7") == "/session/7");
  fail_unless(location_of("session/7") == "/whip/session/7");
  fail_unless(location_of("../s?id=7") == "/s?id=7");
  fail_unless(location_of("?id=7") == "/whip/room?id=7");
  fail_unless(location_of("./a%20b/../7#part") == "/whip/7");
  // After a redirect it is the last address that counts.
  Stage stage;
  stage.server.answer("POST", redirect("307 Temporary Redirect", "/other/place/whip"));
  stage.server.answer("POST", created({{"Location", "7"}}));
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(stage.open().ok());
  fail_unless(stage.close().ok());
  fail_unless(stage.request("DELETE").path == "/other/place/7");
}
GST_END_TEST;

GST_START_TEST(location_that_is_no_use_is_an_error)
{
  for (const char *location : {"", "ftp://example.org/1", "http://", "mailto:me"}) {
    Stage stage;
    expect(stage.failure_with(created({{"Location", location}})), Category::Protocol, "Location");
    fail_unless(stage.server.requests("DELETE").empty());
  }
}
GST_END_TEST;

GST_START_TEST(answer_of_another_type_is_an_error_and_ended)
{
  for (const char *type : {"text/html", "application/json", ""}) {
    Stage stage;
    const auto failure = stage.failure_with(created({{"Content-Type", type}}));
    expect(failure, Category::Protocol, "application/sdp");
    fail_unless(!failure.may_pass);
    // The server has made a session all the same.
    fail_unless(stage.request("DELETE").path == "/session/1");
  }
  Stage stage;
  expect(stage.failure_with(created({}, "")), Category::Protocol, "empty");
}
GST_END_TEST;

GST_START_TEST(unknown_status_means_its_class)
{
  const struct {
    const char *status;
    Category category;
    bool may_pass;
  } cases[] = {
      {"400 Bad Request", Category::Refused, false},
      {"401 Unauthorized", Category::Unauthorised, false},
      {"403 Forbidden", Category::Unauthorised, false},
      {"404 Not Found", Category::NotFound, false},
      {"422 Unprocessable", Category::Refused, false},
      {"499 What", Category::Refused, false},
      {"500 Oh", Category::Refused, true},
      {"599 What", Category::Refused, true},
      {"200 OK", Category::Protocol, false},
      {"299 What", Category::Protocol, false},
      {"399 What", Category::Protocol, false},
  };
  for (const auto &known : cases) {
    Stage stage;
    const auto failure = stage.failure_with(
        ScriptedAnswer::of(known.status, {{"Content-Type", "application/sdp"}}, "v=0"));
    expect(failure, known.category, "status");
    fail_unless(failure.may_pass == known.may_pass, "%s", known.status);
    fail_unless_equals_int(static_cast<int>(failure.status), atoi(known.status));
  }
}
GST_END_TEST;

// --- Redirects ---

GST_START_TEST(redirects_keep_the_post)
{
  for (const char *status : {"307 Temporary Redirect", "308 Permanent Redirect"}) {
    Stage stage;
    stage.server.answer("POST", redirect(status, "/elsewhere"));
    stage.server.answer("POST", created());
    fail_unless(stage.open().ok());
    const ScriptedRequest second = stage.request("POST", 1);
    fail_unless(second.path == "/elsewhere");
    fail_unless(second.body == "v=0 offer");
    fail_unless(second.field("content-type") == "application/sdp");
    // The same origin.
    fail_unless(second.field("authorization") == std::string("Bearer ") + kToken);
  }
}
GST_END_TEST;

GST_START_TEST(redirects_that_lose_the_post_are_errors)
{
  for (const char *status : {"300 X", "301 X", "302 X", "303 X", "305 X"}) {
    Stage stage;
    expect(stage.failure_with(redirect(status, "/elsewhere")), Category::Protocol, "307 or 308");
    fail_unless_equals_int(static_cast<int>(stage.server.requests().size()), 1);
  }
  Stage nowhere;
  expect(nowhere.failure_with(ScriptedAnswer::of("307 X")), Category::Protocol, "to nowhere");
}
GST_END_TEST;

GST_START_TEST(redirects_have_a_limit)
{
  Stage stage;
  stage.settings.max_redirects = 3;
  for (int i = 0; i < 10; i++)
    stage.server.answer("POST", redirect("307 X", "/again"));
  expect(stage.failure_with(redirect("307 X", "/again")), Category::Protocol, "loop");
  fail_unless_equals_int(static_cast<int>(stage.server.requests("POST").size()), 4);
}
GST_END_TEST;

GST_START_TEST(redirects_are_for_the_post_alone)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", redirect("307 X", "/elsewhere"));
  stage.server.answer("DELETE", redirect("308 X", "/elsewhere"));
  stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
  fail_unless(!stage.send_candidates().ok());
  fail_unless(!stage.close().ok());
  fail_unless_equals_int(static_cast<int>(stage.server.requests().size()), 3);
}
GST_END_TEST;

GST_START_TEST(token_stays_with_its_origin)
{
  for (const bool forward : {false, true}) {
    Stage stage;
    ScriptedHttp other;
    stage.settings.forward_auth_on_redirect = forward;
    stage.server.answer("POST", redirect("307 X", other.origin() + "/whip"));
    other.answer("POST", created());
    other.answer("PATCH", ScriptedAnswer::of("204 No Content"));
    other.answer("DELETE", ScriptedAnswer::of("200 OK"));
    fail_unless(stage.open().ok());
    stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
    fail_unless(stage.send_candidates().ok());
    fail_unless(stage.close().ok());
    fail_unless(stage.request("POST").has("authorization"));
    fail_unless_equals_int(static_cast<int>(other.requests().size()), 3);
    for (const ScriptedRequest &request : other.requests())
      fail_unless(request.has("authorization") == forward, "%s", request.method.c_str());
  }
}
GST_END_TEST;

// A Location is no redirect, but leads elsewhere as well.
GST_START_TEST(token_does_not_go_to_a_session_elsewhere)
{
  Stage stage;
  ScriptedHttp other;
  stage.server.answer("POST", created({{"Location", other.origin() + "/session"}}));
  other.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(stage.open().ok());
  fail_unless(stage.close().ok());
  fail_unless_equals_int(static_cast<int>(other.requests("DELETE").size()), 1);
  fail_unless(!other.requests("DELETE")[0].has("authorization"));
}
GST_END_TEST;

GST_START_TEST(token_is_sent_with_every_request)
{
  for (const bool has_token : {true, false}) {
    Stage stage;
    if (!has_token)
      stage.settings.token.clear();
    stage.opened();
    stage.server.answer("PATCH", ScriptedAnswer::of("204 No Content"));
    stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
    stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
    fail_unless(stage.send_candidates().ok());
    fail_unless(stage.close().ok());
    for (const char *method : {"POST", "PATCH", "DELETE"}) {
      const ScriptedRequest request = stage.request(method);
      fail_unless(request.has("authorization") == has_token);
      if (has_token)
        fail_unless(request.field("authorization") == std::string("Bearer ") + kToken);
    }
  }
}
GST_END_TEST;

// Other ways to say who one is are those of HTTP: here by the address.
GST_START_TEST(name_and_password_of_the_address_answer_a_challenge)
{
  Stage stage;
  ScriptedHttp other;
  stage.settings.token.clear();
  stage.settings.endpoint.insert(strlen("http://"), "me:hush@");
  const ScriptedAnswer challenge =
      ScriptedAnswer::of("401 Unauthorized", {{"WWW-Authenticate", "Basic realm=\"whip\""}});
  const char *basic = "Basic bWU6aHVzaA==";
  stage.server.answer("POST", challenge);
  stage.server.answer("POST", created());
  fail_unless(stage.open().ok());
  fail_unless(!stage.request("POST").has("authorization"));
  fail_unless(stage.request("POST", 1).field("authorization") == basic);
  fail_unless(stage.request("POST", 1).body == "v=0 offer");
  stage.server.answer("DELETE", challenge);
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(stage.close().ok());
  fail_unless(stage.server.requests("DELETE").back().field("authorization") == basic);
  // Somebody else asks for it.
  stage.server.answer("POST", redirect("307 X", other.origin() + "/whip"));
  other.answer("POST", challenge);
  const auto refused = stage.open();
  fail_unless(!refused.ok());
  expect(refused.error(), Category::Unauthorised, "auth-token");
  fail_unless_equals_int(static_cast<int>(other.requests().size()), 1);
  fail_unless(!other.requests()[0].has("authorization"));
}
GST_END_TEST;

// --- Later ---

GST_START_TEST(unavailable_server_asks_for_time)
{
  Stage stage;
  const auto failure = stage.failure_with(ScriptedAnswer::of("503 Busy", {{"Retry-After", "7"}}));
  expect(failure, Category::Refused, "503");
  fail_unless(failure.may_pass);
  fail_unless(failure.retry_after_ms == 7000u);
  GDateTime *now = g_date_time_new_now_utc();
  GDateTime *later = g_date_time_add_seconds(now, 100);
  gchar *date = g_date_time_format(later, "%a, %d %b %Y %H:%M:%S GMT");
  Stage dated;
  const auto until = dated.failure_with(ScriptedAnswer::of("503 Busy", {{"Retry-After", date}}));
  fail_unless(until.retry_after_ms && *until.retry_after_ms > 90000 &&
              *until.retry_after_ms <= 100000);
  g_free(date);
  g_date_time_unref(later);
  g_date_time_unref(now);
  Stage vague;
  const auto soon = vague.failure_with(ScriptedAnswer::of("503 Busy", {{"Retry-After", "soon"}}));
  fail_unless(soon.may_pass && !soon.retry_after_ms);
}
GST_END_TEST;

GST_START_TEST(nobody_publishes_yet)
{
  Stage stage(Role::Play);
  const auto failure =
      stage.failure_with(ScriptedAnswer::of("409 Conflict", {{"Retry-After", "3"}}));
  fail_unless(failure.may_pass && failure.retry_after_ms == 3000u);
  // To a publisher it is a refusal.
  Stage publisher;
  fail_unless(!publisher.failure_with(ScriptedAnswer::of("409 Conflict")).may_pass);
}
GST_END_TEST;

// --- Counter-offers ---

GST_START_TEST(counter_offer_is_answered_by_patch)
{
  Stage stage(Role::Play);
  stage.server.answer("POST", counter_offer());
  stage.server.answer("PATCH", ScriptedAnswer::of("204 No Content"));
  const auto opened = stage.open();
  fail_unless(opened.ok(), "%s", opened.ok() ? "" : opened.error().text.c_str());
  fail_unless(opened->is_counter_offer);
  fail_unless(opened->sdp == "v=0 counter");
  // No candidates before the answer.
  fail_unless(!stage.client().is_open());
  stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
  fail_unless(*stage.send_candidates() == PatchOutcome::Waiting);
  fail_unless(stage.loop.result_of(stage.client().answer("v=0 answer")).ok());
  fail_unless(stage.client().is_open());
  const ScriptedRequest patch = stage.request("PATCH");
  fail_unless(patch.path == "/session/2");
  fail_unless(patch.field("content-type") == "application/sdp");
  fail_unless(patch.body == "v=0 answer");
}
GST_END_TEST;

GST_START_TEST(counter_offer_has_its_time)
{
  Stage stage(Role::Play);
  stage.server.answer(
      "POST", counter_offer("application/sdp; valid-until=\"Tue, 17 Nov 2020 10:00:00 GMT\""));
  fail_unless(stage.open().ok());
  const auto late = stage.loop.result_of(stage.client().answer("v=0 answer"));
  fail_unless(!late.ok());
  expect(late.error(), Category::Timeout, "not valid any more");
  fail_unless(stage.server.requests("PATCH").empty());
}
GST_END_TEST;

GST_START_TEST(counter_offer_that_is_none)
{
  // A publisher gets none.
  Stage publisher;
  expect(publisher.failure_with(counter_offer()), Category::Refused, "406");
  Stage player(Role::Play);
  expect(player.failure_with(counter_offer("text/plain")), Category::Refused, "406");
  Stage refused(Role::Play);
  refused.server.answer("POST", counter_offer());
  refused.server.answer("PATCH", ScriptedAnswer::of("400 Bad Request"));
  fail_unless(refused.open().ok());
  const auto answered = refused.loop.result_of(refused.client().answer("v=0"));
  fail_unless(!answered.ok());
  expect(answered.error(), Category::Refused, "400");
  refused.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(refused.close().ok());
}
GST_END_TEST;

// --- ICE servers ---

GST_START_TEST(ice_servers_come_from_links)
{
  Stage stage;
  const char *link = R"(<stun:stun.example.net>; rel="ice-server", )"
                     R"(<turn:turn.example.net?transport=udp>; rel="ice-server"; )"
                     R"(username="me"; credential="a\"b,;c"; credential-type="password")";
  stage.server.answer("POST", created({{"Link", link}}));
  const auto opened = stage.open();
  fail_unless(opened.ok());
  fail_unless_equals_int(static_cast<int>(opened->ice_servers.size()), 2);
  fail_unless(opened->ice_servers[0].uri == "stun:stun.example.net");
  fail_unless(opened->ice_servers[1].uri == "turn:turn.example.net?transport=udp");
  fail_unless(opened->ice_servers[1].username == "me");
  fail_unless(opened->ice_servers[1].credential == "a\"b,;c");
}
GST_END_TEST;

GST_START_TEST(ice_servers_of_several_lines)
{
  Stage stage;
  ScriptedAnswer answer = created();
  std::string &text = answer.pieces[0].second;
  text.insert(text.find("Location"),
              "Link: <stun:a.example>; rel=ice-server\r\n"
              "Link: <stun:b.example>; rel=ice-server\r\n");
  stage.server.answer("POST", answer);
  const auto opened = stage.open();
  fail_unless(opened.ok());
  fail_unless_equals_int(static_cast<int>(opened->ice_servers.size()), 2);
  fail_unless(opened->ice_servers[1].uri == "stun:b.example");
}
GST_END_TEST;

// --- The end ---

GST_START_TEST(session_is_deleted_without_if_match)
{
  Stage stage;
  stage.opened();
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(stage.close().ok());
  const ScriptedRequest request = stage.request("DELETE");
  fail_unless(request.path == "/session/1");
  fail_unless(!request.has("if-match"));
  // Only once.
  fail_unless(stage.close().ok());
  fail_unless_equals_int(static_cast<int>(stage.server.requests("DELETE").size()), 1);
}
GST_END_TEST;

GST_START_TEST(session_that_is_gone_is_ended)
{
  for (const char *status : {"404 Not Found", "410 Gone", "204 No Content"}) {
    Stage stage;
    stage.opened();
    stage.server.answer("DELETE", ScriptedAnswer::of(status));
    fail_unless(stage.close().ok());
  }
  Stage stage;
  stage.opened();
  const auto failed = stage.close();
  fail_unless(!failed.ok());
  expect(failed.error(), Category::Refused, "500");
}
GST_END_TEST;

GST_START_TEST(end_does_not_wait_for_ever)
{
  Stage stage;
  stage.opened();
  stage.server.answer("DELETE", ScriptedAnswer::silence());
  const gint64 began = g_get_monotonic_time();
  const auto closed = stage.close();
  const gint64 took_ms = (g_get_monotonic_time() - began) / 1000;
  fail_unless(!closed.ok());
  expect(closed.error(), Category::Timeout, "notice by itself");
  fail_unless(took_ms >= 1400 && took_ms < limit_ms(2000), "%d ms", static_cast<int>(took_ms));
}
GST_END_TEST;

// A later connection may find the server again.
GST_START_TEST(session_that_was_left_is_deleted_later)
{
  Stage stage;
  stage.opened();
  stage.server.answer("DELETE", ScriptedAnswer::silence());
  fail_unless(!stage.close().ok());
  const std::string left = stage.client().left_session();
  fail_unless(g_str_has_suffix(left.c_str(), "/session/1"), "%s", left.c_str());
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  fail_unless(stage.loop.result_of(stage.client().remove(left)).ok());
  fail_unless_equals_int(static_cast<int>(stage.server.requests("DELETE").size()), 2);
  // An answer, whatever it says, leaves nothing.
  Stage refused;
  refused.opened();
  fail_unless(!refused.close().ok());
  fail_unless(refused.client().left_session().empty());
}
GST_END_TEST;

GST_START_TEST(only_one_negotiation_at_a_time)
{
  Stage stage;
  stage.server.answer("POST", created());
  std::optional<SignallingResult<SignallingSession::Opened>> first;
  stage.loop.start(stage.client().open("v=0 offer"), first);
  const auto second = stage.open();
  fail_unless(!second.ok());
  expect(second.error(), Category::Protocol, "already");
  stage.loop.until([&] { return first.has_value(); });
  fail_unless((*first).ok());
  // Nor while there is a session.
  fail_unless(!stage.open().ok());
  fail_unless_equals_int(static_cast<int>(stage.server.requests("POST").size()), 1);
}
GST_END_TEST;

static Suite *webrtc_signalling_suite()
{
  Suite *suite = suite_create("webrtc-signalling");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, offer_is_posted_as_sdp);
  tcase_add_test(tc, answer_is_taken_with_its_session);
  tcase_add_test(tc, location_is_resolved_against_what_has_answered);
  tcase_add_test(tc, location_that_is_no_use_is_an_error);
  tcase_add_test(tc, answer_of_another_type_is_an_error_and_ended);
  tcase_add_test(tc, unknown_status_means_its_class);
  tcase_add_test(tc, redirects_keep_the_post);
  tcase_add_test(tc, redirects_that_lose_the_post_are_errors);
  tcase_add_test(tc, redirects_have_a_limit);
  tcase_add_test(tc, redirects_are_for_the_post_alone);
  tcase_add_test(tc, token_stays_with_its_origin);
  tcase_add_test(tc, token_does_not_go_to_a_session_elsewhere);
  tcase_add_test(tc, token_is_sent_with_every_request);
  tcase_add_test(tc, name_and_password_of_the_address_answer_a_challenge);
  tcase_add_test(tc, unavailable_server_asks_for_time);
  tcase_add_test(tc, nobody_publishes_yet);
  tcase_add_test(tc, counter_offer_is_answered_by_patch);
  tcase_add_test(tc, counter_offer_has_its_time);
  tcase_add_test(tc, counter_offer_that_is_none);
  tcase_add_test(tc, ice_servers_come_from_links);
  tcase_add_test(tc, ice_servers_of_several_lines);
  tcase_add_test(tc, session_is_deleted_without_if_match);
  tcase_add_test(tc, session_that_is_gone_is_ended);
  tcase_add_test(tc, end_does_not_wait_for_ever);
  tcase_add_test(tc, session_that_was_left_is_deleted_later);
  tcase_add_test(tc, only_one_negotiation_at_a_time);
  return suite;
}

GST_CHECK_MAIN(webrtc_signalling)
