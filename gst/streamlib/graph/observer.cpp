// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/observer.h"

#include <algorithm>

#include "gst/streamlib/graph/stall.h"
#include "gst/streamlib/gstslprocessor.h"
#include "gst/streamlib/processor_state.h"

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;

namespace {

double rate_of(uint64_t now, uint64_t before, int64_t elapsed)
{
  return elapsed > 0 && now >= before
             ? static_cast<double>(now - before) * G_TIME_SPAN_SECOND / static_cast<double>(elapsed)
             : 0;
}

std::string nick_of(GType type, int value)
{
  auto *klass = static_cast<GEnumClass *>(g_type_class_ref(type));
  const GEnumValue *entry = g_enum_get_value(klass, value);
  std::string nick = entry != nullptr ? entry->value_nick : "";
  g_type_class_unref(klass);
  return nick;
}

AgeFigures ages_of(const support::RunningMean &age)
{
  return {age.mean(), age.max(), age.count()};
}

// What takes the steps behind a link: the node itself, or the sllink in front of a foreign element.
// Null where the link is fused.
const ProcessorState *stepper_of(const Node &node, const Input &input)
{
  if (input.link)
    return &ProcessorState::of(GST_SL_PROCESSOR(input.link.get()));
  return GST_IS_SL_LINK_PAD(input.target.get())
             ? &ProcessorState::of(GST_SL_PROCESSOR(node.element.get()))
             : nullptr;
}

GObjectPtr<GstPad> link_pad_of(const Input &input)
{
  if (input.link)
    return adopt_object(gst_element_get_static_pad(input.link.get(), "sink"));
  return GST_IS_SL_LINK_PAD(input.target.get()) ? input.target : GObjectPtr<GstPad>();
}

bool is_in_step(const ProcessorState &processor)
{
  const Activity::Phase phase = processor.activity.phase();
  return phase == Activity::Phase::Process || phase == Activity::Phase::Push ||
         phase == Activity::Phase::Wait;
}

// The ends of one link as they are now.
struct Ends {
  bool is_linked = false;
  bool has_stream = false;
  bool has_ended = false;
  GstFlowReturn flow = GST_FLOW_OK;
};

void read_link(LinkFigures &figures, Ends &ends, const Wire &wire, GstPad *pad)
{
  const LinkPadState &state = LinkPadState::of(GST_SL_LINK_PAD(pad));
  const LinkCounters counters = state.counters();
  figures.policy = nick_of(GST_TYPE_SL_LINK_POLICY, state.policy());
  figures.depth = state.depth();
  figures.level = static_cast<unsigned>(counters.level());
  figures.taken = counters.popped;
  figures.dropped_full = counters.dropped_full;
  figures.dropped_stale = counters.dropped_stale;
  figures.dropped_flush = counters.dropped_flush;
  figures.queueing = {counters.queueing_p50, counters.queueing_p99, counters.queueing_max};
  figures.queueing_sampled = counters.sampled;
  figures.age = ages_of(state.age());
  if (const ProcessorState *stepper = stepper_of(*wire.to, *wire.input))
    figures.is_in_step = is_in_step(*stepper);
  // What the consumer has said, which the pusher learns with its next buffer.
  if (ends.flow == GST_FLOW_OK)
    ends.flow = state.flow();
}

LinkState state_of(const LinkFigures &figures, const Ends &ends, GstState level, int64_t now)
{
  if (!ends.is_linked)
    return LinkState::Unlinked;
  if (level < GST_STATE_PAUSED)
    return LinkState::Idle;
  if (ends.flow == GST_FLOW_NOT_NEGOTIATED)
    return LinkState::NotNegotiated;
  const bool is_quiet = now - figures.moved_at > figures.patience();
  if (is_quiet && level == GST_STATE_PLAYING && (figures.level > 0 || figures.is_in_step))
    return LinkState::Blocked;
  if (ends.flow == GST_FLOW_EOS || (ends.has_ended && figures.level == 0))
    return LinkState::Eos;
  if (figures.taken == 0)
    return ends.has_stream ? LinkState::Negotiating : LinkState::Idle;
  return is_quiet ? LinkState::Idle : LinkState::Flowing;
}

// Of a node whose step is not ours the branch that leads into it knows.
void read_processing(NodeFigures &figures, const Node &node, const std::vector<const Wire *> &into)
{
  const ProcessorState *stepper = nullptr;
  if (GST_IS_SL_PROCESSOR(node.element.get()))
    stepper = &ProcessorState::of(GST_SL_PROCESSOR(node.element.get()));
  // With several links before it, the one whose steps take longest.
  for (const Wire *wire : into) {
    const ProcessorState *other = stepper_of(node, *wire->input);
    if (other != nullptr &&
        (stepper == nullptr || other->timer().took().max() > stepper->timer().took().max()))
      stepper = other;
    if (other == nullptr && wire->branch->took) {
      figures.has_processing = true;
      figures.processing = spread_of(*wire->branch->took);
      const support::StepTimer &timer = timer_of(wire->output->fanout.get());
      figures.processing_sampled = timer.every();
      figures.processed_at = timer.measured_at() / 1000;
    }
  }
  if (stepper == nullptr)
    return;
  figures.has_processing = true;
  figures.processing = spread_of(stepper->timer().took());
  figures.processing_sampled = stepper->timer().every();
  figures.processed_at = stepper->timer().measured_at() / 1000;
}

// A link that nothing can come through, or that somebody holds, is not waited for.
bool must_carry(const Wire &wire, const LinkFigures &figures)
{
  return figures.state != LinkState::Eos && !wire.from->is_paused && !wire.to->is_paused;
}

}  // namespace

LinkFigures Observer::look_at(const Wire &wire, const LinkFigures *before, const Look &look)
{
  LinkFigures figures;
  figures.source = wire.spec.from;
  figures.target = wire.spec.to;
  figures.from = to_text(wire.spec.from);
  figures.to = to_text(wire.spec.to);
  figures.is_fused = wire.is_fused;
  figures.buffers = wire.branch->buffers.load();
  figures.not_passed = wire.branch->dropped.load();
  figures.sampled_at = look.now;

  GstSlFanout *fanout = wire.output->fanout.get();
  Ends ends;
  ends.is_linked =
      gst_pad_is_linked(fanout_sink(fanout)) && gst_pad_is_linked(wire.branch->pad.get());
  ends.has_stream = has_stream(fanout);
  ends.has_ended = fanout_is_eos(fanout);
  ends.flow = wire.branch->flow.load();
  if (const auto pad = link_pad_of(*wire.input)) {
    read_link(figures, ends, wire, pad.get());
  } else {
    figures.taken = figures.buffers;
    figures.is_in_step = figures_of(fanout).is_pushing;
    figures.age = ages_of(age_of(fanout));
  }

  figures.caps = adopt_mini(gst_pad_get_current_caps(wire.branch->pad.get()));
  if (before != nullptr && before->caps == figures.caps) {
    figures.caps_text = before->caps_text;
  } else if (figures.caps) {
    const CStr text(gst_caps_to_string(figures.caps.get()));
    figures.caps_text = text.get();
  }

  const bool has_moved = before == nullptr || before->taken != figures.taken || !look.is_playing();
  figures.moved_at = has_moved ? look.now : before->moved_at;
  if (before != nullptr) {
    figures.rate = rate_of(figures.taken, before->taken, look.now - before->sampled_at);
    // It is forgotten by and by.
    figures.usual_gap = has_moved ? std::max(look.now - before->moved_at, before->usual_gap / 2)
                                  : before->usual_gap;
  }
  figures.state = state_of(figures, ends, look.level, look.now);
  if (figures.state != (before != nullptr ? before->state : LinkState::Idle))
    events_.link("link-state-changed", figures.from, figures.to, name_of(figures.state));
  const uint64_t dropped_before = before != nullptr ? before->dropped() : 0;
  if (figures.dropped() > dropped_before)
    events_.drops(figures.from, figures.to, figures.dropped() - dropped_before);
  return figures;
}

NodeFigures Observer::look_at(const Node &node, const std::vector<const Wire *> &into,
                              const NodeFigures *before, const Look &look)
{
  NodeFigures figures;
  figures.id = node.spec.id;
  figures.type = node.spec.factory.empty() ? "bin" : node.spec.factory;
  figures.element = GST_OBJECT_NAME(node.element.get());
  figures.state = node.state;
  figures.trouble = node.trouble;
  figures.standby = node.shown != nullptr ? node.shown->spec.id : "";
  figures.restarts = node.restarts;
  for (const Wire *wire : into)
    figures.in += wire->branch->buffers.load();
  figures.is_sink = node.outputs.empty();
  figures.has_ended = !node.outputs.empty();
  for (const auto &output : node.outputs) {
    const FanoutFigures out = figures_of(output->fanout.get());
    figures.out += out.buffers;
    figures.out_nowhere += out.passed_nowhere;
    figures.has_ended = figures.has_ended && fanout_is_eos(output->fanout.get());
  }
  if (!node.outputs.empty()) {
    GstSlFanout *fanout = node.outputs.front()->fanout.get();
    figures.push = spread_of(timer_of(fanout).took());
    figures.out_age = ages_of(age_of(fanout));
  }
  read_processing(figures, node, into);
  figures.sampled_at = look.now;
  const bool is_new = before == nullptr || !look.is_playing();
  figures.moved_in_at = is_new || before->in != figures.in ? look.now : before->moved_in_at;
  figures.moved_out_at = is_new || before->out != figures.out ? look.now : before->moved_out_at;
  if (before != nullptr) {
    figures.rate_in = rate_of(figures.in, before->in, look.now - before->sampled_at);
    figures.rate_out = rate_of(figures.out, before->out, look.now - before->sampled_at);
  }
  return figures;
}

void Observer::sample(const Running &running, GstState level, bool asks)
{
  const Look look{level, g_get_monotonic_time()};
  Figures next;
  std::map<const Node *, std::vector<const Wire *>> into;
  bool is_ready = !running.wires.empty() && level >= GST_STATE_PAUSED;
  for (const auto &wire : running.wires) {
    std::string key = to_text(wire->spec.from) + " -> " + to_text(wire->spec.to);
    const auto before = figures_.links.find(key);
    LinkFigures figures =
        look_at(*wire, before != figures_.links.end() ? &before->second : nullptr, look);
    is_ready = is_ready && (figures.taken > 0 || !must_carry(*wire, figures));
    into[wire->to].push_back(wire.get());
    next.links.emplace(std::move(key), std::move(figures));
  }
  for (const auto &[id, node] : running.nodes) {
    const auto before = figures_.nodes.find(id);
    next.nodes.emplace(id,
                       look_at(*node, into[node.get()],
                               before != figures_.nodes.end() ? &before->second : nullptr, look));
  }
  is_ready_ = is_ready;
  find_stall(next, look);
  {
    std::lock_guard lock(mutex_);
    std::swap(figures_, next);
  }
  if (asks && level >= GST_STATE_PAUSED)
    latency_.ask(running);
}

// Told once for each node that stands.
void Observer::find_stall(Figures &figures, const Look &look)
{
  Stall stall;
  if (look.is_playing())
    stall = find_stalled(figures, look.now);
  const bool is_same = stall.node == figures_.stalled_node;
  figures.stalled_node = stall.node;
  figures.stalled_why = stall.why;
  figures.stalled_since = is_same ? figures_.stalled_since : look.now;
  if (is_same)
    return;
  if (!figures_.stalled_node.empty())
    events_.node("node-stall-over", figures_.stalled_node);
  if (!stall.node.empty())
    events_.node("node-stalled", stall.node, stall.why);
}

Figures Observer::figures() const
{
  std::lock_guard lock(mutex_);
  return figures_;
}

}  // namespace streamlib::graph
