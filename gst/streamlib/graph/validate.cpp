// SPDX-License-Identifier: LGPL-2.1-or-later
// Types and configs of nodes.
#include "gst/streamlib/graph/nearest.h"
#include "gst/streamlib/graph/secrets.h"
#include "gst/streamlib/graph/validator.h"
#include "gst/streamlib/graph/values.h"

namespace streamlib::graph {

using support::Failure;
using support::MiniPtr;
using support::Result;
using support::Status;

Problems validate(FlatGraph &graph)
{
  Problems problems = Validator(graph).run();
  Secrets(graph).mask(problems);
  return problems;
}

Problems Validator::run()
{
  states_.resize(graph_.nodes.size());
  for (size_t i = 0; i < graph_.nodes.size(); i++) {
    const FlatNode &node = graph_.nodes[i];
    states_[i].node = &node;
    if (!by_id_.emplace(node.id, i).second)
      problem(place_of(node), "there is another node '" + node.id + "'");
  }
  for (const FlatNode &node : graph_.nodes) {
    if (node.fallback.empty())
      continue;
    const auto fallback = by_id_.find(node.fallback);
    if (fallback != by_id_.end())
      states_[fallback->second].is_fallback = true;
    else
      problem(place_of(node).at("fallback"),
              "there is no node '" + node.fallback + "' to fall back to");
  }
  check_types();
  check_links();
  check_ports();
  // The whole is looked at only where all of its parts have been.
  if (!is_full(problems_)) {
    check_cycles();
    check_feeds();
  }
  finish(problems_);
  return std::move(problems_);
}

void Validator::problem(const Place &place, std::string reason, std::string hint)
{
  problems_.push_back(place.problem(std::move(reason), std::move(hint)));
}

std::shared_ptr<const NodeType> Validator::type_of(const FlatNode &node)
{
  const Place place = place_of(node).at("type");
  if (node.factory.empty()) {
    Result<std::shared_ptr<const NodeType>> made = NodeType::of_bin(node.bin);
    if (made)
      return *made;
    problem(place.at("bin"), "the bin cannot be made: " + made.error().text,
            "gst-launch-1.0 takes the same text");
    return nullptr;
  }
  auto known = factories_.find(node.factory);
  if (known == factories_.end())
    known = factories_.emplace(node.factory, NodeType::of_factory(node.factory)).first;
  if (known->second)
    return *known->second;
  problem(place, known->second.error().text, known->second.error().debug);
  return nullptr;
}

void Validator::check_types()
{
  for (NodeState &state : states_) {
    if (is_full(problems_))
      return;
    state.type = type_of(*state.node);
    if (state.type)
      check_config(state);
  }
}

void Validator::check_config(NodeState &state)
{
  const Json::Object *members = state.node->config.object();
  if (members == nullptr)
    return;
  for (const auto &[name, value] : *members) {
    if (is_full(problems_))
      return;
    check_property(state, name, value);
  }
}

void Validator::check_property(NodeState &state, const std::string &name, const Json &value)
{
  const Place place = place_of(*state.node).at("config").at(name);
  if (name == "name" || name == "parent") {
    problem(place, "'" + name + "' cannot be set", "the node's id names its element");
    return;
  }
  const Result<GParamSpec *> found = find_property(*state.type, state.node->factory, name);
  if (!found) {
    problem(place, found.error().text, found.error().debug);
    return;
  }
  GParamSpec *spec = *found;
  if ((spec->flags & G_PARAM_WRITABLE) == 0) {
    problem(place, "the property '" + name + "' can only be read");
    return;
  }
  if ((spec->flags & G_PARAM_CONSTRUCT_ONLY) != 0) {
    problem(place, "the property '" + name + "' can only be set by who makes the element");
    return;
  }
  // It stands for the default.
  if (value.is_null())
    return;
  PropertyValue made;
  const Status status = set_value(made.get(), spec, value);
  if (!status) {
    problem(place, status.error().text, status.error().debug);
    return;
  }
  if (state.node->factory == "capsfilter" && name == "caps" &&
      gst_value_get_caps(made.get()) != nullptr)
    state.filter = support::share_mini(const_cast<GstCaps *>(gst_value_get_caps(made.get())));
}

}  // namespace streamlib::graph
