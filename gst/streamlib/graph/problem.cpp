// SPDX-License-Identifier: LGPL-2.1-or-later
// Problems as text.
#include "gst/streamlib/graph/problem.h"

#include <unordered_set>

namespace streamlib::graph {

namespace {

// One that stands in a template is found with each of its uses.
void take_out_doubles(Problems &problems)
{
  std::unordered_set<std::string> seen;
  std::erase_if(problems, [&seen](const Problem &problem) {
    return !seen.insert(problem.pointer + '\0' + problem.reason).second;
  });
}

}  // namespace

bool is_full(Problems &problems)
{
  if (problems.size() < kMostProblems)
    return false;
  take_out_doubles(problems);
  return problems.size() >= kMostProblems;
}

void finish(Problems &problems)
{
  take_out_doubles(problems);
  if (problems.size() < kMostProblems)
    return;
  problems.resize(kMostProblems);
  problems.push_back({"",
                      "the search ended with these " + std::to_string(kMostProblems) +
                          " problems, and there may be more",
                      "mend these first"});
}

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
