// SPDX-License-Identifier: LGPL-2.1-or-later
// What a description of a peer must have before anything is done with it.
#include <algorithm>

#include "ext/webrtc/sdp/lines.h"

namespace streamlib::webrtc {

using sdp::quoted;
using support::Done;

namespace {

bool is_used(const MediaSection &section)
{
  return !section.rejected && section.is_rtp();
}

SdpResult<Done> check_bundle(const ParsedDescription &parsed)
{
  const SessionDescription &description = parsed.description;
  const auto used = std::count_if(description.media.begin(), description.media.end(), is_used);
  if (description.bundle.empty()) {
    if (used > 1)
      return SdpFault{0, "there is no a=group:BUNDLE",
                      "all sections must share one transport (RFC 9725 §4.4.1); switch BUNDLE on "
                      "at the peer"};
    return Done{};
  }
  const size_t tagged = tagged_section(description);
  if (description.media[tagged].rejected)
    return SdpFault{
        parsed.lines.media[tagged].media,
        "the BUNDLE-tagged section " + quoted(description.bundle.front()) + " is rejected",
        "with it goes the transport of all the others (RFC 9143 §7.3.3); the peer "
        "probably takes none of its codecs"};
  return Done{};
}

SdpResult<Done> check_transport(const ParsedDescription &parsed)
{
  const SessionDescription &description = parsed.description;
  const size_t tagged = tagged_section(description);
  const int line = parsed.lines.media[tagged].media;
  const std::string where = "in section " + quoted(description.media[tagged].mid);
  const TransportParameters &transport = description.transport;
  if (transport.credentials.ufrag.empty())
    return SdpFault{line, "there is no a=ice-ufrag " + where, "ICE cannot begin without it"};
  if (transport.credentials.pwd.empty())
    return SdpFault{line, "there is no a=ice-pwd " + where, "ICE cannot begin without it"};
  if (transport.fingerprints.empty())
    return SdpFault{line, "there is no a=fingerprint " + where,
                    "the peer's certificate could not be verified, so nothing is sent to it"};
  if (parsed.lines.setup == 0)
    return SdpFault{line, "there is no a=setup " + where,
                    "it says who begins with DTLS (RFC 8842 §5)"};
  return Done{};
}

SdpResult<Done> check_sections(const ParsedDescription &parsed)
{
  const auto &media = parsed.description.media;
  for (size_t i = 0; i < media.size(); i++) {
    if (!is_used(media[i]))
      continue;
    const int line = parsed.lines.media[i].media;
    if (media[i].mid.empty())
      return SdpFault{line, "the section has no a=mid", "BUNDLE needs it (RFC 9143 §6)"};
    if (!media[i].rtcp_mux)
      return SdpFault{line, "section " + quoted(media[i].mid) + " has no a=rtcp-mux",
                      "RTP and RTCP must share a port (RFC 9725 §4.4.1)"};
  }
  if (std::none_of(media.begin(), media.end(), is_used))
    return SdpFault{parsed.lines.media.front().media, "every section is rejected",
                    "the peer takes none of the codecs; choose others"};
  return Done{};
}

}  // namespace

SdpResult<Done> check_common(const ParsedDescription &parsed)
{
  for (auto *check : {check_bundle, check_sections, check_transport}) {
    auto status = check(parsed);
    if (!status)
      return status;
  }
  return Done{};
}

SdpResult<Done> check_offer(const ParsedDescription &offer)
{
  auto status = check_common(offer);
  if (!status)
    return status;
  const auto &media = offer.description.media;
  for (size_t i = 0; i < media.size(); i++) {
    const auto &bundle = offer.description.bundle;
    if (is_used(media[i]) && !bundle.empty() &&
        std::find(bundle.begin(), bundle.end(), media[i].mid) == bundle.end())
      return SdpFault{offer.lines.media[i].media,
                      "section " + quoted(media[i].mid) + " is not in the BUNDLE group",
                      "all sections must share one transport (RFC 9725 §4.4.1)"};
  }
  return Done{};
}

}  // namespace streamlib::webrtc
