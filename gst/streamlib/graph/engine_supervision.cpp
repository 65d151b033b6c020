// SPDX-License-Identifier: LGPL-2.1-or-later
// What is done about a node that fails, stalls or ends. Worker only.
#include <algorithm>
#include <utility>

#include "gst/streamlib/graph/engine.h"
#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/gstslprocessor.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;

namespace {

constexpr GstClockTime kLimit = 1500 * GST_MSECOND;
constexpr int64_t kTick = 200 * G_TIME_SPAN_MILLISECOND;
// A node that ran for so long begins with the first attempt again.
constexpr int64_t kRecovered = 10 * G_TIME_SPAN_SECOND;

int64_t in(GstClockTime time)
{
  return g_get_monotonic_time() + static_cast<int64_t>(time / GST_USECOND);
}

int64_t delay_of(const Restart &restart, unsigned attempt)
{
  uint64_t delay = restart.delay_ms;
  for (unsigned i = 0; i < attempt && delay < restart.max_delay_ms; i++)
    delay *= 2;
  return static_cast<int64_t>(std::min(delay, restart.max_delay_ms)) * G_TIME_SPAN_MILLISECOND;
}

bool set_state_within(GstElement *element, GstState state, GstClockTime limit)
{
  ParallelStates states({support::share_object(element)}, state);
  states.wait(in(limit));
  return states.give_up().front() == StateResult::Reached;
}

uint64_t buffers_of(const Node &node, const Running &running)
{
  uint64_t buffers = 0;
  for (const auto &output : node.outputs)
    buffers += figures_of(output->fanout.get()).buffers;
  if (!node.outputs.empty())
    return buffers;
  for (const auto &wire : running.wires) {
    if (wire->to == &node)
      buffers += wire->branch->buffers.load();
  }
  return buffers;
}

}  // namespace

void set_node_paused(Node &node, bool paused)
{
  if (GST_IS_SL_PROCESSOR(node.element.get())) {
    g_object_set(node.element.get(), "paused", paused, nullptr);
    return;
  }
  for (const auto &input : node.inputs) {
    if (input->link)
      g_object_set(input->link.get(), "paused", paused, nullptr);
  }
  if (!node.inputs.empty())
    return;
  // A live source goes on to make buffers, which nobody wants now; another one waits.
  const bool live = is_live(node.element.get());
  for (const auto &output : node.outputs) {
    if (live)
      drop_in_fanout(output->fanout.get(), paused);
    else
      hold_fanout(output->fanout.get(), paused);
  }
}

void Engine::quarantine(const std::string &node, const std::string &what)
{
  GST_WARNING_OBJECT(bin_, "'%s' of node '%s' does not return", what.c_str(), node.c_str());
  {
    std::lock_guard lock(index_mutex_);
    quarantined_.emplace_back(node, what);
  }
  events_.node("node-quarantined", node,
               "'" + what + "' does not return; it is left behind with what it holds");
}

// A second after their edit.
void Engine::look_at_ending()
{
  for (Ending &ending : ending_) {
    const auto results = ending.states->give_up();
    for (size_t i = 0; i < results.size(); i++) {
      if (results[i] == StateResult::Waiting)
        quarantine(ending.owners[i], ending.names[i]);
    }
  }
  ending_.clear();
}

void Engine::node_failed(const std::string &id, unsigned generation, const std::string &why)
{
  Node *node = running_.find(id);
  if (node == nullptr || node->generation != generation || node->state == NodeState::Failed)
    return;
  // The graph was stopped before the worker came to it: another start is another chance.
  if (level_ == GST_STATE_NULL)
    return;
  node->trouble = why;
  events_.node("node-error", id, why);
  if (node->spec.essential) {
    GST_ELEMENT_ERROR(bin_, STREAM, FAILED, ("Node '%s' failed: %s", id.c_str(), why.c_str()),
                      ("%s: the node is essential", node->spec.pointer.c_str()));
    return;
  }
  GST_ELEMENT_WARNING(bin_, STREAM, FAILED, ("Node '%s' failed: %s", id.c_str(), why.c_str()),
                      ("%s", node->spec.pointer.c_str()));
  node->state = NodeState::Failed;
  gst_element_set_locked_state(node->element.get(), TRUE);
  if (!set_state_within(node->element.get(), GST_STATE_READY, kLimit))
    GST_WARNING_OBJECT(bin_, "%s does not stop", id.c_str());

  show_fallback(*node);
  const Restart &restart = node->spec.restart;
  const bool tries = restart.policy != RestartPolicy::Never &&
                     (!restart.attempts || node->restarts < *restart.attempts);
  if (tries && level_ >= GST_STATE_READY) {
    worker_.post_at(g_get_monotonic_time() + delay_of(restart, node->restarts),
                    [this, id, generation] { restart_node(id, generation); });
    return;
  }
  if (node->shown == nullptr)
    end_consumers(*node);
  check_alive();
  check_eos();
}

// Nothing comes from it any more: those that wait for its stream are told so.
void Engine::end_consumers(Node &node)
{
  for (const auto &wire : running_.wires) {
    if (wire->from != &node || level_ < GST_STATE_PAUSED ||
        wire->to->spec.on_upstream_removed != UpstreamRemoved::Eos)
      continue;
    wire->input->end();
  }
}

// Without any source that could still give data the graph has failed as a whole.
void Engine::check_alive()
{
  if (level_ < GST_STATE_PAUSED)
    return;
  std::string causes;
  for (const auto &[id, node] : running_.nodes) {
    const bool waits =
        node->state == NodeState::Failed && node->spec.restart.policy != RestartPolicy::Never &&
        (!node->spec.restart.attempts || node->restarts < *node->spec.restart.attempts);
    const bool failed = node->state == NodeState::Failed || node->state == NodeState::Quarantined;
    if (failed && !waits)
      causes += (causes.empty() ? "" : "; ") + id + ": " + node->trouble;
    else if (is_source(node->element.get()) || !running_.spec.inputs.empty())
      return;
  }
  if (!causes.empty())
    GST_ELEMENT_ERROR(bin_, STREAM, FAILED, ("No source of the graph is left: %s", causes.c_str()),
                      (nullptr));
}

namespace {

// Of the same name, or the first one.
Output *output_for(const Node &source, const std::string &pad)
{
  Output *same = source.output(pad);
  return same != nullptr || source.outputs.empty() ? same : source.outputs.front().get();
}

// As it was, where the consumer does not let its stream go.
bool let_go(const Output &output, const BranchPtr &branch)
{
  if (detach_branch(output.fanout.get(), branch, GST_SECOND))
    return true;
  attach_branch(output.fanout.get(), branch);
  return false;
}

}  // namespace

// The links into the node forget the failure with it, and are linked anew, so that the stream's
// beginning comes again.
bool Engine::cycle(Node &node)
{
  GstElement *element = node.element.get();
  for (const auto &wire : running_.wires) {
    if (wire->to != &node || !wire->branch)
      continue;
    if (!let_go(*wire->output, wire->branch))
      return false;
    gst_pad_unlink(wire->branch->pad.get(), wire->input->entry.get());
  }
  for (const auto &port : running_.ports) {
    if (port->input == nullptr || port->spec.pad.node != node.spec.id)
      continue;
    port->held = std::make_unique<StandStill>(port->inner_pad().get());
    if (!port->held->wait(GST_SECOND)) {
      let_in_again(node);
      return false;
    }
    port->aim(nullptr);
  }
  bool ok = set_state_within(element, GST_STATE_NULL, kLimit);
  for (const auto &input : node.inputs) {
    if (!input->link)
      continue;
    gst_element_set_state(input->link.get(), GST_STATE_READY);
    gst_element_set_state(input->link.get(), level_);
    input->eos = nullptr;
  }
  if (ok && level_ >= GST_STATE_PAUSED)
    forgo_preroll(element);
  gst_element_set_base_time(element, gst_element_get_base_time(GST_ELEMENT(bin_)));
  ok = ok && set_state_within(element, level_, setup_timeout_.load());
  for (const auto &wire : running_.wires) {
    if (wire->to != &node || !wire->branch)
      continue;
    gst_pad_link_full(wire->branch->pad.get(), wire->input->entry.get(),
                      GST_PAD_LINK_CHECK_HIERARCHY);
    wire->branch->flow.store(GST_FLOW_OK);
    attach_branch(wire->output->fanout.get(), wire->branch);
  }
  let_in_again(node);
  return ok;
}

// What waits outside of the graph.
void Engine::let_in_again(const Node &node)
{
  for (const auto &port : running_.ports) {
    if (!port->held || port->spec.pad.node != node.spec.id)
      continue;
    port->aim(port->target());
    port->held.reset();
  }
}

void Engine::restart_node(const std::string &id, unsigned generation)
{
  Node *node = running_.find(id);
  if (node == nullptr || node->generation != generation || node->state != NodeState::Failed ||
      level_ < GST_STATE_READY)
    return;
  node->restarts++;
  {
    std::lock_guard lock(index_mutex_);
    last_errors_.erase(node->element.get());
    fresh_.insert(node->element.get());
  }
  for (const auto &wire : running_.wires) {
    if (wire->from == node)
      wire->input->restart();
  }
  const bool ok = cycle(*node);
  std::string why;
  {
    std::lock_guard lock(index_mutex_);
    fresh_.erase(node->element.get());
    why = last_errors_[node->element.get()];
  }
  if (!ok) {
    node->state = NodeState::Running;  // So that it fails anew.
    node_failed(id, generation, why.empty() ? "it could not be started again" : why);
    return;
  }
  const int64_t now = g_get_monotonic_time();
  gst_element_set_locked_state(node->element.get(), FALSE);
  node->state = NodeState::Running;
  for (const auto &output : node->outputs)
    keep_eos(output->fanout.get(), node->spec.restart.policy == RestartPolicy::Always);
  node->trouble.clear();
  node->running_since = node->seen_at = now;
  node->seen_buffers = buffers_of(*node, running_);
  if (is_source(node->element.get()) && !is_live(node->element.get())) {
    for (const auto &wire : running_.wires) {
      if (wire->from == node)
        wire->branch->wants_rebase.store(true);
    }
    for (const auto &port : running_.ports) {
      if (port->branch && port->spec.pad.node == id)
        port->branch->wants_rebase.store(true);
    }
  }
  events_.node("node-restarted", id, "attempt " + std::to_string(node->restarts));
  watch();
}

// The consumers of `node` get the stream of `source`.
void Engine::move_consumers(Node &node, Node &source)
{
  for (const auto &wire : running_.wires) {
    if (wire->from != &node)
      continue;
    Output *next = output_for(source, wire->spec.from.pad);
    if (next == nullptr || next == wire->output || !let_go(*wire->output, wire->branch))
      continue;
    finish_branch(wire->output->fanout.get(), wire->branch);
    wire->output = next;
    wire->branch = add_branch(next->fanout.get());
    gst_pad_link_full(wire->branch->pad.get(), wire->input->entry.get(),
                      GST_PAD_LINK_CHECK_HIERARCHY);
    attach_branch(next->fanout.get(), wire->branch);
  }
  for (const auto &port : running_.ports) {
    if (!port->branch || port->spec.pad.node != node.spec.id)
      continue;
    Output *next = output_for(source, port->spec.pad.pad);
    if (next == nullptr || next == port->output || !let_go(*port->output, port->branch))
      continue;
    const BranchPtr old = std::exchange(port->branch, add_branch(next->fanout.get()));
    port->aim(port->target());
    finish_branch(port->output->fanout.get(), old);
    port->output = next;
    attach_branch(next->fanout.get(), port->branch);
  }
}

void Engine::show_fallback(Node &node)
{
  Node *fallback = running_.find(node.spec.fallback);
  if (fallback == nullptr || node.shown != nullptr)
    return;
  move_consumers(node, *fallback);
  node.shown = fallback;
  events_.node("node-fallback", node.spec.id, fallback->spec.id);
}

// Before an edit: fallbacks that it takes away or exchanges are shown no more.
std::vector<std::string> Engine::hide_fallbacks(const FlatGraph &desired)
{
  std::vector<std::string> hidden;
  for (const auto &[id, node] : running_.nodes) {
    if (node->shown == nullptr)
      continue;
    const auto has = [&](const std::string &wanted, const std::string &fallback) {
      return std::any_of(desired.nodes.begin(), desired.nodes.end(), [&](const FlatNode &other) {
        return other.id == wanted && (fallback.empty() || other.fallback == fallback);
      });
    };
    const std::string &shown = node->shown->spec.id;
    if (has(shown, {}) && has(id, shown))
      continue;
    hide_fallback(*node);
    hidden.push_back(id);
  }
  return hidden;
}

// After it.
void Engine::show_fallbacks(const std::vector<std::string> &nodes)
{
  for (const std::string &id : nodes) {
    Node *node = running_.find(id);
    if (node != nullptr && node->state == NodeState::Failed)
      show_fallback(*node);
  }
}

void Engine::hide_fallback(Node &node)
{
  move_consumers(node, node);
  node.shown = nullptr;
  events_.node("node-fallback-over", node.spec.id);
}

void Engine::watch()
{
  if (ticks_ || level_ < GST_STATE_PAUSED || running_.nodes.empty())
    return;
  ticks_ = true;
  worker_.post_at(g_get_monotonic_time() + kTick, [this] { tick(); });
}

// A few times a second: rates, links, what stands still, what has come back.
void Engine::tick()
{
  ticks_ = false;
  if (level_ < GST_STATE_PAUSED)
    return;
  const bool is_playing = level_ == GST_STATE_PLAYING;
  look();
  const int64_t now = g_get_monotonic_time();
  std::vector<std::pair<Node *, std::string>> failed;
  for (const auto &[id, node] : running_.nodes) {
    const uint64_t buffers = buffers_of(*node, running_);
    const bool moves = buffers != node->seen_buffers;
    if (moves || node->seen_at == 0 || !is_playing) {
      node->seen_buffers = buffers;
      node->seen_at = now;
    }
    if (node->state != NodeState::Running || !is_playing)
      continue;
    if (node->shown != nullptr && moves)
      hide_fallback(*node);
    if (node->restarts > 0 && node->running_since > 0 && now - node->running_since > kRecovered)
      node->restarts = 0;
    const Restart &restart = node->spec.restart;
    const bool keeps = restart.policy == RestartPolicy::Always && !node->outputs.empty();
    const bool has_ended =
        keeps && std::all_of(node->outputs.begin(), node->outputs.end(), [](const auto &output) {
          return fanout_is_eos(output->fanout.get());
        });
    if (has_ended)
      failed.emplace_back(node.get(), "its stream has ended");
    else if (restart.stall_ms &&
             now - node->seen_at > static_cast<int64_t>(*restart.stall_ms) * 1000)
      failed.emplace_back(node.get(), "no buffer for " + std::to_string(*restart.stall_ms) + " ms");
  }
  for (const auto &[node, why] : failed)
    node_failed(node->spec.id, node->generation, why);
  watch();
}

}  // namespace streamlib::graph
