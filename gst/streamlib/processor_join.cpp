// SPDX-License-Identifier: LGPL-2.1-or-later
// The steps of a processor with several link pads.
//
// A step waits until every link pad has something to say: a buffer at its head, a GAP, or EOS. A
// pad that flushes or is late is waited for; in a live pipeline only until the earliest head must
// be worked on, which is its running time plus the latency that the pipeline has configured. EOS
// goes out when all pads have ended. The output has a segment of its own, which begins at running
// time 0.
#include "gst/streamlib/processor_state.h"

namespace streamlib {

using support::adopt_mini;
using support::MiniPtr;

namespace {

// The buffer that a GAP event shows as.
MiniPtr<GstBuffer> gap_buffer(GstEvent *event)
{
  GstClockTime time, duration;
  gst_event_parse_gap(event, &time, &duration);
  MiniPtr<GstBuffer> buffer = adopt_mini(gst_buffer_new());
  GST_BUFFER_PTS(buffer.get()) = time;
  GST_BUFFER_DURATION(buffer.get()) = duration;
  GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_GAP);
  GST_BUFFER_FLAG_SET(buffer.get(), GST_BUFFER_FLAG_DROPPABLE);
  return buffer;
}

}  // namespace

bool ProcessorState::is_eos_next(LinkPadState &pad)
{
  return pad.look_at_next(false, [](const LinkItem &item) {
    return item.kind == LinkItem::Kind::Event &&
           GST_EVENT_TYPE(GST_EVENT_CAST(item.object)) == GST_EVENT_EOS;
  });
}

bool ProcessorState::serve_head(LinkPadState &pad)
{
  bool served = false;
  for (;;) {
    const LinkItem::Kind kind =
        pad.look_at_next(LinkItem::Kind::None, [](const LinkItem &item) { return item.kind; });
    if (kind != LinkItem::Kind::Event && kind != LinkItem::Kind::Query)
      return served;
    // What an operation still gives goes out before the end.
    if (operation_ != nullptr && is_eos_next(pad))
      return served;
    // A second gap waits until the first was used up.
    if (pad.gap)
      return served;
    LinkItem item = pad.next();
    served = true;
    if (item.kind == LinkItem::Kind::Query) {
      pad.link().answer_query(handle_query(pad, GST_QUERY_CAST(item.object)));
      continue;
    }
    if (item.kind != LinkItem::Kind::Event)
      continue;
    GstEvent *event = GST_EVENT_CAST(item.object);
    if (has_own_stream() && GST_EVENT_TYPE(event) == GST_EVENT_GAP)
      pad.gap = gap_buffer(event);
    handle_event(pad, event);
  }
}

// The running time of what stands at the head; none when nothing does.
GstClockTime ProcessorState::head_time(LinkPadState &pad)
{
  if (pad.gap)
    return pad.running_time(pad.gap.get());
  return pad.look_at_next(GST_CLOCK_TIME_NONE, [&pad](const LinkItem &item) {
    return item.is_data() ? pad.running_time(GST_BUFFER_CAST(item.object)) : GST_CLOCK_TIME_NONE;
  });
}

GstSlStep ProcessorState::step_joined(int64_t *wait_until)
{
  if (own_stream_ended_)
    return GST_SL_STEP_EOS;
  if (own_flow_ != GST_FLOW_OK)
    return GST_SL_STEP_ERROR;
  size_t ready = 0;
  size_t ended = 0;
  GstClockTime earliest = GST_CLOCK_TIME_NONE;
  for (const auto &link : links_) {
    LinkPadState &pad = LinkPadState::of(link.get());
    pad.note_seen();
    serve_head(pad);
    const bool has_head =
        pad.gap || pad.look_at_next(false, [](const LinkItem &item) { return item.is_data(); });
    if (has_head) {
      const GstClockTime time = head_time(pad);
      if (GST_CLOCK_TIME_IS_VALID(time) && (!GST_CLOCK_TIME_IS_VALID(earliest) || time < earliest))
        earliest = time;
      ready++;
    } else if (pad.eos) {
      ended++;
    }
  }
  if (ended == links_.size()) {
    end_own_stream();
    return GST_SL_STEP_EOS;
  }
  if (holds_back()) {
    forward_own_gap();
    return GST_SL_STEP_IDLE;
  }
  if (ready == 0)
    return GST_SL_STEP_IDLE;
  if (ready + ended < links_.size()) {
    const GstClockTime now = clock.running_time();
    if (!upstream_live_.load() || !GST_CLOCK_TIME_IS_VALID(earliest) ||
        !GST_CLOCK_TIME_IS_VALID(now))
      return GST_SL_STEP_IDLE;
    const GstClockTime deadline = earliest + configured_latency();
    if (now < deadline) {
      *wait_until = clock.monotonic_time_of(deadline);
      return GST_SL_STEP_WAIT_UNTIL;
    }
    late_joins_.store(late_joins_.load() + 1);
  }
  activity.set_due(earliest);
  const support::StepTimer::Scope timed(timer_);
  const uint64_t pops = pops_;
  const uint64_t pushes = pushes_.load();
  const GstSlStep result = after_own_flow(call_process(nullptr, nullptr));
  // Who has everything and takes nothing is not asked again before something changes.
  const bool did_nothing = pops == pops_ && pushes == pushes_.load();
  return result == GST_SL_STEP_AGAIN && did_nothing ? GST_SL_STEP_IDLE : result;
}

}  // namespace streamlib
