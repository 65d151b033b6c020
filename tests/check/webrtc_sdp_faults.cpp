// SPDX-License-Identifier: LGPL-2.1-or-later
// Session descriptions that are wrong: the error says where, what and why. And ICE fragments.
#include <algorithm>

#include "ext/webrtc/sdp/fragment.h"
#include "webrtc_sdp_fixture.h"

using namespace fixture;

namespace {

std::string replaced(std::string text, const std::string &old, const std::string &now,
                     bool everywhere = true)
{
  size_t at = text.find(old);
  fail_unless(at != std::string::npos, "the sample has no %s", old.c_str());
  while (at != std::string::npos) {
    text.replace(at, old.size(), now);
    at = everywhere ? text.find(old, at + now.size()) : std::string::npos;
  }
  return text;
}

// From 1; 0 where it is nowhere.
int line_of(const std::string &text, const std::string &part)
{
  const size_t at = text.find(part);
  return at == std::string::npos
             ? 0
             : 1 + static_cast<int>(std::count(text.begin(), text.begin() + at, '\n'));
}

SdpFault fault_of(const std::string &text)
{
  auto parsed = parse_description(text, SdpType::Answer);
  if (!parsed)
    return parsed.error();
  auto result = accept_answer(make_offer(publisher()), *parsed);
  fail_unless(!result.ok(), "taken:\n%s", text.c_str());
  return result.error();
}

// The text has one fault, in the line that begins with `where` (nullptr: nowhere in particular).
void expect_fault(const std::string &text, const char *where, const char *what)
{
  const SdpFault fault = fault_of(text);
  fail_unless(fault.what.find(what) != std::string::npos, "'%s' instead of '%s'",
              fault.text().c_str(), what);
  fail_unless(!fault.why.empty());
  const int line = where == nullptr ? 0 : line_of(text, where);
  fail_unless(where == nullptr || line > 0, "no line %s", where);
  fail_unless(fault.line == line, "line %d instead of %d: %s", fault.line, line,
              fault.text().c_str());
}

const std::string &chromium()
{
  static const std::string text = sample_text("chromium-answer");
  return text;
}

IceFragment fragment()
{
  IceFragment fragment = fragment_of(make_offer(publisher()));
  fragment.candidates = {"1 1 udp 2130706431 192.0.2.1 40000 typ host",
                         "2 1 udp 1694498815 198.51.100.1 40001 typ srflx raddr 0.0.0.0 rport 0"};
  fragment.end_of_candidates = true;
  return fragment;
}

TransportParameters remote()
{
  TransportParameters remote;
  remote.credentials = {"oldu", "oldpasswordoldpasswordold"};
  remote.candidates = {"9 1 udp 1 203.0.113.1 1 typ host"};
  return remote;
}

}  // namespace

GST_START_TEST(text_that_is_no_sdp)
{
  expect_fault("", nullptr, "is empty");
  expect_fault("<html>", "<html>", "no line of SDP");
  expect_fault("o=- 1 1 IN IP4 0.0.0.0\r\n", "o=", "v=0");
  expect_fault("v=1\r\n", "v=1", "v=0");
  expect_fault("v=0\r\ns=-\r\n", nullptr, "no m= section");
  expect_fault("v=0\r\ns=\x01\r\n", "s=", "control character");
  expect_fault("v=0\r\nm=audio 9\r\n", "m=", "no m= line");
  expect_fault("v=0\r\nm=audio 99999 UDP/TLS/RTP/SAVPF 0\r\n", "m=", "no port");
  expect_fault("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 200\r\n", "m=", "no payload type");
}
GST_END_TEST;

GST_START_TEST(too_large_a_description)
{
  std::string text = chromium();
  while (text.size() <= kMaxSdpBytes)
    text += "a=x-padding:" + std::string(1000, 'x') + "\r\n";
  expect_fault(text, nullptr, "bytes");
  std::string sections = "v=0\r\n";
  for (int i = 0; i < 33; i++)
    sections += "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n";
  fail_unless_equals_int(fault_of(sections).line, 34);
}
GST_END_TEST;

GST_START_TEST(what_is_not_known_is_ignored)
{
  std::string text = replaced(chromium(), "t=0 0", "t=0 0\r\nk=x\r\nz=0 0\r\na=unheard-of\r\nX=1");
  text = replaced(text, "a=mid:1", "a=mid:1\r\na=rid:h recv\r\na=novel:value\r\ni=title");
  const auto parsed = parse_description(text, SdpType::Answer);
  fail_unless(parsed.ok());
  const auto plain = parse_description(chromium(), SdpType::Answer);
  fail_unless(parsed->description == plain->description);
}
GST_END_TEST;

GST_START_TEST(missing_credentials_or_fingerprint)
{
  expect_fault(replaced(chromium(), "a=ice-ufrag", "a=x"), "m=audio", "no a=ice-ufrag");
  expect_fault(replaced(chromium(), "a=ice-pwd", "a=x"), "m=audio", "no a=ice-pwd");
  expect_fault(replaced(chromium(), "a=fingerprint", "a=x"), "m=audio", "no a=fingerprint");
  expect_fault(replaced(chromium(), "a=setup", "a=x"), "m=audio", "no a=setup");
  expect_fault(replaced(chromium(), "a=ice-ufrag:pQ5z", "a=ice-ufrag:p"), "a=ice-ufrag",
               "a=ice-ufrag is not valid");
  expect_fault(replaced(chromium(), "a=ice-pwd:8", "a=ice-pwd: \"8"), "a=ice-pwd",
               "a=ice-pwd is not valid");
  expect_fault(replaced(chromium(), "sha-256 7B:", "sha-256 7Z:"), "a=fingerprint",
               "fingerprint is not valid");
  expect_fault(replaced(chromium(), "sha-256 7B:", "sha-256 "), "a=fingerprint",
               "fingerprint is not valid");
  // A hash that proves nothing is as good as none.
  expect_fault(replaced(chromium(), "sha-256 ", "md5 "), "m=audio", "no a=fingerprint");
}
GST_END_TEST;

GST_START_TEST(wrong_setup)
{
  expect_fault(replaced(chromium(), "setup:active", "setup:actpass"), "a=setup", "is actpass");
  expect_fault(replaced(chromium(), "setup:active", "setup:holdconn"), "a=setup", "not known");
  SessionDescription offer = make_offer(publisher());
  offer.transport.setup = DtlsSetup::Active;
  const auto answer = parse_description(chromium(), SdpType::Answer);
  fail_unless(!accept_answer(offer, *answer).ok());
}
GST_END_TEST;

GST_START_TEST(payload_type_that_was_not_offered)
{
  std::string text = replaced(chromium(), "m=audio 58712 UDP/TLS/RTP/SAVPF 96",
                              "m=audio 58712 UDP/TLS/RTP/SAVPF 111");
  text = replaced(text, "a=rtpmap:96 ", "a=rtpmap:111 ");
  expect_fault(text, "a=rtpmap:111", "payload type 111 of section '0' was not offered");
  expect_fault(replaced(chromium(), "97 H264/90000", "97 VP9/90000"), "a=rtpmap:97",
               "something else in the offer");
  expect_fault(replaced(chromium(), "opus/48000/2", "opus/16000/2"), "a=rtpmap:96",
               "something else in the offer");
  expect_fault(replaced(chromium(), "a=rtpmap:97 H264/90000", "a=rtpmap:97 H264"), "a=rtpmap:97",
               "cannot be read");
  expect_fault(replaced(chromium(), "a=rtpmap:96 ", "a=x:"), "m=audio", "no codec of section '0'");
}
GST_END_TEST;

GST_START_TEST(rejected_tagged_section)
{
  const std::string text = replaced(chromium(), "m=audio 58712", "m=audio 0");
  expect_fault(text, "m=audio", "BUNDLE-tagged section '0' is rejected");
  // Where the answer makes another section the tagged one, all is well (RFC 9143 §7.3.2).
  const auto other = parse_description(replaced(text, "BUNDLE 0 1", "BUNDLE 1"), SdpType::Answer);
  const auto agreed = accept_answer(make_offer(publisher()), *other);
  fail_unless(agreed.ok());
  fail_unless_equals_int(static_cast<int>(agreed->media.size()), 1);
  fail_unless(agreed->media[0].local.mid == "1");
}
GST_END_TEST;

GST_START_TEST(everything_is_rejected)
{
  std::string text = replaced(chromium(), "m=audio 58712", "m=audio 0");
  text = replaced(text, "m=video 9", "m=video 0");
  expect_fault(replaced(text, "a=group:BUNDLE 0 1\r\n", ""), "m=audio", "every section");
}
GST_END_TEST;

GST_START_TEST(no_bundle)
{
  expect_fault(replaced(chromium(), "a=group:BUNDLE 0 1", "a=x"), nullptr, "no a=group:BUNDLE");
  expect_fault(replaced(chromium(), "BUNDLE 0 1", "BUNDLE 0 1 1"), "a=group", "twice");
  expect_fault(replaced(chromium(), "BUNDLE 0 1", "BUNDLE 0 7"), "a=group", "which no section has");
  // What is outside of the group has no transport.
  const auto parsed =
      parse_description(replaced(chromium(), "BUNDLE 0 1", "BUNDLE 0"), SdpType::Answer);
  const auto agreed = accept_answer(make_offer(publisher()), *parsed);
  fail_unless(agreed.ok());
  fail_unless(agreed->rejected == std::vector<std::string>{"1"});
  expect_fault(replaced(chromium(), "a=rtcp-mux\r\n", ""), "m=audio", "no a=rtcp-mux");
}
GST_END_TEST;

GST_START_TEST(mids_that_do_not_match)
{
  std::string text = replaced(chromium(), "a=mid:1", "a=mid:video");
  text = replaced(text, "BUNDLE 0 1", "BUNDLE 0 video");
  expect_fault(text, "a=mid:video", "mid is 'video', the offer says '1'");
  text = replaced(chromium(), "BUNDLE 0 1", "BUNDLE 0");
  const SdpFault twice = fault_of(replaced(text, "a=mid:1", "a=mid:0"));
  fail_unless(twice.what.find("stands in line") != std::string::npos, "%s", twice.text().c_str());
  fail_unless_equals_int(twice.line, line_of(text, "a=mid:1"));
  expect_fault(replaced(text, "a=mid:1", "a=mid:"), "a=mid:\r", "no mid");
}
GST_END_TEST;

GST_START_TEST(sections_that_do_not_match)
{
  const size_t video = chromium().find("m=video");
  expect_fault(replaced(chromium().substr(0, video), "BUNDLE 0 1", "BUNDLE 0"), nullptr,
               "has 1 sections, the offer 2");
  expect_fault(chromium() + "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:2\r\n",
               "m=audio 9 UDP/TLS/RTP/SAVPF 0\r", "has 3 sections, the offer 2");
  expect_fault(replaced(chromium(), "m=audio", "m=video"), "m=video",
               "'video', the offer has 'audio'");
}
GST_END_TEST;

GST_START_TEST(impossible_direction)
{
  expect_fault(replaced(chromium(), "a=recvonly", "a=sendonly", false), "a=sendonly",
               "direction of section '0'");
  expect_fault(replaced(chromium(), "a=recvonly", "a=sendrecv", false), "a=sendrecv",
               "direction of section '0'");
  expect_fault(replaced(chromium(), "a=recvonly", "a=inactive"), "m=audio", "is inactive");
  // Without a direction it is sendrecv (RFC 8866 §6.7).
  expect_fault(replaced(chromium(), "a=recvonly", "a=x", false), "m=audio", "direction");
}
GST_END_TEST;

GST_START_TEST(unreadable_candidates_are_left_out_and_noted)
{
  const std::string text =
      replaced(chromium(), "a=candidate:1967254313 1 udp 2122260223", "a=candidate:1967254313 1");
  const auto parsed = parse_description(text, SdpType::Answer);
  fail_unless(parsed.ok());
  fail_unless_equals_int(static_cast<int>(parsed->description.transport.candidates.size()), 1);
  fail_unless_equals_int(static_cast<int>(parsed->notes.size()), 1);
  fail_unless_equals_int(parsed->notes[0].line, line_of(text, "a=candidate:1967254313 1 192"));
}
GST_END_TEST;

GST_START_TEST(offer_that_is_nothing_for_us)
{
  const std::string offer = sample_text("counter-offer");
  const auto answer = [](const std::string &text, const LocalSide &side) {
    auto parsed = parse_description(text, SdpType::Offer);
    fail_unless(parsed.ok(), "%s", parsed.ok() ? "" : parsed.error().text().c_str());
    return make_answer(*parsed, side);
  };
  // Both only send.
  fail_unless(!answer(offer, publisher()).ok());
  // No codec of theirs.
  LocalSide side = player();
  side.media.erase(side.media.begin());
  side.media[0].codecs = {vp9_codec()};
  const auto none = answer(offer, side);
  fail_unless(!none.ok());
  fail_unless_equals_int(none.error().line, line_of(offer, "m=video"));
  fail_unless(!answer(replaced(offer, "a=rtcp-mux\r\n", ""), player()).ok());
  fail_unless(!answer(replaced(offer, "BUNDLE video audio data", "BUNDLE video"), player()).ok());
  fail_unless(!answer(replaced(offer, "a=fingerprint", "a=x"), player()).ok());
}
GST_END_TEST;

// --- Fragments ---

GST_START_TEST(fragment_has_the_tagged_section_only)
{
  const std::string text = write_fragment(fragment());
  const char *expected =
      "a=group:BUNDLE 0 1\r\n"
      "a=ice-options:trickle\r\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\n"
      "a=mid:0\r\n"
      "a=ice-ufrag:ourufrag\r\n"
      "a=ice-pwd:ourpasswordourpassword\r\n"
      "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host\r\n"
      "a=candidate:2 1 udp 1694498815 198.51.100.1 40001 typ srflx raddr "
      "0.0.0.0 rport 0\r\n"
      "a=end-of-candidates\r\n";
  fail_unless(text == expected, "%s", text.c_str());
  const auto parsed = parse_fragment(text);
  fail_unless(parsed.ok());
  fail_unless(parsed->fragment == fragment());
}
GST_END_TEST;

GST_START_TEST(restart_replaces_credentials_and_candidates)
{
  const auto reply = parse_fragment(
      "a=ice-options:trickle ice2\n"
      "a=group:BUNDLE 0 1\n"
      "m=audio 9 UDP/TLS/RTP/SAVPF 111\n"
      "a=mid:0\n"
      "a=ice-ufrag:289b31b754eaa438\n"
      "a=ice-pwd:0b66f472495ef0ccac7bda653ab6be49ea13114472a5d10a\n"
      "a=candidate:1 1 udp 2130706431 198.51.100.1 39132 typ host\n"
      "a=end-of-candidates\n");
  fail_unless(reply.ok());
  const auto transport = accept_restart(remote(), fragment(), *reply);
  fail_unless(transport.ok(), "%s", transport.ok() ? "" : transport.error().text().c_str());
  fail_unless(transport->credentials.ufrag == "289b31b754eaa438");
  fail_unless_equals_int(static_cast<int>(transport->candidates.size()), 1);
  fail_unless(transport->candidates[0].starts_with("1 1 udp"));
  fail_unless(transport->end_of_candidates);
}
GST_END_TEST;

// Some peers say the credentials before the section, or have no section at all.
GST_START_TEST(restart_reply_without_a_section)
{
  const auto reply = parse_fragment(
      "a=ice-ufrag:newufrag\r\n"
      "a=ice-pwd:newpasswordnewpassword\r\n");
  fail_unless(reply.ok());
  fail_unless(accept_restart(remote(), fragment(), *reply).ok());
}
GST_END_TEST;

GST_START_TEST(restart_reply_that_is_wrong)
{
  const std::string right =
      "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=ice-ufrag:newu\r\n"
      "a=ice-pwd:newpasswordnewpassword\r\n";
  const struct {
    std::string text;
    const char *what;
  } cases[] = {
      {replaced(right, "a=ice-pwd", "a=x"), "no a=ice-ufrag or no a=ice-pwd"},
      {replaced(right, "mid:0", "mid:1"), "mid '1' instead of '0'"},
      {"a=ice-lite\r\n" + right, "ice-lite"},
      {replaced(replaced(right, "newu", "oldu"), "newpasswordnewpassword",
                "oldpasswordoldpasswordold"),
       "old credentials"},
  };
  for (const auto &wrong : cases) {
    const auto reply = parse_fragment(wrong.text);
    fail_unless(reply.ok());
    const auto transport = accept_restart(remote(), fragment(), *reply);
    fail_unless(!transport.ok());
    fail_unless(transport.error().what.find(wrong.what) != std::string::npos, "%s",
                transport.error().text().c_str());
  }
  const auto broken = parse_fragment(replaced(right, "newu", "n"));
  fail_unless(!broken.ok());
  fail_unless_equals_int(broken.error().line, 3);
}
GST_END_TEST;

static Suite *webrtc_sdp_faults_suite()
{
  Suite *suite = suite_create("webrtc-sdp-faults");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, text_that_is_no_sdp);
  tcase_add_test(tc, too_large_a_description);
  tcase_add_test(tc, what_is_not_known_is_ignored);
  tcase_add_test(tc, missing_credentials_or_fingerprint);
  tcase_add_test(tc, wrong_setup);
  tcase_add_test(tc, payload_type_that_was_not_offered);
  tcase_add_test(tc, rejected_tagged_section);
  tcase_add_test(tc, everything_is_rejected);
  tcase_add_test(tc, no_bundle);
  tcase_add_test(tc, mids_that_do_not_match);
  tcase_add_test(tc, sections_that_do_not_match);
  tcase_add_test(tc, impossible_direction);
  tcase_add_test(tc, unreadable_candidates_are_left_out_and_noted);
  tcase_add_test(tc, offer_that_is_nothing_for_us);
  tcase_add_test(tc, fragment_has_the_tagged_section_only);
  tcase_add_test(tc, restart_replaces_credentials_and_candidates);
  tcase_add_test(tc, restart_reply_without_a_section);
  tcase_add_test(tc, restart_reply_that_is_wrong);
  return suite;
}

GST_CHECK_MAIN(webrtc_sdp_faults)
