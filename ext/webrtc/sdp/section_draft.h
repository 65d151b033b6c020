// SPDX-License-Identifier: LGPL-2.1-or-later
// An m= section, or what stands before the first one, while it is read.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "ext/webrtc/sdp/description.h"
#include "ext/webrtc/sdp/lines.h"

namespace streamlib::webrtc::sdp {

using Notes = std::vector<SdpFault>;

// What a section, or the session as a whole, says of its transport.
struct TransportDraft {
  TransportParameters parameters;
  int setup_line = 0;
  int credentials_line = 0;
  int fingerprint_line = 0;
};

class SectionDraft {
public:
  // The session as a whole.
  SectionDraft() = default;
  static SdpResult<SectionDraft> begin(const Line &line, Notes &notes);

  // An attribute.
  SdpResult<support::Done> take(const Line &line, Notes &notes);
  // What is said for the whole session holds where the section says nothing.
  void inherit(const SectionDraft &session);
  // After the last attribute.
  void finish(SdpType type, Notes &notes);

  MediaSection &section() { return section_; }
  const MediaSection &section() const { return section_; }
  const SectionLines &lines() const { return lines_; }
  const TransportDraft &transport() const { return transport_; }

private:
  struct Format {
    Codec codec;
    bool has_map = false;
    std::optional<int> apt;  // It retransmits that one.
  };
  using Status = SdpResult<support::Done>;

  Status take_transport(const Line &line, const Attribute &attribute, Notes &notes, bool &is_taken);
  Status take_credentials(const Line &line, const Attribute &attribute);
  Status take_fingerprint(const Line &line, std::string_view value, Notes &notes);
  Status take_setup(const Line &line, std::string_view value);
  Status take_rtpmap(const Line &line, std::string_view value);
  void take_fmtp(std::string_view value);
  void take_feedback(std::string_view value);
  void take_extension(const Line &line, std::string_view value, Notes &notes);
  void take_ssrc(std::string_view value);
  void take_ssrc_group(std::string_view value);
  void take_msid(std::string_view value);
  bool take_direction(const Line &line, std::string_view name);
  Format *format_of(std::string_view payload_type);
  void finish_codecs(Notes &notes);
  void finish_ssrc();

  MediaSection section_;
  SectionLines lines_;
  TransportDraft transport_;
  bool is_session_ = true;
  bool has_zero_port_ = false;
  bool has_direction_ = false;
  std::vector<int> order_;
  std::map<int, Format> formats_;
  std::vector<std::string> feedback_of_all_;
  std::map<uint32_t, std::string> cnames_;
  std::optional<uint32_t> first_ssrc_;
};

}  // namespace streamlib::webrtc::sdp
