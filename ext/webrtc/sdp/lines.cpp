// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/sdp/lines.h"

#include <algorithm>

namespace streamlib::webrtc {

std::string SdpFault::text() const
{
  std::string sentence = line > 0 ? "Line " + std::to_string(line) + ": " : "";
  sentence += what;
  if (!why.empty())
    sentence += ": " + why;
  return sentence + ".";
}

namespace sdp {

namespace {

constexpr size_t kMaxQuoted = 60;
constexpr size_t kMaxCandidate = 1024;
constexpr size_t kMinCandidateWords = 8;

bool is_blank(char c)
{
  return c == ' ' || c == '\t';
}

char lower_letter(char c)
{
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_letter(char c)
{
  return lower_letter(c) >= 'a' && lower_letter(c) <= 'z';
}

bool is_control(char c)
{
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

}  // namespace

SdpResult<std::vector<Line>> split_lines(std::string_view text)
{
  if (text.size() > kMaxSdpBytes)
    return SdpFault{0, "the description has " + std::to_string(text.size()) + " bytes",
                    "more than " + std::to_string(kMaxSdpBytes) + " are not taken"};
  std::vector<Line> lines;
  int number = 0;
  while (!text.empty()) {
    number++;
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r')
      line.remove_suffix(1);
    if (line.empty())
      continue;
    if (std::any_of(line.begin(), line.end(), is_control))
      return SdpFault{number, "a control character in " + quoted(line),
                      "a line of SDP is text (RFC 8866 §5)"};
    if (line.size() < 2 || !is_letter(line[0]) || line[1] != '=')
      return SdpFault{number, quoted(line) + " is no line of SDP",
                      "a line is a letter, '=' and a value (RFC 8866 §5)"};
    lines.push_back({number, line[0], line.substr(2)});
  }
  return lines;
}

Attribute split_attribute(std::string_view value)
{
  const size_t colon = value.find(':');
  if (colon == std::string_view::npos)
    return {trim(value), {}};
  return {value.substr(0, colon), trim(value.substr(colon + 1))};
}

std::string_view trim(std::string_view text)
{
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  return text;
}

std::string_view take_word(std::string_view &rest, char separator)
{
  const size_t end = separator == ' ' ? rest.find_first_of(" \t") : rest.find(separator);
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  rest = trim(rest);
  return trim(word);
}

std::vector<std::string_view> words_of(std::string_view text)
{
  std::vector<std::string_view> words;
  text = trim(text);
  while (!text.empty())
    words.push_back(take_word(text));
  return words;
}

bool equal_names(std::string_view a, std::string_view b)
{
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return lower_letter(x) == lower_letter(y);
         });
}

std::string lower(std::string_view text)
{
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower_letter);
  return result;
}

std::string quoted(std::string_view text)
{
  std::string result = "'";
  for (const char c : text.substr(0, kMaxQuoted))
    result += is_control(c) || static_cast<unsigned char>(c) >= 0x80 ? '?' : c;
  return result + (text.size() > kMaxQuoted ? "…'" : "'");
}

bool is_ice_word(std::string_view text, size_t min, size_t max)
{
  return text.size() >= min && text.size() <= max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           // '-', '_' and '=' are no ice-chars, but there are peers that write Base64 for URLs.
           return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '-' ||
                  c == '_' || c == '=';
         });
}

std::optional<std::string> candidate_of(std::string_view value)
{
  const auto words = words_of(value);
  if (value.size() > kMaxCandidate || words.size() < kMinCandidateWords ||
      !equal_names(words[6], "typ") || !number_of<uint32_t>(words[3]) ||
      !number_of<uint16_t>(words[5]) || !number_of<uint16_t>(words[1]))
    return std::nullopt;
  return std::string(value);
}

bool has_trickle(std::string_view ice_options)
{
  const auto options = words_of(ice_options);
  return std::any_of(options.begin(), options.end(),
                     [](std::string_view option) { return equal_names(option, "trickle"); });
}

}  // namespace sdp

}  // namespace streamlib::webrtc
