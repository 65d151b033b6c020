// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/step_job.h"

#include <algorithm>

#include "gst/streamlib/link.h"
#include "gst/support/futex.h"
#include "gst/support/guards.h"

namespace streamlib {

using support::kNoDeadline;
using support::monotonic_ns;
using support::MutexLock;

namespace {

// A turn ends after so many steps, or when it has taken so long and others may be waiting.
constexpr int kStepsPerTurn = 64;
constexpr int64_t kTurnNs = 500 * 1000;

// Periods begin on a grid of so many parts of them, so that processors of one period come in a few
// groups instead of each on its own tick.
constexpr int64_t kGroupsPerPeriod = 4;

// A waiter that was not woken looks again.
constexpr int64_t kLookAgainNs = 100 * 1000 * 1000;

}  // namespace

// --- The processor ---

bool StepJob::start()
{
  {
    const MutexLock lock(control_);
    is_stopping_ = false;
    may_run_.store(true);
  }
  schedule();
  return true;
}

void StepJob::quiesce()
{
  {
    const MutexLock lock(control_);
    if (is_stopping_)
      return;
    may_run_.store(false);
  }
  wait_until_rests();
}

void StepJob::resume()
{
  {
    const MutexLock lock(control_);
    if (is_stopping_)
      return;
    may_run_.store(true);
  }
  schedule();
}

void StepJob::request_stop()
{
  const MutexLock lock(control_);
  is_stopping_ = true;
  may_run_.store(false);
}

bool StepJob::finish()
{
  if (is_own_thread())
    return false;
  wait_until_rests();
  // A job that is still queued is not run any more, and leaves these alone.
  for (const auto &link : full_links_)
    link->disarm_space();
  full_links_.clear();
  parker.disarm();
  wanted_at_ = 0;
  return true;
}

void StepJob::wait_until_rests()
{
  if (is_own_thread())
    return;
  waiters_++;
  for (;;) {
    const uint32_t state = state_.load();
    if (state == kResting || state == kQueued)
      break;
    support::futex_wait(state_, state, monotonic_ns() + kLookAgainNs);
  }
  waiters_--;
}

int64_t StepJob::first_tick(int64_t now_ns, int64_t period_ns) const
{
  const int64_t tick = host_->tick_ns();
  const int64_t ticks = period_ns / kGroupsPerPeriod / tick;
  if (ticks < 1)
    return now_ns;
  const int64_t grid = ticks * tick;
  return (now_ns + grid - 1) / grid * grid;
}

// --- The queue ---

void StepJob::enqueue()
{
  queued_self = shared_from_this();
  host_->submit(*this);
}

// RT
void StepJob::schedule()
{
  uint32_t state = state_.load();
  for (;;) {
    switch (state) {
      case kResting:
        if (!state_.compare_exchange_weak(state, kQueued))
          continue;
        enqueue();
        return;
      case kRunning:
        if (!state_.compare_exchange_weak(state, kRunningAgain))
          continue;
        return;
      default:
        return;
    }
  }
}

// --- The host's thread ---

void StepJob::run(const Standstill *standstill)
{
  const std::shared_ptr<StepJob> self = std::move(queued_self);
  state_.store(kRunning);
  if (!may_run_.load()) {
    leave(false);
    return;
  }
  thread_.store(g_thread_self());
  StepJob *const outer = std::exchange(current_, this);
  if (G_UNLIKELY(standstill != nullptr))
    steps_.note_standstill(standstill->blocked, standstill->max_spares);
  take_turn();
  current_ = outer;
}

void StepJob::take_turn()
{
  const int64_t now = monotonic_ns();
  if (wanted_at_ != 0) {
    const int64_t late = now - std::exchange(wanted_at_, 0);
    if (late > 0)
      host_->note_lateness(late);
  }
  const int64_t end = now + kTurnNs;
  for (int i = 0; i < kStepsPerTurn && may_run_.load(); i++) {
    if (G_UNLIKELY(!full_links_.empty())) {
      if (wait_for_space())
        return leave(false);
      continue;
    }
    int64_t until = kNoDeadline;
    const GstSlStep result = steps_.take_step(&until);
    if (!full_links_.empty())
      continue;
    if (result == GST_SL_STEP_AGAIN) {
      if (monotonic_ns() >= end)
        break;
      continue;
    }
    if (may_run_.load() && rest(until))
      return leave(false);
  }
  leave(may_run_.load());
}

// Whoever was faster than the rest has scheduled the job anew, which leave() sees.
bool StepJob::rest(int64_t until)
{
  if (until != kNoDeadline) {
    deadline_.store(until);
    wanted_at_ = until;
    host_->arm(*this);
  }
  parker.arm(this);
  const bool has_come = until != kNoDeadline && monotonic_ns() >= until;
  if (!has_come && !steps_.has_work() && may_run_.load())
    return true;
  if (!parker.disarm())
    return true;
  if (!has_come)
    wanted_at_ = 0;
  return false;
}

// True when there is none yet, and the job is told when there is.
bool StepJob::wait_for_space()
{
  while (!full_links_.empty()) {
    if (full_links_.back()->arm_space(this))
      return true;
    full_links_.pop_back();
  }
  return false;
}

void StepJob::suspend_on(std::shared_ptr<Link> link)
{
  if (std::find(full_links_.begin(), full_links_.end(), link) != full_links_.end())
    return;
  full_links_.push_back(std::move(link));
  host_->note_suspension();
}

// The last that a turn does: another thread may run the job at once.
void StepJob::leave(bool wants_more)
{
  thread_.store(nullptr);
  uint32_t state = kRunning;
  if (wants_more || !state_.compare_exchange_strong(state, kResting)) {
    state_.store(kQueued);
    enqueue();
  }
  if (waiters_.load() > 0)
    support::futex_wake_all(state_);
}

}  // namespace streamlib
