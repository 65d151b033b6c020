// SPDX-License-Identifier: LGPL-2.1-or-later
// To which media section of a BUNDLE group a packet belongs (RFC 9143 §9.2).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ext/webrtc/parameters.h"

namespace streamlib::webrtc {

// What the border of a section needs to know of a packet.
struct PacketFacts {
  uint32_t ssrc = 0;
  int payload_type = -1;
  // Of the MID header extension; empty where there is none.
  std::string_view mid;
};

constexpr char kMidUri[] = "urn:ietf:params:rtp-hdrext:sdes:mid";

// The id of the MID extension; 0 where the section has none.
int mid_extension_id(const MediaParameters &section);

// Sections are named by their index. One thread at a time.
class MidDemux {
public:
  static constexpr int kNone = -1;
  // What a hostile peer can make us remember.
  static constexpr size_t kMaxSsrcs = 256;

  // `ours` says which payload types and MIDs come in, `remote` the SSRCs that the peer announced.
  void add(const MediaParameters &ours, const MediaParameters &remote);

  // First by MID, which also binds the SSRC; then by SSRC; then by a payload type that only one
  // section has, which binds the SSRC too.
  int section_of(const PacketFacts &packet);
  int section_of_ssrc(uint32_t ssrc) const;
  // A stream is over: its SSRC makes room, unless the peer announced it.
  void forget(uint32_t ssrc);

private:
  void bind(uint32_t ssrc, int section);

  static constexpr int kSeveral = -2;
  std::vector<std::string> mids_;
  std::unordered_map<uint32_t, int> ssrcs_;
  std::vector<uint32_t> announced_;
  std::array<int, 128> payload_types_ = make_empty();

  static constexpr std::array<int, 128> make_empty()
  {
    std::array<int, 128> types{};
    for (int &type : types)
      type = kNone;
    return types;
  }
};

}  // namespace streamlib::webrtc
