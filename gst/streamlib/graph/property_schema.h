// SPDX-License-Identifier: LGPL-2.1-or-later
// Properties of a class as a JSON Schema.
#pragma once

#include <glib-object.h>

#include "gst/streamlib/graph/json.h"

namespace streamlib::graph {

// The schema of an object whose members are the writable properties. The defaults are those of the
// instance where there is one. Names of children and pads, "sink_0::xpos", are let through.
Json config_schema(GObjectClass *klass, GObject *instance);

}  // namespace streamlib::graph
