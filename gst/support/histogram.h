// SPDX-License-Identifier: LGPL-2.1-or-later
// A histogram that one thread fills and any thread reads, without locks.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace streamlib::support {

// Eight steps an octave: a value is known to within 6.25 %.
class Histogram {
public:
  // The filling thread.
  void add(uint64_t value)
  {
    std::atomic<uint32_t> &count = counts_[bucket_of(value)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (value > max_.load(std::memory_order_relaxed))
      max_.store(value, std::memory_order_relaxed);
  }

  // The filling thread. The other one may be filled meanwhile.
  void add_all(const Histogram &other)
  {
    for (size_t i = 0; i < kBuckets; i++)
      counts_[i].fetch_add(other.counts_[i].load(std::memory_order_relaxed),
                           std::memory_order_relaxed);
    if (other.max() > max())
      max_.store(other.max(), std::memory_order_relaxed);
  }

  // A thread that has made sure that nobody fills.
  void clear()
  {
    for (auto &count : counts_)
      count.store(0, std::memory_order_relaxed);
    max_.store(0, std::memory_order_relaxed);
  }

  // Any thread. The value that `fraction` (0 to 1) of the values do not exceed; 0 when there is
  // none.
  uint64_t quantile(double fraction) const
  {
    std::array<uint32_t, kBuckets> counts;
    uint64_t total = 0;
    for (size_t i = 0; i < kBuckets; i++)
      total += counts[i] = counts_[i].load(std::memory_order_relaxed);
    if (total == 0)
      return 0;
    const auto rank = static_cast<uint64_t>(fraction * static_cast<double>(total - 1));
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; i++) {
      seen += counts[i];
      if (seen > rank)
        return value_of(i) < max() ? value_of(i) : max();
    }
    return max();
  }

  // Any thread.
  uint64_t max() const { return max_.load(std::memory_order_relaxed); }

private:
  static constexpr unsigned kStepBits = 3;
  static constexpr size_t kSteps = size_t{1} << kStepBits;
  static constexpr size_t kOctaves = 48;
  static constexpr size_t kBuckets = kOctaves * kSteps;

  static size_t bucket_of(uint64_t value)
  {
    if (value < kSteps)
      return static_cast<size_t>(value);
    const unsigned octave = std::bit_width(value) - 1 - kStepBits;
    const size_t bucket =
        (octave + 1) * kSteps + static_cast<size_t>((value >> octave) & (kSteps - 1));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }

  // The middle of the bucket.
  static uint64_t value_of(size_t bucket)
  {
    if (bucket < kSteps)
      return bucket;
    const unsigned octave = static_cast<unsigned>(bucket / kSteps) - 1;
    const uint64_t low = (kSteps + bucket % kSteps) << octave;
    return low + ((uint64_t{1} << octave) >> 1);
  }

  std::array<std::atomic<uint32_t>, kBuckets> counts_ = {};
  std::atomic<uint64_t> max_ = 0;
};

}  // namespace streamlib::support
