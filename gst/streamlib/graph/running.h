// SPDX-License-Identifier: LGPL-2.1-or-later
// The graph that runs: elements, their inputs and outputs, the wires between.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/fanout.h"
#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/graph/stand_still.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

using support::GObjectPtr;

enum class NodeState {
  Created,  // The graph is stopped, or the node waits for its start.
  SettingUp,
  Running,
  Paused,       // By pause_node().
  Failed,       // And not started again, or not yet.
  Quarantined,  // Foreign code in it does not return.
};

// A source pad of a node, or one that is to come, with the fan-out behind it.
struct Output {
  std::string pad;  // As the links name it: a pad, a template of sometimes pads, or "".
  GObjectPtr<GstSlFanout> fanout;
};

// A sink pad of a node with what stands before it.
struct Input {
  std::string pad;  // The pad's own name.
  GObjectPtr<GstPad> target;
  bool requested = false;
  // A thread of its own for the node; null where the pad is a link pad, or the link is fused.
  GObjectPtr<GstElement> link;
  // What a branch is linked to.
  GObjectPtr<GstPad> entry;
  // Its stream ended while the node stayed: the next one begins after a flush.
  EventSent eos;

  void end();
  // Makes it ready for another stream; does nothing where the last one has not ended.
  void restart();
};

struct Node {
  FlatNode spec;
  GObjectPtr<GstElement> element;
  std::vector<std::unique_ptr<Output>> outputs;
  std::vector<std::unique_ptr<Input>> inputs;
  NodeState state = NodeState::Created;
  std::string trouble;  // Why it failed or is quarantined.
  unsigned generation = 0;
  unsigned restarts = 0;
  bool is_paused = false;
  // Supervision: the standby whose stream its consumers get, and what was seen at the last look.
  Node *shown = nullptr;
  uint64_t seen_buffers = 0;
  int64_t seen_at = 0;
  int64_t running_since = 0;
  support::SignalHandler pad_added;

  Output *output(std::string_view pad) const;
  Input *input(const GstPad *target) const;
  Input *input(std::string_view pad) const;
};

// One link of the description.
struct Wire {
  FlatLink spec;
  Node *from = nullptr;
  Output *output = nullptr;
  Node *to = nullptr;
  Input *input = nullptr;
  BranchPtr branch;
  bool is_fused = false;
};

// A ghost pad of the bin.
struct Port {
  FlatPort spec;
  GstPadDirection direction = GST_PAD_UNKNOWN;
  GObjectPtr<GstPad> ghost;
  BranchPtr branch;  // Of an output.
  Output *output = nullptr;
  Input *input = nullptr;
  // While an edit closes it: nothing of its stream is inside; that of an input waits outside.
  bool has_left = false;
  std::unique_ptr<StandStill> held;
  // While an edit opens it: the closed one whose pad it takes over.
  Port *before = nullptr;

  // What it leads to inside.
  GstPad *target() const;
  void aim(GstPad *target) const;
  // Of an input: its other side, which pushes into the graph.
  GObjectPtr<GstPad> inner_pad() const;
};

struct Running {
  FlatGraph spec;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> nodes;
  std::vector<std::unique_ptr<Wire>> wires;
  std::vector<std::unique_ptr<Port>> ports;

  Node *find(std::string_view id) const;
  Wire *find(const FlatLink &link) const;
  bool is_fed(const Node &node) const;
};

}  // namespace streamlib::graph
