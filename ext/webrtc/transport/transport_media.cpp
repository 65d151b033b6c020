// SPDX-License-Identifier: LGPL-2.1-or-later
// The way of the packets through a transport.
#include <cstring>

#include "ext/webrtc/transport/demultiplexer.h"
#include "ext/webrtc/transport/transport_impl.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::MappedBuffer;
using support::MiniPtr;

namespace {

DropReason reason_of(SrtpOutcome outcome)
{
  switch (outcome) {
    case SrtpOutcome::Malformed:
      return DropReason::Malformed;
    case SrtpOutcome::Authentication:
      return DropReason::Authentication;
    case SrtpOutcome::Replay:
      return DropReason::Replay;
    case SrtpOutcome::Ok:
    case SrtpOutcome::Other:
      break;
  }
  return DropReason::SrtpOther;
}

}  // namespace

void TransportImpl::drop_unsent(Flow flow)
{
  counters_.dropped(flow == Flow::HeldBack ? DropReason::HeldBackOut : DropReason::NotConnected);
}

// Any thread. Neither ICE nor SRTP is touched here: both belong to the I/O context, and libnice's
// lock may be held there for long.
void TransportImpl::send(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  const Flow flow = flow_.load(std::memory_order_relaxed);
  if (flow != Flow::Open)
    drop_unsent(flow);
  else if (!queue_.push(kind, std::move(packet)))
    counters_.dropped(DropReason::QueueFull);
}

void TransportImpl::send_now(PacketKind kind, MiniPtr<GstBuffer> packet)
{
  // It may have changed since the packet came into the queue.
  const Flow flow = flow_.load(std::memory_order_relaxed);
  if (flow != Flow::Open || srtp_ == nullptr) {
    drop_unsent(flow);
    return;
  }
  const size_t plain = gst_buffer_get_size(packet.get());
  if (plain > kMaxPacket) {
    counters_.dropped(DropReason::TooLong);
    return;
  }
  alignas(8) uint8_t data[kMaxPacket + Srtp::kMaxOverhead];
  size_t size = gst_buffer_extract(packet.get(), 0, data, plain);
  if (size != plain || srtp_->protect(kind, data, sizeof data, &size) != SrtpOutcome::Ok) {
    counters_.dropped(DropReason::Unprotected);
    return;
  }
  switch (ice_->send({data, size})) {
    case IceSendOutcome::Sent:
      counters_.sent(plain);
      return;
    case IceSendOutcome::WouldBlock:
      counters_.dropped(DropReason::SocketFull);
      return;
    case IceSendOutcome::Refused:
      counters_.dropped(DropReason::SocketRefused);
      return;
  }
}

void TransportImpl::ice_received(Ice &, std::span<const uint8_t> datagram)
{
  last_received_us_.store(g_get_monotonic_time(), std::memory_order_relaxed);
  switch (classify(datagram)) {
    case DatagramKind::Dtls: {
      const uint64_t before = dtls_.application_packets();
      if (!dtls_.receive(datagram))
        counters_.dropped(DropReason::Dtls);
      counters_.dropped(DropReason::DtlsData, dtls_.application_packets() - before);
      return;
    }
    case DatagramKind::Rtp:
      receive_media(PacketKind::Rtp, datagram);
      return;
    case DatagramKind::Rtcp:
      receive_media(PacketKind::Rtcp, datagram);
      return;
    case DatagramKind::Stun:
      counters_.dropped(DropReason::Stun);
      return;
    case DatagramKind::Other:
      counters_.dropped(DropReason::Unknown);
      return;
  }
}

void TransportImpl::receive_media(PacketKind kind, std::span<const uint8_t> datagram)
{
  if (srtp_ == nullptr || receiver_ == nullptr || is_over()) {
    counters_.dropped(DropReason::HeldBackIn);
    return;
  }
  MiniPtr<GstBuffer> packet =
      adopt_mini(gst_buffer_new_allocate(nullptr, datagram.size(), nullptr));
  size_t size = datagram.size();
  {
    const MappedBuffer mapped(packet.get(), GST_MAP_WRITE);
    if (!mapped) {
      counters_.dropped(DropReason::SrtpOther);
      return;
    }
    std::memcpy(mapped.data(), datagram.data(), datagram.size());
    const SrtpOutcome outcome = srtp_->unprotect(kind, mapped.data(), &size);
    if (outcome != SrtpOutcome::Ok) {
      counters_.dropped(reason_of(outcome));
      return;
    }
  }
  gst_buffer_set_size(packet.get(), static_cast<gssize>(size));
  last_authentic_us_ = g_get_monotonic_time();
  counters_.received(size);
  receiver_->received(kind, std::move(packet));
}

const char *name_of(DropReason reason)
{
  switch (reason) {
    case DropReason::HeldBackOut:
      return "held-back-out";
    case DropReason::NotConnected:
      return "not-connected";
    case DropReason::QueueFull:
      return "queue-full";
    case DropReason::TooLong:
      return "too-long";
    case DropReason::Unprotected:
      return "unprotected";
    case DropReason::SocketFull:
      return "socket-full";
    case DropReason::SocketRefused:
      return "socket-refused";
    case DropReason::HeldBackIn:
      return "held-back-in";
    case DropReason::Malformed:
      return "malformed";
    case DropReason::Authentication:
      return "authentication";
    case DropReason::Replay:
      return "replay";
    case DropReason::SrtpOther:
      return "srtp-other";
    case DropReason::Dtls:
      return "dtls";
    case DropReason::DtlsData:
      return "dtls-data";
    case DropReason::Stun:
      return "stun";
    case DropReason::Unknown:
      return "unknown";
    case DropReason::Count:
      break;
  }
  return "";
}

}  // namespace streamlib::webrtc
