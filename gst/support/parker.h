// SPDX-License-Identifier: LGPL-2.1-or-later
// The wait point of one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "gst/support/futex.h"

namespace streamlib::support {

// Woken in place of a thread.
class Wakeable {
public:
  // Any thread; must not block.
  virtual void wake() = 0;

protected:
  ~Wakeable() = default;
};

// One thread parks, any thread wakes it.
//
// The waker publishes what it has with a sequentially consistent store and then calls unpark(); the
// sleeper announces its sleep the same way and looks once more before it sleeps. So one of the two
// sees the other, and unpark() costs a load while the sleeper is awake. No lock is involved.
//
// What has no thread of its own arms the parker instead: it is told once, and may go on in another
// thread.
class Parker {
public:
  // The parking thread. Returns when ready() is true or the deadline (monotonic_ns()) has come;
  // says whether ready() was true.
  template <typename Ready>
  bool park(Ready ready, int64_t deadline_ns = kNoDeadline)
  {
    if (spin(ready))
      return true;
    if (target_.load(std::memory_order_relaxed) != nullptr)
      target_.store(nullptr, std::memory_order_relaxed);
    for (;;) {
      state_.store(kSleeping, std::memory_order_seq_cst);
      const bool is_ready = ready();
      if (is_ready || (deadline_ns != kNoDeadline && monotonic_ns() >= deadline_ns)) {
        state_.store(kAwake, std::memory_order_relaxed);
        return is_ready;
      }
      futex_wait(state_, kSleeping, deadline_ns);
    }
  }

  // In place of park(): announces the rest of `target`, which then looks once more whether it is
  // ready, and in that case disarms.
  void arm(Wakeable *target)
  {
    target_.store(target, std::memory_order_relaxed);
    state_.store(kSleeping, std::memory_order_seq_cst);
  }
  // False when the target was or is being told. Nobody tells it any more when this returns.
  bool disarm()
  {
    const bool was_armed = state_.exchange(kAwake, std::memory_order_seq_cst) == kSleeping;
    while (wakers_.load(std::memory_order_seq_cst) != 0)
      std::this_thread::yield();
    return was_armed;
  }

  // Any thread, after publishing. True when the parked thread had to be woken.
  bool unpark()
  {
    if (state_.load(std::memory_order_seq_cst) != kSleeping)
      return false;
    wakers_.fetch_add(1, std::memory_order_seq_cst);
    const bool slept = state_.exchange(kAwake, std::memory_order_seq_cst) == kSleeping;
    if (slept)
      wake_sleeper();
    wakers_.fetch_sub(1, std::memory_order_release);
    return slept;
  }

  // Any thread. A hint: whether the thread sleeps or is about to.
  bool is_parked() const { return state_.load(std::memory_order_seq_cst) == kSleeping; }

private:
  static constexpr uint32_t kAwake = 0;
  static constexpr uint32_t kSleeping = 1;

  // A sleep and its wake-up cost several microseconds on both sides; where the other side is quick,
  // looking again for up to 2 us is cheaper. Spins that fail are given up, and tried again from
  // time to time.
  template <typename Ready>
  bool spin(Ready ready)
  {
    if (!worth_spinning())
      return false;
    const int64_t end = monotonic_ns() + kSpinNs;
    do {
      for (int i = 0; i < kLooksPerClockRead; i++) {
        if (ready()) {
          trust_ = trust_ < kMaxTrust ? trust_ + 1 : kMaxTrust;
          return true;
        }
        relax();
      }
    } while (monotonic_ns() < end);
    trust_ -= 2;
    return false;
  }

  void wake_sleeper()
  {
    if (Wakeable *target = target_.load(std::memory_order_relaxed))
      target->wake();
    else
      futex_wake_one(state_);
  }

  bool worth_spinning();
  static void relax()
  {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  static constexpr int64_t kSpinNs = 2000;
  static constexpr int kLooksPerClockRead = 8;
  static constexpr int kMaxTrust = 8;
  static constexpr int kRetryEvery = 64;

  std::atomic<uint32_t> state_ = kAwake;
  // Those who are about to wake whoever sleeps here.
  std::atomic<uint32_t> wakers_ = 0;
  std::atomic<Wakeable *> target_ = nullptr;
  // The parking thread's own: how well spinning went lately.
  int trust_ = kMaxTrust;
  int parks_without_spin_ = 0;
};

}  // namespace streamlib::support
