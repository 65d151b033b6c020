// SPDX-License-Identifier: LGPL-2.1-or-later
// The dispatcher against g_main_context_invoke(), and against the least that the system can do.
//
// The thread that serves the context is pinned to one CPU, the caller to the other. `async-*` posts
// closures as fast as it can and waits for the last one; the figures are those of the whole run.
// `invoke-round-trip` calls once a millisecond, so that the other thread sleeps before each call.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <gst/streamlib/streamlib.h>

#include "measure.h"
#include "options.h"

namespace streamlib::bench {

namespace {

constexpr int64_t kPeriodNs = 1'000'000;
constexpr unsigned kWarmUp = 50;

// A context with a thread that serves it.
class ContextThread {
public:
  ContextThread()
      : context_(g_main_context_new()),
        loop_(g_main_loop_new(context_, FALSE)),
        dispatcher_(gst_sl_dispatcher_new(context_)),
        thread_([this] {
          pin_thread(kConsumerCpu);
          g_main_loop_run(loop_);
        })
  {
    while (gst_sl_dispatcher_is_runtime_thread(dispatcher_)) {
      g_main_context_wakeup(context_);
      usleep(100);
    }
  }
  ContextThread(const ContextThread &) = delete;
  ContextThread &operator=(const ContextThread &) = delete;
  ~ContextThread()
  {
    g_main_loop_quit(loop_);
    thread_.join();
    gst_object_unref(dispatcher_);
    g_main_loop_unref(loop_);
    g_main_context_unref(context_);
  }

  GMainContext *context() const { return context_; }
  GstSlDispatcher *dispatcher() const { return dispatcher_; }

private:
  GMainContext *const context_;
  GMainLoop *const loop_;
  GstSlDispatcher *const dispatcher_;
  std::thread thread_;
};

struct AsyncResult {
  double rate = 0;
  double cpu_ns = 0;
};

struct Count {
  alignas(128) std::atomic<uint64_t> run{0};

  void add() { run.store(run.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
};

GVariant *count_call(gpointer data)
{
  static_cast<Count *>(data)->add();
  return nullptr;
}

gboolean count_source(gpointer data)
{
  static_cast<Count *>(data)->add();
  return G_SOURCE_REMOVE;
}

// `post` puts one closure on its way.
template <typename Post>
AsyncResult post_many(uint64_t calls, Post post)
{
  ContextThread served;
  Count count;
  AsyncResult result;
  std::thread caller([&] {
    pin_thread(kProducerCpu);
    const int64_t cpu = process_cpu_ns();
    const int64_t start = monotonic_ns();
    for (uint64_t i = 0; i < calls; i++)
      post(served, &count);
    while (count.run.load(std::memory_order_acquire) < calls)
      usleep(20);
    const auto took = static_cast<double>(monotonic_ns() - start);
    result.rate = static_cast<double>(calls) * 1e9 / took;
    result.cpu_ns = static_cast<double>(process_cpu_ns() - cpu) / static_cast<double>(calls);
  });
  caller.join();
  return result;
}

AsyncResult post_to_dispatcher(uint64_t calls)
{
  return post_many(calls, [](const ContextThread &served, Count *count) {
    gst_sl_dispatcher_invoke_async(served.dispatcher(), "count", count_call, count, nullptr);
  });
}

AsyncResult post_to_context(uint64_t calls)
{
  return post_many(calls, [](const ContextThread &served, Count *count) {
    g_main_context_invoke(served.context(), count_source, count);
  });
}

// The times of `calls` round trips, one in each period, as p50 and p99 in microseconds.
template <typename Trip>
std::pair<double, double> round_trips(unsigned calls, Trip trip)
{
  std::vector<double> times_us;
  int64_t deadline = monotonic_ns();
  for (unsigned i = 0; i < kWarmUp + calls; i++) {
    deadline += kPeriodNs;
    const timespec until = {deadline / 1'000'000'000, deadline % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    const int64_t start = monotonic_ns();
    trip();
    if (i >= kWarmUp)
      times_us.push_back(static_cast<double>(monotonic_ns() - start) / 1e3);
  }
  return {percentile(times_us, 0.5), percentile(times_us, 0.99)};
}

std::pair<double, double> invoke_trips(unsigned calls)
{
  ContextThread served;
  Count count;
  std::pair<double, double> result;
  std::thread caller([&] {
    pin_thread(kProducerCpu);
    result = round_trips(calls, [&] {
      gst_sl_dispatcher_invoke(served.dispatcher(), "count", count_call, &count, nullptr,
                               GST_SECOND, nullptr, nullptr, nullptr);
    });
  });
  caller.join();
  return result;
}

class Word {
public:
  void wait_while(uint32_t value)
  {
    while (word_.load(std::memory_order_acquire) == value)
      syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
  }
  void advance()
  {
    word_.fetch_add(1, std::memory_order_release);
    syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }

private:
  alignas(128) std::atomic<uint32_t> word_{0};
};

std::pair<double, double> futex_trips(unsigned calls)
{
  Word there;
  Word back;
  std::pair<double, double> result;
  std::thread answering([&] {
    pin_thread(kConsumerCpu);
    for (uint32_t i = 0; i < kWarmUp + calls; i++) {
      there.wait_while(i);
      back.advance();
    }
  });
  std::thread caller([&] {
    pin_thread(kProducerCpu);
    uint32_t turn = 0;
    result = round_trips(calls, [&] {
      there.advance();
      back.wait_while(turn++);
    });
  });
  caller.join();
  answering.join();
  return result;
}

class DispatchBench {
public:
  explicit DispatchBench(const Options &options) : options_(options) {}

  void run()
  {
    async_row("dispatch-async-rate", "invoke_async, closures run", "calls/s", Better::kHigher, 8,
              &AsyncResult::rate);
    async_row("dispatch-async-cpu", "invoke_async, CPU time of the process for each closure", "ns",
              Better::kLower, 0.2, &AsyncResult::cpu_ns);
    round_trip_row();
  }

private:
  bool wanted(const std::string &id) const
  {
    if (!options_.wants(id))
      return false;
    if (options_.list)
      printf("%s\n", id.c_str());
    return !options_.list;
  }

  void async_row(const char *id, const char *what, const char *unit, Better better, double budget,
                 double AsyncResult::*figure)
  {
    if (!wanted(id))
      return;
    RowSpec spec;
    spec.id = id;
    spec.what = what;
    spec.subject = "invoke_async";
    spec.baseline = "g_main_context_invoke";
    spec.unit = unit;
    spec.budget = {better, budget};
    const uint64_t calls = options_.is_long ? 400'000 : 150'000;
    print_row(measure_row(spec, options_.effort(), [&](int, Row &) {
      const AsyncResult baseline = post_to_context(calls);
      return Pair{post_to_dispatcher(calls).*figure, baseline.*figure};
    }));
  }

  void round_trip_row()
  {
    if (!wanted("dispatch-round-trip"))
      return;
    RowSpec spec;
    spec.id = "dispatch-round-trip";
    spec.what = "p50 of invoke, there and back, to a thread that slept on the other CPU, 1 kHz";
    spec.subject = "invoke";
    spec.baseline = "futex";
    spec.unit = "us";
    spec.budget = {Better::kLower, 1.2};
    const unsigned calls = options_.is_long ? 2000 : 350;
    // The idle states of a virtual CPU would drown the difference.
    IdleSpinners spinners;
    print_row(measure_row(spec, options_.effort(), [&](int, Row &row) {
      const auto bare = futex_trips(calls);
      const auto own = invoke_trips(calls);
      row.details["subject_p99_us"].push_back(own.second);
      row.details["baseline_p99_us"].push_back(bare.second);
      return Pair{own.first, bare.first};
    }));
  }

  const Options options_;
};

}  // namespace

}  // namespace streamlib::bench

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  const Options options = parse_options(argc, argv);
  gst_init(nullptr, nullptr);
  if (!options.list && usable_cpus() < 2) {
    fprintf(stderr, "two CPUs are needed: one for each thread\n");
    return 77;
  }
  DispatchBench(options).run();
  return 0;
}
