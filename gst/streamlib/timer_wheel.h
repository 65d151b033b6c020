// SPDX-License-Identifier: LGPL-2.1-or-later
// The times that jobs wait for, rounded up to a common tick.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "gst/streamlib/step_job.h"

namespace streamlib {

// One thread's. A slot for each tick of the next kSlots; what is further away lies in the slot that
// it will come to, and is looked at each time the wheel has gone round.
class TimerWheel {
public:
  explicit TimerWheel(int64_t tick_ns) : tick_ns_(tick_ns) {}
  TimerWheel(const TimerWheel &) = delete;
  TimerWheel &operator=(const TimerWheel &) = delete;
  ~TimerWheel() { clear(); }

  // Puts a job where its deadline() is, wherever it was. The wheel holds it meanwhile.
  void place(StepJob &job);
  // Takes out what is due, and calls `fire` for each.
  template <typename Fire>
  void advance(int64_t now_ns, Fire fire);
  // When to call advance() again; kNoDeadline when nothing waits.
  int64_t next_ns() const;
  // The time at which what is to come at `time_ns` does come.
  int64_t rounded(int64_t time_ns) const { return tick_of(time_ns) * tick_ns_; }
  void clear();

private:
  static constexpr int64_t kSlots = 1024;

  int64_t tick_of(int64_t time_ns) const { return (time_ns + tick_ns_ - 1) / tick_ns_; }
  StepJob *&slot_of(int64_t tick) { return slots_[static_cast<size_t>(tick % kSlots)]; }
  std::shared_ptr<StepJob> take_out(StepJob &job);

  const int64_t tick_ns_;
  // The last tick that has come.
  int64_t now_tick_ = 0;
  size_t count_ = 0;
  std::array<StepJob *, kSlots> slots_ = {};
};

template <typename Fire>
void TimerWheel::advance(int64_t now_ns, Fire fire)
{
  const int64_t target = now_ns / tick_ns_;
  // Who slept longer than the wheel goes round has missed each slot once.
  int64_t tick = target - now_tick_ > kSlots ? target - kSlots : now_tick_;
  now_tick_ = target;
  for (; tick <= target && count_ > 0; tick++) {
    for (StepJob *job = slot_of(tick); job != nullptr;) {
      StepJob *next = job->timer_next;
      if (job->timer_tick <= target)
        fire(take_out(*job));
      job = next;
    }
  }
}

}  // namespace streamlib
