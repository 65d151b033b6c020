// SPDX-License-Identifier: LGPL-2.1-or-later
// SRTP and SRTCP both ways, by libsrtp2.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <srtp2/srtp.h>

#include "ext/webrtc/packet_port.h"
#include "ext/webrtc/transport/srtp_keys.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

enum class SrtpOutcome {
  Ok,
  Malformed,       // Too short, or a header that lies about its length.
  Authentication,  // Not of the peer, or changed on the way.
  Replay,          // Came before, or is older than the window.
  Other,
};

// A context of libsrtp2 has no lock: one thread owns this object at a time (the I/O context).
class Srtp {
public:
  // What protect() may add (SRTP_MAX_TRAILER_LEN, and the index of SRTCP).
  static constexpr size_t kMaxOverhead = SRTP_MAX_TRAILER_LEN + 4;
  // RFC 3711 §3.3.2 asks for 64; retransmitted video comes later than that.
  static constexpr unsigned long kReplayWindow = 1024;

  static support::Result<std::unique_ptr<Srtp>> create(const SrtpKeys &keys);
  Srtp(const Srtp &) = delete;
  Srtp &operator=(const Srtp &) = delete;
  ~Srtp();

  // In place. `size` is that of the packet, before and after; `room` must be kMaxOverhead more than
  // before.
  SrtpOutcome protect(PacketKind kind, uint8_t *packet, size_t room, size_t *size);
  // In place. Where it fails, what the packet contains is undefined.
  SrtpOutcome unprotect(PacketKind kind, uint8_t *packet, size_t *size);

private:
  Srtp() = default;

  srtp_t sending_ = nullptr;
  srtp_t receiving_ = nullptr;
};

}  // namespace streamlib::webrtc
