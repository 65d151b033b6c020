// SPDX-License-Identifier: LGPL-2.1-or-later
// What is wrong with a description, and where.
#pragma once

#include <string>
#include <vector>

namespace streamlib::graph {

struct Problem {
  std::string pointer;  // JSON pointer into the description as it was given; "" is the whole.
  std::string reason;   // One sentence for the user. Never holds the value of a secret.
  std::string hint;     // The nearest right name, or what to do; may be empty.
};

using Problems = std::vector<Problem>;

// As many are told at once; the search for more ends there.
inline constexpr size_t kMostProblems = 200;
// A name is searched for a nearer one only while problems are few.
inline constexpr size_t kHintedProblems = 50;

// Whether there are as many, each counted once: what was told already is taken out.
bool is_full(Problems &problems);
// When all that is wrong has been searched for, or the search was given up.
void finish(Problems &problems);

// "/nodes/cam/type: there is no element 'vidoetestsrc'; did you mean 'videotestsrc'?", one a line.
std::string to_text(const Problems &problems);

}  // namespace streamlib::graph
