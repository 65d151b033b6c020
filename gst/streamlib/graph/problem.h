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

// "/nodes/cam/type: there is no element 'vidoetestsrc'; did you mean 'videotestsrc'?", one a line.
std::string to_text(const Problems &problems);

}  // namespace streamlib::graph
