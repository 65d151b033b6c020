// SPDX-License-Identifier: LGPL-2.1-or-later
// The value of a=candidate, read with the distrust that the network deserves (RFC 8839 §5.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "gst/support/result.h"

namespace streamlib::webrtc {

enum class CandidateType { Host, ServerReflexive, PeerReflexive, Relayed };
enum class CandidateTransport { Udp, TcpActive, TcpPassive, TcpSo };

struct Candidate {
  std::string foundation;
  int component = 1;
  CandidateTransport transport = CandidateTransport::Udp;
  uint32_t priority = 0;
  std::string address;  // Numeric, of IPv4 or IPv6.
  uint16_t port = 0;
  CandidateType type = CandidateType::Host;
};

// Why there is no candidate: a failure's code.
enum CandidateProblem {
  kCandidateMalformed = 1,
  kCandidateHidden,    // A name under .local (mDNS), which only the peer's own network knows.
  kCandidateNamed,     // Another name: nothing here asks a name server on behalf of a peer.
  kCandidateUnusable,  // Another component, an unknown transport or type.
};

// With or without "a=" and "candidate:" in front.
support::Result<Candidate> parse_candidate(std::string_view value);

// RFC 8839 §5.4: 4 to 256 characters for ufrag, 22 to 256 for pwd.
bool is_ufrag(std::string_view text);
bool is_pwd(std::string_view text);

}  // namespace streamlib::webrtc
