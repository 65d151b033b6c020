// SPDX-License-Identifier: LGPL-2.1-or-later
// A peer that was away too long, and comes back by an ICE restart.
#include <memory>
#include <string>
#include <vector>

#include "webrtc_transport_peers.h"

using namespace webrtc_peers;

// Each side has a context of its own, so that one of them can stand still.
GST_START_TEST(restart_brings_back_a_lost_peer)
{
  Context here;
  Context there;
  Peer a(here, true);
  Peer b(there, false);
  bool is_there = true;
  const auto until = [&](const std::function<bool()> &is_so, guint limit_ms) {
    return here.until(
        [&] {
          while (is_there && g_main_context_iteration(there, FALSE)) {
          }
          return is_so();
        },
        limit_ms);
  };
  fail_unless(a->start_gathering().ok() && b->start_gathering().ok());
  fail_unless(until([&] { return !a.gathered.empty() && !b.gathered.empty(); }, 3000));
  fail_unless(b->set_remote(a->local_parameters()).ok());
  fail_unless(a->set_remote(b->local_parameters()).ok());
  const auto is_connected = [&] {
    return a.is(TransportState::Connected) && b.is(TransportState::Connected);
  };
  fail_unless(until(is_connected, 8000));
  a->send(PacketKind::Rtp, make_rtp(1));
  fail_unless(until([&] { return b.rtp.size() == 1; }, 3000));
  is_there = false;
  fail_unless(until([&] { return a.is(TransportState::Disconnected); }, 18000));
  // Nothing goes out meanwhile.
  a->send(PacketKind::Rtp, make_rtp(2));
  fail_unless_equals_uint64(a->stats().drops_of(DropReason::NotConnected), 1);
  is_there = true;
  fail_unless(a->begin_restart().ok() && b->begin_restart().ok());
  fail_unless(until([&] { return a.gathered.size() == 2 && b.gathered.size() == 2; }, 3000));
  fail_unless(b->finish_restart(a->local_parameters()).ok());
  fail_unless(a->finish_restart(b->local_parameters()).ok());
  fail_unless(until(
      [&] { return a.restarts.size() == 1 && b.restarts.size() == 1 && is_connected(); }, 8000));
  fail_unless(a.restarts[0] && b.restarts[0]);
  // With the keys of before.
  a->send(PacketKind::Rtp, make_rtp(3));
  b->send(PacketKind::Rtp, make_rtp(4, 100, 0x5678));
  fail_unless(until([&] { return b.rtp.size() == 2 && a.rtp.size() == 1; }, 3000));
  fail_unless_equals_int(number_of(b.rtp[1].get()), 3);
  fail_unless_equals_uint64(b->stats().drops_of(DropReason::Authentication), 0);
  fail_unless(close(here, a));
  fail_unless(close(there, b));
}
GST_END_TEST

static Suite *webrtc_transport_return_suite()
{
  Suite *suite = suite_create("webrtc-transport-return");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, restart_brings_back_a_lost_peer);
  return suite;
}

GST_CHECK_MAIN(webrtc_transport_return)
