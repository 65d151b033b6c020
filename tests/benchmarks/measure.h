// SPDX-License-Identifier: LGPL-2.1-or-later
// Clocks, what the process holds, placement of threads and order statistics for the benchmarks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace streamlib::bench {

// The CPU that the producing thread is pinned to.
inline constexpr int kProducerCpu = 0;
// The CPU that the consuming thread is pinned to, unless both share one.
inline constexpr int kConsumerCpu = 1;

int64_t monotonic_ns();
// CPU time of the whole process, all threads, user and system.
int64_t process_cpu_ns();

// What this process holds.
int thread_count();
int descriptor_count();
double resident_kib();

// Pins the calling thread. Any thread.
void pin_thread(int cpu);
// Lets the calling thread run on every CPU again: threads of GStreamer's pool are used again by
// later pipelines of the process.
void unpin_thread();
// How many CPUs this process may use.
int usable_cpus();

// Tells the CPU that this is a spin-wait.
inline void spin_pause()
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Sorts `values`; `fraction` 0.5 is the median. 0 when there are none.
double percentile(std::vector<double> &values, double fraction);
double median(std::vector<double> values);

// Keeps the CPUs out of their idle states by threads that run only when nothing else does, so that
// a wake-up costs the wake-up and not the end of a virtual machine's sleep. Lives for a scope.
class IdleSpinners {
public:
  IdleSpinners();
  ~IdleSpinners();
  IdleSpinners(const IdleSpinners &) = delete;
  IdleSpinners &operator=(const IdleSpinners &) = delete;

private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// Threads that compute without a pause, on whatever CPU they get. Lives for a scope.
class Hogs {
public:
  explicit Hogs(unsigned count);
  ~Hogs();
  Hogs(const Hogs &) = delete;
  Hogs &operator=(const Hogs &) = delete;

private:
  std::atomic<bool> stop_{false};
  std::vector<std::thread> threads_;
};

// How many CPUs other processes kept busy since construction: what to doubt a figure by.
class OthersLoad {
public:
  OthersLoad();
  double cpus() const;

private:
  struct Sample {
    int64_t wall_ns;
    int64_t own_ns;
    int64_t busy_ns;
  };
  static Sample take();
  Sample start_;
};

}  // namespace streamlib::bench
