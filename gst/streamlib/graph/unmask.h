// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptions that were read from a graph, changed, and given back.
#pragma once

#include "gst/streamlib/graph/description.h"

namespace streamlib::graph {

// Where the next description has what the current one shows in place of a secret, it gets the
// secret. A mask that stands for nothing is a problem.
support::Result<Description, Problems> unmasked(Description next, const Description &current,
                                                const LoadOptions &options);

}  // namespace streamlib::graph
