// SPDX-License-Identifier: LGPL-2.1-or-later
// application/trickle-ice-sdpfrag (RFC 8840 §9), as WHIP and WHEP use it: candidates, and ICE
// restarts. Pure functions, for any thread.
#pragma once

#include "ext/webrtc/sdp/description.h"

namespace streamlib::webrtc {

// The BUNDLE-tagged section and what ICE says of it (RFC 8840 §4.4).
struct IceFragment {
  std::vector<std::string> bundle;
  std::string mid;
  std::string media_line;  // "audio 9 UDP/TLS/RTP/SAVPF 111"
  IceCredentials credentials;
  bool ice_lite = false;
  bool trickle = false;
  std::vector<std::string> candidates;
  bool end_of_candidates = false;

  friend bool operator==(const IceFragment &, const IceFragment &) = default;
};

// Of a description of ours, with its credentials and without candidates.
IceFragment fragment_of(const SessionDescription &description);

std::string write_fragment(const IceFragment &fragment);

struct ParsedFragment {
  IceFragment fragment;
  std::vector<SdpFault> notes;
};

// Of several sections the first counts.
SdpResult<ParsedFragment> parse_fragment(std::string_view text);

// The reply to an ICE restart: new credentials, and the peer's transport with them and with the
// candidates that replace the old ones (RFC 9725 §4.3.3). `remote` is what was agreed upon.
SdpResult<TransportParameters> accept_restart(const TransportParameters &remote,
                                              const IceFragment &local,
                                              const ParsedFragment &reply);

}  // namespace streamlib::webrtc
