// SPDX-License-Identifier: LGPL-2.1-or-later
// The operations of an edit: each makes another description out of one.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "gst/streamlib/graph/description.h"

namespace streamlib::graph {

struct AddNode {
  std::string id;
  std::string node;  // JSON
};
// Its links go with it.
struct RemoveNode {
  std::string id;
};
// An empty text: the same node with a new element.
struct ReplaceNode {
  std::string id;
  std::string node;
};
struct AddLink {
  std::string from;
  std::string to;
  std::string options;  // JSON object of policy, depth, timing; or empty.
};
struct RemoveLink {
  std::string from;
  std::string to;
};
// A value that is no JSON is taken as text; an empty one restores the default.
struct Configure {
  std::string id;
  std::string property;
  std::string value;
};

using Operation = std::variant<AddNode, RemoveNode, ReplaceNode, AddLink, RemoveLink, Configure>;

// All of them, or the problems of the first that cannot be done; their pointers begin with
// "/operations/", its number, and a slash where they lie in the text of the operation.
support::Result<Json, Problems> carry_out(const std::vector<Operation> &operations, Json json);

// The nodes that get a new element although their description stays.
std::vector<std::string> replaced_by(const std::vector<Operation> &operations);

}  // namespace streamlib::graph
