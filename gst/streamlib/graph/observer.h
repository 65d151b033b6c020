// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph shows of itself: the state of its links, rates, levels, drops.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "gst/streamlib/graph/events.h"
#include "gst/streamlib/graph/running.h"

namespace streamlib::graph {

// By what its pads say now, not by what was asked.
enum class LinkState { Idle, Negotiating, Flowing, Blocked, NotNegotiated, Eos, Unlinked };
const char *name_of(LinkState state);
const char *name_of(NodeState state);

struct LinkFigures {
  std::string from;
  std::string to;
  LinkState state = LinkState::Idle;
  std::string caps;
  std::string policy;
  bool is_fused = false;
  uint64_t buffers = 0;
  uint64_t not_passed = 0;  // By the fan-out: before a key unit, or after an error.
  double rate = 0;          // Buffers a second, since the look before.
  unsigned level = 0;
  unsigned depth = 0;
  uint64_t dropped_full = 0;
  uint64_t dropped_stale = 0;
  uint64_t dropped_flush = 0;
  // In nanoseconds; of the buffers that were sampled.
  uint64_t queueing_p50 = 0;
  uint64_t queueing_p99 = 0;
  uint64_t queueing_max = 0;
  int64_t sampled_at = 0;
  int64_t changed_at = 0;

  uint64_t dropped() const { return dropped_full + dropped_stale; }
};

struct NodeFigures {
  std::string id;
  std::string type;
  std::string element;  // Its name in the bin.
  NodeState state = NodeState::Created;
  std::string trouble;
  unsigned restarts = 0;
  uint64_t in = 0;
  uint64_t out = 0;
  uint64_t out_nowhere = 0;
  double rate_in = 0;
  double rate_out = 0;
  std::string thread;
  std::string priority_asked;
  std::string priority_granted;
  int64_t sampled_at = 0;
  int64_t moved_at = 0;  // When a buffer last came in or went out.
};

// Looks at counters and at the facts of pads; takes no lock of a stream.
class Observer {
public:
  explicit Observer(Events &events) : events_(events) {}

  // Worker: a look at everything; says what has changed. `is_playing`: the data should flow.
  void sample(const Running &running, bool is_playing);
  // Worker: every link has carried a buffer.
  bool is_ready() const { return is_ready_; }
  // Worker: the node that holds a graph up which should flow, and why; "" when none does.
  std::string stalled() const { return stalled_; }

  // Any thread: of the last look.
  std::vector<NodeFigures> nodes() const;
  std::vector<LinkFigures> links() const;
  Json to_json() const;

private:
  LinkFigures look_at(const Wire &wire, const LinkFigures *before, int64_t now, bool is_playing);
  NodeFigures look_at(const Node &node, const std::vector<LinkFigures> &links,
                      const NodeFigures *before, int64_t now) const;
  void find_stall(const Running &running, bool is_playing, int64_t now);

  Events &events_;
  bool is_ready_ = false;
  std::string stalled_;
  std::string told_stall_;
  // Guards the figures.
  mutable std::mutex mutex_;
  std::map<std::string, LinkFigures> links_;  // By "from -> to#n".
  std::map<std::string, NodeFigures> nodes_;
};

}  // namespace streamlib::graph
