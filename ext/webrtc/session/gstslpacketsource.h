// SPDX-License-Identifier: LGPL-2.1-or-later
// The receive step of a session: packets from a link, in a processor's thread, to rtpbin.
#pragma once

#include <functional>

#include <gst/streamlib/gstslprocessor.h>

#include "ext/webrtc/packet_port.h"

#define GST_TYPE_SL_PACKET_SOURCE (gst_sl_packet_source_get_type())
G_DECLARE_FINAL_TYPE(GstSlPacketSource, gst_sl_packet_source, GST, SL_PACKET_SOURCE, GstSlProcessor)

namespace streamlib::webrtc {

// Asked in the processor's thread; false: the packet is dropped.
using PacketFilter = std::function<bool(PacketKind kind, GstBuffer *packet)>;

// Has a link pad `sink` and the source pads `rtp` and `rtcp`. To be set before the first packet.
support::GObjectPtr<GstElement> make_packet_source(PacketFilter filter);

// The mark by which the link tells the two kinds apart. Any thread; the buffer must be writable.
void mark_packet(GstBuffer *packet, PacketKind kind);

}  // namespace streamlib::webrtc
