// SPDX-License-Identifier: LGPL-2.1-or-later
// What node types there are, and what each can be told, by introspection.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/streamlib/graph/json.h"
#include "gst/support/result.h"

namespace streamlib::graph {

// When a property may change, from the first to the last that allows it: "playing", "paused",
// "ready", "null" (only before the element is started), "construct" (never), "read-only", or
// "unknown" where the element does not say. Any thread.
const char *mutability_of(const GParamSpec *spec);
// Whether an element in this state takes a new value; true for "unknown".
bool may_change_in(const GParamSpec *spec, GstState state);

// The JSON Schema of the config of a type, under "config", beside what the type is and its pads:
//   {"type", "factory", "title", "description", "class", "plugin", "config": {…}, "pads": […]}
// Each property in config has, beside the words of JSON Schema, "mutable" (above), "unit" where its
// description names one ("ns", "ms", "Hz", "bytes", …) and "gtype". The failure's text is a
// sentence, its debug text a hint. Any thread.
support::Result<Json> catalogue_of(const std::string &type);

// All types, without their properties: [{"type", "factory", "title", "class"}, …], the short names
// first. Any thread.
Json catalogue();

}  // namespace streamlib::graph
