// SPDX-License-Identifier: LGPL-2.1-or-later
// Offer and answer (RFC 3264, RFC 9429) for sessions with one audio and one video at most. Pure
// functions, for any thread.
#pragma once

#include <string>
#include <vector>

#include "ext/webrtc/sdp/description.h"

namespace streamlib::webrtc {

// RFC 9143 §14.1
constexpr const char *kMidExtension = "urn:ietf:params:rtp-hdrext:sdes:mid";

// One medium that this side has.
struct LocalMedia {
  MediaKind kind = MediaKind::Audio;
  // By preference. In an offer they get payload types where they have none, and an RTX each where
  // `with_rtx` says so.
  std::vector<Codec> codecs;
  std::optional<uint32_t> ssrc;  // Where it sends.
  std::optional<uint32_t> rtx_ssrc;
  std::string track_id;
};

// What this side is, whether it offers or answers.
struct LocalSide {
  uint64_t session_id = 0;  // By chance, below 2⁶³ (RFC 9429 §5.2.1).
  Direction direction = Direction::SendOnly;
  TransportParameters transport;
  std::string cname;
  std::string stream_id;  // One for all (RFC 9725 §4.4.2).
  std::vector<LocalMedia> media;
  std::vector<HeaderExtension> extensions = {{1, kMidExtension}};
  bool with_rtx = true;  // For video; retransmitted sound comes too late.
};

// One section, and what both sides have agreed upon. `local` says what may come in and what we call
// it, `remote` what the peer wants to have: remote.codecs are those to send, by the peer's
// preference, local.codecs those to receive; both have the same payload types, RTX and extensions.
struct NegotiatedMedia {
  MediaParameters local;
  MediaParameters remote;
  bool sends = false;
  bool receives = false;
};

struct Negotiated {
  std::vector<NegotiatedMedia> media;  // Without the sections that were rejected.
  std::vector<std::string> rejected;   // Their mids.
  TransportParameters remote;
  DtlsSetup role = DtlsSetup::Active;  // Ours: active is the client.
  std::vector<SdpFault> notes;         // What was left out of the answer.
};

SessionDescription make_offer(const LocalSide &local);

// The peer's answer to `offer`, which is ours.
SdpResult<Negotiated> accept_answer(const SessionDescription &offer,
                                    const ParsedDescription &answer);

struct Answer {
  SessionDescription description;
  Negotiated negotiated;
};

// Our answer to a peer's offer: of each codec that both have, by our preference. local.direction
// is what we want to do: what the offer does not let us do is not done.
SdpResult<Answer> make_answer(const ParsedDescription &offer, const LocalSide &local);

}  // namespace streamlib::webrtc
