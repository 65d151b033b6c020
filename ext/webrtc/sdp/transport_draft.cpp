// SPDX-License-Identifier: LGPL-2.1-or-later
// Attributes of ICE and DTLS.
#include <algorithm>

#include "ext/webrtc/sdp/section_draft.h"

namespace streamlib::webrtc::sdp {

using support::Done;

namespace {

constexpr size_t kMaxCandidates = 256;
constexpr size_t kMaxFingerprints = 16;
// RFC 8839 §5.4, in characters.
constexpr size_t kMinUfrag = 4;
constexpr size_t kMinPwd = 22;
constexpr size_t kMaxIceWord = 256;

const struct {
  const char *name;
  size_t bytes;
} kHashes[] = {{"sha-1", 20}, {"sha-224", 28}, {"sha-256", 32}, {"sha-384", 48}, {"sha-512", 64}};

int hex_digit(char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// Pairs of digits with colons between them; empty where it is something else.
std::vector<uint8_t> digest_of(std::string_view text)
{
  std::vector<uint8_t> digest;
  for (size_t i = 0; i < text.size(); i += 3) {
    const int high = hex_digit(text[i]);
    const int low = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
    if (high < 0 || low < 0 || (i + 2 < text.size() && text[i + 2] != ':') || i + 3 == text.size())
      return {};
    digest.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return digest;
}

}  // namespace

SectionDraft::Status SectionDraft::take_transport(const Line &line, const Attribute &attribute,
                                                  Notes &notes, bool &is_taken)
{
  TransportParameters &transport = transport_.parameters;
  is_taken = true;
  if (attribute.name == "ice-ufrag" || attribute.name == "ice-pwd")
    return take_credentials(line, attribute);
  if (attribute.name == "fingerprint")
    return take_fingerprint(line, attribute.value, notes);
  if (attribute.name == "setup")
    return take_setup(line, attribute.value);
  if (attribute.name == "ice-lite") {
    transport.ice_lite = true;
  } else if (attribute.name == "ice-options") {
    transport.trickle = transport.trickle || has_trickle(attribute.value);
  } else if (attribute.name == "end-of-candidates") {
    transport.end_of_candidates = true;
  } else if (attribute.name == "candidate") {
    auto candidate = candidate_of(attribute.value);
    auto &known = transport.candidates;
    if (!candidate || known.size() == kMaxCandidates)
      notes.push_back({line.number, "the candidate " + quoted(attribute.value) + " is left out",
                       candidate ? "there are too many of them" : "it cannot be read"});
    // With rtcp-mux there is no second component.
    else if (words_of(*candidate)[1] == "1" &&
             std::find(known.begin(), known.end(), *candidate) == known.end())
      known.push_back(std::move(*candidate));
  } else {
    is_taken = false;
  }
  return Done{};
}

SectionDraft::Status SectionDraft::take_credentials(const Line &line, const Attribute &attribute)
{
  const bool is_ufrag = attribute.name == "ice-ufrag";
  const size_t min = is_ufrag ? kMinUfrag : kMinPwd;
  if (!is_ice_word(attribute.value, min, kMaxIceWord))
    return SdpFault{line.number, "the value of a=" + std::string(attribute.name) + " is not valid",
                    "it has from " + std::to_string(min) +
                        " to 256 letters, digits, '+' and '/' (RFC 8839 §5.4)"};
  IceCredentials &credentials = transport_.parameters.credentials;
  (is_ufrag ? credentials.ufrag : credentials.pwd) = attribute.value;
  transport_.credentials_line = line.number;
  return Done{};
}

SectionDraft::Status SectionDraft::take_fingerprint(const Line &line, std::string_view value,
                                                    Notes &notes)
{
  Fingerprint fingerprint;
  fingerprint.hash = lower(take_word(value));
  const auto hash = std::find_if(std::begin(kHashes), std::end(kHashes),
                                 [&](const auto &known) { return fingerprint.hash == known.name; });
  auto &known = transport_.parameters.fingerprints;
  if (hash == std::end(kHashes) || known.size() == kMaxFingerprints) {
    notes.push_back({line.number, "the fingerprint " + quoted(fingerprint.hash) + " is left out",
                     "this hash is unknown or no proof (RFC 8122 §5)"});
    return Done{};
  }
  fingerprint.digest = digest_of(value);
  if (fingerprint.digest.size() != hash->bytes)
    return SdpFault{line.number, "the fingerprint is not valid",
                    fingerprint.hash + " has " + std::to_string(hash->bytes) +
                        " bytes, in pairs of digits with colons between them (RFC 8122 §5)"};
  if (std::find(known.begin(), known.end(), fingerprint) == known.end())
    known.push_back(std::move(fingerprint));
  transport_.fingerprint_line = line.number;
  return Done{};
}

SectionDraft::Status SectionDraft::take_setup(const Line &line, std::string_view value)
{
  if (value == "actpass")
    transport_.parameters.setup = DtlsSetup::Actpass;
  else if (value == "active")
    transport_.parameters.setup = DtlsSetup::Active;
  else if (value == "passive")
    transport_.parameters.setup = DtlsSetup::Passive;
  else
    return SdpFault{line.number, "a=setup:" + std::string(value.substr(0, 20)) + " is not known",
                    "it is actpass, active or passive (RFC 8842 §5)"};
  transport_.setup_line = line.number;
  return Done{};
}

}  // namespace streamlib::webrtc::sdp
