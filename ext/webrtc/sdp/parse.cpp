// SPDX-License-Identifier: LGPL-2.1-or-later
// Text to description: lines into sections. What an attribute of a section says is in
// section_draft.cpp.
#include <algorithm>
#include <map>

#include "ext/webrtc/sdp/lines.h"
#include "ext/webrtc/sdp/section_draft.h"

namespace streamlib::webrtc {

using support::Done;

namespace {

using namespace sdp;

constexpr size_t kMaxSections = 32;

class Parser {
public:
  explicit Parser(SdpType type) : type_(type) {}

  SdpResult<ParsedDescription> parse(std::string_view text)
  {
    auto lines = split_lines(text);
    if (!lines)
      return lines.take_error();
    if (lines->empty())
      return SdpFault{0, "the description is empty", "it begins with v=0 (RFC 8866 §5)"};
    if (lines->front().type != 'v' || trim(lines->front().value) != "0")
      return SdpFault{lines->front().number, "the description does not begin with v=0",
                      "this is no SDP of a version that is known"};
    for (const Line &line : *lines) {
      auto status = take(line);
      if (!status)
        return status.take_error();
    }
    return finish();
  }

private:
  SdpResult<Done> take(const Line &line)
  {
    switch (line.type) {
      case 'o':
        take_origin(line.value);
        return Done{};
      case 'm':
        return begin_section(line);
      case 'a':
        if (sections_.empty())
          return take_session_attribute(line);
        return sections_.back().take(line, parsed_.notes);
      default:
        return Done{};
    }
  }

  // Some number what they please; nothing hangs on it.
  void take_origin(std::string_view value)
  {
    const auto words = words_of(value);
    if (words.size() < 3)
      return;
    parsed_.description.id = number_of<uint64_t>(words[1]).value_or(0);
    parsed_.description.version = number_of<uint64_t>(words[2]).value_or(0);
  }

  SdpResult<Done> begin_section(const Line &line)
  {
    if (sections_.size() == kMaxSections)
      return SdpFault{line.number,
                      "there are more than " + std::to_string(kMaxSections) + " m= sections",
                      "a session has two"};
    auto section = SectionDraft::begin(line, parsed_.notes);
    if (!section)
      return section.take_error();
    sections_.push_back(std::move(*section));
    return Done{};
  }

  SdpResult<Done> take_session_attribute(const Line &line)
  {
    const Attribute attribute = split_attribute(line.value);
    if (attribute.name == "group")
      return take_group(line, attribute.value);
    return session_.take(line, parsed_.notes);
  }

  SdpResult<Done> take_group(const Line &line, std::string_view value)
  {
    if (take_word(value) != "BUNDLE")
      return Done{};
    if (parsed_.lines.group != 0)
      return SdpFault{line.number, "a second BUNDLE group",
                      "all sections must share one transport (RFC 9725 §4.4.1)"};
    parsed_.lines.group = line.number;
    for (const std::string_view mid : words_of(value)) {
      auto &bundle = parsed_.description.bundle;
      if (std::find(bundle.begin(), bundle.end(), mid) != bundle.end())
        return SdpFault{line.number, "the BUNDLE group names mid " + quoted(mid) + " twice",
                        "a section is in it once"};
      bundle.emplace_back(mid);
    }
    return Done{};
  }

  SdpResult<Done> check_mids()
  {
    std::map<std::string, int> known;
    for (const SectionDraft &section : sections_) {
      const std::string &mid = section.section().mid;
      if (mid.empty())
        continue;
      const auto [other, is_new] = known.emplace(mid, section.lines().mid);
      if (!is_new)
        return SdpFault{
            section.lines().mid,
            "mid " + quoted(mid) + " stands in line " + std::to_string(other->second) + " already",
            "each section needs a mid of its own (RFC 5888 §6)"};
    }
    for (const std::string &mid : parsed_.description.bundle) {
      if (known.find(mid) == known.end())
        return SdpFault{parsed_.lines.group,
                        "the BUNDLE group names mid " + quoted(mid) + ", which no section has",
                        "the description contradicts itself"};
    }
    return Done{};
  }

  SdpResult<ParsedDescription> finish()
  {
    if (sections_.empty())
      return SdpFault{0, "there is no m= section", "nothing to send or to receive is described"};
    auto status = check_mids();
    if (!status)
      return status.take_error();
    SessionDescription &description = parsed_.description;
    for (SectionDraft &draft : sections_) {
      draft.inherit(session_);
      draft.finish(type_, parsed_.notes);
      MediaSection &section = draft.section();
      const auto &bundle = description.bundle;
      if (type_ == SdpType::Answer && !bundle.empty() &&
          std::find(bundle.begin(), bundle.end(), section.mid) == bundle.end())
        section.rejected = true;
      description.media.push_back(section);
      parsed_.lines.media.push_back(draft.lines());
    }
    const TransportDraft &transport = sections_[tagged_section(description)].transport();
    description.transport = transport.parameters;
    parsed_.lines.setup = transport.setup_line;
    parsed_.lines.credentials = transport.credentials_line;
    parsed_.lines.fingerprint = transport.fingerprint_line;
    return std::move(parsed_);
  }

  const SdpType type_;
  ParsedDescription parsed_;
  SectionDraft session_;
  std::vector<SectionDraft> sections_;
};

}  // namespace

size_t tagged_section(const SessionDescription &description)
{
  const auto &media = description.media;
  if (!description.bundle.empty()) {
    for (size_t i = 0; i < media.size(); i++) {
      if (media[i].mid == description.bundle.front())
        return i;
    }
  }
  for (size_t i = 0; i < media.size(); i++) {
    if (!media[i].rejected)
      return i;
  }
  return 0;
}

SdpResult<ParsedDescription> parse_description(std::string_view text, SdpType type)
{
  return Parser(type).parse(text);
}

}  // namespace streamlib::webrtc
