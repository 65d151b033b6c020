// SPDX-License-Identifier: LGPL-2.1-or-later
// Exchanges the element of a node while the stream goes on: what comes meanwhile waits in the new
// element's links until the old one has given out what it had.
#include <algorithm>
#include <atomic>
#include <memory>

#include "gst/streamlib/graph/compiler.h"
#include "gst/streamlib/graph/leave.h"
#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/gstslprocessor.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::Done;
using support::share_object;

namespace {

constexpr int64_t kDrainLimit = 1000 * G_TIME_SPAN_MILLISECOND;
constexpr int64_t kBlockLimit = 200 * G_TIME_SPAN_MILLISECOND;

void set_paused(const Input &input, bool paused)
{
  if (input.link) {
    g_object_set(input.link.get(), "paused", paused, nullptr);
    return;
  }
  const auto element = adopt_object(gst_pad_get_parent_element(input.target.get()));
  if (element && GST_IS_SL_PROCESSOR(element.get()))
    g_object_set(element.get(), "paused", paused, nullptr);
}

// Set by a probe; it outlives the wait for it.
using SeenPtr = std::shared_ptr<std::atomic<bool>>;

void forget_seen(gpointer data)
{
  delete static_cast<SeenPtr *>(data);
}

// The end goes no further, and neither does the flush that takes it back.
GstPadProbeReturn swallow_end(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_FLUSH) != 0)
    return GST_PAD_PROBE_DROP;
  if (GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) != GST_EVENT_EOS)
    return GST_PAD_PROBE_OK;
  (*static_cast<SeenPtr *>(data))->store(true);
  return GST_PAD_PROBE_DROP;
}

bool wait_for_all(Worker &worker, const std::vector<SeenPtr> &flags, int64_t limit)
{
  // Probes run in streaming threads, which take no lock of ours.
  const int64_t until = g_get_monotonic_time() + limit;
  for (;;) {
    bool all = true;
    for (const SeenPtr &flag : flags)
      all = all && flag->load();
    if (all)
      return true;
    if (g_get_monotonic_time() >= until || worker.is_cancelled())
      return false;
    g_usleep(500);
  }
}

// The one of the element's pads that this output stands for.
GObjectPtr<GstPad> pad_for(GstElement *element, const Output &output)
{
  for (const auto &pad : source_pads(element)) {
    const CStr name(gst_pad_get_name(pad.get()));
    const CStr template_name(
        GST_PAD_PAD_TEMPLATE(pad.get()) != nullptr
            ? g_strdup(GST_PAD_TEMPLATE_NAME_TEMPLATE(GST_PAD_PAD_TEMPLATE(pad.get())))
            : g_strdup(""));
    if (gst_pad_is_linked(pad.get()))
      continue;
    if (output.pad == name.get() || output.pad == template_name.get() || output.pad.empty())
      return pad;
  }
  return {};
}

GstPadProbeReturn hold(GstPad *, GstPadProbeInfo *, gpointer)
{
  return GST_PAD_PROBE_OK;
}

}  // namespace

// The new element of a source runs before it is in its place.
void Compiler::hold_source(const std::string &id, GstElement *element)
{
  // A mixer has no sink pad before it is asked for one.
  const Node *node = running_.find(id);
  if (!is_source(element) || (node != nullptr && !node->inputs.empty()))
    return;
  for (const auto &pad : source_pads(element)) {
    const gulong probe =
        gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, hold, nullptr, nullptr);
    source_holds_[id].emplace_back(pad, probe);
  }
}

Compiler::StepResult Compiler::replace(const std::string &id)
{
  Node *node = running_.find(id);
  const auto fresh = fresh_.find(id);
  if (node == nullptr || fresh == fresh_.end())
    return failure("", "node '" + id + "' is not there");
  const GObjectPtr<GstElement> next = fresh->second;
  const GObjectPtr<GstElement> previous = node->element;
  const bool flows = host_.level >= GST_STATE_PAUSED;

  // They stay until the inputs are those of the old element again.
  const auto probes = std::make_shared<ProbeList>();
  undo([probes] {
    for (const auto &[pad, id] : *probes)
      gst_pad_remove_probe(pad.get(), id);
  });
  StepResult moved = move_inputs(*node, next.get());
  if (!moved)
    return moved;
  if (flows)
    drain(*node, *probes);
  exchange_outputs(*node, next.get());
  for (const auto &[pad, probe] : source_holds_[id])
    gst_pad_remove_probe(pad.get(), probe);
  source_holds_.erase(id);

  // From here on the node is the new element.
  const Old &old = old_.back();
  node->element = next;
  node->generation++;
  host_.watch_pads(*node);
  undo([this, node, previous] {
    node->element = previous;
    node->generation--;
    host_.watch_pads(*node);
  });
  for (const auto &input : node->inputs)
    set_paused(*input, false);
  if (flows && old.inputs.empty() && !is_live(next.get())) {
    for (const auto &wire : running_.wires) {
      if (wire->from == node)
        wire->branch->wants_rebase.store(true);
    }
    for (const auto &port : running_.ports) {
      if (port->branch && port->spec.pad.node == id)
        port->branch->wants_rebase.store(true);
    }
  }
  host_.events->node("node-replaced", id);
  return Done{};
}

// Every wire and port into the old element goes to the new one, which holds what comes.
Compiler::StepResult Compiler::move_inputs(Node &node, GstElement *element)
{
  old_.push_back({&node, node.element, std::move(node.inputs), {}, false});
  node.inputs.clear();
  undo([this, &node] {
    node.inputs = std::move(old_.back().inputs);
    old_.pop_back();
  });
  for (const auto &wire : running_.wires) {
    if (wire->to != &node)
      continue;
    // The pad of the same number; an element may also give a pad a name that it cannot be asked
    // for.
    FlatLink spec = wire->spec;
    spec.to.pad = wire->input->pad;
    auto input = take_input(node, element, spec, wire->is_fused, wire->spec.to.pad);
    if (!input)
      return input.error();
    Input *after = *input;
    set_paused(*after, true);
    StepResult exchanged = exchange_input(*wire, after);
    if (!exchanged)
      return exchanged;
  }
  return move_ports(node, element);
}

// Between two buffers: each of them goes to the old input or to the new one.
Compiler::StepResult Compiler::exchange_input(Wire &wire, Input *after)
{
  Input *before = wire.input;
  GstSlFanout *fanout = wire.output->fanout.get();
  const BranchPtr old_branch = wire.branch;
  const BranchPtr branch = add_branch(fanout);
  branch->buffers.store(old_branch->buffers.load());
  branch->dropped.store(old_branch->dropped.load());
  branch->wants_key_unit.store(old_branch->wants_key_unit.load());
  branch->wants_rebase.store(old_branch->wants_rebase.load());
  if (old_branch->took)
    branch->took = std::make_unique<support::Histogram>();
  gst_pad_set_offset(branch->pad.get(), gst_pad_get_offset(old_branch->pad.get()));
  const GstPadLinkReturn linked =
      gst_pad_link_full(branch->pad.get(), after->entry.get(), GST_PAD_LINK_CHECK_HIERARCHY);
  if (linked != GST_PAD_LINK_OK) {
    finish_branch(fanout, branch);
    return failure(wire.spec.pointer, std::string("the new element cannot be linked: ") +
                                          gst_pad_link_get_name(linked));
  }
  const Left left = make_leave(*before, [&](GstClockTime limit) {
    return exchange_branch(fanout, old_branch, branch, limit);
  });
  if (left == Left::No) {
    finish_branch(fanout, branch);
    relink_branch(old_branch);
    return failure(wire.spec.pointer, "node '" + wire.to->spec.id +
                                          "' does not let its stream go: it is stuck in a buffer");
  }
  old_.back().was_flushed = old_.back().was_flushed || left == Left::Flushed;
  wire.branch = branch;
  wire.input = after;
  old_.back().branches.emplace_back(wire.output, old_branch);
  undo([this, &wire, fanout, before, after, old_branch, branch] {
    before->restart();
    relink_branch(old_branch);
    // What comes waits in the new input, and may have filled it.
    const Left left = make_leave(*after, [&](GstClockTime limit) {
      return exchange_branch(fanout, branch, old_branch, limit);
    });
    if (left == Left::No)
      GST_WARNING_OBJECT(host_.bin, "the new element does not let the stream go");
    finish_branch(fanout, branch);
    wire.branch = old_branch;
    wire.input = before;
  });
  return Done{};
}

// What the old element still holds goes out before the new one begins: an EOS pushes it out, and is
// swallowed behind it.
void Compiler::drain(Node &node, ProbeList &probes)
{
  Old &old = old_.back();
  if (old.inputs.empty() || node.outputs.empty() || old.was_flushed)
    return;
  std::vector<SeenPtr> flags;
  constexpr auto kEvents = static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
                                                        GST_PAD_PROBE_TYPE_EVENT_FLUSH);
  for (const auto &pad : source_pads(old.element.get())) {
    auto flag = std::make_shared<std::atomic<bool>>(false);
    probes.emplace_back(
        pad, gst_pad_add_probe(pad.get(), kEvents, swallow_end, new SeenPtr(flag), forget_seen));
    flags.push_back(std::move(flag));
  }
  for (const auto &input : old.inputs)
    input->end();
  if (!wait_for_all(*host_.worker, flags, kDrainLimit))
    GST_WARNING_OBJECT(host_.bin, "%s did not give out all that it held", node.spec.id.c_str());
}

// The old element stands still between two of its buffers, or waits where it is until it is
// stopped.
void Compiler::exchange_outputs(Node &node, GstElement *to)
{
  std::vector<std::pair<GObjectPtr<GstPad>, GObjectPtr<GstPad>>> parted;
  auto &held = old_.back().held;
  for (const auto &output : node.outputs) {
    GstPad *sink = fanout_sink(output->fanout.get());
    const auto pad = adopt_object(gst_pad_get_peer(sink));
    if (!pad)
      continue;
    if (host_.level >= GST_STATE_PAUSED)
      held.push_back(std::make_unique<StandStill>(pad.get()));
    parted.emplace_back(pad, share_object(sink));
  }
  const int64_t until = g_get_monotonic_time() + kBlockLimit;
  for (const auto &stand : held)
    stand->wait(std::max<int64_t>(0, until - g_get_monotonic_time()) * GST_USECOND);
  for (const auto &[pad, sink] : parted)
    gst_pad_unlink(pad.get(), sink.get());
  for (const auto &output : node.outputs) {
    GstPad *sink = fanout_sink(output->fanout.get());
    if (const auto pad = pad_for(to, *output))
      gst_pad_link_full(pad.get(), sink, GST_PAD_LINK_CHECK_HIERARCHY);
  }
  undo([this, parted] {
    for (const auto &[pad, sink] : parted) {
      if (const auto other = adopt_object(gst_pad_get_peer(sink.get())))
        gst_pad_unlink(other.get(), sink.get());
      gst_pad_link_full(pad.get(), sink.get(), GST_PAD_LINK_CHECK_HIERARCHY);
    }
    old_.back().held.clear();
  });
}

}  // namespace streamlib::graph
