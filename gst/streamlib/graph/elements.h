// SPDX-License-Identifier: LGPL-2.1-or-later
// Makes the elements of a graph, and the pads, links and fan-outs around them.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/streamlib/graph/running.h"
#include "gst/support/result.h"

namespace streamlib::graph {

using support::Result;
using support::Status;

// The element of a node, configured, in no bin yet. `name` is its object name.
Result<GObjectPtr<GstElement>> make_element(const FlatNode &node, const std::string &name);

// One member of a config: a property, or "pad::property", or "child::property" of a bin. A null
// value restores the default. The old value is left in `old_value`. Refused values are noticed by
// reading back.
Status set_config(GstElement *element, const std::string &name, const Json &value, Json *old_value);

// Where the pad of a config's member is there only now.
void configure_pad(const FlatNode &node, GstPad *pad);

// The source pads that are there, without those of `known`.
std::vector<GObjectPtr<GstPad>> source_pads(GstElement *element);
bool has_always_pad(GstElement *element, const std::string &pad, GstPadDirection direction);

// The static or requested pad of that name; `requested` says which. Null when there is none.
GObjectPtr<GstPad> take_pad(GstElement *element, const std::string &name, GstPadDirection direction,
                            bool *requested);

// A sink inside of an element (or itself) does not wait for a first buffer any more.
void forgo_preroll(GstElement *element);
bool is_source(GstElement *element);
// By its answer to a LATENCY query.
bool is_live(GstElement *element);

}  // namespace streamlib::graph
