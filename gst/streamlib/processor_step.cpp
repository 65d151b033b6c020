// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps of a processor with one link pad or on a period.
#include <algorithm>

#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

using support::adopt_mini;
using support::kNoDeadline;
using support::MiniPtr;
using support::monotonic_ns;
using support::StepTimer;

namespace {

// The task leaves its loop so often to let GstTask look at its state; stopping does not wait for
// it.
constexpr int kStepsPerIteration = 256;

}  // namespace

// --- The dedicated thread ---

void ProcessorState::iterate()
{
  for (int i = 0; i < kStepsPerIteration && task_.may_run(); i++) {
    int64_t until = kNoDeadline;
    if (take_step(&until) != GST_SL_STEP_AGAIN)
      parker->park([this] { return !task_.may_run() || has_work(); }, until);
  }
}

bool ProcessorState::has_news()
{
  bool news = false;
  for (const auto &link : links_)
    news = LinkPadState::of(link.get()).has_news() || news;
  return news;
}

void ProcessorState::kick()
{
  kicked_.store(true);
  parker->unpark();
}

// --- One step, whoever runs it ---

void ProcessorState::note_standstill(unsigned blocked, unsigned max_spares)
{
  GST_ELEMENT_WARNING(
      element(), RESOURCE, SETTINGS,
      ("All %u threads for pooled processors are blocked, such as by sinks that wait for each "
       "other's first buffer. Raise the executor's max-spares, which is %u, or set async=false on "
       "the sinks of a live pipeline.",
       blocked, max_spares),
      ("more threads than that are started one by one"));
}

GstSlStep ProcessorState::take_step(int64_t *wait_until)
{
  activity.note_thread();
  if (kicked_.load(std::memory_order_relaxed))
    kicked_.exchange(false);
  const GstSlStep result = is_async() ? take_measured_step(wait_until) : step(wait_until);
  if (result == GST_SL_STEP_ERROR) {
    for (const auto &link : links_)
      LinkPadState::of(link.get()).note_seen();
  }
  return result;
}

GstSlStep ProcessorState::step(int64_t *wait_until)
{
  refresh();
  refresh_links();
  steps_.store(steps_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (stopping.load(std::memory_order_relaxed))
    return GST_SL_STEP_ERROR;
  if (G_UNLIKELY(operation_ != nullptr))
    return step_operation();
  if (end_asked_.load(std::memory_order_relaxed) && links_.empty()) {
    end_own_stream();
    return GST_SL_STEP_EOS;
  }
  switch (execution.load(std::memory_order_relaxed)) {
    case GST_SL_EXECUTION_CONTINUOUS:
      return step_continuous(wait_until);
    case GST_SL_EXECUTION_MANUAL:
      return GST_SL_STEP_IDLE;
    default:
      break;
  }
  if (!has_own_stream() && links_.size() == 1)
    return step_single(LinkPadState::of(links_[0].get()));
  return links_.empty() ? GST_SL_STEP_IDLE : step_joined(wait_until);
}

GstSlStep ProcessorState::step_single(LinkPadState &pad)
{
  const GstFlowReturn flow = pad.link().flow();
  if (G_UNLIKELY(flow != GST_FLOW_OK && flow != GST_FLOW_EOS))
    return GST_SL_STEP_ERROR;
  if (G_UNLIKELY(pad.unwanted.load(std::memory_order_relaxed)) && pad.drop_next())
    return GST_SL_STEP_AGAIN;
  LinkItem item = pad.next();
  switch (item.kind) {
    case LinkItem::Kind::Buffer:
    case LinkItem::Kind::BufferList: {
      const StepTimer::Scope timed(timer_);
      after_link_flow(pad, process_data(pad, item));
      return GST_SL_STEP_AGAIN;
    }
    case LinkItem::Kind::Event:
      handle_event(pad, GST_EVENT_CAST(item.object));
      return GST_SL_STEP_AGAIN;
    case LinkItem::Kind::Query:
      pad.link().answer_query(handle_query(pad, GST_QUERY_CAST(item.object)));
      return GST_SL_STEP_AGAIN;
    default:
      return rest(pad);
  }
}

// Nothing to take. A pause must not keep the sinks from prerolling: they get a GAP in place of the
// buffer that is held back.
GstSlStep ProcessorState::rest(LinkPadState &pad)
{
  if (pad.eos)
    return GST_SL_STEP_EOS;
  if (is_paused() && !gap_forwarded_ && pad.segment.format == GST_FORMAT_TIME) {
    if (const MiniPtr<GstBuffer> held = pad.held_by_pause())
      forward_gap(pad, held.get());
  }
  return GST_SL_STEP_IDLE;
}

void ProcessorState::forward_gap(LinkPadState &pad, GstBuffer *held)
{
  gap_forwarded_ = true;
  if (!GST_BUFFER_PTS_IS_VALID(held))
    return;
  MiniPtr<GstEvent> gap =
      adopt_mini(gst_event_new_gap(GST_BUFFER_PTS(held), GST_BUFFER_DURATION(held)));
  handle_event(pad, gap.release());
}

// EOS ends the pause of its link; a step is taken again when all of them have gone on.
bool ProcessorState::holds_back() const
{
  return is_paused() &&
         (links_.empty() || !std::all_of(links_.begin(), links_.end(), [](const auto &link) {
            return LinkPadState::of(link.get()).link().is_ended();
          }));
}

GstSlStep ProcessorState::step_continuous(int64_t *wait_until)
{
  bool all_ended = !links_.empty();
  for (const auto &link : links_) {
    LinkPadState &pad = LinkPadState::of(link.get());
    pad.note_seen();
    serve_head(pad);
    all_ended = all_ended && pad.eos;
  }
  if (all_ended || own_stream_ended_) {
    if (has_own_stream())
      end_own_stream();
    return GST_SL_STEP_EOS;
  }
  const bool waits_for_playing = links_.empty() && live.load() && !clock.is_playing();
  if (own_flow_ != GST_FLOW_OK)
    return GST_SL_STEP_ERROR;
  if (waits_for_playing || holds_back()) {
    next_tick_ = 0;
    if (!waits_for_playing && has_own_stream())
      forward_own_gap();
    return GST_SL_STEP_IDLE;
  }
  const auto period = static_cast<int64_t>(interval.load());
  const int64_t now = monotonic_ns();
  if (next_tick_ == 0)
    next_tick_ = runner_.load(std::memory_order_relaxed)->first_tick(now, period);
  else if (period != tick_period_)
    // A new interval counts from the last tick, and misses none of the time before it was set.
    next_tick_ = std::max(next_tick_ - tick_period_ + period, now);
  tick_period_ = period;
  if (now < next_tick_) {
    *wait_until = next_tick_;
    return GST_SL_STEP_WAIT_UNTIL;
  }
  // The next tick stands where it always stood: a late one does not move those after it.
  next_tick_ += period;
  if (period > 0 && now >= next_tick_) {
    const int64_t missed = (now - next_tick_) / period + 1;
    next_tick_ += missed * period;
    missed_ticks_.store(missed_ticks_.load() + static_cast<uint64_t>(missed));
  }
  const StepTimer::Scope timed(timer_);
  const GstFlowReturn flow = call_process(nullptr, nullptr);
  if (has_own_stream() || links_.empty())
    return after_own_flow(flow);
  after_link_flow(LinkPadState::of(links_[0].get()), flow);
  return GST_SL_STEP_AGAIN;
}

GstFlowReturn ProcessorState::chain_inline(LinkPadState &pad, GstMiniObject *data)
{
  if (stopping.load()) {
    gst_mini_object_unref(data);
    return GST_FLOW_FLUSHING;
  }
  activity.note_thread();
  steps_.store(steps_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const auto kind = GST_IS_BUFFER(data) ? LinkItem::Kind::Buffer : LinkItem::Kind::BufferList;
  const StepTimer::Scope timed(timer_);
  return process_data(pad, {kind, data});
}

// --- Data ---

void ProcessorState::note_due(LinkPadState &pad, GstMiniObject *data)
{
  const GstSegment &segment = pad.segment;
  GstClockTime due = GST_CLOCK_TIME_NONE;
  if (GST_IS_BUFFER(data) && segment.format == GST_FORMAT_TIME) {
    const GstClockTime time = GST_BUFFER_PTS(GST_BUFFER_CAST(data));
    // RT: the common case of gst_segment_to_running_time() without its call.
    if (G_UNLIKELY(segment.rate != 1.0))
      due = gst_segment_to_running_time(&segment, GST_FORMAT_TIME, time);
    else if (GST_CLOCK_TIME_IS_VALID(time) && time >= segment.start)
      due = time - segment.start + segment.base;
  }
  activity.set_due(due);
  if (G_UNLIKELY(timer_.is_measuring()))
    pad.note_age(due);
}

// RT
GstFlowReturn ProcessorState::process_data(LinkPadState &pad, LinkItem item)
{
  gap_forwarded_ = true;
  note_due(pad, item.object);
  GstSlProcessorClass *klass = this->klass();
  if (klass->process == nullptr && !awaits())
    return push(nullptr, item.object);
  if (item.kind == LinkItem::Kind::Buffer)
    return call_process(pad.pad(), GST_BUFFER_CAST(item.object));
  Activity::Scope scope(activity, Activity::Phase::Process);
  return klass->process_list(self_, pad.pad(), GST_BUFFER_LIST_CAST(item.object));
}

// RT
GstFlowReturn ProcessorState::call_process(GstSlLinkPad *pad, GstBuffer *input)
{
  GstBuffer *output = nullptr;
  GstFlowReturn flow;
  push_flow_ = GST_FLOW_OK;
  if (awaits())
    return begin_operation(pad, input);
  if (klass()->process == nullptr)
    return GST_FLOW_OK;
  {
    Activity::Scope scope(activity, Activity::Phase::Process);
    flow = klass()->process(self_, pad, input, &output);
  }
  return give_output(flow, output);
}

// RT
GstFlowReturn ProcessorState::give_output(GstFlowReturn flow, GstBuffer *output)
{
  const bool failed_silently =
      flow == GST_FLOW_ERROR && push_flow_ != GST_FLOW_ERROR && !error_reported_.load();
  if (output != nullptr) {
    const GstFlowReturn pushed = push(nullptr, GST_MINI_OBJECT_CAST(output));
    flow = flow == GST_FLOW_OK ? pushed : flow;
  }
  if (failed_silently)
    report_error(
        GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED, "The processor failed without saying why.",
        "process returned GST_FLOW_ERROR and gst_sl_processor_report_error() was not called");
  return flow;
}

// --- Events and queries in the stream ---

bool ProcessorState::handle_event(LinkPadState &pad, GstEvent *event)
{
  const GstEventType type = GST_EVENT_TYPE(event);
  pad.follow(event);
  if (type == GST_EVENT_SEGMENT || type == GST_EVENT_STREAM_START) {
    gap_forwarded_ = gap_forwarded_ && type != GST_EVENT_STREAM_START;
    pad.link().forgive();
  }
  Activity::Scope scope(activity, Activity::Phase::Process);
  return klass()->sink_event(self_, pad.pad(), event);
}

bool ProcessorState::default_sink_event(LinkPadState &pad, GstEvent *event)
{
  MiniPtr<GstEvent> owned = adopt_mini(event);
  const GstEventType type = GST_EVENT_TYPE(event);
  if (type == GST_EVENT_CAPS) {
    GstCaps *caps;
    gst_event_parse_caps(event, &caps);
    if (klass()->set_caps != nullptr) {
      const bool ok = klass()->set_caps(self_, pad.pad(), caps);
      if (!ok)
        pad.link().fail(GST_FLOW_NOT_NEGOTIATED);
      return ok;
    }
    if (has_own_stream())
      return default_set_caps(caps);
  }
  refresh();
  if (outs_.empty()) {
    if (type == GST_EVENT_STREAM_START)
      note_sink_stream(event);
    else if (type == GST_EVENT_EOS && !has_own_stream())
      end_own_stream();
    return true;
  }
  // With several link pads what opens, places and ends a stream is the processor's own affair.
  const bool is_own = type == GST_EVENT_STREAM_START || type == GST_EVENT_SEGMENT ||
                      type == GST_EVENT_EOS || type == GST_EVENT_GAP ||
                      type == GST_EVENT_SEGMENT_DONE || type == GST_EVENT_STREAM_GROUP_DONE;
  if (has_own_stream() && is_own)
    return true;
  return push_event(nullptr, std::move(owned));
}

bool ProcessorState::default_set_caps(GstCaps *caps)
{
  refresh();
  for (OutPad &out : outs_) {
    MiniPtr<GstCaps> current = adopt_mini(gst_pad_get_current_caps(out.pad.get()));
    if (!current && !set_src_caps(out.pad.get(), caps))
      return false;
  }
  return true;
}

bool ProcessorState::handle_query(LinkPadState &pad, GstQuery *query)
{
  refresh();
  Activity::Scope scope(activity, Activity::Phase::Push,
                        outs_.empty() ? nullptr : outs_[0].pad.get());
  return gst_pad_query_default(GST_PAD_CAST(pad.pad()), GST_OBJECT_CAST(self_), query);
}

}  // namespace streamlib
