// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether a VP9 stream has the profile that a WebRTC peer accepted.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace streamlib::webrtc {

// The profile that each frame begins with (VP9 bitstream specification §6.2); -1: it is no frame.
inline int vp9_profile(const uint8_t *data, size_t size)
{
  constexpr uint8_t kMarkerMask = 0xc0;
  constexpr uint8_t kMarker = 0x80;
  if (size == 0 || (data[0] & kMarkerMask) != kMarker)
    return -1;
  return (data[0] >> 5 & 1) | (data[0] >> 4 & 1) << 1;
}

class Vp9Check {
public:
  // As `profile-id` has it; 0 where nothing is said (RFC 9628 §6.1).
  explicit Vp9Check(std::string_view profile_id)
  {
    std::from_chars(profile_id.data(), profile_id.data() + profile_id.size(), accepted_);
  }

  // Empty: the frame may be sent. Otherwise why not, for the user.
  std::string refuse(const uint8_t *data, size_t size) const
  {
    const int profile = vp9_profile(data, size);
    if (profile == accepted_)
      return {};
    if (profile < 0)
      return "What comes as VP9 is none. Let an encoder or a demuxer feed the input, or give raw "
             "video.";
    return "The VP9 stream has the profile " + std::to_string(profile) + ", the peer accepted " +
           std::to_string(accepted_) +
           " only. Profile 0 is 4:2:0 with 8 bits: encode that, or give raw video.";
  }

private:
  int accepted_ = 0;
};

}  // namespace streamlib::webrtc
