// SPDX-License-Identifier: LGPL-2.1-or-later
// The lines of an SDP text and the small things that they are made of.
#pragma once

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/webrtc/sdp/description.h"

namespace streamlib::webrtc::sdp {

struct Line {
  int number = 0;  // From 1.
  char type = 0;   // 'v', 'm', 'a', …
  std::string_view value;
};

// An attribute: "a=name:value".
struct Attribute {
  std::string_view name;
  std::string_view value;
};

// Views into `text`. Empty lines are left out.
SdpResult<std::vector<Line>> split_lines(std::string_view text);

Attribute split_attribute(std::string_view value);

std::string_view trim(std::string_view text);

// The next word before a separator or the end; `rest` goes on after it, and after the blanks that
// follow.
std::string_view take_word(std::string_view &rest, char separator = ' ');

std::vector<std::string_view> words_of(std::string_view text);

// Without regard to the case of ASCII letters.
bool equal_names(std::string_view a, std::string_view b);

std::string lower(std::string_view text);

// All of the text, in decimal.
template <typename T>
std::optional<T> number_of(std::string_view text)
{
  T value{};
  const char *end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || text.empty())
    return std::nullopt;
  return value;
}

// For a message: in quotes, shortened, without what a terminal would obey.
std::string quoted(std::string_view text);

// Letters, digits, '+' and '/' of the given length (RFC 8839 §5.4).
bool is_ice_word(std::string_view text, size_t min, size_t max);

// The attribute values that the description and the fragment share.
std::optional<std::string> candidate_of(std::string_view value);
bool has_trickle(std::string_view ice_options);

}  // namespace streamlib::webrtc::sdp
