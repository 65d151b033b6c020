// SPDX-License-Identifier: LGPL-2.1-or-later
// Our answer to the offer of a peer.
#include <algorithm>

#include "ext/webrtc/sdp/agreement.h"
#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/lines.h"

namespace streamlib::webrtc {

namespace {

Direction direction_of(bool sends, bool receives)
{
  if (sends)
    return receives ? Direction::SendRecv : Direction::SendOnly;
  return receives ? Direction::RecvOnly : Direction::Inactive;
}

const LocalMedia *media_of(const LocalSide &local, MediaKind kind)
{
  for (const LocalMedia &media : local.media) {
    if (media.kind == kind)
      return &media;
  }
  return nullptr;
}

// Those that both have, by our preference, with the peer's numbers.
std::vector<Codec> common_codecs(const MediaSection &offered, const LocalMedia &ours, bool with_rtx)
{
  std::vector<Codec> codecs;
  for (const Codec &own : ours.codecs) {
    for (const Codec &theirs : offered.codecs) {
      if (!is_same_codec(own, theirs))
        continue;
      Codec codec = own;
      codec.name = theirs.name;
      codec.channels = theirs.channels;
      codec.payload_type = theirs.payload_type;
      codec.rtx_payload_type = with_rtx ? theirs.rtx_payload_type : std::nullopt;
      std::erase_if(codec.feedback, [&](const std::string &feedback) {
        return std::find(theirs.feedback.begin(), theirs.feedback.end(), feedback) ==
               theirs.feedback.end();
      });
      const auto is_there = [&](const Codec &known) {
        return known.payload_type == codec.payload_type;
      };
      if (std::none_of(codecs.begin(), codecs.end(), is_there))
        codecs.push_back(std::move(codec));
    }
  }
  return codecs;
}

// The peer's numbers for the extensions that we know too.
std::vector<HeaderExtension> common_extensions(const MediaSection &offered, const LocalSide &local)
{
  std::vector<HeaderExtension> extensions;
  for (const HeaderExtension &extension : offered.extensions) {
    const auto is_known = [&](const HeaderExtension &own) { return own.uri == extension.uri; };
    if (std::any_of(local.extensions.begin(), local.extensions.end(), is_known))
      extensions.push_back(extension);
  }
  return extensions;
}

MediaSection rejection_of(const MediaSection &offered)
{
  MediaSection section = offered;
  section.rejected = true;
  section.bundle_only = false;
  section.direction = Direction::Inactive;
  section.ssrc = section.rtx_ssrc = std::nullopt;
  section.cname = section.stream_id = section.track_id = "";
  section.extensions.clear();
  return section;
}

// Rejected where it is nothing for us.
MediaSection answer_of(const MediaSection &offered, const LocalSide &local, bool is_second)
{
  const LocalMedia *media = media_of(local, offered.kind);
  const Direction direction =
      direction_of(sdp::sends(local.direction) && sdp::receives(offered.direction),
                   sdp::receives(local.direction) && sdp::sends(offered.direction));
  if (offered.rejected || !offered.is_rtp() || media == nullptr || is_second ||
      direction == Direction::Inactive)
    return rejection_of(offered);
  const bool is_video = offered.kind == MediaKind::Video;
  MediaSection section;
  section.codecs = common_codecs(offered, *media, is_video && local.with_rtx);
  if (section.codecs.empty())
    return rejection_of(offered);
  section.mid = offered.mid;
  section.kind = offered.kind;
  section.type = offered.type;
  section.protocol = offered.protocol;
  section.direction = direction;
  section.rtcp_mux_only = offered.rtcp_mux_only;
  section.extensions = common_extensions(offered, local);
  if (sdp::sends(direction)) {
    section.ssrc = media->ssrc;
    if (section.codecs.front().rtx_payload_type)
      section.rtx_ssrc = media->rtx_ssrc;
    section.cname = media->ssrc ? local.cname : "";
    section.stream_id = local.stream_id;
    section.track_id = media->track_id;
  }
  return section;
}

// Who sends the ClientHello: we do, where it is for us to choose (RFC 9429 §5.3.1).
DtlsSetup setup_for(DtlsSetup offered)
{
  return offered == DtlsSetup::Active ? DtlsSetup::Passive : DtlsSetup::Active;
}

}  // namespace

SdpResult<Answer> make_answer(const ParsedDescription &offer, const LocalSide &local)
{
  auto status = check_offer(offer);
  if (!status)
    return status.take_error();
  const SessionDescription &offered = offer.description;
  Answer answer;
  answer.description.id = local.session_id;
  answer.description.version = 1;
  answer.description.transport = local.transport;
  answer.description.transport.setup = setup_for(offered.transport.setup);
  Negotiated &result = answer.negotiated;
  result.notes = offer.notes;
  result.remote = offered.transport;
  result.role = answer.description.transport.setup;
  bool has_kind[2] = {};
  for (const MediaSection &section : offered.media) {
    bool &is_there = has_kind[section.kind == MediaKind::Video ? 1 : 0];
    MediaSection own = answer_of(section, local, is_there);
    if (own.rejected) {
      result.rejected.push_back(own.mid);
    } else {
      is_there = true;
      result.media.push_back(sdp::agree(own, section));
      // By our preference, both ways.
      std::stable_sort(
          result.media.back().remote.codecs.begin(), result.media.back().remote.codecs.end(),
          [&](const Codec &a, const Codec &b) {
            const auto rank = [&](const Codec &codec) {
              size_t at = 0;
              while (at < own.codecs.size() && own.codecs[at].payload_type != codec.payload_type)
                at++;
              return at;
            };
            return rank(a) < rank(b);
          });
      result.media.back().local.codecs = own.codecs;
      if (!offered.bundle.empty())
        answer.description.bundle.push_back(own.mid);
    }
    answer.description.media.push_back(std::move(own));
  }
  if (result.media.empty())
    return SdpFault{offer.lines.media.front().media, "nothing in the offer is for us",
                    "no section has a codec and a direction that both sides can do; choose other "
                    "codecs here or at the peer"};
  return answer;
}

}  // namespace streamlib::webrtc
