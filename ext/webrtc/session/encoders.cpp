// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/encoders.h"

#include <algorithm>

namespace streamlib::webrtc {

using support::GObjectPtr;
using support::Result;
using support::sink_object;

namespace {

constexpr char kBaselineCaps[] = "video/x-h264, profile=(string)constrained-baseline";
constexpr char kV4l2Caps[] = "video/x-h264, profile=(string)constrained-baseline, level=(string)4";

const std::vector<EncoderEntry> &table()
{
  static const std::vector<EncoderEntry> entries = {
      {"nvh264enc",
       "H264",
       "bitrate",
       1000,
       "gop-size",
       nullptr,
       kBaselineCaps,
       {{"preset", "low-latency-hq"},
        {"rc-mode", "cbr"},
        {"zerolatency", "true"},
        {"bframes", "0"}}},
      {"vah264enc",
       "H264",
       "bitrate",
       1000,
       "key-int-max",
       nullptr,
       kBaselineCaps,
       {{"rate-control", "cbr"}, {"b-frames", "0"}, {"ref-frames", "1"}}},
      {"vaapih264enc",
       "H264",
       "bitrate",
       1000,
       "keyframe-period",
       nullptr,
       kBaselineCaps,
       {{"rate-control", "cbr"}, {"max-bframes", "0"}}},
      {"v4l2h264enc",
       "H264",
       "video_bitrate",
       1,
       "h264_i_frame_period",
       "extra-controls",
       kV4l2Caps,
       {}},
      {"x264enc",
       "H264",
       "bitrate",
       1000,
       "key-int-max",
       nullptr,
       kBaselineCaps,
       {{"tune", "zerolatency"},
        {"speed-preset", "veryfast"},
        {"bframes", "0"},
        {"b-adapt", "false"},
        {"byte-stream", "true"},
        {"aud", "false"}}},
      {"openh264enc",
       "H264",
       "bitrate",
       1,
       "gop-size",
       nullptr,
       kBaselineCaps,
       {{"rate-control", "bitrate"}, {"usage-type", "camera"}, {"complexity", "low"}}},
      {"vp8enc",
       "VP8",
       "target-bitrate",
       1,
       "keyframe-max-dist",
       nullptr,
       "video/x-vp8",
       {{"deadline", "1"},
        {"cpu-used", "8"},
        {"end-usage", "cbr"},
        {"lag-in-frames", "0"},
        {"error-resilient", "default"},
        {"threads", "2"}}},
      {"vp9enc",
       "VP9",
       "target-bitrate",
       1,
       "keyframe-max-dist",
       nullptr,
       "video/x-vp9",
       {{"deadline", "1"},
        {"cpu-used", "8"},
        {"end-usage", "cbr"},
        {"lag-in-frames", "0"},
        {"error-resilient", "default"},
        {"threads", "2"},
        {"row-mt", "true"}},
       "video/x-raw, format=(string){ I420, YV12 }"},
      {"opusenc",
       "OPUS",
       "bitrate",
       1,
       nullptr,
       nullptr,
       "audio/x-opus",
       {{"frame-size", "20"}, {"inband-fec", "true"}, {"packet-loss-percentage", "5"}}},
  };
  return entries;
}

bool has_property(GstElement *element, const char *name)
{
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name) != nullptr;
}

void set_structure_field(GstElement *encoder, const EncoderEntry &entry, const char *field,
                         guint value)
{
  GstStructure *current = nullptr;
  g_object_get(encoder, entry.structure_property, &current, nullptr);
  support::StructurePtr structure(current != nullptr ? current
                                                     : gst_structure_new_empty("controls"));
  gst_structure_set(structure.get(), field, G_TYPE_INT, static_cast<gint>(value), nullptr);
  g_object_set(encoder, entry.structure_property, structure.get(), nullptr);
}

// Within what the property can take, whatever integer it is.
void set_number(GstElement *encoder, const char *property, guint number)
{
  GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(encoder), property);
  GValue from = G_VALUE_INIT;
  GValue to = G_VALUE_INIT;
  g_value_init(&from, G_TYPE_UINT);
  g_value_set_uint(&from, number);
  g_value_init(&to, spec->value_type);
  if (g_value_transform(&from, &to)) {
    g_param_value_validate(spec, &to);
    g_object_set_property(G_OBJECT(encoder), property, &to);
  }
  g_value_unset(&from);
  g_value_unset(&to);
}

guint frames_of(guint interval_ms, gint fps_n, gint fps_d)
{
  if (fps_n <= 0 || fps_d <= 0) {
    fps_n = 30;
    fps_d = 1;
  }
  const guint64 frames = gst_util_uint64_scale(interval_ms, static_cast<guint64>(fps_n),
                                               static_cast<guint64>(fps_d) * 1000);
  return static_cast<guint>(std::clamp<guint64>(frames, 1, 10000));
}

}  // namespace

std::span<const EncoderEntry> known_encoders()
{
  return table();
}

const EncoderEntry *find_encoder(std::string_view codec)
{
  for (const EncoderEntry &entry : table()) {
    if (codec != entry.codec)
      continue;
    const auto factory = support::adopt_object(gst_element_factory_find(entry.factory));
    if (factory)
      return &entry;
  }
  return nullptr;
}

const EncoderEntry *entry_of(GstElement *encoder)
{
  GstElementFactory *factory = gst_element_get_factory(encoder);
  for (const EncoderEntry &entry : table())
    if (factory != nullptr && g_str_equal(GST_OBJECT_NAME(factory), entry.factory))
      return &entry;
  return nullptr;
}

Result<GObjectPtr<GstElement>> make_encoder(const EncoderEntry &entry,
                                            const EncoderSettings &settings, gint fps_n, gint fps_d)
{
  auto encoder = sink_object(gst_element_factory_make(entry.factory, nullptr));
  if (!encoder)
    return support::Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                            std::string("The encoder ") + entry.factory +
                                " cannot be loaded. Install its plugin again.",
                            ""};
  for (const EncoderSetting &setting : entry.settings) {
    if (!has_property(encoder.get(), setting.property))
      return support::Failure{GST_LIBRARY_ERROR_SETTINGS,
                              std::string("This version of ") + entry.factory +
                                  " has no property " + setting.property +
                                  ", without which it cannot be used for live sending.",
                              ""};
    gst_util_set_object_arg(G_OBJECT(encoder.get()), setting.property, setting.value);
  }
  if (settings.bitrate > 0)
    set_encoder_bitrate(encoder.get(), entry, settings.bitrate);
  if (entry.keyframe_property != nullptr) {
    const guint frames = frames_of(settings.keyframe_interval_ms, fps_n, fps_d);
    if (entry.structure_property != nullptr)
      set_structure_field(encoder.get(), entry, entry.keyframe_property, frames);
    else
      set_number(encoder.get(), entry.keyframe_property, frames);
  }
  return encoder;
}

void set_encoder_bitrate(GstElement *encoder, const EncoderEntry &entry, guint bitrate)
{
  const guint value = std::max(1U, bitrate / static_cast<guint>(entry.bitrate_unit));
  if (entry.structure_property != nullptr)
    set_structure_field(encoder, entry, entry.bitrate_property, value);
  else
    set_number(encoder, entry.bitrate_property, value);
}

}  // namespace streamlib::webrtc
