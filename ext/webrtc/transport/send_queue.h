// SPDX-License-Identifier: LGPL-2.1-or-later
// Packets from streaming threads to the I/O context, without a lock.
#pragma once

#include <atomic>
#include <functional>

#include <gst/gst.h>

#include "ext/webrtc/packet_port.h"
#include "gst/support/mpmc_ring.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

// Bounded and allocated beforehand. The context is woken only where it may sleep: once for all that
// is pushed until it has looked.
class SendQueue {
public:
  using Drain = std::function<void(PacketKind, support::MiniPtr<GstBuffer>)>;

  static constexpr size_t kRtpPackets = 2048;
  static constexpr size_t kRtcpPackets = 256;
  // Taken at once, before other sources of the context have their turn.
  static constexpr int kBatch = 64;

  // `drain` is called in the context for each packet.
  SendQueue(GMainContext *context, Drain drain);
  SendQueue(const SendQueue &) = delete;
  SendQueue &operator=(const SendQueue &) = delete;
  // After the last push() has returned.
  ~SendQueue();

  // Any thread. False when it is full; the packet is dropped then.
  bool push(PacketKind kind, support::MiniPtr<GstBuffer> packet);
  // I/O context: all that is there, now.
  void flush();

private:
  bool drain_one();
  static gboolean prepare(GSource *source, gint *timeout_ms);
  static gboolean check(GSource *source);
  static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data);

  GMainContext *const context_;
  const Drain drain_;
  support::MpmcRing<GstBuffer> rtp_{kRtpPackets};
  support::MpmcRing<GstBuffer> rtcp_{kRtcpPackets};
  // Set by a push after its packet is in the ring, taken back before the rings are looked at.
  std::atomic<bool> is_woken_ = false;
  GSource *source_;
};

}  // namespace streamlib::webrtc
