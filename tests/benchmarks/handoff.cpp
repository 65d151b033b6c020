// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a buffer takes from just before the push to the thread that slept for it.
#include "handoff.h"

#include <atomic>
#include <thread>
#include <vector>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "flow.h"
#include "measure.h"

namespace streamlib::bench {

namespace {

constexpr uint64_t kWarmUp = 50;

HandoffResult summary(std::vector<double> &latencies_us)
{
  return {percentile(latencies_us, 0.5), percentile(latencies_us, 0.99),
          percentile(latencies_us, 0.999)};
}

struct FutexWord {
  alignas(128) std::atomic<uint32_t> turn{0};
  alignas(128) std::atomic<int64_t> sent_ns{0};
};

void produce(FutexWord &word, const HandoffPlan &plan)
{
  pin_thread(plan.producer_cpu);
  int64_t deadline = monotonic_ns();
  for (uint64_t i = 0; i < kWarmUp + plan.buffers; i++) {
    deadline += plan.period_ns;
    const timespec until = {deadline / 1'000'000'000, deadline % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    word.sent_ns.store(monotonic_ns(), std::memory_order_relaxed);
    word.turn.fetch_add(1, std::memory_order_release);
    syscall(SYS_futex, &word.turn, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace

HandoffResult element_handoff(const std::string &subject, const HandoffPlan &plan)
{
  Exchange exchange;
  exchange.period_ns = plan.period_ns;
  exchange.stamps = true;
  exchange.warm_up = kWarmUp;
  exchange.buffers = plan.buffers;
  exchange.source_cpu = plan.producer_cpu;
  exchange.sink_cpu = plan.consumer_cpu;
  run_flow(subject, exchange);
  return summary(exchange.latencies_us);
}

HandoffResult futex_handoff(const HandoffPlan &plan)
{
  FutexWord word;
  std::vector<double> latencies_us;
  latencies_us.reserve(plan.buffers);
  std::thread consumer([&] {
    pin_thread(plan.consumer_cpu);
    for (uint32_t turn = 0; turn < kWarmUp + plan.buffers; turn++) {
      while (word.turn.load(std::memory_order_acquire) == turn)
        syscall(SYS_futex, &word.turn, FUTEX_WAIT_PRIVATE, turn, nullptr, nullptr, 0);
      const int64_t now = monotonic_ns();
      if (turn >= kWarmUp)
        latencies_us.push_back(static_cast<double>(now - word.sent_ns.load()) / 1e3);
    }
  });
  std::thread producer([&] { produce(word, plan); });
  producer.join();
  consumer.join();
  return summary(latencies_us);
}

}  // namespace streamlib::bench
