// SPDX-License-Identifier: LGPL-2.1-or-later
// The encoders that we know, and how each one is told a bitrate, a keyframe interval, low latency.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

struct EncoderSetting {
  const char *property;
  const char *value;  // As gst-launch writes it.
};

struct EncoderEntry {
  const char *factory;
  const char *codec;  // As RTP has it, in capitals.
  const char *bitrate_property;
  int bitrate_unit;               // In bit/s: what 1 of the property means.
  const char *keyframe_property;  // In frames; null: it has none.
  // Where set: bitrate and keyframe interval are fields of this structure property instead.
  const char *structure_property;
  const char *output_caps;  // What follows the encoder as a filter.
  std::vector<EncoderSetting> settings;
  // A filter before the encoder, where it would make another profile of other formats; null: none.
  const char *input_caps = nullptr;
};

// By preference: hardware first, within a codec.
std::span<const EncoderEntry> known_encoders();

struct EncoderSettings {
  guint bitrate = 0;                  // In bit/s.
  guint keyframe_interval_ms = 2000;  // Video.
};

// The best encoder of a codec that is present; null where there is none.
const EncoderEntry *find_encoder(std::string_view codec);
// The entry of an encoder that was made by make_encoder().
const EncoderEntry *entry_of(GstElement *encoder);

// Frames in a second as numerator and denominator; 0/1: not known, 30 is assumed.
support::Result<support::GObjectPtr<GstElement>> make_encoder(const EncoderEntry &entry,
                                                              const EncoderSettings &settings,
                                                              gint fps_n, gint fps_d);

// Any thread, also while data flows.
void set_encoder_bitrate(GstElement *encoder, const EncoderEntry &entry, guint bitrate);

}  // namespace streamlib::webrtc
