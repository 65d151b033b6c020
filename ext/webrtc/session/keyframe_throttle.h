// SPDX-License-Identifier: LGPL-2.1-or-later
// Which requests for a keyframe are passed on: one in an interval; a later one waits for its turn.
#pragma once

#include <atomic>
#include <cstdint>

namespace streamlib::webrtc {

// Any thread, without a lock. Times are monotonic, in microseconds.
class KeyframeThrottle {
public:
  explicit KeyframeThrottle(int64_t interval_us) : interval_us_(interval_us) {}

  // True: pass the request on. Otherwise it is kept, and take_kept() gives it in its turn.
  bool ask(int64_t now)
  {
    asked_.fetch_add(1, std::memory_order_relaxed);
    if (take_turn(now)) {
      is_kept_.store(false, std::memory_order_relaxed);
      return true;
    }
    is_kept_.store(true, std::memory_order_relaxed);
    return false;
  }
  // True: a request that was kept is to be sent now.
  bool take_kept(int64_t now)
  {
    if (!is_kept_.load(std::memory_order_relaxed) || !take_turn(now))
      return false;
    return is_kept_.exchange(false, std::memory_order_relaxed);
  }
  // A wish of our own, which the next take_kept() finds.
  void keep() { is_kept_.store(true, std::memory_order_relaxed); }
  // A keyframe has passed: what was kept is done with.
  void forget_kept() { is_kept_.store(false, std::memory_order_relaxed); }

  uint64_t asked() const { return asked_.load(std::memory_order_relaxed); }
  uint64_t passed() const { return passed_.load(std::memory_order_relaxed); }

private:
  bool take_turn(int64_t now)
  {
    int64_t next = next_.load(std::memory_order_relaxed);
    if (now < next ||
        !next_.compare_exchange_strong(next, now + interval_us_, std::memory_order_relaxed))
      return false;
    passed_.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  const int64_t interval_us_;
  std::atomic<int64_t> next_ = INT64_MIN;
  std::atomic<bool> is_kept_ = false;
  std::atomic<uint64_t> asked_ = 0;
  std::atomic<uint64_t> passed_ = 0;
};

}  // namespace streamlib::webrtc
