// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlExecutor and what runs on it.
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "pooled.h"

using namespace pooled;

namespace {

size_t threads_of_executors()
{
  size_t count = 0;
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    count += name.rfind("sl-work", 0) == 0 || name == "sl-tick" ? 1 : 0;
  }
  return count;
}

}  // namespace

GST_START_TEST(buffers_come_through_in_order)
{
  const Pool pool(2);
  std::set<GThread *> threads;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    threads.insert(g_thread_self());
    *output = input;
    return GST_FLOW_OK;
  };
  PooledRig rig(pool, Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  for (guint64 i = 0; i < 5000; i++)
    fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
  in.eos();
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
  const auto numbers = rig.out().numbers();
  fail_unless_equals_uint64(numbers.size(), 5000);
  for (guint64 i = 0; i < 5000; i++)
    fail_unless_equals_uint64(numbers[i], i);
  rig.stop();
  fail_if(threads.contains(g_thread_self()));
  fail_unless(threads.size() <= 3, "%zu threads", threads.size());
  fail_unless(!rig.message(GST_MESSAGE_STREAM_STATUS, 0), "a pooled processor has no thread");
}
GST_END_TEST;

GST_START_TEST(threads_end_with_the_runtime)
{
  fail_unless_equals_uint64(threads_of_executors(), 0);
  {
    const Pool pool(3);
    PooledRig rig(pool, Kind::Filter);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    fail_unless_equals_uint64(threads_of_executors(), 0);
    rig.play();
    in.open();
    fail_unless_equals_int(in.push(0), GST_FLOW_OK);
    fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
    fail_unless(threads_of_executors() >= 2);
    rig.stop();
    rig.set_state(GST_STATE_NULL);
  }
  fail_unless(eventually([] { return threads_of_executors() == 0; }));
}
GST_END_TEST;

GST_START_TEST(idle_processors_cost_nothing)
{
  const Pool pool(2);
  std::vector<std::unique_ptr<PooledRig>> rigs;
  for (int i = 0; i < 50; i++) {
    rigs.push_back(std::make_unique<PooledRig>(pool, Kind::Filter));
    rigs.back()->add_recorder();
    rigs.back()->add_feeder();
    rigs.back()->play();
    rigs.back()->feeder().open();
    rigs.back()->feeder().push(0);
  }
  for (const auto &rig : rigs)
    fail_unless(eventually([&] { return rig->out().buffers() == 1; }));
  sleep_ms(50);
  const guint64 turns = pool.stat("turns"), ticks = pool.stat("ticks");
  sleep_ms(500);
  fail_unless_equals_uint64(pool.stat("turns"), turns);
  fail_unless_equals_uint64(pool.stat("ticks"), ticks);
}
GST_END_TEST;

GST_START_TEST(continuous_ones_share_the_tick)
{
  const Pool pool(2, 64, 5 * GST_MSECOND);
  std::atomic<int> steps = 0;
  std::vector<std::unique_ptr<PooledRig>> rigs;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    steps++;
    return GST_FLOW_OK;
  };
  for (int i = 0; i < 40; i++) {
    rigs.push_back(std::make_unique<PooledRig>(pool, Kind::Source, hooks));
    rigs.back()->add_recorder();
    make_continuous(*rigs.back(), 10 * GST_MSECOND);
  }
  for (const auto &rig : rigs)
    rig->play();
  sleep_ms(100);
  const int before = steps.load();
  const guint64 ticks = pool.stat("ticks");
  const gint64 began = g_get_monotonic_time();
  sleep_ms(1000);
  const double seconds = static_cast<double>(g_get_monotonic_time() - began) / 1e6;
  const double rate = (steps.load() - before) / seconds / 40;
  const double wakeups = static_cast<double>(pool.stat("ticks") - ticks) / seconds;
  for (const auto &rig : rigs)
    rig->stop();
  // ThreadSanitizer on a busy machine does not come to that.
  if (limit_ms(1) < 10)
    fail_unless(rate > 90 && rate < 105, "%g steps a second", rate);
  // 200 ticks a second, a wake-up for what was ordered in each, and looks after the workers.
  fail_unless(wakeups < 800, "%g wake-ups a second for 4000 steps", wakeups);
  fail_unless(pool.stat("late-max") > 0);
}
GST_END_TEST;

// Beside one that always has something to do, with one worker.
GST_START_TEST(nobody_starves)
{
  const Pool pool(1);
  std::atomic<guint64> greedy = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    greedy++;
    return GST_FLOW_OK;
  };
  PooledRig busy(pool, Kind::Source, hooks, "busy");
  busy.add_recorder();
  make_continuous(busy, 0);
  PooledRig rig(pool, Kind::Filter);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  busy.play();
  fail_unless(eventually([&] { return greedy.load() > 1000; }));
  for (guint64 i = 0; i < 200; i++) {
    fail_unless_equals_int(in.push(i, i), GST_FLOW_OK);
    fail_unless(eventually([&] { return rig.out().buffers() == i + 1; }, 2000),
                "starved after %u buffers", static_cast<unsigned>(i));
  }
  busy.stop();
}
GST_END_TEST;

// Flushes and state changes at random moments.
GST_START_TEST(stops_and_flushes_under_load)
{
  const Pool pool(2);
  PooledRig rig(pool, Kind::Filter);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  // A pad that goes down forgets its events, and the feeder does not know.
  _gst_check_expecting_log = TRUE;
  std::atomic<bool> ends = false;
  std::thread pusher([&] {
    while (!ends.load()) {
      in.open();
      for (int i = 0; i < 50; i++)
        in.push(static_cast<GstClockTime>(i));
      in.flush();
    }
  });
  for (int i = 0; i < 200; i++) {
    rig.set_state(GST_STATE_PLAYING);
    if (i % 3 == 0)
      g_usleep(static_cast<gulong>(i % 7) * 100);
    rig.set_state(i % 2 == 0 ? GST_STATE_READY : GST_STATE_NULL);
  }
  ends = true;
  pusher.join();
  _gst_check_expecting_log = FALSE;
  rig.out().clear();
  rig.play();
  in.flush();
  in.open();
  fail_unless_equals_int(in.push(0), GST_FLOW_OK);
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
}
GST_END_TEST;

// Each time with another executor, as when a pipeline goes to NULL and comes back.
GST_START_TEST(job_goes_on_with_the_next_executor)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  for (int i = 0; i < 300; i++) {
    const Pool pool(1);
    pool.adopt(rig.element());
    rig.play();
    in.open();
    // Queued, and stopped before its turn comes.
    in.push(0);
    rig.stop();
    rig.set_state(GST_STATE_NULL);
  }
  rig.out().clear();
  const Pool pool(1);
  pool.adopt(rig.element());
  rig.play();
  in.open();
  fail_unless_equals_int(in.push(0), GST_FLOW_OK);
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
}
GST_END_TEST;

GST_START_TEST(any_number_of_workers)
{
  for (const guint workers : {0U, 1000U, 1U}) {
    const Pool pool(workers);
    PooledRig rig(pool, Kind::Filter);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    rig.play();
    in.open();
    for (int i = 0; i < 100; i++)
      in.push(static_cast<GstClockTime>(i));
    fail_unless(eventually([&] { return rig.out().buffers() == 100; }));
    if (workers == 0)
      fail_unless_equals_uint64(pool.stat("workers"), std::thread::hardware_concurrency());
    // Threads come with the work.
    fail_unless(pool.stat("threads") < 10);
    // It may change while it works.
    g_object_set(pool.executor(), "workers", 3, nullptr);
    in.push(0);
    fail_unless(eventually([&] { return rig.out().buffers() == 101; }));
    g_object_set(pool.executor(), "workers", 1, nullptr);
    in.push(0);
    fail_unless(eventually([&] { return rig.out().buffers() == 102; }));
    fail_unless_equals_uint64(pool.stat("workers"), 1);
  }
}
GST_END_TEST;

// Also where work comes from the tick alone, all at once, and one worker gets it done in time.
GST_START_TEST(workers_that_are_missing_come_with_a_tick)
{
  const Pool pool(1);
  std::vector<std::unique_ptr<PooledRig>> rigs;
  Hooks hooks;
  hooks.process = [](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    const gint64 end = g_get_monotonic_time() + 100;
    while (g_get_monotonic_time() < end) {
    }
    return GST_FLOW_OK;
  };
  for (int i = 0; i < 20; i++) {
    rigs.push_back(std::make_unique<PooledRig>(pool, Kind::Source, hooks));
    rigs.back()->add_recorder();
    make_continuous(*rigs.back(), 20 * GST_MSECOND);
  }
  for (const auto &rig : rigs)
    rig->play();
  fail_unless(eventually([&] { return pool.stat("threads") == 1 && pool.stat("turns") > 40; }));
  g_object_set(pool.executor(), "workers", 3, nullptr);
  // A hundred periods, where the first one or two will do.
  const gint64 end = g_get_monotonic_time() + limit_ms(2000) * 1000;
  while (pool.stat("threads") < 3 && g_get_monotonic_time() < end)
    sleep_ms(5);
  fail_unless_equals_uint64(pool.stat("threads"), 3);
  for (const auto &rig : rigs)
    rig->stop();
}
GST_END_TEST;

GST_START_TEST(tick_stays_once_there_is_work)
{
  const Pool pool(1, 64, 2 * GST_MSECOND);
  PooledRig rig(pool, Kind::Filter);
  rig.add_recorder();
  rig.play();
  g_log_set_always_fatal(static_cast<GLogLevelFlags>(0));
  const GLogFunc before = g_log_set_default_handler(
      [](const char *, GLogLevelFlags, const char *, gpointer) {}, nullptr);
  g_object_set(pool.executor(), "tick", 9 * GST_MSECOND, nullptr);
  g_log_set_default_handler(before, nullptr);
  guint64 tick;
  g_object_get(pool.executor(), "tick", &tick, nullptr);
  fail_unless_equals_uint64(tick, 2 * GST_MSECOND);
}
GST_END_TEST;

// A child process has none of the threads, and says so instead of standing still.
GST_START_TEST(fork_is_an_error_that_says_so)
{
  const Pool pool(1);
  PooledRig first(pool, Kind::Filter, {}, "first");
  first.add_recorder();
  first.play();
  PooledRig rig(pool, Kind::Filter, {}, "second");
  rig.add_recorder();
  rig.set_state(GST_STATE_READY);
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    const bool refused = rig.set_state(GST_STATE_PAUSED) == GST_STATE_CHANGE_FAILURE;
    const auto message = rig.message(GST_MESSAGE_ERROR, 0);
    _exit(refused && message && text_of(message.get()).find("forked") != std::string::npos ? 0 : 1);
  }
  int status = -1;
  fail_unless(waitpid(child, &status, 0) == child);
  fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);
}
GST_END_TEST;

GST_START_TEST(ten_thousand_links)
{
  const Pool pool(2);
  // ThreadSanitizer remembers no more than that.
  const size_t links = limit_ms(1) < 10 ? 10000 : 1000;
  std::atomic<size_t> arrived = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    gst_buffer_unref(input);
    arrived++;
    return GST_FLOW_OK;
  };
  std::vector<GObjectPtr<GstSlProcessor>> processors;
  std::vector<std::unique_ptr<Feeder>> feeders;
  for (size_t i = 0; i < links; i++) {
    processors.push_back(make_processor(Kind::Sink, hooks, nullptr));
    GstElement *element = GST_ELEMENT(processors.back().get());
    pool.adopt(element);
    feeders.push_back(std::make_unique<Feeder>(processors.back().get(), "sink"));
    fail_unless(gst_element_set_state(element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);
    feeders.back()->open();
  }
  for (int round = 0; round < 3; round++) {
    for (const auto &feeder : feeders)
      fail_unless_equals_int(feeder->push(0), GST_FLOW_OK);
  }
  fail_unless(eventually([&] { return arrived.load() == 3 * links; }), "%zu arrived",
              arrived.load());
  fail_unless(pool.stat("threads") <= 4);
  const gint64 began = g_get_monotonic_time();
  for (const auto &processor : processors)
    gst_element_set_state(GST_ELEMENT(processor.get()), GST_STATE_NULL);
  fail_unless(g_get_monotonic_time() - began < limit_ms(2000) * 1000);
}
GST_END_TEST;

static Suite *executor_suite()
{
  Suite *suite = suite_create("executor");
  TCase *tc = tcase_create("executor");
  suite_add_tcase(suite, tc);
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, buffers_come_through_in_order);
  tcase_add_test(tc, threads_end_with_the_runtime);
  tcase_add_test(tc, idle_processors_cost_nothing);
  tcase_add_test(tc, continuous_ones_share_the_tick);
  tcase_add_test(tc, nobody_starves);
  tcase_add_test(tc, stops_and_flushes_under_load);
  tcase_add_test(tc, job_goes_on_with_the_next_executor);
  tcase_add_test(tc, any_number_of_workers);
  tcase_add_test(tc, workers_that_are_missing_come_with_a_tick);
  tcase_add_test(tc, tick_stays_once_there_is_work);
  tcase_add_test(tc, fork_is_an_error_that_says_so);
  tcase_add_test(tc, ten_thousand_links);
  return suite;
}

GST_CHECK_MAIN(executor)
