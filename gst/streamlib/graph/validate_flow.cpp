// SPDX-License-Identifier: LGPL-2.1-or-later
// Cycles, caps along the way, and nodes that no data can reach.
#include <algorithm>
#include <array>

#include "gst/streamlib/graph/validator.h"

namespace streamlib::graph {

using support::adopt_mini;
using support::CStr;
using support::MiniPtr;

namespace {

constexpr size_t kLongestCaps = 160;
constexpr guint kLongestList = 4;
// Nodes of a cycle that a problem names.
constexpr size_t kNamedNodes = 12;

// These hand on the caps that they are given.
bool passes_on(const std::string &factory)
{
  static constexpr std::array kFactories = {"capsfilter", "clocksync", "identity", "queue",
                                            "queue2",     "sllink",    "tee",      "valve"};
  return std::find(kFactories.begin(), kFactories.end(), factory) != kFactories.end();
}

gboolean is_short(GQuark, GValue *value, gpointer)
{
  return !GST_VALUE_HOLDS_LIST(value) || gst_value_list_get_size(value) <= kLongestList;
}

// Without the long lists of formats, in which what differs would be lost.
std::string shortened(GstCaps *caps)
{
  const auto copy = adopt_mini(gst_caps_copy(caps));
  for (guint i = 0; i < gst_caps_get_size(copy.get()); i++)
    gst_structure_filter_and_map_in_place(gst_caps_get_structure(copy.get(), i), is_short, nullptr);
  const CStr text(gst_caps_to_string(copy.get()));
  std::string result = text.get();
  if (result.size() > kLongestCaps) {
    size_t end = kLongestCaps;
    while (end > 0 && (static_cast<unsigned char>(result[end]) & 0xc0) == 0x80)
      end--;
    result = result.substr(0, end) + "…";
  }
  return result;
}

}  // namespace

MiniPtr<GstCaps> Validator::caps_of(const NodeState &state, const PadKind &kind) const
{
  return state.filter ? state.filter : kind.caps;
}

void Validator::check_cycles()
{
  // Takes away what nothing leads to any more, until only cycles and what follows them are left.
  std::vector<size_t> waiting(states_.size());
  std::vector<size_t> order;
  for (size_t i = 0; i < states_.size(); i++) {
    for (const size_t link : states_[i].inputs)
      waiting[i] += graph_.links[link].from.node != graph_.links[link].to.node;
    if (waiting[i] == 0)
      order.push_back(i);
  }
  for (size_t done = 0; done < order.size(); done++) {
    for (const size_t link : states_[order[done]].outputs) {
      const size_t next = by_id_.at(graph_.links[link].to.node);
      if (next != order[done] && --waiting[next] == 0)
        order.push_back(next);
    }
  }
  check_caps(order);

  // From each of these a way against the direction of the links ends in a cycle.
  enum { New, OnWay, Done };
  std::vector<int> seen(states_.size(), New);
  for (size_t start = 0; start < states_.size(); start++) {
    std::vector<std::pair<size_t, size_t>> way;  // Nodes, and the links that they were reached by.
    size_t at = start;
    while (waiting[at] > 0 && seen[at] == New) {
      seen[at] = OnWay;
      const auto &inputs = states_[at].inputs;
      const auto link = std::find_if(inputs.begin(), inputs.end(), [&](size_t input) {
        const size_t from = by_id_.at(graph_.links[input].from.node);
        return from != at && waiting[from] > 0;
      });
      way.emplace_back(at, *link);
      at = by_id_.at(graph_.links[*link].from.node);
    }
    if (waiting[at] > 0 && seen[at] == OnWay) {
      const auto first =
          std::find_if(way.begin(), way.end(), [at](const auto &step) { return step.first == at; });
      std::string text = "'" + states_[at].node->id + "'";
      size_t named = 0;
      for (auto step = way.rbegin(); step != std::make_reverse_iterator(first); ++step) {
        if (named++ < kNamedNodes)
          text += " → '" + states_[step->first].node->id + "'";
      }
      if (named > kNamedNodes)
        text += " → …";
      problem(place_of(graph_.links[first->second]), "the links form a cycle: " + text,
              "take one of them out");
    }
    for (const auto &step : way)
      seen[step.first] = Done;
  }
}

void Validator::check_caps(const std::vector<size_t> &order)
{
  for (const size_t index : order) {
    NodeState &state = states_[index];
    const bool carries = state.type && passes_on(state.node->factory);
    for (const size_t input : state.inputs) {
      const auto &[source, sink] = ends_[input];
      if (source == nullptr || sink == nullptr)
        continue;
      const FlatLink &link = graph_.links[input];
      const NodeState &from = states_[by_id_.at(link.from.node)];
      const MiniPtr<GstCaps> given = from.carried ? from.carried : caps_of(from, *source);
      const MiniPtr<GstCaps> taken = caps_of(state, *sink);
      if (!gst_caps_can_intersect(given.get(), taken.get())) {
        problem(place_of(link),
                "the caps can never meet: '" + to_text(link.from) + "' gives " +
                    shortened(given.get()) + ", and '" + to_text(link.to) + "' takes " +
                    shortened(taken.get()),
                "put a converter between them");
        continue;
      }
      if (carries)
        state.carried = adopt_mini(gst_caps_intersect(given.get(), taken.get()));
    }
  }
}

void Validator::check_feeds()
{
  for (const NodeState &state : states_) {
    if (!state.type || state.fed > 0 || state.is_fallback)
      continue;
    const NodeType &type = *state.type;
    const bool waits = type.has(GST_PAD_SINK, GST_PAD_ALWAYS);
    const bool may_wait = type.has(GST_PAD_SINK, GST_PAD_REQUEST);
    // Sessions such as rtpbin bring data by themselves, on pads that come.
    const bool brings = !waits && type.has(GST_PAD_SRC, GST_PAD_SOMETIMES);
    if (waits || (may_wait && !brings))
      problem(place_of(*state.node), "no link brings data to '" + state.node->id + "'",
              "link a node to it, or take it out");
  }
}

}  // namespace streamlib::graph
