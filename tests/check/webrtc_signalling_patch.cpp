// SPDX-License-Identifier: LGPL-2.1-or-later
// WHIP and WHEP: candidates as they come, and ICE restarts.
#include "webrtc_signalling_fixture.h"

using namespace fixture;

namespace {

constexpr const char *kCandidate = "1 1 udp 2130706431 192.0.2.1 40000 typ host";
constexpr const char *kOther = "2 1 udp 1694498815 198.51.100.1 40001 typ srflx";

size_t count(const std::string &text, const std::string &part)
{
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    found++;
  return found;
}

ScriptedAnswer restarted(const std::string &ufrag, const std::string &etag, int delay_ms = 0)
{
  return ScriptedAnswer::of("200 OK", {{"Content-Type", kFragmentType}, {"ETag", etag}},
                            restart_reply(ufrag), delay_ms);
}

const ScriptedAnswer kAccepted = ScriptedAnswer::of("204 No Content");

}  // namespace

// --- Candidates ---

GST_START_TEST(candidates_wait_for_the_session)
{
  Stage stage;
  stage.client().add_candidate(kCandidate);
  fail_unless(*stage.send_candidates() == PatchOutcome::Waiting);
  fail_unless(stage.server.requests().empty());
  stage.opened();
  stage.server.answer("PATCH", kAccepted);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless(stage.request("PATCH").body.find(kCandidate) != std::string::npos);
  fail_unless(*stage.send_candidates() == PatchOutcome::Nothing);
}
GST_END_TEST;

GST_START_TEST(candidates_go_in_one_patch)
{
  Stage stage;
  stage.client().add_candidate(kCandidate);
  stage.client().add_candidate(kOther);
  stage.client().end_candidates();
  stage.opened();
  stage.server.answer("PATCH", kAccepted);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless_equals_int(static_cast<int>(stage.server.requests("PATCH").size()), 1);
  const ScriptedRequest patch = stage.request("PATCH");
  fail_unless(patch.path == "/session/1");
  fail_unless(patch.field("content-type") == kFragmentType);
  for (const char *line : {"a=group:BUNDLE 0 1\r\n", "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n",
                           "a=mid:0\r\n", "a=ice-ufrag:ufrag1\r\n",
                           "a=ice-pwd:ourpasswordourpassword\r\n", "a=end-of-candidates\r\n"})
    fail_unless(patch.body.find(line) != std::string::npos, "no %s", line);
  fail_unless_equals_int(static_cast<int>(count(patch.body, "a=candidate:")), 2);
  fail_unless_equals_int(static_cast<int>(count(patch.body, "m=")), 1);
}
GST_END_TEST;

GST_START_TEST(candidates_that_come_meanwhile_go_next)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", ScriptedAnswer::of("204 No Content", {}, "", 100));
  stage.server.answer("PATCH", kAccepted);
  stage.client().add_candidate(kCandidate);
  std::optional<SignallingResult<PatchOutcome>> sent;
  stage.loop.start(stage.client().send_candidates(), sent);
  stage.client().add_candidate(kOther);
  fail_unless(*stage.send_candidates() == PatchOutcome::Waiting);
  stage.loop.until([&] { return sent.has_value(); });
  fail_unless((*sent).ok() && **sent == PatchOutcome::Done);
  fail_unless_equals_int(static_cast<int>(stage.server.requests("PATCH").size()), 2);
  fail_unless_equals_int(static_cast<int>(count(stage.request("PATCH", 1).body, "a=candidate:")),
                         1);
  fail_unless(stage.request("PATCH", 1).body.find(kOther) != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(patch_carries_the_etag)
{
  Stage stage;
  stage.opened();
  // An ETag of such a reply would mean nothing (RFC 9725 §4.3.2).
  stage.server.answer("PATCH", ScriptedAnswer::of("204 No Content", {{"ETag", "\"two\""}}));
  stage.server.answer("PATCH", kAccepted);
  for (int i = 0; i < 2; i++) {
    stage.client().add_candidate(kCandidate);
    fail_unless(*stage.send_candidates() == PatchOutcome::Done);
    fail_unless(stage.request("PATCH", i).field("if-match") == "\"one\"");
  }
}
GST_END_TEST;

GST_START_TEST(patch_without_an_etag_has_no_condition)
{
  Stage stage;
  stage.server.answer("POST", created({{"ETag", ""}}));
  stage.server.answer("PATCH", kAccepted);
  fail_unless(stage.open().ok());
  stage.client().add_candidate(kCandidate);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless(!stage.request("PATCH").has("if-match"));
}
GST_END_TEST;

GST_START_TEST(server_without_trickle_is_not_asked_again)
{
  const struct {
    const char *status;
    bool can_restart;
  } cases[] = {{"405 Method Not Allowed", false},
               {"501 Not Implemented", false},
               {"422 Unprocessable", true},
               {"428 Precondition Required", true}};
  for (const auto &known : cases) {
    Stage stage;
    stage.opened();
    stage.server.answer("PATCH", ScriptedAnswer::of(known.status));
    stage.client().add_candidate(kCandidate);
    fail_unless(*stage.send_candidates() == PatchOutcome::Unsupported, "%s", known.status);
    fail_unless(!stage.client().can_trickle());
    fail_unless(stage.client().can_restart() == known.can_restart, "%s", known.status);
    // The session goes on without.
    fail_unless(stage.client().is_open());
    stage.client().add_candidate(kOther);
    fail_unless(*stage.send_candidates() == PatchOutcome::Unsupported);
    fail_unless_equals_int(static_cast<int>(stage.server.requests("PATCH").size()), 1);
  }
}
GST_END_TEST;

GST_START_TEST(stale_candidates_are_dropped)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", ScriptedAnswer::of("412 Precondition Failed"));
  stage.server.answer("PATCH", kAccepted);
  stage.client().add_candidate(kCandidate);
  fail_unless(*stage.send_candidates() == PatchOutcome::Stale);
  fail_unless(stage.client().can_trickle() && stage.client().is_open());
  stage.client().add_candidate(kOther);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless_equals_int(static_cast<int>(count(stage.request("PATCH", 1).body, "a=candidate:")),
                         1);
}
GST_END_TEST;

GST_START_TEST(candidates_survive_what_passes)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", ScriptedAnswer::of("503 Busy", {{"Retry-After", "1"}}));
  stage.server.answer("PATCH", kAccepted);
  stage.client().add_candidate(kCandidate);
  stage.client().end_candidates();
  const auto busy = stage.send_candidates();
  fail_unless(!busy.ok() && busy.error().may_pass);
  fail_unless(busy.error().retry_after_ms == 1000u);
  stage.client().add_candidate(kOther);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  const std::string body = stage.request("PATCH", 1).body;
  fail_unless(body.find(kCandidate) < body.find(kOther));
  fail_unless(body.find("a=end-of-candidates") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(session_that_is_gone_takes_no_candidates)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", ScriptedAnswer::of("404 Not Found"));
  stage.client().add_candidate(kCandidate);
  const auto gone = stage.send_candidates();
  fail_unless(!gone.ok() && gone.error().category() == Category::NotFound);
}
GST_END_TEST;

// --- Restarts ---

GST_START_TEST(restart_is_asked_for_with_a_star)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", restarted("peer2", "\"two\""));
  stage.server.answer("PATCH", kAccepted);
  IceFragment local = fragment_with("ufrag2");
  local.candidates = {kCandidate};
  const auto result = stage.loop.result_of(stage.client().restart_ice(local));
  fail_unless(result.ok(), "%s", result.ok() ? "" : result.error().text.c_str());
  fail_unless(result->outcome == PatchOutcome::Done);
  fail_unless(result->reply.fragment.credentials.ufrag == "peer2");
  const ScriptedRequest patch = stage.request("PATCH");
  fail_unless(patch.field("if-match") == "*");
  fail_unless(patch.field("content-type") == kFragmentType);
  fail_unless(patch.body.find("a=ice-ufrag:ufrag2\r\n") != std::string::npos);
  fail_unless(patch.body.find(kCandidate) != std::string::npos);
  // From now on with the new tag and the new credentials.
  stage.client().add_candidate(kOther);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless(stage.request("PATCH", 1).field("if-match") == "\"two\"");
  fail_unless(stage.request("PATCH", 1).body.find("a=ice-ufrag:ufrag2") != std::string::npos);
  fail_unless_equals_int(static_cast<int>(count(stage.request("PATCH", 1).body, "a=candidate:")),
                         1);
}
GST_END_TEST;

GST_START_TEST(candidates_wait_for_a_restart)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", restarted("peer2", "\"two\"", 100));
  stage.server.answer("PATCH", kAccepted);
  std::optional<SignallingResult<SignallingSession::Restarted>> restart;
  stage.loop.start(stage.client().restart_ice(fragment_with("ufrag2")), restart);
  stage.client().add_candidate(kCandidate);
  fail_unless(*stage.send_candidates() == PatchOutcome::Waiting);
  stage.loop.until([&] { return restart.has_value(); });
  fail_unless((*restart).ok());
  fail_unless_equals_int(static_cast<int>(stage.server.requests("PATCH").size()), 1);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless(stage.request("PATCH", 1).field("if-match") == "\"two\"");
  fail_unless(stage.request("PATCH", 1).body.find(kCandidate) != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(only_the_last_restart_counts)
{
  Stage stage;
  stage.opened();
  stage.server.answer("PATCH", restarted("peer2", "\"two\"", 300));
  stage.server.answer("PATCH", restarted("peer3", "\"three\""));
  stage.server.answer("PATCH", kAccepted);
  std::optional<SignallingResult<SignallingSession::Restarted>> first;
  stage.loop.start(stage.client().restart_ice(fragment_with("ufrag2")), first);
  stage.loop.until([&] { return stage.server.requests("PATCH").size() == 1; });
  const auto second = stage.restart("ufrag3");
  fail_unless(second.ok() && second->outcome == PatchOutcome::Done);
  fail_unless(second->reply.fragment.credentials.ufrag == "peer3");
  stage.loop.until([&] { return first.has_value(); });
  fail_unless((*first).ok() && (*first)->outcome == PatchOutcome::Superseded);
  stage.client().add_candidate(kCandidate);
  fail_unless(*stage.send_candidates() == PatchOutcome::Done);
  fail_unless(stage.request("PATCH", 2).field("if-match") == "\"three\"");
  fail_unless(stage.request("PATCH", 2).body.find("a=ice-ufrag:ufrag3") != std::string::npos);
}
GST_END_TEST;

GST_START_TEST(failed_restart_leaves_the_old_session)
{
  const std::pair<ScriptedAnswer, Category> cases[] = {
      {ScriptedAnswer::of("503 Busy"), Category::Refused},
      {ScriptedAnswer::of("404 Not Found"), Category::NotFound},
      {ScriptedAnswer::of("204 No Content"), Category::Protocol},
      {ScriptedAnswer::of("200 OK", {{"Content-Type", "text/plain"}}, "fine"), Category::Protocol},
      {ScriptedAnswer::of("200 OK", {{"Content-Type", kFragmentType}}, "<html>"),
       Category::Protocol},
      {ScriptedAnswer{}, Category::Network},
  };
  for (const auto &[answer, category] : cases) {
    Stage stage;
    stage.opened();
    stage.server.answer("PATCH", answer);
    stage.server.answer("PATCH", kAccepted);
    const auto failed = stage.restart("ufrag2");
    fail_unless(!failed.ok());
    fail_unless(failed.error().category() == category, "%s", failed.error().text.c_str());
    fail_unless(stage.client().is_open());
    stage.client().add_candidate(kCandidate);
    fail_unless(*stage.send_candidates() == PatchOutcome::Done);
    fail_unless(stage.request("PATCH", 1).field("if-match") == "\"one\"");
    fail_unless(stage.request("PATCH", 1).body.find("a=ice-ufrag:ufrag1") != std::string::npos);
  }
}
GST_END_TEST;

GST_START_TEST(server_without_restarts_is_not_asked_again)
{
  const struct {
    const char *status;
    bool can_trickle;
  } cases[] = {
      {"405 X", false}, {"501 X", false}, {"422 X", true}, {"428 X", true}, {"412 X", true}};
  for (const auto &known : cases) {
    Stage stage;
    stage.opened();
    stage.server.answer("PATCH", ScriptedAnswer::of(known.status));
    const auto refused = stage.restart("ufrag2");
    fail_unless(refused.ok() && refused->outcome == PatchOutcome::Unsupported, "%s", known.status);
    fail_unless(!stage.client().can_restart());
    fail_unless(stage.client().can_trickle() == known.can_trickle, "%s", known.status);
    fail_unless(stage.restart("ufrag3")->outcome == PatchOutcome::Unsupported);
    fail_unless_equals_int(static_cast<int>(stage.server.requests("PATCH").size()), 1);
  }
}
GST_END_TEST;

GST_START_TEST(restart_needs_a_session)
{
  Stage stage;
  fail_unless(!stage.restart("ufrag2").ok());
  fail_unless(stage.server.requests().empty());
}
GST_END_TEST;

static Suite *webrtc_signalling_patch_suite()
{
  Suite *suite = suite_create("webrtc-signalling-patch");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, candidates_wait_for_the_session);
  tcase_add_test(tc, candidates_go_in_one_patch);
  tcase_add_test(tc, candidates_that_come_meanwhile_go_next);
  tcase_add_test(tc, patch_carries_the_etag);
  tcase_add_test(tc, patch_without_an_etag_has_no_condition);
  tcase_add_test(tc, server_without_trickle_is_not_asked_again);
  tcase_add_test(tc, stale_candidates_are_dropped);
  tcase_add_test(tc, candidates_survive_what_passes);
  tcase_add_test(tc, session_that_is_gone_takes_no_candidates);
  tcase_add_test(tc, restart_is_asked_for_with_a_star);
  tcase_add_test(tc, candidates_wait_for_a_restart);
  tcase_add_test(tc, only_the_last_restart_counts);
  tcase_add_test(tc, failed_restart_leaves_the_old_session);
  tcase_add_test(tc, server_without_restarts_is_not_asked_again);
  tcase_add_test(tc, restart_needs_a_session);
  return suite;
}

GST_CHECK_MAIN(webrtc_signalling_patch)
