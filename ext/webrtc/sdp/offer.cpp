// SPDX-License-Identifier: LGPL-2.1-or-later
// Our offer.
#include "ext/webrtc/sdp/negotiation.h"

namespace streamlib::webrtc {

namespace {

// RFC 3551 §6
constexpr int kFirstDynamicType = 96;

class PayloadTypes {
public:
  explicit PayloadTypes(const LocalSide &local)
  {
    for (const LocalMedia &media : local.media) {
      for (const Codec &codec : media.codecs) {
        take(codec.payload_type);
        take(codec.rtx_payload_type.value_or(-1));
      }
    }
  }

  // One that nobody has. There are more than anybody offers.
  int next()
  {
    while (next_ < kCount && is_taken_[next_])
      next_++;
    const int type = next_;
    take(type);
    return type;
  }

private:
  static constexpr int kCount = 128;
  void take(int type)
  {
    if (type >= 0 && type < kCount)
      is_taken_[type] = true;
  }

  bool is_taken_[kCount] = {};
  int next_ = kFirstDynamicType;
};

MediaSection section_of(const LocalSide &local, const LocalMedia &media, PayloadTypes &types)
{
  MediaSection section;
  section.kind = media.kind;
  section.type = media.kind == MediaKind::Video ? "video" : "audio";
  section.direction = local.direction;
  section.codecs = media.codecs;
  for (Codec &codec : section.codecs) {
    if (codec.payload_type < 0)
      codec.payload_type = types.next();
    if (media.kind == MediaKind::Video && local.with_rtx && !codec.rtx_payload_type)
      codec.rtx_payload_type = types.next();
  }
  section.extensions = local.extensions;
  if (local.direction == Direction::SendOnly || local.direction == Direction::SendRecv) {
    section.ssrc = media.ssrc;
    section.rtx_ssrc = media.rtx_ssrc;
    section.cname = media.ssrc ? local.cname : "";
    section.stream_id = local.stream_id;
    section.track_id = media.track_id;
  }
  return section;
}

}  // namespace

SessionDescription make_offer(const LocalSide &local)
{
  SessionDescription offer;
  offer.id = local.session_id;
  offer.version = 1;
  offer.transport = local.transport;
  offer.transport.setup = DtlsSetup::Actpass;
  PayloadTypes types(local);
  for (const LocalMedia &media : local.media) {
    MediaSection section = section_of(local, media, types);
    section.mid = std::to_string(offer.media.size());
    section.bundle_only = !offer.media.empty();
    offer.bundle.push_back(section.mid);
    offer.media.push_back(std::move(section));
  }
  return offer;
}

}  // namespace streamlib::webrtc
