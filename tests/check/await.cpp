// SPDX-License-Identifier: LGPL-2.1-or-later
// Steps that await.
#include <thread>

#include <sys/prctl.h>

#include "gst/streamlib/processor_await.h"
#include "operations.h"

using namespace operations;
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

GST_START_TEST(nothing_passes_an_operation)
{
  OpenFilter filter;
  auto &[operations, rig, in] = filter;
  in.push(0, 0);
  in.event(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("mark")));
  in.push(1, 1);
  in.eos();
  fail_unless(operations.come(1));
  sleep_ms(50);
  fail_unless_equals_int(operations.count(), 1);
  fail_unless_equals_int(static_cast<int>(rig.out().count(GST_EVENT_CUSTOM_DOWNSTREAM)), 0);
  operations.pass();
  fail_unless(operations.come(2));
  fail_unless_equals_int(static_cast<int>(rig.out().count(GST_EVENT_CUSTOM_DOWNSTREAM)), 1);
  fail_if(rig.out().has_eos());
  operations.pass();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless((rig.out().numbers() == std::vector<guint64>{0, 1}));
  // Nobody was woken in vain while it waited.
  fail_unless(rig.stat("steps") < 30);
}
GST_END_TEST;

GST_START_TEST(buffer_lists_are_awaited_one_by_one)
{
  OpenFilter filter;
  auto &[operations, rig, in] = filter;
  GstBufferList *list = gst_buffer_list_new();
  for (guint64 i = 0; i < 3; i++)
    gst_buffer_list_add(list, make_buffer(i, i));
  fail_unless_equals_int(gst_pad_push_list(in.pad(), list), GST_FLOW_OK);
  for (int i = 1; i <= 3; i++) {
    fail_unless(operations.come(i));
    fail_unless_equals_int(operations.count(), i);
    operations.pass();
  }
  fail_unless(eventually([&] { return rig.out().buffers() == 3; }));
  fail_unless((rig.out().numbers() == std::vector<guint64>{0, 1, 2}));
}
GST_END_TEST;

GST_START_TEST(source_awaits_each_interval)
{
  Operations operations;
  Rig rig(Kind::AwaitSource, operations.hooks());
  rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{10 * GST_MSECOND});
  rig.add_recorder();
  rig.play();
  for (int i = 1; i <= 3; i++) {
    fail_unless(operations.come(i));
    Operations::give(operations.take(), make_buffer(0, static_cast<guint64>(i)));
  }
  fail_unless(eventually([&] { return rig.out().buffers() == 3; }));
  fail_unless(operations.come(4));
  // Intervals that an operation has outlasted are counted as missed.
  sleep_ms(100);
  Operations::give(operations.take(), nullptr);
  fail_unless(operations.come(5));
  fail_unless(rig.stat("missed-ticks") >= 5);
}
GST_END_TEST;

// A source is asked to end while it waits: it need not get its answer first.
GST_START_TEST(source_ends_while_it_awaits)
{
  Hooks hooks;
  hooks.process_async = [](GstSlLinkPad *, GstBuffer *, GTask *task) {
    const auto owned = adopt_object(task);
    run<Outcome<Done>>(
        [](guint ms) -> Task<Outcome<Done>> {
          Outcome<Done> slept = co_await sleep_for(ms);
          co_return slept;
        }(60 * 1000),
        g_task_get_cancellable(task),
        [owned](Outcome<Done> outcome) {
          if (outcome)
            g_task_return_pointer(owned.get(), nullptr, nullptr);
          else
            g_task_return_error(owned.get(), outcome.take_error().release());
        });
  };
  Rig rig(Kind::AwaitSource, hooks);
  rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
  rig.add_recorder();
  rig.play();
  fail_unless(eventually([&] { return rig.stat("steps") > 0; }));
  fail_unless(gst_element_send_event(rig.element(), gst_event_new_eos()));
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless(!rig.message(GST_MESSAGE_ERROR, 50));
}
GST_END_TEST;

GST_START_TEST(join_awaits_with_several_pads)
{
  Operations operations;
  Hooks hooks = operations.hooks();
  GstSlLinkPad *pads[2] = {};
  hooks.process_finish = [&](GTask *task, GstBuffer **output, GError **) {
    *output = gst_sl_link_pad_pop_buffer(pads[0]);
    gst_clear_buffer(output);
    *output = gst_sl_link_pad_pop_buffer(pads[1]);
    return GST_FLOW_OK;
  };
  Rig rig(Kind::AwaitJoin, hooks);
  rig.add_recorder();
  for (auto &pad : pads)
    pad = rig.add_feeder("sink_%u").sink();
  rig.play();
  for (size_t i = 0; i < 2; i++) {
    rig.feeder(i).open();
    for (guint64 n = 0; n < 5; n++)
      rig.feeder(i).push(n, n * 2 + i);
  }
  for (int n = 1; n <= 5; n++) {
    fail_unless(operations.come(n));
    Operations::give(operations.take(), nullptr);
  }
  fail_unless(eventually([&] { return rig.out().buffers() == 5; }));
  for (size_t i = 0; i < 2; i++)
    rig.feeder(i).eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  fail_unless((rig.out().numbers() == std::vector<guint64>{1, 3, 5, 7, 9}));
}
GST_END_TEST;

GST_START_TEST(error_keeps_its_domain_and_code)
{
  OpenFilter filter;
  auto &[operations, rig, in] = filter;
  in.push(0, 0);
  fail_unless(operations.come(1));
  g_task_return_new_error(operations.take().task.get(), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
                          "The oven is in use");
  const auto message = rig.message(GST_MESSAGE_ERROR);
  fail_unless(message);
  GError *error = nullptr;
  gst_message_parse_error(message.get(), &error, nullptr);
  const ErrorPtr owned(error);
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY));
  fail_unless_equals_string(error->message, "The oven is in use");
  fail_unless(eventually([&] { return in.push(1, 1) == GST_FLOW_ERROR; }));
}
GST_END_TEST;

GST_START_TEST(processor_that_only_awaits_needs_async)
{
  Operations operations;
  Rig rig(Kind::AwaitFilter, operations.hooks());
  rig.set("scheduling", GST_SL_SCHEDULING_DEDICATED);
  fail_unless_equals_int(rig.set_state(GST_STATE_PAUSED), GST_STATE_CHANGE_FAILURE);
  const auto message = rig.message(GST_MESSAGE_ERROR);
  fail_unless(message);
  fail_unless(text_of(message.get()).find("scheduling=async") != std::string::npos);
}
GST_END_TEST;

// --- The end of an operation ---

GST_START_TEST(stop_cancels_and_waits)
{
  std::atomic<bool> was_cancelled = false;
  std::atomic<int> finished = 0;
  std::mutex mutex;
  std::string cancelled_in;
  Operations operations;
  Hooks hooks;
  hooks.process_async = [&](GstSlLinkPad *, GstBuffer *input, GTask *task) {
    gst_buffer_unref(input);
    g_signal_connect(g_task_get_cancellable(task), "cancelled",
                     G_CALLBACK(+[](GCancellable *, gpointer data) {
                       *static_cast<std::string *>(data) = thread_name();
                     }),
                     &cancelled_in);
    const auto owned = adopt_object(task);
    run<Outcome<Done>>(
        [](guint ms) -> Task<Outcome<Done>> {
          Outcome<Done> slept = co_await sleep_for(ms);
          co_return slept;
        }(60 * 1000),
        g_task_get_cancellable(task),
        [owned, &was_cancelled](Outcome<Done> outcome) {
          was_cancelled = !outcome.ok();
          g_task_return_error(owned.get(), outcome.take_error().release());
        });
  };
  hooks.process_finish = [&](GTask *, GstBuffer **, GError **) {
    finished++;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::AwaitFilter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0, 0);
  fail_unless(eventually([&] { return rig.stat("popped") == 1; }));
  const gint64 began = g_get_monotonic_time();
  rig.stop();
  fail_unless(g_get_monotonic_time() - began < limit_ms(500) * 1000);
  fail_unless(was_cancelled);
  fail_unless_equals_int(finished, 0);
  fail_unless(cancelled_in == "sl-io");
  fail_unless(!rig.message(GST_MESSAGE_ERROR, 50));
}
GST_END_TEST;

// An operation that does not care is named, left behind, and may come to its end whenever it likes.
GST_START_TEST(stop_leaves_a_deaf_operation_behind)
{
  Operations operations(true);
  Operations::Begun late;
  {
    Rig rig(Kind::AwaitFilter, operations.hooks(), "deaf");
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    rig.play();
    in.open();
    in.push(0, 0);
    fail_unless(operations.come(1));
    const gint64 began = g_get_monotonic_time();
    rig.set_state(GST_STATE_READY);
    const gint64 took = g_get_monotonic_time() - began;
    fail_unless(took > 1500 * 1000 && took < 2000 * 1000 + limit_ms(100) * 1000, "%ld us",
                static_cast<long>(took));
    const auto message = rig.element_message("streamlib-stall", 1000);
    fail_unless(message);
    const GstStructure *details = gst_message_get_structure(message.get());
    fail_unless_equals_string(gst_structure_get_string(details, "element"), "deaf");
    fail_unless_equals_string(gst_structure_get_string(details, "phase"), "operation");
    // One more run, while the first operation is still there.
    rig.play();
    in.open();
    in.push(1, 1);
    fail_unless(operations.come(2));
    late = operations.take();
    Operations::give(late, late.input.release());
    sleep_ms(50);
    fail_unless_equals_int(static_cast<int>(rig.out().buffers()), 0);
    operations.pass();
    fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
    fail_unless((rig.out().numbers() == std::vector<guint64>{1}));
  }
}
GST_END_TEST;

GST_START_TEST(flush_drops_the_operation_under_way)
{
  OpenFilter filter;
  auto &[operations, rig, in] = filter;
  in.push(0, 0);
  fail_unless(operations.come(1));
  std::thread flusher([&] { in.flush(); });
  const Operations::Begun begun = operations.take();
  fail_unless(eventually(
      [&] { return g_cancellable_is_cancelled(g_task_get_cancellable(begun.task.get())); }));
  // The flush waits for this.
  Operations::give(begun, make_buffer(0, 77));
  flusher.join();
  in.segment(0);
  in.push(1, 1);
  fail_unless(operations.come(2));
  operations.pass();
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
  fail_unless((rig.out().numbers() == std::vector<guint64>{1}));
}
GST_END_TEST;

// The I/O thread cannot wait for what it is to do itself.
GST_START_TEST(stop_by_the_io_thread_does_not_wait)
{
  Operations operations(true);
  Rig rig(Kind::AwaitFilter, operations.hooks());
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0, 0);
  fail_unless(operations.come(1));
  std::atomic<gint64> took = 0;
  struct Stop {
    Rig &rig;
    std::atomic<gint64> &took;
  } stop{rig, took};
  g_main_context_invoke(
      io_context(rig),
      [](gpointer data) {
        auto *stop = static_cast<Stop *>(data);
        const gint64 began = g_get_monotonic_time();
        stop->rig.set_state(GST_STATE_READY);
        stop->took = g_get_monotonic_time() - began + 1;
        return G_SOURCE_REMOVE;
      },
      &stop);
  fail_unless(eventually([&] { return took.load() != 0; }));
  fail_unless(took < limit_ms(500) * 1000);
  operations.pass();
}
GST_END_TEST;

// --- Coroutines ---

namespace {

// Pushes `count` numbered buffers, as space allows.
Task<Outcome<Done>> pushes(GstSlProcessor *self, GCancellable *cancellable, guint64 count,
                           std::atomic<guint64> *pushed)
{
  for (guint64 i = 0; i < count; i++) {
    Outcome<Done> step = co_await streamlib::space(self, cancellable);
    if (!step)
      co_return step.take_error();
    gst_sl_processor_push(self, nullptr, make_buffer(i, i));
    (*pushed)++;
  }
  co_return Done{};
}

void return_done(const GObjectPtr<GTask> &task, Outcome<Done> outcome)
{
  if (outcome)
    g_task_return_pointer(task.get(), nullptr, nullptr);
  else
    g_task_return_error(task.get(), outcome.take_error().release());
}

}  // namespace

GST_START_TEST(coroutine_awaits_space)
{
  std::atomic<guint64> pushed = 0;
  Hooks hooks;
  hooks.process_async = [&](GstSlLinkPad *, GstBuffer *, GTask *task) {
    const auto owned = adopt_object(task);
    run<Outcome<Done>>(pushes(GST_SL_PROCESSOR(g_task_get_source_object(task)),
                              g_task_get_cancellable(task), 100, &pushed),
                       g_task_get_cancellable(task),
                       [owned](Outcome<Done> outcome) { return_done(owned, std::move(outcome)); });
  };
  hooks.process_finish = [](GTask *task, GstBuffer **, GError **error) {
    g_task_propagate_pointer(task, error);
    return GST_FLOW_EOS;
  };
  Gate gate;
  Hooks slow;
  slow.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    gate.wait();
    *output = input;
    return GST_FLOW_OK;
  };
  for (const bool stops : {true, false}) {
    pushed = 0;
    const auto pipeline = sink_object(gst_pipeline_new(nullptr));
    const auto source = make_processor(Kind::AwaitSource, hooks, "source");
    const auto next = make_processor(Kind::Filter, slow, "next");
    g_object_set(source.get(), "execution", GST_SL_EXECUTION_CONTINUOUS, nullptr);
    const auto pad = adopt_object(gst_element_get_static_pad(GST_ELEMENT(next.get()), "sink"));
    g_object_set(pad.get(), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 4, nullptr);
    gst_bin_add_many(GST_BIN(pipeline.get()), GST_ELEMENT(source.get()), GST_ELEMENT(next.get()),
                     nullptr);
    fail_unless(gst_element_link(GST_ELEMENT(source.get()), GST_ELEMENT(next.get())));
    Recorder out(next.get());
    gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_PLAYING);
    fail_unless(eventually([&] { return pushed >= 4; }));
    sleep_ms(50);
    fail_unless(pushed <= 6, "%d", static_cast<int>(pushed.load()));
    std::thread opener([&] {
      sleep_ms(stops ? 100 : 0);
      gate.open();
    });
    if (!stops) {
      fail_unless(eventually([&] { return out.has_eos(); }));
      fail_unless_equals_int(static_cast<int>(out.buffers()), 100);
    }
    const gint64 began = g_get_monotonic_time();
    gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_NULL);
    fail_unless(g_get_monotonic_time() - began < limit_ms(1000) * 1000);
    opener.join();
    if (stops)
      new (&gate) Gate();
  }
}
GST_END_TEST;

namespace {

// Adds up the numbers of the buffer it was given and of the one after it.
Task<Outcome<MiniPtr<GstBuffer>>> adds_pair(GstSlProcessor *self, GCancellable *cancellable,
                                            GstSlLinkPad *pad, MiniPtr<GstBuffer> first)
{
  Outcome<MiniPtr<GstBuffer>> second = co_await streamlib::next_buffer(self, cancellable, pad);
  if (!second)
    co_return second.take_error();
  const guint64 sum =
      GST_BUFFER_OFFSET(first.get()) + (*second ? GST_BUFFER_OFFSET(second->get()) : 1000);
  co_return adopt_mini(make_buffer(GST_BUFFER_PTS(first.get()), sum));
}

}  // namespace

GST_START_TEST(coroutine_awaits_data)
{
  Hooks hooks;
  hooks.process_async = [&](GstSlLinkPad *pad, GstBuffer *input, GTask *task) {
    const auto owned = adopt_object(task);
    run<Outcome<MiniPtr<GstBuffer>>>(
        adds_pair(GST_SL_PROCESSOR(g_task_get_source_object(task)), g_task_get_cancellable(task),
                  pad, adopt_mini(input)),
        g_task_get_cancellable(task), [owned](Outcome<MiniPtr<GstBuffer>> outcome) {
          if (outcome)
            g_task_return_pointer(owned.get(), outcome->release(), nullptr);
          else
            g_task_return_error(owned.get(), outcome.take_error().release());
        });
  };
  Rig rig(Kind::AwaitFilter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0, 1);
  sleep_ms(30);
  in.push(1, 2);
  in.push(2, 10);
  in.push(3, 20);
  in.push(4, 5);
  in.eos();
  fail_unless(eventually([&] { return rig.out().buffers() == 3; }));
  fail_unless((rig.out().numbers() == std::vector<guint64>{3, 30, 1005}));
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
}
GST_END_TEST;

// One thread for all of them, whatever they wait for.
GST_START_TEST(many_processors_share_the_thread)
{
  constexpr int kCount = 50;
  const auto pipeline = sink_object(gst_pipeline_new(nullptr));
  std::atomic<int> ended = 0;
  for (int i = 0; i < kCount; i++) {
    Hooks hooks;
    hooks.process_async = [&](GstSlLinkPad *, GstBuffer *, GTask *task) {
      const auto owned = adopt_object(task);
      run<Outcome<Done>>(
          [](guint ms) -> Task<Outcome<Done>> {
            Outcome<Done> slept = co_await sleep_for(ms);
            co_return slept;
          }(200),
          g_task_get_cancellable(task),
          [owned, &ended](Outcome<Done> outcome) {
            ended++;
            return_done(owned, std::move(outcome));
          });
    };
    hooks.process_finish = [](GTask *task, GstBuffer **, GError **error) {
      g_task_propagate_pointer(task, error);
      return GST_FLOW_EOS;
    };
    const auto source = make_processor(Kind::AwaitSource, hooks, nullptr);
    g_object_set(source.get(), "execution", GST_SL_EXECUTION_CONTINUOUS, nullptr);
    gst_sl_processor_set_live(source.get(), TRUE);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    // Sinks that preroll would wait for each other, each of them on the one thread.
    g_object_set(sink, "async", FALSE, nullptr);
    gst_bin_add_many(GST_BIN(pipeline.get()), GST_ELEMENT(source.get()), sink, nullptr);
    fail_unless(gst_element_link(GST_ELEMENT(source.get()), sink));
  }
  const gint64 began = g_get_monotonic_time();
  gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_PLAYING);
  fail_unless(eventually([&] { return ended == kCount; }));
  fail_unless(g_get_monotonic_time() - began < limit_ms(2000) * 1000);
  gst_element_set_state(GST_ELEMENT(pipeline.get()), GST_STATE_NULL);
}
GST_END_TEST;

static Suite *await_suite()
{
  Suite *suite = suite_create("await");
  TCase *tc = tcase_create("general");
  tcase_set_timeout(tc, 30);
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, nothing_passes_an_operation);
  tcase_add_test(tc, buffer_lists_are_awaited_one_by_one);
  tcase_add_test(tc, source_awaits_each_interval);
  tcase_add_test(tc, source_ends_while_it_awaits);
  tcase_add_test(tc, join_awaits_with_several_pads);
  tcase_add_test(tc, error_keeps_its_domain_and_code);
  tcase_add_test(tc, processor_that_only_awaits_needs_async);
  tcase_add_test(tc, stop_cancels_and_waits);
  tcase_add_test(tc, stop_leaves_a_deaf_operation_behind);
  tcase_add_test(tc, flush_drops_the_operation_under_way);
  tcase_add_test(tc, stop_by_the_io_thread_does_not_wait);
  tcase_add_test(tc, coroutine_awaits_space);
  tcase_add_test(tc, coroutine_awaits_data);
  tcase_add_test(tc, many_processors_share_the_thread);
  return suite;
}

GST_CHECK_MAIN(await)
