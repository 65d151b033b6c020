// SPDX-License-Identifier: LGPL-2.1-or-later
// Sleep on a 32-bit word until another thread changes and wakes it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace streamlib::support {

// Nanoseconds of CLOCK_MONOTONIC.
inline int64_t monotonic_ns()
{
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr int64_t kNoDeadline = INT64_MAX;

// Returns when `word` is not `expected`, when it was woken, at the deadline (monotonic_ns()), or
// for no reason: the caller checks again.
void futex_wait(const std::atomic<uint32_t> &word, uint32_t expected, int64_t deadline_ns);

// Wakes one thread that waits on `word`.
void futex_wake_one(const std::atomic<uint32_t> &word);

// Wakes all threads that wait on `word`.
void futex_wake_all(const std::atomic<uint32_t> &word);

}  // namespace streamlib::support
