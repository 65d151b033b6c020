// SPDX-License-Identifier: LGPL-2.1-or-later
// The forms that the queue of a link could take, behind one interface, to be measured against each
// other. Only the ring is in use in the library; the others are kept for the comparison.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

namespace streamlib::bench {

// What the consumer took.
struct Taken {
  void *item = nullptr;
  bool is_event = false;
  // A buffer was evicted between this one and the one before.
  bool after_gap = false;
};

// One pushing thread and one consuming thread. Items are never null and at least even addresses.
class LinkForm {
public:
  virtual ~LinkForm() = default;

  // Pusher. False when the form holds as many buffers as it may.
  virtual bool try_push(void *buffer) = 0;
  // Pusher. Makes room by taking the oldest buffer out, which is returned. A form that cannot evict
  // says so by can_evict().
  virtual void *push_evicting(void *buffer) = 0;
  virtual bool can_evict() const = 0;
  // Pusher. Events are never refused and never evicted.
  virtual void push_event(void *event) = 0;
  // Consumer. Buffers and events in the order in which they were pushed.
  virtual Taken take() = 0;
  // Any thread. How many buffers wait.
  virtual unsigned level() const = 0;
};

// "pointers": one GstAtomicQueue of tagged pointers; cannot evict, because an event could be taken
// for the oldest buffer, and has no room for the sequence number that shows a gap.
// "lanes": a GstAtomicQueue of buffers and one of events, each item in an envelope with its
// sequence numbers, merged by the consumer; the envelopes come from a free list.
// "ring": the ring of gst/support with the buffers, and a lane of events beside it.
std::unique_ptr<LinkForm> make_form(const std::string &name, unsigned capacity);

}  // namespace streamlib::bench
