// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/support/futex.h"

#include <algorithm>
#include <climits>
#include <thread>

#ifdef __linux__
#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace streamlib::support {

#ifdef __linux__

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

static long futex(const std::atomic<uint32_t> &word, int operation, uint32_t value,
                  const timespec *timeout, uint32_t mask)
{
  return syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, mask);
}

void futex_wait(const std::atomic<uint32_t> &word, uint32_t expected, int64_t deadline_ns)
{
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, FUTEX_WAIT a relative one.
  timespec at = {};
  at.tv_sec = static_cast<time_t>(deadline_ns / 1000000000);
  at.tv_nsec = static_cast<long>(deadline_ns % 1000000000);
  futex(word, FUTEX_WAIT_BITSET, expected, deadline_ns == kNoDeadline ? nullptr : &at,
        FUTEX_BITSET_MATCH_ANY);
}

void futex_wake_one(const std::atomic<uint32_t> &word)
{
  futex(word, FUTEX_WAKE, 1, nullptr, 0);
}

void futex_wake_all(const std::atomic<uint32_t> &word)
{
  futex(word, FUTEX_WAKE, INT_MAX, nullptr, 0);
}

#else

// Elsewhere: what C++20 has. It knows no deadline, so a wait with one sleeps in short pieces.
void futex_wait(const std::atomic<uint32_t> &word, uint32_t expected, int64_t deadline_ns)
{
  if (deadline_ns == kNoDeadline) {
    word.wait(expected);
    return;
  }
  const int64_t left = deadline_ns - monotonic_ns();
  if (left > 0 && word.load() == expected)
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min<int64_t>(left, 1000000)));
}

void futex_wake_one(const std::atomic<uint32_t> &word)
{
  const_cast<std::atomic<uint32_t> &>(word).notify_one();
}

void futex_wake_all(const std::atomic<uint32_t> &word)
{
  const_cast<std::atomic<uint32_t> &>(word).notify_all();
}

#endif

}  // namespace streamlib::support
