// SPDX-License-Identifier: LGPL-2.1-or-later
// WHIP and WHEP: limits of time and size, TLS, cancellation, secrets, and what fields say.
#include <cstring>

#include "captured_log.h"
#include "ext/webrtc/signalling/header_fields.h"
#include "ext/webrtc/signalling/retry_policy.h"
#include "text_file.h"
#include "webrtc_signalling_fixture.h"

using namespace fixture;

namespace {

void expect(const SignallingFailure &failure, Category category, const char *text)
{
  fail_unless(failure.category() == category, "category %d: %s", failure.code,
              failure.text.c_str());
  fail_unless(mentions(failure, text), "'%s' without '%s'", failure.text.c_str(), text);
}

gint64 ms_of(const std::function<void()> &action)
{
  const gint64 began = g_get_monotonic_time();
  action();
  return (g_get_monotonic_time() - began) / 1000;
}

std::string head_with(const std::string &length)
{
  return "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /session/1\r\n" +
         length + "\r\n";
}

}  // namespace

// --- Size ---

GST_START_TEST(huge_answer_is_refused)
{
  Stage stage;
  expect(stage.failure_with({{{0, head_with("Content-Length: 1000000000\r\n")}}, true}),
         Category::Protocol, "more than 131072 bytes");
  // Without a length it is noticed while it comes; of the session there is one, and it is ended.
  Stage chunked;
  expect(chunked.failure_with(
             {{{0, head_with("Connection: close\r\n") + std::string(200000, 'x')}}, true}),
         Category::Protocol, "more than 131072 bytes");
  fail_unless_equals_int(static_cast<int>(chunked.server.requests("DELETE").size()), 1);
}
GST_END_TEST;

GST_START_TEST(answer_of_the_limit_is_taken)
{
  Stage stage;
  stage.server.answer("POST", created({}, std::string(128 * 1024, 'x')));
  const auto opened = stage.open();
  fail_unless(opened.ok());
  fail_unless_equals_int(static_cast<int>(opened->sdp.size()), 128 * 1024);
}
GST_END_TEST;

GST_START_TEST(huge_body_of_a_refusal_is_not_read)
{
  Stage stage;
  const ScriptedAnswer refusal{
      {{0, "HTTP/1.1 404 Not Found\r\nContent-Length: 1000000000\r\n\r\nsorry"}}, true};
  SignallingFailure failure;
  fail_unless(ms_of([&] { failure = stage.failure_with(refusal); }) < limit_ms(1000));
  expect(failure, Category::NotFound, "404");
}
GST_END_TEST;

GST_START_TEST(huge_head_is_refused)
{
  Stage stage;
  const std::string line = "X-Padding: " + std::string(1000, 'x') + "\r\n";
  ScriptedAnswer endless{{{0, "HTTP/1.1 201 Created\r\n"}}, true};
  for (int i = 0; i < 10000; i++)
    endless.pieces.emplace_back(0, line);
  SignallingFailure failure;
  fail_unless(ms_of([&] { failure = stage.failure_with(endless); }) < limit_ms(2000));
  fail_unless(failure.category() == Category::Network, "%s", failure.text.c_str());
}
GST_END_TEST;

// --- Time ---

GST_START_TEST(cut_answer_is_an_error)
{
  Stage stage;
  const auto failure =
      stage.failure_with({{{0, head_with("Content-Length: 100\r\n") + "v=0\r\n"}}});
  expect(failure, Category::Network, "broke off");
  fail_unless(failure.may_pass);
  fail_unless_equals_int(static_cast<int>(stage.server.requests("DELETE").size()), 1);
  // Before the end of its head, or without a word.
  for (const char *text : {"HTTP/1.1 201 Cre", ""}) {
    Stage early;
    expect(early.failure_with({{{0, text}}}), Category::Network, "no connection");
  }
  Stage noise;
  const auto garbage = noise.failure_with({{{0, "SSH-2.0-OpenSSH_9.2\r\n\r\n"}}});
  fail_unless(garbage.category() == Category::Network);
}
GST_END_TEST;

GST_START_TEST(slow_answer_is_waited_for)
{
  Stage stage;
  const std::string body = "v=0\r\ns=slow\r\n";
  stage.server.answer("POST",
                      {{{50, head_with("Content-Length: " + std::to_string(body.size()) + "\r\n")},
                        {50, body.substr(0, 5)},
                        {50, body.substr(5)}}});
  const auto opened = stage.open();
  fail_unless(opened.ok());
  fail_unless(opened->sdp == body);
}
GST_END_TEST;

GST_START_TEST(timeout_is_for_the_whole_answer)
{
  const std::string head = head_with("Content-Length: 1000\r\n");
  ScriptedAnswer drops{{{0, head}}, true};
  for (int i = 0; i < 100; i++)
    drops.pieces.emplace_back(100, "x");
  for (const ScriptedAnswer &answer : {ScriptedAnswer::silence(), drops}) {
    Stage stage;
    stage.settings.timeout_ms = 400;
    stage.server.answer("POST", answer);
    std::optional<SignallingFailure> failure;
    const gint64 took = ms_of([&] { failure = stage.open().error(); });
    expect(*failure, Category::Timeout, "400 ms");
    fail_unless(failure->may_pass);
    fail_unless(took >= 390 && took < limit_ms(1000), "%d ms", static_cast<int>(took));
  }
}
GST_END_TEST;

GST_START_TEST(redirects_share_one_timeout)
{
  Stage stage;
  stage.settings.timeout_ms = 400;
  for (int i = 0; i < 5; i++)
    stage.server.answer("POST", ScriptedAnswer::of("307 X", {{"Location", "/again"}}, "", 150));
  fail_unless(stage.open().error().category() == Category::Timeout);
}
GST_END_TEST;

// A server that keeps connections, and one that says so and does not.
GST_START_TEST(closed_connections_are_made_anew)
{
  for (const bool stays : {true, false}) {
    Stage stage;
    const auto kept = [&](const std::string &status, const std::string &fields) {
      return ScriptedAnswer{{{0, "HTTP/1.1 " + status + "\r\n" + fields + "\r\n"}}, stays};
    };
    stage.server.answer("POST", kept("201 Created",
                                     "Content-Type: application/sdp\r\nLocation: /session/1\r\n"
                                     "Content-Length: 5\r\n\r\nv=0\r\n"));
    stage.server.answer("PATCH", kept("204 No Content", ""));
    stage.server.answer("DELETE", kept("200 OK", "Content-Length: 0\r\n"));
    const auto opened = stage.open();
    fail_unless(opened.ok(), "%s", opened.ok() ? "" : opened.error().text.c_str());
    stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
    fail_unless(*stage.send_candidates() == PatchOutcome::Done);
    if (!stays)
      fail_unless(stage.close().ok());
  }
}
GST_END_TEST;

GST_START_TEST(no_server_is_a_network_failure)
{
  Stage stage;
  {
    // Its port is free again afterwards.
    const ScriptedHttp gone;
    stage.settings.endpoint = gone.origin() + "/whip";
  }
  const auto result = stage.open();
  fail_unless(!result.ok());
  expect(result.error(), Category::Network, "whether the server runs");
  fail_unless(result.error().may_pass);
}
GST_END_TEST;

GST_START_TEST(bad_endpoint_is_a_protocol_failure)
{
  for (const char *endpoint : {"", "whip", "ftp://example.org/", "http://", "https:///x"}) {
    Stage stage;
    stage.settings.endpoint = endpoint;
    const auto result = stage.open();
    fail_unless(!result.ok());
    expect(result.error(), Category::Protocol, "https://");
  }
}
GST_END_TEST;

// --- Cancellation ---

GST_START_TEST(cancelled_at_any_time)
{
  const std::string head = head_with("Content-Length: 10\r\n");
  const std::vector<ScriptedAnswer> stops = {ScriptedAnswer::silence(),
                                             {{{0, "HTTP/1.1 201 Cr"}}, true},
                                             {{{0, head}}, true},
                                             {{{0, head + "v=0"}}, true}};
  for (size_t i = 0; i < stops.size(); i++) {
    for (const int after_ms : {0, 5, 100}) {
      Stage stage;
      stage.server.answer("POST", stops[i]);
      stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
      const auto cancellable = adopt_object(g_cancellable_new());
      std::optional<SignallingResult<SignallingSession::Opened>> result;
      if (after_ms == 0)
        g_cancellable_cancel(cancellable.get());
      stage.loop.start(stage.client().open("v=0"), result, cancellable.get());
      const gint64 end = g_get_monotonic_time() + after_ms * 1000;
      stage.loop.until([&] { return g_get_monotonic_time() >= end; });
      const gint64 took = ms_of([&] {
        g_cancellable_cancel(cancellable.get());
        stage.loop.until([&] { return result.has_value(); });
      });
      fail_unless(took < limit_ms(500), "%d ms", static_cast<int>(took));
      fail_unless(!(*result).ok());
      fail_unless((*result).error().category() == Category::Cancelled, "%s",
                  (*result).error().text.c_str());
      // Where the head has come there is a session to be ended.
      const bool has_session = stage.client().has_session_url();
      if (after_ms == 100)
        fail_unless(has_session == (i >= 2));
      fail_unless(stage.close().ok());
      fail_unless_equals_int(static_cast<int>(stage.server.requests("DELETE").size()),
                             has_session ? 1 : 0);
    }
  }
}
GST_END_TEST;

GST_START_TEST(cancelled_patch_leaves_the_session)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", ScriptedAnswer::silence());
  stage.server.answer("PATCH", ScriptedAnswer::silence());
  stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  const auto cancellable = adopt_object(g_cancellable_new());
  std::optional<SignallingResult<PatchOutcome>> sent;
  std::optional<SignallingResult<SignallingSession::Restarted>> restarted;
  stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
  stage.loop.start(stage.client().send_candidates(), sent, cancellable.get());
  stage.loop.start(stage.client().restart_ice(fragment_with("ufrag2")), restarted,
                   cancellable.get());
  stage.loop.until([&] { return stage.server.requests("PATCH").size() == 2; });
  g_cancellable_cancel(cancellable.get());
  stage.loop.until([&] { return sent.has_value() && restarted.has_value(); });
  fail_unless((*sent).error().category() == Category::Cancelled);
  fail_unless((*restarted).error().category() == Category::Cancelled);
  fail_unless(stage.close().ok());
}
GST_END_TEST;

// --- TLS ---

GST_START_TEST(certificate_of_nobody_is_refused)
{
  Stage stage(Role::Publish, true);
  const auto result = stage.open();
  fail_unless(!result.ok());
  expect(result.error(), Category::Tls, "signed by nobody that is trusted here");
  expect(result.error(), Category::Tls, "tls-ca-file");
  fail_unless(!result.error().may_pass);
  fail_unless(stage.server.requests().empty());
}
GST_END_TEST;

GST_START_TEST(certificate_is_taken_by_its_file_or_without_validation)
{
  const TextFile file(ScriptedHttp::certificate());
  {
    Stage stage(Role::Publish, true);
    stage.settings.tls_ca_file = file.name();
    stage.opened();
    stage.server.answer("DELETE", ScriptedAnswer::of("200 OK"));
    // A sanitizer makes the handshake slow.
    const auto closed = stage.loop.result_of(stage.client().close(limit_ms(1500)));
    fail_unless(closed.ok(), "%s (%s)", closed.ok() ? "" : closed.error().text.c_str(),
                closed.ok() ? "" : closed.error().debug.c_str());
  }
  Stage stage(Role::Publish, true);
  stage.settings.tls_validation = static_cast<GTlsCertificateFlags>(G_TLS_CERTIFICATE_VALIDATE_ALL &
                                                                    ~G_TLS_CERTIFICATE_UNKNOWN_CA);
  stage.opened();
}
GST_END_TEST;

GST_START_TEST(bad_file_of_certificates_is_a_bad_setting)
{
  const TextFile empty("nothing of the kind");
  for (const std::string &name : {std::string("/no/such/file"), empty.name()}) {
    Stage stage(Role::Publish, true);
    stage.settings.tls_ca_file = name;
    const auto result = stage.open();
    fail_unless(!result.ok(), "%s", name.c_str());
    expect(result.error(), Category::Settings, "tls-ca-file");
  }
}
GST_END_TEST;

GST_START_TEST(redirect_out_of_tls_is_not_followed)
{
  Stage stage(Role::Publish, true);
  ScriptedHttp plain;
  stage.settings.tls_validation = G_TLS_CERTIFICATE_NO_FLAGS;
  stage.server.answer("POST",
                      ScriptedAnswer::of("307 X", {{"Location", plain.origin() + "/whip"}}));
  const auto result = stage.open();
  fail_unless(!result.ok());
  expect(result.error(), Category::Protocol, "without TLS");
  fail_unless(plain.requests().empty());
}
GST_END_TEST;

// --- Secrets ---

GST_START_TEST(secrets_are_not_logged)
{
  const CapturedLog log;
  std::vector<SignallingFailure> failures;
  {
    Stage stage;
    stage.server.answer("POST", created({{"Location", "/secret-session"}}));
    fail_unless(stage.open().ok());
    stage.client().add_candidate("1 1 udp 1 192.0.2.1 1 typ host");
    failures.push_back(stage.send_candidates().error());
    failures.push_back(stage.restart("ufrag2").error());
    failures.push_back(stage.close().error());
    Stage refused;
    failures.push_back(refused.open().error());
  }
  bool is_seen = false;
  for (const auto &[level, text] : log.lines()) {
    fail_unless(text.find(kToken) == std::string::npos, "%s", text.c_str());
    const bool has_url = text.find("secret-session") != std::string::npos;
    fail_unless(!has_url || level >= GST_LEVEL_DEBUG, "%s", text.c_str());
    is_seen = is_seen || has_url;
  }
  // Else the test looks at nothing.
  fail_unless(is_seen);
  for (const SignallingFailure &failure : failures) {
    for (const std::string &text : {failure.text, failure.debug}) {
      for (const char *secret : {kToken, "secret-session", "key=1", "/whip"})
        fail_unless(text.find(secret) == std::string::npos, "%s", text.c_str());
    }
  }
}
GST_END_TEST;

// --- Fields ---

GST_START_TEST(unknown_links_are_ignored)
{
  const LinkServers found = ice_servers_of(
      "<https://example.org/x>; rel=\"next\", <stun:a.example>; rel=\"x ICE-Server\"; foo, "
      "</ext>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; events=\"a,b\", "
      "<stun:b.example>, <turns:c.example>;REL=ice-server;username=u;credential=p");
  fail_unless_equals_int(static_cast<int>(found.servers.size()), 2);
  fail_unless(found.servers[0].uri == "stun:a.example");
  fail_unless(found.servers[1].uri == "turns:c.example");
  fail_unless(found.servers[1].credential == "p");
  fail_unless(found.notes.empty());
}
GST_END_TEST;

GST_START_TEST(ice_servers_that_are_no_use_are_noted)
{
  const LinkServers found = ice_servers_of(
      "<http://a.example>; rel=ice-server, <turn:b.example>; rel=ice-server, "
      "<turn:c.example>; rel=ice-server; username=u; credential=hush; credential-type=oauth");
  fail_unless(found.servers.empty());
  fail_unless_equals_int(static_cast<int>(found.notes.size()), 3);
  for (const std::string &note : found.notes)
    fail_unless(note.find("hush") == std::string::npos);
  for (const char *broken : {"", "<", "<>", "<stun:x", ",,,", "<stun:a>;rel=\"ice-server", ";;;",
                             "<stun:a>; rel", "<stun:a>;=;=", "<stun:a>; rel=\"\\"})
    ice_servers_of(broken);
}
GST_END_TEST;

GST_START_TEST(links_by_chance_do_no_harm)
{
  const char *const words[] = {
      "<",     ">",        ";", ",",          "=", "\"", "\\", "rel", "ice-server", "stun:",
      "turn:", "username", " ", "credential", "x", "\t", ":",  "*=",  "\xff"};
  GRand *const chance = g_rand_new_with_seed(1);
  size_t found = 0;
  for (int i = 0; i < 20000; i++) {
    std::string text = g_rand_boolean(chance) ? "<stun:a>;rel=ice-server" : "";
    for (int j = g_rand_int_range(chance, 0, 30); j > 0; j--)
      text += words[g_rand_int_range(chance, 0, G_N_ELEMENTS(words))];
    for (const IceServer &server : ice_servers_of(text).servers) {
      fail_unless(!server.uri.empty());
      found++;
    }
  }
  fail_unless(found > 1000);
  g_rand_free(chance);
}
GST_END_TEST;

GST_START_TEST(retry_after_is_seconds_or_a_date)
{
  const gint64 now = 784111777;  // Sun, 06 Nov 1994 08:49:37 GMT
  fail_unless(retry_after_ms("120", now) == 120000u);
  fail_unless(retry_after_ms(" 0 ", now) == 0u);
  fail_unless(retry_after_ms("Sun, 06 Nov 1994 08:49:47 GMT", now) == 10000u);
  fail_unless(retry_after_ms("Sun, 06 Nov 1994 08:00:00 GMT", now) == 0u);
  fail_unless(*retry_after_ms("99999999999999999999", now) > 1000000000u);
  for (const char *text : {"soon", "-5", "1.5", ""})
    fail_unless(!retry_after_ms(text, now), "%s", text);
  fail_unless(!retry_after_ms(nullptr, now));
}
GST_END_TEST;

// --- Back-off ---

GST_START_TEST(back_off_doubles_up_to_its_limit)
{
  RetryLimits limits;
  limits.initial_ms = 100;
  limits.max_ms = 1000;
  RetryPolicy longest(limits, [] { return 0.0; });
  for (const uint32_t delay : {100, 200, 400, 800, 1000, 1000})
    fail_unless(longest.next_delay(0) == delay);
  longest.reset();
  fail_unless(longest.next_delay(0) == 100u);
  RetryPolicy shortest(limits, [] { return 1.0; });
  for (const uint32_t delay : {50, 100, 200})
    fail_unless(shortest.next_delay(0) == delay);
}
GST_END_TEST;

GST_START_TEST(back_off_begins_at_retry_after)
{
  RetryLimits limits;
  limits.initial_ms = 100;
  limits.max_ms = 10000;
  for (const double chance : {0.0, 0.99}) {
    RetryPolicy policy(limits, [chance] { return chance; });
    const auto first = policy.next_delay(0, 3000);
    fail_unless(first && *first >= 3000 && *first <= 3750);
    const auto second = policy.next_delay(0);
    fail_unless(second && *second >= 3000 && *second <= 6000);
    // The server cannot make it shorter, nor wait for ever.
    const auto third = policy.next_delay(0, 1);
    fail_unless(third && *third >= 5000 && *third <= 10000, "%u", *third);
    const auto long_one = policy.next_delay(0, 4000000000u);
    fail_unless(long_one && *long_one <= 375000);
  }
}
GST_END_TEST;

GST_START_TEST(back_off_gives_up)
{
  RetryLimits limits;
  limits.initial_ms = 100;
  limits.max_attempts = 3;
  RetryPolicy counted(limits, [] { return 0.5; });
  for (int i = 0; i < 3; i++)
    fail_unless(counted.next_delay(0).has_value());
  fail_unless(!counted.next_delay(0));
  counted.reset();
  fail_unless(counted.next_delay(0).has_value());
  limits.max_attempts = 0;
  limits.max_total_ms = 1000;
  RetryPolicy timed(limits, [] { return 0.0; });
  fail_unless(timed.next_delay(5000).has_value());
  fail_unless(timed.next_delay(5700).has_value());
  fail_unless(!timed.next_delay(5900));
}
GST_END_TEST;

static Suite *webrtc_signalling_limits_suite()
{
  Suite *suite = suite_create("webrtc-signalling-limits");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, huge_answer_is_refused);
  tcase_add_test(tc, answer_of_the_limit_is_taken);
  tcase_add_test(tc, huge_body_of_a_refusal_is_not_read);
  tcase_add_test(tc, huge_head_is_refused);
  tcase_add_test(tc, cut_answer_is_an_error);
  tcase_add_test(tc, slow_answer_is_waited_for);
  tcase_add_test(tc, timeout_is_for_the_whole_answer);
  tcase_add_test(tc, redirects_share_one_timeout);
  tcase_add_test(tc, closed_connections_are_made_anew);
  tcase_add_test(tc, no_server_is_a_network_failure);
  tcase_add_test(tc, bad_endpoint_is_a_protocol_failure);
  tcase_add_test(tc, cancelled_at_any_time);
  tcase_add_test(tc, cancelled_patch_leaves_the_session);
  tcase_add_test(tc, certificate_of_nobody_is_refused);
  tcase_add_test(tc, certificate_is_taken_by_its_file_or_without_validation);
  tcase_add_test(tc, bad_file_of_certificates_is_a_bad_setting);
  tcase_add_test(tc, redirect_out_of_tls_is_not_followed);
  tcase_add_test(tc, secrets_are_not_logged);
  tcase_add_test(tc, unknown_links_are_ignored);
  tcase_add_test(tc, ice_servers_that_are_no_use_are_noted);
  tcase_add_test(tc, links_by_chance_do_no_harm);
  tcase_add_test(tc, retry_after_is_seconds_or_a_date);
  tcase_add_test(tc, back_off_doubles_up_to_its_limit);
  tcase_add_test(tc, back_off_begins_at_retry_after);
  tcase_add_test(tc, back_off_gives_up);
  return suite;
}

GST_CHECK_MAIN(webrtc_signalling_limits)
