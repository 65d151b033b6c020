// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line that every benchmark program of this folder takes.
#pragma once

#include <cstdint>
#include <string>

#include "report.h"

namespace streamlib::bench {

// After this a program in the short form tries no row again.
inline constexpr int64_t kShortFormNs = 33'000'000'000;

struct Options {
  // The element in the place of `sllink`.
  std::string element = "sllink";
  // Only rows whose id begins so.
  std::string only;
  bool is_long = false;
  // Lists the rows, measures none.
  bool list = false;

  // When the program began (monotonic).
  int64_t start_ns = 0;

  Effort effort() const { return is_long ? Effort{15, 3} : Effort{5, 3, start_ns + kShortFormNs}; }
  // For rows without a budget.
  Effort single_effort() const { return {effort().repetitions, 1}; }
  bool wants(const std::string &row_id) const { return row_id.rfind(only, 0) == 0; }
};

// --long, --element=LAUNCH, --only=PREFIX, --list; ends the program with its usage on anything
// else.
Options parse_options(int argc, char **argv);

}  // namespace streamlib::bench
