// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptions as the text of gst-launch-1.0, and back.
#pragma once

#include <string>

#include "gst/streamlib/graph/description.h"

namespace streamlib::graph {

// The text of a validated graph. A fan-out becomes a tee "fan-out-N" with an sllink behind it for
// each branch, a link with a policy or a depth an sllink "link-N"; the '/' in ids of templates
// becomes '_'. What gst-launch-1.0 cannot say is a problem: supervision, ports, links into bins.
// The text holds secrets, as it would not run without them; masked_text() hides them. Any thread.
support::Result<std::string, Problems> to_launch(const FlatGraph &graph);

// The description that says what the text says: its elements with the properties that are not as
// they begin, and its links; those to pads that come later by the names of their templates. What
// only can be written, and not read back, is lost. Any thread.
support::Result<Json, Problems> from_launch(const std::string &text);

}  // namespace streamlib::graph
