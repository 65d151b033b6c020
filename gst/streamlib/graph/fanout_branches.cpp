// SPDX-License-Identifier: LGPL-2.1-or-later
// The branches of a fan-out come, change places and go, without a lock on the way of the stream.
#include <algorithm>
#include <mutex>

#include "gst/streamlib/graph/fanout_core.h"

namespace streamlib::graph {

using support::adopt_object;

void attach_branch(GstSlFanout *self, const BranchPtr &branch)
{
  branch->has_events = false;
  branch->detached.store(false);
  std::lock_guard lock(self->core->control);
  BranchList list = *self->core->list.current();
  list.push_back(branch);
  self->core->list.publish(std::move(list));
}

namespace {

template <typename Done>
bool wait_for_stream(GstClockTime limit, Done done)
{
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(limit / GST_USECOND);
  for (gulong pause = 20; !done(); pause = std::min<gulong>(2 * pause, 2000)) {
    if (g_get_monotonic_time() >= end)
      return false;
    g_usleep(pause);
  }
  return true;
}

void replace_in_list(Fanout &core, const BranchPtr &before, const BranchPtr &after)
{
  std::lock_guard lock(core.control);
  BranchList list = *core.list.current();
  std::replace(list.begin(), list.end(), before, after);
  core.list.publish(std::move(list));
}

}  // namespace

void relink_branch(const BranchPtr &branch)
{
  GstPad *pad = branch->pad.get();
  const auto peer = adopt_object(gst_pad_get_peer(pad));
  if (!peer)
    return;
  gst_pad_unlink(pad, peer.get());
  gst_pad_link_full(pad, peer.get(), GST_PAD_LINK_CHECK_HIERARCHY);
}

bool detach_branch(GstSlFanout *self, const BranchPtr &branch, GstClockTime limit)
{
  Fanout &core = *self->core;
  branch->detached.store(true);
  {
    std::lock_guard lock(core.control);
    BranchList list = *core.list.current();
    std::erase(list, branch);
    core.list.publish(std::move(list));
  }
  return wait_for_stream(limit, [&] { return core.inside.load() != branch.get(); });
}

bool exchange_branch(GstSlFanout *self, const BranchPtr &before, const BranchPtr &after,
                     GstClockTime limit)
{
  Fanout &core = *self->core;
  after->has_events = false;
  after->detached.store(false);
  replace_in_list(core, before, after);
  // A buffer that is on its way through the old list still goes to `before`.
  if (wait_for_stream(limit, [&] { return core.list.is_left(); }))
    return true;
  before->detached.store(true);
  if (core.inside.load() != before.get())
    return true;
  replace_in_list(core, after, before);
  before->detached.store(false);
  after->detached.store(true);
  wait_for_stream(limit, [&] { return core.inside.load() != after.get(); });
  return false;
}

void finish_branch(GstSlFanout *self, const BranchPtr &branch)
{
  GstPad *pad = branch->pad.get();
  if (const auto peer = adopt_object(gst_pad_get_peer(pad)))
    gst_pad_unlink(pad, peer.get());
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(GST_ELEMENT(self), pad);
}

}  // namespace streamlib::graph
