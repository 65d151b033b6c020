// SPDX-License-Identifier: LGPL-2.1-or-later
// The bounded lock-free link between a pushing thread and the processor that drains it.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/gstslenums.h"
#include "gst/streamlib/link_event_lane.h"
#include "gst/support/histogram.h"
#include "gst/support/parker.h"
#include "gst/support/pointer_ring.h"

namespace streamlib {

// What the consumer of a link gets.
struct LinkItem {
  enum class Kind { None, Buffer, BufferList, Event, Query };

  Kind kind = Kind::None;
  // Owned by the receiver (transfer full), but for a query: that one is borrowed until
  // Link::answer_query().
  GstMiniObject *object = nullptr;

  explicit operator bool() const { return kind != Kind::None; }
  bool is_data() const { return kind == Kind::Buffer || kind == Kind::BufferList; }
};

// A reading of a link's counters in which pushed = popped + dropped + level. Counts are buffers; a
// list counts as its length.
struct LinkCounters {
  uint64_t pushed = 0;
  uint64_t popped = 0;
  uint64_t dropped_full = 0;
  uint64_t dropped_stale = 0;
  uint64_t dropped_flush = 0;
  uint64_t wakeups = 0;
  uint64_t queueing_p50 = 0;
  uint64_t queueing_p99 = 0;
  uint64_t queueing_max = 0;
  unsigned sampled = 1;

  uint64_t dropped() const { return dropped_full + dropped_stale + dropped_flush; }
  uint64_t level() const { return pushed - popped - dropped(); }
};

// Buffers cross in a ring without locks or allocation, events and queries in a lane beside it; the
// index of a buffer in the ring is the clock by which the consumer puts both in order again, and a
// hole in the indices is what was dropped.
//
// Threads: one pushes (the stream lock of the pad sees to it), one consumes. A flush and a
// take-over empty or move the consuming end from a third thread: for this the consumer announces
// each short access by ConsumerScope.
class Link : public std::enable_shared_from_this<Link> {
public:
  Link();
  Link(const Link &) = delete;
  Link &operator=(const Link &) = delete;
  ~Link();

  // --- Any thread: what is asked of the link.

  // The policy in effect, never AUTO.
  void set_policy(GstSlLinkPolicy policy) { policy_.store(policy, std::memory_order_relaxed); }
  GstSlLinkPolicy policy() const { return policy_.load(std::memory_order_relaxed); }
  // The depth in effect, in buffers, at least 1.
  void set_depth(unsigned depth);
  unsigned depth() const { return depth_.load(std::memory_order_relaxed); }
  // 0 is no limit.
  void set_max_bytes(uint64_t bytes) { max_bytes_.store(bytes, std::memory_order_relaxed); }
  void set_max_time(GstClockTime time) { max_time_.store(time, std::memory_order_relaxed); }
  // Buffers beyond the depth that a pusher which must not wait may still leave.
  void set_slack(unsigned buffers) { slack_.store(buffers, std::memory_order_relaxed); }
  // Encoded video: a drop reaches up to the next key unit.
  void set_key_unit_drops(bool on) { key_unit_drops_.store(on, std::memory_order_relaxed); }
  void set_paused(bool paused);
  bool is_paused() const;
  // While it is on, a pusher that waits for room is let in above the limits.
  void let_in(bool on);

  LinkCounters counters() const;

  // --- Any thread: opening, closing, flow.

  // Ready for data; counters start at zero. Neither end may be in use.
  void open();
  // Refuses data from now on with FLUSHING, and ends every wait of the pusher.
  void set_flushing();
  // The same, up to the next open(): a flush that ends meanwhile changes nothing.
  void close();
  bool is_closed() const { return is_closed_.load(); }
  // Drops what is queued and accepts data again, except sticky events other than SEGMENT and EOS,
  // which stay. The pusher must not be in push().
  void flush();
  // How often that happened; for whoever holds a ConsumerScope.
  unsigned flushes() const { return flushes_; }
  // The consumer's flow return for what it took last, which the pusher gets from now on; ends its
  // wait. Does not replace FLUSHING. An EOS concerns data up to the next SEGMENT or STREAM_START.
  void fail(GstFlowReturn flow);
  // Data is welcome again where it was refused with EOS or NOT_LINKED.
  void forgive();
  GstFlowReturn flow() const { return flow_.load(std::memory_order_acquire); }

  // --- The pushing thread.

  enum class Wait { Allowed, Forbidden };
  enum class Pushed { Done, Refused, Suspend };

  // Takes over a buffer or a list. `running_time` is its place in time, for max-time. Done: it is
  // queued or was dropped by policy. Refused: flow() or EOS says why. Suspend: it is queued, but
  // the link is full and the pusher, which may not wait, must not come again before arm_space()
  // says so.
  Pushed push(GstMiniObject *data, GstClockTime running_time, Wait wait = Wait::Allowed);
  // Answers how many events wait.
  unsigned push_event(support::MiniPtr<GstEvent> event);
  // Waits for the consumer to answer; false also when the link flushes meanwhile.
  bool push_query(GstQuery *query);
  bool is_ended() const { return ended_.load(std::memory_order_relaxed); }
  // After Suspend: `target` is told when the link is half empty or gives data no chance any more.
  // False when that is so already.
  bool arm_space(support::Wakeable *target);
  void disarm_space() { space_.disarm(); }

  // --- The consuming thread.

  // Whether a buffer's time to be shown has passed; asked only while a newer one is there.
  class Freshness {
  public:
    virtual bool has_passed(GstBuffer *buffer) = 0;

  protected:
    ~Freshness() = default;
  };

  // What comes next, without taking it; `data` is borrowed until take().
  LinkItem peek(Freshness &freshness);
  // Takes what peek() showed.
  LinkItem take(const LinkItem &peeked);
  // Drops what peek() showed, if it is data; false when it is not.
  bool drop(const LinkItem &peeked);
  void answer_query(bool result);
  // True while something arrived after the last peek() that found nothing, or after note_seen().
  // Needs no ConsumerScope.
  bool has_news() const;
  void note_seen();
  // Wakes a pusher that waits for space which is there; called before the consumer sleeps. Needs no
  // ConsumerScope.
  void wake_waiting_pusher();
  // The data that stands at the head while a pause holds it back; borrowed.
  GstMiniObject *held_by_pause() const;

  // --- Moving the consuming end.

  // The consumer, and its wait point, which is kept until the link goes. A consumer that follows
  // another one gets the sticky events again that the other one has taken.
  void set_consumer(const void *owner, std::shared_ptr<support::Parker> parker);
  // The same for a link that nobody feeds, which forgets everything but its counts.
  void reset_for(const void *owner, std::shared_ptr<support::Parker> parker);

  // One short access of the consuming end. False when the end belongs to another owner by now.
  class ConsumerScope {
  public:
    // Contended only while a flush or a take-over is under way.
    ConsumerScope(Link &link, const void *owner) : link_(link)
    {
      while (link_.consuming_.exchange(true, std::memory_order_seq_cst))
        std::this_thread::yield();
      is_owner_ = link_.owner_.load(std::memory_order_relaxed) == owner;
    }
    ConsumerScope(const ConsumerScope &) = delete;
    ConsumerScope &operator=(const ConsumerScope &) = delete;
    ~ConsumerScope() { link_.consuming_.store(false, std::memory_order_release); }
    explicit operator bool() const { return is_owner_; }

  private:
    Link &link_;
    bool is_owner_;
  };

private:
  struct Ring : support::PointerRing {
    using PointerRing::PointerRing;
    // Set once, when this ring turned out too small: what comes later is there.
    std::atomic<Ring *> next = nullptr;
  };

  // Pusher.
  bool is_full() const;
  bool must_wait() const { return is_full() && !lets_in_.load(); }
  uint64_t gone() const;
  bool is_welcome();
  bool wait_for_space();
  bool is_half_empty() const;
  void evict_for_space();
  void publish(uintptr_t word, int64_t stamp);
  int64_t next_stamp();
  void wake_consumer();
  void grow();
  uint64_t oldest_index() const;
  GstClockTime queued_time() const;

  // Consumer.
  uintptr_t pop_word(uint64_t *index, int64_t *stamp);
  bool hold_next();
  uint64_t next_index() const;
  bool event_is_due();
  bool newer_is_there();
  bool must_skip(Freshness &freshness);
  void drop_held(std::atomic<uint64_t> &counter);
  LinkItem take_data();
  LinkItem take_lane_item();
  void discard_data();
  void discard_lane(bool keep_sticky);
  void forget_segment();

  // --- Set from any thread, read by both ends.
  std::atomic<GstSlLinkPolicy> policy_ = GST_SL_LINK_POLICY_LOSSLESS;
  std::atomic<unsigned> depth_ = 16;
  std::atomic<unsigned> slack_ = 0;
  std::atomic<uint64_t> max_bytes_ = 0;
  std::atomic<GstClockTime> max_time_ = 0;
  std::atomic<bool> key_unit_drops_ = false;
  std::atomic<bool> lets_in_ = false;
  // How often a pause began or ended: odd in a pause. Counted, for a pause that is over before the
  // consumer looks.
  std::atomic<unsigned> pauses_ = 0;
  std::atomic<GstFlowReturn> flow_ = GST_FLOW_FLUSHING;
  std::atomic<support::Parker *> parker_ = nullptr;
  std::atomic<const void *> owner_ = nullptr;
  std::vector<std::shared_ptr<support::Parker>> parkers_;

  // --- Written by the pusher.
  alignas(support::kCacheSpan) std::atomic<uint64_t> pushed_ = 0;
  std::atomic<uint64_t> evicted_ = 0;
  std::atomic<uint64_t> evicted_bytes_ = 0;
  std::atomic<uint64_t> pushed_bytes_ = 0;
  std::atomic<uint64_t> wakeups_ = 0;
  std::atomic<unsigned> sampled_ = 1;
  Ring *ring_ = nullptr;
  Ring *evict_ring_ = nullptr;
  std::vector<std::unique_ptr<Ring>> rings_;
  mutable uint64_t cached_gone_ = 0;
  // The running time of each queued buffer, by its index; empty without max-time.
  std::vector<GstClockTime> times_;
  uint64_t push_count_ = 0;
  int64_t stamp_of_last_64_ = 0;
  // The last sticky event of each type, to know one that comes again because the pad was relinked.
  std::vector<support::MiniPtr<GstEvent>> pushed_sticky_;

  // --- Written by the pusher now and then, and read by the consumer for each buffer.

  // Where the pusher waits for space and for answers.
  alignas(support::kCacheSpan) support::Parker space_;
  std::atomic<bool> ended_ = false;
  // The index after the last SEGMENT or STREAM_START.
  uint64_t restart_index_ = 0;
  // The index after the last buffer before an EOS.
  std::atomic<uint64_t> end_index_ = UINT64_MAX;

  // The ring that the pusher fills.
  std::atomic<const Ring *> newest_ring_ = nullptr;

  // --- Written by the consumer.
  alignas(support::kCacheSpan) std::atomic<bool> consuming_ = false;
  std::atomic<uint64_t> popped_ = 0;
  std::atomic<uint64_t> dropped_stale_ = 0;
  std::atomic<uint64_t> dropped_flush_ = 0;
  // Delta units that an eviction has made useless.
  std::atomic<uint64_t> dropped_broken_ = 0;
  std::atomic<uint64_t> popped_bytes_ = 0;
  Ring *consumer_ring_ = nullptr;
  uintptr_t held_ = 0;
  uint64_t held_index_ = 0;
  int64_t held_stamp_ = 0;
  uint64_t expected_index_ = 0;
  bool discont_ = false;
  // The data that downstream answered with EOS.
  std::atomic<uint64_t> unwanted_index_ = 0;
  unsigned flushes_ = 0;
  unsigned seen_pauses_ = 0;
  std::atomic<bool> is_closed_ = true;
  bool was_paused_ = false;
  bool catching_up_ = false;
  // Read outside a ConsumerScope too.
  std::atomic<uint64_t> seen_index_ = 0;
  std::atomic<uint64_t> seen_lane_ = 0;
  std::unique_ptr<LaneItem> lane_item_;
  // Sticky events that the consumer has taken, in order of their arrival.
  std::vector<support::MiniPtr<GstEvent>> taken_sticky_;
  // Sticky events that come before anything else: what a flush has left, and what a consumer has to
  // be told that took the link over.
  std::deque<std::unique_ptr<LaneItem>> kept_;
  std::shared_ptr<QueryTicket> query_;

  alignas(support::kCacheSpan) EventLane lane_;
  support::Histogram queueing_;
};

}  // namespace streamlib
