// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/paths.h"

#include <algorithm>
#include <optional>

namespace streamlib::graph {

namespace {

// One way through the graph, from its first node over links.
using Way = std::vector<const LinkFigures *>;

class Walk {
public:
  explicit Walk(const Figures &figures) : figures_(figures)
  {
    for (const auto &[key, link] : figures.links) {
      from_[link.source.node].push_back(&link);
      fed_[link.target.node] = true;
    }
  }

  // Depth first; a graph has no cycles.
  void run()
  {
    for (const auto &[id, node] : figures_.nodes) {
      if (fed_.find(id) == fed_.end() && from_.find(id) != from_.end())
        follow(id);
    }
  }

  std::vector<Way> ways;
  bool is_cut = false;

private:
  void follow(const std::string &start)
  {
    struct Place {
      std::string node;
      size_t next = 0;
    };
    std::vector<Place> stack{{start}};
    Way way;
    while (!stack.empty() && !is_cut) {
      Place &place = stack.back();
      const auto links = from_.find(place.node);
      const bool is_end = links == from_.end();
      if (is_end && place.next++ == 0)
        keep(way);
      if (is_end || place.next >= links->second.size()) {
        stack.pop_back();
        if (!way.empty())
          way.pop_back();
        continue;
      }
      const LinkFigures *link = links->second[place.next++];
      way.push_back(link);
      stack.push_back({link->target.node});
    }
  }

  void keep(const Way &way)
  {
    hops_ += way.size() + 1;
    is_cut = ways.size() == kMostPaths || (hops_ > kMostHops && !ways.empty());
    if (!is_cut)
      ways.push_back(way);
  }

  const Figures &figures_;
  std::map<std::string, std::vector<const LinkFigures *>> from_;
  std::map<std::string, bool> fed_;
  size_t hops_ = 0;
};

std::optional<DeclaredLatency> find(const DeclaredLatencies &declared, const std::string &key)
{
  const auto found = declared.find(key);
  return found != declared.end() ? std::optional(found->second) : std::nullopt;
}

void set_time(Json &json, std::string_view name, GstClockTime time)
{
  json.set(name, GST_CLOCK_TIME_IS_VALID(time) ? Json(time) : Json(nullptr));
}

// One path, told hop by hop.
class Teller {
public:
  Teller(const Figures &figures, const DeclaredLatencies &declared)
      : figures_(figures), declared_(declared)
  {}

  Json tell(const Way &way)
  {
    hops_ = {};
    p50_ = p99_ = 0;
    last_.reset();
    add_node(way.front()->source.node, &way.front()->source);
    for (size_t i = 0; i < way.size(); i++) {
      add_link(*way[i]);
      add_node(way[i]->target.node, i + 1 < way.size() ? &way[i + 1]->source : nullptr);
    }
    Json path(Json::Object{});
    path.set("from", way.front()->source.node);
    path.set("to", way.back()->target.node);
    path.set("measured-p50-ns", p50_);
    path.set("measured-p99-ns", p99_);
    if (last_) {
      set_time(path, "declared-min-ns", last_->min);
      set_time(path, "declared-max-ns", last_->max);
      path.set("live", last_->is_live);
    }
    const AgeFigures &age = way.back()->age;
    path.set("buffer-age-ns", age.samples > 0 ? Json(age.mean) : Json(nullptr));
    path.set("hops", Json(std::move(hops_)));
    return path;
  }

private:
  void add_link(const LinkFigures &link)
  {
    Json hop(Json::Object{});
    hop.set("link", link.from + " -> " + link.to);
    hop.set("state", name_of(link.state));
    hop.set("queueing-p50-ns", link.queueing.p50);
    hop.set("queueing-p99-ns", link.queueing.p99);
    hop.set("buffer-age-ns", link.age.samples > 0 ? Json(link.age.mean) : Json(nullptr));
    p50_ += link.queueing.p50;
    p99_ += link.queueing.p99;
    add_sums(std::move(hop));
  }

  void add_node(const std::string &id, const PadName *output)
  {
    Json hop(Json::Object{});
    hop.set("node", id);
    const auto node = figures_.nodes.find(id);
    if (node != figures_.nodes.end() && node->second.has_processing) {
      hop.set("processing-p50-ns", node->second.processing.p50);
      hop.set("processing-p99-ns", node->second.processing.p99);
      p50_ += node->second.processing.p50;
      p99_ += node->second.processing.p99;
    }
    const auto declared = find(declared_, output != nullptr ? to_text(*output) : id);
    if (declared) {
      set_time(hop, "declared-min-ns", declared->min);
      set_time(hop, "declared-max-ns", declared->max);
      // An answer may have changed between two questions.
      const GstClockTime before = last_ ? last_->min : 0;
      hop.set("declared-own-ns", declared->min > before ? declared->min - before : GstClockTime{0});
      last_ = declared;
    }
    add_sums(std::move(hop));
  }

  void add_sums(Json hop)
  {
    hop.set("measured-p50-ns", p50_);
    hop.set("measured-p99-ns", p99_);
    hops_.push_back(std::move(hop));
  }

  const Figures &figures_;
  const DeclaredLatencies &declared_;
  Json::Array hops_;
  uint64_t p50_ = 0;
  uint64_t p99_ = 0;
  // The last one that has answered: some sinks do not before their first buffer.
  std::optional<DeclaredLatency> last_;
};

}  // namespace

Json paths_of(const Figures &figures, const DeclaredLatencies &declared, bool *is_cut)
{
  Walk walk(figures);
  walk.run();
  *is_cut = walk.is_cut;
  Teller teller(figures, declared);
  Json::Array paths;
  for (const Way &way : walk.ways)
    paths.push_back(teller.tell(way));
  return Json(std::move(paths));
}

Json joins_of(const Figures &figures)
{
  std::map<std::string, std::vector<const LinkFigures *>> into;
  for (const auto &[key, link] : figures.links)
    into[link.target.node].push_back(&link);
  Json::Array joins;
  for (const auto &[node, links] : into) {
    if (links.size() < 2)
      continue;
    Json::Array inputs;
    bool is_known = true;
    int64_t least = INT64_MAX;
    int64_t most = INT64_MIN;
    for (const LinkFigures *link : links) {
      const bool has_age = link->age.samples > 0;
      is_known = is_known && has_age;
      least = std::min(least, link->age.mean);
      most = std::max(most, link->age.mean);
      Json input(Json::Object{});
      input.set("from", link->from);
      input.set("to", link->to);
      input.set("buffer-age-ns", has_age ? Json(link->age.mean) : Json(nullptr));
      inputs.push_back(std::move(input));
    }
    Json join(Json::Object{});
    join.set("node", node);
    join.set("skew-ns", is_known ? Json(most - least) : Json(nullptr));
    join.set("inputs", Json(std::move(inputs)));
    joins.push_back(std::move(join));
  }
  return Json(std::move(joins));
}

}  // namespace streamlib::graph
