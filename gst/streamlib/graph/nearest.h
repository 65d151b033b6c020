// SPDX-License-Identifier: LGPL-2.1-or-later
// The name that was probably meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace streamlib::graph {

// "did you mean 'videotestsrc'?", or "" when no candidate is near enough.
std::string did_you_mean(std::string_view name, const std::vector<std::string_view> &candidates);

// "'a', 'b' or 'c'"; "" for none. Of many, the first ones.
std::string list_of(const std::vector<std::string_view> &names);

}  // namespace streamlib::graph
