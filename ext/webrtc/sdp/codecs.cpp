// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/sdp/codecs.h"

#include "ext/webrtc/sdp/lines.h"

namespace streamlib::webrtc {

using sdp::equal_names;

namespace {

constexpr int kVideoRate = 90000;
constexpr int kOpusRate = 48000;

Codec video_codec(const char *name)
{
  Codec codec;
  codec.name = name;
  codec.clock_rate = kVideoRate;
  codec.feedback = {"nack", "nack pli", "ccm fir"};
  return codec;
}

std::optional<int> hex_byte(std::string_view text)
{
  int value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || stop != text.data() + text.size())
    return std::nullopt;
  return value;
}

// RFC 6184 §8.1: what holds where nothing is said.
constexpr const char *kDefaultProfile = "420010";

}  // namespace

Codec opus_codec()
{
  Codec codec;
  codec.name = "opus";
  codec.clock_rate = kOpusRate;
  codec.channels = 2;
  codec.parameters = {
      {"minptime", "10"}, {"useinbandfec", "1"}, {"stereo", "1"}, {"sprop-stereo", "1"}};
  return codec;
}

Codec vp8_codec()
{
  return video_codec("VP8");
}

Codec vp9_codec(int profile)
{
  Codec codec = video_codec("VP9");
  codec.parameters = {{"profile-id", std::to_string(profile)}};
  return codec;
}

Codec h264_codec(std::string_view profile_level_id)
{
  Codec codec = video_codec("H264");
  codec.parameters = {{"level-asymmetry-allowed", "1"},
                      {"packetization-mode", "1"},
                      {"profile-level-id", std::string(profile_level_id)}};
  return codec;
}

std::vector<Codec> all_codecs(MediaKind kind)
{
  if (kind == MediaKind::Audio)
    return {opus_codec()};
  return {h264_codec("42e01f"), h264_codec("4d001f"), h264_codec("64001f"), vp8_codec(),
          vp9_codec()};
}

std::optional<std::string> parameter_of(const Codec &codec, std::string_view key)
{
  for (const auto &[name, value] : codec.parameters) {
    if (equal_names(name, key))
      return value;
  }
  return std::nullopt;
}

// RFC 6184 §8.1, table 5.
SdpH264Profile h264_profile_of(std::string_view profile_level_id)
{
  if (profile_level_id.size() != 6)
    return SdpH264Profile::Other;
  const auto profile = hex_byte(profile_level_id.substr(0, 2));
  const auto flags = hex_byte(profile_level_id.substr(2, 2));
  if (!profile || !flags)
    return SdpH264Profile::Other;
  constexpr int kSet0 = 0x80;
  constexpr int kSet1 = 0x40;
  constexpr int kSet4 = 0x08;
  constexpr int kSet5 = 0x04;
  switch (*profile) {
    case 0x42:
      return (*flags & kSet1) != 0 ? SdpH264Profile::ConstrainedBaseline : SdpH264Profile::Baseline;
    case 0x4d:
      return (*flags & kSet0) != 0 ? SdpH264Profile::ConstrainedBaseline : SdpH264Profile::Main;
    case 0x58:
      return (*flags & (kSet0 | kSet1)) == (kSet0 | kSet1) ? SdpH264Profile::ConstrainedBaseline
             : (*flags & kSet0) != 0                       ? SdpH264Profile::Baseline
                                                           : SdpH264Profile::Other;
    case 0x64:
      return (*flags & (kSet4 | kSet5)) == (kSet4 | kSet5) ? SdpH264Profile::ConstrainedHigh
                                                           : SdpH264Profile::High;
    default:
      return SdpH264Profile::Other;
  }
}

bool is_same_codec(const Codec &a, const Codec &b)
{
  if (!equal_names(a.name, b.name) || a.clock_rate != b.clock_rate)
    return false;
  if (a.channels != b.channels && a.channels + b.channels > 1)
    return false;
  if (equal_names(a.name, "H264")) {
    const auto mode = [](const Codec &codec) {
      return parameter_of(codec, "packetization-mode").value_or("0");
    };
    const auto profile = [](const Codec &codec) {
      return h264_profile_of(parameter_of(codec, "profile-level-id").value_or(kDefaultProfile));
    };
    return mode(a) == mode(b) && profile(a) == profile(b);
  }
  if (equal_names(a.name, "VP9")) {
    const auto profile = [](const Codec &codec) {
      return parameter_of(codec, "profile-id").value_or("0");
    };
    return profile(a) == profile(b);
  }
  return true;
}

}  // namespace streamlib::webrtc
