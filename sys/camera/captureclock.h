// SPDX-License-Identifier: LGPL-2.1-or-later
// When a frame was captured, from what the backend says or from when it came.
#pragma once

#include <cstdint>
#include <optional>

namespace streamlib::camera {

// All times are running times in nanoseconds. Streaming thread.
//
// A backend that tells the capture time is believed where that is possible: in the second before
// the arrival. Otherwise the time is estimated. With a the arrival of a frame, c the estimate for
// the frame before, d the duration of a frame:
//
//   k = max(1, round((a - c) / d))      how many frames have passed, lost ones included
//   p = c + k * d                       when this one is due
//   estimate = a                        where a <= p: no frame arrives before it is captured
//              p + (a - p) / 128         otherwise: late arrivals hardly count, but a camera that
//                                       runs slower than it says is followed
//
// So the estimate is the lower edge of the arrivals: the jitter of the way from the camera is gone,
// and what stays in is the smallest delay on that way.
class CaptureClock {
public:
  // Zero where the camera does not say.
  void set_duration(uint64_t duration_ns) { duration_ = duration_ns; }
  void reset() { last_.reset(); }

  // Never decreases from frame to frame, and is never after `arrival`.
  uint64_t stamp(uint64_t arrival, std::optional<uint64_t> claimed);

  // Whether the last stamp was an estimate.
  bool estimated() const { return estimated_; }

private:
  uint64_t estimate(uint64_t arrival) const;

  uint64_t duration_ = 0;
  std::optional<uint64_t> last_;
  bool estimated_ = false;
};

}  // namespace streamlib::camera
