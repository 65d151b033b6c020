// SPDX-License-Identifier: LGPL-2.1-or-later
// Latency from the sources of a graph to its sinks, and how far apart the inputs of a node are.
#pragma once

#include "gst/streamlib/graph/figures.h"

namespace streamlib::graph {

// Of a graph with more paths than kMostPaths, or more hops in them than kMostHops, the first ones.
inline constexpr size_t kMostPaths = 64;
inline constexpr size_t kMostHops = 4096;

// An array of paths, each with its hops; `is_cut` says whether there are more.
Json paths_of(const Figures &figures, const DeclaredLatencies &declared, bool *is_cut);
// An array of the nodes with several inputs.
Json joins_of(const Figures &figures);

}  // namespace streamlib::graph
