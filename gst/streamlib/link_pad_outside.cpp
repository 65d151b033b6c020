// SPDX-License-Identifier: LGPL-2.1-or-later
// A link pad seen from outside: its figures, and the move of its link to another pad.
#include <algorithm>

#include "gst/streamlib/link_pad_state.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_link_debug);
#define GST_CAT_DEFAULT gst_sl_link_debug

namespace streamlib {

using support::adopt_object;
using support::Done;
using support::Failure;
using support::GObjectPtr;
using support::ObjectLock;
using support::share_object;
using support::Status;
using support::StructurePtr;

StructurePtr LinkPadState::stats() const
{
  const std::shared_ptr<Link> link = shared_link();
  const LinkCounters counters = link->counters();
  const auto level = static_cast<guint>(counters.level());
  return StructurePtr(gst_structure_new(
      "application/x-streamlib-link-stats", "policy", GST_TYPE_SL_LINK_POLICY, link->policy(),
      "depth", G_TYPE_UINT, link->depth(), "level", G_TYPE_UINT, level, "pushed", G_TYPE_UINT64,
      counters.pushed, "popped", G_TYPE_UINT64, counters.popped, "dropped", G_TYPE_UINT64,
      counters.dropped(), "dropped-full", G_TYPE_UINT64, counters.dropped_full, "dropped-stale",
      G_TYPE_UINT64, counters.dropped_stale, "dropped-flush", G_TYPE_UINT64, counters.dropped_flush,
      "wakeups", G_TYPE_UINT64, counters.wakeups, "queueing-p50", G_TYPE_UINT64,
      counters.queueing_p50, "queueing-p99", G_TYPE_UINT64, counters.queueing_p99, "queueing-max",
      G_TYPE_UINT64, counters.queueing_max, "sampled", G_TYPE_UINT, counters.sampled, "flow",
      GST_TYPE_FLOW_RETURN, link->flow(), "age", G_TYPE_INT64, age_.mean(), "age-max", G_TYPE_INT64,
      age_.max(), "age-samples", G_TYPE_UINT64, age_.count(), nullptr));
}

void LinkPadState::post_drops(GstElement *element)
{
  const LinkCounters counters = link().counters();
  const uint64_t dropped = counters.dropped_full + counters.dropped_stale;
  if (dropped == std::exchange(reported_drops_, dropped))
    return;
  GstMessage *message =
      gst_message_new_qos(GST_OBJECT_CAST(element), TRUE, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
                          GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE);
  gst_message_set_qos_stats(message, GST_FORMAT_BUFFERS, counters.popped, dropped);
  gst_element_post_message(element, message);
}

namespace {

Failure failure(GstSlLinkError code, const char *text)
{
  return Failure{code, text, {}};
}

bool accepts(GstPad *pad, GstPad *peer)
{
  support::MiniPtr<GstCaps> caps = support::adopt_mini(gst_pad_get_current_caps(peer));
  return !caps || gst_pad_query_accept_caps(pad, caps.get());
}

// What the peer's thread needs to move over, whenever it is free to.
struct Move {
  GObjectPtr<GstSlLinkPad> to;
  GObjectPtr<GstSlLinkPad> from;
};

}  // namespace

std::shared_ptr<Link> LinkPadState::shared_link() const
{
  ObjectLock lock(pad_);
  return *std::find_if(links_.begin(), links_.end(),
                       [this](const auto &link) { return link.get() == link_.load(); });
}

// Links are kept for as long as the pad lives: a thread may still hold one that was replaced.
void LinkPadState::use_link(const std::shared_ptr<Link> &link, bool feed_it)
{
  ObjectLock lock(pad_);
  if (std::find(links_.begin(), links_.end(), link) == links_.end())
    links_.push_back(link);
  link_.store(link.get());
  if (feed_it)
    inlet_.store(link.get());
}

Status LinkPadState::take_over(LinkPadState &from)
{
  GstPad *pad = GST_PAD_CAST(pad_);
  GObjectPtr<GstPad> peer = adopt_object(gst_pad_get_peer(GST_PAD_CAST(from.pad_)));
  if (!peer)
    return failure(GST_SL_LINK_ERROR_NOT_LINKED, "the pad to take over from is not linked");
  if (gst_pad_is_linked(pad))
    return failure(GST_SL_LINK_ERROR_ALREADY_LINKED, "the pad is linked already: unlink it first");
  if (processor() == nullptr || from.processor() == nullptr || !gst_pad_is_active(pad))
    return failure(GST_SL_LINK_ERROR_INACTIVE,
                   "the pad is not active: set its element to PAUSED first");
  if (processor()->is_inline() || from.processor()->is_inline())
    return failure(GST_SL_LINK_ERROR_INLINE, "a processor that runs inline has no link to move");
  if (!accepts(pad, peer.get()))
    return failure(GST_SL_LINK_ERROR_INCOMPATIBLE,
                   "the pad does not accept the caps of the stream");

  // The two pads exchange their links, so that moving to and fro makes none. The one of this pad
  // was not fed, as the pad had no peer.
  std::shared_ptr<Link> own = shared_link();
  std::shared_ptr<Link> moved = from.shared_link();
  own->reset_for(from.processor(), from.processor()->parker);
  from.use_link(own, false);
  use_link(moved, true);
  media_.store(from.media_.load());
  duration_.store(from.duration_.load());
  decided_.store(from.decided_.load());
  undecided_.store(from.undecided_.load());
  update_limits();
  moved->set_paused(processor()->is_paused());
  moved->set_consumer(processor(), processor()->parker);
  processor()->kick();
  finish_take_over(peer.get(), from);
  return Done{};
}

void LinkPadState::finish_take_over(GstPad *peer, LinkPadState &from)
{
  // Called at once when the peer is idle, else by its own thread after the push under way; so
  // nothing is ever pushed into the moment between unlink and link.
  auto on_idle = [](GstPad *peer, GstPadProbeInfo *, gpointer data) -> GstPadProbeReturn {
    const auto *move = static_cast<Move *>(data);
    LinkPadState &from = of(move->from.get());
    if (gst_pad_unlink(peer, GST_PAD_CAST(move->from.get())))
      gst_pad_link_full(peer, GST_PAD_CAST(move->to.get()), GST_PAD_LINK_CHECK_NOTHING);
    from.inlet_.store(&from.link());
    return GST_PAD_PROBE_REMOVE;
  };
  auto *move = new Move{share_object(pad_), share_object(from.pad_)};
  gst_pad_add_probe(peer, GST_PAD_PROBE_TYPE_IDLE, on_idle, move,
                    [](gpointer data) { delete static_cast<Move *>(data); });
}

}  // namespace streamlib
