// SPDX-License-Identifier: LGPL-2.1-or-later
// Edits and descriptions that are made of a fuzzer's bytes; most are right ones, whose steps may
// fail.
#pragma once

#include <string>

#include <gst/streamlib/streamlib.h>

#include "fuzz_input.h"

namespace fuzz {

// A source, a filter and a sink: always right.
extern const char *const kFirstDescription;

// An id or the name of a pad, of a node that may be there or not.
const char *choose_id(Input &input);
// A whole description.
std::string compose(Input &input);
// One to three changes, which fit to what the graph is now, or are any.
void add_operations(GstSlGraphEdit *edit, GstSlGraph *graph, Input &input);

}  // namespace fuzz
