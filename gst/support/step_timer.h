// SPDX-License-Identifier: LGPL-2.1-or-later
// How long steps take: of each one at low rates, of one of 64 at high ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "gst/support/futex.h"
#include "gst/support/histogram.h"

namespace streamlib::support {

// One thread takes the steps, any thread reads the figures.
class StepTimer {
public:
  // Above this rate, in steps a second, one of kSampleEvery is measured.
  static constexpr int64_t kFastRate = 10000;
  static constexpr unsigned kSampleEvery = 64;

  // --- The stepping thread.

  class Scope {
  public:
    explicit Scope(StepTimer &timer) : timer_(timer) { timer.begin(); }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;
    ~Scope() { timer_.end(timer_.hand_over()); }

  private:
    StepTimer &timer_;
  };

  // RT: an addition and two comparisons where the step is not measured.
  void begin()
  {
    const bool is_sample = steps_++ % kSampleEvery == 0;
    if (!is_sample && every_.load(std::memory_order_relaxed) != 1)
      return;
    began_ = monotonic_ns();
    if (!is_sample)
      return;
    const bool is_fast = sample_before_ != 0 && began_ - sample_before_ < kFastInterval;
    every_.store(is_fast ? kSampleEvery : 1, std::memory_order_relaxed);
    sample_before_ = began_;
  }
  bool is_measuring() const { return began_ != 0; }
  // When the step under way began, for one that ends in another call; 0 when it is not measured.
  int64_t hand_over() { return std::exchange(began_, 0); }
  void end(int64_t began)
  {
    if (began == 0)
      return;
    const int64_t now = monotonic_ns();
    took_.add(now > began ? static_cast<uint64_t>(now - began) : 0);
    measured_at_.store(now, std::memory_order_relaxed);
  }

  // A thread that has made sure that no step is taken.
  void clear()
  {
    took_.clear();
    every_.store(1);
    measured_at_.store(0);
    steps_ = 0;
    began_ = sample_before_ = 0;
  }

  // --- Any thread. In nanoseconds.
  const Histogram &took() const { return took_; }
  // The time of monotonic_ns() at the end of the last step that was measured; 0 before the first.
  int64_t measured_at() const { return measured_at_.load(std::memory_order_relaxed); }
  // One of so many steps is measured.
  unsigned every() const { return every_.load(std::memory_order_relaxed); }

private:
  static constexpr int64_t kFastInterval = kSampleEvery * (INT64_C(1000000000) / kFastRate);

  uint64_t steps_ = 0;
  int64_t began_ = 0;
  int64_t sample_before_ = 0;
  std::atomic<unsigned> every_ = 1;
  std::atomic<int64_t> measured_at_ = 0;
  Histogram took_;
};

}  // namespace streamlib::support
