// SPDX-License-Identifier: LGPL-2.1-or-later
// A list that many threads put into and one takes from, without locks.
#pragma once

#include <atomic>

namespace streamlib::support {

// `Next` is the node's link. The list does not own its nodes. Several threads may take as well,
// each of them all that is there.
template <typename Node, Node *Node::*Next = &Node::next>
class MpscList {
public:
  // Any thread. True when the list was empty: then the taker may have to be woken.
  bool push(Node *node)
  {
    Node *head = head_.load(std::memory_order_relaxed);
    do {
      node->*Next = head;
    } while (!head_.compare_exchange_weak(head, node, std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // The taking thread. All nodes, the oldest first.
  Node *take_all()
  {
    Node *newest = head_.exchange(nullptr, std::memory_order_seq_cst);
    Node *oldest = nullptr;
    while (newest != nullptr) {
      Node *next = newest->*Next;
      newest->*Next = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }

  // Any thread.
  bool is_empty() const { return head_.load(std::memory_order_seq_cst) == nullptr; }

private:
  std::atomic<Node *> head_ = nullptr;
};

}  // namespace streamlib::support
