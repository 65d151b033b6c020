// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph is at one moment, seen from outside: its description, and what runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include <gst/streamlib/streamlib.h>

#include "gst/support/ownership.h"

namespace fuzz {

// Counts what the graph does of its own accord: nodes that failed, were restarted and so on.
class Supervision {
public:
  explicit Supervision(GstBus *bus);
  Supervision(const Supervision &) = delete;
  Supervision &operator=(const Supervision &) = delete;
  ~Supervision();

  unsigned count() const { return count_.load(); }

private:
  static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer self);

  const streamlib::support::GObjectPtr<GstBus> bus_;
  std::atomic<unsigned> count_ = 0;
};

struct Snapshot {
  std::string description;  // Without revisions and drift.
  uint64_t revision = 0;
  uint64_t running_revision = 0;
  std::map<std::string, streamlib::support::GObjectPtr<GstElement>> nodes;
  // A line for each child, its pads, what they are linked to, and its values.
  std::string inside;
};

// Any thread but the graph's own. Waits until the graph has done what was asked of it.
void settle(GstSlGraph *graph);
Snapshot take_snapshot(GstSlGraph *graph);
// What differs, in words; empty: nothing.
std::string difference(const Snapshot &one, const Snapshot &other);
// How what runs differs from the description; empty: not at all.
std::string drift_of(GstSlGraph *graph);

}  // namespace fuzz
