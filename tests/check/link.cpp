// SPDX-License-Identifier: LGPL-2.1-or-later
// The link by itself: a million random buffers and events, and each rule of the policies.

#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "test_link.h"

using namespace test_link;

namespace {

// Instrumented builds are many times slower.
unsigned items_to_push()
{
  const char *slowness = g_getenv("CK_TIMEOUT_MULTIPLIER");
  return slowness != nullptr && std::atoi(slowness) > 1 ? 60000 : 1000000;
}

// --- A million random items ---

struct Storm {
  TestLink *test;
  unsigned items;
  unsigned buffers = 0;
  unsigned events = 0;
  std::atomic<bool> pushed_all = false;
};

// Item n carries the number n; a buffer also how many buffers were before it.
void push_storm(Storm &storm)
{
  std::mt19937 random(4711);
  Link &link = storm.test->link;
  for (unsigned n = 1; n <= storm.items; n++) {
    const unsigned kind = random() % 100;
    if (kind < 12) {
      storm.test->push_event(n);
      storm.events++;
    } else if (kind < 16) {
      const unsigned length = 1 + random() % 3;
      GstBufferList *list = gst_buffer_list_new();
      for (unsigned i = 0; i < length; i++) {
        GstBuffer *buffer = gst_buffer_new();
        GST_BUFFER_OFFSET(buffer) = n;
        GST_BUFFER_OFFSET_END(buffer) = storm.buffers++;
        GST_BUFFER_PTS(buffer) = n;
        gst_buffer_list_add(list, buffer);
      }
      fail_unless(link.push(GST_MINI_OBJECT_CAST(list), n) == Link::Pushed::Done);
    } else {
      GstBuffer *buffer = gst_buffer_new();
      GST_BUFFER_OFFSET(buffer) = n;
      GST_BUFFER_OFFSET_END(buffer) = storm.buffers++;
      GST_BUFFER_PTS(buffer) = n;
      fail_unless(link.push(GST_MINI_OBJECT_CAST(buffer), n) == Link::Pushed::Done);
    }
    if (random() % 20000 == 0)
      g_usleep(random() % 200);
  }
  link.push_event(adopt_mini(gst_event_new_eos()));
  storm.pushed_all = true;
}

struct Received {
  uint64_t last_number = 0;
  uint64_t next_buffer = 0;
  unsigned events = 0;
  uint64_t buffers = 0;
  bool ended = false;
};

void receive_buffer(Received &received, GstBuffer *buffer, bool first_of_item)
{
  const uint64_t number = GST_BUFFER_OFFSET(buffer);
  if (first_of_item)
    fail_unless(number > received.last_number,
                "item %" G_GUINT64_FORMAT " after %" G_GUINT64_FORMAT, number,
                received.last_number);
  received.last_number = number;
  // DISCONT exactly where buffers are missing.
  const bool gap = GST_BUFFER_OFFSET_END(buffer) != received.next_buffer;
  fail_unless(gap == !!GST_BUFFER_IS_DISCONT(buffer));
  received.next_buffer = GST_BUFFER_OFFSET_END(buffer) + 1;
  received.buffers++;
}

void receive(Received &received, const LinkItem &item)
{
  if (item.kind == LinkItem::Kind::Buffer) {
    const MiniPtr<GstBuffer> buffer = adopt_mini(GST_BUFFER_CAST(item.object));
    receive_buffer(received, buffer.get(), true);
  } else if (item.kind == LinkItem::Kind::BufferList) {
    const MiniPtr<GstBufferList> list = adopt_mini(GST_BUFFER_LIST_CAST(item.object));
    for (guint i = 0; i < gst_buffer_list_length(list.get()); i++)
      receive_buffer(received, gst_buffer_list_get(list.get(), i), i == 0);
  } else {
    fail_unless(item.kind == LinkItem::Kind::Event);
    const MiniPtr<GstEvent> event = adopt_mini(GST_EVENT_CAST(item.object));
    if (GST_EVENT_TYPE(event.get()) == GST_EVENT_EOS) {
      received.ended = true;
      return;
    }
    guint64 number;
    fail_unless(gst_structure_get_uint64(gst_event_get_structure(event.get()), "number", &number));
    fail_unless(number > received.last_number);
    received.last_number = number;
    received.events++;
  }
}

void consume_storm(Storm &storm, Received &received)
{
  std::mt19937 random(815);
  TestLink &test = *storm.test;
  while (!received.ended) {
    const LinkItem item = test.next();
    if (!item) {
      test.parker->park([&] {
        Link::ConsumerScope scope(test.link, &test);
        test.link.wake_waiting_pusher();
        return test.link.has_news();
      });
      continue;
    }
    receive(received, item);
    test.clock.now = received.last_number;
    if (random() % 20000 == 0)
      g_usleep(random() % 300);
  }
}

void run_storm(GstSlLinkPolicy policy, unsigned depth)
{
  TestLink test(policy, depth);
  Storm storm{&test, items_to_push()};
  Received received;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    uint64_t last_pushed = 0;
    while (!done) {
      const LinkCounters counters = test.link.counters();
      check_sum(counters);
      fail_unless(counters.pushed >= last_pushed);
      fail_unless(counters.level() <= counters.pushed);
      last_pushed = counters.pushed;
      g_usleep(20);
    }
  });
  std::thread pusher([&] { push_storm(storm); });
  consume_storm(storm, received);
  pusher.join();
  done = true;
  reader.join();

  fail_unless_equals_int(received.events, storm.events);
  const LinkCounters counters = test.link.counters();
  check_sum(counters);
  fail_unless_equals_uint64(counters.pushed, storm.buffers);
  fail_unless_equals_uint64(counters.popped, received.buffers);
  fail_unless_equals_uint64(counters.level(), 0);
  // The last buffer before EOS is always delivered.
  fail_unless_equals_uint64(received.next_buffer, storm.buffers);
  if (policy == GST_SL_LINK_POLICY_LOSSLESS)
    fail_unless_equals_uint64(counters.dropped(), 0);
  GST_INFO("policy %d depth %u: %u buffers, %u events, dropped %" G_GUINT64_FORMAT, policy, depth,
           storm.buffers, storm.events, counters.dropped());
}

constexpr GstSlLinkPolicy kPolicies[] = {GST_SL_LINK_POLICY_LATEST, GST_SL_LINK_POLICY_IN_ORDER,
                                         GST_SL_LINK_POLICY_LOSSLESS};
constexpr unsigned kDepths[] = {1, 4, 64};

}  // namespace

GST_START_TEST(test_a_million_items)
{
  run_storm(kPolicies[__i__ / 3], kDepths[__i__ % 3]);
}
GST_END_TEST

// --- The policies ---

GST_START_TEST(test_in_order_drops_the_oldest)
{
  TestLink test(GST_SL_LINK_POLICY_IN_ORDER, 3);
  for (uint64_t n = 1; n <= 5; n++)
    test.push(n);
  bool discont;
  fail_unless_equals_uint64(test.next_buffer(&discont), 3);
  fail_unless(discont);
  fail_unless_equals_uint64(test.next_buffer(&discont), 4);
  fail_if(discont);
  fail_unless_equals_uint64(test.next_buffer(), 5);
  fail_unless_equals_uint64(test.next_buffer(), 0);
  fail_unless_equals_uint64(test.link.counters().dropped_full, 2);
}
GST_END_TEST

GST_START_TEST(test_latest_waits_for_the_time_of_a_buffer)
{
  TestLink test(GST_SL_LINK_POLICY_LATEST, 4);
  test.clock.now = 25;
  for (uint64_t n = 1; n <= 4; n++)
    test.push(n, n * 10);
  // 1 and 2 are past and newer ones are there; 3 and 4 are still to be shown.
  bool discont;
  fail_unless_equals_uint64(test.next_buffer(&discont), 3);
  fail_unless(discont);
  fail_unless_equals_uint64(test.next_buffer(), 4);
  // Past, but the newest there is.
  test.clock.now = 1000;
  test.push(5, 50);
  fail_unless_equals_uint64(test.next_buffer(), 5);
  fail_unless_equals_uint64(test.link.counters().dropped_stale, 2);
}
GST_END_TEST

GST_START_TEST(test_last_buffer_before_eos)
{
  TestLink test(GST_SL_LINK_POLICY_LATEST, 2);
  test.clock.now = 1000;
  test.push(1, 10);
  test.push(2, 20);
  test.link.push_event(adopt_mini(gst_event_new_eos()));
  fail_unless(test.push(3) == GST_FLOW_EOS);
  test.link.push_event(adopt_mini(gst_event_new_stream_start("again")));
  for (uint64_t n = 4; n <= 9; n++)
    test.push(n, n * 10);
  fail_unless_equals_uint64(test.next_buffer(), 2);
  LinkItem item = test.next();
  fail_unless(GST_EVENT_TYPE(item.object) == GST_EVENT_EOS);
  gst_mini_object_unref(item.object);
  item = test.next();
  fail_unless(GST_EVENT_TYPE(item.object) == GST_EVENT_STREAM_START);
  gst_mini_object_unref(item.object);
  fail_unless_equals_uint64(test.next_buffer(), 9);
}
GST_END_TEST

GST_START_TEST(test_encoded_video_resumes_at_a_key_unit)
{
  TestLink test(GST_SL_LINK_POLICY_IN_ORDER, 4);
  test.link.set_key_unit_drops(true);
  // Key units are 1 and 6. Depth 4 evicts 1 to 3, so 4 and 5 are of no use.
  for (uint64_t n = 1; n <= 7; n++)
    test.push(n, n, n != 1 && n != 6);
  bool discont;
  fail_unless_equals_uint64(test.next_buffer(&discont), 6);
  fail_unless(discont);
  fail_unless_equals_uint64(test.next_buffer(&discont), 7);
  fail_if(discont);
  fail_unless_equals_uint64(test.link.counters().dropped_full, 5);
}
GST_END_TEST

// --- Pause ---

GST_START_TEST(test_pause)
{
  TestLink test(GST_SL_LINK_POLICY_IN_ORDER, 32);
  test.link.set_paused(true);
  test.push_event(1);
  for (uint64_t n = 1; n <= 10; n++)
    test.push(n, n * 10);
  LinkItem item = test.next();
  fail_unless(item.kind == LinkItem::Kind::Event);
  gst_mini_object_unref(item.object);
  fail_unless_equals_uint64(test.next_buffer(), 0);
  Link::ConsumerScope *scope = new Link::ConsumerScope(test.link, &test);
  fail_unless(test.link.held_by_pause() != nullptr);
  delete scope;
  // When it ends, what has become too old goes.
  test.clock.now = 75;
  test.link.set_paused(false);
  bool discont;
  fail_unless_equals_uint64(test.next_buffer(&discont), 8);
  fail_unless(discont);
  // And only then: later ones are in order again, however old.
  test.clock.now = 1000;
  fail_unless_equals_uint64(test.next_buffer(), 9);
  fail_unless_equals_uint64(test.next_buffer(), 10);

  TestLink latest(GST_SL_LINK_POLICY_LATEST, 2);
  latest.link.set_paused(true);
  for (uint64_t n = 1; n <= 10; n++)
    latest.push(n, n * 10);
  fail_unless_equals_uint64(latest.next_buffer(), 0);
  latest.link.set_paused(false);
  fail_unless_equals_uint64(latest.next_buffer(), 10);
}
GST_END_TEST

GST_START_TEST(test_eos_ends_a_pause)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  test.link.set_paused(true);
  test.push(1);
  fail_unless_equals_uint64(test.next_buffer(), 0);
  test.link.push_event(adopt_mini(gst_event_new_eos()));
  Link::ConsumerScope *scope = new Link::ConsumerScope(test.link, &test);
  fail_unless(test.link.has_news());
  delete scope;
  fail_unless_equals_uint64(test.next_buffer(), 1);
  const LinkItem item = test.next();
  fail_unless(GST_EVENT_TYPE(item.object) == GST_EVENT_EOS);
  gst_mini_object_unref(item.object);
}
GST_END_TEST

// --- Events, queries, flush ---

GST_START_TEST(test_gaps_that_nobody_takes_become_one)
{
  TestLink test(GST_SL_LINK_POLICY_IN_ORDER, 4);
  unsigned waiting = 0;
  const guint32 seqnum = gst_util_seqnum_next();
  for (GstClockTime n = 0; n < 10000; n++) {
    GstEvent *gap = gst_event_new_gap(n * 10, 10);
    gst_event_set_seqnum(gap, seqnum);
    waiting = test.link.push_event(adopt_mini(gap));
  }
  fail_unless(waiting < 100, "%u events wait", waiting);
  test.push(1);
  GstClockTime end = 0;
  for (LinkItem item = test.next(); item.kind == LinkItem::Kind::Event; item = test.next()) {
    const MiniPtr<GstEvent> event = adopt_mini(GST_EVENT_CAST(item.object));
    GstClockTime time, duration;
    gst_event_parse_gap(event.get(), &time, &duration);
    fail_unless_equals_uint64(time, end);
    end = time + duration;
    if (end == 100000)
      break;
  }
  fail_unless_equals_uint64(end, 100000);
  fail_unless_equals_uint64(test.next_buffer(), 1);
}
GST_END_TEST

GST_START_TEST(test_flush_keeps_sticky_events)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  test.link.push_event(adopt_mini(gst_event_new_stream_start("s")));
  MiniPtr<GstCaps> caps = adopt_mini(gst_caps_new_empty_simple("a/b"));
  test.link.push_event(adopt_mini(gst_event_new_caps(caps.get())));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  test.link.push_event(adopt_mini(gst_event_new_segment(&segment)));
  test.push(1);
  test.push_event(2);
  test.push(3);
  test.link.set_flushing();
  fail_unless(test.push(4) == GST_FLOW_EOS);
  test.link.flush();
  test.push(5);
  for (GstEventType type : {GST_EVENT_STREAM_START, GST_EVENT_CAPS}) {
    const LinkItem item = test.next();
    fail_unless(item.kind == LinkItem::Kind::Event && GST_EVENT_TYPE(item.object) == type);
    gst_mini_object_unref(item.object);
  }
  bool discont;
  fail_unless_equals_uint64(test.next_buffer(&discont), 5);
  fail_unless(discont);
  const LinkCounters counters = test.link.counters();
  check_sum(counters);
  fail_unless_equals_uint64(counters.dropped_flush, 2);
}
GST_END_TEST

GST_START_TEST(test_queries_wait_for_their_turn)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  test.push(1);
  std::atomic<int> answered = 0;
  std::thread pusher([&] {
    MiniPtr<GstQuery> query = adopt_mini(gst_query_new_drain());
    fail_unless(test.link.push_query(query.get()));
    answered++;
    // Nobody takes this one: a flush ends it.
    fail_if(test.link.push_query(query.get()));
    answered++;
  });
  g_usleep(20000);
  fail_unless_equals_int(answered, 0);
  fail_unless_equals_uint64(test.next_buffer(), 1);
  const LinkItem item = test.next();
  fail_unless(item.kind == LinkItem::Kind::Query);
  test.link.answer_query(true);
  g_usleep(20000);
  fail_unless_equals_int(answered, 1);
  test.link.set_flushing();
  pusher.join();
  fail_unless_equals_int(answered, 2);
  test.link.flush();
  fail_if(test.next());
}
GST_END_TEST

GST_START_TEST(test_another_consumer_goes_on)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  test.link.push_event(adopt_mini(gst_event_new_stream_start("s")));
  test.push(1);
  test.push(2);
  gst_mini_object_unref(test.next().object);
  fail_unless_equals_uint64(test.next_buffer(), 1);

  int other = 0;
  test.link.set_consumer(&other, std::make_shared<Parker>());
  {
    Link::ConsumerScope scope(test.link, &test);
    fail_if(static_cast<bool>(scope));
  }
  Link::ConsumerScope scope(test.link, &other);
  fail_unless(static_cast<bool>(scope));
  LinkItem item = test.link.take(test.link.peek(test.clock));
  fail_unless(GST_EVENT_TYPE(item.object) == GST_EVENT_STREAM_START);
  gst_mini_object_unref(item.object);
  item = test.link.take(test.link.peek(test.clock));
  fail_unless_equals_uint64(GST_BUFFER_OFFSET(item.object), 2);
  gst_mini_object_unref(item.object);
}
GST_END_TEST

GST_START_TEST(test_queueing_times_are_measured)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  for (uint64_t n = 1; n <= 20; n++) {
    test.push(n);
    g_usleep(5000);
    fail_unless_equals_uint64(test.next_buffer(), n);
  }
  const LinkCounters counters = test.link.counters();
  fail_unless_equals_int(counters.sampled, 1);
  fail_unless(counters.queueing_p50 >= 4500000, "p50 %" G_GUINT64_FORMAT, counters.queueing_p50);
  fail_unless(counters.queueing_p99 >= counters.queueing_p50);
  fail_unless(counters.queueing_max >= counters.queueing_p99);
  // At more than 10,000 a second one in 64 is enough.
  for (uint64_t n = 1; n <= 1000; n++) {
    test.push(n);
    test.next_buffer();
  }
  fail_unless_equals_int(test.link.counters().sampled, 64);
}
GST_END_TEST

static Suite *link_suite(void)
{
  Suite *suite = suite_create("link");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  // A lossless link of depth 1 hands over two threads for each item.
  tcase_set_timeout(tcase, 120);
  tcase_add_loop_test(tcase, test_a_million_items, 0, 9);
  tcase_add_test(tcase, test_in_order_drops_the_oldest);
  tcase_add_test(tcase, test_latest_waits_for_the_time_of_a_buffer);
  tcase_add_test(tcase, test_last_buffer_before_eos);
  tcase_add_test(tcase, test_encoded_video_resumes_at_a_key_unit);
  tcase_add_test(tcase, test_pause);
  tcase_add_test(tcase, test_eos_ends_a_pause);
  tcase_add_test(tcase, test_gaps_that_nobody_takes_become_one);
  tcase_add_test(tcase, test_flush_keeps_sticky_events);
  tcase_add_test(tcase, test_queries_wait_for_their_turn);
  tcase_add_test(tcase, test_another_consumer_goes_on);
  tcase_add_test(tcase, test_queueing_times_are_measured);
  return suite;
}

GST_CHECK_MAIN(link)
