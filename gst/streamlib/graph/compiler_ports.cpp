// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps of a plan that concern the pads of the graph itself. Who is linked to them notices
// nothing before the commit: until then a closed port is as it was, and an opened one is not seen.
#include <algorithm>

#include "gst/streamlib/graph/compiler.h"
#include "gst/streamlib/graph/leave.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_object;
using support::Done;
using support::share_object;
using support::sink_object;

namespace {

// Of an output, whose peer is not ours.
constexpr GstClockTime kDetachLimit = 300 * GST_MSECOND;

// A flush inside of the graph, and a node that fails, are the graph's own affair, as they are where
// the stream comes from a node: whoever pushes from outside goes on.
GstFlowReturn outward(GstPad *pad, GstFlowReturn flow)
{
  const bool is_inside = flow == GST_FLOW_ERROR || flow == GST_FLOW_FLUSHING;
  return is_inside && !GST_PAD_IS_FLUSHING(pad) ? GST_FLOW_OK : flow;
}

GstFlowReturn take_buffer(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  return outward(pad, gst_proxy_pad_chain_default(pad, parent, buffer));
}

GstFlowReturn take_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
  return outward(pad, gst_proxy_pad_chain_list_default(pad, parent, list));
}

GObjectPtr<GstPad> new_ghost(const Port &port)
{
  auto ghost = sink_object(gst_ghost_pad_new(port.spec.name.c_str(), port.target()));
  if (ghost && port.direction == GST_PAD_SINK) {
    gst_pad_set_chain_function(ghost.get(), take_buffer);
    gst_pad_set_chain_list_function(ghost.get(), take_list);
  }
  return ghost;
}

}  // namespace

// The pad comes with the commit. Where the same edit closes a port of the same name and direction
// it is that one's, with all that is linked to it.
Compiler::StepResult Compiler::open(const Step &step)
{
  const FlatPort &spec = step.port;
  Node *node = running_.find(spec.pad.node);
  if (node == nullptr)
    return failure(spec.pointer, "its node is not there");
  auto port = std::make_unique<Port>();
  port->spec = spec;
  port->direction = step.direction;
  if (step.direction == GST_PAD_SRC) {
    port->output = take_output(*node, spec.pad.pad);
    GstSlFanout *fanout = port->output->fanout.get();
    port->branch = add_branch(fanout);
    undo([fanout, branch = port->branch] { finish_branch(fanout, branch); });
    port->branch->wants_key_unit.store(host_.instant.kind == Instant::Kind::NextKeyUnit);
  } else {
    FlatLink link;
    link.pointer = spec.pointer;
    link.to = spec.pad;
    auto input = take_input(*node, node->element.get(), link, false);
    if (!input)
      return input.error();
    port->input = *input;
    port->input->restart();
  }
  const auto before = std::find_if(gone_ports_.begin(), gone_ports_.end(), [&](const auto &gone) {
    return gone->spec.name == spec.name && gone->direction == step.direction;
  });
  if (before != gone_ports_.end())
    port->before = before->get();
  else if (host_.kept_ports != nullptr && host_.kept_ports->count(spec.name) != 0)
    port->ghost = host_.kept_ports->at(spec.name);
  else
    port->ghost = new_ghost(*port);
  if (!port->ghost && port->before == nullptr)
    return failure(spec.pointer, "the pad cannot be shown outside of the graph");
  fresh_ports_.push_back(std::move(port));
  undo([this] { fresh_ports_.pop_back(); });
  return Done{};
}

// Its stream goes on until the commit, or until something else needs its input.
Compiler::StepResult Compiler::close(const FlatPort &spec, GstPadDirection direction)
{
  const auto found =
      std::find_if(running_.ports.begin(), running_.ports.end(), [&](const auto &port) {
        return port->spec.name == spec.name && port->direction == direction;
      });
  if (found == running_.ports.end())
    return failure(spec.pointer, "there is no such port");
  gone_ports_.push_back(std::move(*found));
  running_.ports.erase(found);
  undo([this] {
    running_.ports.push_back(std::move(gone_ports_.back()));
    gone_ports_.pop_back();
  });
  return Done{};
}

// Nothing of the port's stream is on its way any more: an output gets none, an input's waits
// outside.
Result<Left, CompileFailure> Compiler::part(Port &port)
{
  if (port.has_left)
    return Left::Yes;
  Left left = Left::Yes;
  if (port.branch) {
    GstSlFanout *fanout = port.output->fanout.get();
    if (!detach_branch(fanout, port.branch, kDetachLimit)) {
      attach_branch(fanout, port.branch);
      return failure(port.spec.pointer, "what is linked to the output '" + port.spec.name +
                                            "' does not let its stream go");
    }
    undo([&port, fanout] {
      port.has_left = false;
      attach_branch(fanout, port.branch);
    });
  } else {
    port.held = std::make_unique<StandStill>(port.inner_pad().get());
    left = make_leave(*port.input, [&](GstClockTime limit) { return port.held->wait(limit); });
    if (left == Left::No) {
      // A flush has taken the beginning of the stream away: linked anew, it comes again.
      port.aim(nullptr);
      port.aim(port.input->entry.get());
      port.held.reset();
      return failure(port.spec.pointer, "node '" + port.spec.pad.node +
                                            "' does not let the stream of the input '" +
                                            port.spec.name + "' go: it is stuck in a buffer");
    }
    port.aim(nullptr);
    undo([&port, input = port.input] {
      input->restart();
      port.aim(input->entry.get());
      port.has_left = false;
      port.held.reset();
    });
  }
  port.has_left = true;
  return left;
}

Compiler::StepResult Compiler::part_from(const Input *input)
{
  for (const auto &port : gone_ports_) {
    if (port->input != input || input == nullptr)
      continue;
    auto left = part(*port);
    if (!left)
      return left.error();
  }
  return Done{};
}

// The last that can fail: after it the ports are exchanged.
Compiler::StepResult Compiler::part_ports()
{
  for (const auto &port : gone_ports_) {
    auto left = part(*port);
    if (!left)
      return left.error();
  }
  for (const auto &port : fresh_ports_) {
    Port *before = port->before;
    const GObjectPtr<GstPad> ghost = before != nullptr ? before->ghost : port->ghost;
    if (GST_OBJECT_PARENT(ghost.get()) == nullptr)
      continue;
    const auto old_target = adopt_object(gst_ghost_pad_get_target(GST_GHOST_PAD(ghost.get())));
    if (!gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), port->target()))
      return failure(port->spec.pointer, "the pad cannot be linked to what stands behind it");
    undo([ghost, old_target] {
      gst_ghost_pad_set_target(GST_GHOST_PAD(ghost.get()), old_target.get());
    });
  }
  return Done{};
}

// Of a node whose element is replaced: what comes from outside waits there until the commit, and
// goes to the new one then, or to the old one again.
Compiler::StepResult Compiler::move_ports(Node &node, GstElement *element)
{
  for (const auto &port : gone_ports_) {
    if (port->input == nullptr || port->spec.pad.node != node.spec.id)
      continue;
    auto left = part(*port);
    if (!left)
      return left.error();
  }
  for (const auto &entry : running_.ports) {
    Port *port = entry.get();
    if (port->input == nullptr || port->spec.pad.node != node.spec.id)
      continue;
    FlatLink link;
    link.pointer = port->spec.pointer;
    link.to = {port->spec.pad.node, port->input->pad};
    auto input = take_input(node, element, link, false, port->spec.pad.pad);
    if (!input)
      return input.error();
    Input *after = *input;
    auto left = part(*port);
    if (!left)
      return left.error();
    if (!gst_ghost_pad_set_target(GST_GHOST_PAD(port->ghost.get()), after->entry.get()))
      return failure(port->spec.pointer, "the new element cannot be linked");
    old_.back().was_flushed = old_.back().was_flushed || *left == Left::Flushed;
    undo([port, before = port->input] { port->input = before; });
    port->input = after;
  }
  return Done{};
}

// Old pads go before new ones come: they may have the same name.
void Compiler::commit_ports()
{
  for (const auto &port : running_.ports) {
    port->has_left = false;
    port->held.reset();
  }
  for (const auto &port : fresh_ports_) {
    if (port->before != nullptr)
      port->ghost = std::move(port->before->ghost);
  }
  for (const auto &port : gone_ports_) {
    if (port->ghost && host_.kept_ports != nullptr) {
      port->aim(nullptr);
      host_.kept_ports->emplace(port->spec.name, std::move(port->ghost));
    } else if (port->ghost) {
      gst_pad_set_active(port->ghost.get(), FALSE);
      gst_element_remove_pad(GST_ELEMENT(host_.bin), port->ghost.get());
    }
    if (port->branch)
      finish_branch(port->output->fanout.get(), port->branch);
    port->held.reset();
  }
  for (auto &port : fresh_ports_) {
    port->before = nullptr;
    if (port->branch)
      attach_branch(port->output->fanout.get(), port->branch);
    if (GST_OBJECT_PARENT(port->ghost.get()) == nullptr) {
      if (host_.level >= GST_STATE_PAUSED)
        gst_pad_set_active(port->ghost.get(), TRUE);
      gst_element_add_pad(GST_ELEMENT(host_.bin), port->ghost.get());
    } else if (host_.kept_ports != nullptr) {
      host_.kept_ports->erase(port->spec.name);
    }
    if (port->branch && port->branch->wants_key_unit.load())
      ask_for_key_unit(*port->branch);
    running_.ports.push_back(std::move(port));
  }
  fresh_ports_.clear();
}

}  // namespace streamlib::graph
