// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/link_event_lane.h"

namespace streamlib {

using support::adopt_mini;
using support::MiniPtr;

namespace {

constexpr guint kInitialItems = 64;

// One GAP that covers both; null where they do not follow each other.
MiniPtr<GstEvent> join_gaps(GstEvent *first, GstEvent *second)
{
  GstClockTime start, length, next_start, next_length;
  gst_event_parse_gap(first, &start, &length);
  gst_event_parse_gap(second, &next_start, &next_length);
  if (!GST_CLOCK_TIME_IS_VALID(start) || !GST_CLOCK_TIME_IS_VALID(next_start) ||
      next_start < start || gst_event_get_seqnum(first) != gst_event_get_seqnum(second))
    return nullptr;
  length = next_start - start + (GST_CLOCK_TIME_IS_VALID(next_length) ? next_length : 0);
  MiniPtr<GstEvent> joined = adopt_mini(gst_event_new_gap(start, length));
  gst_event_set_seqnum(joined.get(), gst_event_get_seqnum(second));
  return joined;
}

}  // namespace

EventLane::EventLane() : items_(gst_atomic_queue_new(kInitialItems)) {}

EventLane::~EventLane()
{
  while (auto *item = static_cast<LaneItem *>(gst_atomic_queue_pop(items_)))
    delete item;
  delete tail_gap_.load();
  gst_atomic_queue_unref(items_);
}

unsigned EventLane::waiting() const
{
  return static_cast<unsigned>(pushed_.load(std::memory_order_relaxed) -
                               popped_.load(std::memory_order_relaxed));
}

unsigned EventLane::append(std::unique_ptr<LaneItem> item)
{
  enqueue_tail_gap();
  item->number = pushed_.load(std::memory_order_relaxed);
  gst_atomic_queue_push(items_, item.release());
  pushed_.fetch_add(1, std::memory_order_seq_cst);
  return waiting();
}

// The tail gap, if the consumer did not take it meanwhile, goes where no later GAP can reach it.
void EventLane::enqueue_tail_gap()
{
  if (LaneItem *gap = tail_gap_.exchange(nullptr))
    gst_atomic_queue_push(items_, gap);
}

bool EventLane::merge_gap(MiniPtr<GstEvent> &event, uint64_t position)
{
  LaneItem *tail = tail_gap_.exchange(nullptr);
  if (tail == nullptr)
    return false;
  MiniPtr<GstEvent> joined;
  if (tail->position == position)
    joined = join_gaps(tail->event.get(), event.get());
  if (joined)
    tail->event = joined;
  tail_gap_.store(tail);
  return static_cast<bool>(joined);
}

unsigned EventLane::push(MiniPtr<GstEvent> event, uint64_t position)
{
  const bool is_gap = GST_EVENT_TYPE(event.get()) == GST_EVENT_GAP;
  if (is_gap && merge_gap(event, position))
    return waiting();
  auto item = std::make_unique<LaneItem>();
  item->position = position;
  item->event = std::move(event);
  if (!is_gap || waiting() < kMergeAbove)
    return append(std::move(item));
  enqueue_tail_gap();
  item->number = pushed_.load(std::memory_order_relaxed);
  tail_gap_.store(item.release());
  pushed_.fetch_add(1, std::memory_order_seq_cst);
  return waiting();
}

unsigned EventLane::push(std::shared_ptr<QueryTicket> query, uint64_t position)
{
  auto item = std::make_unique<LaneItem>();
  item->position = position;
  item->query = std::move(query);
  return append(std::move(item));
}

std::unique_ptr<LaneItem> EventLane::pop()
{
  if (is_empty())
    return nullptr;
  const uint64_t next = popped_.load(std::memory_order_relaxed);
  std::unique_ptr<LaneItem> item;
  if (!early_gap_ || early_gap_->number != next)
    item.reset(static_cast<LaneItem *>(gst_atomic_queue_pop(items_)));
  if (!item) {
    if (!early_gap_)
      early_gap_.reset(tail_gap_.exchange(nullptr));
    // Null while the pusher extends the gap: it wakes the consumer afterwards.
    if (!early_gap_ || early_gap_->number != next)
      return nullptr;
    item = std::move(early_gap_);
  }
  popped_.store(next + 1, std::memory_order_relaxed);
  return item;
}

}  // namespace streamlib
