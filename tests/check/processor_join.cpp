// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor with several link pads.
#include <thread>

#include <gst/check/gsttestclock.h>

#include "joined.h"

using namespace joined;

GST_START_TEST(segments_meet_in_running_time)
{
  Joined joined(2);
  joined.rig.play();
  joined.in(0).open(10 * GST_SECOND);
  joined.in(1).open(GST_SECOND, 4 * GST_SECOND, "application/x-other");
  for (guint64 i = 0; i < 10; i++) {
    joined.in(0).push(10 * GST_SECOND + i * GST_SECOND, i, GST_SECOND);
    joined.in(1).push(GST_SECOND + i * GST_SECOND, 100 + i, GST_SECOND);
  }
  fail_unless(joined.has_steps(10));
  const auto steps = joined.steps();
  for (guint64 i = 0; i < 10; i++) {
    fail_unless(is_of(steps[i], 0, i) && is_of(steps[i], 1, 100 + i));
    fail_unless_equals_uint64(steps[i][0]->running_time, i * GST_SECOND);
    fail_unless_equals_uint64(steps[i][1]->running_time, (4 + i) * GST_SECOND);
  }
  // The output is a stream of its own: one opening, in a segment that begins at 0.
  fail_unless(eventually([&] { return joined.out().buffers() == 10; }));
  const auto seen = joined.out().seen();
  fail_unless_equals_int(seen[0].event, GST_EVENT_STREAM_START);
  fail_unless_equals_int(seen[1].event, GST_EVENT_CAPS);
  fail_unless_equals_int(seen[2].event, GST_EVENT_SEGMENT);
  fail_unless_equals_int(seen.size(), 13);
  const GstSegment *segment;
  gst_event_parse_segment(GST_EVENT_CAST(seen[2].object.get()), &segment);
  fail_unless_equals_int(segment->format, GST_FORMAT_TIME);
  fail_unless_equals_uint64(gst_segment_to_running_time(segment, GST_FORMAT_TIME, 0), 0);
}
GST_END_TEST;

GST_START_TEST(each_pad_has_its_segment_and_caps)
{
  Joined joined(2);
  std::atomic<bool> is_checked = false;
  joined.after_step = [&] {
    const char *const names[] = {"application/x-test", "application/x-other"};
    for (guint i = 0; i < 2; i++) {
      GstSegment segment;
      gst_sl_link_pad_get_segment(joined.in(i).sink(), &segment);
      fail_unless_equals_uint64(segment.start, (i + 1) * GST_SECOND);
      const auto caps = adopt_mini(gst_sl_link_pad_get_caps(joined.in(i).sink()));
      fail_unless(gst_structure_has_name(gst_caps_get_structure(caps.get(), 0), names[i]));
      fail_unless(!gst_sl_link_pad_is_eos(joined.in(i).sink()));
    }
    is_checked = true;
  };
  joined.rig.play();
  joined.in(0).open(GST_SECOND);
  joined.in(1).open(2 * GST_SECOND, 0, "application/x-other");
  joined.in(0).push(GST_SECOND);
  joined.in(1).push(2 * GST_SECOND);
  fail_unless(eventually([&] { return is_checked.load(); }));
}
GST_END_TEST;

GST_START_TEST(step_waits_for_every_pad)
{
  Joined joined(3);
  joined.rig.play();
  joined.open_all();
  joined.in(0).push(0, 1);
  joined.in(2).push(0, 3);
  sleep_ms(100);
  fail_unless_equals_int(joined.steps().size(), 0);
  fail_unless_equals_uint64(joined.rig.stat("late-joins"), 0);
  joined.in(1).push(0, 2);
  fail_unless(joined.has_steps(1));
  const auto steps = joined.steps();
  fail_unless(is_of(steps[0], 0, 1) && is_of(steps[0], 1, 2) && is_of(steps[0], 2, 3));
}
GST_END_TEST;

GST_START_TEST(ends_when_all_have_ended)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  joined.in(0).push(0, 1);
  joined.in(0).eos();
  for (guint64 i = 0; i < 5; i++)
    joined.in(1).push(i * GST_SECOND, 10 + i);
  // One is at its end: the other goes on alone.
  fail_unless(joined.has_steps(5));
  const auto steps = joined.steps();
  fail_unless(is_of(steps[0], 0, 1));
  for (guint64 i = 0; i < 5; i++) {
    fail_unless(is_of(steps[i], 1, 10 + i));
    fail_unless(i == 0 || !steps[i][0]);
  }
  sleep_ms(50);
  fail_unless(!joined.out().has_eos());
  joined.in(1).eos();
  fail_unless(eventually([&] { return joined.out().has_eos(); }));
  fail_unless_equals_int(joined.out().buffers(), 5);
  fail_unless_equals_int(joined.out().count(GST_EVENT_EOS), 1);
  fail_unless_equals_int(joined.out().seen().back().event, GST_EVENT_EOS);
}
GST_END_TEST;

GST_START_TEST(nothing_but_eos_is_an_empty_stream)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  joined.in(0).eos();
  joined.in(1).eos();
  fail_unless(eventually([&] { return joined.out().has_eos(); }));
  fail_unless_equals_int(joined.steps().size(), 0);
  fail_unless_equals_int(joined.out().seen().front().event, GST_EVENT_STREAM_START);
}
GST_END_TEST;

GST_START_TEST(gap_shows_as_a_buffer)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  joined.in(0).event(gst_event_new_gap(2 * GST_SECOND, GST_SECOND));
  joined.in(0).event(gst_event_new_gap(3 * GST_SECOND, GST_SECOND / 2));
  joined.in(0).push(4 * GST_SECOND, 7);
  for (guint64 i = 0; i < 3; i++)
    joined.in(1).push((2 + i) * GST_SECOND, i);
  fail_unless(joined.has_steps(3));
  const auto steps = joined.steps();
  fail_unless(steps[0][0]->is_gap && steps[1][0]->is_gap && !steps[2][0]->is_gap);
  fail_unless_equals_uint64(steps[0][0]->running_time, 2 * GST_SECOND);
  fail_unless_equals_uint64(steps[0][0]->duration, GST_SECOND);
  fail_unless_equals_uint64(steps[1][0]->running_time, 3 * GST_SECOND);
  fail_unless_equals_uint64(steps[1][0]->duration, GST_SECOND / 2);
  fail_unless(is_of(steps[2], 0, 7));
  for (guint64 i = 0; i < 3; i++)
    fail_unless(is_of(steps[i], 1, i));
  // What the processor makes of a gap is its affair: none goes downstream by itself.
  fail_unless_equals_int(joined.out().count(GST_EVENT_GAP), 0);
}
GST_END_TEST;

// A live pad that has nothing is waited for until the earliest head is due, by the pipeline's clock
// and latency, and no longer.
GST_START_TEST(late_pad_is_left_out_at_the_deadline)
{
  const auto clock = adopt_object(gst_test_clock_new());
  GstTestClock *test_clock = GST_TEST_CLOCK(clock.get());
  Joined joined(2);
  for (size_t i = 0; i < 2; i++) {
    joined.in(i).live = true;
    joined.in(i).min_latency = 20 * GST_MSECOND;
  }
  gst_test_clock_set_time(test_clock, 1000 * GST_SECOND);
  joined.rig.play(clock.get());
  fail_unless(ask_latency(joined.out()).live);
  gst_pad_push_event(joined.out().pad(), gst_event_new_latency(50 * GST_MSECOND));
  joined.open_all();

  joined.in(0).push(100 * GST_MSECOND, 1);
  gst_test_clock_advance_time(test_clock, 149 * GST_MSECOND);
  sleep_ms(50);
  fail_unless_equals_int(joined.steps().size(), 0);
  gst_test_clock_advance_time(test_clock, GST_MSECOND);
  fail_unless(joined.has_steps(1));
  auto steps = joined.steps();
  fail_unless(is_of(steps[0], 0, 1) && !steps[0][1]);
  fail_unless_equals_uint64(joined.rig.stat("late-joins"), 1);

  // In time again, nothing is late.
  joined.in(0).push(200 * GST_MSECOND, 2);
  joined.in(1).push(200 * GST_MSECOND, 12);
  fail_unless(joined.has_steps(2));
  steps = joined.steps();
  fail_unless(is_of(steps[1], 0, 2) && is_of(steps[1], 1, 12));
  fail_unless_equals_uint64(joined.rig.stat("late-joins"), 1);
}
GST_END_TEST;

// The same by the clock of the system.
GST_START_TEST(deadline_stands_on_the_system_clock)
{
  Joined joined(2);
  joined.in(0).live = joined.in(1).live = true;
  std::atomic<gint64> stepped_at = 0;
  joined.after_step = [&] { stepped_at = g_get_monotonic_time(); };
  const gint64 began_at = g_get_monotonic_time();
  joined.rig.play();
  ask_latency(joined.out());
  gst_pad_push_event(joined.out().pad(), gst_event_new_latency(60 * GST_MSECOND));
  joined.open_all();
  joined.in(0).push(40 * GST_MSECOND, 1);
  fail_unless(joined.has_steps(1));
  fail_unless(stepped_at - began_at >= 100 * 1000);
  fail_unless_equals_uint64(joined.rig.stat("late-joins"), 1);
}
GST_END_TEST;

GST_START_TEST(pad_that_is_not_live_is_waited_for)
{
  Joined joined(2);
  joined.rig.play();
  fail_unless(!ask_latency(joined.out()).live);
  joined.open_all();
  joined.in(0).push(0, 1);
  sleep_ms(100);
  fail_unless_equals_int(joined.steps().size(), 0);
}
GST_END_TEST;

GST_START_TEST(latency_is_the_greatest_minimum_and_the_least_maximum)
{
  Joined joined(3);
  const struct {
    bool live;
    GstClockTime min, max;
  } answers[] = {{true, 10, 100}, {true, 30, 50}, {false, 500, 20}};
  for (size_t i = 0; i < 3; i++) {
    joined.in(i).live = answers[i].live;
    joined.in(i).min_latency = answers[i].min * GST_MSECOND;
    joined.in(i).max_latency = answers[i].max * GST_MSECOND;
    // A lossless link makes its source wait and so sets no maximum.
    g_object_set(joined.in(i).sink(), "policy", GST_SL_LINK_POLICY_IN_ORDER, nullptr);
  }
  joined.rig.play();
  Latency latency = ask_latency(joined.out());
  fail_unless(latency.live);
  fail_unless_equals_uint64(latency.min, 30 * GST_MSECOND);
  fail_unless_equals_uint64(latency.max, 50 * GST_MSECOND);

  // What the processor itself adds is in both, and the pipeline is told.
  gst_sl_processor_set_latency(joined.rig.processor(), 5 * GST_MSECOND);
  fail_unless(joined.rig.message(GST_MESSAGE_LATENCY, 0));
  latency = ask_latency(joined.out());
  fail_unless_equals_uint64(latency.min, 35 * GST_MSECOND);
  fail_unless_equals_uint64(latency.max, 55 * GST_MSECOND);
  gst_sl_processor_set_latency(joined.rig.processor(), 5 * GST_MSECOND);
  fail_unless(!joined.rig.message(GST_MESSAGE_LATENCY, 0));

  for (size_t i = 0; i < 3; i++)
    g_object_set(joined.in(i).sink(), "policy", GST_SL_LINK_POLICY_LOSSLESS, nullptr);
  fail_unless(!GST_CLOCK_TIME_IS_VALID(ask_latency(joined.out()).max));
}
GST_END_TEST;

GST_START_TEST(pads_come_and_go_while_it_runs)
{
  Joined joined(2);
  joined.rig.play();
  joined.open_all();
  guint64 time = 0;
  size_t expected = 0;
  const auto push_all = [&](size_t pads) {
    for (size_t i = 0; i < pads; i++)
      fail_unless_equals_int(joined.in(i).push(time, time), GST_FLOW_OK);
    time++;
    fail_unless(joined.has_steps(++expected));
    const Step step = joined.steps().back();
    fail_unless_equals_int(step.size(), pads);
    for (size_t i = 0; i < pads; i++)
      fail_unless(is_of(step, i, time - 1));
  };
  push_all(2);
  Feeder &third = joined.add_pad();
  third.open();
  push_all(3);
  push_all(3);
  // The others wait for it, until it goes.
  joined.in(0).push(time, time);
  joined.in(1).push(time, time);
  sleep_ms(30);
  fail_unless_equals_int(joined.steps().size(), expected);
  joined.forget_pad(third.sink());
  gst_element_release_request_pad(joined.rig.element(), GST_PAD(third.sink()));
  fail_unless(joined.has_steps(++expected));
  time++;
  push_all(2);
}
GST_END_TEST;

GST_START_TEST(refusal_of_downstream_reaches_every_pad)
{
  for (const GstFlowReturn answer : {GST_FLOW_EOS, GST_FLOW_ERROR}) {
    Joined joined(2);
    joined.out().on_buffer = [answer](GstBuffer *) { return answer; };
    joined.rig.play();
    joined.open_all();
    joined.in(0).push(0);
    joined.in(1).push(0);
    for (size_t i = 0; i < 2; i++)
      fail_unless(eventually([&] { return joined.in(i).push(0) == answer; }));
    fail_unless(eventually([&] { return joined.out().has_eos(); }));
  }
}
GST_END_TEST;

// A processor that has all heads and takes none is not asked again and again.
GST_START_TEST(step_that_takes_nothing_does_not_spin)
{
  std::atomic<int> calls = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    calls++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Join, hooks);
  rig.add_recorder();
  for (size_t i = 0; i < 2; i++)
    rig.add_feeder();
  rig.play();
  for (size_t i = 0; i < 2; i++) {
    rig.feeder(i).open();
    rig.feeder(i).push(0);
  }
  fail_unless(eventually([&] { return calls > 0; }));
  sleep_ms(50);
  fail_unless(calls < 5);
  const int before = calls;
  rig.feeder(0).push(GST_SECOND);
  fail_unless(eventually([&] { return calls > before; }));
}
GST_END_TEST;

// A sink with several pads: one message when all have ended.
GST_START_TEST(joining_sink_posts_one_eos)
{
  Joined joined(2, Kind::JoinSink);
  joined.rig.play();
  joined.open_all();
  for (guint64 i = 0; i < 3; i++) {
    joined.in(0).push(i, i);
    joined.in(1).push(i, i);
  }
  joined.in(0).eos();
  fail_unless(joined.has_steps(3));
  fail_unless(!joined.rig.message(GST_MESSAGE_EOS, 50));
  joined.in(1).eos();
  fail_unless(joined.rig.message(GST_MESSAGE_EOS));
  fail_unless(!joined.rig.message(GST_MESSAGE_EOS, 20));
}
GST_END_TEST;

// Random ends and flushes of pads at once do not hang and leave nothing behind.
GST_START_TEST(three_busy_pads)
{
  Joined joined(3);
  joined.flushes = true;
  joined.rig.play();
  std::vector<std::thread> threads;
  for (size_t i = 0; i < 3; i++) {
    threads.emplace_back([&joined, i] {
      Feeder &in = joined.in(i);
      in.open();
      for (guint64 k = 0; k < 2000; k++) {
        if (k % (211 + i) == 210) {
          in.flush();
          in.segment(0);
        }
        const GstFlowReturn flow = in.push(k * GST_MSECOND, k);
        fail_unless(flow == GST_FLOW_OK);
      }
      in.eos();
    });
  }
  for (auto &thread : threads)
    thread.join();
  fail_unless(eventually([&] { return joined.out().has_eos(); }, 20000));
  fail_unless_equals_int(joined.out().count(GST_EVENT_FLUSH_START), 0);
  for (size_t i = 0; i < 3; i++) {
    fail_unless_equals_uint64(joined.in(i).stat("level"), 0);
    fail_unless_equals_uint64(joined.in(i).stat("popped") + joined.in(i).stat("dropped-flush"),
                              2000);
  }
}
GST_END_TEST;

// One pad is the least of several: the output is the processor's own stream as ever, and no step is
// given a buffer.
GST_START_TEST(one_pad_is_several)
{
  Joined joined(1);
  joined.rig.play();
  joined.in(0).open(10 * GST_SECOND);
  joined.in(0).push(11 * GST_SECOND, 1);
  fail_unless(joined.has_steps(1));
  fail_unless(is_of(joined.steps()[0], 0, 1));
  const StructurePtr stats = joined.rig.stats();
  fail_unless(gst_structure_has_field_typed(stats.get(), "sink_0", GST_TYPE_STRUCTURE));
  joined.in(0).eos();
  fail_unless(eventually([&] { return joined.out().has_eos(); }));
  const auto seen = joined.out().seen();
  const GstSegment *segment;
  gst_event_parse_segment(GST_EVENT_CAST(seen[2].object.get()), &segment);
  fail_unless_equals_uint64(segment->start, 0);
  fail_unless_equals_uint64(GST_BUFFER_PTS(seen[3].buffer()), GST_SECOND);
}
GST_END_TEST;

static Suite *processor_join_suite()
{
  Suite *suite = suite_create("processor with several link pads");
  TCase *tc = tcase_create("joined");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, segments_meet_in_running_time);
  tcase_add_test(tc, each_pad_has_its_segment_and_caps);
  tcase_add_test(tc, step_waits_for_every_pad);
  tcase_add_test(tc, ends_when_all_have_ended);
  tcase_add_test(tc, nothing_but_eos_is_an_empty_stream);
  tcase_add_test(tc, gap_shows_as_a_buffer);
  tcase_add_test(tc, late_pad_is_left_out_at_the_deadline);
  tcase_add_test(tc, deadline_stands_on_the_system_clock);
  tcase_add_test(tc, pad_that_is_not_live_is_waited_for);
  tcase_add_test(tc, latency_is_the_greatest_minimum_and_the_least_maximum);
  tcase_add_test(tc, pads_come_and_go_while_it_runs);
  tcase_add_test(tc, refusal_of_downstream_reaches_every_pad);
  tcase_add_test(tc, step_that_takes_nothing_does_not_spin);
  tcase_add_test(tc, joining_sink_posts_one_eos);
  tcase_add_test(tc, one_pad_is_several);
  tcase_add_test(tc, three_busy_pads);
  return suite;
}

GST_CHECK_MAIN(processor_join)
