// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor that has no thread of its own, as those see it who lend it one.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <glib.h>

#include "gst/streamlib/step_runner.h"
#include "gst/support/parker.h"

namespace streamlib {

class Link;
class StepJob;

// Lends threads to jobs. Lives as long as a job that was started with it.
class JobHost {
public:
  virtual ~JobHost() = default;
  // Any thread, without a lock. run() is called soon, once.
  virtual void submit(StepJob &job) = 0;
  // The job's step, or any thread before a job rests: wake_at_deadline() is called when
  // job.deadline() has come.
  virtual void arm(StepJob &job) = 0;
  // Any thread: how late a job came that had asked for a time.
  virtual void note_lateness(int64_t ns) = 0;
  virtual void note_suspension() = 0;
  // What times are rounded up to; 1 for none.
  virtual int64_t tick_ns() const = 0;
  // The thread of a job that is about to wait for another one, and after that.
  virtual void begin_wait() = 0;
  virtual void end_wait() = 0;
};

// Steps are taken in turns of a few, each in whatever thread the host has. Between them the job
// rests, is queued, or is suspended: a lossless link that it has filled keeps it until there is
// space. Nothing of this takes a lock.
class StepJob final : public StepRunner,
                      public support::Wakeable,
                      public std::enable_shared_from_this<StepJob> {
public:
  // `wait_point` is that of the processor, whoever takes its steps. A job stays with its host, in
  // whose queue and timer it may still lie when it has been stopped.
  StepJob(Steps &steps, std::shared_ptr<support::Parker> wait_point, std::shared_ptr<JobHost> host)
      : parker(*wait_point),
        steps_(steps),
        wait_point_(std::move(wait_point)),
        host_(std::move(host))
  {
    g_mutex_init(&control_);
  }
  StepJob(const StepJob &) = delete;
  StepJob &operator=(const StepJob &) = delete;
  ~StepJob() { g_mutex_clear(&control_); }

  const JobHost *host() const { return host_.get(); }

  // --- StepRunner
  bool start() override;
  void quiesce() override;
  void resume() override;
  void request_stop() override;
  bool finish() override;
  int64_t first_tick(int64_t now_ns, int64_t period_ns) const override;
  bool is_own_thread() const override { return current() == this; }
  GThread *thread() const override { return thread_.load(); }

  // --- The host.
  // What is to be said before the turn.
  struct Standstill {
    unsigned blocked;
    unsigned max_spares;
  };
  // One turn. The host has taken the job out of its queue.
  void run(const Standstill *standstill = nullptr);
  // What was asked for by arm() has come. Any thread.
  void wake_at_deadline() { parker.unpark(); }
  int64_t deadline() const { return deadline_.load(); }

  // --- Any thread.
  void wake() override { schedule(); }
  // The job whose step the calling thread takes; null when it takes none.
  static StepJob *current() { return current_; }
  // Its step has filled a lossless link, and must not come again before there is space.
  void suspend_on(std::shared_ptr<Link> link);

  // A wait for somebody else within a step. Nothing outside of a job.
  class WaitScope {
  public:
    WaitScope() : job_(current())
    {
      if (job_ != nullptr)
        job_->host_->begin_wait();
    }
    WaitScope(const WaitScope &) = delete;
    WaitScope &operator=(const WaitScope &) = delete;
    ~WaitScope()
    {
      if (job_ != nullptr)
        job_->host_->end_wait();
    }

  private:
    StepJob *const job_;
  };

  support::Parker &parker;

  // --- The host's own, for its queue and its timer.
  std::shared_ptr<StepJob> queued_self;
  std::shared_ptr<StepJob> armed_self;
  std::atomic<bool> is_armed = false;
  StepJob *next = nullptr;
  StepJob *queue_next = nullptr;
  StepJob *timer_next = nullptr;
  StepJob *timer_previous = nullptr;
  std::shared_ptr<StepJob> timer_self;
  int64_t timer_tick = 0;

private:
  enum State : uint32_t { kResting, kQueued, kRunning, kRunningAgain };

  // Looked up for each buffer: not by a call of the dynamic linker.
  [[gnu::tls_model("initial-exec")]] static constinit inline thread_local StepJob *current_ =
      nullptr;

  void schedule();
  void enqueue();
  void take_turn();
  bool rest(int64_t until);
  bool wait_for_space();
  void leave(bool wants_more);
  void wait_until_rests();

  Steps &steps_;
  const std::shared_ptr<support::Parker> wait_point_;
  const std::shared_ptr<JobHost> host_;
  std::atomic<uint32_t> state_ = kResting;
  std::atomic<unsigned> waiters_ = 0;
  std::atomic<bool> may_run_ = false;
  std::atomic<GThread *> thread_ = nullptr;
  std::atomic<int64_t> deadline_ = 0;
  // Taken alone: a flush that ends must not start what a state change has just stopped.
  GMutex control_;
  bool is_stopping_ = true;
  // The step's own. When it wanted to be woken; the links that it waits for.
  int64_t wanted_at_ = 0;
  std::vector<std::shared_ptr<Link>> full_links_;
};

}  // namespace streamlib
