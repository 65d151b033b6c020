// SPDX-License-Identifier: LGPL-2.1-or-later
// Ends of links, and ports.
#include <algorithm>

#include "gst/streamlib/graph/nearest.h"
#include "gst/streamlib/graph/validator.h"

namespace streamlib::graph {

namespace {

const char *word_of(GstPadDirection direction)
{
  return direction == GST_PAD_SRC ? "source" : "sink";
}

std::vector<const PadKind *> always_among(const std::vector<const PadKind *> &kinds)
{
  std::vector<const PadKind *> result;
  std::copy_if(kinds.begin(), kinds.end(), std::back_inserter(result),
               [](const PadKind *kind) { return kind->presence == GST_PAD_ALWAYS; });
  return result;
}

std::vector<const PadKind *> meeting(const std::vector<const PadKind *> &kinds,
                                     const std::vector<const PadKind *> &peers)
{
  std::vector<const PadKind *> result;
  std::copy_if(kinds.begin(), kinds.end(), std::back_inserter(result),
               [&peers](const PadKind *kind) {
                 return std::any_of(peers.begin(), peers.end(), [kind](const PadKind *peer) {
                   return gst_caps_can_intersect(kind->caps.get(), peer->caps.get());
                 });
               });
  return result;
}

std::vector<std::string_view> names_of(const std::vector<const PadKind *> &kinds)
{
  std::vector<std::string_view> names;
  for (const PadKind *kind : kinds)
    names.emplace_back(kind->name);
  return names;
}

}  // namespace

Validator::NodeState *Validator::state_of(const PadName &pad, const Place &place)
{
  const auto found = by_id_.find(pad.node);
  if (found != by_id_.end())
    return &states_[found->second];
  std::vector<std::string_view> names;
  if (problems_.size() < kHintedProblems) {
    for (const FlatNode &node : graph_.nodes)
      names.emplace_back(node.id);
  }
  problem(place, "there is no node '" + pad.node + "'", did_you_mean(pad.node, names));
  return nullptr;
}

const PadKind *Validator::resolve(PadName &pad, GstPadDirection direction, const NodeState &state,
                                  const std::vector<const PadKind *> &peers, const Place &place)
{
  const std::vector<const PadKind *> kinds = state.type->pads(direction);
  const std::string type =
      state.node->factory.empty() ? "the bin" : "'" + state.node->factory + "'";
  if (kinds.empty()) {
    problem(place, type + " has no " + word_of(direction) + " pads");
    return nullptr;
  }
  if (!pad.pad.empty()) {
    if (const PadKind *kind = state.type->pad(pad.pad, direction))
      return kind;
    const bool other_side =
        state.type->pad(pad.pad, direction == GST_PAD_SRC ? GST_PAD_SINK : GST_PAD_SRC);
    const std::string hint = did_you_mean(pad.pad, names_of(kinds));
    problem(place,
            other_side ? "'" + pad.pad + "' of " + type + " is no " + word_of(direction) + " pad"
                       : type + " has no pad '" + pad.pad + "'",
            hint.empty() || other_side ? "it has " + list_of(names_of(kinds)) : hint);
    return nullptr;
  }

  // One that is there comes before one that may come; of several the caps decide.
  std::vector<const PadKind *> candidates = always_among(kinds);
  if (candidates.empty())
    candidates = kinds;
  if (candidates.size() > 1 && !peers.empty()) {
    const std::vector<const PadKind *> fitting = meeting(candidates, peers);
    if (fitting.size() == 1)
      candidates = fitting;
  }
  if (candidates.size() > 1) {
    problem(place, "the pad of '" + pad.node + "' must be named",
            "it is one of " + list_of(names_of(candidates)));
    return nullptr;
  }
  pad.pad = candidates.front()->name;
  return candidates.front();
}

void Validator::take_input(const PadName &pad, const PadKind &kind, const Place &place,
                           const std::string &what)
{
  // Of a template there are as many pads as are asked for.
  if (kind.presence != GST_PAD_ALWAYS && pad.pad == kind.name)
    return;
  const auto [taken, is_first] = inputs_.emplace(pad, what);
  if (!is_first)
    problem(place, "'" + to_text(pad) + "' has an input already, by " + taken->second,
            "join the two by a node that has several inputs");
}

void Validator::check_links()
{
  ends_.resize(graph_.links.size());
  for (size_t i = 0; i < graph_.links.size(); i++) {
    if (is_full(problems_))
      return;
    FlatLink &link = graph_.links[i];
    const Place place = place_of(link);
    NodeState *from = state_of(link.from, place.at("from"));
    NodeState *to = state_of(link.to, place.at("to"));
    if (from == nullptr || to == nullptr)
      continue;
    from->outputs.push_back(i);
    to->inputs.push_back(i);
    to->fed++;
    if (from == to) {
      problem(place, "the link leads from '" + link.from.node + "' to itself");
      continue;
    }
    std::vector<const PadKind *> sources, sinks;
    if (from->type)
      sources = from->type->pads(GST_PAD_SRC);
    if (to->type)
      sinks = to->type->pads(GST_PAD_SINK);
    if (from->type)
      ends_[i].first = resolve(link.from, GST_PAD_SRC, *from, sinks, place.at("from"));
    // Where the source's end is known, only that decides.
    if (ends_[i].first != nullptr)
      sources = {ends_[i].first};
    if (to->type)
      ends_[i].second = resolve(link.to, GST_PAD_SINK, *to, sources, place.at("to"));
    if (ends_[i].second != nullptr)
      take_input(link.to, *ends_[i].second, place.at("to"), "the link at " + link.pointer);
  }
}

void Validator::check_ports()
{
  std::map<PadName, std::string> outputs;
  for (std::vector<FlatPort> *ports : {&graph_.inputs, &graph_.outputs}) {
    const bool is_input = ports == &graph_.inputs;
    for (FlatPort &port : *ports) {
      if (is_full(problems_))
        return;
      const Place place = place_of(port);
      NodeState *state = state_of(port.pad, place);
      if (state == nullptr)
        continue;
      if (is_input)
        state->fed++;
      if (!state->type)
        continue;
      const PadKind *kind =
          resolve(port.pad, is_input ? GST_PAD_SINK : GST_PAD_SRC, *state, {}, place);
      if (kind == nullptr)
        continue;
      if (is_input) {
        take_input(port.pad, *kind, place, "the input '" + port.name + "'");
        continue;
      }
      if (kind->presence != GST_PAD_ALWAYS && port.pad.pad == kind->name)
        continue;
      const auto [taken, is_first] = outputs.emplace(port.pad, port.name);
      if (!is_first)
        problem(place, "'" + to_text(port.pad) + "' is the output '" + taken->second + "' already",
                "put a tee before the two");
    }
  }
}

}  // namespace streamlib::graph
