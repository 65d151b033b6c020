// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/executor.h"

#include <algorithm>
#include <ctime>
#include <thread>

#include <unistd.h>

#include "gst/support/futex.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_executor_debug);
#define GST_CAT_DEFAULT gst_sl_executor_debug

namespace streamlib {

using support::kNoDeadline;
using support::monotonic_ns;
using support::MutexLock;

namespace {

// A job that runs for so long without using the processor is blocked.
constexpr int64_t kBlockedNs = 5 * 1000 * 1000;

// After so long without any job under way the limit of spares is passed.
constexpr int64_t kStandstillNs = 500 * 1000 * 1000;
constexpr size_t kMostThreads = 1024;

// So many jobs have room at first.
constexpr size_t kSmallestRing = 1024;

// The worker of the calling thread.
thread_local void *current_worker = nullptr;
// The executor whose timekeeper the calling thread is, while it puts what is due into the queue.
[[gnu::tls_model("initial-exec")]] thread_local const void *fires_now = nullptr;

unsigned cpus()
{
  return std::max(1U, std::thread::hardware_concurrency());
}

int64_t cpu_time_ns(clockid_t clock)
{
  timespec time;
  if (clock_gettime(clock, &time) != 0)
    return 0;
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

}  // namespace

Executor::Executor(const Settings &settings)
    : process_(getpid()),
      wanted_workers_(settings.workers == 0 ? cpus() : settings.workers),
      max_spares_(settings.max_spares),
      tick_ns_(settings.tick_ns),
      wheel_(settings.tick_ns)
{
  static gsize once = 0;
  if (g_once_init_enter(&once)) {
    GST_DEBUG_CATEGORY_INIT(gst_sl_executor_debug, "slexecutor", 0,
                            "executor of pooled processors");
    g_once_init_leave(&once, 1);
  }
  g_mutex_init(&mutex_);
}

Executor::~Executor()
{
  g_mutex_clear(&mutex_);
}

// --- Start and end ---

bool Executor::start_timekeeper()
{
  if (is_started_)
    return true;
  auto *self = new std::shared_ptr<Executor>(shared_from_this());
  timekeeper_thread_ = g_thread_try_new("sl-tick", run_timekeeper, self, nullptr);
  if (timekeeper_thread_ == nullptr)
    delete self;
  is_started_ = timekeeper_thread_ != nullptr;
  return is_started_;
}

std::shared_ptr<JobHost> Executor::join()
{
  if (process_ != getpid())
    return nullptr;
  const MutexLock lock(mutex_);
  if (is_closing_.load() || !start_timekeeper())
    return nullptr;
  queue_.make_room(++members_, kSmallestRing);
  return {this, [self = shared_from_this()](JobHost *) { self->members_--; }};
}

void Executor::close()
{
  std::vector<GThread *> threads;
  {
    const MutexLock lock(mutex_);
    is_closing_.store(true);
    if (timekeeper_thread_ != nullptr)
      threads.push_back(std::exchange(timekeeper_thread_, nullptr));
    for (const auto &worker : workers_) {
      if (GThread *thread = worker->thread.exchange(nullptr))
        threads.push_back(thread);
    }
  }
  timekeeper_.unpark();
  bell_++;
  support::futex_wake_all(bell_);
  spare_bell_++;
  support::futex_wake_all(spare_bell_);
  for (GThread *thread : threads) {
    if (thread == g_thread_self() || process_ != getpid())
      g_thread_unref(thread);
    else
      g_thread_join(thread);
  }
  // Jobs that were stopped while they were queued hold the executor, and it holds them.
  while (StepJob *job = queue_.take())
    job->queued_self.reset();
}

void Executor::set_workers(unsigned workers)
{
  wanted_workers_.store(workers == 0 ? cpus() : workers);
  // Those who are too many find out when they look for work.
  bell_++;
  support::futex_wake_all(bell_);
}

// --- The queue ---

// RT
void Executor::submit(StepJob &job)
{
  queue_.push(&job);
  // The timekeeper tells of all that it has put there at once.
  if (G_UNLIKELY(fires_now == this))
    fired_++;
  else
    notify();
}

// One worker is woken at a time, and wakes the next one if it finds more than it takes.
void Executor::notify()
{
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    if (is_waking_.exchange(true, std::memory_order_seq_cst))
      return;
    wakeups_.fetch_add(1, std::memory_order_relaxed);
    bell_.fetch_add(1, std::memory_order_seq_cst);
    support::futex_wake_one(bell_);
  } else if (!is_watching_.load(std::memory_order_seq_cst)) {
    ask_timekeeper();
  }
}

void Executor::ask_timekeeper()
{
  is_asked_.store(true, std::memory_order_seq_cst);
  timekeeper_.unpark();
}

// --- Workers ---

gpointer Executor::run_worker(gpointer data)
{
  const Start start = *static_cast<Start *>(data);
  delete static_cast<Start *>(data);
  current_worker = start.worker;
  clockid_t clock;
  if (pthread_getcpuclockid(pthread_self(), &clock) == 0) {
    start.worker->cpu_clock = clock;
    start.worker->has_clock.store(true);
  }
  start.executor->work(*start.worker);
  current_worker = nullptr;
  return nullptr;
}

void Executor::work(Worker &worker)
{
  while (!is_closing_.load()) {
    if (retire())
      continue;
    StepJob *job = queue_.take();
    if (job == nullptr) {
      sleep_until_work();
      continue;
    }
    if (has_jobs())
      notify();
    run_job(worker, *job);
  }
}

void Executor::run_job(Worker &worker, StepJob &job)
{
  worker.turns.fetch_add(1, std::memory_order_seq_cst);
  if (G_UNLIKELY(standstill_.load(std::memory_order_relaxed) > 0)) {
    const StepJob::Standstill standstill = {standstill_.exchange(0), max_spares_.load()};
    job.run(standstill.blocked > 0 ? &standstill : nullptr);
  } else {
    job.run();
  }
  worker.turns.fetch_add(1, std::memory_order_seq_cst);
  come_back(worker);
}

void Executor::come_back(Worker &worker)
{
  if (G_LIKELY(!worker.is_blocked.load(std::memory_order_seq_cst)) ||
      !worker.is_blocked.exchange(false))
    return;
  blocked_--;
  active_++;
}

void Executor::sleep_until_work()
{
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  // Whoever was woken for nothing must not keep others from being woken.
  is_waking_.store(false, std::memory_order_seq_cst);
  const uint32_t bell = bell_.load(std::memory_order_seq_cst);
  if (!has_jobs() && !is_closing_.load() && active_.load() <= wanted_workers_.load())
    support::futex_wait(bell_, bell, kNoDeadline);
  sleepers_.fetch_sub(1, std::memory_order_seq_cst);
  is_waking_.store(false, std::memory_order_seq_cst);
}

// A worker too many becomes a spare, and is one until it is called. False when it is none too many.
bool Executor::retire()
{
  unsigned active = active_.load();
  do {
    if (active <= wanted_workers_.load())
      return false;
  } while (!active_.compare_exchange_weak(active, active - 1));
  spares_++;
  for (;;) {
    const uint32_t bell = spare_bell_.load(std::memory_order_seq_cst);
    unsigned called = called_spares_.load();
    while (called > 0 && !called_spares_.compare_exchange_weak(called, called - 1)) {
    }
    if (called > 0 || is_closing_.load())
      break;
    support::futex_wait(spare_bell_, bell, kNoDeadline);
  }
  return true;
}

// --- A job that waits for another one: its worker is as good as blocked at once. ---

void Executor::begin_wait()
{
  auto *worker = static_cast<Worker *>(current_worker);
  if (worker == nullptr || worker->is_blocked.exchange(true))
    return;
  blocked_++;
  active_--;
  blocks_.fetch_add(1, std::memory_order_relaxed);
  ask_timekeeper();
}

void Executor::end_wait()
{
  if (auto *worker = static_cast<Worker *>(current_worker))
    come_back(*worker);
}

// --- Time ---

// RT. An order that comes while the job's last one has not been taken changes that one.
void Executor::arm(StepJob &job)
{
  if (!job.is_armed.exchange(true, std::memory_order_seq_cst)) {
    job.armed_self = job.shared_from_this();
    orders_.push(&job);
  }
  if (wheel_.rounded(job.deadline()) < sleeps_until_.load(std::memory_order_seq_cst))
    ask_timekeeper();
}

void Executor::note_lateness(int64_t ns)
{
  if (auto *worker = static_cast<Worker *>(current_worker))
    worker->lateness.add(static_cast<uint64_t>(ns));
}

gpointer Executor::run_timekeeper(gpointer data)
{
  const std::shared_ptr<Executor> self = std::move(*static_cast<std::shared_ptr<Executor> *>(data));
  delete static_cast<std::shared_ptr<Executor> *>(data);
  self->keep_time();
  return nullptr;
}

void Executor::keep_time()
{
  while (!is_closing_.load()) {
    is_asked_.store(false, std::memory_order_seq_cst);
    is_watching_.store(true, std::memory_order_seq_cst);
    take_orders();
    const size_t fired = fire_due();
    // With more than the workers take at once there will be jobs that wait, and this thread would
    // only be woken again to watch them; but it has to be where workers are missing.
    const unsigned wanted = wanted_workers_.load();
    const bool watches = look_after_workers() || (fired > wanted && active_.load() >= wanted);
    is_watching_.store(watches, std::memory_order_seq_cst);
    // What came between the look and the word of it.
    if (!watches && has_jobs() && sleepers_.load(std::memory_order_seq_cst) == 0)
      continue;
    const int64_t look_at = watches ? monotonic_ns() + kBlockedNs : kNoDeadline;
    const int64_t until = std::min(wheel_.next_ns(), look_at);
    sleeps_until_.store(until, std::memory_order_seq_cst);
    if (orders_.is_empty())
      timekeeper_.park([this] { return is_asked_.load() || is_closing_.load(); }, until);
    sleeps_until_.store(0, std::memory_order_seq_cst);
    ticks_.fetch_add(1, std::memory_order_relaxed);
  }
  take_orders();
  wheel_.clear();
}

// How many jobs were put into the queue.
size_t Executor::fire_due()
{
  fired_ = 0;
  fires_now = this;
  wheel_.advance(monotonic_ns(),
                 [](const std::shared_ptr<StepJob> &job) { job->wake_at_deadline(); });
  fires_now = nullptr;
  if (fired_ > 0)
    notify();
  return fired_;
}

void Executor::take_orders()
{
  StepJob *job = orders_.take_all();
  while (job != nullptr) {
    StepJob *next = job->next;
    const std::shared_ptr<StepJob> self = std::move(job->armed_self);
    job->is_armed.store(false, std::memory_order_seq_cst);
    wheel_.place(*job);
    job = next;
  }
}

// Says whether to look again soon: while jobs wait and no worker is free.
bool Executor::look_after_workers()
{
  if (!has_jobs() || sleepers_.load(std::memory_order_seq_cst) > 0) {
    standstill_since_ = 0;
    return false;
  }
  for (size_t jobs = queue_.size();
       jobs > 0 && active_.load() < wanted_workers_.load() && add_active(); jobs--) {
  }
  const int64_t now = monotonic_ns();
  // Only this thread changes the list.
  for (size_t i = 0; i < workers_.size(); i++) {
    if (is_stuck(*workers_[i], now))
      stand_in(*workers_[i]);
  }
  end_standstill(now);
  return true;
}

// Those that are blocked may wait for what is in the queue. Each time there are twice as many.
void Executor::end_standstill(int64_t now)
{
  if (active_.load() > 0) {
    standstill_since_ = 0;
    return;
  }
  if (standstill_since_ == 0)
    standstill_since_ = now;
  if (now - standstill_since_ < kStandstillNs)
    return;
  standstill_since_ = 0;
  if (beyond_ == 0)
    standstill_.store(blocked_.load());
  for (unsigned more = std::max(beyond_, 1U); more > 0 && start_worker(true); more--)
    beyond_++;
}

bool Executor::is_stuck(Worker &worker, int64_t now)
{
  const uint64_t turns = worker.turns.load(std::memory_order_seq_cst);
  if (turns % 2 == 0 || worker.is_blocked.load() || !worker.has_clock.load())
    return false;
  const int64_t cpu = cpu_time_ns(worker.cpu_clock);
  if (turns != worker.seen_turns) {
    worker.seen_turns = turns;
    worker.seen_at = now;
    worker.seen_cpu = cpu;
    return false;
  }
  const int64_t since = now - worker.seen_at;
  // Who works, works.
  return since >= kBlockedNs && cpu - worker.seen_cpu < since / 2;
}

void Executor::stand_in(Worker &worker)
{
  if (worker.is_blocked.exchange(true))
    return;
  blocked_++;
  active_--;
  // It may have come back meanwhile.
  if (worker.turns.load(std::memory_order_seq_cst) != worker.seen_turns)
    return come_back(worker);
  blocks_.fetch_add(1, std::memory_order_relaxed);
  if (add_active())
    return;
  refused_spares_.fetch_add(1, std::memory_order_relaxed);
  GST_WARNING(
      "%u workers are blocked and there is no spare for more: jobs wait until one comes "
      "back, or all have stood still for a while (max-spares is %u; sinks of one pipeline that "
      "all preroll take a thread each, with async=false they do not)",
      blocked_.load(), max_spares_.load());
}

bool Executor::add_active()
{
  unsigned spares = spares_.load();
  while (spares > 0 && !spares_.compare_exchange_weak(spares, spares - 1)) {
  }
  if (spares == 0)
    return start_worker();
  active_++;
  called_spares_++;
  spare_bell_++;
  support::futex_wake_one(spare_bell_);
  return true;
}

bool Executor::start_worker(bool passes_limit)
{
  const MutexLock lock(mutex_);
  const size_t most = wanted_workers_.load() + max_spares_.load();
  if (is_closing_.load() || workers_.size() >= (passes_limit ? kMostThreads : most))
    return false;
  auto worker = std::make_unique<Worker>();
  auto *start = new Start{shared_from_this(), worker.get()};
  const support::CStr name(g_strdup_printf("sl-work-%zu", workers_.size()));
  active_++;
  GThread *thread = g_thread_try_new(name.get(), run_worker, start, nullptr);
  if (thread == nullptr) {
    active_--;
    delete start;
    return false;
  }
  worker->thread.store(thread);
  workers_.push_back(std::move(worker));
  return true;
}

// --- Figures ---

ExecutorFigures Executor::figures() const
{
  ExecutorFigures figures;
  support::Histogram lateness;
  {
    const MutexLock lock(mutex_);
    figures.threads = static_cast<unsigned>(workers_.size());
    for (const auto &worker : workers_) {
      figures.turns += worker->turns.load(std::memory_order_relaxed) / 2;
      lateness.add_all(worker->lateness);
    }
  }
  figures.workers = wanted_workers_.load();
  figures.spares = spares_.load();
  figures.blocked = blocked_.load();
  figures.wakeups = wakeups_.load();
  figures.ticks = ticks_.load();
  figures.suspensions = suspensions_.load();
  figures.blocks = blocks_.load();
  figures.refused_spares = refused_spares_.load();
  figures.late_p50 = lateness.quantile(0.5);
  figures.late_p99 = lateness.quantile(0.99);
  figures.late_max = lateness.max();
  return figures;
}

}  // namespace streamlib
