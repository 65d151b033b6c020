// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps of a plan that concern links: what stands between two nodes.
#include <algorithm>
#include <optional>

#include "gst/streamlib/graph/compiler.h"
#include "gst/streamlib/graph/leave.h"
#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/gstslprocessor.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_object;
using support::CStr;
using support::Done;
using support::share_object;
using support::sink_object;

void ask_for_key_unit(const Branch &branch)
{
  gst_pad_send_event(branch.pad.get(),
                     gst_event_new_custom(GST_EVENT_CUSTOM_UPSTREAM,
                                          gst_structure_new("GstForceKeyUnit", "all-headers",
                                                            G_TYPE_BOOLEAN, TRUE, nullptr)));
}

namespace {

constexpr int64_t kDropLimit = G_TIME_SPAN_SECOND;

constexpr auto kLinkChecks =
    static_cast<GstPadLinkCheck>(GST_PAD_LINK_CHECK_HIERARCHY | GST_PAD_LINK_CHECK_TEMPLATE_CAPS);

void set_link_properties(gpointer object, const FlatLink &link)
{
  g_object_set(object, "policy", link.policy.value_or(GST_SL_LINK_POLICY_AUTO), "depth",
               link.depth.value_or(0), nullptr);
}

// What knows policy and depth; null for a pad of a foreign element.
GObjectPtr<GObject> link_object(const Input &input)
{
  if (input.link)
    return share_object(G_OBJECT(input.link.get()));
  if (GST_IS_SL_LINK_PAD(input.target.get()))
    return share_object(G_OBJECT(input.target.get()));
  return {};
}

}  // namespace

Result<Input *, CompileFailure> Compiler::take_input(Node &node, GstElement *element,
                                                     const FlatLink &link, bool fused,
                                                     const std::string &or_pad)
{
  const bool is_present = element == node.element.get();
  if (Input *present = is_present ? node.input(link.to.pad) : nullptr) {
    StepResult parted = part_from(present);
    if (!parted)
      return parted.error();
    if (const auto object = link_object(*present)) {
      FlatLink before;
      before.policy.emplace();
      before.depth.emplace();
      g_object_get(object.get(), "policy", &*before.policy, "depth", &*before.depth, nullptr);
      set_link_properties(object.get(), link);
      undo([object, before] { set_link_properties(object.get(), before); });
    }
    return present;
  }
  auto input = std::make_unique<Input>();
  input->target = take_pad(element, link.to.pad, GST_PAD_SINK, &input->requested);
  if (!input->target && !or_pad.empty())
    input->target = take_pad(element, or_pad, GST_PAD_SINK, &input->requested);
  if (!input->target)
    return failure(link.pointer + "/to", "node '" + node.spec.id + "' has no sink pad '" +
                                             link.to.pad + "', and gives none");
  const CStr pad_name(gst_pad_get_name(input->target.get()));
  input->pad = pad_name.get();
  configure_pad(desired_node(node.spec.id), input->target.get());
  if (GST_IS_SL_LINK_PAD(input->target.get())) {
    set_link_properties(input->target.get(), link);
    input->entry = input->target;
  } else if (fused) {
    input->entry = input->target;
  } else {
    std::string name = input->pad + "@" + GST_OBJECT_NAME(element);
    input->link = sink_object(gst_element_factory_make("sllink", name.c_str()));
    if (!input->link)
      return failure(link.pointer,
                     "the element 'sllink' is missing: the plugin slcore is not in "
                     "GStreamer's plugin path");
    set_link_properties(input->link.get(), link);
    const FlatNode &spec = desired_node(node.spec.id);
    g_object_set(input->link.get(), "scheduling",
                 spec.scheduling.value_or(GST_SL_SCHEDULING_DEDICATED), "priority",
                 spec.priority.value_or(GST_SL_PRIORITY_NORMAL), nullptr);
    host_.own(input->link.get(), node.spec.id);
    gst_bin_add(host_.bin, input->link.get());
    const auto source = adopt_object(gst_element_get_static_pad(input->link.get(), "src"));
    input->entry = adopt_object(gst_element_get_static_pad(input->link.get(), "sink"));
    const GstPadLinkReturn linked =
        gst_pad_link_full(source.get(), input->target.get(), kLinkChecks);
    if (linked != GST_PAD_LINK_OK) {
      host_.disown(input->link.get());
      gst_bin_remove(host_.bin, input->link.get());
      return failure(link.pointer, "'" + link.to.pad + "' of '" + node.spec.id +
                                       "' cannot be linked: " + gst_pad_link_get_name(linked));
    }
    bring_to_level(input->link.get());
  }
  Input *added = input.get();
  node.inputs.push_back(std::move(input));
  undo([this, &node, added] { drop_input(node, added); });
  return added;
}

// The link and a requested pad go; nothing new comes there any more. The pad goes first: the link
// may be waiting in it.
void Compiler::drop_input(Node &node, Input *input)
{
  if (input->link)
    host_.hush(input->link.get());
  const int64_t until = g_get_monotonic_time() + kDropLimit;
  // Some elements let go of who is in the pad when it is released, and others when the link stops.
  std::optional<PadRelease> release;
  if (input->requested) {
    if (auto element = adopt_object(gst_pad_get_parent_element(input->target.get())))
      release.emplace(std::move(element), input->target);
  }
  if (input->link) {
    gst_element_set_locked_state(input->link.get(), TRUE);
    ParallelStates states({input->link}, GST_STATE_NULL);
    if (!states.wait(until))
      host_.quarantine(node.spec.id, GST_OBJECT_NAME(input->link.get()));
    host_.disown(input->link.get());
    gst_bin_remove(host_.bin, input->link.get());
  }
  if (release && !release->wait(until))
    host_.quarantine(node.spec.id, node.spec.id + "." + input->pad);
  std::erase_if(node.inputs, [&](const auto &item) { return item.get() == input; });
}

bool Compiler::detach(Wire &wire)
{
  GstSlFanout *fanout = wire.output->fanout.get();
  const Left left = make_leave(
      *wire.input, [&](GstClockTime limit) { return detach_branch(fanout, wire.branch, limit); });
  // It may be attached again when the edit is taken back.
  if (left != Left::Yes)
    relink_branch(wire.branch);
  if (left == Left::No)
    attach_branch(fanout, wire.branch);
  return left != Left::No;
}

Compiler::StepResult Compiler::link(const FlatLink &spec)
{
  Node *from = running_.find(spec.from.node);
  Node *to = running_.find(spec.to.node);
  if (from == nullptr || to == nullptr)
    return failure(spec.pointer, "one of its nodes is not there");
  auto wire = std::make_unique<Wire>();
  wire->spec = spec;
  wire->from = from;
  wire->to = to;
  wire->is_fused = is_fused(*index_, spec);
  wire->output = take_output(*from, spec.from.pad);
  auto input = take_input(*to, to->element.get(), spec, wire->is_fused);
  if (!input)
    return input.error();
  wire->input = *input;
  wire->input->restart();
  GstSlFanout *fanout = wire->output->fanout.get();
  wire->branch = add_branch(fanout);
  if (!wire->input->link && !GST_IS_SL_LINK_PAD(wire->input->target.get()))
    wire->branch->took = std::make_unique<support::Histogram>();
  wire->branch->wants_rebase.store(spec.timing == LinkTiming::Restart);
  wire->branch->wants_key_unit.store(host_.instant.kind == Instant::Kind::NextKeyUnit);
  const GstPadLinkReturn linked =
      gst_pad_link_full(wire->branch->pad.get(), wire->input->entry.get(), kLinkChecks);
  if (linked != GST_PAD_LINK_OK) {
    finish_branch(fanout, wire->branch);
    return failure(spec.pointer,
                   std::string("it cannot be made: ") + gst_pad_link_get_name(linked));
  }
  attach_branch(fanout, wire->branch);
  if (host_.instant.kind == Instant::Kind::NextKeyUnit)
    ask_for_key_unit(*wire->branch);
  Wire *added = wire.get();
  running_.wires.push_back(std::move(wire));
  host_.events->link("link-wired", to_text(spec.from), to_text(spec.to));
  undo([this, added] {
    detach(*added);
    finish_branch(added->output->fanout.get(), added->branch);
    host_.events->link("link-unwired", to_text(added->spec.from), to_text(added->spec.to));
    std::erase_if(running_.wires, [&](const auto &item) { return item.get() == added; });
  });
  return Done{};
}

Compiler::StepResult Compiler::unlink(const FlatLink &spec)
{
  const auto found = std::find_if(
      running_.wires.begin(), running_.wires.end(),
      [&](const auto &wire) { return wire->spec.from == spec.from && wire->spec.to == spec.to; });
  if (found == running_.wires.end())
    return failure(spec.pointer, "there is no such link");
  Wire *wire = found->get();
  if (!detach(*wire))
    return failure(spec.pointer, "node '" + spec.to.node + "' does not let the stream of '" +
                                     spec.from.node + "' go: it is stuck in a buffer");
  gst_pad_unlink(wire->branch->pad.get(), wire->input->entry.get());
  gone_wires_.push_back(std::move(*found));
  running_.wires.erase(found);
  host_.events->link("link-unwired", to_text(spec.from), to_text(spec.to));
  undo([this, wire] {
    const auto gone = std::find_if(gone_wires_.begin(), gone_wires_.end(),
                                   [&](const auto &item) { return item.get() == wire; });
    gst_pad_link_full(wire->branch->pad.get(), wire->input->entry.get(), kLinkChecks);
    attach_branch(wire->output->fanout.get(), wire->branch);
    running_.wires.push_back(std::move(*gone));
    gone_wires_.erase(gone);
    host_.events->link("link-wired", to_text(wire->spec.from), to_text(wire->spec.to));
  });
  return Done{};
}

Compiler::StepResult Compiler::tune(const FlatLink &spec)
{
  Wire *wire = running_.find(spec);
  if (wire == nullptr)
    return failure(spec.pointer, "there is no such link");
  const auto object = link_object(*wire->input);
  if (!object)
    return failure(spec.pointer, "the link is fused into its consumer and has no depth");
  const FlatLink before = wire->spec;
  set_link_properties(object.get(), spec);
  wire->spec = spec;
  undo([wire, object, before] {
    set_link_properties(object.get(), before);
    wire->spec = before;
  });
  return Done{};
}

// After the commit: the inputs that have lost their stream and got no other.
void Compiler::end_inputs()
{
  for (const Old &old : old_) {
    for (const auto &[output, branch] : old.branches)
      finish_branch(output->fanout.get(), branch);
  }
  for (const auto &wire : gone_wires_) {
    finish_branch(wire->output->fanout.get(), wire->branch);
    end_input(wire->spec.to.node, wire->input);
  }
  for (const auto &port : gone_ports_) {
    if (port->input != nullptr)
      end_input(port->spec.pad.node, port->input);
  }
  gone_wires_.clear();
  gone_ports_.clear();
}

void Compiler::end_input(const std::string &id, Input *input)
{
  Node *node = running_.find(id);
  // Of a node that is gone, or of a replaced element, whose stream has gone on to the new one.
  if (node == nullptr || std::none_of(node->inputs.begin(), node->inputs.end(),
                                      [&](const auto &item) { return item.get() == input; }))
    return;
  const auto feeds = [input](const auto &item) { return item->input == input; };
  if (std::any_of(running_.wires.begin(), running_.wires.end(), feeds) ||
      std::any_of(running_.ports.begin(), running_.ports.end(), feeds))
    return;
  if (input->requested) {
    drop_input(*node, input);
    return;
  }
  if (host_.level < GST_STATE_PAUSED)
    return;
  if (node->spec.on_upstream_removed == UpstreamRemoved::Eos) {
    input->end();
    return;
  }
  const GstClockTime now = host_.running_time();
  send_in_background(
      input->entry, gst_event_new_gap(GST_CLOCK_TIME_IS_VALID(now) ? now : 0, GST_CLOCK_TIME_NONE));
}

}  // namespace streamlib::graph
