// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhepsrc and servers that say no, later, or something else.
#include "scripted_http.h"
#include "whep_stage.h"

using namespace fixture;

namespace {

// The code of the error with `reconnect=never`.
int code_of(guint status)
{
  Stage stage;
  stage.server.refuse_next(status);
  set(stage.viewer, "reconnect", "never");
  stage.viewer.play();
  const auto problem = stage.viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_uint_eq(problem.domain, GST_RESOURCE_ERROR);
  ck_assert_msg(problem.text.find(std::to_string(status)) != std::string::npos, "%s",
                problem.text.c_str());
  ck_assert(stage.viewer.state() == "failed");
  ck_assert_int_eq(stage.server.posts, 1);
  ck_assert_int_eq(stage.server.deletes, 0);
  return problem.code;
}

}  // namespace

GST_START_TEST(refusals_are_errors_of_their_kind)
{
  const struct {
    guint status;
    int code;
  } cases[] = {
      {401, GST_RESOURCE_ERROR_NOT_AUTHORIZED}, {403, GST_RESOURCE_ERROR_NOT_AUTHORIZED},
      {404, GST_RESOURCE_ERROR_NOT_FOUND},      {410, GST_RESOURCE_ERROR_NOT_FOUND},
      {409, GST_RESOURCE_ERROR_BUSY},           {429, GST_RESOURCE_ERROR_BUSY},
      {500, GST_RESOURCE_ERROR_BUSY},           {503, GST_RESOURCE_ERROR_BUSY},
      {412, GST_RESOURCE_ERROR_OPEN_READ},      {422, GST_RESOURCE_ERROR_OPEN_READ},
      {428, GST_RESOURCE_ERROR_OPEN_READ},
  };
  for (const auto &one : cases)
    ck_assert_int_eq(code_of(one.status), one.code);
}
GST_END_TEST

// The bus has a warning for each attempt, and when the next one is.
GST_START_TEST(retry_after_is_kept)
{
  for (const guint status : {409, 429, 503}) {
    Stage stage;
    stage.server.refuse_next(status, {{"Retry-After", "1"}});
    const gint64 begin = g_get_monotonic_time();
    stage.viewer.play();
    const auto problem = stage.viewer.problem(GST_MESSAGE_WARNING);
    ck_assert_int_eq(problem.code, GST_RESOURCE_ERROR_BUSY);
    ck_assert_msg(problem.text.find("tried again in 1") != std::string::npos, "%s",
                  problem.text.c_str());
    ck_assert(stage.viewer.state() == "reconnecting");
    ck_assert(flows(stage.viewer));
    ck_assert_int_ge(g_get_monotonic_time() - begin, G_USEC_PER_SEC);
    ck_assert_int_eq(stage.server.posts, 2);
    ck_assert(stage.viewer.state() == "connected");
  }
}
GST_END_TEST

// A refusal that nothing would change is tried again only where that is asked for.
GST_START_TEST(refusal_is_tried_again_with_always)
{
  Stage stage;
  stage.server.refuse_next(412);
  stage.server.refuse_next(404);
  set(stage.viewer, "reconnect", "always");
  stage.viewer.play();
  ck_assert(flows(stage.viewer));
  ck_assert_int_eq(stage.server.posts, 3);
}
GST_END_TEST

// 406 without an offer is a refusal.
GST_START_TEST(counter_offer_that_is_none)
{
  ck_assert_int_eq(code_of(406), GST_RESOURCE_ERROR_OPEN_READ);
}
GST_END_TEST

// An offer with 201, as old servers made it for those who sent none: what is wrong with it is
// said, and the session is ended.
GST_START_TEST(offer_in_place_of_an_answer)
{
  ScriptedHttp server;
  const std::string offer =
      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n"
      "a=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\n"
      "a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n"
      "a=fingerprint:sha-256 "
      "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"
      "EE:"
      "FF\r\n"
      "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
      "a=rtpmap:96 VP8/90000\r\n";
  server.answer(
      "POST",
      ScriptedAnswer::of("201 Created",
                         {{"Content-Type", "application/sdp"}, {"Location", "/session/1"}}, offer));
  server.answer("DELETE", ScriptedAnswer::of("200 OK"));
  Stage stage;
  g_object_set(stage.viewer.src(), "whep-endpoint", (server.origin() + "/whep").c_str(), nullptr);
  stage.viewer.play();
  const auto problem = stage.viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_msg(problem.domain == GST_STREAM_ERROR && problem.code == GST_STREAM_ERROR_FORMAT &&
                    problem.text.find("Line ") != std::string::npos,
                "%s", problem.text.c_str());
  ck_assert_uint_eq(server.requests("DELETE").size(), 1);
}
GST_END_TEST

static Suite *webrtc_whepsrc_refusals_suite()
{
  Suite *suite = suite_create("webrtc-whepsrc-refusals");
  TCase *tc = tcase_create("refusals");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, refusals_are_errors_of_their_kind);
  tcase_add_test(tc, retry_after_is_kept);
  tcase_add_test(tc, refusal_is_tried_again_with_always);
  tcase_add_test(tc, counter_offer_that_is_none);
  tcase_add_test(tc, offer_in_place_of_an_answer);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_whepsrc_refusals)
