// SPDX-License-Identifier: LGPL-2.1-or-later
// Flushes, seeks, latency: what reaches a processor from outside its stream.
#include <utility>

#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

using support::adopt_mini;
using support::MiniPtr;
using support::ObjectLock;

// With one link pad a flush goes through, and the step under way ends before the flush is over, or
// it could still push what was flushed. With several only a flush that this processor's own seek
// has caused goes downstream, once; another one concerns that pad alone.
bool ProcessorState::flush_start(LinkPadState &pad, GstEvent *event)
{
  MiniPtr<GstEvent> owned = adopt_mini(event);
  bool forwards = true;
  if (has_own_stream()) {
    ObjectLock lock(self_);
    flushing_pads_++;
    forwards = seek_flushes_ && !flush_forwarded_;
    flush_forwarded_ = flush_forwarded_ || forwards;
  }
  pad.link().set_flushing();
  if (!forwards) {
    kick();
    return true;
  }
  for (const auto &src : src_pads())
    gst_pad_push_event(src.get(), gst_event_ref(owned.get()));
  Activity::UrgentScope urgent(activity);
  const auto runtime = shared_runtime();
  const auto runner = shared_runner();
  const DispatchQueue::WaitScope waiting(runtime ? dispatch_queue_of(runtime.get()) : nullptr,
                                         runner->thread());
  runner->quiesce();
  // A stop does so itself.
  if (is_awaiting_.load() && !stopping.load())
    end_operation();
  return true;
}

bool ProcessorState::flush_stop(LinkPadState &pad, GstEvent *event)
{
  MiniPtr<GstEvent> owned = adopt_mini(event);
  bool forwards = true;
  if (has_own_stream()) {
    ObjectLock lock(self_);
    flushing_pads_ = flushing_pads_ > 0 ? flushing_pads_ - 1 : 0;
    forwards = flush_forwarded_ && flushing_pads_ == 0 && seeks_under_way_ == 0;
    if (forwards)
      seek_flushes_ = flush_forwarded_ = false;
    else if (flush_forwarded_)
      flush_stop_ = owned;
  }
  pad.flush();
  if (forwards)
    flush_stop_downstream(owned.get());
  kick();
  return true;
}

void ProcessorState::flush_stop_downstream(GstEvent *event)
{
  for (const auto &src : src_pads())
    gst_pad_push_event(src.get(), gst_event_ref(event));
  own_stream_flushed_.store(true);
  news_cookie_++;
  shared_runner()->resume();
}

// --- Upstream events ---

void ProcessorState::note_upstream_event(GstEvent *event)
{
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_LATENCY: {
      GstClockTime latency;
      gst_event_parse_latency(event, &latency);
      latency_.store(latency);
      for (const auto &link : link_pads())
        LinkPadState::of(link.get()).set_latency(latency);
      kick();
      break;
    }
    case GST_EVENT_RECONFIGURE:
      for (const auto &link : link_pads()) {
        LinkPadState &state = LinkPadState::of(link.get());
        state.redecide();
        state.unwanted.store(false);
        state.link().forgive();
      }
      own_flow_forgiven_.store(true);
      news_cookie_++;
      kick();
      break;
    default:
      break;
  }
}

// A neighbour looks for the runtime of the pipeline.
bool ProcessorState::answer_context(GstQuery *query)
{
  const char *type;
  const auto runtime = shared_runtime();
  if (!runtime || !gst_query_parse_context_type(query, &type) ||
      !g_str_equal(type, GST_SL_RUNTIME_CONTEXT_TYPE))
    return false;
  const MiniPtr<GstContext> context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), FALSE));
  gst_query_set_context(query, context.get());
  return true;
}

// A flushing seek flushes several link pads one after the other, while those before it get data
// again already. Until it has reached all of them no step is taken, or it would join what came
// after the seek with what came before.
template <typename Forward>
bool ProcessorState::forward_seek(GstEvent *event, Forward forward)
{
  GstSeekFlags flags;
  gst_event_parse_seek(event, nullptr, nullptr, &flags, nullptr, nullptr, nullptr, nullptr);
  if (!has_own_stream() || (flags & GST_SEEK_FLAG_FLUSH) == 0)
    return forward();
  {
    ObjectLock lock(self_);
    seek_flushes_ = true;
    seeks_under_way_++;
  }
  const bool ok = forward();
  MiniPtr<GstEvent> flush_stop;
  {
    ObjectLock lock(self_);
    seeks_under_way_--;
    const bool is_over = seeks_under_way_ == 0 && flushing_pads_ == 0;
    if (is_over && flush_forwarded_)
      flush_stop = std::exchange(flush_stop_, nullptr);
    // One that was refused will flush nothing; another one may still do so, in another thread.
    if (flush_stop || (is_over && !ok))
      seek_flushes_ = flush_forwarded_ = false;
  }
  if (flush_stop)
    flush_stop_downstream(flush_stop.get());
  kick();
  return ok;
}

bool ProcessorState::src_event(GstPad *pad, GstEvent *event)
{
  note_upstream_event(event);
  const auto forward = [&] { return gst_pad_event_default(pad, GST_OBJECT_CAST(self_), event); };
  if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK)
    return forward();
  if (link_count() == 0) {
    gst_event_unref(event);
    return false;
  }
  return forward_seek(event, forward);
}

bool ProcessorState::push_upstream(GstEvent *event)
{
  MiniPtr<GstEvent> owned = adopt_mini(event);
  bool taken = false;
  for (const auto &link : link_pads())
    taken = gst_pad_push_event(GST_PAD_CAST(link.get()), gst_event_ref(event)) || taken;
  return taken;
}

// --- Queries ---

// The answer for all link pads: live when one is, the greatest of the minima, the least of the
// maxima; each after what its link adds.
bool ProcessorState::answer_latency(GstQuery *query)
{
  bool is_live = link_count() == 0 && live.load();
  GstClockTime min = 0;
  GstClockTime max = GST_CLOCK_TIME_NONE;
  for (const auto &link : link_pads()) {
    MiniPtr<GstQuery> upstream = adopt_mini(gst_query_new_latency());
    if (!gst_pad_peer_query(GST_PAD_CAST(link.get()), upstream.get())) {
      if (!has_own_stream())
        return false;
      continue;
    }
    gboolean pad_live;
    GstClockTime pad_min, pad_max;
    gst_query_parse_latency(upstream.get(), &pad_live, &pad_min, &pad_max);
    if (!pad_live && has_own_stream())
      continue;
    if (!is_inline())
      pad_max = LinkPadState::of(link.get()).max_latency(pad_max);
    is_live = is_live || pad_live;
    min = MAX(min, pad_min);
    max = MIN(max, pad_max);
  }
  upstream_live_.store(is_live);
  const GstClockTime own = own_latency.load();
  min += own;
  if (GST_CLOCK_TIME_IS_VALID(max))
    max += own;
  if (link_count() == 0)
    max = min;
  GST_DEBUG_OBJECT(self_, "latency: live %d, min %" GST_TIME_FORMAT ", max %" GST_TIME_FORMAT,
                   is_live, GST_TIME_ARGS(min), GST_TIME_ARGS(max));
  gst_query_set_latency(query, is_live, min, max);
  return true;
}

bool ProcessorState::src_query(GstPad *pad, GstQuery *query)
{
  if (GST_QUERY_TYPE(query) == GST_QUERY_CONTEXT && answer_context(query))
    return true;
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
    return answer_latency(query);
  return gst_pad_query_default(pad, GST_OBJECT_CAST(self_), query);
}

// --- What the pipeline sends to its sources and sinks ---

// A source is asked to end by an EOS event; a sink stands for the stream that comes to it.
bool ProcessorState::send_event(GstEvent *event, bool *result)
{
  *result = true;
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && link_count() == 0) {
    gst_event_unref(event);
    end_asked_.store(true);
    kick();
    return true;
  }
  if (!GST_EVENT_IS_UPSTREAM(event) || GST_EVENT_IS_DOWNSTREAM(event) || !src_pads().empty())
    return false;
  note_upstream_event(event);
  const auto forward = [&] { return push_upstream(event); };
  *result = GST_EVENT_TYPE(event) == GST_EVENT_SEEK ? forward_seek(event, forward) : forward();
  return true;
}

bool ProcessorState::query(GstQuery *query, bool *result)
{
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY || link_count() == 0 || !src_pads().empty())
    return false;
  *result = answer_latency(query);
  return true;
}

}  // namespace streamlib
