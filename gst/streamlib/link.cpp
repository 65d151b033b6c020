// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/link.h"

#include <algorithm>
#include <thread>

#include "gst/streamlib/activity.h"

namespace streamlib {

using support::MiniPtr;
using support::monotonic_ns;

namespace {

// A word of the ring is a pointer to a buffer or a list with marks in the bits that alignment
// leaves.
constexpr uintptr_t kStamped = 1;
constexpr uintptr_t kBytesCounted = 2;
constexpr uintptr_t kMarks = 7;

constexpr size_t kSmallestRing = 64;

// Queueing times are read from the clock for every buffer below this rate, and for one of
// kSampleEvery above.
constexpr int64_t kFastRate = 10000;
constexpr unsigned kSampleEvery = 64;
constexpr int64_t kFastInterval = kSampleEvery * (INT64_C(1000000000) / kFastRate);

GstMiniObject *object_of(uintptr_t word)
{
  return reinterpret_cast<GstMiniObject *>(word & ~kMarks);
}

bool is_list(GstMiniObject *data)
{
  return GST_IS_BUFFER_LIST(data);
}

unsigned count_of(GstMiniObject *data)
{
  return is_list(data) ? gst_buffer_list_length(GST_BUFFER_LIST_CAST(data)) : 1;
}

uint64_t bytes_of(GstMiniObject *data)
{
  return is_list(data) ? gst_buffer_list_calculate_size(GST_BUFFER_LIST_CAST(data))
                       : gst_buffer_get_size(GST_BUFFER_CAST(data));
}

// Null for an empty list.
GstBuffer *first_buffer_of(GstMiniObject *data)
{
  if (!is_list(data))
    return GST_BUFFER_CAST(data);
  auto *list = GST_BUFFER_LIST_CAST(data);
  return gst_buffer_list_length(list) > 0 ? gst_buffer_list_get(list, 0) : nullptr;
}

bool is_delta_unit(GstMiniObject *data)
{
  GstBuffer *buffer = first_buffer_of(data);
  return buffer != nullptr && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT) &&
         !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER);
}

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

bool is_sticky(const GstEvent *event)
{
  return (gst_event_type_get_flags(event->type) & GST_EVENT_TYPE_STICKY) != 0;
}

// Puts `event` in the place of the one of its type; false when it is that very event.
bool remember(std::vector<MiniPtr<GstEvent>> &events, GstEvent *event)
{
  const auto known = std::find_if(events.begin(), events.end(), [event](const auto &other) {
    return other->type == event->type;
  });
  if (known == events.end()) {
    events.push_back(support::share_mini(event));
    return true;
  }
  if (known->get() == event)
    return false;
  *known = support::share_mini(event);
  return true;
}

// For a counter that only the calling thread writes.
void add(std::atomic<uint64_t> &counter, uint64_t amount)
{
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace

Link::Link()
{
  rings_.push_back(std::make_unique<Ring>(kSmallestRing));
  ring_ = evict_ring_ = consumer_ring_ = rings_.back().get();
}

Link::~Link()
{
  discard_data();
  discard_lane(false);
}

// --- Any thread ---

void Link::set_depth(unsigned depth)
{
  depth_.store(std::max(depth, 1U), std::memory_order_relaxed);
  space_.unpark();
}

void Link::set_paused(bool paused)
{
  paused_.store(paused, std::memory_order_seq_cst);
}

bool Link::is_paused() const
{
  return paused_.load(std::memory_order_seq_cst);
}

LinkCounters Link::counters() const
{
  LinkCounters counters;
  // What left is read before what came, so that the level is never negative.
  counters.popped = popped_.load(std::memory_order_acquire);
  counters.dropped_stale = dropped_stale_.load(std::memory_order_acquire);
  counters.dropped_flush = dropped_flush_.load(std::memory_order_acquire);
  counters.dropped_full = dropped_broken_.load(std::memory_order_acquire);
  counters.dropped_full += evicted_.load(std::memory_order_acquire);
  counters.pushed = pushed_.load(std::memory_order_acquire);
  counters.wakeups = wakeups_.load(std::memory_order_relaxed);
  counters.sampled = sampled_.load(std::memory_order_relaxed);
  counters.queueing_p50 = queueing_.quantile(0.5);
  counters.queueing_p99 = queueing_.quantile(0.99);
  counters.queueing_max = queueing_.max();
  return counters;
}

void Link::open()
{
  discard_data();
  discard_lane(false);
  rings_.clear();
  const size_t capacity = depth_.load() + slack_.load() + 2;
  rings_.push_back(std::make_unique<Ring>(std::max(capacity, kSmallestRing)));
  ring_ = evict_ring_ = consumer_ring_ = rings_.back().get();
  times_.clear();
  for (auto *counter : {&pushed_, &evicted_, &evicted_bytes_, &pushed_bytes_, &wakeups_, &popped_,
                        &dropped_stale_, &dropped_flush_, &dropped_broken_, &popped_bytes_})
    counter->store(0);
  queueing_.clear();
  sampled_.store(1);
  cached_gone_ = push_count_ = 0;
  stamp_of_last_64_ = 0;
  expected_index_ = seen_index_ = 0;
  seen_lane_ = lane_.pushed();
  discont_ = was_paused_ = catching_up_ = false;
  pushed_sticky_.clear();
  taken_sticky_.clear();
  ended_.store(false);
  end_index_.store(UINT64_MAX);
  flow_.store(GST_FLOW_OK);
}

void Link::set_flushing()
{
  flow_.store(GST_FLOW_FLUSHING, std::memory_order_seq_cst);
  space_.unpark();
}

void Link::flush()
{
  while (consuming_.exchange(true, std::memory_order_acquire))
    std::this_thread::yield();
  const uint64_t lost = dropped_flush_.load();
  discard_data();
  discard_lane(true);
  discont_ = discont_ || dropped_flush_.load() != lost;
  expected_index_ = next_index();
  catching_up_ = was_paused_ = false;
  forget_segment();
  flushes_++;
  ended_.store(false);
  end_index_.store(UINT64_MAX);
  flow_.store(GST_FLOW_OK);
  consuming_.store(false, std::memory_order_release);
}

void Link::fail(GstFlowReturn flow)
{
  GstFlowReturn expected = GST_FLOW_OK;
  flow_.compare_exchange_strong(expected, flow, std::memory_order_seq_cst);
  space_.unpark();
}

void Link::forgive()
{
  for (GstFlowReturn expected : {GST_FLOW_EOS, GST_FLOW_NOT_LINKED})
    flow_.compare_exchange_strong(expected, GST_FLOW_OK, std::memory_order_seq_cst);
}

// --- The pushing thread ---

uint64_t Link::gone() const
{
  return popped_.load(std::memory_order_relaxed) + dropped_stale_.load(std::memory_order_relaxed) +
         dropped_flush_.load(std::memory_order_relaxed) +
         dropped_broken_.load(std::memory_order_relaxed);
}

GstClockTime Link::queued_time() const
{
  const uint64_t next = ring_->next_index();
  const uint64_t oldest = evict_ring_->head();
  if (times_.empty() || oldest == next)
    return 0;
  const GstClockTime first = times_[oldest & (times_.size() - 1)];
  const GstClockTime last = times_[(next - 1) & (times_.size() - 1)];
  return GST_CLOCK_TIME_IS_VALID(first) && GST_CLOCK_TIME_IS_VALID(last) && last > first
             ? last - first
             : 0;
}

bool Link::is_full() const
{
  const uint64_t came = pushed_.load(std::memory_order_relaxed) - evicted_.load();
  const unsigned depth = depth_.load(std::memory_order_relaxed);
  if (came - cached_gone_ >= depth) {
    cached_gone_ = gone();
    if (came - cached_gone_ >= depth)
      return true;
  }
  const uint64_t max_bytes = max_bytes_.load(std::memory_order_relaxed);
  if (max_bytes != 0 &&
      pushed_bytes_.load() - evicted_bytes_.load() - popped_bytes_.load() >= max_bytes)
    return true;
  const GstClockTime max_time = max_time_.load(std::memory_order_relaxed);
  return max_time != 0 && queued_time() >= max_time;
}

bool Link::wait_for_space()
{
  const Activity::WaitScope waiting;
  // The consumer wakes the pusher at half level, so that a slow consumer is not a wake-up a buffer.
  space_.park([this] { return !is_full() || flow_.load() != GST_FLOW_OK; });
  return flow() == GST_FLOW_OK;
}

void Link::evict_for_space()
{
  while (is_full()) {
    // The last buffer before an EOS is always delivered.
    if (evict_ring_->head() + 1 == end_index_.load(std::memory_order_relaxed))
      return;
    const uintptr_t word = evict_ring_->evict_word();
    if (word == 0) {
      Ring *next = evict_ring_->next.load(std::memory_order_relaxed);
      if (next == nullptr)
        return;
      evict_ring_ = next;
      continue;
    }
    GstMiniObject *data = object_of(word);
    if (word & kBytesCounted)
      add(evicted_bytes_, bytes_of(data));
    add(evicted_, count_of(data));
    gst_mini_object_unref(data);
  }
}

int64_t Link::next_stamp()
{
  const bool is_sample = push_count_++ % kSampleEvery == 0;
  if (!is_sample && sampled_.load(std::memory_order_relaxed) != 1)
    return 0;
  const int64_t now = monotonic_ns();
  if (is_sample) {
    const bool is_fast = stamp_of_last_64_ != 0 && now - stamp_of_last_64_ < kFastInterval;
    sampled_.store(is_fast ? kSampleEvery : 1, std::memory_order_relaxed);
    stamp_of_last_64_ = now;
  }
  return now;
}

// Only where a limit was raised while data flows: a ring is made big enough before.
void Link::grow()
{
  auto bigger = std::make_unique<Ring>(ring_->capacity() * 2, ring_->next_index());
  Ring *next = bigger.get();
  rings_.push_back(std::move(bigger));
  ring_->next.store(next, std::memory_order_release);
  ring_ = next;
}

void Link::wake_consumer()
{
  support::Parker *parker = parker_.load(std::memory_order_acquire);
  if (parker != nullptr && parker->unpark())
    add(wakeups_, 1);
}

void Link::publish(uintptr_t word, int64_t stamp)
{
  while (!ring_->push_word(word, stamp))
    grow();
  wake_consumer();
}

Link::Pushed Link::push(GstMiniObject *data, GstClockTime running_time, Wait wait)
{
  if (flow() != GST_FLOW_OK || ended_.load(std::memory_order_relaxed)) {
    gst_mini_object_unref(data);
    return Pushed::Refused;
  }
  if (is_full()) {
    if (policy() != GST_SL_LINK_POLICY_LOSSLESS) {
      evict_for_space();
    } else if (wait == Wait::Allowed && !wait_for_space()) {
      gst_mini_object_unref(data);
      return Pushed::Refused;
    }
  }
  uintptr_t word = reinterpret_cast<uintptr_t>(data);
  if (max_bytes_.load(std::memory_order_relaxed) != 0) {
    add(pushed_bytes_, bytes_of(data));
    word |= kBytesCounted;
  }
  if (max_time_.load(std::memory_order_relaxed) != 0) {
    // Twice the ring: the consumer's head is read while the ring still fills.
    if (times_.size() < 2 * ring_->capacity())
      times_.assign(2 * ring_->capacity(), GST_CLOCK_TIME_NONE);
    times_[ring_->next_index() & (times_.size() - 1)] = running_time;
  }
  const int64_t stamp = next_stamp();
  if (stamp != 0)
    word |= kStamped;
  add(pushed_, count_of(data));
  publish(word, stamp);
  return wait == Wait::Forbidden && policy() == GST_SL_LINK_POLICY_LOSSLESS && is_full()
             ? Pushed::Suspend
             : Pushed::Done;
}

unsigned Link::push_event(MiniPtr<GstEvent> event)
{
  const uint64_t position = ring_->next_index();
  const GstEventType type = GST_EVENT_TYPE(event.get());
  if (is_sticky(event.get()) && !remember(pushed_sticky_, event.get()) && type != GST_EVENT_EOS)
    return 0;
  if (type == GST_EVENT_EOS) {
    end_index_.store(position);
    ended_.store(true);
  } else if (type == GST_EVENT_STREAM_START) {
    ended_.store(false);
    forgive();
  }
  const unsigned waiting = lane_.push(std::move(event), position);
  wake_consumer();
  return waiting;
}

bool Link::push_query(GstQuery *query)
{
  if (flow() != GST_FLOW_OK || ended_.load(std::memory_order_relaxed))
    return false;
  auto ticket = std::make_shared<QueryTicket>(query);
  lane_.push(ticket, ring_->next_index());
  wake_consumer();
  const Activity::WaitScope waiting;
  space_.park([&] { return ticket->is_done() || flow_.load() != GST_FLOW_OK; });
  if (!ticket->is_done() && ticket->abandon())
    return false;
  // The consumer works with the query, which lives in this frame.
  space_.park([&] { return ticket->is_done(); });
  return ticket->result();
}

// --- The consuming thread ---

Link::ConsumerScope::ConsumerScope(Link &link, const void *owner) : link_(link)
{
  // Contended only while a flush or a take-over is under way.
  while (link_.consuming_.exchange(true, std::memory_order_seq_cst))
    std::this_thread::yield();
  is_owner_ = link_.owner_.load(std::memory_order_relaxed) == owner;
}

void Link::set_consumer(const void *owner, std::shared_ptr<support::Parker> parker)
{
  while (consuming_.exchange(true, std::memory_order_seq_cst))
    std::this_thread::yield();
  const bool is_new = owner_.exchange(owner, std::memory_order_relaxed) != owner;
  if (is_new && !taken_sticky_.empty()) {
    if (lane_item_)
      kept_.push_back(std::move(lane_item_));
    for (auto event = taken_sticky_.rbegin(); event != taken_sticky_.rend(); ++event) {
      auto item = std::make_unique<LaneItem>();
      item->event = *event;
      kept_.push_front(std::move(item));
    }
    seen_lane_ = UINT64_MAX;
  }
  // A pusher may be about to wake the one before: it stays.
  if (std::find(parkers_.begin(), parkers_.end(), parker) == parkers_.end())
    parkers_.push_back(parker);
  parker_.store(parker.get(), std::memory_order_seq_cst);
  consuming_.store(false, std::memory_order_release);
}

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
  if (!lane_item_ && !kept_.empty()) {
    lane_item_ = std::move(kept_.front());
    kept_.pop_front();
  }
  if (!lane_item_)
    lane_item_ = lane_.pop();
  return lane_item_ && lane_item_->position <= next_index();
}

bool Link::newer_is_there() const
{
  if (consumer_ring_->size() > 0)
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
      seen_index_ = consumer_ring_->head();
      seen_lane_ = lane_.popped();
      return {};
    }
    if (paused_.load(std::memory_order_relaxed)) {
      note_seen();
      if (!ended_.load(std::memory_order_seq_cst)) {
        was_paused_ = true;
        return {};
      }
    } else if (was_paused_) {
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

uint64_t Link::newest_index() const
{
  const Ring *ring = consumer_ring_;
  while (const Ring *next = ring->next.load(std::memory_order_acquire))
    ring = next;
  return ring->tail();
}

void Link::note_seen()
{
  seen_index_ = newest_index();
  seen_lane_ = lane_.pushed();
}

bool Link::has_news() const
{
  return newest_index() != seen_index_ || lane_.pushed() != seen_lane_;
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

// --- Emptying ---

// After a flush there is no segment until a new one comes, and the end is not near any more.
void Link::forget_segment()
{
  for (auto *events : {&pushed_sticky_, &taken_sticky_})
    std::erase_if(*events, [](const auto &event) {
      return event->type == GST_EVENT_SEGMENT || event->type == GST_EVENT_EOS;
    });
}

void Link::discard_data()
{
  while (hold_next())
    drop_held(dropped_flush_);
}

void Link::discard_lane(bool keep_sticky)
{
  if (!keep_sticky)
    kept_.clear();
  for (;;) {
    std::unique_ptr<LaneItem> item = lane_item_ ? std::move(lane_item_) : lane_.pop();
    if (!item)
      return;
    if (!item->event)
      continue;
    const GstEventType type = GST_EVENT_TYPE(item->event.get());
    if (!keep_sticky || !is_sticky(item->event.get()) || type == GST_EVENT_SEGMENT ||
        type == GST_EVENT_EOS)
      continue;
    item->position = 0;
    kept_.push_back(std::move(item));
  }
}

}  // namespace streamlib
