// SPDX-License-Identifier: LGPL-2.1-or-later
// Checks a flat graph against the elements that are installed.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/place.h"
#include "gst/streamlib/graph/types.h"

namespace streamlib::graph {

class Validator {
public:
  explicit Validator(FlatGraph &graph) : graph_(graph) {}
  Problems run();

private:
  struct NodeState {
    const FlatNode *node = nullptr;
    std::shared_ptr<const NodeType> type;  // Null: it is unknown, and that has been said.
    support::MiniPtr<GstCaps> filter;      // Of a caps filter.
    // What can leave a node that passes on what it is given; null: what its pads say.
    support::MiniPtr<GstCaps> carried;
    std::vector<size_t> inputs;  // Links.
    std::vector<size_t> outputs;
    size_t fed = 0;  // Links and ports that bring data.
    bool is_fallback = false;
  };

  // validate.cpp: types and configs.
  void check_types();
  void check_config(NodeState &state);
  void check_property(NodeState &state, const std::string &name, const Json &value);
  std::shared_ptr<const NodeType> type_of(const FlatNode &node);

  // validate_links.cpp: what concerns one link or port.
  void check_links();
  void check_ports();
  NodeState *state_of(const PadName &pad, const Place &place);
  const PadKind *resolve(PadName &pad, GstPadDirection direction, const NodeState &state,
                         const std::vector<const PadKind *> &peers, const Place &place);
  void take_input(const PadName &pad, const PadKind &kind, const Place &place,
                  const std::string &what);

  // validate_flow.cpp: what concerns the whole.
  void check_cycles();
  void check_caps(const std::vector<size_t> &order);
  void check_feeds();
  support::MiniPtr<GstCaps> caps_of(const NodeState &state, const PadKind &kind) const;

  void problem(const Place &place, std::string reason, std::string hint = {});
  static Place place_of(const FlatNode &node) { return {node.pointer, node.inside}; }
  static Place place_of(const FlatLink &link) { return {link.pointer, link.inside}; }
  static Place place_of(const FlatPort &port) { return {port.pointer, port.inside}; }

  FlatGraph &graph_;
  Problems problems_;
  std::vector<NodeState> states_;
  std::unordered_map<std::string_view, size_t> by_id_;
  std::map<std::string, support::Result<std::shared_ptr<const NodeType>>> factories_;
  std::map<PadName, std::string> inputs_;  // Those taken, and by what.
  // The kinds of pads at the ends of each link; null where they are unknown.
  std::vector<std::pair<const PadKind *, const PadKind *>> ends_;
};

}  // namespace streamlib::graph
