// SPDX-License-Identifier: LGPL-2.1-or-later
#include "measure.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

namespace streamlib::bench {

namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;

int64_t clock_ns(clockid_t clock)
{
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

int entries_of(const char *folder)
{
  std::error_code error;
  const std::filesystem::directory_iterator entries(folder, error);
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

}  // namespace

int64_t monotonic_ns()
{
  return clock_ns(CLOCK_MONOTONIC);
}
int64_t process_cpu_ns()
{
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int thread_count()
{
  return entries_of("/proc/self/task");
}

int descriptor_count()
{
  return entries_of("/proc/self/fd");
}

double resident_kib()
{
  long pages = 0, resident = 0;
  if (FILE *file = fopen("/proc/self/statm", "r")) {
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
      resident = 0;
    fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

void pin_thread(int cpu)
{
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0)
    fprintf(stderr, "cannot pin a thread to CPU %d: the figures will scatter\n", cpu);
}

void unpin_thread()
{
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int usable_cpus()
{
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    return 1;
  return CPU_COUNT(&set);
}

double percentile(std::vector<double> &values, double fraction)
{
  if (values.empty())
    return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(last * fraction);
  const size_t above = std::min(below + 1, values.size() - 1);
  const double part = last * fraction - static_cast<double>(below);
  return values[below] + (values[above] - values[below]) * part;
}

double median(std::vector<double> values)
{
  return percentile(values, 0.5);
}

IdleSpinners::IdleSpinners()
{
  for (int cpu : {kProducerCpu, kConsumerCpu}) {
    threads_.emplace_back([this, cpu] {
      pin_thread(cpu);
      sched_param none{};
      // Without the idle class this thread would compete with what is measured.
      if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) != 0)
        return;
      while (!stop_.load(std::memory_order_relaxed))
        spin_pause();
    });
  }
}

IdleSpinners::~IdleSpinners()
{
  stop_ = true;
  for (std::thread &thread : threads_)
    thread.join();
}

Hogs::Hogs(unsigned count)
{
  for (unsigned i = 0; i < count; i++)
    threads_.emplace_back([this] {
      while (!stop_.load(std::memory_order_relaxed))
        std::atomic_signal_fence(std::memory_order_seq_cst);
    });
}

Hogs::~Hogs()
{
  stop_ = true;
  for (std::thread &thread : threads_)
    thread.join();
}

OthersLoad::OthersLoad() : start_(take()) {}

double OthersLoad::cpus() const
{
  const Sample now = take();
  const auto wall = static_cast<double>(now.wall_ns - start_.wall_ns);
  const auto own = static_cast<double>(now.own_ns - start_.own_ns);
  const auto busy = static_cast<double>(now.busy_ns - start_.busy_ns);
  return wall > 0 ? std::max(0.0, (busy - own) / wall) : 0;
}

OthersLoad::Sample OthersLoad::take()
{
  unsigned long long user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0;
  if (FILE *stat = fopen("/proc/stat", "re")) {
    if (fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &wait,
               &irq, &soft) != 7)
      user = nice = system = irq = soft = 0;
    fclose(stat);
  }
  const auto ticks = static_cast<int64_t>(user + nice + system + irq + soft);
  const int64_t ns_per_tick = kNsPerSecond / sysconf(_SC_CLK_TCK);
  return {monotonic_ns(), process_cpu_ns(), ticks * ns_per_tick};
}

}  // namespace streamlib::bench
