// SPDX-License-Identifier: LGPL-2.1-or-later
// Access units of H.264 that a depayloader has cut into pieces, in one piece again.
#pragma once

#include <gst/gst.h>

#include "gst/support/ownership.h"

#define GST_TYPE_SL_UNIT_JOINER (gst_sl_unit_joiner_get_type())
G_DECLARE_FINAL_TYPE(GstSlUnitJoiner, gst_sl_unit_joiner, GST, SL_UNIT_JOINER, GstElement)

namespace streamlib::webrtc {

// Has the pads `sink` and `src`, for byte streams. Buffers of the same time, up to the one with the
// marker of RTP, are one access unit; parameter sets in the midst of it are left out. Without a
// marker a unit ends with the first buffer of another time.
support::GObjectPtr<GstElement> make_unit_joiner();

}  // namespace streamlib::webrtc
