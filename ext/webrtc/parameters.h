// SPDX-License-Identifier: LGPL-2.1-or-later
// What a session description says, in the terms that the transport and the peer session work
// with: the one vocabulary between `sdp`, `transport`, `session` and `signalling`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace streamlib::webrtc {

enum class MediaKind { Audio, Video };

// As the side says it that the parameters belong to.
enum class Direction { Inactive, SendOnly, RecvOnly, SendRecv };

// a=setup (RFC 8842 §5).
enum class DtlsSetup { Actpass, Active, Passive };

// One payload type of a media section: a=rtpmap, a=fmtp, a=rtcp-fb.
struct Codec {
  int payload_type = -1;
  std::string name;    // As a=rtpmap spells it: "VP8", "H264", "opus".
  int clock_rate = 0;  // In Hz.
  int channels = 0;    // 0: not given (video).
  std::vector<std::pair<std::string, std::string>> parameters;  // a=fmtp, in order.
  std::vector<std::string> feedback;                            // "nack", "nack pli", "ccm fir".
  std::optional<int> rtx_payload_type;                          // RFC 4588, by `apt`.

  friend bool operator==(const Codec &, const Codec &) = default;
};

// a=extmap (RFC 8285).
struct HeaderExtension {
  int id = 0;
  std::string uri;

  friend bool operator==(const HeaderExtension &, const HeaderExtension &) = default;
};

// One m= section.
struct MediaParameters {
  std::string mid;
  MediaKind kind = MediaKind::Audio;
  Direction direction = Direction::Inactive;
  bool rejected = false;      // Port 0 without bundle-only, or not in the BUNDLE group's answer.
  std::vector<Codec> codecs;  // By preference; without the rtx ones, which hang on their codec.
  std::vector<HeaderExtension> extensions;
  std::optional<uint32_t> ssrc;      // Of the sender that this side is.
  std::optional<uint32_t> rtx_ssrc;  // a=ssrc-group:FID.
  std::string cname;
  std::string stream_id;  // a=msid; one for all sections (RFC 9725 §4.4.2).
  std::string track_id;

  friend bool operator==(const MediaParameters &, const MediaParameters &) = default;
};

// a=fingerprint (RFC 8122).
struct Fingerprint {
  std::string hash;  // Lower case: "sha-256".
  std::vector<uint8_t> digest;

  friend bool operator==(const Fingerprint &, const Fingerprint &) = default;
};

struct IceCredentials {
  std::string ufrag;
  std::string pwd;

  friend bool operator==(const IceCredentials &, const IceCredentials &) = default;
};

// What the BUNDLE-tagged section says of the one transport that all sections share.
struct TransportParameters {
  IceCredentials credentials;
  bool ice_lite = false;
  bool trickle = false;  // a=ice-options:trickle
  std::vector<std::string>
      candidates;  // Values of a=candidate: "foundation 1 udp …" (RFC 8839 §5.1).
  bool end_of_candidates = false;
  std::vector<Fingerprint> fingerprints;
  DtlsSetup setup = DtlsSetup::Actpass;

  friend bool operator==(const TransportParameters &, const TransportParameters &) = default;
};

// A STUN or TURN server, of a property or of a Link header (RFC 9725 §4.6).
struct IceServer {
  std::string uri;  // "stun:host:port", "turn:host:port?transport=udp", "turns:…" (RFC 7064, 7065).
  std::string username;
  std::string credential;

  friend bool operator==(const IceServer &, const IceServer &) = default;
};

}  // namespace streamlib::webrtc
