// SPDX-License-Identifier: LGPL-2.1-or-later
// The end of transports, whenever it comes: nothing waits, and nothing is left.
#include <algorithm>
#include <atomic>

#include <dirent.h>

#include <gst/gst.h>

#include "gst/streamlib/io_thread.h"
#include "webrtc_transport_peers.h"

using namespace webrtc_peers;

constexpr gint64 kMaxCloseUs = 2 * G_USEC_PER_SEC;

static int count_in(const char *folder)
{
  DIR *dir = opendir(folder);
  int count = 0;
  while (readdir(dir) != nullptr)
    count++;
  closedir(dir);
  return count;
}

static int descriptors()
{
  return count_in("/proc/self/fd");
}

static int threads()
{
  return count_in("/proc/self/task");
}

// One and a half times as long as two of them take to connect here, in ms.
static gint measure_span(Context &context)
{
  Peer a(context, true);
  Peer b(context, false);
  fail_unless(connect(context, a, b));
  const gint64 took_us = a->stats().connect_us;
  fail_unless(close_both(context, a, b));
  return std::clamp<gint>(static_cast<gint>(took_us * 3 / 2000), 20, 400);
}

// At any moment between the beginning and the first packets.
GST_START_TEST(starts_and_stops_leave_nothing)
{
  constexpr int kRounds = 200;
  Context context;
  GRand *random = g_rand_new_with_seed(20);
  const gint span_ms = measure_span(context);
  int connected = 0;
  gint64 worst_us = 0;
  int descriptors_before = 0;
  int threads_before = 0;
  for (int round = 0; round < kRounds; round++) {
    // What GLib and OpenSSL keep for good is there after a few rounds.
    if (round == 10) {
      descriptors_before = descriptors();
      threads_before = threads();
    }
    Peer a(context, true);
    Peer b(context, false);
    a.trickle_to = &b;
    b.trickle_to = &a;
    fail_unless(b->set_remote(a->local_parameters()).ok());
    fail_unless(a->set_remote(b->local_parameters()).ok());
    fail_unless(a->start_gathering().ok());
    fail_unless(b->start_gathering().ok());
    const guint limit_ms = g_rand_int_range(random, 0, span_ms);
    const gint64 end_us = g_get_monotonic_time() + limit_ms * 1000;
    context.until([&] {
      a->send(PacketKind::Rtp, make_rtp(1));
      return g_get_monotonic_time() >= end_us;
    });
    connected += a.is(TransportState::Connected) ? 1 : 0;
    const gint64 begin_us = g_get_monotonic_time();
    a.trickle_to = nullptr;
    b.trickle_to = nullptr;
    int closed = 0;
    a->close([&] { closed++; });
    // Each second time without a word.
    if (round % 2 == 0)
      b->close([&] { closed++; });
    else
      b.transport.reset();
    fail_unless(context.until([&] { return closed == (round % 2 == 0 ? 2 : 1); }, 2500));
    worst_us = std::max(worst_us, g_get_monotonic_time() - begin_us);
  }
  context.serve(200);
  g_print("within %d ms %d of %d connected, the worst close took %" G_GINT64_FORMAT " us\n",
          span_ms, connected, kRounds, worst_us);
  // Both kinds were there.
  fail_unless(connected > kRounds / 20 && connected < kRounds, "%d", connected);
  fail_unless(worst_us < kMaxCloseUs, "%" G_GINT64_FORMAT, worst_us);
  fail_unless(descriptors() <= descriptors_before, "%d, before %d", descriptors(),
              descriptors_before);
  fail_unless(threads() <= threads_before, "%d, before %d", threads(), threads_before);
  g_rand_free(random);
}
GST_END_TEST

GST_START_TEST(close_comes_at_once_in_every_state)
{
  Context context;
  // Never used.
  {
    Peer a(context, true);
    fail_unless(close(context, a));
  }
  // While a name is looked up.
  {
    Peer a(context, true, [](TransportSettings &settings) {
      settings.servers = {{"stun:nowhere.invalid", "", ""}};
    });
    fail_unless(a->start_gathering().ok());
    fail_unless(close(context, a));
    fail_unless(a.states.empty() || a.states.back() != TransportState::Failed);
  }
  // While a TURN server is asked that does not answer.
  {
    Peer a(context, true, [](TransportSettings &settings) {
      settings.servers = {{"turn:127.0.0.1:9", "user", "word"}};
    });
    fail_unless(a->start_gathering().ok());
    context.serve(100);
    fail_unless(close(context, a));
  }
  // While a restart is under way, and after a failure.
  {
    Peer a(context, true);
    Peer b(context, false);
    fail_unless(connect(context, a, b));
    fail_unless(a->begin_restart().ok());
    fail_unless(close_both(context, a, b));
  }
}
GST_END_TEST

// The listener ends everything in the moment that it hears of something.
GST_START_TEST(callbacks_may_close_and_drop)
{
  for (const TransportState when :
       {TransportState::Gathering, TransportState::Connecting, TransportState::Connected}) {
    Context context;
    Peer a(context, true);
    Peer b(context, false);
    bool is_closed = false;
    a.on_state = [&](TransportState state) {
      if (state != when)
        return;
      a->close([&] {
        is_closed = true;
        a.transport.reset();
      });
    };
    b.on_state = [&](TransportState state) {
      if (state == when)
        b.transport.reset();
    };
    a.trickle_to = nullptr;
    fail_unless(a->start_gathering().ok());
    fail_unless(b->start_gathering().ok());
    fail_unless(b->set_remote(a->local_parameters()).ok());
    fail_unless(a->set_remote(b->local_parameters()).ok());
    context.until([&] { return a.gathered.size() + b.gathered.size() == 2 || is_closed; }, 1000);
    for (const auto &[from, to] : {std::pair(&a, &b), std::pair(&b, &a)}) {
      for (const auto &[ufrag, candidate] : from->candidates) {
        if (to->transport != nullptr && !is_closed)
          (void)(*to)->add_remote_candidates(ufrag, {candidate}, false).ok();
      }
    }
    fail_unless(context.until([&] { return is_closed; }));
    const size_t heard = a.states.size();
    context.serve(50);
    fail_unless_equals_int(a.states.size(), heard);
    fail_unless(a.transport == nullptr);
    b.transport.reset();
    context.serve(20);
  }
}
GST_END_TEST

// A context with a thread of its own, packets from three threads, and the last reference in one of
// them.
GST_START_TEST(many_threads_send_through_one_context)
{
  constexpr guint16 kPackets = 400;
  streamlib::IoThread io;
  GMainContext *context = io.context();
  Peer *a = nullptr;
  Peer *b = nullptr;
  std::atomic<int> step = 0;
  const auto in_context = [&](std::function<void()> call) {
    const int before = step.load();
    struct Job {
      std::function<void()> call;
      std::atomic<int> *step;
    } job{std::move(call), &step};
    g_main_context_invoke(
        context,
        [](gpointer data) -> gboolean {
          auto *one = static_cast<Job *>(data);
          one->call();
          one->step->fetch_add(1);
          return G_SOURCE_REMOVE;
        },
        &job);
    while (step.load() == before)
      g_usleep(500);
  };
  in_context([&] {
    a = new Peer(context, true);
    b = new Peer(context, false);
    a->trickle_to = b;
    b->trickle_to = a;
    fail_unless((*b)->set_remote((*a)->local_parameters()).ok());
    fail_unless((*a)->set_remote((*b)->local_parameters()).ok());
    fail_unless((*a)->start_gathering().ok());
    fail_unless((*b)->start_gathering().ok());
  });
  bool is_connected = false;
  for (int i = 0; i < 800 && !is_connected; i++) {
    g_usleep(10000);
    in_context([&] {
      is_connected = a->is(TransportState::Connected) && b->is(TransportState::Connected);
    });
  }
  fail_unless(is_connected);
  std::vector<std::shared_ptr<Transport>> refs(3, a->transport);
  GThread *senders[3];
  for (int i = 0; i < 3; i++) {
    senders[i] = g_thread_new(
        "sender",
        [](gpointer data) -> gpointer {
          auto &transport = *static_cast<std::shared_ptr<Transport> *>(data);
          for (guint16 n = 0; n < kPackets; n++) {
            transport->send(PacketKind::Rtp, make_rtp(n, 200, GPOINTER_TO_UINT(data)));
            (void)transport->stats();
            if (n % 16 == 0)
              g_usleep(1000);
          }
          transport.reset();
          return nullptr;
        },
        &refs[i]);
  }
  for (GThread *sender : senders)
    g_thread_join(sender);
  TransportStats stats;
  size_t received = 0;
  for (int i = 0; i < 300 && received < 3u * kPackets; i++) {
    g_usleep(10000);
    in_context([&] { received = b->rtp.size(); });
  }
  fail_unless_equals_int(received, 3 * kPackets);
  std::shared_ptr<Transport> last;
  in_context([&] {
    stats = (*a)->stats();
    a->trickle_to = b->trickle_to = nullptr;
    last = std::move(a->transport);
    b->transport.reset();
  });
  fail_unless_equals_uint64(stats.packets_sent, 3 * kPackets);
  last.reset();
  in_context([] {});
  g_usleep(20000);
  in_context([&] {
    delete a;
    delete b;
  });
}
GST_END_TEST

static Suite *webrtc_transport_life_suite()
{
  Suite *suite = suite_create("webrtc-transport-life");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, starts_and_stops_leave_nothing);
  tcase_add_test(tc, close_comes_at_once_in_every_state);
  tcase_add_test(tc, callbacks_may_close_and_drop);
  tcase_add_test(tc, many_threads_send_through_one_context);
  return suite;
}

GST_CHECK_MAIN(webrtc_transport_life)
