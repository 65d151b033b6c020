// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/sdp/fragment.h"

#include <algorithm>

#include "ext/webrtc/sdp/lines.h"
#include "ext/webrtc/sdp/section_draft.h"
#include "ext/webrtc/sdp/write.h"

namespace streamlib::webrtc {

using sdp::Line;
using sdp::quoted;

IceFragment fragment_of(const SessionDescription &description)
{
  const MediaSection &section = description.media[tagged_section(description)];
  IceFragment fragment;
  fragment.bundle = description.bundle;
  fragment.mid = section.mid;
  fragment.media_line = section.type + " 9 " + section.protocol;
  for (const Codec &codec : section.codecs) {
    fragment.media_line += " " + std::to_string(codec.payload_type);
    if (codec.rtx_payload_type)
      fragment.media_line += " " + std::to_string(*codec.rtx_payload_type);
  }
  fragment.credentials = description.transport.credentials;
  fragment.ice_lite = description.transport.ice_lite;
  fragment.trickle = description.transport.trickle;
  return fragment;
}

std::string write_fragment(const IceFragment &fragment)
{
  sdp::Writer out;
  if (!fragment.bundle.empty())
    out.attribute("group", sdp::joined(fragment.bundle, "BUNDLE"));
  if (fragment.ice_lite)
    out.attribute("ice-lite");
  if (fragment.trickle)
    out.attribute("ice-options", "trickle");
  out.line("m=" + fragment.media_line);
  out.attribute("mid", fragment.mid);
  out.credentials(fragment.credentials);
  TransportParameters transport;
  transport.candidates = fragment.candidates;
  transport.end_of_candidates = fragment.end_of_candidates;
  out.candidates(transport);
  return out.take();
}

SdpResult<ParsedFragment> parse_fragment(std::string_view text)
{
  auto lines = sdp::split_lines(text);
  if (!lines)
    return lines.take_error();
  ParsedFragment parsed;
  IceFragment &fragment = parsed.fragment;
  sdp::SectionDraft session;
  std::optional<sdp::SectionDraft> section;
  bool is_over = false;
  for (const Line &line : *lines) {
    if (line.type == 'm') {
      is_over = section.has_value();
      if (is_over)
        break;
      auto begun = sdp::SectionDraft::begin(line, parsed.notes);
      if (!begun)
        return begun.take_error();
      section = std::move(*begun);
      fragment.media_line = sdp::trim(line.value);
      continue;
    }
    if (line.type != 'a')
      continue;
    sdp::Attribute attribute = sdp::split_attribute(line.value);
    if (!section && attribute.name == "group" && sdp::take_word(attribute.value) == "BUNDLE") {
      fragment.bundle.clear();
      for (const std::string_view mid : sdp::words_of(attribute.value))
        fragment.bundle.emplace_back(mid);
      continue;
    }
    auto status = (section ? *section : session).take(line, parsed.notes);
    if (!status)
      return status.take_error();
  }
  if (section) {
    section->inherit(session);
    fragment.mid = section->section().mid;
  }
  const TransportParameters &transport = (section ? *section : session).transport().parameters;
  fragment.credentials = transport.credentials;
  fragment.ice_lite = transport.ice_lite;
  fragment.trickle = transport.trickle;
  fragment.candidates = transport.candidates;
  fragment.end_of_candidates = transport.end_of_candidates;
  return parsed;
}

SdpResult<TransportParameters> accept_restart(const TransportParameters &remote,
                                              const IceFragment &local, const ParsedFragment &reply)
{
  const IceFragment &fragment = reply.fragment;
  if (fragment.credentials.ufrag.empty() || fragment.credentials.pwd.empty())
    return SdpFault{0, "the reply to the ICE restart has no a=ice-ufrag or no a=ice-pwd",
                    "without them the old ICE session goes on"};
  if (fragment.credentials == remote.credentials)
    return SdpFault{0, "the reply to the ICE restart has the old credentials",
                    "the peer has not restarted (RFC 8445 §9)"};
  if (!fragment.mid.empty() && fragment.mid != local.mid)
    return SdpFault{0,
                    "the reply to the ICE restart is for mid " + quoted(fragment.mid) +
                        " instead of " + quoted(local.mid),
                    "only the BUNDLE-tagged section has a transport (RFC 8840 §4.4)"};
  if (fragment.ice_lite != remote.ice_lite)
    return SdpFault{0, "the reply to the ICE restart changes a=ice-lite",
                    "a peer keeps its role (RFC 9725 §4.3.3)"};
  TransportParameters transport = remote;
  transport.credentials = fragment.credentials;
  transport.candidates = fragment.candidates;
  transport.end_of_candidates = fragment.end_of_candidates;
  return transport;
}

}  // namespace streamlib::webrtc
