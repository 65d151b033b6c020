// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and what a server may say no to, or say otherwise.
#include <cstring>

#include "whip_pipeline.h"

using namespace fixture;

// The POST is first then, without addresses, and these follow by PATCH.
GST_START_TEST(servers_of_link_fields_are_asked_before_the_candidates)
{
  WhipServer server({.link = "<stun:127.0.0.1:9>; rel=\"ice-server\", <turns:127.0.0.1:9>; "
                             "rel=\"ice-server\"; username=\"u\"; credential=\"p\""});
  Publisher publisher(server, "use-link-headers=true", to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 10);
  ck_assert_ptr_eq(strstr(server.last_offer().c_str(), "a=candidate"), nullptr);
  ck_assert_int_ge(server.patches, 1);
  // What cannot be used is said, and it goes on.
  const auto warning = publisher.problem(GST_MESSAGE_WARNING, 5000);
  ck_assert_msg(warning.text.find("turns:") != std::string::npos, "%s", warning.text.c_str());
  // Those of the properties come first.
  Publisher own(server, "use-link-headers=true stun-server=stun://127.0.0.1:9",
                to("audio_0", kAudio));
  own.play();
  ck_assert(eventually([&] { return own.state() == "connected"; }));
  ck_assert_ptr_ne(strstr(server.last_offer().c_str(), "a=candidate"), nullptr);
}
GST_END_TEST

// The session goes on without what a server does not take of a PATCH, although its offer had no
// address (RFC 9725 §4.3.1), and so it does where all of it was in the offer.
GST_START_TEST(server_that_refuses_candidates)
{
  for (const guint status : {405, 412, 422, 428, 501}) {
    WhipServer server({.patch_status = status});
    Publisher publisher(server, status == 405 ? "" : "use-link-headers=true",
                        to("audio_0", kAudio));
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 10);
    ck_assert_int_eq(strstr(server.last_offer().c_str(), "a=candidate") != nullptr, status == 405);
    ck_assert(!publisher.message(GST_MESSAGE_ERROR, 0));
    // One that was only too late may be followed by others.
    if (status != 412)
      ck_assert_int_le(server.patches, 1);
    publisher.stop();
    ck_assert_int_eq(server.deletes, 1);
  }
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
  ck_assert(publisher.state() == "failed");
}
GST_END_TEST

GST_START_TEST(peer_that_is_not_found_is_an_error)
{
  WhipServer server({.is_deaf = true});
  Publisher publisher(server, "reconnect=never timeout=" + std::to_string(limit_ms(1)),
                      to("audio_0", kAudio));
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
  ck_assert_msg(refusal.is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT) &&
                    refusal.text.find("B-frames") != std::string::npos,
                "%s", refusal.text.c_str());
}
GST_END_TEST

// What the peer has not agreed to play would be a black picture there.
GST_START_TEST(other_profiles_of_h264_are_refused)
{
  for (const auto &[profile, is_taken] : {std::pair("high", false), std::pair("main", false),
                                          std::pair("constrained-baseline", true)}) {
    WhipServer server({.codecs = {"H264"}, .h264_profile = "42e01f"});
    Publisher publisher(server, "",
                        to("video_0", std::string(kVideo) +
                                          " ! x264enc tune=zerolatency speed-preset=veryfast ! "
                                          "video/x-h264,profile=" +
                                          profile));
    publisher.play();
    if (is_taken) {
      check_flows(publisher, server, MediaKind::Video, 10);
      continue;
    }
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT) &&
                      error.text.find(std::string("the profile ") + profile) != std::string::npos &&
                      error.text.find("accepted constrained-baseline") != std::string::npos,
                  "%s: %s", profile, error.text.c_str());
    ck_assert_uint_eq(server.buffers(MediaKind::Video), 0);
  }
}
GST_END_TEST

GST_START_TEST(other_profiles_of_vp9_are_refused)
{
  WhipServer server({.codecs = {"VP9"}});
  Publisher publisher(
      server, "",
      to("video_0", std::string(kVideo) + ",format=Y444 ! vp9enc deadline=1 cpu-used=8"));
  publisher.play();
  const auto error = publisher.error();
  ck_assert_msg(error.is(GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT) &&
                    error.text.find("the profile 1") != std::string::npos &&
                    error.text.find("accepted 0") != std::string::npos,
                "%s", error.text.c_str());
  ck_assert_uint_eq(server.buffers(MediaKind::Video), 0);
}
GST_END_TEST

static Suite *webrtc_whipsink_refusals_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-whipsink-refusals");
  TCase *refusals = tcase_create("refusals");
  tcase_set_timeout(refusals, 60);
  tcase_add_test(refusals, servers_of_link_fields_are_asked_before_the_candidates);
  tcase_add_test(refusals, server_that_refuses_candidates);
  tcase_add_test(refusals, wrong_peer_gets_nothing);
  tcase_add_test(refusals, peer_that_is_not_found_is_an_error);
  tcase_add_test(refusals, refusals_are_errors_of_their_kind);
  tcase_add_test(refusals, what_may_pass_is_tried_again);
  tcase_add_test(refusals, attempts_have_a_limit);
  tcase_add_test(refusals, token_goes_to_the_server);
  tcase_add_test(refusals, refused_kind_is_dropped_and_said);
  tcase_add_test(refusals, refused_codecs_are_an_error);
  tcase_add_test(refusals, other_profiles_of_h264_are_refused);
  tcase_add_test(refusals, other_profiles_of_vp9_are_refused);
  suite_add_tcase(suite, refusals);
  return suite;
}

GST_CHECK_MAIN(webrtc_whipsink_refusals)
