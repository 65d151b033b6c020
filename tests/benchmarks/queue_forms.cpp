// SPDX-License-Identifier: LGPL-2.1-or-later
// The forms that the queue of a link could take.
#include "queue_forms.h"

#include "gst/support/pointer_ring.h"

namespace streamlib::bench {

namespace {

// Two cache lines, because processors fetch lines in pairs.
constexpr size_t kSpan = 128;

// ---- one queue of pointers

class AtomicPointers final : public LinkForm {
public:
  explicit AtomicPointers(unsigned capacity)
      : capacity_(capacity), queue_(gst_atomic_queue_new(capacity * 2))
  {}
  ~AtomicPointers() override { gst_atomic_queue_unref(queue_); }

  bool try_push(void *buffer) override
  {
    if (gst_atomic_queue_length(queue_) >= capacity_)
      return false;
    gst_atomic_queue_push(queue_, buffer);
    return true;
  }
  void *push_evicting(void *) override { g_return_val_if_reached(nullptr); }
  bool can_evict() const override { return false; }
  void push_event(void *event) override
  {
    gst_atomic_queue_push(queue_, static_cast<char *>(event) + kEventTag);
  }
  Taken take() override
  {
    auto *item = static_cast<char *>(gst_atomic_queue_pop(queue_));
    const bool is_event = (reinterpret_cast<uintptr_t>(item) & kEventTag) != 0;
    return {is_event ? item - kEventTag : item, is_event, false};
  }
  unsigned level() const override { return gst_atomic_queue_length(queue_); }

private:
  static constexpr uintptr_t kEventTag = 1;
  const unsigned capacity_;
  GstAtomicQueue *const queue_;
};

// ---- two lanes of envelopes

struct alignas(kSpan) Envelope {
  void *item;
  // The place among all items, and among the buffers alone: an event between two buffers is no gap.
  uint64_t sequence;
  uint64_t buffer_sequence;
};

class TwoLanes final : public LinkForm {
public:
  explicit TwoLanes(unsigned capacity)
      : capacity_(capacity),
        envelopes_(capacity + kSpareEnvelopes),
        buffers_(gst_atomic_queue_new(capacity * 2)),
        events_(gst_atomic_queue_new(64)),
        free_(gst_atomic_queue_new((capacity + kSpareEnvelopes) * 2))
  {
    for (Envelope &envelope : envelopes_)
      gst_atomic_queue_push(free_, &envelope);
  }
  ~TwoLanes() override
  {
    while (auto *envelope = static_cast<Envelope *>(gst_atomic_queue_pop(events_)))
      delete envelope;
    if (held_event_ != nullptr)
      delete held_event_;
    gst_atomic_queue_unref(buffers_);
    gst_atomic_queue_unref(events_);
    gst_atomic_queue_unref(free_);
  }

  bool try_push(void *buffer) override
  {
    if (gst_atomic_queue_length(buffers_) >= capacity_)
      return false;
    push_buffer(buffer);
    return true;
  }
  void *push_evicting(void *buffer) override
  {
    void *evicted = nullptr;
    if (gst_atomic_queue_length(buffers_) >= capacity_) {
      if (auto *oldest = static_cast<Envelope *>(gst_atomic_queue_pop(buffers_))) {
        evicted = oldest->item;
        gst_atomic_queue_push(free_, oldest);
      }
    }
    push_buffer(buffer);
    return evicted;
  }
  bool can_evict() const override { return true; }
  void push_event(void *event) override
  {
    gst_atomic_queue_push(events_, new Envelope{event, sequence_++, 0});
  }
  Taken take() override
  {
    if (held_ == nullptr)
      held_ = static_cast<Envelope *>(gst_atomic_queue_pop(buffers_));
    if (held_event_ == nullptr)
      held_event_ = static_cast<Envelope *>(gst_atomic_queue_pop(events_));
    // What was pushed before the event is visible by now.
    if (held_event_ != nullptr && held_ == nullptr)
      held_ = static_cast<Envelope *>(gst_atomic_queue_pop(buffers_));
    if (held_event_ != nullptr && (held_ == nullptr || held_event_->sequence < held_->sequence))
      return take_event();
    return held_ != nullptr ? take_buffer() : Taken{};
  }
  unsigned level() const override { return gst_atomic_queue_length(buffers_); }

private:
  // The consumer holds one, the pusher fills one.
  static constexpr unsigned kSpareEnvelopes = 4;

  void push_buffer(void *buffer)
  {
    Envelope *envelope = nullptr;
    // The consumer gives back each envelope right after it took the buffer out.
    while ((envelope = static_cast<Envelope *>(gst_atomic_queue_pop(free_))) == nullptr) {
    }
    *envelope = {buffer, sequence_++, buffer_sequence_++};
    gst_atomic_queue_push(buffers_, envelope);
  }
  Taken take_event()
  {
    const Taken taken = {held_event_->item, true, false};
    delete held_event_;
    held_event_ = nullptr;
    return taken;
  }
  Taken take_buffer()
  {
    const Taken taken = {held_->item, false, held_->buffer_sequence != expected_};
    expected_ = held_->buffer_sequence + 1;
    gst_atomic_queue_push(free_, held_);
    held_ = nullptr;
    return taken;
  }

  const unsigned capacity_;
  std::vector<Envelope> envelopes_;
  GstAtomicQueue *const buffers_;
  GstAtomicQueue *const events_;
  GstAtomicQueue *const free_;
  // The pusher's.
  alignas(kSpan) uint64_t sequence_ = 0;
  uint64_t buffer_sequence_ = 0;
  // The consumer's.
  alignas(kSpan) Envelope *held_ = nullptr;
  Envelope *held_event_ = nullptr;
  uint64_t expected_ = 0;
};

// ---- the ring and a lane of events

struct PlacedEvent {
  void *event;
  // The index of the buffer that comes next.
  uint64_t position;
};

class RingAndLane final : public LinkForm {
public:
  explicit RingAndLane(unsigned capacity) : ring_(capacity), events_(gst_atomic_queue_new(64)) {}
  ~RingAndLane() override
  {
    while (auto *placed = static_cast<PlacedEvent *>(gst_atomic_queue_pop(events_)))
      delete placed;
    delete held_event_;
    gst_atomic_queue_unref(events_);
  }

  bool try_push(void *buffer) override { return ring_.push(buffer); }
  void *push_evicting(void *buffer) override
  {
    if (ring_.push(buffer))
      return nullptr;
    void *evicted = ring_.evict();
    ring_.push(buffer);
    return evicted;
  }
  bool can_evict() const override { return true; }
  void push_event(void *event) override
  {
    gst_atomic_queue_push(events_, new PlacedEvent{event, ring_.next_index()});
    events_pushed_.fetch_add(1, std::memory_order_seq_cst);
  }
  Taken take() override
  {
    if (held_ == nullptr)
      pop();
    // An event that was pushed before the held buffer is visible by now.
    if (events_taken_ != events_pushed_.load(std::memory_order_seq_cst))
      return take_beside_event();
    return held_ != nullptr ? take_buffer() : Taken{};
  }
  unsigned level() const override { return static_cast<unsigned>(ring_.size()); }

private:
  void pop()
  {
    int64_t stamp;
    held_ = reinterpret_cast<void *>(ring_.pop_word(&index_, &stamp));
  }
  Taken take_buffer()
  {
    const Taken taken = {held_, false, index_ != expected_};
    expected_ = index_ + 1;
    held_ = nullptr;
    return taken;
  }
  Taken take_beside_event()
  {
    if (held_event_ == nullptr)
      held_event_ = static_cast<PlacedEvent *>(gst_atomic_queue_pop(events_));
    // The buffers before the event are visible by now.
    if (held_ == nullptr)
      pop();
    if (held_ != nullptr && index_ < held_event_->position)
      return take_buffer();
    const Taken taken = {held_event_->event, true, false};
    delete held_event_;
    held_event_ = nullptr;
    events_taken_++;
    return taken;
  }

  support::PointerRing ring_;
  GstAtomicQueue *const events_;
  alignas(kSpan) std::atomic<uint64_t> events_pushed_ = 0;
  // The consumer's.
  alignas(kSpan) void *held_ = nullptr;
  uint64_t index_ = 0;
  uint64_t expected_ = 0;
  uint64_t events_taken_ = 0;
  PlacedEvent *held_event_ = nullptr;
};

}  // namespace

std::unique_ptr<LinkForm> make_form(const std::string &name, unsigned capacity)
{
  if (name == "pointers")
    return std::make_unique<AtomicPointers>(capacity);
  if (name == "lanes")
    return std::make_unique<TwoLanes>(capacity);
  if (name == "ring")
    return std::make_unique<RingAndLane>(capacity);
  return nullptr;
}

}  // namespace streamlib::bench
