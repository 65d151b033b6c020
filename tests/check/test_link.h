// SPDX-License-Identifier: LGPL-2.1-or-later
// A link with a consumer of the test's own.
#pragma once

#include <memory>

#include <gst/check/gstcheck.h>
// Check's macro is in the way of Link::fail().
#undef fail

#include "gst/streamlib/link.h"
#include "gst/support/ownership.h"

namespace test_link {

using streamlib::Link;
using streamlib::LinkCounters;
using streamlib::LinkItem;
using streamlib::support::adopt_mini;
using streamlib::support::MiniPtr;
using streamlib::support::Parker;
using streamlib::support::Wakeable;

// Decides staleness by the buffer's PTS against a time that the test sets.
struct TestClock final : Link::Freshness {
  std::atomic<GstClockTime> now = 0;
  bool has_passed(GstBuffer *buffer) override { return GST_BUFFER_PTS(buffer) < now.load(); }
};

struct TestLink {
  explicit TestLink(GstSlLinkPolicy policy, unsigned depth)
  {
    link.set_policy(policy);
    link.set_depth(depth);
    link.set_consumer(this, parker);
    link.open();
  }

  GstFlowReturn push(uint64_t number, GstClockTime pts = 0, bool delta = false)
  {
    GstBuffer *buffer = gst_buffer_new();
    GST_BUFFER_OFFSET(buffer) = number;
    GST_BUFFER_PTS(buffer) = pts;
    if (delta)
      GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    return link.push(GST_MINI_OBJECT_CAST(buffer), pts) == Link::Pushed::Refused ? GST_FLOW_EOS
                                                                                 : GST_FLOW_OK;
  }
  void push_event(uint64_t number)
  {
    link.push_event(adopt_mini(
        gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM,
                             gst_structure_new("n", "number", G_TYPE_UINT64, number, nullptr))));
  }
  LinkItem next()
  {
    Link::ConsumerScope scope(link, this);
    return link.take(link.peek(clock));
  }
  // The number of the next buffer; 0 for none. Anything else fails.
  uint64_t next_buffer(bool *discont = nullptr)
  {
    const LinkItem item = next();
    if (!item)
      return 0;
    fail_unless(item.kind == LinkItem::Kind::Buffer);
    const MiniPtr<GstBuffer> buffer = adopt_mini(GST_BUFFER_CAST(item.object));
    if (discont != nullptr)
      *discont = GST_BUFFER_IS_DISCONT(buffer.get());
    return GST_BUFFER_OFFSET(buffer.get());
  }

  std::shared_ptr<Parker> parker = std::make_shared<Parker>();
  TestClock clock;
  Link link;
};

inline void check_sum(const LinkCounters &counters)
{
  fail_unless_equals_uint64(counters.pushed,
                            counters.popped + counters.dropped() + counters.level());
}

}  // namespace test_link
