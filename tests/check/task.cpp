// SPDX-License-Identifier: LGPL-2.1-or-later
// The coroutines of gst/support.
#include "gst/support/task.h"

#include <memory>
#include <string>
#include <thread>

#include <gst/check/gstcheck.h>

using namespace streamlib::support;

namespace {

constexpr guint kForeverMs = 60 * 1000;

// A context of the test's own, the thread default one of this thread.
class Loop {
public:
  Loop() { g_main_context_push_thread_default(context_); }
  Loop(const Loop &) = delete;
  Loop &operator=(const Loop &) = delete;
  ~Loop()
  {
    g_main_context_pop_thread_default(context_);
    g_main_context_unref(context_);
  }
  void until(const bool &done)
  {
    while (!done)
      g_main_context_iteration(context_, TRUE);
  }
  GMainContext *context() const { return context_; }

private:
  GMainContext *const context_ = g_main_context_new();
};

// Counts how many of it there are, so that a frame which is not freed shows.
struct Tracked {
  Tracked() { alive++; }
  Tracked(const Tracked &) = delete;
  Tracked &operator=(const Tracked &) = delete;
  ~Tracked() { alive--; }
  static inline int alive = 0;
};

Task<int> number(int value)
{
  const Tracked tracked;
  co_return value;
}

Task<int> sum_of(int count)
{
  const Tracked tracked;
  int sum = 0;
  for (int i = 1; i <= count; i++) {
    const int value = co_await number(i);
    sum += value;
  }
  co_return sum;
}

Task<Outcome<int>> sleeps_then(int value, guint ms)
{
  const Tracked tracked;
  Outcome<Done> slept = co_await sleep_for(ms);
  if (!slept)
    co_return slept.take_error();
  co_return value;
}

Task<Outcome<int>> adds(guint ms)
{
  const Tracked tracked;
  Outcome<int> first = co_await sleeps_then(1, ms);
  if (!first)
    co_return first.take_error();
  Outcome<int> second = co_await sleeps_then(2, ms);
  if (!second)
    co_return second.take_error();
  co_return *first + *second;
}

// An operation of GIO that ends when the test says so.
struct Operation {
  GObjectPtr<GTask> task;

  void start(GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
  {
    task = adopt_object(g_task_new(nullptr, cancellable, callback, data));
  }
};

Task<Outcome<gssize>> awaits(Operation *operation)
{
  const Tracked tracked;
  auto start = [operation](GCancellable *c, GAsyncReadyCallback callback, gpointer data) {
    operation->start(c, callback, data);
  };
  auto finish = [](GObject *, GAsyncResult *result, GError **error) {
    return g_task_propagate_int(G_TASK(result), error);
  };
  Outcome<gssize> outcome = co_await gio_call(start, finish);
  co_return outcome;
}

template <typename T>
struct Answer {
  bool done = false;
  std::unique_ptr<T> value;
  std::function<void(T)> taker()
  {
    return [this](T got) {
      value = std::make_unique<T>(std::move(got));
      done = true;
    };
  }
};

}  // namespace

GST_START_TEST(task_is_lazy_and_frees_its_frames)
{
  {
    Task<int> unused = number(1);
    fail_unless_equals_int(Tracked::alive, 0);
  }
  Answer<int> answer;
  run<int>(sum_of(1000), nullptr, answer.taker());
  fail_unless(answer.done);
  fail_unless_equals_int(*answer.value, 500500);
  fail_unless_equals_int(Tracked::alive, 0);
}
GST_END_TEST

GST_START_TEST(sleep_ends_in_time_and_values_come_through)
{
  Loop loop;
  Answer<Outcome<int>> answer;
  const gint64 began = g_get_monotonic_time();
  run<Outcome<int>>(adds(20), nullptr, answer.taker());
  fail_if(answer.done);
  loop.until(answer.done);
  fail_unless(g_get_monotonic_time() - began >= 40 * 1000);
  fail_unless(answer.value->ok());
  fail_unless_equals_int(**answer.value, 3);
  fail_unless_equals_int(Tracked::alive, 0);
}
GST_END_TEST

// From the same thread, from another one, and before it began.
GST_START_TEST(cancellation_reaches_the_innermost_await)
{
  for (int way = 0; way < 3; way++) {
    Loop loop;
    Answer<Outcome<int>> answer;
    const auto cancellable = adopt_object(g_cancellable_new());
    if (way == 0)
      g_cancellable_cancel(cancellable.get());
    run<Outcome<int>>(adds(kForeverMs), cancellable.get(), answer.taker());
    fail_unless_equals_int(answer.done, way == 0);
    std::thread thread;
    if (way == 1)
      g_cancellable_cancel(cancellable.get());
    if (way == 2)
      thread = std::thread([&] {
        g_usleep(10000);
        g_cancellable_cancel(cancellable.get());
      });
    loop.until(answer.done);
    if (thread.joinable())
      thread.join();
    fail_unless(!answer.value->ok() && is_cancelled(answer.value->error()));
    fail_unless_equals_int(Tracked::alive, 0);
  }
}
GST_END_TEST

// What waits for a time in a context that ends is told so, and freed.
GST_START_TEST(sleep_ends_with_its_context)
{
  Answer<Outcome<int>> answer;
  {
    Loop loop;
    run<Outcome<int>>(adds(kForeverMs), nullptr, answer.taker());
    fail_if(answer.done);
  }
  fail_unless(answer.done && is_cancelled(answer.value->error()));
  fail_unless_equals_int(Tracked::alive, 0);
}
GST_END_TEST

GST_START_TEST(operation_gives_its_value_or_its_error)
{
  for (const bool fails : {false, true}) {
    Loop loop;
    Operation operation;
    Answer<Outcome<gssize>> answer;
    run<Outcome<gssize>>(awaits(&operation), nullptr, answer.taker());
    fail_if(answer.done);
    if (fails)
      g_task_return_new_error(operation.task.get(), G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND, "no %d",
                              5);
    else
      g_task_return_int(operation.task.get(), 42);
    loop.until(answer.done);
    fail_unless_equals_int(answer.value->ok(), !fails);
    if (fails)
      fail_unless(
          g_error_matches(answer.value->error().get(), G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND));
    else
      fail_unless_equals_int(**answer.value, 42);
    fail_unless_equals_int(Tracked::alive, 0);
  }
}
GST_END_TEST

// A callback that comes before its start has returned, which GTask does inside a dispatch.
GST_START_TEST(operation_may_end_while_it_starts)
{
  Loop loop;
  Answer<Outcome<gssize>> answer;
  auto start = [](GCancellable *, GAsyncReadyCallback callback, gpointer data) {
    const auto task = adopt_object(g_task_new(nullptr, nullptr, nullptr, nullptr));
    g_task_return_int(task.get(), 7);
    callback(nullptr, G_ASYNC_RESULT(task.get()), data);
  };
  auto finish = [](GObject *, GAsyncResult *result, GError **error) {
    return g_task_propagate_int(G_TASK(result), error);
  };
  auto twice = [](auto start, auto finish) -> Task<Outcome<gssize>> {
    const Tracked tracked;
    Outcome<gssize> first = co_await gio_call(start, finish);
    Outcome<gssize> second = co_await gio_call(start, finish);
    co_return *first + *second;
  };
  run<Outcome<gssize>>(twice(start, finish), nullptr, answer.taker());
  fail_unless(answer.done);
  fail_unless_equals_int(**answer.value, 14);
  fail_unless_equals_int(Tracked::alive, 0);
}
GST_END_TEST

GST_START_TEST(operation_is_cancelled_by_its_cancellable)
{
  Loop loop;
  Operation operation;
  Answer<Outcome<gssize>> answer;
  const auto cancellable = adopt_object(g_cancellable_new());
  run<Outcome<gssize>>(awaits(&operation), cancellable.get(), answer.taker());
  g_cancellable_cancel(cancellable.get());
  g_task_return_int(operation.task.get(), 42);
  loop.until(answer.done);
  fail_unless(is_cancelled(answer.value->error()));
}
GST_END_TEST

namespace {

Task<Outcome<int>> limited(guint limit_ms, guint work_ms, bool *was_over)
{
  auto *parent = co_await CurrentCancellable();
  Deadline deadline(parent, limit_ms);
  Outcome<int> outcome = co_await sleeps_then(1, work_ms).under(deadline.cancellable());
  *was_over = deadline.is_over();
  co_return outcome;
}

}  // namespace

GST_START_TEST(deadline_ends_what_takes_too_long_and_nothing_else)
{
  const auto cancellable = adopt_object(g_cancellable_new());
  struct Case {
    guint limit_ms, work_ms;
    bool cancels, ok, over;
  };
  for (const Case &c :
       {Case{10, kForeverMs, false, false, true}, Case{kForeverMs, 10, false, true, false},
        Case{0, 10, false, true, false}, Case{kForeverMs, kForeverMs, true, false, false}}) {
    Loop loop;
    bool was_over = false;
    Answer<Outcome<int>> answer;
    g_cancellable_reset(cancellable.get());
    run<Outcome<int>>(limited(c.limit_ms, c.work_ms, &was_over), cancellable.get(), answer.taker());
    if (c.cancels)
      g_cancellable_cancel(cancellable.get());
    loop.until(answer.done);
    fail_unless_equals_int(answer.value->ok(), c.ok);
    fail_unless_equals_int(was_over, c.over);
    fail_unless_equals_int(Tracked::alive, 0);
  }
}
GST_END_TEST

// A thousand at once, cancelled in the middle.
GST_START_TEST(many_tasks_share_a_thread)
{
  Loop loop;
  const auto cancellable = adopt_object(g_cancellable_new());
  int ended = 0;
  int cancelled = 0;
  bool all = false;
  for (int i = 0; i < 1000; i++) {
    run<Outcome<int>>(sleeps_then(i, i % 2 == 0 ? 5 : kForeverMs), cancellable.get(),
                      [&](Outcome<int> outcome) {
                        cancelled += outcome.ok() ? 0 : 1;
                        ended++;
                        if (ended == 500)
                          g_cancellable_cancel(cancellable.get());
                        all = ended == 1000;
                      });
  }
  loop.until(all);
  fail_unless_equals_int(cancelled, 500);
  fail_unless_equals_int(Tracked::alive, 0);
}
GST_END_TEST

static Suite *task_suite()
{
  Suite *suite = suite_create("task");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, task_is_lazy_and_frees_its_frames);
  tcase_add_test(tc, sleep_ends_in_time_and_values_come_through);
  tcase_add_test(tc, cancellation_reaches_the_innermost_await);
  tcase_add_test(tc, sleep_ends_with_its_context);
  tcase_add_test(tc, operation_gives_its_value_or_its_error);
  tcase_add_test(tc, operation_may_end_while_it_starts);
  tcase_add_test(tc, operation_is_cancelled_by_its_cancellable);
  tcase_add_test(tc, deadline_ends_what_takes_too_long_and_nothing_else);
  tcase_add_test(tc, many_tasks_share_a_thread);
  return suite;
}

GST_CHECK_MAIN(task)
