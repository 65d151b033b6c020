// SPDX-License-Identifier: LGPL-2.1-or-later
// Places within a description, for problems.
#pragma once

#include <string>
#include <string_view>

#include "gst/streamlib/graph/json.h"
#include "gst/streamlib/graph/problem.h"

namespace streamlib::graph {

// A JSON pointer into the description; for what stands in the file of a template also the place
// there, "effects.json#/templates/blur/nodes/a", while the pointer stays at the template's use.
struct Place {
  std::string pointer;
  std::string inside;

  Place at(std::string_view name) const { return below(pointer_step(name)); }
  Place at(size_t index) const { return below(pointer_step(index)); }
  Problem problem(std::string reason, std::string hint = {}) const
  {
    if (!inside.empty())
      reason = inside + ": " + reason;
    return {pointer, std::move(reason), std::move(hint)};
  }

private:
  Place below(const std::string &step) const
  {
    if (inside.empty())
      return {pointer + step, {}};
    return {pointer, inside + step};
  }
};

}  // namespace streamlib::graph
