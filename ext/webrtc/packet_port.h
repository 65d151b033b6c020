// SPDX-License-Identifier: LGPL-2.1-or-later
// The border between the transport and the peer session: plain RTP and RTCP packets.
#pragma once

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::webrtc {

enum class PacketKind { Rtp, Rtcp };

// What a peer session sends through. The transport is one; a test joins two sessions by another.
class PacketSender {
public:
  // Any thread; does not wait. A packet that cannot go out (not connected, peer not verified) is
  // counted there and dropped.
  virtual void send(PacketKind kind, support::MiniPtr<GstBuffer> packet) = 0;

protected:
  ~PacketSender() = default;
};

// Where the transport leaves what came in, verified and decrypted.
class PacketReceiver {
public:
  // I/O context; must not wait, nor call into GStreamer's data flow: it leaves the packet on a
  // link.
  virtual void received(PacketKind kind, support::MiniPtr<GstBuffer> packet) = 0;

protected:
  ~PacketReceiver() = default;
};

}  // namespace streamlib::webrtc
