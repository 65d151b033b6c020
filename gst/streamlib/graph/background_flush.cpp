// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/background_flush.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>
#include <vector>

#include "gst/streamlib/graph/parallel.h"
#include "gst/streamlib/gstsllinkpad.h"

namespace streamlib::graph {

using support::adopt_object;
using support::GObjectPtr;
using support::share_object;

struct BackgroundFlush::Shared {
  // Guards both; no event is sent under it.
  std::mutex mutex;
  std::condition_variable changed;
  bool may_stop = false;
  bool is_over = false;
};

namespace {

using Probes = std::vector<std::pair<GObjectPtr<GstPad>, gulong>>;

GstPadProbeReturn drop_event(GstPad *, GstPadProbeInfo *, gpointer)
{
  return GST_PAD_PROBE_DROP;
}

// The flush ends behind the element.
Probes stop_flushes(GstPad *sink)
{
  Probes probes;
  const auto element = adopt_object(gst_pad_get_parent_element(sink));
  if (!element)
    return probes;
  const auto add = [](GstElement *, GstPad *pad, gpointer data) -> gboolean {
    const gulong id =
        gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_FLUSH, drop_event, nullptr, nullptr);
    static_cast<Probes *>(data)->emplace_back(share_object(pad), id);
    return TRUE;
  };
  gst_element_foreach_src_pad(element.get(), add, &probes);
  return probes;
}

}  // namespace

BackgroundFlush::BackgroundFlush(GObjectPtr<GstPad> pad, Reach reach)
    : shared_(std::make_shared<Shared>())
{
  const bool ends_here = reach == Reach::Link && GST_IS_SL_LINK_PAD(pad.get());
  const auto flush = [shared = shared_, pad, ends_here] {
    const Probes probes = ends_here ? stop_flushes(pad.get()) : Probes();
    gst_pad_send_event(pad.get(), gst_event_new_flush_start());
    {
      std::unique_lock lock(shared->mutex);
      shared->changed.wait(lock, [&] { return shared->may_stop; });
    }
    gst_pad_send_event(pad.get(), gst_event_new_flush_stop(FALSE));
    for (const auto &[source, id] : probes)
      gst_pad_remove_probe(source.get(), id);
    std::lock_guard lock(shared->mutex);
    shared->is_over = true;
    shared->changed.notify_all();
  };
  if (start_background("sl-graph-flush", flush))
    return;
  own_pad_ = std::move(pad);
  gst_pad_send_event(own_pad_.get(), gst_event_new_flush_start());
}

BackgroundFlush::~BackgroundFlush()
{
  let_stop_follow();
}

void BackgroundFlush::let_stop_follow()
{
  const GObjectPtr<GstPad> pad = std::move(own_pad_);
  if (pad)
    gst_pad_send_event(pad.get(), gst_event_new_flush_stop(FALSE));
  std::lock_guard lock(shared_->mutex);
  shared_->may_stop = true;
  shared_->is_over = shared_->is_over || pad;
  shared_->changed.notify_all();
}

bool BackgroundFlush::finish(GstClockTime limit)
{
  let_stop_follow();
  std::unique_lock lock(shared_->mutex);
  return shared_->changed.wait_for(lock, std::chrono::nanoseconds(limit),
                                   [&] { return shared_->is_over; });
}

}  // namespace streamlib::graph
