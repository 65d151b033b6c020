// SPDX-License-Identifier: LGPL-2.1-or-later
// Transports through a real TURN server: coturn, on loopback.
#include <algorithm>
#include <string>
#include <vector>

#include "turn_server.h"
#include "webrtc_transport_peers.h"

using namespace webrtc_peers;
using fixture::TurnServer;

static bool all_relayed(const Peer &peer)
{
  return !peer.candidates.empty() &&
         std::all_of(peer.candidates.begin(), peer.candidates.end(), [](const auto &one) {
           return one.second.find(" typ relay") != std::string::npos;
         });
}

// One side or both by relays only, over UDP and over TCP.
GST_START_TEST(media_goes_through_the_relay)
{
  const char *transport = (__i__ & 1) == 0 ? "udp" : "tcp";
  const bool both = (__i__ & 2) != 0;
  TurnServer server;
  Context context;
  const auto relay = [&](TransportSettings &settings) {
    settings.relay_only = true;
    // A server that cannot be used and one that does not answer are no obstacle.
    settings.servers = {{"turns:127.0.0.1", "user", "secret-word"}, server.as(transport)};
  };
  Peer a(context, true, relay);
  Peer b(context, false, both ? std::function<void(TransportSettings &)>(relay) : nullptr);
  fail_unless(connect(context, a, b));
  fail_unless(all_relayed(a));
  fail_unless(all_relayed(b) == both);
  fail_unless_equals_int(a.warnings.size(), 1);
  for (guint16 i = 0; i < 50; i++) {
    a->send(PacketKind::Rtp, make_rtp(i, 1100));
    b->send(PacketKind::Rtp, make_rtp(i, 1100));
    context.serve(1);
  }
  fail_unless(has_rtp(context, b, 50) && has_rtp(context, a, 50));
  const TransportStats stats = a->stats();
  fail_unless(stats.local_address.rfind("relay ", 0) == 0, "%s", stats.local_address.c_str());
  const gint64 begin_us = g_get_monotonic_time();
  fail_unless(close_both(context, a, b));
  fail_unless(g_get_monotonic_time() - begin_us < 4 * G_USEC_PER_SEC);
}
GST_END_TEST

// What a server does not answer to at the end is given up, and whatever comes later does no harm.
GST_START_TEST(server_that_is_silent_at_the_end)
{
  const char *transport = (__i__ & 1) == 0 ? "udp" : "tcp";
  const bool goes_on = (__i__ & 2) != 0;
  TurnServer server;
  Context context;
  const auto relay = [&](TransportSettings &settings) {
    settings.relay_only = true;
    settings.servers = {server.as(transport)};
  };
  Peer a(context, true, relay);
  Peer b(context, false);
  fail_unless(connect(context, a, b));
  server.freeze();
  const gint64 begin_us = g_get_monotonic_time();
  fail_unless(close_both(context, a, b));
  fail_unless(g_get_monotonic_time() - begin_us < 4 * G_USEC_PER_SEC);
  if (goes_on)
    server.go_on();
  context.serve(3000);
}
GST_END_TEST

GST_START_TEST(wrong_credential_gives_no_relay)
{
  TurnServer server;
  Context context;
  Peer a(context, true,
         [&](TransportSettings &settings) { settings.servers = {server.as("udp", "other-word")}; });
  fail_unless(gather(context, a));
  fail_unless(!a.candidates.empty());
  for (const auto &one : a.candidates)
    fail_unless(one.second.find(" typ relay") == std::string::npos);
  fail_unless(close(context, a));
}
GST_END_TEST

static Suite *webrtc_turn_suite()
{
  Suite *suite = suite_create("webrtc-turn");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_loop_test(tc, media_goes_through_the_relay, 0, 4);
  tcase_add_loop_test(tc, server_that_is_silent_at_the_end, 0, 4);
  tcase_add_test(tc, wrong_credential_gives_no_relay);
  return suite;
}

int main(int argc, char **argv)
{
  if (!TurnServer::is_installed()) {
    g_print("skipped: coturn is not installed\n");
    return 77;
  }
  gst_check_init(&argc, &argv);
  return gst_check_run_suite(webrtc_turn_suite(), "webrtc_turn", __FILE__);
}
