// SPDX-License-Identifier: LGPL-2.1-or-later
// The consuming end of a link.
#include "gst/streamlib/link.h"
#include "gst/streamlib/link_data.h"

namespace streamlib {

using support::monotonic_ns;

namespace {

// Marks the gap in front of `data` (transfer full), copying what others share.
GstMiniObject *with_discont(GstMiniObject *data)
{
  if (!is_list(data)) {
    GstBuffer *buffer = gst_buffer_make_writable(GST_BUFFER_CAST(data));
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
    return GST_MINI_OBJECT_CAST(buffer);
  }
  GstBufferList *list = gst_buffer_list_make_writable(GST_BUFFER_LIST_CAST(data));
  if (gst_buffer_list_length(list) > 0)
    GST_BUFFER_FLAG_SET(gst_buffer_list_get_writable(list, 0), GST_BUFFER_FLAG_DISCONT);
  return GST_MINI_OBJECT_CAST(list);
}

}  // namespace

uintptr_t Link::pop_word(uint64_t *index, int64_t *stamp)
{
  for (;;) {
    uintptr_t word = consumer_ring_->pop_word(index, stamp);
    if (word != 0)
      return word;
    Ring *next = consumer_ring_->next.load(std::memory_order_acquire);
    if (next == nullptr)
      return 0;
    // Whatever went into the old ring is visible by now.
    word = consumer_ring_->pop_word(index, stamp);
    if (word != 0)
      return word;
    consumer_ring_ = next;
  }
}

bool Link::hold_next()
{
  if (held_ == 0)
    held_ = pop_word(&held_index_, &held_stamp_);
  return held_ != 0;
}

uint64_t Link::next_index() const
{
  return held_ != 0 ? held_index_ : consumer_ring_->head();
}

bool Link::event_is_due()
{
  // RT: the common case.
  if (!lane_item_ && lane_.is_empty() && kept_.empty())
    return false;
  if (!lane_item_ && !kept_.empty()) {
    lane_item_ = std::move(kept_.front());
    kept_.pop_front();
  }
  if (!lane_item_)
    lane_item_ = lane_.pop();
  return lane_item_ && lane_item_->position <= next_index();
}

bool Link::newer_is_there()
{
  if (consumer_ring_->has_word())
    return true;
  const Ring *next = consumer_ring_->next.load(std::memory_order_acquire);
  return next != nullptr && next->size() > 0;
}

void Link::drop_held(std::atomic<uint64_t> &counter)
{
  GstMiniObject *data = object_of(held_);
  if (held_ & kBytesCounted)
    add(popped_bytes_, bytes_of(data));
  add(counter, count_of(data));
  held_ = 0;
  gst_mini_object_unref(data);
  wake_waiting_pusher();
}

// Drops the held data where the policy says so.
bool Link::must_skip(Freshness &freshness)
{
  const GstSlLinkPolicy policy = this->policy();
  if (policy == GST_SL_LINK_POLICY_LOSSLESS)
    return false;
  GstMiniObject *data = object_of(held_);
  if (key_unit_drops_.load(std::memory_order_relaxed) && held_index_ != expected_index_ &&
      is_delta_unit(data)) {
    drop_held(dropped_broken_);
    return true;
  }
  if (policy != GST_SL_LINK_POLICY_LATEST && !catching_up_)
    return false;
  const bool is_last = held_index_ + 1 == end_index_.load(std::memory_order_relaxed);
  if (is_last || !newer_is_there()) {
    catching_up_ = false;
    return false;
  }
  GstBuffer *buffer = first_buffer_of(data);
  const bool newest_only = catching_up_ && policy == GST_SL_LINK_POLICY_LATEST;
  if (newest_only || (buffer != nullptr && freshness.has_passed(buffer))) {
    drop_held(dropped_stale_);
    return true;
  }
  catching_up_ = false;
  return false;
}

LinkItem Link::peek(Freshness &freshness)
{
  for (;;) {
    hold_next();
    if (event_is_due())
      return lane_item_->event
                 ? LinkItem{LinkItem::Kind::Event, GST_MINI_OBJECT_CAST(lane_item_->event.get())}
                 : LinkItem{LinkItem::Kind::Query, nullptr};
    if (held_ == 0) {
      // An event that is not due yet proves that buffers before it have come meanwhile.
      if (lane_item_)
        continue;
      seen_index_.store(consumer_ring_->head(), std::memory_order_relaxed);
      seen_lane_.store(lane_.popped(), std::memory_order_relaxed);
      return {};
    }
    const unsigned pauses = pauses_.load(std::memory_order_relaxed);
    if (pauses % 2 != 0) {
      note_seen();
      if (!ended_.load(std::memory_order_seq_cst)) {
        was_paused_ = true;
        return {};
      }
    } else if (pauses != seen_pauses_) {
      seen_pauses_ = pauses;
      was_paused_ = false;
      catching_up_ = true;
    }
    if (must_skip(freshness))
      continue;
    GstMiniObject *data = object_of(held_);
    return {is_list(data) ? LinkItem::Kind::BufferList : LinkItem::Kind::Buffer, data};
  }
}

LinkItem Link::take_data()
{
  GstMiniObject *data = object_of(held_);
  const bool gap = discont_ || held_index_ != expected_index_;
  if (held_ & kStamped) {
    const int64_t waited = monotonic_ns() - held_stamp_;
    queueing_.add(waited > 0 ? static_cast<uint64_t>(waited) : 0);
  }
  if (held_ & kBytesCounted)
    add(popped_bytes_, bytes_of(data));
  add(popped_, count_of(data));
  held_ = 0;
  expected_index_ = held_index_ + 1;
  discont_ = false;
  wake_waiting_pusher();
  if (gap)
    data = with_discont(data);
  return {is_list(data) ? LinkItem::Kind::BufferList : LinkItem::Kind::Buffer, data};
}

LinkItem Link::take_lane_item()
{
  std::unique_ptr<LaneItem> item = std::move(lane_item_);
  if (item->event) {
    if (is_sticky(item->event.get()))
      remember(taken_sticky_, item->event.get());
    return {LinkItem::Kind::Event, GST_MINI_OBJECT_CAST(item->event.release())};
  }
  GstQuery *query = item->query->take();
  if (query == nullptr)
    return {};
  query_ = std::move(item->query);
  return {LinkItem::Kind::Query, GST_MINI_OBJECT_CAST(query)};
}

LinkItem Link::take(const LinkItem &peeked)
{
  if (!peeked)
    return {};
  return peeked.is_data() ? take_data() : take_lane_item();
}

bool Link::drop(const LinkItem &peeked)
{
  if (peeked.is_data())
    drop_held(dropped_flush_);
  return peeked.is_data();
}

void Link::answer_query(bool result)
{
  std::shared_ptr<QueryTicket> ticket = std::move(query_);
  ticket->answer(result);
  space_.unpark();
}

void Link::note_seen()
{
  seen_index_ = newest_ring_.load(std::memory_order_acquire)->tail();
  seen_lane_ = lane_.pushed();
}

bool Link::has_news() const
{
  return newest_ring_.load(std::memory_order_acquire)->tail() != seen_index_ ||
         lane_.pushed() != seen_lane_;
}

void Link::wake_waiting_pusher()
{
  if (!space_.is_parked())
    return;
  const uint64_t level =
      pushed_.load(std::memory_order_relaxed) - evicted_.load(std::memory_order_relaxed) - gone();
  const bool is_counted = max_bytes_.load(std::memory_order_relaxed) == 0 &&
                          max_time_.load(std::memory_order_relaxed) == 0;
  if (!is_counted || level <= depth_.load(std::memory_order_relaxed) / 2)
    space_.unpark();
}

GstMiniObject *Link::held_by_pause() const
{
  return was_paused_ && held_ != 0 ? object_of(held_) : nullptr;
}

}  // namespace streamlib
