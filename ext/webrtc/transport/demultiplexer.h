// SPDX-License-Identifier: LGPL-2.1-or-later
// What a datagram on the one port of a session is (RFC 7983 §7, RFC 5761 §4).
#pragma once

#include <cstdint>
#include <span>

namespace streamlib::webrtc {

enum class DatagramKind { Stun, Dtls, Rtp, Rtcp, Other };

// Never reads behind the end; what is shorter than the header of its kind is Other.
DatagramKind classify(std::span<const uint8_t> datagram);

}  // namespace streamlib::webrtc
