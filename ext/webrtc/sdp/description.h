// SPDX-License-Identifier: LGPL-2.1-or-later
// A session description (RFC 8866) as JSEP (RFC 9429) uses it: read, written, and what is wrong
// with it. Pure functions, for any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ext/webrtc/parameters.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

// Longer ones are refused unread, in bytes.
constexpr size_t kMaxSdpBytes = size_t{128} * 1024;

// What is wrong with a text that somebody else wrote.
struct SdpFault {
  int line = 0;      // From 1; 0 where it is the text as a whole.
  std::string what;  // The fact.
  std::string why;   // What it breaks, and what to do.

  // One sentence for the user.
  std::string text() const;
};

template <typename T>
using SdpResult = support::Result<T, SdpFault>;

enum class SdpType { Offer, Answer };

// One m= section with what only its text needs.
struct MediaSection : MediaParameters {
  std::string type = "audio";  // "audio", "video"; another one is never accepted.
  std::string protocol = "UDP/TLS/RTP/SAVPF";
  std::vector<std::string> foreign_formats;  // Of a section that is neither audio nor video by RTP.
  bool bundle_only = false;                  // Port 0 that means no rejection (RFC 9143 §6).
  bool rtcp_mux = true;
  bool rtcp_mux_only = true;  // RFC 8858

  bool is_rtp() const { return foreign_formats.empty(); }
  friend bool operator==(const MediaSection &, const MediaSection &) = default;
};

struct SessionDescription {
  uint64_t id = 0;
  uint64_t version = 0;
  std::vector<std::string> bundle;  // The mids of a=group:BUNDLE; the first is the tagged one.
  std::vector<MediaSection> media;
  TransportParameters transport;  // Of the tagged section.

  friend bool operator==(const SessionDescription &, const SessionDescription &) = default;
};

// Where things stood in the text; 0 is nowhere.
struct SectionLines {
  int media = 0;
  int mid = 0;
  int direction = 0;
  std::vector<std::pair<int, int>> payload_types;  // Each number of the m= line, and its rtpmap.
};
struct DescriptionLines {
  int group = 0;
  int setup = 0;
  int credentials = 0;
  int fingerprint = 0;
  std::vector<SectionLines> media;
};

struct ParsedDescription {
  SessionDescription description;
  DescriptionLines lines;
  // What was left out and does not spoil the rest: a candidate that nobody can read, a hash that
  // nobody should use.
  std::vector<SdpFault> notes;
};

// Takes what can be understood, and leaves out the lines that it does not know. Whether the
// description can be worked with is for check_offer() and accept_answer().
SdpResult<ParsedDescription> parse_description(std::string_view text, SdpType type);

std::string write_description(const SessionDescription &description);

// The section that carries the transport: the first of the BUNDLE group, or where there is none the
// first that is not rejected. There must be a section.
size_t tagged_section(const SessionDescription &description);

// What every description of a peer must have: sections to work with, one transport for all of
// them, credentials, a fingerprint, RTCP on the same port.
SdpResult<support::Done> check_common(const ParsedDescription &parsed);

// What an offer of a peer must have besides.
SdpResult<support::Done> check_offer(const ParsedDescription &offer);

}  // namespace streamlib::webrtc
