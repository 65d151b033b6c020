// SPDX-License-Identifier: LGPL-2.1-or-later
// A link from outside its two ends: settings, figures, opening, flushing, a new consumer.
#include "gst/streamlib/link.h"

#include <thread>

#include "gst/streamlib/link_data.h"

namespace streamlib {

namespace {

constexpr size_t kSmallestRing = 64;

}  // namespace

Link::Link()
{
  rings_.push_back(std::make_unique<Ring>(kSmallestRing));
  ring_ = evict_ring_ = consumer_ring_ = rings_.back().get();
  newest_ring_.store(ring_);
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

void Link::let_in(bool on)
{
  lets_in_.store(on);
  space_.unpark();
}

void Link::set_paused(bool paused)
{
  unsigned before = pauses_.load();
  while ((before % 2 != 0) != paused && !pauses_.compare_exchange_weak(before, before + 1)) {
  }
}

bool Link::is_paused() const
{
  return pauses_.load() % 2 != 0;
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
  // A flush may come from another thread while the element goes up.
  while (consuming_.exchange(true, std::memory_order_seq_cst))
    std::this_thread::yield();
  discard_data();
  discard_lane(false);
  rings_.clear();
  const size_t capacity = depth_.load() + slack_.load() + 2;
  rings_.push_back(std::make_unique<Ring>(std::max(capacity, kSmallestRing)));
  ring_ = evict_ring_ = consumer_ring_ = rings_.back().get();
  newest_ring_.store(ring_);
  times_.clear();
  for (auto *counter : {&pushed_, &evicted_, &evicted_bytes_, &pushed_bytes_, &wakeups_, &popped_,
                        &dropped_stale_, &dropped_flush_, &dropped_broken_, &popped_bytes_})
    counter->store(0);
  queueing_.clear();
  sampled_.store(1);
  cached_gone_ = push_count_ = restart_index_ = 0;
  unwanted_index_.store(0);
  stamp_of_last_64_ = 0;
  expected_index_ = seen_index_ = 0;
  seen_lane_ = lane_.pushed();
  discont_ = was_paused_ = catching_up_ = false;
  seen_pauses_ = pauses_.load() & ~1U;
  pushed_sticky_.clear();
  taken_sticky_.clear();
  ended_.store(false);
  end_index_.store(UINT64_MAX);
  is_closed_ = false;
  flow_.store(GST_FLOW_OK);
  consuming_.store(false, std::memory_order_release);
}

void Link::close()
{
  while (consuming_.exchange(true, std::memory_order_seq_cst))
    std::this_thread::yield();
  is_closed_ = true;
  consuming_.store(false, std::memory_order_release);
  set_flushing();
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
  seen_pauses_ = pauses_.load() & ~1U;
  forget_segment();
  flushes_++;
  ended_.store(false);
  end_index_.store(UINT64_MAX);
  if (!is_closed_)
    flow_.store(GST_FLOW_OK);
  consuming_.store(false, std::memory_order_release);
}

void Link::fail(GstFlowReturn flow)
{
  unwanted_index_.store(expected_index_ - 1);
  GstFlowReturn expected = GST_FLOW_OK;
  flow_.compare_exchange_strong(expected, flow, std::memory_order_seq_cst);
  space_.unpark();
}

void Link::forgive()
{
  for (GstFlowReturn expected : {GST_FLOW_EOS, GST_FLOW_NOT_LINKED})
    flow_.compare_exchange_strong(expected, GST_FLOW_OK, std::memory_order_seq_cst);
}

// --- Moving the consuming end ---

void Link::reset_for(const void *owner, std::shared_ptr<support::Parker> parker)
{
  flush();
  while (consuming_.exchange(true, std::memory_order_seq_cst))
    std::this_thread::yield();
  kept_.clear();
  pushed_sticky_.clear();
  taken_sticky_.clear();
  discont_ = false;
  consuming_.store(false, std::memory_order_release);
  set_consumer(owner, std::move(parker));
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
  }
  // A pusher may be about to wake the one before: it stays.
  if (std::find(parkers_.begin(), parkers_.end(), parker) == parkers_.end())
    parkers_.push_back(parker);
  parker_.store(parker.get(), std::memory_order_seq_cst);
  consuming_.store(false, std::memory_order_release);
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
