// SPDX-License-Identifier: LGPL-2.1-or-later
// Between the caps of a device and its modes.
#pragma once

#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/support/ownership.h>

#include "sys/camera/mode.h"

namespace streamlib::camera {

// The encodings that a camera may deliver, and how they are decoded.
struct Decoding {
  // Elements in the order of the data, none for raw video.
  std::vector<support::GObjectPtr<GstElementFactory>> chain;
  bool possible = false;
};

// How video of this media type becomes raw.
Decoding decoding_of(const std::string &media);

// The modes in `device_caps` that this installation can decode, and whose raw form `downstream`
// takes.
std::vector<ModeSet> modes_of(GstCaps *device_caps, GstCaps *downstream);

// The part of `device_caps` that is this mode, in all formats and memories.
support::MiniPtr<GstCaps> caps_of(const Mode &mode, GstCaps *device_caps);

// All that a camera can, for messages, a line for each size, rate and memory:
// "  video/x-raw(memory:DMABuf), width=(int)640, height=(int)480, ...".
std::string text_of_caps(GstCaps *device_caps);

}  // namespace streamlib::camera
