// SPDX-License-Identifier: LGPL-2.1-or-later
// Figures of the transport as GStreamer shows them.
#pragma once

#include "ext/webrtc/transport/transport_stats.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

// The statistics of an element before it has begun.
support::StructurePtr unbegun_stats();

// The structure `transport`; drops by their reasons, times in nanoseconds.
support::StructurePtr structure_of(const TransportStats &stats);

}  // namespace streamlib::webrtc
