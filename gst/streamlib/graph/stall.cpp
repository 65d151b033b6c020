// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/stall.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace streamlib::graph {

namespace {

// A source that gives nothing, and a node that keeps all it gets.
constexpr int64_t kSilence = 2 * G_TIME_SPAN_SECOND;
constexpr int64_t kSwallowing = 4 * G_TIME_SPAN_SECOND;

std::string ms_text(int64_t span)
{
  return std::to_string(span / G_TIME_SPAN_MILLISECOND) + " ms";
}

std::string count_text(uint64_t count, const char *what)
{
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

class Search {
public:
  Search(const Figures &figures, int64_t now) : figures_(figures), now_(now)
  {
    for (const auto &[key, link] : figures.links) {
      outputs_[link.source.node].push_back(&link);
      inputs_[link.target.node].push_back(&link);
    }
  }

  Stall run() const
  {
    for (auto look : {&Search::failed, &Search::not_negotiated, &Search::blocked, &Search::silent,
                      &Search::swallowing}) {
      Stall stall = (this->*look)();
      if (!stall.node.empty())
        return stall;
    }
    return {};
  }

private:
  using Links = std::vector<const LinkFigures *>;
  using LinksByNode = std::unordered_map<std::string_view, Links>;

  static const Links &of(const LinksByNode &links, const std::string &id)
  {
    static const Links kNone;
    const auto found = links.find(id);
    return found != links.end() ? found->second : kNone;
  }

  const NodeFigures *node(const std::string &id) const
  {
    const auto found = figures_.nodes.find(id);
    return found != figures_.nodes.end() ? &found->second : nullptr;
  }

  bool is_held(const std::string &id) const
  {
    const NodeFigures *figures = node(id);
    return figures != nullptr && figures->state == NodeState::Paused;
  }

  Stall failed() const
  {
    for (const auto &[id, node] : figures_.nodes) {
      const bool has_failed =
          node.state == NodeState::Failed || node.state == NodeState::Quarantined;
      if (has_failed && node.standby.empty())
        return {id, node.trouble.empty() ? "it has failed" : node.trouble};
    }
    return {};
  }

  Stall not_negotiated() const
  {
    for (const auto &[key, link] : figures_.links) {
      if (link.state == LinkState::NotNegotiated)
        return {link.target.node, "it does not take the caps of " + link.from + ": " +
                                      (link.caps_text.empty() ? "none" : link.caps_text)};
    }
    return {};
  }

  // The last one on the way of the data: those before it wait for it.
  Stall blocked() const
  {
    for (const auto &[key, link] : figures_.links) {
      if (link.state != LinkState::Blocked || is_held(link.target.node) ||
          is_blocked_behind(link.target.node))
        continue;
      return {link.target.node, why_blocked(link)};
    }
    return {};
  }

  bool is_blocked_behind(const std::string &id) const
  {
    const Links &outputs = of(outputs_, id);
    return std::any_of(outputs.begin(), outputs.end(),
                       [](const LinkFigures *link) { return link->state == LinkState::Blocked; });
  }

  std::string why_blocked(const LinkFigures &link) const
  {
    std::string waiting = link.level > 0 ? ", and " + count_text(link.level, "buffer") +
                                               (link.level == 1 ? " waits" : " wait") + " before it"
                                         : std::string();
    // A node that joins streams waits for the one that does not come.
    for (const LinkFigures *other : of(inputs_, link.target.node)) {
      if (other->target != link.target && other->state != LinkState::Blocked &&
          other->state != LinkState::Flowing && other->state != LinkState::Eos)
        return "it waits for data from " + other->from + waiting;
    }
    const std::string span = ms_text(now_ - link.moved_at);
    return (link.is_in_step ? "it has worked on one buffer for " + span
                            : "it has taken no buffer for " + span) +
           waiting;
  }

  bool is_fed(const std::string &id) const { return !of(inputs_, id).empty(); }
  bool feeds(const std::string &id) const { return !of(outputs_, id).empty(); }
  bool may_give(const NodeFigures &node) const
  {
    return node.state == NodeState::Running && !node.has_ended && node.standby.empty() &&
           feeds(node.id);
  }

  Stall silent() const
  {
    for (const auto &[id, node] : figures_.nodes) {
      if (!may_give(node) || is_fed(id) || now_ - node.moved_out_at <= patience_of(node))
        continue;
      return {id, "it has given no buffer for " + ms_text(now_ - node.moved_out_at)};
    }
    return {};
  }

  // A source may be slow, and a consumer that is paused holds it up.
  int64_t patience_of(const NodeFigures &node) const
  {
    int64_t patience = kSilence;
    for (const LinkFigures *link : of(outputs_, node.id)) {
      patience = std::max(patience, link->patience());
      if (is_held(link->target.node) || link->state == LinkState::Blocked)
        return INT64_MAX;
    }
    return patience;
  }

  Stall swallowing() const
  {
    for (const auto &[id, node] : figures_.nodes) {
      const bool takes = now_ - node.moved_in_at <= G_TIME_SPAN_SECOND && node.in > 0;
      if (!may_give(node) || !takes || now_ - node.moved_out_at <= kSwallowing)
        continue;
      return {id, "it takes buffers and has given none for " + ms_text(now_ - node.moved_out_at)};
    }
    return {};
  }

  const Figures &figures_;
  const int64_t now_;
  LinksByNode outputs_;
  LinksByNode inputs_;
};

}  // namespace

Stall find_stalled(const Figures &figures, int64_t now)
{
  return Search(figures, now).run();
}

}  // namespace streamlib::graph
