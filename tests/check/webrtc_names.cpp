// SPDX-License-Identifier: LGPL-2.1-or-later
// Candidates of a peer, URIs of ICE servers, and what kind a datagram is of.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/transport/candidate.h"
#include "ext/webrtc/transport/demultiplexer.h"
#include "ext/webrtc/transport/ice_servers.h"

using namespace streamlib::webrtc;

GST_START_TEST(candidates_are_read)
{
  const auto host = parse_candidate(
      "candidate:4234997325 1 udp 2043278322 192.0.2.172 44323 typ host generation 0");
  fail_unless(host.ok());
  fail_unless(host->foundation == "4234997325" && host->component == 1);
  fail_unless(host->transport == CandidateTransport::Udp && host->type == CandidateType::Host);
  fail_unless(host->priority == 2043278322u && host->port == 44323);
  fail_unless(host->address == "192.0.2.172");
  const auto relayed = parse_candidate(
      "a=candidate:1 1 UDP 16777215 2001:db8::1 65535 TYP RELAY raddr 0.0.0.0 rport 0");
  fail_unless(relayed.ok() && relayed->type == CandidateType::Relayed);
  const auto reflexive =
      parse_candidate("a/+ 1 udp 4294967295 1.2.3.4 1 typ srflx raddr 10.0.0.1 rport 2");
  fail_unless(reflexive.ok() && reflexive->type == CandidateType::ServerReflexive);
  const auto active = parse_candidate("1 1 tcp 1 1.2.3.4 0 typ host tcptype active");
  fail_unless(active.ok() && active->transport == CandidateTransport::TcpActive);
  const auto passive = parse_candidate("1 1 TCP 1 1.2.3.4 9 typ host ufrag x tcptype passive");
  fail_unless(passive.ok() && passive->transport == CandidateTransport::TcpPassive);
}
GST_END_TEST

GST_START_TEST(odd_candidates_are_told_apart)
{
  const struct {
    const char *text;
    int code;
  } samples[] = {
      {"", kCandidateMalformed},
      {"candidate:", kCandidateMalformed},
      {"1 1 udp 1 1.2.3.4 9 typ", kCandidateMalformed},
      {"1 1 udp 4294967296 1.2.3.4 9 typ host", kCandidateMalformed},
      {"1 1 udp -1 1.2.3.4 9 typ host", kCandidateMalformed},
      {"1 1 udp 1 1.2.3.4 65536 typ host", kCandidateMalformed},
      {"1 1 udp 1 1.2.3.4 0 typ host", kCandidateMalformed},
      {"1 1x udp 1 1.2.3.4 9 typ host", kCandidateMalformed},
      {"123456789012345678901234567890123 1 udp 1 1.2.3.4 9 typ host", kCandidateMalformed},
      {"1 1 udp 1 7e6a2c6e-9c1f.LOCAL 9 typ host", kCandidateHidden},
      {"1 1 udp 1 peer.example 9 typ host", kCandidateNamed},
      {"1 1 udp 1 1.2.3 9 typ host", kCandidateNamed},
      {"1 1 udp 1 fe80::1%eth0 9 typ host", kCandidateNamed},
      {"1 2 udp 1 1.2.3.4 9 typ host", kCandidateUnusable},
      {"1 1 sctp 1 1.2.3.4 9 typ host", kCandidateUnusable},
      {"1 1 tcp 1 1.2.3.4 9 typ host", kCandidateUnusable},
      {"1 1 udp 1 1.2.3.4 9 typ other", kCandidateUnusable},
  };
  for (const auto &sample : samples) {
    const auto parsed = parse_candidate(sample.text);
    fail_unless(!parsed.ok(), "%s", sample.text);
    fail_unless(parsed.error().code == sample.code, "%s: %d", sample.text, parsed.error().code);
  }
  const auto huge = parse_candidate(std::string(100000, 'x'));
  fail_unless(!huge.ok() && huge.error().debug.size() < 200);
  // Nothing of a peer's comes into a log as it is.
  const auto escape = parse_candidate("1 1 udp 1 \x1b[2J\r\n 9 typ host");
  fail_unless(!escape.ok() && escape.error().debug.find('\x1b') == std::string::npos &&
              escape.error().debug.find('\n') == std::string::npos);
}
GST_END_TEST

GST_START_TEST(credentials_have_their_lengths)
{
  fail_unless(is_ufrag("abcd") && is_ufrag(std::string(256, 'a')) && is_ufrag("a+/9"));
  fail_unless(!is_ufrag("abc") && !is_ufrag(std::string(257, 'a')) && !is_ufrag("ab d"));
  fail_unless(!is_ufrag("abcd\n") && !is_ufrag(std::string_view("ab\0d", 4)));
  fail_unless(is_pwd(std::string(22, 'x')) && !is_pwd(std::string(21, 'x')));
}
GST_END_TEST

GST_START_TEST(servers_are_read)
{
  const auto stun = parse_ice_server({"stun:stun.example", "", ""});
  fail_unless(stun.ok() && stun->kind == IceServerKind::Stun);
  fail_unless(stun->host == "stun.example" && stun->port == 3478);
  const auto turn = parse_ice_server({"turn:192.0.2.1:1234", "user", "word"});
  fail_unless(turn.ok() && turn->kind == IceServerKind::TurnUdp && turn->port == 1234);
  const auto tcp = parse_ice_server({"TURN:[2001:db8::1]:80?transport=tcp", "user", "word"});
  fail_unless(tcp.ok() && tcp->kind == IceServerKind::TurnTcp);
  fail_unless(tcp->host == "2001:db8::1" && tcp->port == 80);
  const auto plain = parse_ice_server({"turn:[::1]?transport=udp", "user", "word"});
  fail_unless(plain.ok() && plain->host == "::1" && plain->port == 3478);
  const auto slashes = parse_ice_server({"stun://stun.example:19302", "", ""});
  fail_unless(slashes.ok() && slashes->port == 19302);
}
GST_END_TEST

GST_START_TEST(odd_servers_are_refused)
{
  for (const char *uri :
       {"", "stun", "stun:", "stun::3478", "stun:host:", "stun:host:0", "stun:host:65536",
        "stun:host:x", "stun:host?transport=udp", "turn:host?transport=sctp", "turn:[::1",
        "turn:[::1]x", "turn:ho st", "turn:host/path", "turns:host:5349", "stuns:host",
        "http://host", "turn:us\ner"}) {
    const auto parsed = parse_ice_server({uri, "user", "secret-word"});
    fail_unless(!parsed.ok(), "%s", uri);
    fail_unless(parsed.error().text.find("secret-word") == std::string::npos);
  }
  fail_unless(!parse_ice_server({"turn:host", "user", ""}).ok());
  fail_unless(!parse_ice_server({"turn:host", "", "word"}).ok());
  const auto tls = parse_ice_server({"turns:host:5349?transport=tcp", "user", "word"});
  fail_unless(tls.error().text.find("TLS") != std::string::npos);
}
GST_END_TEST

static DatagramKind kind_of(std::initializer_list<uint8_t> begin, size_t size)
{
  // Of exactly this size on the heap, so that AddressSanitizer sees a read behind it.
  std::vector<uint8_t> data(size);
  std::copy_n(begin.begin(), std::min(size, begin.size()), data.begin());
  return classify(data);
}

GST_START_TEST(datagrams_are_told_apart)
{
  fail_unless(kind_of({0, 1}, 20) == DatagramKind::Stun);
  fail_unless(kind_of({3}, 1500) == DatagramKind::Stun);
  fail_unless(kind_of({22, 254, 253}, 13) == DatagramKind::Dtls);
  fail_unless(kind_of({20}, 14) == DatagramKind::Dtls);
  fail_unless(kind_of({63}, 13) == DatagramKind::Dtls);
  fail_unless(kind_of({0x80, 96}, 12) == DatagramKind::Rtp);
  fail_unless(kind_of({0xbf, 127}, 65535) == DatagramKind::Rtp);
  fail_unless(kind_of({0x80, 0x80 | 96}, 12) == DatagramKind::Rtp);
  // RFC 5761 §4: 64 to 95 with the marker are RTCP.
  fail_unless(kind_of({0x80, 191}, 12) == DatagramKind::Rtp);
  fail_unless(kind_of({0x80, 192}, 8) == DatagramKind::Rtcp);
  fail_unless(kind_of({0x81, 200}, 28) == DatagramKind::Rtcp);
  fail_unless(kind_of({0x81, 223}, 8) == DatagramKind::Rtcp);
  fail_unless(kind_of({0x80, 224}, 12) == DatagramKind::Rtp);
  // ZRTP, TURN channels, and what nobody has.
  for (const uint8_t first : {4, 16, 19, 64, 79, 127, 192, 255})
    fail_unless(kind_of({first, 0}, 100) == DatagramKind::Other);
}
GST_END_TEST

GST_START_TEST(datagrams_that_are_too_short_are_none)
{
  for (size_t size = 0; size < 20; size++)
    fail_unless(kind_of({0, 1}, size) == DatagramKind::Other);
  for (size_t size = 0; size < 13; size++)
    fail_unless(kind_of({22, 254}, size) == DatagramKind::Other);
  for (size_t size = 0; size < 12; size++)
    fail_unless(kind_of({0x80, 96}, size) == DatagramKind::Other);
  for (size_t size = 0; size < 8; size++)
    fail_unless(kind_of({0x80, 200}, size) == DatagramKind::Other);
}
GST_END_TEST

static Suite *webrtc_names_suite()
{
  Suite *suite = suite_create("webrtc-names");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, candidates_are_read);
  tcase_add_test(tc, odd_candidates_are_told_apart);
  tcase_add_test(tc, credentials_have_their_lengths);
  tcase_add_test(tc, servers_are_read);
  tcase_add_test(tc, odd_servers_are_refused);
  tcase_add_test(tc, datagrams_are_told_apart);
  tcase_add_test(tc, datagrams_that_are_too_short_are_none);
  return suite;
}

GST_CHECK_MAIN(webrtc_names)
