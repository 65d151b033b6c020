// SPDX-License-Identifier: LGPL-2.1-or-later
// scheduling=async: steps on the I/O thread, and who holds it.
#include <sys/prctl.h>

#include "processor_fixture.h"

using namespace fixture;
using namespace streamlib::support;

namespace {

std::string thread_name()
{
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  return name;
}

GMainContext *io_context(const Rig &rig)
{
  return gst_sl_runtime_get_io_context(gst_sl_processor_get_runtime(rig.processor()));
}

}  // namespace

GST_START_TEST(steps_run_on_the_io_thread)
{
  std::mutex mutex;
  std::string name;
  GMainContext *context = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    const std::lock_guard lock(mutex);
    name = thread_name();
    context = g_main_context_get_thread_default();
    *output = input;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  for (guint64 i = 0; i < 100; i++)
    fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless_equals_int(static_cast<int>(rig.out().buffers()), 100);
  const std::lock_guard lock(mutex);
  fail_unless(name == "sl-io", "it was %s", name.c_str());
  fail_unless(context == io_context(rig));
}
GST_END_TEST;

GST_START_TEST(continuous_steps_come_on_time)
{
  std::atomic<int> steps = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    steps++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
  rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
  rig.set("interval", guint64{20 * GST_MSECOND});
  rig.add_recorder();
  const gint64 began = g_get_monotonic_time();
  rig.play();
  fail_unless(eventually([&] { return steps >= 11; }));
  const gint64 took = g_get_monotonic_time() - began;
  fail_unless(took >= 199 * 1000, "%d steps after %ld us", steps.load(), static_cast<long>(took));
  fail_unless(took < limit_ms(2000) * 1000);
}
GST_END_TEST;

// What a source of the context pushes is taken though nobody wakes the context for it.
GST_START_TEST(pushed_by_the_io_thread)
{
  constexpr int kRounds = 200;
  struct Push {
    Feeder *in;
    std::atomic<int> pushed = 0;
  } push;
  Rig rig(Kind::Filter, {});
  rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
  rig.add_recorder();
  push.in = &rig.add_feeder();
  rig.play();
  push.in->open();
  for (int round = 1; round <= kRounds; round++) {
    GSource *source = g_idle_source_new();
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
          auto *own = static_cast<Push *>(data);
          const auto number = static_cast<guint64>(own->pushed++);
          own->in->push(number * GST_MSECOND, number);
          return G_SOURCE_REMOVE;
        },
        &push, nullptr);
    g_source_attach(source, io_context(rig));
    g_source_unref(source);
    // The context sleeps between two.
    fail_unless(eventually([&] { return static_cast<int>(rig.out().buffers()) == round; }),
                "%d pushed, %d taken", push.pushed.load(), static_cast<int>(rig.out().buffers()));
  }
}
GST_END_TEST;

// Between two steps of a processor that always has one, others of the context have their turn.
GST_START_TEST(other_sources_of_the_context_get_their_time)
{
  std::atomic<int> steps = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    steps++;
    g_usleep(100);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Source, hooks);
  rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
  rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
  rig.set("interval", guint64{0});
  rig.add_recorder();
  rig.play();
  fail_unless(eventually([&] { return steps > 100; }));
  std::atomic<int> ticks = 0;
  GSource *timer = g_timeout_source_new(5);
  g_source_set_callback(
      timer,
      [](gpointer data) -> gboolean {
        (*static_cast<std::atomic<int> *>(data))++;
        return G_SOURCE_CONTINUE;
      },
      &ticks, nullptr);
  g_source_attach(timer, io_context(rig));
  const int steps_before = steps;
  sleep_ms(500);
  fail_unless(ticks >= 20, "%d ticks of 100", ticks.load());
  fail_unless(steps - steps_before > 500, "%d steps", steps - steps_before);
  rig.stop();
  g_source_destroy(timer);
  g_source_unref(timer);
}
GST_END_TEST;

// A pad that is full suspends the processor, and not the thread.
GST_START_TEST(full_link_suspends_and_holds_nobody)
{
  Gate gate;
  Hooks slow;
  slow.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    gate.wait();
    *output = input;
    return GST_FLOW_OK;
  };
  const auto pipeline = sink_object(gst_pipeline_new(nullptr));
  const auto filter = make_processor(Kind::Filter, {}, "filter");
  const auto next = make_processor(Kind::Filter, slow, "next");
  GstElement *sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(filter.get(), "scheduling", GST_SL_SCHEDULING_ASYNC, nullptr);
  const auto pad = adopt_object(gst_element_get_static_pad(GST_ELEMENT(next.get()), "sink"));
  g_object_set(pad.get(), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 2, nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), GST_ELEMENT(filter.get()), GST_ELEMENT(next.get()),
                   sink, nullptr);
  fail_unless(
      gst_element_link_many(GST_ELEMENT(filter.get()), GST_ELEMENT(next.get()), sink, nullptr));
  Feeder in(filter.get(), "sink");
  gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_PLAYING);
  in.open();
  for (guint64 i = 0; i < 10; i++)
    in.push(i, i);
  fail_unless(eventually([&] { return gate.has_visitor(); }));
  sleep_ms(50);
  std::atomic<bool> ran = false;
  g_main_context_invoke_full(
      gst_sl_runtime_get_io_context(gst_sl_processor_get_runtime(filter.get())), G_PRIORITY_DEFAULT,
      [](gpointer data) {
        *static_cast<std::atomic<bool> *>(data) = true;
        return G_SOURCE_REMOVE;
      },
      &ran, nullptr);
  fail_unless(eventually([&] { return ran.load(); }, 1000));
  gate.open();
  fail_unless(eventually([&] {
    const StructurePtr stats(gst_sl_link_pad_get_stats(GST_SL_LINK_PAD(pad.get())));
    guint64 popped = 0;
    gst_structure_get_uint64(stats.get(), "popped", &popped);
    return popped == 10;
  }));
  gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_NULL);
}
GST_END_TEST;

GST_START_TEST(scheduling_may_change_between_runs)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  size_t count = 0;
  for (const GstSlScheduling scheduling :
       {GST_SL_SCHEDULING_POOLED, GST_SL_SCHEDULING_ASYNC, GST_SL_SCHEDULING_DEDICATED,
        GST_SL_SCHEDULING_ASYNC, GST_SL_SCHEDULING_POOLED, GST_SL_SCHEDULING_ASYNC}) {
    rig.set("scheduling", scheduling);
    rig.play();
    in.open();
    for (guint64 i = 0; i < 50; i++)
      fail_unless_equals_int(in.push(i, i), GST_FLOW_OK);
    count += 50;
    fail_unless(eventually([&] { return rig.out().buffers() == count; }));
    rig.stop();
  }
}
GST_END_TEST;

// --- Who holds the I/O thread ---

GST_START_TEST(step_that_holds_the_thread_is_named)
{
  for (const bool in_push : {false, true}) {
    Hooks hooks;
    hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
      if (!in_push)
        sleep_ms(40);
      *output = input;
      return GST_FLOW_OK;
    };
    Rig rig(Kind::Filter, hooks, "holder");
    rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
    rig.add_recorder().on_buffer = [&](GstBuffer *) {
      if (in_push)
        sleep_ms(40);
      return GST_FLOW_OK;
    };
    Feeder &in = rig.add_feeder();
    rig.play();
    in.open();
    for (guint64 i = 0; i < 3; i++)
      in.push(i, i);
    const auto message = rig.element_message("streamlib-io-held", 5000);
    fail_unless(message);
    const GstStructure *details = gst_message_get_structure(message.get());
    fail_unless_equals_string(gst_structure_get_string(details, "element"), "holder");
    fail_unless_equals_string(gst_structure_get_string(details, "phase"),
                              in_push ? "push" : "process");
    guint64 duration = 0;
    fail_unless(gst_structure_get_uint64(details, "duration", &duration));
    fail_unless(duration >= 40 * GST_MSECOND &&
                duration < static_cast<guint64>(limit_ms(1000)) * GST_MSECOND);
    fail_unless(eventually([&] { return rig.stat("io-held") == 3; }));
    fail_unless(rig.stat("io-held-max") >= 40 * GST_MSECOND);
    // Not one for each step.
    fail_unless(!rig.element_message("streamlib-io-held", 100));
  }
}
GST_END_TEST;

GST_START_TEST(step_that_never_returns_is_named)
{
  Gate gate;
  Rig rig(Kind::Filter, {}, "stuck");
  rig.set("scheduling", GST_SL_SCHEDULING_ASYNC);
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  // A preroll is a hold like any other.
  rig.set_state(GST_STATE_PAUSED);
  in.open();
  in.push(0, 0);
  const auto message = rig.element_message("streamlib-stall", 3000);
  gate.open();
  fail_unless(message);
  const GstStructure *details = gst_message_get_structure(message.get());
  fail_unless_equals_string(gst_structure_get_string(details, "element"), "stuck");
  fail_unless_equals_string(gst_structure_get_string(details, "phase"), "push");
}
GST_END_TEST;

static Suite *async_suite()
{
  Suite *suite = suite_create("async");
  TCase *tc = tcase_create("general");
  tcase_set_timeout(tc, 30);
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, steps_run_on_the_io_thread);
  tcase_add_test(tc, continuous_steps_come_on_time);
  tcase_add_test(tc, pushed_by_the_io_thread);
  tcase_add_test(tc, other_sources_of_the_context_get_their_time);
  tcase_add_test(tc, full_link_suspends_and_holds_nobody);
  tcase_add_test(tc, scheduling_may_change_between_runs);
  tcase_add_test(tc, step_that_holds_the_thread_is_named);
  tcase_add_test(tc, step_that_never_returns_is_named);
  return suite;
}

GST_CHECK_MAIN(async)
