// SPDX-License-Identifier: LGPL-2.1-or-later
// Figures as JSON; docs/graph-observation.md says what each one is.
#include "gst/streamlib/graph/figures.h"

#include <algorithm>

#include "gst/streamlib/graph/paths.h"

namespace streamlib::graph {

namespace {

// Nothing taken for as long means something, whatever is usual.
constexpr int64_t kLeastPatience = 1 * G_TIME_SPAN_SECOND;
constexpr int64_t kMostPatience = 10 * G_TIME_SPAN_SECOND;

void set_spread(Json &json, const std::string &name, const Spread &spread)
{
  json.set(name + "-p50-ns", spread.p50);
  json.set(name + "-p99-ns", spread.p99);
  json.set(name + "-max-ns", spread.max);
}

void set_age(Json &json, const AgeFigures &age)
{
  json.set("buffer-age-ns", age.samples > 0 ? Json(age.mean) : Json(nullptr));
  json.set("buffer-age-max-ns", age.samples > 0 ? Json(age.max) : Json(nullptr));
}

int64_t ms_since(int64_t now, int64_t time)
{
  return (now - time) / G_TIME_SPAN_MILLISECOND;
}

Json to_json(const NodeFigures &node, const std::vector<ThreadFigures> *threads, int64_t now)
{
  Json entry(Json::Object{});
  entry.set("type", node.type);
  entry.set("state", name_of(node.state));
  if (!node.trouble.empty())
    entry.set("trouble", node.trouble);
  if (!node.standby.empty())
    entry.set("standby", node.standby);
  entry.set("restarts", node.restarts);
  entry.set("buffers-in", node.in);
  entry.set("buffers-out", node.out);
  entry.set("buffers-out-nowhere", node.out_nowhere);
  entry.set("rate-in", node.rate_in);
  entry.set("rate-out", node.rate_out);
  if (node.has_processing) {
    set_spread(entry, "processing", node.processing);
    entry.set("processing-sampled", node.processing_sampled);
    entry.set("processing-age-ms",
              node.processed_at != 0 ? Json(ms_since(now, node.processed_at)) : Json(nullptr));
  }
  if (!node.is_sink) {
    set_spread(entry, "push", node.push);
    set_age(entry, node.out_age);
  }
  Json::Array all_threads;
  if (threads != nullptr) {
    for (const ThreadFigures &thread : *threads) {
      Json item(Json::Object{});
      item.set("name", thread.name);
      item.set("id", thread.id);
      item.set("priority", thread.priority_asked);
      item.set("priority-granted", thread.priority_granted);
      all_threads.push_back(std::move(item));
    }
  }
  entry.set("threads", Json(std::move(all_threads)));
  entry.set("age-ms", ms_since(now, node.sampled_at));
  return entry;
}

Json to_json(const LinkFigures &link, int64_t now)
{
  Json entry(Json::Object{});
  entry.set("from", link.from);
  entry.set("to", link.to);
  entry.set("state", name_of(link.state));
  entry.set("caps", link.caps_text);
  entry.set("fused", link.is_fused);
  entry.set("buffers", link.buffers);
  entry.set("taken", link.taken);
  entry.set("rate", link.rate);
  entry.set("not-passed", link.not_passed);
  if (!link.is_fused) {
    entry.set("policy", link.policy);
    entry.set("level", link.level);
    entry.set("depth", link.depth);
    entry.set("dropped-full", link.dropped_full);
    entry.set("dropped-stale", link.dropped_stale);
    entry.set("dropped-flush", link.dropped_flush);
    set_spread(entry, "queueing", link.queueing);
    entry.set("queueing-sampled", link.queueing_sampled);
  }
  set_age(entry, link.age);
  entry.set("age-ms", ms_since(now, link.sampled_at));
  return entry;
}

}  // namespace

const char *name_of(LinkState state)
{
  switch (state) {
    case LinkState::Idle:
      return "idle";
    case LinkState::Negotiating:
      return "negotiating";
    case LinkState::Flowing:
      return "flowing";
    case LinkState::Blocked:
      return "blocked";
    case LinkState::NotNegotiated:
      return "not-negotiated";
    case LinkState::Eos:
      return "eos";
    case LinkState::Unlinked:
      return "unlinked";
  }
  return "unknown";
}

const char *name_of(NodeState state)
{
  switch (state) {
    case NodeState::Created:
      return "created";
    case NodeState::SettingUp:
      return "setting-up";
    case NodeState::Running:
      return "running";
    case NodeState::Paused:
      return "paused";
    case NodeState::Failed:
      return "failed";
    case NodeState::Quarantined:
      return "quarantined";
  }
  return "unknown";
}

Spread spread_of(const support::Histogram &histogram)
{
  return {histogram.quantile(0.5), histogram.quantile(0.99), histogram.max()};
}

int64_t LinkFigures::patience() const
{
  return std::clamp(3 * usual_gap, kLeastPatience, kMostPatience);
}

Json to_json(const Figures &figures, const DeclaredLatencies &declared, const NodeThreads &threads)
{
  const int64_t now = g_get_monotonic_time();
  Json::Object nodes;
  for (const auto &[id, node] : figures.nodes) {
    const auto own = threads.find(id);
    nodes.emplace_back(id, to_json(node, own != threads.end() ? &own->second : nullptr, now));
  }
  Json::Array links;
  for (const auto &[key, link] : figures.links)
    links.push_back(to_json(link, now));
  Json result(Json::Object{});
  result.set("nodes", Json(std::move(nodes)));
  result.set("links", Json(std::move(links)));
  bool is_cut = false;
  result.set("paths", paths_of(figures, declared, &is_cut));
  result.set("paths-cut", is_cut);
  result.set("joins", joins_of(figures));
  Json stalled;
  if (!figures.stalled_node.empty()) {
    stalled.set("node", figures.stalled_node);
    stalled.set("why", figures.stalled_why);
    stalled.set("for-ms", ms_since(now, figures.stalled_since));
  }
  result.set("stalled", std::move(stalled));
  return result;
}

}  // namespace streamlib::graph
