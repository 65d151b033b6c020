// SPDX-License-Identifier: LGPL-2.1-or-later
// slwhipsink and slwhepsrc with servers that speak HTTPS.
#include <memory>

#include "authority.h"
#include "text_file.h"
#include "whep_server.h"
#include "whep_viewer.h"
#include "whip_pipeline.h"

using namespace fixture;

namespace {

struct Trust {
  const Authority authority;
  const TextFile file{authority.certificate()};
};

const std::map<MediaKind, std::string> kLines = {{MediaKind::Audio, "identity"}};

}  // namespace

GST_START_TEST(private_authority_is_trusted_by_its_file)
{
  const Trust trust;
  WhipServer taker({.certificate = trust.authority.issue()});
  Publisher publisher(taker, "tls-ca-file=" + trust.file.name(), to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, taker, MediaKind::Audio, 10);
  publisher.stop();
  ck_assert_int_eq(taker.deletes, 1);

  WhepServer giver({}, trust.authority.issue());
  Viewer viewer(giver.endpoint(), kLines);
  g_object_set(viewer.src(), "tls-ca-file", trust.file.name().c_str(), nullptr);
  viewer.play();
  ck_assert(eventually([&] { return viewer.count(MediaKind::Audio) > 10; }));
  viewer.stop();
  ck_assert_int_eq(giver.deletes, 1);
}
GST_END_TEST

GST_START_TEST(wrong_certificates_are_refused_and_it_is_said_why)
{
  const Trust trust;
  const struct {
    std::string certificate;
    bool is_trusted;
    const char *reason;
  } cases[] = {
      {trust.authority.issue(), false, "signed by nobody that is trusted here"},
      {trust.authority.issue("DNS:example.org"), true, "for another host"},
      {trust.authority.issue("IP:127.0.0.1", -5, -1), true, "expired"},
      {trust.authority.issue("IP:127.0.0.1", 1, 5), true, "not valid yet"},
  };
  for (const auto &one : cases) {
    WhipServer server({.certificate = one.certificate});
    Publisher publisher(server, one.is_trusted ? "tls-ca-file=" + trust.file.name() : "",
                        to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) &&
                      error.text.find(one.reason) != std::string::npos &&
                      error.text.find("tls-ca-file") != std::string::npos,
                  "%s: %s", one.reason, error.text.c_str());
    ck_assert_int_eq(server.posts, 0);
  }
  WhepServer server({}, trust.authority.issue());
  Viewer viewer(server.endpoint(), kLines);
  viewer.play();
  const auto error = viewer.problem(GST_MESSAGE_ERROR);
  ck_assert_int_eq(error.code, GST_RESOURCE_ERROR_NOT_AUTHORIZED);
  ck_assert_int_eq(server.posts, 0);
}
GST_END_TEST

// What is taken out of tls-validation is not looked at, and the rest is.
GST_START_TEST(validation_is_what_is_asked_for)
{
  const Trust trust;
  const std::string lax =
      "tls-validation=unknown-ca+expired tls-ca-file=" + trust.file.name() + " reconnect=never";
  {
    WhipServer server({.certificate = trust.authority.issue("DNS:example.org")});
    Publisher publisher(server, lax, to("audio_0", kAudio));
    publisher.play();
    check_flows(publisher, server, MediaKind::Audio, 5);
  }
  {
    WhipServer server({.certificate = trust.authority.issue("DNS:example.org", -5, -1)});
    Publisher publisher(server, lax, to("audio_0", kAudio));
    publisher.play();
    ck_assert(publisher.error().is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED));
  }
  WhipServer server({.certificate = trust.authority.issue()});
  Publisher publisher(server, "tls-validation=0", to("audio_0", kAudio));
  publisher.play();
  check_flows(publisher, server, MediaKind::Audio, 5);
}
GST_END_TEST

// A certificate may be made anew at any time.
GST_START_TEST(wrong_certificate_is_tried_again_where_that_is_asked_for)
{
  const Trust trust;
  WhipServer server({.certificate = trust.authority.issue("IP:127.0.0.1", -5, -1)});
  Publisher publisher(server,
                      "reconnect=always reconnect-delay=50 tls-ca-file=" + trust.file.name(),
                      to("audio_0", kAudio));
  publisher.play();
  ck_assert(eventually([&] { return stat(publisher, "attempts") >= 3; }));
  ck_assert(!publisher.message(GST_MESSAGE_ERROR, 0));
}
GST_END_TEST

GST_START_TEST(file_that_is_none_is_a_bad_setting)
{
  const TextFile empty("nothing of the kind");
  for (const std::string &name : {std::string("/no/such/file"), empty.name()}) {
    WhipServer server;
    Publisher publisher(server, "reconnect=always tls-ca-file=" + name, to("audio_0", kAudio));
    publisher.play();
    const auto error = publisher.error();
    ck_assert_msg(error.is(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS) &&
                      error.text.find("tls-ca-file") != std::string::npos,
                  "%s", error.text.c_str());
  }
}
GST_END_TEST

static Suite *webrtc_https_suite()
{
  GST_ELEMENT_REGISTER(slwhipsink, nullptr);
  Suite *suite = suite_create("webrtc-https");
  TCase *tc = tcase_create("https");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, private_authority_is_trusted_by_its_file);
  tcase_add_test(tc, wrong_certificates_are_refused_and_it_is_said_why);
  tcase_add_test(tc, validation_is_what_is_asked_for);
  tcase_add_test(tc, wrong_certificate_is_tried_again_where_that_is_asked_for);
  tcase_add_test(tc, file_that_is_none_is_a_bad_setting);
  suite_add_tcase(suite, tc);
  return suite;
}

GST_CHECK_MAIN(webrtc_https)
