// SPDX-License-Identifier: LGPL-2.1-or-later
// The scheduling priority of a processor's thread: asked for, granted or refused, given back.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/streamlib/gstslenums.h"

namespace streamlib {

// What a thread got, and why it was not what was asked for.
struct PriorityAnswer {
  GstSlPriority granted = GST_SL_PRIORITY_NORMAL;
  // Empty where it was granted.
  std::string refusal;
};

// Holds a priority for one thread. Each method is called by that thread.
class ThreadPriority {
public:
  ThreadPriority() = default;
  ThreadPriority(const ThreadPriority &) = delete;
  ThreadPriority &operator=(const ThreadPriority &) = delete;

  // Asks the system, and RealtimeKit where the system refuses: that may take up to kLimitMs. The
  // next lower priority where one is refused. Also touches the stack, so that no page of it is
  // fetched later.
  PriorityAnswer ask(GstSlPriority priority);
  // The thread is as it was before: it may belong to a pool.
  void give_back();

  static constexpr unsigned kLimitMs = 500;

private:
  int policy_before_ = 0;
  int priority_before_ = 0;
  int nice_before_ = 0;
  bool is_changed_ = false;
};

// Says on the bus and in the log that an element did not get the priority that it asked for.
void report_priority(GstElement *element, GstSlPriority asked, const PriorityAnswer &answer);

}  // namespace streamlib
