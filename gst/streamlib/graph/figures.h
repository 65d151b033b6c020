// SPDX-License-Identifier: LGPL-2.1-or-later
// What is known of a node and of a link at one look.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "gst/streamlib/graph/json.h"
#include "gst/streamlib/graph/running.h"
#include "gst/support/histogram.h"

namespace streamlib::graph {

// By what its two ends do, not by what was asked.
enum class LinkState {
  Idle,           // Nothing flows, and nothing waits.
  Negotiating,    // The stream has begun, and no buffer was taken yet.
  Flowing,        // Buffers were taken lately.
  Blocked,        // Buffers wait, or one is being worked on, for longer than is usual there.
  NotNegotiated,  // The consumer refuses the caps.
  Eos,
  Unlinked,  // The pad that the stream is to come from is not there yet.
};
const char *name_of(LinkState state);
const char *name_of(NodeState state);

// In nanoseconds.
struct Spread {
  uint64_t p50 = 0;
  uint64_t p99 = 0;
  uint64_t max = 0;
};
Spread spread_of(const support::Histogram &histogram);

// How old buffers are: running time now minus theirs, in nanoseconds, negative for early ones.
struct AgeFigures {
  int64_t mean = 0;  // Of about the last 16.
  int64_t max = 0;
  uint64_t samples = 0;  // Without any the others mean nothing.
};

struct LinkFigures {
  PadName source;
  PadName target;
  std::string from;  // As text.
  std::string to;
  LinkState state = LinkState::Idle;
  support::MiniPtr<GstCaps> caps;
  std::string caps_text;
  std::string policy;
  bool is_fused = false;
  uint64_t buffers = 0;     // That the fan-out has handed on.
  uint64_t taken = 0;       // That the consumer has taken.
  uint64_t not_passed = 0;  // By the fan-out: before a key unit, or after an error.
  double rate = 0;          // Buffers taken in a second, since the look before.
  unsigned level = 0;
  unsigned depth = 0;
  uint64_t dropped_full = 0;
  uint64_t dropped_stale = 0;
  uint64_t dropped_flush = 0;
  Spread queueing;
  unsigned queueing_sampled = 1;
  AgeFigures age;
  // The consumer works on what it took.
  bool is_in_step = false;
  // Times of the monotonic clock, in microseconds.
  int64_t sampled_at = 0;
  int64_t moved_at = 0;  // When something was last seen to be taken.
  int64_t usual_gap = 0;

  uint64_t dropped() const { return dropped_full + dropped_stale; }
  // The longest that nothing may be taken without meaning anything.
  int64_t patience() const;
};

struct NodeFigures {
  std::string id;
  std::string type;
  std::string element;  // Its name in the bin.
  NodeState state = NodeState::Created;
  std::string trouble;
  std::string standby;  // The node that its consumers get the stream of meanwhile.
  unsigned restarts = 0;
  uint64_t in = 0;
  uint64_t out = 0;
  uint64_t out_nowhere = 0;
  double rate_in = 0;
  double rate_out = 0;
  bool has_ended = false;  // Each of its outputs.
  bool is_sink = false;
  // Unknown for a foreign source, whose thread is not ours.
  bool has_processing = false;
  Spread processing;
  unsigned processing_sampled = 1;
  int64_t processed_at = 0;  // As below; 0: no step was measured yet.
  AgeFigures out_age;        // Of the first output.
  Spread push;               // What the pushes of the first output take.
  int64_t sampled_at = 0;
  int64_t moved_in_at = 0;
  int64_t moved_out_at = 0;
};

// A thread that works for a node.
struct ThreadFigures {
  std::string name;
  int64_t id = 0;  // The system's number.
  std::string priority_asked;
  std::string priority_granted;
};

// What a hop says of its latency when it is asked: the sum from the sources to there.
struct DeclaredLatency {
  bool is_live = false;
  GstClockTime min = 0;
  GstClockTime max = GST_CLOCK_TIME_NONE;
  int64_t asked_at = 0;
};
// By "node" for a sink, by "node.pad" for an output.
using DeclaredLatencies = std::map<std::string, DeclaredLatency>;

// Everything of one look.
struct Figures {
  std::map<std::string, LinkFigures> links;  // By "from -> to".
  std::map<std::string, NodeFigures> nodes;
  // The node that holds up what should flow, and why; empty when none does.
  std::string stalled_node;
  std::string stalled_why;
  int64_t stalled_since = 0;
};

using NodeThreads = std::map<std::string, std::vector<ThreadFigures>>;

Json to_json(const Figures &figures, const DeclaredLatencies &declared, const NodeThreads &threads);

}  // namespace streamlib::graph
