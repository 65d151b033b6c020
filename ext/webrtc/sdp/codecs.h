// SPDX-License-Identifier: LGPL-2.1-or-later
// The codecs that we speak, and when two descriptions mean the same one.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/webrtc/parameters.h"

namespace streamlib::webrtc {

// They have no payload type yet.
Codec opus_codec();
Codec vp8_codec();
Codec vp9_codec(int profile = 0);
// `profile_level_id` as in RFC 6184 §8.1: six hexadecimal digits, such as "42e01f". Packetization
// mode 1.
Codec h264_codec(std::string_view profile_level_id);

// All of them for one kind, by preference.
std::vector<Codec> all_codecs(MediaKind kind);

// Nothing where there is no such parameter.
std::optional<std::string> parameter_of(const Codec &codec, std::string_view key);

// The profile of H.264, whatever its level: two with the same one can talk.
enum class SdpH264Profile { ConstrainedBaseline, Baseline, Main, ConstrainedHigh, High, Other };
SdpH264Profile h264_profile_of(std::string_view profile_level_id);

// They are the same, whatever their numbers: name, clock rate, channels, and of H.264 the profile
// and the packetization mode, of VP9 the profile.
bool is_same_codec(const Codec &a, const Codec &b);

}  // namespace streamlib::webrtc
