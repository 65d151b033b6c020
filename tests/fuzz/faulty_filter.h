// SPDX-License-Identifier: LGPL-2.1-or-later
// A filter that passes on, and fails where its property `fails` says.
#pragma once

#include <gst/gst.h>

namespace fuzz {

// When a `faultyfilter` fails; the values of its property.
enum class Fault : int {
  None,
  Ready,      // On the way to READY.
  Paused,     // On the way to PAUSED.
  Playing,    // On the way to PLAYING.
  Down,       // On the first way back to READY.
  Buffer,     // An error at every third buffer.
  Refusal,    // Every third buffer is answered with an error, without a message.
  SlowSetup,  // The way to PAUSED takes kSlowSetup.
  Last
};

inline constexpr gulong kSlowSetup = 60 * G_TIME_SPAN_MILLISECOND;

// Registers `faultyfilter`: `fails` can only be changed below PAUSED; `even` at any time, and takes
// no odd number.
void register_faulty_filter();

}  // namespace fuzz
