// SPDX-License-Identifier: LGPL-2.1-or-later
// What is to be run next, for any number of pushing and taking threads.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

#include "gst/support/mpmc_ring.h"
#include "gst/support/mpsc_list.h"

namespace streamlib::support {

// A ring with a place for each node, because a node is in the queue once at most. A longer ring
// follows when more nodes come; those before it are emptied first.
//
// A ring with a place for all still refuses a push while a thread stands between taking from a slot
// and giving it back and the others have gone round the whole ring meanwhile. Nobody waits for that
// thread, which may have been interrupted by the very one that pushes: the node goes to a list
// beside the ring, `Next` being its link. The list does not own its nodes either.
template <typename Node, Node *Node::*Next>
class RunQueue {
public:
  RunQueue() = default;
  RunQueue(const RunQueue &) = delete;
  RunQueue &operator=(const RunQueue &) = delete;
  ~RunQueue()
  {
    for (const auto &ring : rings_)
      delete ring.load();
  }

  // One thread at a time, before the nodes are pushed.
  void make_room(size_t nodes, size_t smallest)
  {
    const size_t count = ring_count_.load();
    const size_t room = count == 0 ? 0 : rings_[count - 1].load()->capacity();
    if (nodes <= room || count == kMaxRings)
      return;
    rings_[count].store(new Ring(std::max({smallest, room * 2, nodes})));
    ring_count_.store(count + 1);
  }

  // RT: any thread, once there is room.
  void push(Node *node)
  {
    const size_t count = ring_count_.load(std::memory_order_acquire);
    if (!rings_[count - 1].load(std::memory_order_relaxed)->push(node))
      beside_.push(node);
  }

  // RT: any thread. Null when nothing can be taken.
  Node *take()
  {
    // First, because a ring that is never empty would keep it for ever.
    if (!beside_.is_empty()) [[unlikely]] {
      if (Node *node = take_beside())
        return node;
    }
    const size_t count = ring_count_.load(std::memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
      if (Node *node = rings_[i].load(std::memory_order_relaxed)->pop())
        return node;
    }
    return nullptr;
  }

  // Whether take() would find something; true at times when another thread is faster.
  bool has_items() const
  {
    const size_t count = ring_count_.load(std::memory_order_acquire);
    for (size_t i = 0; i < count; i++) {
      if (rings_[i].load(std::memory_order_relaxed)->has_items())
        return true;
    }
    return !beside_.is_empty();
  }

  // About.
  size_t size() const
  {
    const size_t count = ring_count_.load(std::memory_order_acquire);
    size_t size = beside_.is_empty() ? 0 : 1;
    for (size_t i = 0; i < count; i++)
      size += rings_[i].load(std::memory_order_relaxed)->size();
    return size;
  }

private:
  using Ring = MpmcRing<Node>;
  static constexpr size_t kMaxRings = 24;

  // The oldest; the others go back to where there is place for them.
  Node *take_beside()
  {
    Node *first = beside_.take_all();
    for (Node *node = first == nullptr ? nullptr : first->*Next; node != nullptr;) {
      Node *next = node->*Next;
      push(node);
      node = next;
    }
    return first;
  }

  std::array<std::atomic<Ring *>, kMaxRings> rings_ = {};
  std::atomic<size_t> ring_count_ = 0;
  MpscList<Node, Next> beside_;
};

}  // namespace streamlib::support
