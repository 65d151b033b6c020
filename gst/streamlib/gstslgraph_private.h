// SPDX-License-Identifier: LGPL-2.1-or-later
// What the parts of GstSlGraph share.
#pragma once

#include <string>

#include "gst/streamlib/graph/engine.h"
#include "gst/streamlib/gstslgraph.h"

namespace streamlib::graph {

Engine &engine_of(GstSlGraph *graph);
// Where files that a description names are looked up.
LoadOptions load_options_of(GstSlGraph *graph);
void set_error(GError **error, const EditFailure &failure);
// [{"pointer", "reason", "hint"}, …]
std::string to_json_text(const Problems &problems);
EditFunction to_description(GstSlGraph *graph, const char *text);

}  // namespace streamlib::graph
