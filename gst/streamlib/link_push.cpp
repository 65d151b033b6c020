// SPDX-License-Identifier: LGPL-2.1-or-later
// The pushing end of a link.
#include "gst/streamlib/activity.h"
#include "gst/streamlib/link.h"
#include "gst/streamlib/link_data.h"
#include "gst/streamlib/step_job.h"

namespace streamlib {

using support::MiniPtr;
using support::monotonic_ns;

namespace {

// Queueing times are read from the clock for every buffer below this rate, and for one of
// kSampleEvery above.
constexpr int64_t kFastRate = 10000;
constexpr unsigned kSampleEvery = 64;
constexpr int64_t kFastInterval = kSampleEvery * (INT64_C(1000000000) / kFastRate);

}  // namespace

uint64_t Link::gone() const
{
  return popped_.load(std::memory_order_relaxed) + dropped_stale_.load(std::memory_order_relaxed) +
         dropped_flush_.load(std::memory_order_relaxed) +
         dropped_broken_.load(std::memory_order_relaxed);
}

// Of what is queued; a ring that was too small is left behind empty.
uint64_t Link::oldest_index() const
{
  const Ring *ring = evict_ring_;
  while (ring->size() == 0) {
    const Ring *next = ring->next.load(std::memory_order_relaxed);
    if (next == nullptr)
      break;
    ring = next;
  }
  return ring->head();
}

GstClockTime Link::queued_time() const
{
  const uint64_t next = ring_->next_index();
  const uint64_t oldest = oldest_index();
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
  const GstClockTime max_time = max_time_.load(std::memory_order_relaxed);
  if (max_bytes == 0 && max_time == 0)
    return false;
  // Whatever the limits are, one buffer has room.
  cached_gone_ = gone();
  if (came == cached_gone_)
    return false;
  if (max_bytes != 0 &&
      pushed_bytes_.load() - evicted_bytes_.load() - popped_bytes_.load() >= max_bytes)
    return true;
  return max_time != 0 && queued_time() >= max_time;
}

// Data is refused while the flow says so, but for an EOS that downstream gave to data of before a
// SEGMENT which the consumer has not come to yet.
bool Link::is_welcome()
{
  if (flow() == GST_FLOW_EOS && unwanted_index_.load() < restart_index_)
    forgive();
  return flow() == GST_FLOW_OK;
}

bool Link::wait_for_space()
{
  // The consumer wakes the pusher at half level, so that a slow consumer is not a wake-up a buffer.
  do {
    const Activity::WaitScope waiting;
    space_.park([this] { return !must_wait() || flow_.load() != GST_FLOW_OK; });
  } while (is_welcome() && must_wait());
  return flow() == GST_FLOW_OK;
}

bool Link::is_half_empty() const
{
  if (max_bytes_.load(std::memory_order_relaxed) != 0 ||
      max_time_.load(std::memory_order_relaxed) != 0)
    return !is_full();
  const uint64_t level = pushed_.load(std::memory_order_relaxed) - evicted_.load() - gone();
  return level <= depth_.load(std::memory_order_relaxed) / 2;
}

bool Link::arm_space(support::Wakeable *target)
{
  const auto may_go_on = [this] { return is_half_empty() || flow_.load() != GST_FLOW_OK; };
  if (may_go_on())
    return false;
  space_.arm(target);
  // Who has told it already has scheduled it anew.
  return !may_go_on() || !space_.disarm();
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
  newest_ring_.store(next, std::memory_order_release);
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
  if (G_UNLIKELY(ended_.load(std::memory_order_relaxed) || !is_welcome())) {
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
  if (type == GST_EVENT_STREAM_START || type == GST_EVENT_SEGMENT)
    restart_index_ = position;
  const unsigned waiting = lane_.push(std::move(event), position);
  wake_consumer();
  return waiting;
}

bool Link::push_query(GstQuery *query)
{
  if (ended_.load(std::memory_order_relaxed) || !is_welcome())
    return false;
  auto ticket = std::make_shared<QueryTicket>(query);
  lane_.push(ticket, ring_->next_index());
  wake_consumer();
  const Activity::WaitScope waiting;
  const StepJob::WaitScope lends_thread;
  space_.park([&] { return ticket->is_done() || flow_.load() != GST_FLOW_OK; });
  if (!ticket->is_done() && ticket->abandon())
    return false;
  // The consumer works with the query, which lives in this frame.
  space_.park([&] { return ticket->is_done(); });
  return ticket->result();
}

}  // namespace streamlib
