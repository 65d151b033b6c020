// SPDX-License-Identifier: LGPL-2.1-or-later
// The end of rtpbin's streams: each packet leaves by the session's PacketSender.
#pragma once

#include <functional>

#include <gst/gst.h>

#include "ext/webrtc/packet_port.h"

#define GST_TYPE_SL_PACKET_SINK (gst_sl_packet_sink_get_type())
G_DECLARE_FINAL_TYPE(GstSlPacketSink, gst_sl_packet_sink, GST, SL_PACKET_SINK, GstElement)

namespace streamlib::webrtc {

struct PacketSinkHooks {
  // In the thread that pushes; must not wait.
  std::function<void(PacketKind, support::MiniPtr<GstBuffer>)> packet;
  // RTP: all senders have ended. RTCP: the BYE is out.
  std::function<void(PacketKind)> ended;
};

// Has the sink pads `rtp` and `rtcp`, and neither prerolls nor waits for the clock: pace is the
// sending side's business. No sink in the sense of GstBin: an EOS ends with the hook.
support::GObjectPtr<GstElement> make_packet_sink(PacketSinkHooks hooks);

}  // namespace streamlib::webrtc
