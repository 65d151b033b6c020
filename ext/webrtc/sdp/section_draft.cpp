// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/sdp/section_draft.h"

#include <algorithm>

namespace streamlib::webrtc::sdp {

using support::Done;

namespace {

constexpr size_t kMaxFormats = 128;
constexpr size_t kMaxExtensions = 64;
constexpr size_t kMaxParameters = 64;
constexpr size_t kMaxFeedback = 32;
constexpr size_t kMaxSsrcs = 64;
constexpr int kMaxPayloadType = 127;
constexpr int kMaxExtensionId = 255;

// RFC 3551 §6: those that are in use without an a=rtpmap.
const struct {
  int payload_type;
  const char *name;
} kStaticTypes[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}};
constexpr int kStaticClockRate = 8000;

bool is_rtp_protocol(std::string_view protocol)
{
  return protocol.find("RTP/") != std::string_view::npos;
}

template <typename T>
void add_once(std::vector<T> &list, T value, size_t limit)
{
  if (list.size() < limit && std::find(list.begin(), list.end(), value) == list.end())
    list.push_back(std::move(value));
}

}  // namespace

SdpResult<SectionDraft> SectionDraft::begin(const Line &line, Notes &notes)
{
  const auto words = words_of(line.value);
  if (words.size() < 4)
    return SdpFault{line.number, quoted(line.value) + " is no m= line",
                    "it needs media, port, protocol and formats (RFC 8866 §5.14)"};
  const auto port = number_of<uint16_t>(words[1].substr(0, words[1].find('/')));
  if (!port)
    return SdpFault{line.number, quoted(words[1]) + " is no port", "it is from 0 to 65535"};
  SectionDraft draft;
  draft.is_session_ = false;
  draft.has_zero_port_ = *port == 0;
  draft.lines_.media = line.number;
  MediaSection &section = draft.section_;
  section.type = words[0];
  section.protocol = words[2];
  section.direction = Direction::SendRecv;
  section.rtcp_mux = section.rtcp_mux_only = false;
  section.kind = section.type == "video" ? MediaKind::Video : MediaKind::Audio;
  const bool is_known =
      (section.type == "audio" || section.type == "video") && is_rtp_protocol(section.protocol);
  if (words.size() - 3 > kMaxFormats)
    return SdpFault{line.number, "there are more than " + std::to_string(kMaxFormats) + " formats",
                    "RTP has no more payload types"};
  for (auto word = words.begin() + 3; word != words.end(); ++word) {
    if (!is_known) {
      section.foreign_formats.emplace_back(*word);
      continue;
    }
    const auto payload_type = number_of<int>(*word);
    if (!payload_type || *payload_type < 0 || *payload_type > kMaxPayloadType)
      return SdpFault{line.number, quoted(*word) + " is no payload type",
                      "it is a number from 0 to 127 (RFC 3550 §5.1)"};
    if (!draft.formats_.emplace(*payload_type, Format{}).second) {
      notes.push_back({line.number, "payload type " + std::string(*word) + " stands there twice",
                       "the first one counts"});
      continue;
    }
    draft.order_.push_back(*payload_type);
    draft.lines_.payload_types.emplace_back(*payload_type, line.number);
  }
  for (const auto &known : kStaticTypes) {
    const auto found = draft.formats_.find(known.payload_type);
    if (found == draft.formats_.end())
      continue;
    found->second.codec.name = known.name;
    found->second.codec.clock_rate = kStaticClockRate;
    found->second.has_map = true;
  }
  return draft;
}

SectionDraft::Status SectionDraft::take(const Line &line, Notes &notes)
{
  const Attribute attribute = split_attribute(line.value);
  bool is_taken = false;
  auto status = take_transport(line, attribute, notes, is_taken);
  if (!status || is_taken)
    return status;
  if (take_direction(line, attribute.name))
    return Done{};
  if (attribute.name == "extmap")
    take_extension(line, attribute.value, notes);
  // The rest is not for the session as a whole.
  if (is_session_)
    return Done{};
  if (attribute.name == "mid") {
    if (attribute.value.empty() || words_of(attribute.value).size() != 1)
      return SdpFault{line.number, quoted(attribute.value) + " is no mid",
                      "it is one word (RFC 5888 §4)"};
    if (!section_.mid.empty())
      return SdpFault{line.number, "the section has mid " + quoted(section_.mid) + " already",
                      "one of them is too much"};
    section_.mid = attribute.value;
    lines_.mid = line.number;
  } else if (attribute.name == "rtcp-mux") {
    section_.rtcp_mux = true;
  } else if (attribute.name == "rtcp-mux-only") {
    section_.rtcp_mux_only = true;
  } else if (attribute.name == "bundle-only") {
    section_.bundle_only = true;
  }
  if (!section_.is_rtp())
    return Done{};
  if (attribute.name == "rtpmap") {
    return take_rtpmap(line, attribute.value);
  } else if (attribute.name == "fmtp") {
    take_fmtp(attribute.value);
  } else if (attribute.name == "rtcp-fb") {
    take_feedback(attribute.value);
  } else if (attribute.name == "ssrc") {
    take_ssrc(attribute.value);
  } else if (attribute.name == "ssrc-group") {
    take_ssrc_group(attribute.value);
  } else if (attribute.name == "msid" && section_.stream_id.empty()) {
    take_msid(attribute.value);
  }
  return Done{};
}

bool SectionDraft::take_direction(const Line &line, std::string_view name)
{
  static const struct {
    const char *name;
    Direction direction;
  } names[] = {{"sendrecv", Direction::SendRecv},
               {"sendonly", Direction::SendOnly},
               {"recvonly", Direction::RecvOnly},
               {"inactive", Direction::Inactive}};
  for (const auto &known : names) {
    if (name != known.name)
      continue;
    section_.direction = known.direction;
    has_direction_ = true;
    lines_.direction = line.number;
    return true;
  }
  return false;
}

SectionDraft::Status SectionDraft::take_rtpmap(const Line &line, std::string_view value)
{
  const std::string_view payload_type = take_word(value);
  Format *format = format_of(payload_type);
  // Of a payload type that the m= line does not name.
  if (format == nullptr)
    return Done{};
  const std::string_view name = take_word(value, '/');
  const std::string_view clock_rate = take_word(value, '/');
  const auto rate = number_of<int>(clock_rate);
  const auto channels = number_of<int>(value);
  if (name.empty() || words_of(name).size() != 1 || !rate || *rate <= 0 ||
      (!value.empty() && (!channels || *channels <= 0 || *channels > 255)))
    return SdpFault{line.number, quoted(line.value) + " cannot be read",
                    "it is a payload type, a name, a clock rate and channels (RFC 8866 §6.6)"};
  if (format->has_map && lines_.payload_types.size() > 0) {
    const bool is_same = equal_names(format->codec.name, name) && format->codec.clock_rate == *rate;
    for (const auto &[type, where] : lines_.payload_types) {
      if (type == number_of<int>(payload_type) && where != lines_.media && !is_same)
        return SdpFault{line.number,
                        "payload type " + std::string(payload_type) +
                            " is something else in line " + std::to_string(where),
                        "one number stands for one codec"};
    }
  }
  format->has_map = true;
  format->codec.name = name;
  format->codec.clock_rate = *rate;
  format->codec.channels = channels.value_or(0);
  for (auto &[type, where] : lines_.payload_types) {
    if (type == number_of<int>(payload_type))
      where = line.number;
  }
  return Done{};
}

SectionDraft::Format *SectionDraft::format_of(std::string_view payload_type)
{
  const auto number = number_of<int>(payload_type);
  const auto found = number ? formats_.find(*number) : formats_.end();
  return found != formats_.end() ? &found->second : nullptr;
}

void SectionDraft::take_fmtp(std::string_view value)
{
  Format *format = format_of(take_word(value));
  if (format == nullptr)
    return;
  while (!value.empty()) {
    std::string_view pair = take_word(value, ';');
    const size_t sign = pair.find('=');
    const std::string_view key = trim(pair.substr(0, sign));
    const std::string_view content =
        sign == std::string_view::npos ? std::string_view{} : trim(pair.substr(sign + 1));
    if (key.empty() || format->codec.parameters.size() == kMaxParameters)
      continue;
    if (equal_names(key, "apt"))
      format->apt = number_of<int>(content);
    format->codec.parameters.emplace_back(key, content);
  }
}

void SectionDraft::take_feedback(std::string_view value)
{
  const std::string_view payload_type = take_word(value);
  if (value.empty())
    return;
  if (payload_type == "*")
    add_once(feedback_of_all_, std::string(value), kMaxFeedback);
  else if (Format *format = format_of(payload_type))
    add_once(format->codec.feedback, std::string(value), kMaxFeedback);
}

void SectionDraft::take_extension(const Line &line, std::string_view value, Notes &notes)
{
  std::string_view id_and_direction = take_word(value);
  const std::string_view uri = take_word(value);
  const auto id = number_of<int>(take_word(id_and_direction, '/'));
  const auto has_id = [&](const HeaderExtension &known) { return known.id == *id; };
  auto &extensions = section_.extensions;
  if (!id || *id < 1 || *id > kMaxExtensionId || uri.empty() ||
      extensions.size() == kMaxExtensions ||
      std::any_of(extensions.begin(), extensions.end(), has_id)) {
    notes.push_back({line.number, quoted(line.value) + " is left out",
                     "an extension has a number from 1 to 255 of its own (RFC 8285 §5)"});
    return;
  }
  extensions.push_back({*id, std::string(uri)});
}

void SectionDraft::take_ssrc(std::string_view value)
{
  const auto ssrc = number_of<uint32_t>(take_word(value));
  if (!ssrc || (cnames_.size() == kMaxSsrcs && cnames_.find(*ssrc) == cnames_.end()))
    return;
  if (!first_ssrc_)
    first_ssrc_ = ssrc;
  std::string &cname = cnames_[*ssrc];
  const Attribute attribute = split_attribute(value);
  if (attribute.name == "cname" && cname.empty())
    cname = attribute.value;
  else if (attribute.name == "msid" && section_.stream_id.empty())
    take_msid(attribute.value);
}

void SectionDraft::take_ssrc_group(std::string_view value)
{
  if (take_word(value) != "FID" || section_.ssrc)
    return;
  const auto words = words_of(value);
  if (words.size() < 2)
    return;
  const auto ssrc = number_of<uint32_t>(words[0]);
  const auto rtx_ssrc = number_of<uint32_t>(words[1]);
  if (!ssrc || !rtx_ssrc || *ssrc == *rtx_ssrc)
    return;
  section_.ssrc = ssrc;
  section_.rtx_ssrc = rtx_ssrc;
}

void SectionDraft::take_msid(std::string_view value)
{
  section_.stream_id = take_word(value);
  section_.track_id = take_word(value);
}

void SectionDraft::inherit(const SectionDraft &session)
{
  if (!has_direction_ && session.has_direction_) {
    section_.direction = session.section_.direction;
    lines_.direction = session.lines_.direction;
  }
  for (const HeaderExtension &extension : session.section_.extensions) {
    const auto has_id = [&](const HeaderExtension &own) { return own.id == extension.id; };
    auto &own = section_.extensions;
    if (own.size() < kMaxExtensions && std::none_of(own.begin(), own.end(), has_id))
      own.push_back(extension);
  }
  TransportParameters &transport = transport_.parameters;
  const TransportParameters &common = session.transport_.parameters;
  if (transport_.credentials_line == 0) {
    transport.credentials = common.credentials;
    transport_.credentials_line = session.transport_.credentials_line;
  }
  if (transport.fingerprints.empty()) {
    transport.fingerprints = common.fingerprints;
    transport_.fingerprint_line = session.transport_.fingerprint_line;
  }
  if (transport_.setup_line == 0) {
    transport.setup = common.setup;
    transport_.setup_line = session.transport_.setup_line;
  }
  if (transport.candidates.empty())
    transport.candidates = common.candidates;
  transport.ice_lite = transport.ice_lite || common.ice_lite;
  transport.trickle = transport.trickle || common.trickle;
  transport.end_of_candidates = transport.end_of_candidates || common.end_of_candidates;
}

void SectionDraft::finish(SdpType type, Notes &notes)
{
  // An answer has no bundle-only: there port 0 says no.
  if (type == SdpType::Answer)
    section_.bundle_only = false;
  section_.rejected = has_zero_port_ && !section_.bundle_only;
  finish_codecs(notes);
  finish_ssrc();
}

void SectionDraft::finish_codecs(Notes &notes)
{
  std::map<int, int> rtx_of;
  for (const int payload_type : order_) {
    const Format &format = formats_[payload_type];
    if (equal_names(format.codec.name, "rtx") && format.apt)
      rtx_of.emplace(*format.apt, payload_type);
  }
  for (const int payload_type : order_) {
    Format &format = formats_[payload_type];
    if (!format.has_map) {
      notes.push_back({lines_.media,
                       "payload type " + std::to_string(payload_type) + " is left out",
                       "no a=rtpmap says what it is"});
      continue;
    }
    if (equal_names(format.codec.name, "rtx"))
      continue;
    Codec codec = std::move(format.codec);
    codec.payload_type = payload_type;
    for (const std::string &feedback : feedback_of_all_)
      add_once(codec.feedback, feedback, kMaxFeedback);
    const auto rtx = rtx_of.find(payload_type);
    if (rtx != rtx_of.end())
      codec.rtx_payload_type = rtx->second;
    section_.codecs.push_back(std::move(codec));
  }
}

void SectionDraft::finish_ssrc()
{
  if (!section_.ssrc)
    section_.ssrc = first_ssrc_;
  if (!section_.ssrc)
    return;
  const auto cname = cnames_.find(*section_.ssrc);
  if (cname != cnames_.end())
    section_.cname = cname->second;
}

}  // namespace streamlib::webrtc::sdp
