// SPDX-License-Identifier: LGPL-2.1-or-later
// A few threads that run the steps of many processors.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include <pthread.h>

#include <gst/gst.h>

#include "gst/streamlib/step_job.h"
#include "gst/streamlib/timer_wheel.h"
#include "gst/support/histogram.h"
#include "gst/support/mpsc_list.h"
#include "gst/support/parker.h"
#include "gst/support/pointer_ring.h"
#include "gst/support/run_queue.h"

namespace streamlib {

struct ExecutorFigures {
  unsigned workers = 0;
  unsigned threads = 0;
  unsigned spares = 0;
  unsigned blocked = 0;
  uint64_t turns = 0;
  uint64_t wakeups = 0;
  uint64_t ticks = 0;
  uint64_t suspensions = 0;
  uint64_t blocks = 0;
  uint64_t refused_spares = 0;
  uint64_t late_p50 = 0;
  uint64_t late_p99 = 0;
  uint64_t late_max = 0;
};

// Workers take jobs from one queue, first come first served, and sleep when it is empty. The
// timekeeper, one more thread, puts jobs into the queue whose time has come, and looks after
// workers whose job does not come back: while others wait, a spare takes over for each of them, and
// who comes back joins the spares. Where all are blocked and there are no more spares to be had, it
// starts some beyond the limit. It sleeps while there is nothing of this to do.
//
// Neither submitting nor running a job takes a lock or allocates.
class Executor final : public JobHost, public std::enable_shared_from_this<Executor> {
public:
  struct Settings {
    // 0 is one for each processor of the machine.
    unsigned workers = 0;
    unsigned max_spares = 64;
    int64_t tick_ns = 1000 * 1000;
  };

  explicit Executor(const Settings &settings);
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;
  ~Executor() override;

  // For a job: the executor, with a place in its queue for as long as the job keeps it. Null in a
  // process that was forked from the one which has the threads, and when the system gives none.
  std::shared_ptr<JobHost> join();
  // No job runs after this. The threads end, but for the calling one if it is one of them.
  void close();

  // Any thread.
  void set_workers(unsigned workers);
  void set_max_spares(unsigned spares) { max_spares_.store(spares); }
  ExecutorFigures figures() const;

  // --- JobHost
  void submit(StepJob &job) override;
  void arm(StepJob &job) override;
  void note_lateness(int64_t ns) override;
  void note_suspension() override { suspensions_.fetch_add(1, std::memory_order_relaxed); }
  int64_t tick_ns() const override { return tick_ns_; }
  void begin_wait() override;
  void end_wait() override;

private:
  struct Worker {
    std::atomic<GThread *> thread = nullptr;
    clockid_t cpu_clock = 0;
    std::atomic<bool> has_clock = false;
    // Odd while a job runs; counts the turns twice.
    std::atomic<uint64_t> turns = 0;
    // Its job does not come back; a spare may stand in for it.
    std::atomic<bool> is_blocked = false;
    support::Histogram lateness;
    // The timekeeper's: what it saw last.
    uint64_t seen_turns = 0;
    int64_t seen_at = 0;
    int64_t seen_cpu = 0;
  };
  struct Start {
    std::shared_ptr<Executor> executor;
    Worker *worker;
  };

  bool start_timekeeper();
  static gpointer run_worker(gpointer data);
  static gpointer run_timekeeper(gpointer data);

  // Workers.
  void work(Worker &worker);
  void run_job(Worker &worker, StepJob &job);
  void sleep_until_work();
  bool retire();
  void come_back(Worker &worker);

  // Any thread.
  bool has_jobs() const { return queue_.has_items(); }
  void notify();
  void ask_timekeeper();

  // Timekeeper.
  void keep_time();
  void take_orders();
  size_t fire_due();
  bool look_after_workers();
  bool is_stuck(Worker &worker, int64_t now);
  void stand_in(Worker &worker);
  void end_standstill(int64_t now);
  bool add_active();
  bool start_worker(bool passes_limit = false);

  const pid_t process_;
  std::atomic<unsigned> wanted_workers_;
  std::atomic<unsigned> max_spares_;
  const int64_t tick_ns_;

  support::RunQueue<StepJob, &StepJob::queue_next> queue_;
  std::atomic<size_t> members_ = 0;

  // --- Workers. `active` are those that run jobs or look for some: not the blocked, nor spares.
  alignas(support::kCacheSpan) std::atomic<unsigned> active_ = 0;
  std::atomic<unsigned> sleepers_ = 0;
  std::atomic<bool> is_waking_ = false;
  std::atomic<uint32_t> bell_ = 0;
  std::atomic<unsigned> spares_ = 0;
  std::atomic<unsigned> called_spares_ = 0;
  std::atomic<uint32_t> spare_bell_ = 0;
  std::atomic<unsigned> blocked_ = 0;
  std::atomic<bool> is_closing_ = false;
  // How many were blocked when the next job is the first one after a standstill.
  std::atomic<unsigned> standstill_ = 0;

  // --- Timekeeper.
  alignas(support::kCacheSpan) support::Parker timekeeper_;
  std::atomic<int64_t> sleeps_until_ = 0;
  std::atomic<bool> is_asked_ = false;
  std::atomic<bool> is_watching_ = false;
  support::MpscList<StepJob> orders_;
  TimerWheel wheel_;
  size_t fired_ = 0;
  // Since when all workers are blocked, 0 where they are not; and the threads that were started
  // beyond the limit.
  int64_t standstill_since_ = 0;
  unsigned beyond_ = 0;
  GThread *timekeeper_thread_ = nullptr;

  // Guards the list of workers, which the timekeeper alone extends, and the start and the end.
  // Nothing is called under it but the start of a thread.
  mutable GMutex mutex_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool is_started_ = false;

  std::atomic<uint64_t> wakeups_ = 0;
  std::atomic<uint64_t> ticks_ = 0;
  std::atomic<uint64_t> suspensions_ = 0;
  std::atomic<uint64_t> blocks_ = 0;
  std::atomic<uint64_t> refused_spares_ = 0;
};

}  // namespace streamlib
