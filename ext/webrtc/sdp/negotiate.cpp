// SPDX-License-Identifier: LGPL-2.1-or-later
// The peer's answer to our offer.
#include <algorithm>

#include "ext/webrtc/sdp/agreement.h"
#include "ext/webrtc/sdp/lines.h"
#include "ext/webrtc/sdp/negotiation.h"

namespace streamlib::webrtc {

using sdp::equal_names;
using sdp::quoted;
using support::Done;

namespace sdp {

bool sends(Direction direction)
{
  return direction == Direction::SendOnly || direction == Direction::SendRecv;
}

bool receives(Direction direction)
{
  return direction == Direction::RecvOnly || direction == Direction::SendRecv;
}

NegotiatedMedia agree(const MediaParameters &local, const MediaParameters &remote)
{
  NegotiatedMedia agreed{local, remote, sends(local.direction) && receives(remote.direction),
                         receives(local.direction) && sends(remote.direction)};
  agreed.local.codecs.clear();
  agreed.remote.codecs.clear();
  for (const Codec &theirs : remote.codecs) {
    for (const Codec &ours : local.codecs) {
      if (ours.payload_type != theirs.payload_type || !equal_names(ours.name, theirs.name))
        continue;
      Codec receive = ours;
      Codec send = theirs;
      if (ours.rtx_payload_type != theirs.rtx_payload_type)
        receive.rtx_payload_type = send.rtx_payload_type = std::nullopt;
      std::erase_if(receive.feedback, [&](const std::string &feedback) {
        return std::find(theirs.feedback.begin(), theirs.feedback.end(), feedback) ==
               theirs.feedback.end();
      });
      send.feedback = receive.feedback;
      agreed.local.codecs.push_back(std::move(receive));
      agreed.remote.codecs.push_back(std::move(send));
      break;
    }
  }
  std::erase_if(agreed.local.extensions, [&](const HeaderExtension &extension) {
    return std::find(remote.extensions.begin(), remote.extensions.end(), extension) ==
           remote.extensions.end();
  });
  agreed.remote.extensions = agreed.local.extensions;
  return agreed;
}

}  // namespace sdp

namespace {

const Codec *codec_with(const MediaParameters &section, int payload_type)
{
  for (const Codec &codec : section.codecs) {
    if (codec.payload_type == payload_type)
      return &codec;
  }
  return nullptr;
}

bool is_offered(const MediaParameters &offered, int payload_type)
{
  return std::any_of(offered.codecs.begin(), offered.codecs.end(), [&](const Codec &codec) {
    return codec.payload_type == payload_type || codec.rtx_payload_type == payload_type;
  });
}

int line_of(const SectionLines &lines, int payload_type)
{
  for (const auto &[type, line] : lines.payload_types) {
    if (type == payload_type)
      return line;
  }
  return lines.media;
}

SdpResult<Done> check_same_section(const MediaSection &offered, const MediaSection &answered,
                                   const SectionLines &lines)
{
  if (answered.type != offered.type)
    return SdpFault{lines.media,
                    "the section is " + quoted(answered.type) + ", the offer has " +
                        quoted(offered.type) + " there",
                    "an answer has the sections of its offer, in their order (RFC 3264 §6)"};
  // A section that is rejected need not say its mid.
  if (answered.mid != offered.mid && !(answered.rejected && answered.mid.empty()))
    return SdpFault{
        lines.mid != 0 ? lines.mid : lines.media,
        "the section's mid is " + quoted(answered.mid) + ", the offer says " + quoted(offered.mid),
        "an answer repeats the mids of its offer (RFC 5888 §9)"};
  return Done{};
}

SdpResult<Done> check_direction(const MediaSection &offered, const MediaSection &answered,
                                const SectionLines &lines)
{
  if ((!sdp::sends(answered.direction) || sdp::receives(offered.direction)) &&
      (!sdp::receives(answered.direction) || sdp::sends(offered.direction)))
    return Done{};
  const bool publishes = sdp::sends(offered.direction);
  return SdpFault{
      lines.direction != 0 ? lines.direction : lines.media,
      "the peer's direction of section " + quoted(offered.mid) + " does not go with ours",
      publishes ? "to what we only send the answer is recvonly (RFC 9725 §4.2)"
                : "to what we only receive the answer is sendonly (RFC 3264 §6.1)"};
}

SdpResult<Done> check_codecs(const MediaSection &offered, const MediaSection &answered,
                             const SectionLines &lines)
{
  for (const auto &[type, line] : lines.payload_types) {
    if (!is_offered(offered, type))
      return SdpFault{line,
                      "payload type " + std::to_string(type) + " of section " +
                          quoted(offered.mid) + " was not offered",
                      "an answer chooses from the offer (RFC 3264 §6.1)"};
  }
  for (const Codec &codec : answered.codecs) {
    const Codec *ours = codec_with(offered, codec.payload_type);
    if (ours == nullptr || !equal_names(ours->name, codec.name) ||
        ours->clock_rate != codec.clock_rate)
      return SdpFault{line_of(lines, codec.payload_type),
                      "payload type " + std::to_string(codec.payload_type) + " is " +
                          quoted(codec.name + "/" + std::to_string(codec.clock_rate)) +
                          " in the answer and something else in the offer",
                      "both sides must mean the same codec"};
  }
  if (answered.codecs.empty())
    return SdpFault{lines.media, "no codec of section " + quoted(offered.mid) + " is accepted",
                    "choose codecs that the peer has"};
  return Done{};
}

SdpResult<Done> check_setup(const SessionDescription &offer, const ParsedDescription &answer)
{
  const DtlsSetup setup = answer.description.transport.setup;
  if (setup == DtlsSetup::Actpass)
    return SdpFault{answer.lines.setup, "the answer's a=setup is actpass",
                    "an answer decides, for active or passive (RFC 8842 §5.3)"};
  if (setup == offer.transport.setup)
    return SdpFault{answer.lines.setup, "both sides want the same role in DTLS",
                    "one of them is the client (RFC 8842 §5.3)"};
  return Done{};
}

SdpResult<Done> check_sections(const SessionDescription &offer, const ParsedDescription &answer)
{
  const auto &media = answer.description.media;
  const auto &lines = answer.lines.media;
  if (media.size() != offer.media.size())
    return SdpFault{media.size() > offer.media.size() ? lines[offer.media.size()].media : 0,
                    "the answer has " + std::to_string(media.size()) + " sections, the offer " +
                        std::to_string(offer.media.size()),
                    "an answer has the sections of its offer (RFC 3264 §6)"};
  for (size_t i = 0; i < media.size(); i++) {
    auto status = check_same_section(offer.media[i], media[i], lines[i]);
    if (!status)
      return status;
    if (media[i].rejected)
      continue;
    for (auto *check : {check_direction, check_codecs}) {
      status = check(offer.media[i], media[i], lines[i]);
      if (!status)
        return status;
    }
  }
  return Done{};
}

}  // namespace

SdpResult<Negotiated> accept_answer(const SessionDescription &offer,
                                    const ParsedDescription &answer)
{
  auto status = check_sections(offer, answer);
  if (!status)
    return status.take_error();
  status = check_common(answer);
  if (!status)
    return status.take_error();
  status = check_setup(offer, answer);
  if (!status)
    return status.take_error();
  Negotiated result;
  result.notes = answer.notes;
  result.remote = answer.description.transport;
  result.role = result.remote.setup == DtlsSetup::Active ? DtlsSetup::Passive : DtlsSetup::Active;
  bool is_useful = false;
  for (size_t i = 0; i < offer.media.size(); i++) {
    const MediaSection &answered = answer.description.media[i];
    if (answered.rejected) {
      result.rejected.push_back(offer.media[i].mid);
      continue;
    }
    result.media.push_back(sdp::agree(offer.media[i], answered));
    is_useful = is_useful || result.media.back().sends || result.media.back().receives;
  }
  if (!is_useful)
    return SdpFault{answer.lines.media.front().media, "every section of the answer is inactive",
                    "nothing would flow"};
  return result;
}

}  // namespace streamlib::webrtc
