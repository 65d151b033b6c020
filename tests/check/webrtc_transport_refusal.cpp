// SPDX-License-Identifier: LGPL-2.1-or-later
// Peers that are refused, that go away, and ways that are not there.
#include "webrtc_transport_peers.h"

using namespace webrtc_peers;

// The right description, and another certificate, on either side.
GST_START_TEST(wrong_certificate_gets_nothing)
{
  const bool offering_is_deceived = (__i__ & 1) == 0;
  Context context;
  Peer a(context, true);
  Peer b(context, false, [&](TransportSettings &settings) {
    settings.answer_setup = (__i__ & 2) == 0 ? DtlsSetup::Active : DtlsSetup::Passive;
  });
  Peer other(context, false);
  Peer &deceived = offering_is_deceived ? a : b;
  Peer &wrong = offering_is_deceived ? b : a;
  fail_unless(gather(context, a) && gather(context, b));
  TransportParameters of_a = a->local_parameters();
  if (!offering_is_deceived)
    of_a.fingerprints = other->local_parameters().fingerprints;
  fail_unless(b->set_remote(of_a).ok());
  TransportParameters of_b = b->local_parameters();
  if (offering_is_deceived)
    of_b.fingerprints = other->local_parameters().fingerprints;
  fail_unless(a->set_remote(of_b).ok());
  guint tries = 0;
  const bool has_failed = context.until([&] {
    // Both sides would send from the first moment on.
    a->send(PacketKind::Rtp, make_rtp(1));
    b->send(PacketKind::Rtp, make_rtp(2));
    a->send(PacketKind::Rtcp, make_rtcp());
    b->send(PacketKind::Rtcp, make_rtcp());
    tries++;
    return deceived.is(TransportState::Failed);
  });
  fail_unless(has_failed);
  for (int i = 0; i < 50; i++) {
    deceived->send(PacketKind::Rtp, make_rtp(3));
    wrong->send(PacketKind::Rtp, make_rtp(4));
    tries++;
    context.serve(5);
  }
  fail_unless(!deceived.reasons.empty());
  fail_unless(deceived.reasons[0].find("certificate") != std::string::npos, "%s",
              deceived.reasons[0].c_str());
  fail_unless(deceived.reasons[0].find("sha-256") != std::string::npos);
  // Nothing of the media went out of the deceived side, and nothing came in there.
  const TransportStats stats = deceived->stats();
  fail_unless_equals_uint64(stats.packets_sent, 0);
  fail_unless_equals_uint64(stats.packets_received, 0);
  fail_unless(stats.drops_of(DropReason::HeldBackOut) >= tries);
  fail_unless(deceived.rtp.empty() && deceived.rtcp.empty());
  fail_unless(wrong.rtp.empty() && wrong.rtcp.empty());
  const TransportStats received = wrong->stats();
  fail_unless_equals_uint64(received.packets_received, 0);
  fail_unless_equals_uint64(received.drops_of(DropReason::HeldBackIn), 0);
  fail_unless_equals_uint64(received.drops_of(DropReason::Authentication), 0);
  fail_unless(close_both(context, a, b));
  fail_unless(close(context, other));
}
GST_END_TEST

GST_START_TEST(parameters_that_can_never_work_are_refused)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  const TransportParameters good = b->local_parameters();
  TransportParameters bad = good;
  bad.fingerprints.clear();
  fail_unless(!a->set_remote(bad).ok());
  bad.fingerprints = {{"sha-1", std::vector<uint8_t>(20)}, {"md5", std::vector<uint8_t>(16)}};
  fail_unless(!a->set_remote(bad).ok());
  bad = good;
  bad.fingerprints[0].digest.pop_back();
  fail_unless(!a->set_remote(bad).ok());
  bad = good;
  bad.setup = DtlsSetup::Actpass;
  fail_unless(!a->set_remote(bad).ok());
  bad = good;
  bad.credentials.pwd = "short";
  fail_unless(!a->set_remote(bad).ok());
  bad = good;
  bad.credentials.ufrag = "new\r\nline";
  fail_unless(!a->set_remote(bad).ok());
  // Nothing has changed by all that.
  fail_unless(a->state() == TransportState::New);
  fail_unless(!a->add_remote_candidates("", {"1 1 udp 1 127.0.0.1 9 typ host"}, false).ok());
  fail_unless(a->set_remote(good).ok());
  fail_unless(!a->set_remote(good).ok());
  fail_unless(!a->add_remote_candidates("unknown", {}, true).ok());
  fail_unless(!a->begin_restart().ok());
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

// A second hash and a second certificate of the peer's do no harm.
GST_START_TEST(one_of_several_fingerprints_matches)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(gather(context, a) && gather(context, b));
  fail_unless(b->set_remote(a->local_parameters()).ok());
  TransportParameters parameters = b->local_parameters();
  parameters.fingerprints.insert(parameters.fingerprints.begin(),
                                 {{"sha-1", std::vector<uint8_t>(20)},
                                  {"sha-256", std::vector<uint8_t>(32)},
                                  {"sha-224", std::vector<uint8_t>(28)}});
  fail_unless(a->set_remote(parameters).ok());
  fail_unless(until_connected(context, a, b));
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

GST_START_TEST(no_way_to_the_peer_ends_in_time)
{
  Context context;
  Peer a(context, true, [](TransportSettings &settings) { settings.connect_limit_ms = 700; });
  Peer b(context, false);
  fail_unless(gather(context, a));
  TransportParameters parameters = b->local_parameters();
  parameters.candidates = {"1 1 udp 2122260223 127.0.0.1 9 typ host"};
  fail_unless(a->set_remote(parameters).ok());
  const gint64 begin_us = g_get_monotonic_time();
  fail_unless(context.until([&] { return a.is(TransportState::Failed); }));
  fail_unless(g_get_monotonic_time() - begin_us >= 600 * 1000);
  fail_unless(a.reasons[0].find("0.7 s") != std::string::npos, "%s", a.reasons[0].c_str());
  fail_unless(a.reasons[0].find("1 of the peer") != std::string::npos);
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

// ICE connects, but the peer has no DTLS: it waits itself.
GST_START_TEST(handshake_that_nobody_begins_ends_in_time)
{
  Context context;
  Peer a(context, true, [](TransportSettings &settings) { settings.connect_limit_ms = 1500; });
  Peer b(context, false,
         [](TransportSettings &settings) { settings.answer_setup = DtlsSetup::Passive; });
  fail_unless(gather(context, a) && gather(context, b));
  fail_unless(b->set_remote(a->local_parameters()).ok());
  TransportParameters parameters = b->local_parameters();
  parameters.setup = DtlsSetup::Active;
  fail_unless(a->set_remote(parameters).ok());
  fail_unless(context.until([&] { return a.is(TransportState::Failed); }));
  fail_unless(a.reasons[0].find("DTLS") != std::string::npos, "%s", a.reasons[0].c_str());
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

GST_START_TEST(servers_that_cannot_be_used_are_named)
{
  Context context;
  Peer a(context, true, [](TransportSettings &settings) {
    settings.servers = {{"turns:127.0.0.1:5349", "user", "secret-word"},
                        {"turn:127.0.0.1:3478", "", ""},
                        {"stun:nowhere.invalid", "", ""},
                        {"stun:127.0.0.1:9", "", ""}};
  });
  fail_unless(gather(context, a));
  fail_unless_equals_int(a.warnings.size(), 3);
  fail_unless(a.warnings[0].find("turns:") != std::string::npos);
  fail_unless(a.warnings[0].find("TLS") != std::string::npos);
  fail_unless(a.warnings[1].find("username") != std::string::npos);
  fail_unless(a.warnings[2].find("nowhere.invalid") != std::string::npos);
  for (const std::string &warning : a.warnings)
    fail_unless(warning.find("secret-word") == std::string::npos);
  // The host's own candidates are there all the same.
  fail_unless(!a.candidates.empty());
  fail_unless(close(context, a));
}
GST_END_TEST

GST_START_TEST(relays_only_without_a_relay_fails)
{
  Context context;
  Peer a(context, true, [](TransportSettings &settings) {
    settings.relay_only = true;
    settings.servers = {{"stun:127.0.0.1:9", "", ""}};
  });
  fail_unless(a->start_gathering().ok());
  fail_unless(context.until([&] { return a.is(TransportState::Failed); }));
  fail_unless(a.reasons[0].find("TURN") != std::string::npos);
  fail_unless(a.candidates.empty());
  fail_unless(close(context, a));
}
GST_END_TEST

// Nobody says goodbye: the consent of the peer expires (RFC 7675).
GST_START_TEST(vanished_peer_is_noticed)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(connect(context, a, b));
  context.serve(500);
  // Dropped without close(): its sockets go without a word.
  b.transport.reset();
  const gint64 begin_us = g_get_monotonic_time();
  fail_unless(context.until([&] { return a.is(TransportState::Disconnected); }, 18000));
  const gint64 took_us = g_get_monotonic_time() - begin_us;
  g_print("noticed after %.1f s\n", static_cast<double>(took_us) / G_USEC_PER_SEC);
  fail_unless(took_us < 16 * G_USEC_PER_SEC, "took %" G_GINT64_FORMAT " us", took_us);
  fail_unless(!a.reasons.empty());
  // And nothing is sent to it any more.
  const guint64 before = a->stats().packets_sent;
  a->send(PacketKind::Rtp, make_rtp(1));
  context.serve(50);
  const TransportStats stats = a->stats();
  fail_unless_equals_uint64(stats.packets_sent, before);
  fail_unless_equals_uint64(stats.drops_of(DropReason::NotConnected), 1);
  fail_unless(close(context, a));
}
GST_END_TEST

static Suite *webrtc_transport_refusal_suite()
{
  Suite *suite = suite_create("webrtc-transport-refusal");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_loop_test(tc, wrong_certificate_gets_nothing, 0, 4);
  tcase_add_test(tc, parameters_that_can_never_work_are_refused);
  tcase_add_test(tc, one_of_several_fingerprints_matches);
  tcase_add_test(tc, no_way_to_the_peer_ends_in_time);
  tcase_add_test(tc, handshake_that_nobody_begins_ends_in_time);
  tcase_add_test(tc, servers_that_cannot_be_used_are_named);
  tcase_add_test(tc, relays_only_without_a_relay_fails);
  tcase_add_test(tc, vanished_peer_is_noticed);
  return suite;
}

GST_CHECK_MAIN(webrtc_transport_refusal)
