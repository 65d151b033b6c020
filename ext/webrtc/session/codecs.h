// SPDX-License-Identifier: LGPL-2.1-or-later
// How the codecs of a description are called in GStreamer.
#pragma once

#include <string>
#include <string_view>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

struct CodecFacts {
  const char *name;  // As RTP has it, in capitals.
  MediaKind kind;
  const char *encoded_caps;  // As the session takes and gives it.
  const char *payloader;
  const char *depayloader;
};

// By a name of a=rtpmap, whose case does not matter; null where we have no such codec.
const CodecFacts *find_codec(std::string_view rtp_name);
// By caps of an input; null for raw or unknown ones.
const CodecFacts *find_codec_of_caps(GstCaps *caps);
// Whether an input with these caps may be of the codec, in whatever form its parser takes.
bool can_be_encoded(GstCaps *caps, const CodecFacts &codec);
// What an input of the kind may be: raw, or any of our codecs.
support::MiniPtr<GstCaps> possible_input_caps(MediaKind kind);

// The value of an a=fmtp parameter; empty where it is not given.
std::string_view codec_parameter(const Codec &codec, std::string_view name);
bool has_feedback(const Codec &codec, std::string_view feedback);

// application/x-rtp for the payload type of a codec, or of its RTX stream, as rtpbin wants it.
support::MiniPtr<GstCaps> rtp_caps(const MediaParameters &section, const Codec &codec);
support::MiniPtr<GstCaps> rtx_caps(const MediaParameters &section, const Codec &codec);

}  // namespace streamlib::webrtc
