// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/timer_wheel.h"

#include <algorithm>

#include "gst/support/futex.h"

namespace streamlib {

void TimerWheel::place(StepJob &job)
{
  std::shared_ptr<StepJob> self = job.timer_self ? take_out(job) : job.shared_from_this();
  // What is due already comes with the next advance().
  job.timer_tick = std::max(tick_of(job.deadline()), now_tick_);
  StepJob *&first = slot_of(job.timer_tick);
  job.timer_previous = nullptr;
  job.timer_next = first;
  if (first != nullptr)
    first->timer_previous = &job;
  first = &job;
  job.timer_self = std::move(self);
  count_++;
}

std::shared_ptr<StepJob> TimerWheel::take_out(StepJob &job)
{
  if (job.timer_previous != nullptr)
    job.timer_previous->timer_next = job.timer_next;
  else
    slot_of(job.timer_tick) = job.timer_next;
  if (job.timer_next != nullptr)
    job.timer_next->timer_previous = job.timer_previous;
  job.timer_next = job.timer_previous = nullptr;
  count_--;
  return std::move(job.timer_self);
}

int64_t TimerWheel::next_ns() const
{
  if (count_ == 0)
    return support::kNoDeadline;
  for (int64_t tick = now_tick_; tick < now_tick_ + kSlots; tick++) {
    for (StepJob *job = slots_[static_cast<size_t>(tick % kSlots)]; job != nullptr;
         job = job->timer_next) {
      if (job->timer_tick == tick)
        return tick * tick_ns_;
    }
  }
  return (now_tick_ + kSlots) * tick_ns_;
}

void TimerWheel::clear()
{
  for (StepJob *&slot : slots_) {
    while (slot != nullptr)
      take_out(*slot);
  }
}

}  // namespace streamlib
