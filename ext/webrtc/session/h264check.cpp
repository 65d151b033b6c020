// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/h264check.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace streamlib::webrtc {

namespace {

constexpr int kNalSlice = 1;
constexpr int kNalPartitionA = 2;
constexpr int kNalIdr = 5;
constexpr int kNalSps = 7;
constexpr int kNalPps = 8;

constexpr uint8_t kConstraintSet0 = 0x80;
constexpr uint8_t kConstraintSet1 = 0x40;

// Exp-Golomb codes (H.264 §9.1) of the first bytes of a slice header.
class BitReader {
public:
  BitReader(const uint8_t *data, size_t size) : data_(data), bits_(size * 8) {}

  std::optional<unsigned> read_ue()
  {
    unsigned zeros = 0;
    for (;;) {
      const int bit = read_bit();
      if (bit < 0 || zeros > 31)
        return std::nullopt;
      if (bit == 1)
        break;
      zeros++;
    }
    uint64_t value = 1;
    for (unsigned i = 0; i < zeros; i++) {
      const int bit = read_bit();
      if (bit < 0)
        return std::nullopt;
      value = value << 1 | static_cast<unsigned>(bit);
    }
    return static_cast<unsigned>(value - 1);
  }

private:
  int read_bit()
  {
    if (at_ >= bits_)
      return -1;
    const int bit = data_[at_ / 8] >> (7 - at_ % 8) & 1;
    at_++;
    return bit;
  }

  const uint8_t *data_;
  size_t bits_;
  size_t at_ = 0;
};

bool is_b_slice(const uint8_t *nal, size_t size)
{
  // first_mb_in_slice and slice_type fit into these bytes, emulation prevention included.
  std::array<uint8_t, 16> header{};
  size_t length = 0;
  int zeros = 0;
  for (size_t i = 1; i < size && length < header.size(); i++) {
    if (zeros >= 2 && nal[i] == 3) {
      zeros = 0;
      continue;
    }
    zeros = nal[i] == 0 ? zeros + 1 : 0;
    header[length++] = nal[i];
  }
  BitReader reader(header.data(), length);
  if (!reader.read_ue())
    return false;
  const std::optional<unsigned> type = reader.read_ue();
  return type && *type % 5 == 1;
}

// The place after the next start code, or `end`.
const uint8_t *next_nal(const uint8_t *at, const uint8_t *end)
{
  constexpr std::array<uint8_t, 3> kStart = {0, 0, 1};
  const uint8_t *found = std::search(at, end, kStart.begin(), kStart.end());
  return found != end ? found + kStart.size() : end;
}

// Those of them that no peer takes have names, too.
std::string profile_text(uint8_t profile_idc, H264Profile profile)
{
  if (profile != H264Profile::Other)
    return h264_profile_name(profile);
  switch (profile_idc) {
    case 110:
      return "high-10";
    case 122:
      return "high-4:2:2";
    case 244:
      return "high-4:4:4";
    default:
      return "number " + std::to_string(profile_idc);
  }
}

}  // namespace

H264Profile h264_profile(uint8_t profile_idc, uint8_t constraints)
{
  switch (profile_idc) {
    case 66:
      return (constraints & kConstraintSet1) != 0 ? H264Profile::ConstrainedBaseline
                                                  : H264Profile::Baseline;
    case 77:
      return (constraints & kConstraintSet0) != 0 ? H264Profile::ConstrainedBaseline
                                                  : H264Profile::Main;
    case 88:
      return (constraints & kConstraintSet0) != 0 && (constraints & kConstraintSet1) != 0
                 ? H264Profile::ConstrainedBaseline
                 : H264Profile::Extended;
    case 100:
      return H264Profile::High;
    default:
      return H264Profile::Other;
  }
}

const char *h264_profile_name(H264Profile profile)
{
  switch (profile) {
    case H264Profile::ConstrainedBaseline:
      return "constrained-baseline";
    case H264Profile::Baseline:
      return "baseline";
    case H264Profile::Main:
      return "main";
    case H264Profile::Extended:
      return "extended";
    case H264Profile::High:
      return "high";
    case H264Profile::Other:
      break;
  }
  return "another";
}

std::optional<H264Profile> profile_of_level_id(std::string_view profile_level_id)
{
  if (profile_level_id.empty())
    return H264Profile::Baseline;
  unsigned value = 0;
  const char *end = profile_level_id.data() + profile_level_id.size();
  const auto [at, error] = std::from_chars(profile_level_id.data(), end, value, 16);
  if (profile_level_id.size() != 6 || at != end || error != std::errc())
    return std::nullopt;
  return h264_profile(static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8));
}

bool can_play(H264Profile decoder, H264Profile stream)
{
  if (decoder == stream)
    return true;
  switch (stream) {
    case H264Profile::ConstrainedBaseline:
      return decoder != H264Profile::Other;
    case H264Profile::Baseline:
      return decoder == H264Profile::Extended;
    case H264Profile::Main:
      return decoder == H264Profile::High;
    default:
      return false;
  }
}

std::string H264Check::look_at(const uint8_t *nal, size_t size)
{
  switch (nal[0] & 0x1f) {
    case kNalSps: {
      if (size < 4)
        return "The H.264 stream has a sequence parameter set that is cut off.";
      has_sps_ = true;
      const H264Profile profile = h264_profile(nal[1], nal[2]);
      if (!can_play(accepted_, profile))
        return "The H.264 stream has the profile " + profile_text(nal[1], profile) +
               ", the peer accepted " + h264_profile_name(accepted_) +
               " only. Put video/x-h264,profile=" + h264_profile_name(accepted_) +
               " behind the encoder, or give raw video.";
      break;
    }
    case kNalPps:
      has_pps_ = true;
      break;
    case kNalIdr:
      has_idr_ = true;
      break;
    case kNalSlice:
    case kNalPartitionA:
      if (is_b_slice(nal, size))
        return "The H.264 stream has B-frames, which WebRTC peers do not play in order. Encode "
               "without them (bframes=0), or give raw video.";
      break;
    default:
      break;
  }
  return {};
}

std::string H264Check::refuse(const uint8_t *data, size_t size)
{
  has_idr_ = has_sps_ = has_pps_ = false;
  const uint8_t *end = data + size;
  for (const uint8_t *nal = next_nal(data, end); nal < end; nal = next_nal(nal, end)) {
    std::string reason = look_at(nal, static_cast<size_t>(end - nal));
    if (!reason.empty())
      return reason;
  }
  return {};
}

}  // namespace streamlib::webrtc
