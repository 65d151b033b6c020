// SPDX-License-Identifier: LGPL-2.1-or-later
// Two transports find each other, and carry packets.
#include <algorithm>
#include <cstring>

#include "ext/webrtc/transport/certificate.h"
#include "webrtc_transport_peers.h"

using namespace webrtc_peers;

static bool is_equal(GstBuffer *packet, GstBuffer *other)
{
  GstMapInfo info;
  gst_buffer_map(other, &info, GST_MAP_READ);
  const bool is_same = gst_buffer_get_size(packet) == info.size &&
                       gst_buffer_memcmp(packet, 0, info.data, info.size) == 0;
  gst_buffer_unmap(other, &info);
  return is_same;
}

// Sends from each side, and compares what the other one has got.
static void exchange(Context &context, Peer &a, Peer &b)
{
  for (guint16 i = 0; i < 50; i++) {
    a->send(PacketKind::Rtp, make_rtp(i, 20 * i));
    b->send(PacketKind::Rtp, make_rtp(1000 + i, 1100, 0x5678));
  }
  a->send(PacketKind::Rtcp, make_rtcp());
  b->send(PacketKind::Rtcp, make_rtcp(0x5678));
  fail_unless(context.until(
      [&] { return a.rtp.size() + a.rtcp.size() == 51 && b.rtp.size() + b.rtcp.size() == 51; }));
  for (guint16 i = 0; i < 50; i++) {
    fail_unless(is_equal(b.rtp[i].get(), make_rtp(i, 20 * i).get()));
    fail_unless(is_equal(a.rtp[i].get(), make_rtp(1000 + i, 1100, 0x5678).get()));
  }
  fail_unless(is_equal(b.rtcp[0].get(), make_rtcp().get()));
  const TransportStats stats = a->stats();
  fail_unless_equals_uint64(stats.packets_sent, 51);
  fail_unless_equals_uint64(stats.packets_received, 51);
  fail_unless_equals_uint64(stats.bytes_received, 50 * 1112 + 8);
  for (size_t i = 0; i < kDropReasons; i++)
    fail_unless_equals_uint64(stats.drops[i], 0);
}

static const DtlsSetup kRoles[] = {DtlsSetup::Active, DtlsSetup::Passive};

GST_START_TEST(both_roles_connect_and_carry_both_ways)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false,
         [&](TransportSettings &settings) { settings.answer_setup = kRoles[__i__]; });
  fail_unless(a->state() == TransportState::New);
  fail_unless(a->local_parameters().setup == DtlsSetup::Actpass);
  fail_unless(connect(context, a, b));
  fail_unless(b->local_parameters().setup == kRoles[__i__]);
  fail_unless(a->local_parameters().setup == kRoles[1 - __i__]);
  const std::vector<TransportState> way = {TransportState::Gathering, TransportState::Connecting,
                                           TransportState::Connected};
  fail_unless(a.states == way);
  fail_unless(b.states == way);
  exchange(context, a, b);
  const TransportStats stats = a->stats();
  fail_unless(stats.connect_us > 0);
  fail_unless(stats.silent_us >= 0);
  fail_unless(stats.local_address.rfind("host 127.0.0.1 ", 0) == 0, "%s",
              stats.local_address.c_str());
  fail_unless(!stats.remote_address.empty());
  fail_unless_equals_string(stats.srtp_profile.c_str(), "AEAD_AES_128_GCM");
  fail_unless(stats.peer_fingerprint == digest_text(b->local_parameters().fingerprints[0].digest));
  fail_unless(close(context, a));
  // The other side hears of it at once, by close_notify.
  fail_unless(context.until([&] { return b.is(TransportState::Closed); }, 1000));
  fail_unless(close(context, b));
}
GST_END_TEST

GST_START_TEST(candidates_trickle_both_ways)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  a.trickle_to = &b;
  b.trickle_to = &a;
  // Nobody has gathered anything yet.
  fail_unless(a->local_parameters().candidates.empty());
  fail_unless(b->set_remote(a->local_parameters()).ok());
  fail_unless(a->set_remote(b->local_parameters()).ok());
  fail_unless(a->start_gathering().ok());
  fail_unless(b->start_gathering().ok());
  fail_unless(until_connected(context, a, b));
  fail_unless(!a.candidates.empty());
  fail_unless(a->local_parameters().end_of_candidates);
  exchange(context, a, b);
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

// The answering side begins with DTLS before the offering one has the answer.
GST_START_TEST(client_hello_may_come_before_the_answer)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(gather(context, a) && gather(context, b));
  fail_unless(b->set_remote(a->local_parameters()).ok());
  context.serve(1500);
  fail_unless(!b.is(TransportState::Connected) && !a.is(TransportState::Connected));
  fail_unless(a->set_remote(b->local_parameters()).ok());
  fail_unless(until_connected(context, a, b));
  exchange(context, a, b);
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

// libnice counts as unknown what it cannot parse; here it is left out before.
GST_START_TEST(odd_candidates_do_no_harm)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(gather(context, a) && gather(context, b));
  fail_unless(b->set_remote(a->local_parameters()).ok());
  TransportParameters parameters = b->local_parameters();
  parameters.candidates.insert(
      parameters.candidates.begin(),
      {"1 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54596 typ host",
       "1 2 udp 2122260222 127.0.0.1 9 typ host", "gibberish",
       "1 1 udp 2122260223 127.0.0.1 99999 typ host"});
  fail_unless(a->set_remote(parameters).ok());
  fail_unless(until_connected(context, a, b));
  fail_unless_equals_int(a.warnings.size(), 1);
  fail_unless_equals_uint64(a->stats().skipped_candidates, 4);
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

// Media goes on meanwhile, with the same keys: nothing of the old packets would pass otherwise.
GST_START_TEST(restart_keeps_dtls_and_srtp)
{
  Context context;
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(connect(context, a, b));
  const TransportParameters before = a->local_parameters();
  guint16 sent = 0;
  const auto send_some = [&] {
    for (int i = 0; i < 20; i++) {
      a->send(PacketKind::Rtp, make_rtp(sent++));
      context.serve(2);
    }
  };
  send_some();
  fail_unless(a->begin_restart().ok());
  fail_unless(b->begin_restart().ok());
  const auto is_gathered = [&] { return a.gathered.size() == 2 && b.gathered.size() == 2; };
  fail_unless(context.until(is_gathered));
  send_some();
  fail_unless(a->local_parameters().credentials.ufrag != before.credentials.ufrag);
  fail_unless(a->local_parameters().credentials.pwd != before.credentials.pwd);
  fail_unless(a->finish_restart(b->local_parameters()).ok());
  fail_unless(b->finish_restart(a->local_parameters()).ok());
  for (int i = 0; i < 5; i++)
    send_some();
  fail_unless(context.until([&] { return a.restarts.size() == 1 && b.restarts.size() == 1; }));
  fail_unless(a.restarts[0] && b.restarts[0]);
  send_some();
  fail_unless(has_rtp(context, b, sent));
  for (guint16 i = 0; i < sent; i++)
    fail_unless_equals_int(number_of(b.rtp[i].get()), i);
  // Never anything but connected, and the same certificate.
  fail_unless_equals_int(a.states.size(), 3);
  fail_unless(a->local_parameters().fingerprints[0].digest == before.fingerprints[0].digest);
  fail_unless_equals_uint64(a->stats().restarts, 1);
  fail_unless_equals_uint64(b->stats().drops_of(DropReason::Authentication), 0);
  // What the old generation keeps open is given back.
  context.serve(3500);
  a->send(PacketKind::Rtp, make_rtp(sent));
  fail_unless(has_rtp(context, b, sent + 1u));
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

GST_START_TEST(restart_that_fails_leaves_everything)
{
  Context context;
  Peer a(context, true, [](TransportSettings &settings) { settings.connect_limit_ms = 1500; });
  Peer b(context, false);
  fail_unless(connect(context, a, b));
  const TransportParameters old_one = b->local_parameters();
  fail_unless(!a->finish_restart(old_one).ok());
  fail_unless(a->begin_restart().ok());
  // The same credentials are no restart.
  fail_unless(!a->finish_restart(old_one).ok());
  TransportParameters nobody = old_one;
  nobody.credentials = {"nobody", "nobodynobodynobodynobody"};
  fail_unless(a->finish_restart(nobody).ok());
  fail_unless(context.until([&] { return a.restarts.size() == 1; }));
  fail_unless(!a.restarts[0]);
  fail_unless(a.is(TransportState::Connected));
  a->send(PacketKind::Rtp, make_rtp(1));
  b->send(PacketKind::Rtp, make_rtp(2));
  fail_unless(has_rtp(context, b, 1) && has_rtp(context, a, 1));
  fail_unless(close_both(context, a, b));
}
GST_END_TEST

static Suite *webrtc_transport_suite()
{
  Suite *suite = suite_create("webrtc-transport");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_loop_test(tc, both_roles_connect_and_carry_both_ways, 0, 2);
  tcase_add_test(tc, candidates_trickle_both_ways);
  tcase_add_test(tc, client_hello_may_come_before_the_answer);
  tcase_add_test(tc, odd_candidates_do_no_harm);
  tcase_add_test(tc, restart_keeps_dtls_and_srtp);
  tcase_add_test(tc, restart_that_fails_leaves_everything);
  return suite;
}

GST_CHECK_MAIN(webrtc_transport)
