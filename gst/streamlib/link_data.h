// SPDX-License-Identifier: LGPL-2.1-or-later
// What lies in a link: the words of its ring, and buffers and lists without a difference.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib {

// A word of the ring is a pointer to a buffer or a list with marks in the bits that alignment
// leaves.
inline constexpr uintptr_t kStamped = 1;
inline constexpr uintptr_t kBytesCounted = 2;
inline constexpr uintptr_t kMarks = 7;

inline GstMiniObject *object_of(uintptr_t word)
{
  return reinterpret_cast<GstMiniObject *>(word & ~kMarks);
}

inline bool is_list(GstMiniObject *data)
{
  return GST_IS_BUFFER_LIST(data);
}

inline unsigned count_of(GstMiniObject *data)
{
  return is_list(data) ? gst_buffer_list_length(GST_BUFFER_LIST_CAST(data)) : 1;
}

inline uint64_t bytes_of(GstMiniObject *data)
{
  return is_list(data) ? gst_buffer_list_calculate_size(GST_BUFFER_LIST_CAST(data))
                       : gst_buffer_get_size(GST_BUFFER_CAST(data));
}

// Null for an empty list.
inline GstBuffer *first_buffer_of(GstMiniObject *data)
{
  if (!is_list(data))
    return GST_BUFFER_CAST(data);
  auto *list = GST_BUFFER_LIST_CAST(data);
  return gst_buffer_list_length(list) > 0 ? gst_buffer_list_get(list, 0) : nullptr;
}

inline bool is_delta_unit(GstMiniObject *data)
{
  GstBuffer *buffer = first_buffer_of(data);
  return buffer != nullptr && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT) &&
         !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_HEADER);
}

inline bool is_sticky(const GstEvent *event)
{
  return (gst_event_type_get_flags(event->type) & GST_EVENT_TYPE_STICKY) != 0;
}

// Puts `event` in the place of the one of its type; false when it is that very event.
inline bool remember(std::vector<support::MiniPtr<GstEvent>> &events, GstEvent *event)
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
inline void add(std::atomic<uint64_t> &counter, uint64_t amount)
{
  counter.store(counter.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

}  // namespace streamlib
