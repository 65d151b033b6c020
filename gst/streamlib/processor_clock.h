// SPDX-License-Identifier: LGPL-2.1-or-later
// The pipeline's clock as a processor's worker reads it: without locks.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib {

class ProcessorClock {
public:
  // The thread that sets the clock or the state.
  void set_clock(GstClock *clock);
  void set_playing(bool playing, GstClockTime base_time);

  // Any thread. None outside PLAYING or without a clock.
  GstClockTime running_time() const;
  bool has_clock() const { return clock_.load(std::memory_order_relaxed) != nullptr; }
  bool is_playing() const { return playing_.load(); }
  // When to look at the clock again for it to show `running_time`, as a time of monotonic_ns().
  int64_t monotonic_time_of(GstClockTime running_time) const;

private:
  std::atomic<GstClock *> clock_ = nullptr;
  std::atomic<GstClockTime> base_time_ = GST_CLOCK_TIME_NONE;
  std::atomic<bool> playing_ = false;
  // Clocks of this element so far: a worker may still be reading the one before. Guarded by the
  // thread rule above.
  std::vector<support::GObjectPtr<GstClock>> clocks_;
};

}  // namespace streamlib
