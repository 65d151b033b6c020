// SPDX-License-Identifier: LGPL-2.1-or-later
// A bounded queue of pointers for any number of pushing and popping threads.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "gst/support/pointer_ring.h"

namespace streamlib::support {

// Each slot carries the turn in which it may be filled or emptied next, so that threads meet only
// where they take the same slot. Nobody waits for anybody: while a thread is between taking a slot
// and filling it, what lies behind that slot is not seen yet, and whoever finds nothing is told of
// it as usual by the push that ends.
template <typename T>
class MpmcRing {
public:
  explicit MpmcRing(size_t min_capacity)
      : mask_(std::bit_ceil(min_capacity < 2 ? 2 : min_capacity) - 1), slots_(new Slot[mask_ + 1])
  {
    for (size_t i = 0; i <= mask_; i++)
      slots_[i].turn.store(i, std::memory_order_relaxed);
  }

  size_t capacity() const { return mask_ + 1; }

  // False when it is full.
  bool push(T *item)
  {
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Slot &slot = slots_[tail & mask_];
      const uint64_t turn = slot.turn.load(std::memory_order_acquire);
      if (turn == tail) {
        if (!tail_.compare_exchange_weak(tail, tail + 1, std::memory_order_relaxed))
          continue;
        slot.item = item;
        // Before a check whether anybody sleeps.
        slot.turn.store(tail + 1, std::memory_order_seq_cst);
        return true;
      }
      if (turn < tail)
        return false;
      tail = tail_.load(std::memory_order_relaxed);
    }
  }

  // Null when nothing can be taken.
  T *pop()
  {
    uint64_t head = head_.load(std::memory_order_relaxed);
    for (;;) {
      Slot &slot = slots_[head & mask_];
      const uint64_t turn = slot.turn.load(std::memory_order_seq_cst);
      if (turn == head + 1) {
        if (!head_.compare_exchange_weak(head, head + 1, std::memory_order_relaxed))
          continue;
        T *item = slot.item;
        slot.turn.store(head + mask_ + 1, std::memory_order_release);
        return item;
      }
      if (turn < head + 1)
        return nullptr;
      head = head_.load(std::memory_order_relaxed);
    }
  }

  // Whether pop() would find something; true at times when another thread is faster.
  bool has_items() const
  {
    const uint64_t head = head_.load(std::memory_order_seq_cst);
    return slots_[head & mask_].turn.load(std::memory_order_seq_cst) > head;
  }

  // At some moment during the call.
  size_t size() const
  {
    const uint64_t head = head_.load(std::memory_order_relaxed);
    const uint64_t tail = tail_.load(std::memory_order_relaxed);
    return tail > head ? static_cast<size_t>(tail - head) : 0;
  }

private:
  struct Slot {
    std::atomic<uint64_t> turn = 0;
    T *item = nullptr;
  };

  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;
  alignas(kCacheSpan) std::atomic<uint64_t> tail_ = 0;
  alignas(kCacheSpan) std::atomic<uint64_t> head_ = 0;
};

}  // namespace streamlib::support
