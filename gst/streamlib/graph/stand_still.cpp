// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/stand_still.h"

namespace streamlib::graph {

namespace {

using Flag = std::shared_ptr<std::atomic<bool>>;

GstPadProbeReturn note(GstPad *, GstPadProbeInfo *, gpointer flag)
{
  (*static_cast<Flag *>(flag))->store(true);
  return GST_PAD_PROBE_OK;
}

void forget(gpointer flag)
{
  delete static_cast<Flag *>(flag);
}

}  // namespace

StandStill::StandStill(GstPad *source) : source_(support::share_object(source))
{
  constexpr auto kBlock =
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM | GST_PAD_PROBE_TYPE_IDLE);
  probe_ = gst_pad_add_probe(source, kBlock, note, new Flag(stands_), forget);
}

StandStill::~StandStill()
{
  gst_pad_remove_probe(source_.get(), probe_);
}

bool StandStill::wait(GstClockTime limit) const
{
  // Probes run in streaming threads, which take no lock of ours.
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(limit / GST_USECOND);
  while (!stands_->load()) {
    if (g_get_monotonic_time() >= end)
      return false;
    g_usleep(500);
  }
  return true;
}

}  // namespace streamlib::graph
