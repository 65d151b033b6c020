// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/observer.h"

#include "gst/streamlib/gstslprocessor.h"

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::StructurePtr;

namespace {

// Longer than any frame takes that should flow.
constexpr int64_t kQuiet = 1 * G_TIME_SPAN_SECOND;

uint64_t number_of(const GstStructure *structure, const char *field)
{
  guint64 large = 0;
  guint small = 0;
  if (gst_structure_get_uint64(structure, field, &large))
    return large;
  return gst_structure_get_uint(structure, field, &small) ? small : 0;
}

std::string enum_of(const GstStructure *structure, const char *field)
{
  const GValue *value = gst_structure_get_value(structure, field);
  if (value == nullptr || !G_VALUE_HOLDS_ENUM(value))
    return {};
  auto *klass = static_cast<GEnumClass *>(g_type_class_ref(G_VALUE_TYPE(value)));
  const GEnumValue *entry = g_enum_get_value(klass, g_value_get_enum(value));
  std::string nick = entry != nullptr ? entry->value_nick : "";
  g_type_class_unref(klass);
  return nick;
}

StructurePtr stats_of(const Input &input)
{
  if (GST_IS_SL_LINK_PAD(input.target.get()))
    return StructurePtr(gst_sl_link_pad_get_stats(GST_SL_LINK_PAD(input.target.get())));
  if (!input.link)
    return nullptr;
  const auto sink = adopt_object(gst_element_get_static_pad(input.link.get(), "sink"));
  return StructurePtr(gst_sl_link_pad_get_stats(GST_SL_LINK_PAD(sink.get())));
}

double rate_of(uint64_t now, uint64_t before, int64_t elapsed)
{
  return elapsed > 0 && now >= before
             ? static_cast<double>(now - before) * G_TIME_SPAN_SECOND / static_cast<double>(elapsed)
             : 0;
}

void fill(LinkFigures &figures, const GstStructure *stats)
{
  figures.level = static_cast<unsigned>(number_of(stats, "level"));
  figures.depth = static_cast<unsigned>(number_of(stats, "depth"));
  figures.dropped_full = number_of(stats, "dropped-full");
  figures.dropped_stale = number_of(stats, "dropped-stale");
  figures.dropped_flush = number_of(stats, "dropped-flush");
  figures.queueing_p50 = number_of(stats, "queueing-p50");
  figures.queueing_p99 = number_of(stats, "queueing-p99");
  figures.queueing_max = number_of(stats, "queueing-max");
  figures.policy = enum_of(stats, "policy");
}

LinkState state_of(const Wire &wire, const LinkFigures &figures, int64_t now, bool is_playing)
{
  GstPad *sink = fanout_sink(wire.output->fanout.get());
  if (!gst_pad_is_linked(sink))
    return LinkState::Unlinked;
  const GstFlowReturn flow = wire.branch->flow.load();
  if (flow == GST_FLOW_NOT_NEGOTIATED)
    return LinkState::NotNegotiated;
  if (flow == GST_FLOW_EOS || fanout_is_eos(wire.output->fanout.get()))
    return LinkState::Eos;
  const bool is_quiet = now - figures.changed_at > kQuiet;
  if (figures.buffers == 0)
    return figures.caps.empty() ? LinkState::Idle : LinkState::Negotiating;
  if (!is_quiet)
    return LinkState::Flowing;
  return is_playing && figures.level > 0 ? LinkState::Blocked : LinkState::Idle;
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

LinkFigures Observer::look_at(const Wire &wire, const LinkFigures *before, int64_t now,
                              bool is_playing)
{
  LinkFigures figures;
  figures.from = to_text(wire.spec.from);
  figures.to = to_text(wire.spec.to);
  figures.is_fused = wire.is_fused;
  figures.buffers = wire.branch->buffers.load();
  figures.not_passed = wire.branch->dropped.load();
  figures.sampled_at = now;
  const auto caps = adopt_mini(gst_pad_get_current_caps(wire.branch->pad.get()));
  if (caps) {
    const CStr text(gst_caps_to_string(caps.get()));
    figures.caps = text.get();
  }
  if (const auto stats = stats_of(*wire.input))
    fill(figures, stats.get());
  const bool has_moved = before == nullptr || before->buffers != figures.buffers;
  figures.changed_at = has_moved ? now : before->changed_at;
  if (before != nullptr)
    figures.rate = rate_of(figures.buffers, before->buffers, now - before->sampled_at);
  figures.state = state_of(wire, figures, now, is_playing);
  if (before != nullptr && before->state != figures.state)
    events_.link("link-state-changed", figures.from, figures.to, name_of(figures.state));
  const uint64_t dropped_before = before != nullptr ? before->dropped() : 0;
  if (figures.dropped() > dropped_before)
    events_.drops(figures.from, figures.to, figures.dropped() - dropped_before);
  return figures;
}

NodeFigures Observer::look_at(const Node &node, const std::vector<LinkFigures> &links,
                              const NodeFigures *before, int64_t now) const
{
  NodeFigures figures;
  figures.id = node.spec.id;
  figures.type = node.spec.factory.empty() ? "bin" : node.spec.factory;
  figures.element = GST_OBJECT_NAME(node.element.get());
  figures.state = node.state;
  figures.trouble = node.trouble;
  figures.restarts = node.restarts;
  for (const LinkFigures &link : links)
    figures.in += link.buffers;
  for (const auto &output : node.outputs) {
    const FanoutFigures out = figures_of(output->fanout.get());
    figures.out += out.buffers;
    figures.out_nowhere += out.passed_nowhere;
  }
  GstElement *threaded = node.element.get();
  if (!GST_IS_SL_PROCESSOR(threaded))
    threaded = !node.inputs.empty() ? node.inputs.front()->link.get() : nullptr;
  if (threaded != nullptr) {
    GstStructure *stats = nullptr;
    g_object_get(threaded, "stats", &stats, nullptr);
    const StructurePtr held(stats);
    figures.thread = GST_OBJECT_NAME(threaded);
    if (stats != nullptr) {
      figures.priority_asked = enum_of(stats, "priority");
      figures.priority_granted = enum_of(stats, "priority-granted");
    }
  }
  figures.sampled_at = now;
  const bool has_moved =
      before == nullptr || before->in != figures.in || before->out != figures.out;
  figures.moved_at = has_moved ? now : before->moved_at;
  if (before != nullptr) {
    figures.rate_in = rate_of(figures.in, before->in, now - before->sampled_at);
    figures.rate_out = rate_of(figures.out, before->out, now - before->sampled_at);
  }
  return figures;
}

void Observer::sample(const Running &running, bool is_playing)
{
  const int64_t now = g_get_monotonic_time();
  std::map<std::string, LinkFigures> old_links;
  std::map<std::string, NodeFigures> old_nodes;
  {
    std::lock_guard lock(mutex_);
    old_links = links_;
    old_nodes = nodes_;
  }
  std::map<std::string, LinkFigures> links;
  std::map<std::string, NodeFigures> nodes;
  std::map<const Node *, std::vector<LinkFigures>> into;
  bool is_ready = !running.wires.empty();
  for (const auto &wire : running.wires) {
    std::string key = to_text(wire->spec.from) + " -> " + to_text(wire->spec.to);
    while (links.find(key) != links.end())
      key += "'";
    const auto before = old_links.find(key);
    LinkFigures figures =
        look_at(*wire, before != old_links.end() ? &before->second : nullptr, now, is_playing);
    is_ready = is_ready && figures.buffers > 0;
    into[wire->to].push_back(figures);
    links.emplace(std::move(key), std::move(figures));
  }
  for (const auto &[id, node] : running.nodes) {
    const auto before = old_nodes.find(id);
    nodes.emplace(id, look_at(*node, into[node.get()],
                              before != old_nodes.end() ? &before->second : nullptr, now));
  }
  is_ready_ = is_ready;
  {
    std::lock_guard lock(mutex_);
    links_ = std::move(links);
    nodes_ = std::move(nodes);
  }
  find_stall(running, is_playing, now);
}

// The first node on the way of the data that has buffers before it and lets none out.
void Observer::find_stall(const Running &running, bool is_playing, int64_t now)
{
  stalled_.clear();
  if (is_playing) {
    std::lock_guard lock(mutex_);
    for (const auto &[key, link] : links_) {
      if (link.state == LinkState::Blocked)
        stalled_ = link.to.substr(0, link.to.find('.')) + ": " + std::to_string(link.level) +
                   " buffers wait before it and it takes none";
      if (link.state == LinkState::NotNegotiated && stalled_.empty())
        stalled_ =
            link.to.substr(0, link.to.find('.')) + ": it does not take the caps " + link.caps;
    }
    for (const auto &[id, node] : nodes_) {
      if (!stalled_.empty())
        break;
      if (node.state == NodeState::Failed || node.state == NodeState::Quarantined)
        stalled_ = id + ": " + node.trouble;
      else if (node.in == 0 && node.out > 0 && now - node.moved_at > kQuiet)
        stalled_ = id + ": it has given no buffer for " +
                   std::to_string((now - node.moved_at) / G_TIME_SPAN_MILLISECOND) + " ms";
    }
  }
  (void)running;
  // Told once for each node that stands.
  const std::string who = stalled_.substr(0, stalled_.find(':'));
  if (who != told_stall_ && !who.empty())
    events_.node("node-stalled", who, stalled_);
  told_stall_ = who;
}

std::vector<NodeFigures> Observer::nodes() const
{
  std::lock_guard lock(mutex_);
  std::vector<NodeFigures> result;
  for (const auto &[id, node] : nodes_)
    result.push_back(node);
  return result;
}

std::vector<LinkFigures> Observer::links() const
{
  std::lock_guard lock(mutex_);
  std::vector<LinkFigures> result;
  for (const auto &[key, link] : links_)
    result.push_back(link);
  return result;
}

Json Observer::to_json() const
{
  const int64_t now = g_get_monotonic_time();
  Json all_nodes(Json::Object{});
  for (const NodeFigures &node : nodes()) {
    Json entry(Json::Object{});
    entry.set("type", node.type);
    entry.set("state", name_of(node.state));
    if (!node.trouble.empty())
      entry.set("trouble", node.trouble);
    entry.set("restarts", node.restarts);
    entry.set("buffers-in", node.in);
    entry.set("buffers-out", node.out);
    entry.set("buffers-out-nowhere", node.out_nowhere);
    entry.set("rate-in", node.rate_in);
    entry.set("rate-out", node.rate_out);
    if (!node.thread.empty()) {
      entry.set("thread", node.thread);
      entry.set("priority", node.priority_asked);
      entry.set("priority-granted", node.priority_granted);
    }
    entry.set("age-ms", (now - node.sampled_at) / G_TIME_SPAN_MILLISECOND);
    all_nodes.set(node.id, std::move(entry));
  }
  Json::Array all_links;
  for (const LinkFigures &link : links()) {
    Json entry(Json::Object{});
    entry.set("from", link.from);
    entry.set("to", link.to);
    entry.set("state", name_of(link.state));
    entry.set("caps", link.caps);
    entry.set("fused", link.is_fused);
    entry.set("buffers", link.buffers);
    entry.set("rate", link.rate);
    entry.set("not-passed", link.not_passed);
    if (!link.is_fused) {
      entry.set("policy", link.policy);
      entry.set("level", link.level);
      entry.set("depth", link.depth);
      entry.set("dropped-full", link.dropped_full);
      entry.set("dropped-stale", link.dropped_stale);
      entry.set("dropped-flush", link.dropped_flush);
      entry.set("queueing-p50-ns", link.queueing_p50);
      entry.set("queueing-p99-ns", link.queueing_p99);
      entry.set("queueing-max-ns", link.queueing_max);
    }
    entry.set("age-ms", (now - link.sampled_at) / G_TIME_SPAN_MILLISECOND);
    all_links.push_back(std::move(entry));
  }
  Json result(Json::Object{});
  result.set("nodes", std::move(all_nodes));
  result.set("links", Json(std::move(all_links)));
  return result;
}

}  // namespace streamlib::graph
