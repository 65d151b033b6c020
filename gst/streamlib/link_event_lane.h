// SPDX-License-Identifier: LGPL-2.1-or-later
// The serialized events and queries of a link, each with its place between the buffers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib {

// A serialized query is a pointer into the frame of the pushing thread, so the pusher may leave
// only while nobody has taken it; both sides hold the ticket.
class QueryTicket {
public:
  explicit QueryTicket(GstQuery *query) : query_(query) {}

  // Consumer. The query, if the pusher still waits for it; then answer() must follow.
  GstQuery *take()
  {
    int expected = kPending;
    return state_.compare_exchange_strong(expected, kTaken) ? query_ : nullptr;
  }
  void answer(bool result)
  {
    result_ = result;
    state_.store(kDone);
  }
  // Pusher. True when the query is the pusher's alone again.
  bool abandon()
  {
    int expected = kPending;
    return state_.compare_exchange_strong(expected, kAbandoned);
  }
  bool is_done() const { return state_.load() == kDone; }
  bool result() const { return result_; }

private:
  enum : int { kPending, kTaken, kDone, kAbandoned };
  std::atomic<int> state_ = kPending;
  GstQuery *const query_;
  bool result_ = false;
};

// What stands in the lane: an event or the ticket of a query.
struct LaneItem {
  // The index of the buffer that comes next after this item.
  uint64_t position = 0;
  // Counts the items of the lane.
  uint64_t number = 0;
  support::MiniPtr<GstEvent> event;
  std::shared_ptr<QueryTicket> query;
};

// A queue of one pusher and one consumer that grows when it must: an event is never dropped and
// never waits for space. A run of GAP events that nobody takes becomes one GAP.
class EventLane {
public:
  EventLane();
  EventLane(const EventLane &) = delete;
  EventLane &operator=(const EventLane &) = delete;
  ~EventLane();

  // Pusher. Answers how many items wait.
  unsigned push(support::MiniPtr<GstEvent> event, uint64_t position);
  unsigned push(std::shared_ptr<QueryTicket> query, uint64_t position);

  // Consumer. Null when the lane is empty. Sees every item that was pushed before a buffer which
  // the consumer has seen.
  std::unique_ptr<LaneItem> pop();

  // Any thread. How many items were pushed; a change means that there is something to pop.
  uint64_t pushed() const { return pushed_.load(std::memory_order_seq_cst); }
  // Consumer.
  bool is_empty() const { return popped() == pushed(); }
  uint64_t popped() const { return popped_.load(std::memory_order_relaxed); }

private:
  unsigned append(std::unique_ptr<LaneItem> item);
  bool merge_gap(support::MiniPtr<GstEvent> &event, uint64_t position);
  unsigned waiting() const;
  void enqueue_tail_gap();

  // Above this many waiting items a GAP is kept back, to be merged with the next one.
  static constexpr unsigned kMergeAbove = 64;

  GstAtomicQueue *const items_;
  // The newest item, when it is a GAP that the next GAP may still extend.
  std::atomic<LaneItem *> tail_gap_ = nullptr;
  std::atomic<uint64_t> pushed_ = 0;
  std::atomic<uint64_t> popped_ = 0;
  // Consumer: a tail gap that was taken before what stands in front of it.
  std::unique_ptr<LaneItem> early_gap_;
};

}  // namespace streamlib
