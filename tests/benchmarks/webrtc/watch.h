// SPDX-License-Identifier: LGPL-2.1-or-later
// What has come to the sinks of a session, written on the board.
#pragma once

#include <string>

#include <gst/gst.h>

#include "board.h"

namespace streamlib::bench {

// How the media of a session ends.
enum class Show {
  kEncoded,  // It is counted as it comes.
  kDecoded,  // The same of decoded pictures.
  kRead,     // Decoded pictures are read as soon as they are there.
  kDisplay,  // Pictures are shown at their time, and read; late ones are left out.
};

// Launch lines of the sinks `show-video` and `show-audio`.
std::string video_sink(Show show);
std::string audio_sink(Show show);

// Of a pipeline, or a part of one, that has one of these sinks or both. The slot stays until the
// pipeline has stopped.
void watch(GstElement *bin, Show show, Slot &slot);

}  // namespace streamlib::bench
