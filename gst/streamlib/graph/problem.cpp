// SPDX-License-Identifier: LGPL-2.1-or-later
// Problems as text.
#include "gst/streamlib/graph/problem.h"

namespace streamlib::graph {

std::string to_text(const Problems &problems)
{
  std::string text;
  for (const Problem &problem : problems) {
    if (!text.empty())
      text += '\n';
    text += problem.pointer.empty() ? "the description" : problem.pointer;
    text += ": " + problem.reason;
    if (!problem.hint.empty())
      text += "; " + problem.hint;
  }
  return text;
}

}  // namespace streamlib::graph
