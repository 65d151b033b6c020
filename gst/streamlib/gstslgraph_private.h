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

// For tests, which reach the library's own parts by it alone: the next edit fails after this number
// of its plan's steps, as if that step had failed.
GST_SL_API void make_up_fault(GstSlGraph *graph, int after_step);

}  // namespace streamlib::graph
