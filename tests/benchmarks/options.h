// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line that every benchmark program of this folder takes.
#pragma once

#include <string>

#include "report.h"

namespace streamlib::bench {

struct Options {
  // The element in the place of `sllink`.
  std::string element = "sllink";
  // Only rows whose id begins so.
  std::string only;
  bool is_long = false;
  // Lists the rows, measures none.
  bool list = false;

  Effort effort() const { return is_long ? Effort{9, 3} : Effort{5, 3}; }
  bool wants(const std::string &row_id) const { return row_id.rfind(only, 0) == 0; }
};

// --long, --element=LAUNCH, --only=PREFIX, --list; ends the program with its usage on anything
// else.
Options parse_options(int argc, char **argv);

}  // namespace streamlib::bench
