// SPDX-License-Identifier: LGPL-2.1-or-later
// What a processor sends downstream.
#include <algorithm>

#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

using support::adopt_mini;
using support::CStr;
using support::MiniPtr;

OutPad *ProcessorState::out_pad(GstPad *pad)
{
  refresh();
  for (OutPad &out : outs_) {
    if (pad == nullptr || out.pad.get() == pad)
      return &out;
  }
  return nullptr;
}

namespace {

// What several streams are joined into has an id of its own; that of a source follows from its URI,
// if it has one.
CStr make_stream_id(GstElement *element, GstPad *pad, bool is_joined)
{
  if (is_joined)
    return CStr(g_strdup_printf("joined-%08x%08x/%s", g_random_int(), g_random_int(),
                                GST_OBJECT_NAME(pad)));
  return CStr(gst_pad_create_stream_id(pad, element,
                                       element->numsrcpads > 1 ? GST_OBJECT_NAME(pad) : nullptr));
}

// A sink that is stopped while a sticky event is on its way to it refuses the event, which
// gst_pad_push() answers with ERROR, or with NOT_NEGOTIATED
// where it is the caps.
bool peer_is_flushing(GstPad *pad)
{
  const auto peer = support::adopt_object(gst_pad_get_peer(pad));
  if (!peer)
    return false;
  const support::ObjectLock lock(peer.get());
  return GST_PAD_IS_FLUSHING(peer.get());
}

}  // namespace

// STREAM_START and SEGMENT of a stream that begins here; caps go between them, where they are
// known.
void ProcessorState::open_own_stream(OutPad &out)
{
  GstPad *pad = out.pad.get();
  MiniPtr<GstEvent> start = adopt_mini(gst_pad_get_sticky_event(pad, GST_EVENT_STREAM_START, 0));
  if (!start) {
    const CStr id = make_stream_id(element(), pad, joins_ || link_count() > 1);
    start = adopt_mini(gst_event_new_stream_start(id.get()));
    gst_event_set_group_id(start.get(), gst_util_group_id_next());
    gst_pad_push_event(pad, start.release());
  }
}

void ProcessorState::place_own_stream(OutPad &out)
{
  open_own_stream(out);
  const MiniPtr<GstEvent> segment =
      adopt_mini(gst_pad_get_sticky_event(out.pad.get(), GST_EVENT_SEGMENT, 0));
  if (!segment)
    gst_pad_push_event(out.pad.get(), gst_event_new_segment(&own_segment_));
  out.is_open = true;
}

// In place of the first buffer, which a pause holds back. Not before the caps are known, which
// stand in front of the segment.
void ProcessorState::forward_own_gap()
{
  for (OutPad &out : outs_) {
    if (out.is_open || !gst_pad_has_current_caps(out.pad.get()))
      continue;
    Activity::Scope scope(activity, Activity::Phase::Push, out.pad.get());
    place_own_stream(out);
    gst_pad_push_event(out.pad.get(), gst_event_new_gap(0, GST_CLOCK_TIME_NONE));
  }
}

bool ProcessorState::set_src_caps(GstPad *pad, GstCaps *caps)
{
  refresh();
  bool ok = true;
  for (OutPad &out : outs_) {
    if (pad != nullptr && out.pad.get() != pad)
      continue;
    if (has_own_stream())
      open_own_stream(out);
    ok = gst_pad_push_event(out.pad.get(), gst_event_new_caps(caps)) && ok;
  }
  return ok;
}

GstFlowReturn ProcessorState::push(GstPad *pad, GstMiniObject *data)
{
  OutPad *out = out_pad(pad);
  if (out == nullptr) {
    gst_mini_object_unref(data);
    return GST_FLOW_NOT_LINKED;
  }
  // A manual processor takes no steps: this is where it looks around.
  const bool is_manual = execution.load(std::memory_order_relaxed) == GST_SL_EXECUTION_MANUAL;
  if (is_manual)
    refresh_links();
  if (is_manual && links_.empty() && end_asked_.load(std::memory_order_relaxed)) {
    gst_mini_object_unref(data);
    end_own_stream();
    return GST_FLOW_EOS;
  }
  if (!out->is_open && has_own_stream())
    place_own_stream(*out);
  pushes_.store(pushes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  const int64_t began = is_async() ? support::monotonic_ns() : 0;
  {
    Activity::Scope scope(activity, Activity::Phase::Push, out->pad.get());
    push_flow_ = GST_IS_BUFFER(data)
                     ? gst_pad_push(out->pad.get(), GST_BUFFER_CAST(data))
                     : gst_pad_push_list(out->pad.get(), GST_BUFFER_LIST_CAST(data));
  }
  const bool is_refused = push_flow_ == GST_FLOW_ERROR || push_flow_ == GST_FLOW_NOT_NEGOTIATED;
  if (G_UNLIKELY(is_refused) && peer_is_flushing(out->pad.get()))
    push_flow_ = GST_FLOW_FLUSHING;
  if (G_UNLIKELY(began != 0))
    pushing_ns_ += support::monotonic_ns() - began;
  if (G_UNLIKELY(push_flow_ != GST_FLOW_OK) && is_manual)
    after_manual_flow(push_flow_);
  return push_flow_;
}

// Of a manual processor no step follows that would see to it.
void ProcessorState::after_manual_flow(GstFlowReturn flow)
{
  if (own_flow_ != GST_FLOW_OK)
    return;
  if (has_own_stream() || links_.empty())
    after_own_flow(flow);
  else
    after_link_flow(LinkPadState::of(links_[0].get()), flow);
}

bool ProcessorState::push_event(GstPad *pad, MiniPtr<GstEvent> event)
{
  refresh();
  bool ok = !outs_.empty();
  for (OutPad &out : outs_) {
    if (pad != nullptr && out.pad.get() != pad)
      continue;
    Activity::Scope scope(activity, Activity::Phase::Push, out.pad.get());
    MiniPtr<GstEvent> copy = event;
    ok = gst_pad_push_event(out.pad.get(), copy.release()) && ok;
  }
  return ok;
}

// The pipeline learns from its sinks when a stream begins; the message of the last one is void
// then.
void ProcessorState::note_sink_stream(GstEvent *stream_start)
{
  if (has_own_stream() && sink_stream_noted_)
    return;
  sink_stream_noted_ = true;
  own_stream_ended_ = false;
  guint group;
  GstMessage *message = gst_message_new_stream_start(GST_OBJECT_CAST(self_));
  gst_message_set_seqnum(message, gst_event_get_seqnum(stream_start));
  if (gst_event_parse_group_id(stream_start, &group))
    gst_message_set_group_id(message, group);
  gst_element_post_message(element(), message);
}

void ProcessorState::end_own_stream()
{
  if (own_stream_ended_)
    return;
  own_stream_ended_ = true;
  refresh();
  for (OutPad &out : outs_)
    open_own_stream(out);
  if (outs_.empty())
    gst_element_post_message(element(), gst_message_new_eos(GST_OBJECT_CAST(self_)));
  else
    push_event(nullptr, adopt_mini(gst_event_new_eos()));
}

// A processor that makes its own stream is the one to say why it stopped.
GstSlStep ProcessorState::after_own_flow(GstFlowReturn flow)
{
  if (flow == GST_FLOW_OK)
    return GST_SL_STEP_AGAIN;
  own_flow_ = flow;
  for (const auto &link : links_)
    LinkPadState::of(link.get()).link().fail(flow);
  if (flow == GST_FLOW_EOS) {
    end_own_stream();
    return GST_SL_STEP_EOS;
  }
  if (flow != GST_FLOW_FLUSHING && !error_reported_.load() && !stopping.load()) {
    GST_ELEMENT_FLOW_ERROR(element(), flow);
    end_own_stream();
  }
  return GST_SL_STEP_ERROR;
}

// With one link pad the flow return travels back through the link, and the source reports it. But
// after EOS nobody pushes any more who could.
void ProcessorState::after_link_flow(LinkPadState &pad, GstFlowReturn flow)
{
  if (flow == GST_FLOW_OK)
    return;
  if (flow == GST_FLOW_EOS)
    pad.unwanted.store(true);
  pad.link().fail(flow);
  GST_DEBUG_OBJECT(self_, "downstream answered %s", gst_flow_get_name(flow));
  const bool is_error = flow == GST_FLOW_NOT_LINKED || flow < GST_FLOW_EOS;
  if (is_error && pad.is_ended() && !error_reported_.load() && !stopping.load())
    GST_ELEMENT_FLOW_ERROR(element(), flow);
}

}  // namespace streamlib
