// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/processor_clock.h"

#include <algorithm>

#include "gst/support/futex.h"

namespace streamlib {

namespace {

// A clock that is not the system's may run at another rate, or by hand in a test: it is looked at
// this often.
constexpr int64_t kLookAgainNs = 10 * 1000 * 1000;

}  // namespace

void ProcessorClock::set_clock(GstClock *clock)
{
  if (clock_.load() == clock)
    return;
  const bool known = std::any_of(clocks_.begin(), clocks_.end(),
                                 [clock](const auto &other) { return other.get() == clock; });
  if (clock != nullptr && !known)
    clocks_.push_back(support::share_object(clock));
  clock_.store(clock);
}

void ProcessorClock::set_playing(bool playing, GstClockTime base_time)
{
  base_time_.store(base_time);
  playing_.store(playing);
}

GstClockTime ProcessorClock::running_time() const
{
  GstClock *clock = clock_.load(std::memory_order_acquire);
  if (clock == nullptr || !playing_.load(std::memory_order_acquire))
    return GST_CLOCK_TIME_NONE;
  const GstClockTime base_time = base_time_.load(std::memory_order_relaxed);
  const GstClockTime now = gst_clock_get_time(clock);
  return now > base_time ? now - base_time : 0;
}

int64_t ProcessorClock::monotonic_time_of(GstClockTime running_time) const
{
  const GstClockTime now = this->running_time();
  if (!GST_CLOCK_TIME_IS_VALID(now))
    return support::kNoDeadline;
  int64_t wait = running_time > now ? static_cast<int64_t>(running_time - now) : 0;
  GstClock *clock = clock_.load();
  if (clock != nullptr && G_OBJECT_TYPE(clock) != GST_TYPE_SYSTEM_CLOCK)
    wait = std::min(wait, kLookAgainNs);
  return support::monotonic_ns() + wait;
}

}  // namespace streamlib
