// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor with several link pads: flushes and seeks.
#include <thread>

#include "joined.h"

using namespace joined;

GST_START_TEST(flush_of_one_pad_is_its_own)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  for (guint64 i = 0; i < 3; i++)
    joined.in(0).push(i * GST_SECOND, i);
  joined.in(0).event(gst_event_new_flush_start());
  fail_unless_equals_int(joined.in(0).push(0), GST_FLOW_FLUSHING);
  fail_unless_equals_int(joined.in(1).push(0, 10), GST_FLOW_OK);
  sleep_ms(50);
  fail_unless_equals_int(joined.steps().size(), 0);
  joined.in(0).event(gst_event_new_flush_stop(TRUE));
  joined.in(0).segment(100 * GST_SECOND);
  joined.in(0).push(100 * GST_SECOND, 20);
  fail_unless(joined.has_steps(1));
  const auto steps = joined.steps();
  fail_unless(is_of(steps[0], 0, 20) && is_of(steps[0], 1, 10));
  fail_unless_equals_uint64(steps[0][0]->running_time, 0);
  fail_unless_equals_uint64(joined.in(0).stat("dropped-flush"), 3);
  fail_unless_equals_uint64(joined.in(1).stat("dropped"), 0);
  fail_unless(eventually([&] { return joined.out().buffers() == 1; }));
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 0);
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_STOP), 0);
}
GST_END_TEST;

// A flush revives a pad that was at its end, as long as the stream of all has not ended.
GST_START_TEST(flush_after_eos_of_one_pad)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  joined.in(0).eos();
  joined.in(1).push(0, 10);
  fail_unless(joined.has_steps(1));
  joined.in(0).flush();
  joined.in(0).segment(0);
  joined.in(1).push(GST_SECOND, 11);
  sleep_ms(50);
  fail_unless_equals_int(joined.steps().size(), 1);
  joined.in(0).push(GST_SECOND, 1);
  fail_unless(joined.has_steps(2));
  fail_unless(is_of(joined.steps()[1], 0, 1) && is_of(joined.steps()[1], 1, 11));
}
GST_END_TEST;

// Each pad gets the seek once, downstream one flush, and no step joins what was before the seek
// with what comes after it, though the pads flush one after the other.
GST_START_TEST(flushing_seek_is_one_flush)
{
  for (const size_t with_old_data : {0, 1}) {
    Joined joined(2);
    for (size_t i = 0; i < 2; i++) {
      Feeder &in = joined.in(i);
      in.on_event = [&in](GstEvent *event) {
        if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK)
          return true;
        // As a source does that has this pad alone, and goes on at once.
        sleep_ms(20);
        in.flush();
        in.segment(GST_SECOND);
        in.push(GST_SECOND, 1000);
        in.push(2 * GST_SECOND, 1001);
        sleep_ms(20);
        return true;
      };
    }
    joined.rig.play();
    joined.open_all();
    joined.in(0).push(0, 0);
    joined.in(1).push(0, 0);
    fail_unless(joined.has_steps(1));
    for (guint64 i = 1; i < 4; i++)
      joined.in(with_old_data).push(i * GST_SECOND, i);

    fail_unless(send_seek(joined.out(), GST_SEEK_FLAG_FLUSH));
    fail_unless(joined.has_steps(3));
    const auto steps = joined.steps();
    for (size_t pad = 0; pad < 2; pad++) {
      fail_unless_equals_int(joined.in(pad).seeks, 1);
      fail_unless(is_of(steps[1], pad, 1000) && is_of(steps[2], pad, 1001));
    }
    fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 1);
    fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_STOP), 1);
    // After the flush the stream is placed anew.
    fail_unless(eventually([&] { return joined.out().buffers() == 3; }));
    fail_unless_equals_int(joined.out().count(GST_EVENT_SEGMENT), 2);
    // And a later flush of one pad is its own again.
    joined.in(0).flush();
    fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 1);
  }
}
GST_END_TEST;

// Sources that seek in threads of their own.
GST_START_TEST(flushes_that_follow_a_seek_are_one_flush)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  joined.in(0).push(0, 0);
  joined.in(1).push(0, 0);
  fail_unless(joined.has_steps(1));
  fail_unless(send_seek(joined.out(), GST_SEEK_FLAG_FLUSH));
  joined.in(0).event(gst_event_new_flush_start());
  std::thread other([&] { joined.in(1).event(gst_event_new_flush_start()); });
  other.join();
  joined.in(0).event(gst_event_new_flush_stop(TRUE));
  joined.in(1).event(gst_event_new_flush_stop(TRUE));
  for (size_t i = 0; i < 2; i++) {
    joined.in(i).segment(0);
    joined.in(i).push(0, 5);
  }
  fail_unless(joined.has_steps(2));
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 1);
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_STOP), 1);
}
GST_END_TEST;

GST_START_TEST(seek_without_flush_goes_up_once)
{
  Joined joined(3);
  joined.rig.play();
  joined.open_all();
  fail_unless(send_seek(joined.out(), static_cast<GstSeekFlags>(0)));
  for (size_t i = 0; i < 3; i++)
    fail_unless_equals_int(joined.in(i).seeks, 1);
  joined.in(0).flush();
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 0);
}
GST_END_TEST;

GST_START_TEST(refused_seek_is_forgotten)
{
  Joined joined(2);
  for (size_t i = 0; i < 2; i++)
    joined.in(i).on_event = [](GstEvent *event) { return GST_EVENT_TYPE(event) != GST_EVENT_SEEK; };
  joined.rig.play();
  joined.open_all();
  fail_unless(!send_seek(joined.out(), GST_SEEK_FLAG_FLUSH));
  joined.in(0).flush();
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 0);
}
GST_END_TEST;

// After the end of all, a flushing seek begins the stream anew.
GST_START_TEST(flushing_seek_after_the_end)
{
  Joined joined(2);
  for (size_t i = 0; i < 2; i++) {
    Feeder &in = joined.in(i);
    in.on_event = [&in](GstEvent *event) {
      if (GST_EVENT_TYPE(event) == GST_EVENT_SEEK) {
        in.flush();
        in.segment(0);
      }
      return true;
    };
  }
  joined.rig.play();
  joined.open_all();
  joined.in(0).eos();
  joined.in(1).eos();
  fail_unless(eventually([&] { return joined.out().has_eos(); }));
  joined.out().clear();
  fail_unless(send_seek(joined.out(), GST_SEEK_FLAG_FLUSH));
  joined.in(0).push(0, 1);
  joined.in(1).push(0, 2);
  fail_unless(eventually([&] { return joined.out().buffers() == 1; }));
  joined.in(0).eos();
  joined.in(1).eos();
  fail_unless(eventually([&] { return joined.out().has_eos(); }));
}
GST_END_TEST;

static Suite *processor_join_flush_suite()
{
  Suite *suite = suite_create("joined flushes");
  TCase *tc = tcase_create("joined flushes");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, flush_of_one_pad_is_its_own);
  tcase_add_test(tc, flush_after_eos_of_one_pad);
  tcase_add_test(tc, flushing_seek_is_one_flush);
  tcase_add_test(tc, flushes_that_follow_a_seek_are_one_flush);
  tcase_add_test(tc, seek_without_flush_goes_up_once);
  tcase_add_test(tc, refused_seek_is_forgotten);
  tcase_add_test(tc, flushing_seek_after_the_end);
  return suite;
}

GST_CHECK_MAIN(processor_join_flush)
