// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/codecs.h"

#include <algorithm>
#include <array>

#include <strings.h>

#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define SL_NATIVE_S16 "S16LE"
#else
#define SL_NATIVE_S16 "S16BE"
#endif

namespace streamlib::webrtc {

using support::adopt_mini;
using support::CStr;
using support::MiniPtr;

namespace {

constexpr std::array<CodecFacts, 4> kCodecs = {{
    {"VP8", MediaKind::Video, "video/x-vp8", "rtpvp8pay", "rtpvp8depay"},
    {"VP9", MediaKind::Video, "video/x-vp9", "rtpvp9pay", "rtpvp9depay"},
    {"H264", MediaKind::Video,
     "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au", "rtph264pay",
     "rtph264depay"},
    {"OPUS", MediaKind::Audio, "audio/x-opus, channel-mapping-family=(int)0", "rtpopuspay",
     "rtpopusdepay"},
}};

constexpr const char *kPreferredProfile = "video/x-h264, profile=(string)constrained-baseline";

std::string media_type(const CodecFacts &codec)
{
  const std::string caps = codec.encoded_caps;
  return caps.substr(0, caps.find(','));
}

bool is_same(std::string_view a, std::string_view b)
{
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

MiniPtr<GstCaps> base_caps(const MediaParameters &section, const char *encoding, int type, int rate)
{
  auto caps = adopt_mini(gst_caps_new_simple(
      "application/x-rtp", "media", G_TYPE_STRING,
      section.kind == MediaKind::Video ? "video" : "audio", "encoding-name", G_TYPE_STRING,
      encoding, "payload", G_TYPE_INT, type, "clock-rate", G_TYPE_INT, rate, nullptr));
  return caps;
}

}  // namespace

const CodecFacts *find_codec(std::string_view rtp_name)
{
  const auto found = std::find_if(kCodecs.begin(), kCodecs.end(), [&](const CodecFacts &codec) {
    return is_same(codec.name, rtp_name);
  });
  return found != kCodecs.end() ? &*found : nullptr;
}

const CodecFacts *find_codec_of_caps(GstCaps *caps)
{
  if (caps == nullptr || gst_caps_get_size(caps) == 0)
    return nullptr;
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  for (const CodecFacts &codec : kCodecs)
    if (gst_structure_has_name(structure, media_type(codec).c_str()))
      return &codec;
  return nullptr;
}

bool can_be_encoded(GstCaps *caps, const CodecFacts &codec)
{
  const auto own = adopt_mini(codec.kind == MediaKind::Video
                                  ? gst_caps_new_empty_simple(media_type(codec).c_str())
                                  : gst_caps_from_string(codec.encoded_caps));
  return gst_caps_can_intersect(caps, own.get()) != FALSE;
}

MiniPtr<GstCaps> possible_input_caps(MediaKind kind)
{
  // First what encoders take as it is, for sources that could give anything.
  auto caps = adopt_mini(gst_caps_from_string(
      kind == MediaKind::Video
          ? "video/x-raw, format=(string)I420; video/x-raw, format=(string)NV12; video/x-raw"
          : "audio/x-raw, format=(string)" SL_NATIVE_S16
            ", layout=(string)interleaved, rate=(int)48000, channels=(int)[ 1, 2 ]; audio/x-raw"));
  // And the profile that all peers play, for encoders that would choose another one.
  if (kind == MediaKind::Video)
    gst_caps_append(caps.get(), gst_caps_from_string(kPreferredProfile));
  for (const CodecFacts &codec : kCodecs)
    if (codec.kind == kind)
      gst_caps_append(caps.get(), gst_caps_new_empty_simple(media_type(codec).c_str()));
  return caps;
}

std::string_view codec_parameter(const Codec &codec, std::string_view name)
{
  for (const auto &[key, value] : codec.parameters)
    if (is_same(key, name))
      return value;
  return {};
}

bool has_feedback(const Codec &codec, std::string_view feedback)
{
  return std::any_of(codec.feedback.begin(), codec.feedback.end(),
                     [&](const std::string &entry) { return is_same(entry, feedback); });
}

MiniPtr<GstCaps> rtp_caps(const MediaParameters &section, const Codec &codec)
{
  const CodecFacts *facts = find_codec(codec.name);
  auto caps = base_caps(section, facts != nullptr ? facts->name : codec.name.c_str(),
                        codec.payload_type, codec.clock_rate);
  GstStructure *structure = gst_caps_get_structure(caps.get(), 0);
  for (const auto &[key, value] : codec.parameters)
    gst_structure_set(structure, key.c_str(), G_TYPE_STRING, value.c_str(), nullptr);
  for (const auto &[wanted, field] :
       {std::pair("nack", "rtcp-fb-nack"), std::pair("nack pli", "rtcp-fb-nack-pli"),
        std::pair("ccm fir", "rtcp-fb-ccm-fir")})
    if (has_feedback(codec, wanted))
      gst_structure_set(structure, field, G_TYPE_BOOLEAN, TRUE, nullptr);
  return caps;
}

MiniPtr<GstCaps> rtx_caps(const MediaParameters &section, const Codec &codec)
{
  auto caps = base_caps(section, "RTX", codec.rtx_payload_type.value_or(-1), codec.clock_rate);
  gst_caps_set_simple(caps.get(), "apt", G_TYPE_STRING, std::to_string(codec.payload_type).c_str(),
                      nullptr);
  return caps;
}

}  // namespace streamlib::webrtc
