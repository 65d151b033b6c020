// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps of a plan and their way back; compiler_wiring.cpp has those that concern links.
#include "gst/streamlib/graph/compiler.h"

#include <algorithm>

#include "gst/streamlib/graph/parallel.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::Done;
using support::share_object;

namespace {

constexpr GstClockTime kReleaseLimit = 900 * GST_MSECOND;
constexpr GstClockTime kRetireWait = 100 * GST_MSECOND;
constexpr GstClockTime kPadLimit = 500 * GST_MSECOND;

int64_t in(GstClockTime time)
{
  return g_get_monotonic_time() + static_cast<int64_t>(time / GST_USECOND);
}

}  // namespace

CompileFailure Compiler::failure(const std::string &pointer, std::string reason) const
{
  return {Problem{pointer, std::move(reason), {}}};
}

Result<Done, CompileFailure> Compiler::carry_out(const Plan &plan, const FlatGraph &desired)
{
  desired_ = &desired;
  index_.emplace(desired);
  int number = 0;
  for (const Step &step : plan.steps) {
    if (step.kind >= StepKind::Close && step.kind <= StepKind::Open && !instant_reached_) {
      StepResult result = wait_for_instant();
      if (!result) {
        roll_back();
        return result;
      }
    }
    const int64_t begin = g_get_monotonic_time();
    StepResult result = take(step);
    GST_DEBUG_OBJECT(host_.bin, "%s %s%s: %s, %d us", name_of(step.kind), step.node.c_str(),
                     step.link.to.node.c_str(), result ? "done" : "failed",
                     static_cast<int>(g_get_monotonic_time() - begin));
    if (result && host_.fault_after == number)
      result = failure("", "a fault made up for a test");
    number++;
    if (!result) {
      roll_back();
      return result;
    }
  }
  StepResult parted = part_ports();
  if (parted && host_.fault_after == number)
    parted = failure("", "a fault made up for a test");
  if (!parted) {
    roll_back();
    return parted;
  }
  commit();
  return Done{};
}

Compiler::StepResult Compiler::take(const Step &step)
{
  if (host_.worker->is_cancelled()) {
    auto cancelled = failure("", "the graph is being stopped");
    cancelled.cancelled = true;
    return cancelled;
  }
  switch (step.kind) {
    case StepKind::Release:
      return release(step.node);
    case StepKind::Create:
      return create(desired_node(step.node));
    case StepKind::SetUp:
      return set_up();
    case StepKind::Start:
      return start();
    case StepKind::Close:
      return close(step.port, step.direction);
    case StepKind::Unlink:
      return unlink(step.link);
    case StepKind::Replace:
      return replace(step.node);
    case StepKind::Link:
      return link(step.link);
    case StepKind::Open:
      return open(step);
    case StepKind::Configure:
      return configure(step);
    case StepKind::Tune:
      return tune(step.link);
    case StepKind::Adopt:
    case StepKind::Retire:
      return Done{};  // At the commit, which nothing takes back.
  }
  return Done{};
}

Compiler::StepResult Compiler::create(const FlatNode &spec)
{
  Node *present = running_.find(spec.id);
  std::string name = spec.id;
  if (present != nullptr)
    name += "~" + std::to_string(present->generation + 1);
  auto element = make_element(spec, name);
  if (!element)
    return failure(spec.pointer, element.error().text);
  GstElement *raw = element->get();
  gst_element_set_locked_state(raw, TRUE);
  if (host_.level >= GST_STATE_PAUSED)
    forgo_preroll(raw);
  host_.own(raw, spec.id);
  if (!gst_bin_add(host_.bin, raw)) {
    host_.disown(raw);
    return failure(spec.pointer, "the name is taken by another element of the bin");
  }
  gst_element_set_base_time(raw, gst_element_get_base_time(GST_ELEMENT(host_.bin)));
  fresh_[spec.id] = *element;
  host_.events->node("node-created", spec.id);
  undo([this, element = *element, id = spec.id] {
    fresh_.erase(id);
    gst_element_set_locked_state(element.get(), TRUE);
    host_.disown(element.get());
    gst_bin_remove(host_.bin, element.get());
    // It may be stuck in its set-up.
    retire_in_background(element, [] {});
    host_.events->node("node-removed", id);
  });
  if (present != nullptr) {
    hold_source(spec.id, raw);
    return Done{};
  }

  auto node = std::make_unique<Node>();
  node->spec = spec;
  node->element = *element;
  Node *added = node.get();
  running_.nodes[spec.id] = std::move(node);
  undo([this, id = spec.id] { running_.nodes.erase(id); });
  for (const auto &pad : source_pads(raw)) {
    const support::CStr pad_name(gst_pad_get_name(pad.get()));
    take_output(*added, pad_name.get());
  }
  host_.watch_pads(*added);
  return Done{};
}

Output *Compiler::take_output(Node &node, const std::string &pad)
{
  if (Output *present = node.output(pad))
    return present;
  auto output = std::make_unique<Output>();
  output->pad = pad;
  std::string base = node.spec.id + "." + (pad.empty() ? "out" : pad);
  std::replace(base.begin(), base.end(), '%', '_');
  output->fanout = support::sink_object(new_fanout(base.c_str()));
  GstElement *fanout = GST_ELEMENT(output->fanout.get());
  host_.own(fanout, node.spec.id);
  gst_bin_add(host_.bin, fanout);
  bring_to_level(fanout);
  bool requested = false;
  const auto source = take_pad(node.element.get(), pad, GST_PAD_SRC, &requested);
  if (source && !gst_pad_is_linked(source.get()))
    gst_pad_link_full(source.get(), fanout_sink(output->fanout.get()),
                      GST_PAD_LINK_CHECK_HIERARCHY);
  Output *added = output.get();
  node.outputs.push_back(std::move(output));
  host_.watch_pads(node);
  // A new source may run before its branches are there.
  if (fresh_.find(node.spec.id) != fresh_.end()) {
    hold_fanout(added->fanout.get(), true);
    held_.push_back(added);
  }
  undo([this, &node, added, requested = requested ? source : GObjectPtr<GstPad>()] {
    hold_fanout(added->fanout.get(), false);
    std::erase(held_, added);
    const auto fanout_element = share_object(GST_ELEMENT(added->fanout.get()));
    gst_element_set_locked_state(fanout_element.get(), TRUE);
    gst_element_set_state(fanout_element.get(), GST_STATE_NULL);
    host_.disown(fanout_element.get());
    gst_bin_remove(host_.bin, fanout_element.get());
    if (requested && !PadRelease(node.element, requested).wait(in(kPadLimit)))
      host_.quarantine(node.spec.id, node.spec.id + "." + added->pad);
    std::erase_if(node.outputs, [&](const auto &item) { return item.get() == added; });
  });
  return added;
}

// For what never blocks: links and fan-outs.
void Compiler::bring_to_level(GstElement *element)
{
  gst_element_set_base_time(element, gst_element_get_base_time(GST_ELEMENT(host_.bin)));
  gst_element_set_state(element, host_.level);
}

Compiler::StepResult Compiler::raise(const std::vector<GObjectPtr<GstElement>> &elements,
                                     GstState state)
{
  if (elements.empty())
    return Done{};
  ParallelStates states(elements, state);
  states.wait(in(host_.setup_timeout), [this] { return host_.worker->is_cancelled(); });
  const auto results = states.give_up();
  for (size_t i = 0; i < results.size(); i++) {
    if (results[i] == StateResult::Reached)
      continue;
    const auto node = std::find_if(fresh_.begin(), fresh_.end(),
                                   [&](const auto &entry) { return entry.second == elements[i]; });
    const std::string id = node != fresh_.end() ? node->first : std::string();
    const std::string pointer = id.empty() ? std::string() : desired_node(id).pointer;
    if (results[i] == StateResult::Failed) {
      std::string why = host_.last_error(elements[i].get());
      return failure(pointer,
                     "its set-up failed: " + (why.empty() ? "the element gave no reason" : why));
    }
    if (host_.worker->is_cancelled()) {
      auto cancelled = failure(pointer, "the graph was stopped while the node was set up");
      cancelled.cancelled = true;
      return cancelled;
    }
    auto late = failure(pointer, "its set-up did not end within " +
                                     std::to_string(host_.setup_timeout / GST_MSECOND) + " ms");
    late.timed_out = true;
    return late;
  }
  return Done{};
}

// Those that push by themselves come last: the others must be ready to take.
Compiler::StepResult Compiler::set_up()
{
  const GstState state = std::min(host_.level, GST_STATE_PAUSED);
  std::vector<GObjectPtr<GstElement>> sources;
  std::vector<GObjectPtr<GstElement>> others;
  for (const auto &[id, element] : fresh_)
    (is_source(element.get()) ? sources : others).push_back(element);
  for (const auto *list : {&others, &sources}) {
    StepResult result = raise(*list, state);
    if (!result)
      return result;
  }
  return Done{};
}

Compiler::StepResult Compiler::start()
{
  if (host_.level < GST_STATE_PLAYING)
    return Done{};
  std::vector<GObjectPtr<GstElement>> elements;
  for (const auto &[id, element] : fresh_) {
    gst_element_set_base_time(element.get(), gst_element_get_base_time(GST_ELEMENT(host_.bin)));
    elements.push_back(element);
  }
  return raise(elements, GST_STATE_PLAYING);
}

// The old element gives up what it holds before the new one is made.
Compiler::StepResult Compiler::release(const std::string &id)
{
  Node *node = running_.find(id);
  if (node == nullptr || host_.level == GST_STATE_NULL)
    return Done{};
  const GObjectPtr<GstElement> element = node->element;
  gst_element_set_locked_state(element.get(), TRUE);
  ParallelStates states({element}, GST_STATE_NULL);
  const bool has_stopped = states.wait(in(kReleaseLimit));
  undo([this, id, element] {
    gst_element_set_locked_state(element.get(), FALSE);
    gst_element_set_base_time(element.get(), gst_element_get_base_time(GST_ELEMENT(host_.bin)));
    gst_element_set_state(element.get(), host_.level);
    host_.events->node("node-restarted", id, "its replacement failed");
  });
  if (!has_stopped)
    return failure(node->spec.pointer, "the element that runs does not stop");
  host_.events->node("node-state-changed", id, "released");
  return Done{};
}

Compiler::StepResult Compiler::configure(const Step &step)
{
  Node *node = running_.find(step.node);
  Json old_value;
  const Status status = set_config(node->element.get(), step.property, step.value, &old_value);
  const auto restore = [this, element = node->element, property = step.property, old_value] {
    const Status restored = set_config(element.get(), property, old_value, nullptr);
    if (!restored)
      GST_WARNING_OBJECT(host_.bin, "%s", host_.masked(restored.error().text).c_str());
  };
  if (!status) {
    if (!old_value.is_null())
      restore();
    return failure(desired_node(step.node).pointer + "/config" + pointer_step(step.property),
                   status.error().text);
  }
  undo(restore);
  host_.events->node("node-configured", step.node, step.property);
  return Done{};
}

Compiler::StepResult Compiler::wait_for_instant()
{
  instant_reached_ = true;
  if (host_.instant.kind != Instant::Kind::RunningTime || host_.level != GST_STATE_PLAYING)
    return Done{};
  for (;;) {
    const GstClockTime now = host_.running_time();
    if (!GST_CLOCK_TIME_IS_VALID(now) || now >= host_.instant.running_time)
      return Done{};
    host_.worker->sleep_until(in(host_.instant.running_time - now));
    if (host_.worker->is_cancelled()) {
      auto cancelled = failure("", "the graph was stopped before the instant of the commit");
      cancelled.cancelled = true;
      return cancelled;
    }
  }
}

void Compiler::release_outputs()
{
  for (Output *output : held_)
    hold_fanout(output->fanout.get(), false);
  held_.clear();
}

void Compiler::commit()
{
  undo_.clear();
  for (auto &[id, element] : fresh_) {
    gst_element_set_locked_state(element.get(), FALSE);
    Node *node = running_.find(id);
    node->state = host_.level >= GST_STATE_PAUSED ? NodeState::Running : NodeState::Created;
  }
  commit_ports();
  release_outputs();
  for (const FlatNode &spec : desired_->nodes) {
    if (Node *node = running_.find(spec.id))
      node->spec = spec;
  }
  std::map<std::pair<PadName, PadName>, Wire *> wires;
  for (const auto &wire : running_.wires)
    wires.emplace(std::pair(wire->spec.from, wire->spec.to), wire.get());
  for (const FlatLink &spec : desired_->links) {
    const auto wire = wires.find(std::pair(spec.from, spec.to));
    if (wire != wires.end())
      wire->second->spec = spec;
  }
  for (auto it = running_.nodes.begin(); it != running_.nodes.end();) {
    if (index_->node(it->first) != nullptr) {
      ++it;
      continue;
    }
    gone_nodes_.push_back(std::move(it->second));
    it = running_.nodes.erase(it);
  }
  const int64_t begin = g_get_monotonic_time();
  end_inputs();
  retire();
  GST_DEBUG_OBJECT(host_.bin, "committed; the old ends in %d us",
                   static_cast<int>(g_get_monotonic_time() - begin));
  running_.spec = *desired_;
}

// The elements of nodes that are gone, and what stood around them. What does not stop in time is
// put into quarantine: it is in no bin, linked to nothing, and ended when it comes back.
void Compiler::retire()
{
  std::vector<GObjectPtr<GstElement>> elements;
  std::vector<std::string> owners;
  const auto add = [&](const GObjectPtr<GstElement> &element, const std::string &id) {
    // It may have been left behind.
    if (!element || GST_OBJECT_PARENT(element.get()) != GST_OBJECT(host_.bin))
      return;
    gst_element_set_locked_state(element.get(), TRUE);
    host_.hush(element.get());
    elements.push_back(element);
    owners.push_back(id);
  };
  for (auto &node : gone_nodes_) {
    node->pad_added = {};
    add(node->element, node->spec.id);
    for (const auto &input : node->inputs)
      add(input->link, node->spec.id);
    for (const auto &output : node->outputs)
      add(share_object(GST_ELEMENT(output->fanout.get())), node->spec.id);
  }
  for (auto &old : old_) {
    add(old.element, old.node->spec.id);
    for (const auto &input : old.inputs)
      add(input->link, old.node->spec.id);
  }
  if (elements.empty())
    return;
  auto states = std::make_unique<ParallelStates>(elements, GST_STATE_NULL);
  const bool all_ended = states->wait(in(kRetireWait));
  std::vector<std::string> names;
  for (const auto &element : elements) {
    names.emplace_back(GST_OBJECT_NAME(element.get()));
    host_.disown(element.get());
    gst_bin_remove(host_.bin, element.get());
  }
  if (!all_ended)
    host_.let_end(std::move(states), std::move(owners), std::move(names));
  for (auto &node : gone_nodes_)
    host_.events->node("node-removed", node->spec.id);
  gone_nodes_.clear();
  old_.clear();
}

void Compiler::roll_back()
{
  GST_DEBUG_OBJECT(host_.bin, "taking back %d steps", static_cast<int>(undo_.size()));
  // One of them may be the opposite step, which notes how it would be taken back itself.
  auto steps = std::move(undo_);
  for (auto back = steps.rbegin(); back != steps.rend(); ++back)
    (*back)();
  undo_.clear();
  release_outputs();
  fresh_.clear();
}

}  // namespace streamlib::graph
