// SPDX-License-Identifier: LGPL-2.1-or-later
// Description to text.
#include "ext/webrtc/sdp/write.h"

#include <algorithm>

#include "ext/webrtc/sdp/description.h"

namespace streamlib::webrtc {

namespace sdp {

void Writer::line(std::string_view text)
{
  text_ += text;
  text_ += "\r\n";
}

void Writer::attribute(std::string_view name, std::string_view value)
{
  text_ += "a=";
  text_ += name;
  if (!value.empty()) {
    text_ += ':';
    text_ += value;
  }
  text_ += "\r\n";
}

void Writer::credentials(const IceCredentials &credentials)
{
  if (!credentials.ufrag.empty())
    attribute("ice-ufrag", credentials.ufrag);
  if (!credentials.pwd.empty())
    attribute("ice-pwd", credentials.pwd);
}

void Writer::candidates(const TransportParameters &transport)
{
  for (const std::string &candidate : transport.candidates)
    attribute("candidate", candidate);
  if (transport.end_of_candidates)
    attribute("end-of-candidates");
}

std::string joined(const std::vector<std::string> &words, const char *before)
{
  std::string text = before;
  for (const std::string &word : words)
    text += " " + word;
  return text;
}

}  // namespace sdp

namespace {

using sdp::joined;
using sdp::Writer;

const char *name_of(Direction direction)
{
  switch (direction) {
    case Direction::SendRecv:
      return "sendrecv";
    case Direction::SendOnly:
      return "sendonly";
    case Direction::RecvOnly:
      return "recvonly";
    case Direction::Inactive:
      break;
  }
  return "inactive";
}

const char *name_of(DtlsSetup setup)
{
  switch (setup) {
    case DtlsSetup::Active:
      return "active";
    case DtlsSetup::Passive:
      return "passive";
    case DtlsSetup::Actpass:
      break;
  }
  return "actpass";
}

std::string text_of(const Fingerprint &fingerprint)
{
  constexpr char digits[] = "0123456789ABCDEF";
  std::string text = fingerprint.hash + " ";
  for (size_t i = 0; i < fingerprint.digest.size(); i++) {
    if (i > 0)
      text += ':';
    text += digits[fingerprint.digest[i] >> 4];
    text += digits[fingerprint.digest[i] & 15];
  }
  return text;
}

std::string formats_of(const MediaSection &section)
{
  if (!section.is_rtp())
    return joined(section.foreign_formats, "");
  std::string formats;
  for (const Codec &codec : section.codecs) {
    formats += " " + std::to_string(codec.payload_type);
    if (codec.rtx_payload_type)
      formats += " " + std::to_string(*codec.rtx_payload_type);
  }
  // RFC 8866 wants one, for a section that is rejected too; this one stands for nothing.
  return formats.empty() ? " 127" : formats;
}

void write_codec(Writer &out, const Codec &codec)
{
  const std::string type = std::to_string(codec.payload_type);
  const std::string rate = std::to_string(codec.clock_rate);
  out.attribute("rtpmap", type + " " + codec.name + "/" + rate +
                              (codec.channels > 0 ? "/" + std::to_string(codec.channels) : ""));
  std::string parameters;
  for (const auto &[key, value] : codec.parameters) {
    parameters.append(parameters.empty() ? "" : ";").append(key);
    if (!value.empty())
      parameters.append("=").append(value);
  }
  if (!parameters.empty())
    out.attribute("fmtp", type + " " + parameters);
  for (const std::string &feedback : codec.feedback)
    out.attribute("rtcp-fb", type + " " + feedback);
  if (codec.rtx_payload_type) {
    const std::string rtx = std::to_string(*codec.rtx_payload_type);
    out.attribute("rtpmap", rtx + " rtx/" + rate);
    out.attribute("fmtp", rtx + " apt=" + type);
  }
}

void write_source(Writer &out, const MediaSection &section)
{
  if (!section.stream_id.empty())
    out.attribute("msid",
                  section.stream_id + (section.track_id.empty() ? "" : " " + section.track_id));
  if (!section.ssrc)
    return;
  const std::string ssrc = std::to_string(*section.ssrc);
  if (section.rtx_ssrc)
    out.attribute("ssrc-group", "FID " + ssrc + " " + std::to_string(*section.rtx_ssrc));
  out.attribute("ssrc", ssrc + " cname:" + section.cname);
  if (section.rtx_ssrc)
    out.attribute("ssrc", std::to_string(*section.rtx_ssrc) + " cname:" + section.cname);
}

// The tagged section has all of the transport. The others repeat who it is, not where: what is in
// use out there wants that, although RFC 9143 §7.1.3 has it only once.
void write_transport(Writer &out, const TransportParameters &transport, bool is_tagged)
{
  out.credentials(transport.credentials);
  if (transport.trickle)
    out.attribute("ice-options", "trickle");
  for (const Fingerprint &fingerprint : transport.fingerprints)
    out.attribute("fingerprint", text_of(fingerprint));
  out.attribute("setup", name_of(transport.setup));
  if (is_tagged)
    out.candidates(transport);
}

void write_section(Writer &out, const MediaSection &section, const TransportParameters &transport,
                   bool is_tagged)
{
  const bool has_port = !section.rejected && !section.bundle_only;
  out.line("m=" + section.type + (has_port ? " 9 " : " 0 ") + section.protocol +
           formats_of(section));
  out.line("c=IN IP4 0.0.0.0");
  if (!section.mid.empty())
    out.attribute("mid", section.mid);
  if (section.bundle_only)
    out.attribute("bundle-only");
  out.attribute(name_of(section.direction));
  if (is_tagged || !section.rejected)
    write_transport(out, transport, is_tagged);
  if (section.rtcp_mux)
    out.attribute("rtcp-mux");
  if (section.rtcp_mux_only)
    out.attribute("rtcp-mux-only");
  for (const HeaderExtension &extension : section.extensions)
    out.attribute("extmap", std::to_string(extension.id) + " " + extension.uri);
  if (!section.is_rtp())
    return;
  for (const Codec &codec : section.codecs)
    write_codec(out, codec);
  write_source(out, section);
}

}  // namespace

std::string write_description(const SessionDescription &description)
{
  Writer out;
  out.line("v=0");
  out.line("o=- " + std::to_string(description.id) + " " + std::to_string(description.version) +
           " IN IP4 127.0.0.1");
  out.line("s=-");
  out.line("t=0 0");
  if (!description.bundle.empty())
    out.attribute("group", joined(description.bundle, "BUNDLE"));
  if (description.transport.ice_lite)
    out.attribute("ice-lite");
  const size_t tagged = tagged_section(description);
  for (size_t i = 0; i < description.media.size(); i++)
    write_section(out, description.media[i], description.transport, i == tagged);
  return out.take();
}

}  // namespace streamlib::webrtc
