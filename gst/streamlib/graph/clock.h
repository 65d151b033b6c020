// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::graph {

// Of an element that plays; GST_CLOCK_TIME_NONE without a clock.
inline GstClockTime running_time_of(GstElement *element)
{
  const auto clock = support::adopt_object(gst_element_get_clock(element));
  if (!clock || GST_STATE(element) != GST_STATE_PLAYING)
    return GST_CLOCK_TIME_NONE;
  const GstClockTime now = gst_clock_get_time(clock.get());
  const GstClockTime base = gst_element_get_base_time(element);
  return now > base ? now - base : 0;
}

}  // namespace streamlib::graph
