// SPDX-License-Identifier: LGPL-2.1-or-later
// A decoder for what comes, chosen by rank among those that are installed and can be opened.
#pragma once

#include <gst/gst.h>

#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

// A bin with the pads `sink`, for the given caps, and `src`, raw. In state READY. `latency` is that
// of the jitter buffer before it. The failure is one of GST_STREAM_ERROR.
support::Result<support::GObjectPtr<GstElement>> make_decode_chain(GstCaps *encoded,
                                                                   GstClockTime latency);

}  // namespace streamlib::webrtc
