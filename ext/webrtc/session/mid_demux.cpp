// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/mid_demux.h"

#include <algorithm>

namespace streamlib::webrtc {

int mid_extension_id(const MediaParameters &section)
{
  for (const HeaderExtension &extension : section.extensions)
    if (extension.uri == kMidUri)
      return extension.id;
  return 0;
}

void MidDemux::add(const MediaParameters &ours, const MediaParameters &remote)
{
  const int section = static_cast<int>(mids_.size());
  mids_.push_back(ours.mid);
  if (ours.rejected || remote.rejected)
    return;
  const auto claim = [&](int type) {
    if (type < 0 || type > 127)
      return;
    int &owner = payload_types_[static_cast<size_t>(type)];
    owner = owner == kNone || owner == section ? section : kSeveral;
  };
  for (const Codec &codec : ours.codecs) {
    claim(codec.payload_type);
    if (codec.rtx_payload_type)
      claim(*codec.rtx_payload_type);
  }
  for (const auto &ssrc : {remote.ssrc, remote.rtx_ssrc})
    if (ssrc) {
      announced_.push_back(*ssrc);
      bind(*ssrc, section);
    }
}

void MidDemux::bind(uint32_t ssrc, int section)
{
  if (ssrcs_.size() < kMaxSsrcs || ssrcs_.count(ssrc) != 0)
    ssrcs_[ssrc] = section;
}

int MidDemux::section_of_ssrc(uint32_t ssrc) const
{
  const auto found = ssrcs_.find(ssrc);
  return found != ssrcs_.end() ? found->second : kNone;
}

void MidDemux::forget(uint32_t ssrc)
{
  if (std::find(announced_.begin(), announced_.end(), ssrc) == announced_.end())
    ssrcs_.erase(ssrc);
}

int MidDemux::section_of(const PacketFacts &packet)
{
  if (!packet.mid.empty()) {
    for (size_t i = 0; i < mids_.size(); i++)
      if (mids_[i] == packet.mid) {
        bind(packet.ssrc, static_cast<int>(i));
        return section_of_ssrc(packet.ssrc);
      }
    // A MID that no section has: the packet is dropped (RFC 9143 §9.2).
    return kNone;
  }
  const int known = section_of_ssrc(packet.ssrc);
  if (known != kNone)
    return known;
  if (packet.payload_type < 0 || packet.payload_type > 127)
    return kNone;
  const int owner = payload_types_[static_cast<size_t>(packet.payload_type)];
  if (owner < 0)
    return kNone;
  bind(packet.ssrc, owner);
  return section_of_ssrc(packet.ssrc);
}

}  // namespace streamlib::webrtc
