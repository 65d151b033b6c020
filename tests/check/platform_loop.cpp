// SPDX-License-Identifier: LGPL-2.1-or-later
// A dispatch queue that a loop of the platform serves, beside GLib's. The platform is made up here.
#include <condition_variable>
#include <functional>
// Not used, but before Check, whose macros have names of it.
#include <istream>
#include <mutex>
#include <thread>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/dispatch_queue.h"

using streamlib::AwaitedCall;
using streamlib::DispatchCall;
using streamlib::DispatchQueue;
using streamlib::PlatformLoop;

namespace {

// The thread of the platform: calls what it is given for each time it was woken.
class Platform {
public:
  void run()
  {
    thread_ = std::thread([this] {
      std::unique_lock lock(mutex_);
      for (;;) {
        changed_.wait(lock, [this] { return wakes_ > 0 || ends_; });
        if (ends_)
          return;
        wakes_--;
        lock.unlock();
        serve_();
        lock.lock();
      }
    });
  }
  void wake()
  {
    const std::lock_guard lock(mutex_);
    wakes_++;
    changed_.notify_one();
  }
  void end()
  {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
      changed_.notify_one();
    }
    if (thread_.joinable())
      thread_.join();
  }
  void set_serve(PlatformLoop::Serve serve) { serve_ = std::move(serve); }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  PlatformLoop::Serve serve_;
  int wakes_ = 0;
  bool ends_ = false;
  std::thread thread_;
};

Platform *platform;

class TestLoop final : public PlatformLoop {
public:
  explicit TestLoop(Serve serve) { platform->set_serve(std::move(serve)); }
  void wake() override { platform->wake(); }
};

std::unique_ptr<PlatformLoop> make_test_loop(PlatformLoop::Serve serve)
{
  return std::make_unique<TestLoop>(std::move(serve));
}

struct Served {
  Served() { platform = &own; }
  ~Served()
  {
    own.end();
    queue->close();
    queue.reset();
    g_main_context_unref(context);
  }

  // The thread that ran it; null when it was not served.
  GThread *runner(GstClockTime timeout = 20 * GST_SECOND)
  {
    GThread *thread = nullptr;
    auto *call = new AwaitedCall(
        "who",
        [](gpointer data) -> GVariant * {
          *static_cast<GThread **>(data) = g_thread_self();
          return nullptr;
        },
        &thread, nullptr);
    outcome = queue->invoke(*call, timeout, nullptr);
    call->unref();
    return thread;
  }

  Platform own;
  GMainContext *context = g_main_context_new();
  std::shared_ptr<DispatchQueue> queue =
      (platform = &own, DispatchQueue::create(context, make_test_loop));
  DispatchQueue::Outcome outcome = DispatchQueue::Outcome::Served;
};

}  // namespace

GST_START_TEST(test_platform_serves_where_no_glib_loop_runs)
{
  Served served;
  fail_unless(served.runner(20 * GST_MSECOND) == nullptr);
  fail_unless(served.outcome == DispatchQueue::Outcome::NeverRan);
  served.own.run();
  GThread *thread = served.runner();
  fail_unless(thread != nullptr && thread != g_thread_self());
  fail_unless(served.runner() == thread);
  fail_if(served.queue->is_runtime_thread());
}
GST_END_TEST

GST_START_TEST(test_glib_loop_has_it_for_itself)
{
  Served served;
  served.own.run();
  GThread *of_platform = served.runner();
  GMainLoop *loop = g_main_loop_new(served.context, FALSE);
  GThread *of_glib = nullptr;
  std::atomic<bool> runs = false;
  std::thread thread([&] {
    of_glib = g_thread_self();
    runs = true;
    g_main_loop_run(loop);
  });
  while (!runs || !g_main_loop_is_running(loop))
    g_usleep(1000);
  // The first ones may still be served by the platform, while the loop begins.
  GThread *runner = of_platform;
  for (int i = 0; i < 1000 && runner != of_glib; i++)
    runner = served.runner();
  for (int i = 0; i < 100; i++)
    fail_unless(served.runner() == of_glib);
  g_main_loop_quit(loop);
  thread.join();
  g_main_loop_unref(loop);
}
GST_END_TEST

// Closures run one at a time, while both loops come and go.
GST_START_TEST(test_one_at_a_time)
{
  struct Check {
    std::atomic<int> inside = 0;
    std::atomic<int> run = 0;
  } check;
  Served served;
  served.own.run();
  std::atomic<bool> stop = false;
  std::thread glib([&] {
    while (!stop) {
      for (int i = 0; i < 20; i++)
        g_main_context_iteration(served.context, FALSE);
      g_usleep(200);
    }
  });
  constexpr int kCalls = 20000;
  for (int i = 0; i < kCalls; i++)
    served.queue->post(new DispatchCall(
        "one",
        [](gpointer data) -> GVariant * {
          auto *seen = static_cast<Check *>(data);
          fail_unless_equals_int(seen->inside.fetch_add(1), 0);
          seen->run++;
          seen->inside--;
          return nullptr;
        },
        &check, nullptr));
  for (int i = 0; i < 20000 && check.run < kCalls; i++)
    g_usleep(1000);
  stop = true;
  glib.join();
  fail_unless_equals_int(check.run, kCalls);
}
GST_END_TEST

static Suite *platform_loop_suite(void)
{
  Suite *suite = suite_create("platform-loop");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_platform_serves_where_no_glib_loop_runs);
  tcase_add_test(tcase, test_glib_loop_has_it_for_itself);
  tcase_add_test(tcase, test_one_at_a_time);
  return suite;
}

GST_CHECK_MAIN(platform_loop)
