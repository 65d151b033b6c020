// SPDX-License-Identifier: LGPL-2.1-or-later
// The states of a graph: nodes are set up in parallel, and a stop ends whatever a node does.
#include <algorithm>

#include "gst/streamlib/graph/engine.h"
#include "gst/streamlib/graph/parallel.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::share_object;

namespace {

constexpr GstClockTime kStopLimit = 800 * GST_MSECOND;
constexpr GstClockTime kFanoutStopLimit = 300 * GST_MSECOND;
// As long a sink may keep the others from playing.
constexpr int64_t kPrerollLimit = 700 * G_TIME_SPAN_MILLISECOND;
// Until the others play, then.
constexpr int64_t kFollowAfter = 100 * G_TIME_SPAN_MILLISECOND;

int64_t in(GstClockTime time)
{
  return g_get_monotonic_time() + static_cast<int64_t>(time / GST_USECOND);
}

bool goes_down(GstStateChange transition)
{
  return GST_STATE_TRANSITION_NEXT(transition) < GST_STATE_TRANSITION_CURRENT(transition);
}

}  // namespace

std::optional<Problem> Engine::begin_transition(GstStateChange transition)
{
  // The threads that change the states of nodes work for the graph, too.
  const WaitScope waiting(*this);
  const DispatchQueue::WorkScope works(bin_);
  worker_.begin_pause(goes_down(transition));
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      recreate_lost();
      return raise(GST_STATE_READY);
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      return raise(GST_STATE_PAUSED);
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      lower(GST_STATE_READY);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      lower(GST_STATE_NULL);
      break;
    default:
      break;
  }
  return std::nullopt;
}

void Engine::end_transition(GstStateChange transition, GstStateChangeReturn result)
{
  const GstState next = GST_STATE_TRANSITION_NEXT(transition);
  if (result != GST_STATE_CHANGE_FAILURE || goes_down(transition)) {
    level_ = next;
    for (const auto &[id, node] : running_.nodes) {
      if (node->state == NodeState::Created && next >= GST_STATE_PAUSED)
        node->state = NodeState::Running;
      if (next != GST_STATE_NULL)
        continue;
      // Another start is another chance.
      node->state = NodeState::Created;
      node->trouble.clear();
      for (const auto &output : node->outputs)
        keep_eos(output->fanout.get(), node->spec.restart.policy == RestartPolicy::Always);
    }
  }
  // With a live source it is only the step to PLAYING that waits.
  if (next >= GST_STATE_PAUSED && !goes_down(transition) && result == GST_STATE_CHANGE_ASYNC)
    for (const bool is_last : {false, true})
      worker_.post_at(g_get_monotonic_time() + (is_last ? 2 : 1) * kPrerollLimit,
                      [this, is_last] { guard_preroll(is_last); });
  const bool was_ready = next == GST_STATE_READY && is_ready_.exchange(false);
  if (next == GST_STATE_READY) {
    std::lock_guard lock(index_mutex_);
    ended_sinks_.clear();
  }
  worker_.end_pause();
  if (was_ready)
    g_object_notify(G_OBJECT(bin_), "ready");
  if (next == GST_STATE_PLAYING || next == GST_STATE_PAUSED)
    worker_.post([this] {
      watch();
      check_eos();
    });
}

// What pushes by itself comes last. Links and fan-outs never block.
std::optional<Problem> Engine::raise(GstState state)
{
  std::vector<GObjectPtr<GstElement>> sources;
  std::vector<GObjectPtr<GstElement>> others;
  {
    std::lock_guard lock(index_mutex_);
    last_errors_.clear();
  }
  is_raising_.store(true);
  for (const auto &[id, node] : running_.nodes) {
    for (const auto &output : node->outputs)
      gst_element_set_state(GST_ELEMENT(output->fanout.get()), state);
    for (const auto &input : node->inputs) {
      if (input->link)
        gst_element_set_state(input->link.get(), state);
    }
    if (node->state != NodeState::Failed)
      (is_source(node->element.get()) ? sources : others).push_back(node->element);
  }
  std::optional<Problem> problem;
  for (const auto *elements : {&others, &sources}) {
    if (elements->empty())
      continue;
    ParallelStates states(*elements, state);
    states.wait(in(setup_timeout_.load()));
    const auto results = states.give_up();
    for (size_t i = 0; i < results.size() && !problem; i++) {
      if (results[i] == StateResult::Reached)
        continue;
      GstElement *element = (*elements)[i].get();
      const std::string id = owner_of(GST_OBJECT(element));
      std::string why;
      {
        std::lock_guard lock(index_mutex_);
        why = last_errors_[element];
      }
      if (results[i] == StateResult::Waiting)
        why = "its set-up did not end within " +
              std::to_string(setup_timeout_.load() / GST_MSECOND) + " ms";
      else if (why.empty())
        why = "its set-up failed, and the element gave no reason";
      Node *node = running_.find(id);
      if (node == nullptr)
        continue;
      const bool may_come_later =
          !node->spec.essential && results[i] == StateResult::Failed &&
          (node->spec.restart.policy != RestartPolicy::Never || !node->spec.fallback.empty());
      if (may_come_later) {
        gst_element_set_locked_state(element, TRUE);
        worker_.post(
            [this, id, generation = node->generation, why] { node_failed(id, generation, why); });
        continue;
      }
      problem = Problem{node->spec.pointer, why, {}};
      if (results[i] == StateResult::Waiting) {
        leave_behind(id, element);
        lost_.push_back(id);
      }
    }
    if (problem)
      break;
  }
  is_raising_.store(false);
  if (problem)
    lower(static_cast<GstState>(state - 1));
  return problem;
}

// GstBin would wait for its state lock.
void Engine::leave_behind(const std::string &node, GstElement *element)
{
  quarantine(node, GST_OBJECT_NAME(element));
  gst_element_set_locked_state(element, TRUE);
  const GObjectPtr<GstElement> held = share_object(element);
  gst_bin_remove(bin_, element);
  // Its turn may not have come at all.
  retire_in_background(held, [] {});
}

// All at once, but for the fan-outs: a source pad that goes down while a buffer is on its way
// through it forgets the events that go before the buffer, and lets the buffer out.
void Engine::lower(GstState state)
{
  std::vector<OwnedElement> elements;
  std::vector<OwnedElement> fanouts;
  for (const auto &[id, node] : running_.nodes) {
    elements.push_back({id, node->element});
    for (const auto &input : node->inputs) {
      if (input->link)
        elements.push_back({id, input->link});
      input->eos = nullptr;
    }
    for (const auto &output : node->outputs)
      fanouts.push_back({id, share_object(GST_ELEMENT(output->fanout.get()))});
  }
  lower(elements, state, kStopLimit);
  lower(fanouts, state, kFanoutStopLimit);
  for (const auto &[id, node] : running_.nodes) {
    if (std::find(lost_.begin(), lost_.end(), id) == lost_.end())
      gst_element_set_locked_state(node->element.get(), FALSE);
  }
}

// What does not come back in time is taken out of the bin, and ended when it does.
void Engine::lower(const std::vector<OwnedElement> &all, GstState state, GstClockTime limit)
{
  std::vector<OwnedElement> present;
  std::vector<GObjectPtr<GstElement>> elements;
  for (const OwnedElement &item : all) {
    if (GST_OBJECT_PARENT(item.element.get()) != GST_OBJECT(bin_))
      continue;  // It was left behind.
    present.push_back(item);
    elements.push_back(item.element);
  }
  if (elements.empty())
    return;
  ParallelStates states(std::move(elements), state);
  states.wait(in(limit));
  const auto results = states.give_up();
  for (size_t i = 0; i < results.size(); i++) {
    if (results[i] != StateResult::Waiting)
      continue;
    leave_behind(present[i].node, present[i].element.get());
    if (std::find(lost_.begin(), lost_.end(), present[i].node) == lost_.end())
      lost_.push_back(present[i].node);
  }
}

// Before a start: nodes whose elements never came back from the last stop, or whose set-up is still
// under way, get new ones.
void Engine::recreate_lost()
{
  if (lost_.empty())
    return;
  CompileHost host = new_host();
  // What is linked to the graph stays linked.
  std::map<std::string, GObjectPtr<GstPad>> ports;
  host.kept_ports = &ports;
  PlanContext context;
  const auto take = [&](const FlatGraph &desired) {
    Compiler compiler(host, running_);
    return static_cast<bool>(
        compiler.carry_out(make_plan(running_.spec, desired, context), desired));
  };
  // Without the lost nodes, and with them again: everything around them is made anew.
  const FlatGraph whole = running_.spec;
  FlatGraph rest = whole;
  const auto is_lost = [&](const std::string &id) {
    return std::find(lost_.begin(), lost_.end(), id) != lost_.end();
  };
  std::erase_if(rest.nodes, [&](const FlatNode &node) { return is_lost(node.id); });
  std::erase_if(rest.links, [&](const FlatLink &link) {
    return is_lost(link.from.node) || is_lost(link.to.node);
  });
  std::erase_if(rest.inputs, [&](const FlatPort &port) { return is_lost(port.pad.node); });
  std::erase_if(rest.outputs, [&](const FlatPort &port) { return is_lost(port.pad.node); });
  if (!take(rest) || !take(whole))
    GST_WARNING_OBJECT(bin_, "the nodes that were lost could not be made again");
  for (const auto &[name, ghost] : ports)
    gst_element_remove_pad(GST_ELEMENT(bin_), ghost.get());
  lost_.clear();
  std::lock_guard lock(index_mutex_);
  for (const auto &[id, node] : running_.nodes)
    elements_[id] = node->element;
  fresh_.clear();
}

// A sink that does not come to its first buffer does not hold up the others for ever: without data
// it gives up its claim to one, and at the second look also where data has reached it.
void Engine::guard_preroll(bool is_last)
{
  if (level_ < GST_STATE_PAUSED)
    return;
  for (const auto &[id, node] : running_.nodes) {
    GstElement *element = node->element.get();
    if (!GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) ||
        gst_element_is_locked_state(element) ||
        gst_element_get_state(element, nullptr, nullptr, 0) != GST_STATE_CHANGE_ASYNC)
      continue;
    const bool has_data = std::any_of(running_.wires.begin(), running_.wires.end(),
                                      [sink = node.get()](const auto &wire) {
                                        return wire->to == sink && wire->branch->buffers.load() > 0;
                                      });
    if (!has_data)
      forgo_first_buffer(id, element);
    else if (is_last)
      play_without(id, node->element);
  }
}

void Engine::forgo_first_buffer(const std::string &id, GstElement *sink)
{
  GST_INFO_OBJECT(bin_, "%s has no data: it does not wait for any", id.c_str());
  gst_element_set_locked_state(sink, TRUE);
  gst_element_set_state(sink, GST_STATE_READY);
  forgo_preroll(sink);
  gst_element_set_state(sink, level_);
  gst_element_set_locked_state(sink, FALSE);
  events_.node("node-state-changed", id, "plays without a first buffer");
}

// It may be stuck in its first buffer, so that its state cannot be touched. The bin is told that it
// need not wait; once the others play, the sink gets their state as its wish, and comes to it when
// it can.
void Engine::play_without(const std::string &id, const GObjectPtr<GstElement> &sink)
{
  GST_WARNING_OBJECT(bin_, "%s does not come to its first buffer: the others play without it",
                     id.c_str());
  gst_element_set_locked_state(sink.get(), TRUE);
  {
    // Of a child whose state is locked the bin takes this for the answer.
    const support::ObjectLock lock(sink.get());
    GST_STATE_RETURN(sink.get()) = GST_STATE_CHANGE_SUCCESS;
  }
  gst_element_post_message(sink.get(),
                           gst_message_new_async_done(GST_OBJECT(sink.get()), GST_CLOCK_TIME_NONE));
  events_.node("node-state-changed", id, "plays without a first buffer");
  worker_.post_at(g_get_monotonic_time() + kFollowAfter, [this, id, sink] { follow(id, sink); });
}

void Engine::follow(const std::string &id, const GObjectPtr<GstElement> &sink)
{
  const Node *node = running_.find(id);
  // Replaced, failed or stopped meanwhile.
  if (node == nullptr || node->element != sink || node->state != NodeState::Running ||
      level_ < GST_STATE_PAUSED)
    return;
  gst_element_set_base_time(sink.get(), gst_element_get_base_time(GST_ELEMENT(bin_)));
  gst_element_set_state(sink.get(), level_);
  gst_element_set_locked_state(sink.get(), FALSE);
  // A bin that was late goes to PAUSED alone.
  if (GST_STATE(sink.get()) != level_)
    worker_.post_at(g_get_monotonic_time() + kFollowAfter, [this, id, sink] { follow(id, sink); });
}

// A source takes an EOS under its stream lock, which it may hold until the pipeline is PLAYING; and
// a pipeline sends an event under the lock that it needs to get there.
bool Engine::end_sources(GstEvent *eos)
{
  bool has_sources = false;
  for (const auto &[id, element] : elements()) {
    if (!GST_OBJECT_FLAG_IS_SET(element.get(), GST_ELEMENT_FLAG_SOURCE))
      continue;
    has_sources = true;
    const auto send = [element = element, event = support::share_mini(eos)] {
      gst_element_send_event(element.get(), gst_event_ref(event.get()));
    };
    if (!start_background("sl-graph-eos", send))
      send();
  }
  return has_sources;
}

}  // namespace streamlib::graph
