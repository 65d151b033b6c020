// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/demultiplexer.h"

#include <cstddef>

namespace streamlib::webrtc {

namespace {

constexpr size_t kStunHeader = 20;  // RFC 8489 §5.
constexpr size_t kDtlsHeader = 13;  // RFC 6347 §4.1.
constexpr size_t kRtpHeader = 12;   // RFC 3550 §5.1.
constexpr size_t kRtcpHeader = 8;   // With the SSRC of the sender, which SRTCP keeps in the clear.

DatagramKind if_complete(DatagramKind kind, size_t size, size_t header)
{
  return size >= header ? kind : DatagramKind::Other;
}

// RFC 5761 §4: the packet types of RTCP lie where RTP has its marker and the types 64 to 95.
bool is_rtcp_type(uint8_t second)
{
  return second >= 192 && second <= 223;
}

}  // namespace

DatagramKind classify(std::span<const uint8_t> datagram)
{
  const size_t size = datagram.size();
  if (size < 2)
    return DatagramKind::Other;
  const uint8_t first = datagram[0];
  if (first <= 3)
    return if_complete(DatagramKind::Stun, size, kStunHeader);
  if (first >= 20 && first <= 63)
    return if_complete(DatagramKind::Dtls, size, kDtlsHeader);
  if (first >= 128 && first <= 191) {
    if (is_rtcp_type(datagram[1]))
      return if_complete(DatagramKind::Rtcp, size, kRtcpHeader);
    return if_complete(DatagramKind::Rtp, size, kRtpHeader);
  }
  return DatagramKind::Other;
}

}  // namespace streamlib::webrtc
