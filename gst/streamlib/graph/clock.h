// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

// Of an element that plays; GST_CLOCK_TIME_NONE without a clock.
inline GstClockTime running_time_of(GstElement *element)
{
  support::GObjectPtr<GstClock> clock;
  GstClockTime base = 0;
  {
    const support::ObjectLock lock(element);
    if (GST_STATE(element) != GST_STATE_PLAYING || GST_ELEMENT_CLOCK(element) == nullptr)
      return GST_CLOCK_TIME_NONE;
    clock = support::share_object(GST_ELEMENT_CLOCK(element));
    base = GST_ELEMENT_CAST(element)->base_time;
  }
  const GstClockTime now = gst_clock_get_time(clock.get());
  return now > base ? now - base : 0;
}

}  // namespace streamlib::graph
