// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/captureclock.h"

#include <algorithm>

namespace streamlib::camera {

namespace {

// A frame that is older was not captured on the clock that it is stamped by.
constexpr uint64_t kOldest = 1'000'000'000;
// Clocks are read one after the other.
constexpr uint64_t kClockSkew = 1'000'000;
constexpr uint64_t kFollow = 128;

bool is_possible(uint64_t claimed, uint64_t arrival)
{
  return claimed <= arrival + kClockSkew && arrival - std::min(claimed, arrival) <= kOldest;
}

}  // namespace

uint64_t CaptureClock::estimate(uint64_t arrival) const
{
  if (!last_ || duration_ == 0 || arrival <= *last_)
    return arrival;
  const uint64_t frames = std::max<uint64_t>(1, (arrival - *last_ + duration_ / 2) / duration_);
  const uint64_t due = *last_ + frames * duration_;
  if (arrival <= due)
    return arrival;
  return due + (arrival - due) / kFollow;
}

uint64_t CaptureClock::stamp(uint64_t arrival, std::optional<uint64_t> claimed)
{
  estimated_ = !claimed || !is_possible(*claimed, arrival);
  uint64_t time = estimated_ ? estimate(arrival) : std::min(*claimed, arrival);
  if (last_)
    time = std::max(time, *last_);
  last_ = time;
  return time;
}

}  // namespace streamlib::camera
