// SPDX-License-Identifier: LGPL-2.1-or-later
// What a transport has moved, and what it has dropped and why.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace streamlib::webrtc {

enum class DropReason {
  // Going out.
  HeldBackOut,    // The peer is not verified.
  NotConnected,   // The peer was verified, and does not answer at present.
  QueueFull,      // The I/O context does not keep up.
  TooLong,        // More than a datagram takes.
  Unprotected,    // libsrtp2 refused it: it is no RTP or RTCP.
  SocketFull,     // The system takes no more at present.
  SocketRefused,  // The system, or libnice for want of consent, did not take it.
  // Coming in.
  HeldBackIn,      // Media before the peer was verified.
  Malformed,       // No RTP or RTCP that can be.
  Authentication,  // Not of the peer.
  Replay,          // It came before, or is too old.
  SrtpOther,       // libsrtp2 refused it for another reason.
  Dtls,            // Before the answer and too many, or after the end.
  DtlsData,        // Data in DTLS (a data channel), which nobody takes.
  Stun,            // Of ICE, but not of this session.
  Unknown,         // Of none of the protocols.
  Count,
};

constexpr size_t kDropReasons = static_cast<size_t>(DropReason::Count);

// As a field of statistics: "held-back-out".
const char *name_of(DropReason reason);

struct TransportStats {
  uint64_t packets_sent = 0;
  uint64_t bytes_sent = 0;  // Of RTP and RTCP, without what SRTP adds.
  uint64_t packets_received = 0;
  uint64_t bytes_received = 0;
  std::array<uint64_t, kDropReasons> drops = {};
  uint64_t skipped_candidates = 0;
  uint64_t restarts = 0;
  uint64_t consent_renewals = 0;  // Its checks were lost, while the peer was alive.
  int64_t connect_us = 0;         // From the peer's parameters to connected; 0 before.
  int64_t silent_us = -1;         // Since something came from the peer; -1 when nothing has.
  std::string local_address;
  std::string remote_address;
  // What an ICE restart changes.
  std::string local_ufrag;
  std::string remote_ufrag;
  std::string srtp_profile;
  std::string peer_fingerprint;
  bool peer_refused = false;  // It showed another certificate than its description says.

  uint64_t drops_of(DropReason reason) const { return drops[static_cast<size_t>(reason)]; }
};

// Any thread counts and reads.
class TransportCounters {
public:
  void sent(size_t bytes) { add(&packets_sent_, &bytes_sent_, bytes); }
  void received(size_t bytes) { add(&packets_received_, &bytes_received_, bytes); }
  void dropped(DropReason reason, uint64_t count = 1)
  {
    drops_[static_cast<size_t>(reason)].fetch_add(count, std::memory_order_relaxed);
  }
  void read(TransportStats *stats) const
  {
    stats->packets_sent = packets_sent_.load(std::memory_order_relaxed);
    stats->bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
    stats->packets_received = packets_received_.load(std::memory_order_relaxed);
    stats->bytes_received = bytes_received_.load(std::memory_order_relaxed);
    for (size_t i = 0; i < kDropReasons; i++)
      stats->drops[i] = drops_[i].load(std::memory_order_relaxed);
  }

private:
  static void add(std::atomic<uint64_t> *packets, std::atomic<uint64_t> *bytes, size_t size)
  {
    packets->fetch_add(1, std::memory_order_relaxed);
    bytes->fetch_add(size, std::memory_order_relaxed);
  }

  std::atomic<uint64_t> packets_sent_ = 0;
  std::atomic<uint64_t> bytes_sent_ = 0;
  std::atomic<uint64_t> packets_received_ = 0;
  std::atomic<uint64_t> bytes_received_ = 0;
  std::array<std::atomic<uint64_t>, kDropReasons> drops_ = {};
};

}  // namespace streamlib::webrtc
