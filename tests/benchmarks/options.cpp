// SPDX-License-Identifier: LGPL-2.1-or-later
// The command line that every benchmark program of this folder takes.
#include "options.h"

#include <cstdio>
#include <cstdlib>

#include "measure.h"

namespace streamlib::bench {

Options parse_options(int argc, char **argv)
{
  Options options;
  options.start_ns = monotonic_ns();
  for (int i = 1; i < argc; i++) {
    const std::string argument = argv[i];
    if (argument == "--long") {
      options.is_long = true;
    } else if (argument == "--list") {
      options.list = true;
    } else if (argument.rfind("--element=", 0) == 0) {
      options.element = argument.substr(10);
    } else if (argument.rfind("--only=", 0) == 0) {
      options.only = argument.substr(7);
    } else {
      fprintf(stderr,
              "usage: %s [--long] [--element=LAUNCH] [--only=ROW] [--list]\n"
              "  --long            more repetitions and longer ones\n"
              "  --element=LAUNCH  measure this element instead of sllink (it must take the\n"
              "                    properties policy and depth)\n"
              "  --only=ROW        only the rows whose name begins so\n"
              "  --list            names the rows\n",
              argv[0]);
      exit(64);
    }
  }
  return options;
}

}  // namespace streamlib::bench
