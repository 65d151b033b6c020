// SPDX-License-Identifier: LGPL-2.1-or-later
// The mean of the last values, and the greatest of all.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace streamlib::support {

// One thread adds, any thread reads.
class RunningMean {
public:
  // The adding thread. Each value counts a sixteenth, those before it the rest.
  void add(int64_t value)
  {
    const uint64_t count = count_.load(std::memory_order_relaxed);
    const int64_t mean = mean_.load(std::memory_order_relaxed);
    const auto weight = static_cast<int64_t>(std::min<uint64_t>(count + 1, 16));
    mean_.store(mean + (value - mean) / weight, std::memory_order_relaxed);
    if (count == 0 || value > max_.load(std::memory_order_relaxed))
      max_.store(value, std::memory_order_relaxed);
    count_.store(count + 1, std::memory_order_relaxed);
  }
  // A thread that has made sure that nobody adds.
  void clear()
  {
    count_.store(0);
    mean_.store(0);
    max_.store(0);
  }

  // Any thread; 0 before the first value.
  int64_t mean() const { return mean_.load(std::memory_order_relaxed); }
  int64_t max() const { return max_.load(std::memory_order_relaxed); }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

private:
  std::atomic<uint64_t> count_ = 0;
  std::atomic<int64_t> mean_ = 0;
  std::atomic<int64_t> max_ = 0;
};

}  // namespace streamlib::support
