// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/candidate.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include <gio/gio.h>

namespace streamlib::webrtc {

using support::Failure;
using support::Result;

namespace {

constexpr size_t kMaxLength = 1024;
constexpr size_t kMaxFoundation = 32;
constexpr size_t kFixedFields = 8;
// As the fields are shown in an error.
constexpr size_t kShown = 128;

// The RFC allows letters, digits, + and /; peers are about that take others too, which do no harm.
bool is_ice_char(char c)
{
  return g_ascii_isgraph(c);
}

bool is_ice_text(std::string_view text, size_t min, size_t max)
{
  return text.size() >= min && text.size() <= max &&
         std::all_of(text.begin(), text.end(), is_ice_char);
}

std::vector<std::string_view> split(std::string_view text)
{
  std::vector<std::string_view> fields;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    if (end > 0)
      fields.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fields;
}

std::string lower(std::string_view text)
{
  std::string result(text);
  for (char &c : result)
    c = g_ascii_tolower(c);
  return result;
}

template <typename T>
bool read_number(std::string_view text, T *number)
{
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<CandidateType> type_of(const std::string &name)
{
  if (name == "host")
    return CandidateType::Host;
  if (name == "srflx")
    return CandidateType::ServerReflexive;
  if (name == "prflx")
    return CandidateType::PeerReflexive;
  if (name == "relay")
    return CandidateType::Relayed;
  return std::nullopt;
}

// RFC 6544 §4.5: TCP says which side connects, as an extension.
std::optional<CandidateTransport> transport_of(const std::string &name,
                                               const std::vector<std::string_view> &fields)
{
  if (name == "udp")
    return CandidateTransport::Udp;
  if (name != "tcp")
    return std::nullopt;
  for (size_t i = kFixedFields; i + 1 < fields.size(); i++) {
    if (lower(fields[i]) != "tcptype")
      continue;
    const std::string kind = lower(fields[i + 1]);
    if (kind == "active")
      return CandidateTransport::TcpActive;
    if (kind == "passive")
      return CandidateTransport::TcpPassive;
    if (kind == "so")
      return CandidateTransport::TcpSo;
  }
  return std::nullopt;
}

bool is_numeric_address(const std::string &address)
{
  return g_hostname_is_ip_address(address.c_str()) != FALSE &&
         // A scope means nothing on another machine.
         address.find('%') == std::string::npos;
}

Failure problem(CandidateProblem code, std::string_view value, const char *text)
{
  std::string shown(value.substr(0, kShown));
  for (char &c : shown) {
    if (!g_ascii_isprint(c))
      c = '?';
  }
  return Failure{code, std::string("A candidate of the peer ") + text, "a=candidate:" + shown};
}

}  // namespace

Result<Candidate> parse_candidate(std::string_view value)
{
  for (const std::string_view prefix : {std::string_view("a="), std::string_view("candidate:")}) {
    if (value.substr(0, prefix.size()) == prefix)
      value.remove_prefix(prefix.size());
  }
  if (value.size() > kMaxLength)
    return problem(kCandidateMalformed, value, "is too long.");
  const std::vector<std::string_view> fields = split(value);
  Candidate candidate;
  if (fields.size() < kFixedFields || lower(fields[6]) != "typ" ||
      !is_ice_text(fields[0], 1, kMaxFoundation) || !read_number(fields[1], &candidate.component) ||
      !read_number(fields[3], &candidate.priority) || !read_number(fields[5], &candidate.port))
    return problem(kCandidateMalformed, value, "cannot be read.");
  candidate.foundation = fields[0];
  candidate.address = fields[4];
  if (!is_numeric_address(candidate.address)) {
    const std::string name = lower(fields[4]);
    constexpr std::string_view kLocal = ".local";
    if (name.size() > kLocal.size() && name.substr(name.size() - kLocal.size()) == kLocal)
      return problem(kCandidateHidden, value, "hides its address under a name of mDNS.");
    return problem(kCandidateNamed, value, "has a name in place of an address.");
  }
  const auto transport = transport_of(lower(fields[2]), fields);
  const auto type = type_of(lower(fields[7]));
  if (!transport || !type || candidate.component != 1)
    return problem(kCandidateUnusable, value, "is of a kind that is not used here.");
  candidate.transport = *transport;
  candidate.type = *type;
  // The port of an active TCP candidate says nothing.
  if (candidate.port == 0 && candidate.transport != CandidateTransport::TcpActive)
    return problem(kCandidateMalformed, value, "has no port.");
  return candidate;
}

bool is_ufrag(std::string_view text)
{
  return is_ice_text(text, 4, 256);
}

bool is_pwd(std::string_view text)
{
  return is_ice_text(text, 22, 256);
}

}  // namespace streamlib::webrtc
