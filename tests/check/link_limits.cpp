// SPDX-License-Identifier: LGPL-2.1-or-later
// Link: when it is full, and what its pusher does then.
#include <atomic>
#include <thread>

#include "test_link.h"

using namespace test_link;

GST_START_TEST(test_lossless_waits_and_is_woken)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 2);
  std::atomic<int> pushed = 0;
  std::thread pusher([&] {
    for (uint64_t n = 1; n <= 4; n++) {
      test.push(n);
      pushed++;
    }
  });
  g_usleep(50000);
  fail_unless_equals_int(pushed, 2);
  for (uint64_t n = 1; n <= 4;) {
    const uint64_t got = test.next_buffer();
    fail_unless(got == 0 || got == n++);
  }
  pusher.join();

  // A flush ends the wait as well.
  test.push(5);
  test.push(6);
  std::thread waiting([&] { fail_unless(test.push(7) == GST_FLOW_EOS); });
  g_usleep(20000);
  test.link.set_flushing();
  waiting.join();
  fail_unless_equals_int(test.link.flow(), GST_FLOW_FLUSHING);
}
GST_END_TEST

GST_START_TEST(test_bytes_and_time_are_limits)
{
  TestLink bytes(GST_SL_LINK_POLICY_IN_ORDER, 100);
  bytes.link.set_max_bytes(250);
  for (int i = 0; i < 10; i++)
    bytes.link.push(GST_MINI_OBJECT_CAST(gst_buffer_new_allocate(nullptr, 100, nullptr)), 0);
  fail_unless_equals_uint64(bytes.link.counters().level(), 3);

  TestLink time(GST_SL_LINK_POLICY_IN_ORDER, 100);
  time.link.set_max_time(50);
  for (uint64_t n = 1; n <= 20; n++)
    time.push(n, n * 10);
  fail_unless_equals_uint64(time.next_buffer(), 15);
}
GST_END_TEST

GST_START_TEST(test_a_pusher_that_must_not_wait)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 2);
  test.link.set_slack(3);
  auto push = [&] {
    return test.link.push(GST_MINI_OBJECT_CAST(gst_buffer_new()), 0, Link::Wait::Forbidden);
  };
  fail_unless(push() == Link::Pushed::Done);
  fail_unless(push() == Link::Pushed::Suspend);
  // What one step still emits goes in.
  fail_unless(push() == Link::Pushed::Suspend);
  struct Woken final : Wakeable {
    void wake() override { count++; }
    int count = 0;
  } pusher;
  fail_unless(test.link.arm_space(&pusher));
  fail_unless_equals_uint64(test.link.counters().level(), 3);
  gst_mini_object_unref(test.next().object);
  fail_unless_equals_int(pusher.count, 0);
  gst_mini_object_unref(test.next().object);
  fail_unless_equals_int(pusher.count, 1);
  fail_if(test.link.arm_space(&pusher));
  // A flush ends the wait as well.
  push();
  push();
  fail_unless(test.link.arm_space(&pusher));
  test.link.set_flushing();
  fail_unless_equals_int(pusher.count, 2);
}
GST_END_TEST

// A link that has grown knows what is queued in the rings after the first.
GST_START_TEST(test_limits_after_growth)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 2);
  fail_unless_equals_int(test.push(1, 0), GST_FLOW_OK);
  test.link.set_depth(100);
  for (uint64_t n = 2; n <= 80; n++)
    fail_unless_equals_int(test.push(n, n * 10), GST_FLOW_OK);
  test.link.set_max_time(100);
  for (uint64_t n = 1; n <= 80; n++)
    fail_unless_equals_uint64(test.next_buffer(), n);
  const auto push = [&](uint64_t n) {
    GstBuffer *buffer = gst_buffer_new();
    GST_BUFFER_OFFSET(buffer) = n;
    return test.link.push(GST_MINI_OBJECT_CAST(buffer), n * 10, Link::Wait::Forbidden);
  };
  // Empty: there is room. Then for as long as the limit says.
  for (uint64_t n = 81; n <= 90; n++)
    fail_unless(push(n) == Link::Pushed::Done, "full at %u", static_cast<unsigned>(n));
  fail_unless(push(91) == Link::Pushed::Suspend);
  fail_unless_equals_uint64(test.next_buffer(), 81);
}
GST_END_TEST

// A buffer that is greater than the limit comes through, alone.
GST_START_TEST(test_greater_than_the_limit)
{
  TestLink test(GST_SL_LINK_POLICY_LOSSLESS, 8);
  test.link.set_max_bytes(10);
  const auto push = [&] {
    return test.link.push(GST_MINI_OBJECT_CAST(gst_buffer_new_allocate(nullptr, 100, nullptr)), 0,
                          Link::Wait::Forbidden);
  };
  for (int i = 0; i < 3; i++) {
    fail_unless(push() == Link::Pushed::Suspend);
    gst_mini_object_unref(test.next().object);
  }
}
GST_END_TEST

GST_START_TEST(test_depth_may_grow_while_data_flows)
{
  TestLink test(GST_SL_LINK_POLICY_IN_ORDER, 4);
  for (uint64_t n = 1; n <= 4; n++)
    test.push(n);
  test.link.set_depth(1000);
  for (uint64_t n = 5; n <= 1000; n++)
    test.push(n);
  fail_unless_equals_uint64(test.link.counters().level(), 1000);
  test.push(1001);
  test.push(1002);
  for (uint64_t n = 3; n <= 1002; n++)
    fail_unless_equals_uint64(test.next_buffer(), n);
}
GST_END_TEST

static Suite *link_limits_suite(void)
{
  Suite *suite = suite_create("link limits");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_lossless_waits_and_is_woken);
  tcase_add_test(tcase, test_bytes_and_time_are_limits);
  tcase_add_test(tcase, test_a_pusher_that_must_not_wait);
  tcase_add_test(tcase, test_limits_after_growth);
  tcase_add_test(tcase, test_greater_than_the_limit);
  tcase_add_test(tcase, test_depth_may_grow_while_data_flows);
  return suite;
}

GST_CHECK_MAIN(link_limits)
