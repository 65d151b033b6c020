// SPDX-License-Identifier: LGPL-2.1-or-later
// How the streaming thread is brought out of an input whose consumer takes nothing.
#pragma once

#include <functional>

#include <gst/gst.h>

#include "gst/streamlib/graph/running.h"

namespace streamlib::graph {

enum class Left {
  No,
  Yes,
  // What the link held, and the beginning of its stream, is lost.
  Flushed,
};

// `leave` waits up to the time given until the thread is out, and takes care that it does not come
// back. A link that is full lets in what the thread brings; where that is not what it waits for the
// input is flushed, unless that would flush other inputs too.
Left make_leave(const Input &input, const std::function<bool(GstClockTime)> &leave);

}  // namespace streamlib::graph
