// SPDX-License-Identifier: LGPL-2.1-or-later
// Carries out a plan step by step, and takes everything back when a step fails.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gst/streamlib/graph/elements.h"
#include "gst/streamlib/graph/events.h"
#include "gst/streamlib/graph/leave.h"
#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/graph/plan.h"
#include "gst/streamlib/graph/running.h"
#include "gst/streamlib/graph/worker.h"

namespace streamlib::graph {

// When the data begins to take the new way.
struct Instant {
  enum class Kind { Now, NextKeyUnit, RunningTime };
  Kind kind = Kind::Now;
  GstClockTime running_time = 0;
};

// What the compiler needs of the graph around it.
struct CompileHost {
  GstBin *bin;
  Worker *worker;
  Events *events;
  // The state that the graph is in, and the longest that a set-up may take.
  GstState level = GST_STATE_NULL;
  GstClockTime setup_timeout = 0;
  Instant instant;
  // For tests: the number of the step after which a fault is made up; -1: none.
  int fault_after = -1;
  // The graph's running time.
  std::function<GstClockTime()> running_time;
  // Which element belongs to which node, for messages from it.
  std::function<void(GstElement *, const std::string &node)> own;
  std::function<void(GstElement *)> disown;
  // It is being stopped: what it says does not matter any more.
  std::function<void(GstElement *)> hush;
  // What an element said before it failed.
  std::function<std::string(GstElement *)> last_error;
  // A text without the secrets of the graph.
  std::function<std::string(const std::string &)> masked;
  // A source pad of a node has come.
  std::function<void(Node &)> watch_pads;
  // Foreign code did not return: the node, and the element.
  std::function<void(const std::string &node, const std::string &what)> quarantine;
  // Elements that are out of the bin and on their way to NULL; those of `owners` by index.
  std::function<void(std::unique_ptr<ParallelStates> states, std::vector<std::string> owners,
                     std::vector<std::string> names)>
      let_end;
  // When the nodes of ports are made anew: the pads by name, between their close and their open.
  std::map<std::string, GObjectPtr<GstPad>> *kept_ports = nullptr;
};

// What went wrong, with the pointer of its place.
struct CompileFailure {
  Problem problem;
  bool timed_out = false;
  bool cancelled = false;
};

void ask_for_key_unit(const Branch &branch);

class Compiler {
public:
  Compiler(CompileHost &host, Running &running) : host_(host), running_(running) {}
  Compiler(const Compiler &) = delete;
  Compiler &operator=(const Compiler &) = delete;

  // Worker only. Afterwards `running` is the desired graph, or what it was.
  Result<support::Done, CompileFailure> carry_out(const Plan &plan, const FlatGraph &desired);

private:
  using StepResult = Result<support::Done, CompileFailure>;

  StepResult take(const Step &step);
  StepResult create(const FlatNode &node);
  StepResult set_up();
  StepResult start();
  StepResult release(const std::string &id);
  StepResult unlink(const FlatLink &link);
  StepResult replace(const std::string &id);
  StepResult link(const FlatLink &link);
  StepResult configure(const Step &step);
  StepResult tune(const FlatLink &link);
  StepResult open(const Step &step);
  StepResult close(const FlatPort &port, GstPadDirection direction);
  StepResult wait_for_instant();

  // Of ports.
  Result<Left, CompileFailure> part(Port &port);
  StepResult part_from(const Input *input);
  StepResult part_ports();
  StepResult move_ports(Node &node, GstElement *element);
  void commit_ports();

  // Of replace().
  StepResult move_inputs(Node &node, GstElement *element);
  StepResult exchange_input(Wire &wire, Input *after);
  using ProbeList = std::vector<std::pair<GObjectPtr<GstPad>, gulong>>;
  void hold_source(const std::string &id, GstElement *element);
  void drain(Node &node, ProbeList &probes);
  void exchange_outputs(Node &node, GstElement *to);

  StepResult raise(const std::vector<GObjectPtr<GstElement>> &elements, GstState state);
  Output *take_output(Node &node, const std::string &pad);
  // `or_pad` is asked for where the element has no such pad as the link names.
  Result<Input *, CompileFailure> take_input(Node &node, GstElement *element, const FlatLink &link,
                                             bool fused, const std::string &or_pad = {});
  void drop_input(Node &node, Input *input);
  bool detach(Wire &wire);
  void bring_to_level(GstElement *element);
  void release_outputs();

  void commit();
  void end_inputs();
  void end_input(const std::string &id, Input *input);
  void retire();
  void roll_back();
  void undo(std::function<void()> function) { undo_.push_back(std::move(function)); }
  CompileFailure failure(const std::string &pointer, std::string reason) const;
  const FlatNode &desired_node(const std::string &id) const { return *index_->node(id); }

  CompileHost &host_;
  Running &running_;
  const FlatGraph *desired_ = nullptr;
  std::optional<GraphIndex> index_;  // Of desired_.
  std::vector<std::function<void()>> undo_;
  // New elements by node; of a node that is there already, those that are to replace the old ones.
  std::map<std::string, GObjectPtr<GstElement>> fresh_;
  std::vector<Output *> held_;
  std::vector<std::unique_ptr<Wire>> gone_wires_;
  // Closed and opened, until the commit.
  std::vector<std::unique_ptr<Port>> gone_ports_;
  std::vector<std::unique_ptr<Port>> fresh_ports_;
  std::vector<std::unique_ptr<Node>> gone_nodes_;
  // Of replaced nodes.
  struct Old {
    Node *node;
    GObjectPtr<GstElement> element;
    std::vector<std::unique_ptr<Input>> inputs;
    std::vector<std::pair<Output *, BranchPtr>> branches;
    bool was_flushed = false;
    // What it pushes waits until it has ended.
    std::vector<std::unique_ptr<StandStill>> held = {};
  };
  std::vector<Old> old_;
  // On the new elements of sources, until these are linked.
  std::map<std::string, ProbeList> source_holds_;
  bool instant_reached_ = false;
};

}  // namespace streamlib::graph
