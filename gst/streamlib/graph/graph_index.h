// SPDX-License-Identifier: LGPL-2.1-or-later
// Finds the nodes and links of a graph that stays as it is meanwhile.
#pragma once

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gst/streamlib/graph/description.h"

namespace streamlib::graph {

class GraphIndex {
public:
  explicit GraphIndex(const FlatGraph &graph)
  {
    nodes_.reserve(graph.nodes.size());
    for (const FlatNode &node : graph.nodes)
      nodes_.emplace(node.id, &node);
    for (const FlatLink &link : graph.links)
      consumers_[link.from].push_back(&link);
  }

  // Null when there is none.
  const FlatNode *node(std::string_view id) const
  {
    const auto found = nodes_.find(id);
    return found != nodes_.end() ? found->second : nullptr;
  }

  // Whether a link from the same pad leads elsewhere.
  bool has_other_consumer(const FlatLink &link) const
  {
    const auto found = consumers_.find(link.from);
    return found != consumers_.end() &&
           std::any_of(found->second.begin(), found->second.end(),
                       [&](const FlatLink *other) { return other->to != link.to; });
  }

private:
  std::unordered_map<std::string_view, const FlatNode *> nodes_;
  std::map<PadName, std::vector<const FlatLink *>> consumers_;
};

}  // namespace streamlib::graph
