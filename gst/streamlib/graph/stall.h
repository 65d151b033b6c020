// SPDX-License-Identifier: LGPL-2.1-or-later
// Which node holds a graph up, and why.
#pragma once

#include <string>

#include "gst/streamlib/graph/figures.h"

namespace streamlib::graph {

struct Stall {
  std::string node;  // Empty: none.
  std::string why;
};

// Of a graph that plays.
Stall find_stalled(const Figures &figures, int64_t now);

}  // namespace streamlib::graph
