// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether an H.264 stream is one that a WebRTC peer can play: no B-frames, an accepted profile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace streamlib::webrtc {

enum class H264Profile { ConstrainedBaseline, Baseline, Main, Extended, High, Other };

// profile_idc and the constraint flags, as the first two bytes of profile-level-id have them
// (RFC 6184 §8.1).
H264Profile h264_profile(uint8_t profile_idc, uint8_t constraints);
const char *h264_profile_name(H264Profile profile);
// Six hexadecimal digits; Baseline for an empty text, as the RFC has it, nothing for a bad one.
std::optional<H264Profile> profile_of_level_id(std::string_view profile_level_id);
// Whether a decoder for the one can play the other.
bool can_play(H264Profile decoder, H264Profile stream);

// Looks at access units in byte-stream format, one after the other.
class H264Check {
public:
  explicit H264Check(H264Profile accepted) : accepted_(accepted) {}

  // Empty: the access unit may be sent. Otherwise why not, for the user.
  std::string refuse(const uint8_t *data, size_t size);
  // Whether the last access unit had an IDR picture, and SPS and PPS before it.
  bool has_idr() const { return has_idr_; }
  bool has_parameter_sets() const { return has_sps_ && has_pps_; }

private:
  std::string look_at(const uint8_t *nal, size_t size);

  const H264Profile accepted_;
  bool has_idr_ = false;
  bool has_sps_ = false;
  bool has_pps_ = false;
};

}  // namespace streamlib::webrtc
