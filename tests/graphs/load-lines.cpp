// SPDX-License-Identifier: LGPL-2.1-or-later
// Loads a description from each line of the input; prints its problems as a JSON array.
#include <iostream>
#include <string>

#include "gst/streamlib/graph/description.h"

using namespace streamlib::graph;

int main()
{
  std::string line;
  while (std::getline(std::cin, line)) {
    Json::Array problems;
    const auto loaded = Description::load(line);
    if (!loaded) {
      for (const Problem &problem : loaded.error())
        problems.push_back(Json::Object{
            {"pointer", problem.pointer}, {"reason", problem.reason}, {"hint", problem.hint}});
    }
    std::cout << write_json(problems) << std::endl;
  }
  return 0;
}
