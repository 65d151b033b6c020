// SPDX-License-Identifier: LGPL-2.1-or-later
// What is to be done to make one graph out of another, in order.
#pragma once

#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/graph_index.h"

namespace streamlib::graph {

enum class StepKind {
  Release,  // Stop an old element, whose device or port the new one needs (break before make).
  Create,   // Make the element of a node.
  SetUp,    // Bring the new elements up, in parallel, beside what runs.
  Start,    // Bring them to the state of the graph.
  Close,    // A ghost pad goes.
  Unlink,
  Replace,  // Exchange the element of a node between two of its buffers.
  Link,
  Open,       // A ghost pad comes.
  Configure,  // A property, in place.
  Tune,       // Policy, depth or timing of a link, in place.
  Adopt,      // What concerns the supervision alone.
  Retire,     // Stop the elements that are gone.
};

const char *name_of(StepKind kind);

struct Step {
  StepKind kind;
  std::string node;      // Or empty.
  std::string property;  // Of Configure.
  Json value;            // Of Configure; null: back to the default.
  FlatLink link;         // Of Link, Unlink, Tune.
  FlatPort port;         // Of Open, Close.
  GstPadDirection direction = GST_PAD_UNKNOWN;
  std::string why;
};

struct Interruption {
  std::string node;
  std::string why;
};

struct Plan {
  std::vector<Step> steps;
  std::vector<std::string> nodes;  // That are touched.
  std::vector<std::string> links;
  std::vector<Interruption> interrupts;
  std::vector<std::string> break_before_make;
  std::vector<std::string> fused;
  size_t untouched = 0;  // Nodes.

  bool empty() const { return steps.empty(); }
  Json to_json() const;
};

struct PlanContext {
  bool is_up = false;                // READY or above: new elements are brought up.
  bool is_running = false;           // Above READY.
  std::vector<std::string> replace;  // Nodes that are to get a new element in any case.
};

// Both graphs are valid.
Plan make_plan(const FlatGraph &running, const FlatGraph &desired, const PlanContext &context);

// Whether the compiler joins the two ends of this link into one thread.
bool is_fused(const GraphIndex &graph, const FlatLink &link, std::string *why = nullptr);

}  // namespace streamlib::graph
