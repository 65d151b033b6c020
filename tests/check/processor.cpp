// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor: when a step is taken.
#include <algorithm>
#include <thread>

#include <pthread.h>
#include <sched.h>

#include "processor_fixture.h"

using namespace fixture;

namespace {

constexpr gint64 kMicro = 1000;

}  // namespace

GST_START_TEST(reactive_takes_what_comes_in_order)
{
  std::atomic<GThread *> worker = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *pad, GstBuffer *input, GstBuffer **output) {
    fail_unless(pad != nullptr);
    worker = g_thread_self();
    *output = input;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  for (guint64 i = 0; i < 100; i++)
    fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));

  const auto seen = rig.out().seen();
  const GstEventType opening[] = {GST_EVENT_STREAM_START, GST_EVENT_CAPS, GST_EVENT_SEGMENT};
  for (size_t i = 0; i < 3; i++)
    fail_unless_equals_int(seen[i].event, opening[i]);
  const auto numbers = rig.out().numbers();
  fail_unless_equals_int(numbers.size(), 100);
  for (guint64 i = 0; i < 100; i++)
    fail_unless_equals_uint64(numbers[i], i);
  fail_unless_equals_int(seen.back().event, GST_EVENT_EOS);
  fail_unless(worker.load() != g_thread_self());
  fail_unless_equals_uint64(rig.stat("popped"), 100);
  fail_unless(rig.stat("steps") >= 100);
}
GST_END_TEST;

// Ticks stand on a grid: whatever one takes, those after it do not move. Work of 2 ms a tick would
// move the last of 200 by 400 ms if the period began where the work ended.
GST_START_TEST(continuous_does_not_drift)
{
  constexpr size_t kTicks = 200;
  constexpr gint64 kInterval = 5 * kMicro;
  std::vector<gint64> ticks;
  std::vector<guint64> missed;
  std::atomic<bool> is_done = false;
  Rig *rig_of_process = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *pad, GstBuffer *input, GstBuffer **) {
    fail_unless(pad == nullptr && input == nullptr);
    ticks.push_back(g_get_monotonic_time());
    missed.push_back(rig_of_process->stat("missed-ticks"));
    sleep_ms(2);
    is_done = ticks.size() >= kTicks;
    return is_done ? GST_FLOW_EOS : GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig_of_process = &rig;
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{5 * GST_MSECOND});
  rig.play();
  fail_unless(eventually([&] { return is_done.load(); }, 20000));
  rig.stop();

  // By how much each tick came after its place on the grid, skipped ones counted.
  std::vector<gint64> late;
  for (size_t i = 0; i < kTicks; i++)
    late.push_back(ticks[i] - ticks[0] -
                   static_cast<gint64>(i + missed[i] - missed[0]) * kInterval);
  const auto median = [&late](size_t from, size_t to) {
    std::vector<gint64> part(late.begin() + static_cast<int>(from),
                             late.begin() + static_cast<int>(to));
    std::nth_element(part.begin(), part.begin() + static_cast<int>(part.size() / 2), part.end());
    return part[part.size() / 2];
  };
  const gint64 drift = median(kTicks - 40, kTicks) - median(0, 40);
  GST_INFO("drift %" G_GINT64_FORMAT " us, %" G_GUINT64_FORMAT " missed", drift, missed.back());
  fail_unless(std::abs(drift) < kInterval, "drift %ld us", static_cast<long>(drift));
}
GST_END_TEST;

GST_START_TEST(continuous_skips_and_counts_missed_ticks)
{
  constexpr gint64 kInterval = 10 * kMicro;
  std::vector<gint64> ticks;
  std::atomic<size_t> count = 0;
  std::atomic<guint64> missed_by_the_long_one = 0;
  Rig *rig_of_process = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    ticks.push_back(g_get_monotonic_time());
    if (count == 5) {
      missed_by_the_long_one -= rig_of_process->stat("missed-ticks");
      sleep_ms(55);
    } else if (count == 6) {
      missed_by_the_long_one += rig_of_process->stat("missed-ticks");
    }
    count++;
    return count < 20 ? GST_FLOW_OK : GST_FLOW_EOS;
  };
  Rig rig(Kind::Source, hooks);
  rig_of_process = &rig;
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{10 * GST_MSECOND});
  rig.play();
  fail_unless(eventually([&] { return count >= 20; }));
  rig.stop();

  // 55 ms cover the places of at least four more ticks.
  fail_unless(missed_by_the_long_one >= 4);
  // They are not made up for: no tick follows another one in much less than what is left of its
  // interval, so all of them together take their time.
  const gint64 places = static_cast<gint64>(19 + rig.stat("missed-ticks"));
  const gint64 took = ticks[19] - ticks[0];
  fail_unless(took > (places - 1) * kInterval - kInterval, "%ld us for %ld places",
              static_cast<long>(took), static_cast<long>(places));
}
GST_END_TEST;

GST_START_TEST(continuous_follows_a_new_interval_at_once)
{
  std::atomic<int> ticks = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    ticks++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{GST_SECOND * 3600});
  rig.play();
  fail_unless(eventually([&] { return ticks == 1; }));
  rig.set("interval", guint64{GST_MSECOND});
  fail_unless(eventually([&] { return ticks > 10; }));
  // The time before was no time of missed ticks.
  fail_unless(rig.stat("missed-ticks") < 1000);
}
GST_END_TEST;

// A continuous processor with a link finds what came since the last tick.
GST_START_TEST(continuous_takes_from_its_link)
{
  GstSlLinkPad *link = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    *output = gst_sl_link_pad_pop_buffer(link);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  link = in.sink();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{GST_MSECOND});
  rig.play();
  in.open();
  for (guint64 i = 0; i < 20; i++)
    fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless_equals_int(rig.out().buffers(), 20);
}
GST_END_TEST;

GST_START_TEST(manual_drives_itself_between_start_and_stop)
{
  std::atomic<int> starts = 0, stops = 0;
  std::atomic<bool> may_run = false;
  std::thread thread;
  GstSlProcessor *processor = nullptr;
  Hooks hooks;
  hooks.start = [&](GError **) {
    starts++;
    may_run = true;
    thread = std::thread([&] {
      for (guint64 i = 0; may_run; i++) {
        gst_sl_processor_push(processor, nullptr, make_buffer(i * GST_MSECOND, i));
        sleep_ms(1);
      }
    });
    return true;
  };
  hooks.stop = [&] {
    stops++;
    may_run = false;
    thread.join();
  };
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    fail("a manual processor is not stepped");
    return take(input);
  };
  Rig rig(Kind::Source, hooks);
  processor = rig.processor();
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_MANUAL);
  for (int round = 1; round <= 3; round++) {
    rig.out().clear();
    rig.play();
    fail_unless(eventually([&] { return rig.out().buffers() >= 10; }));
    fail_unless_equals_int(starts, round);
    fail_unless_equals_int(stops, round - 1);
    rig.stop();
    fail_unless_equals_int(starts, round);
    fail_unless_equals_int(stops, round);
    const auto seen = rig.out().seen();
    fail_unless_equals_int(seen[0].event, GST_EVENT_STREAM_START);
    fail_unless_equals_int(seen[1].event, GST_EVENT_SEGMENT);
    const auto numbers = rig.out().numbers();
    for (guint64 i = 0; i < numbers.size(); i++)
      fail_unless_equals_uint64(numbers[i], i);
  }
}
GST_END_TEST;

GST_START_TEST(manual_start_that_fails_fails_the_state_change)
{
  std::atomic<int> teardowns = 0;
  Hooks hooks;
  hooks.start = [](GError **error) {
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY, "The thing is taken.");
    return false;
  };
  hooks.teardown = [&] { teardowns++; };
  Rig rig(Kind::Source, hooks);
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_MANUAL);
  fail_unless_equals_int(rig.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto error = rig.message(GST_MESSAGE_ERROR);
  fail_unless(error);
  fail_unless(text_of(error.get()) == "The thing is taken.");
  fail_unless_equals_int(teardowns, 1);
}
GST_END_TEST;

GST_START_TEST(settings_change_in_ready_only)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  rig.add_feeder();
  GstSlScheduling scheduling;
  GstSlExecution execution;
  const auto read = [&] {
    g_object_get(rig.processor(), "scheduling", &scheduling, "execution", &execution, nullptr);
  };
  for (const GstState state : {GST_STATE_NULL, GST_STATE_READY}) {
    rig.set_state(state);
    for (const GstSlScheduling wish : {GST_SL_SCHEDULING_INLINE, GST_SL_SCHEDULING_DEDICATED}) {
      rig.set("scheduling", wish);
      read();
      fail_unless_equals_int(scheduling, wish);
    }
    fail_unless(!rig.message(GST_MESSAGE_WARNING, 0));
  }
  for (const GstState state : {GST_STATE_PAUSED, GST_STATE_PLAYING}) {
    rig.set_state(state);
    rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
    fail_unless(rig.message(GST_MESSAGE_WARNING));
    rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
    fail_unless(rig.message(GST_MESSAGE_WARNING));
    read();
    fail_unless_equals_int(scheduling, GST_SL_SCHEDULING_DEDICATED);
    fail_unless_equals_int(execution, GST_SL_EXECUTION_REACTIVE);
  }
  rig.set_state(GST_STATE_READY);
  rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
  read();
  fail_unless_equals_int(scheduling, GST_SL_SCHEDULING_INLINE);
}
GST_END_TEST;

GST_START_TEST(wake_makes_a_step_and_stopping_is_seen)
{
  Rig rig(Kind::Join, {});
  rig.add_recorder();
  fail_unless(gst_sl_processor_is_stopping(rig.processor()));
  rig.play();
  fail_unless(!gst_sl_processor_is_stopping(rig.processor()));
  fail_unless(eventually([&] { return rig.stat("steps") > 0; }));
  sleep_ms(20);
  const guint64 before = rig.stat("steps");
  gst_sl_processor_wake(rig.processor());
  fail_unless(eventually([&] { return rig.stat("steps") > before; }));
  // Idle is idle.
  sleep_ms(20);
  fail_unless(rig.stat("steps") <= before + 3);
}
GST_END_TEST;

// What becomes of the others is in priority.cpp.
GST_START_TEST(priority_is_normal_by_default)
{
  Rig rig(Kind::Filter, {});
  GstSlPriority priority;
  g_object_get(rig.processor(), "priority", &priority, nullptr);
  fail_unless_equals_int(priority, GST_SL_PRIORITY_NORMAL);
  GValue value = G_VALUE_INIT;
  g_value_init(&value, GST_TYPE_SL_PRIORITY);
  for (const char *nick : {"normal", "high", "realtime"})
    fail_unless(gst_value_deserialize(&value, nick), "%s", nick);
  fail_if(gst_value_deserialize(&value, "highest"));
  g_value_unset(&value);
}
GST_END_TEST;

// Anybody may take the steps of a processor: the function says what to do next.
GST_START_TEST(step_answers_what_to_do_next)
{
  Rig rig(Kind::Filter, {});
  GstClockTime until = 0;
  fail_unless_equals_int(gst_sl_processor_step(rig.processor(), &until), GST_SL_STEP_ERROR);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  // A manual processor has no thread that would take steps beside this one.
  rig.set("execution", GST_SL_EXECUTION_MANUAL);
  rig.play();
  fail_unless_equals_int(gst_sl_processor_step(rig.processor(), nullptr), GST_SL_STEP_IDLE);
  fail_unless_equals_uint64(in.stat("pushed"), 0);
}
GST_END_TEST;

// A pad that no processor has gives nothing, and does not break.
GST_START_TEST(link_pad_without_a_processor)
{
  const auto pad = streamlib::support::sink_object(
      GST_SL_LINK_PAD(g_object_new(GST_TYPE_SL_LINK_PAD, "direction", GST_PAD_SINK, nullptr)));
  fail_unless(gst_sl_link_pad_peek_buffer(pad.get()) == nullptr);
  fail_unless(gst_sl_link_pad_pop_buffer(pad.get()) == nullptr);
  fail_unless(!gst_sl_link_pad_is_eos(pad.get()));
  fail_unless(gst_sl_link_pad_get_caps(pad.get()) == nullptr);
  GstSegment segment;
  gst_sl_link_pad_get_segment(pad.get(), &segment);
  fail_unless_equals_int(segment.format, GST_FORMAT_UNDEFINED);
  const auto buffer = adopt_mini(make_buffer(GST_SECOND));
  fail_if(GST_CLOCK_TIME_IS_VALID(gst_sl_link_pad_get_running_time(pad.get(), buffer.get())));
  const StructurePtr stats(gst_sl_link_pad_get_stats(pad.get()));
  fail_unless(stats != nullptr);
}
GST_END_TEST;

static Suite *processor_suite()
{
  Suite *suite = suite_create("processor");
  TCase *tc = tcase_create("execution and scheduling");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, reactive_takes_what_comes_in_order);
  tcase_add_test(tc, continuous_does_not_drift);
  tcase_add_test(tc, continuous_skips_and_counts_missed_ticks);
  tcase_add_test(tc, continuous_follows_a_new_interval_at_once);
  tcase_add_test(tc, continuous_takes_from_its_link);
  tcase_add_test(tc, manual_drives_itself_between_start_and_stop);
  tcase_add_test(tc, manual_start_that_fails_fails_the_state_change);
  tcase_add_test(tc, settings_change_in_ready_only);
  tcase_add_test(tc, wake_makes_a_step_and_stopping_is_seen);
  tcase_add_test(tc, priority_is_normal_by_default);
  tcase_add_test(tc, step_answers_what_to_do_next);
  tcase_add_test(tc, link_pad_without_a_processor);
  return suite;
}

GST_CHECK_MAIN(processor)
