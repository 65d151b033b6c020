// SPDX-License-Identifier: LGPL-2.1-or-later
// A bounded ring of words for one pushing and one popping thread, whose pusher can also take the
// oldest word back.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace streamlib::support {

// The span that two threads may write without disturbing each other: two lines, because processors
// fetch lines in pairs.
constexpr size_t kCacheSpan = 128;

// Words come out in the order they went in. Each word has an index, which counts pushes from the
// beginning and never wraps; a hole in the indices that the consumer sees is what was evicted.
//
// The pusher publishes with a sequentially consistent store, so that a "does the consumer sleep?"
// check after push() cannot be overtaken by it (see Parker).
class PointerRing {
public:
  // Allocates everything it will ever need. The first word pushed gets the index `first`.
  explicit PointerRing(size_t min_capacity, uint64_t first = 0)
      : mask_(std::bit_ceil(min_capacity < 2 ? 2 : min_capacity) - 1),
        slots_(new Slot[mask_ + 1]),
        tail_(first),
        pusher_tail_(first),
        cached_head_(first),
        head_(first),
        cached_tail_(first)
  {}
  PointerRing(const PointerRing &) = delete;
  PointerRing &operator=(const PointerRing &) = delete;

  size_t capacity() const { return mask_ + 1; }

  // Pusher. False when the ring is full. `stamp` travels with the word.
  bool push_word(uintptr_t word, int64_t stamp)
  {
    if (pusher_tail_ - cached_head_ > mask_) {
      cached_head_ = head_.load(std::memory_order_acquire);
      if (pusher_tail_ - cached_head_ > mask_)
        return false;
    }
    Slot &slot = slots_[pusher_tail_ & mask_];
    slot.word.store(word, std::memory_order_relaxed);
    if (stamp != 0)
      slot.stamp.store(stamp, std::memory_order_relaxed);
    tail_.store(++pusher_tail_, std::memory_order_seq_cst);
    return true;
  }

  // Pusher. The index that the next push gets.
  uint64_t next_index() const { return pusher_tail_; }

  // Consumer. 0 when the ring is empty. `stamp` is what was pushed with the word, if it was not 0.
  uintptr_t pop_word(uint64_t *index, int64_t *stamp)
  {
    uint64_t head = head_.load(std::memory_order_acquire);
    for (;;) {
      if (!reaches(head))
        return 0;
      const Slot &slot = slots_[head & mask_];
      const uintptr_t word = slot.word.load(std::memory_order_relaxed);
      *stamp = slot.stamp.load(std::memory_order_relaxed);
      // The slot was read before it is given back: where the exchange succeeds nobody wrote it.
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_seq_cst,
                                      std::memory_order_acquire)) {
        *index = head;
        return word;
      }
    }
  }

  // Consumer. Whether pop_word() would find a word.
  bool has_word() { return reaches(head_.load(std::memory_order_acquire)); }

  // Pusher. Takes the oldest word, 0 when the ring is empty.
  uintptr_t evict_word()
  {
    uint64_t head = head_.load(std::memory_order_acquire);
    while (head != pusher_tail_) {
      const uintptr_t word = slots_[head & mask_].word.load(std::memory_order_relaxed);
      if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
        cached_head_ = head + 1;
        return word;
      }
    }
    return 0;
  }

  // Any thread. How many words the ring holds; exact for a thread that is the only one to use it.
  size_t size() const
  {
    const uint64_t head = head_.load(std::memory_order_seq_cst);
    const uint64_t tail = tail_.load(std::memory_order_seq_cst);
    return static_cast<size_t>(tail - head);
  }

  // Any thread.
  uint64_t head() const { return head_.load(std::memory_order_seq_cst); }
  uint64_t tail() const { return tail_.load(std::memory_order_seq_cst); }

  // The same for plain pointers.
  bool push(void *pointer) { return push_word(reinterpret_cast<uintptr_t>(pointer), 0); }
  void *pop()
  {
    uint64_t index;
    int64_t stamp;
    return reinterpret_cast<void *>(pop_word(&index, &stamp));
  }
  void *evict() { return reinterpret_cast<void *>(evict_word()); }

private:
  // Consumer. Whether there is a word at `head`; an eviction can move the head past the tail that
  // was read last.
  bool reaches(uint64_t head)
  {
    if (static_cast<int64_t>(cached_tail_ - head) > 0)
      return true;
    cached_tail_ = tail_.load(std::memory_order_seq_cst);
    return static_cast<int64_t>(cached_tail_ - head) > 0;
  }

  struct Slot {
    std::atomic<uintptr_t> word = 0;
    std::atomic<int64_t> stamp = 0;
  };

  const size_t mask_;
  const std::unique_ptr<Slot[]> slots_;

  // Written by the pusher.
  alignas(kCacheSpan) std::atomic<uint64_t> tail_;
  uint64_t pusher_tail_;
  uint64_t cached_head_;

  // Written by the consumer, and by an evicting pusher.
  alignas(kCacheSpan) std::atomic<uint64_t> head_;
  alignas(kCacheSpan) uint64_t cached_tail_;
};

}  // namespace streamlib::support
