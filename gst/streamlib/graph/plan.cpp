// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/plan.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <gst/gst.h>

#include "gst/streamlib/gstslprocessor.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

using support::adopt_object;
using support::GObjectPtr;

namespace {

GObjectPtr<GstElementFactory> factory_of(const FlatNode &node)
{
  if (node.factory.empty())
    return {};
  auto factory = adopt_object(gst_element_factory_find(node.factory.c_str()));
  if (!factory)
    return {};
  return adopt_object(
      GST_ELEMENT_FACTORY(gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory.get()))));
}

bool is_processor(GstElementFactory *factory)
{
  return factory != nullptr &&
         g_type_is_a(gst_element_factory_get_element_type(factory), GST_TYPE_SL_PROCESSOR);
}

// Converters that take less time than a hand-over to another thread, or none at all when the caps
// fit already.
bool is_light(const FlatNode &node)
{
  static constexpr std::array<std::string_view, 10> kLight = {
      "capsfilter", "identity",         "audioconvert", "videoconvert", "audioresample",
      "h264parse",  "audiobuffersplit", "taginject",    "volume",       "videorate"};
  return std::find(kLight.begin(), kLight.end(), node.factory) != kLight.end();
}

bool has_feature(GstElementFactory *factory, const char *word)
{
  const char *klass = factory != nullptr
                          ? gst_element_factory_get_metadata(factory, GST_ELEMENT_METADATA_KLASS)
                          : nullptr;
  return klass != nullptr && std::string_view(klass).find(word) != std::string_view::npos;
}

// What a second element of the same kind cannot have beside the first: a device, a port, a file.
const std::string *exclusive_thing(const FlatNode &node, std::string *name)
{
  static constexpr std::array<const char *, 6> kNames = {"device",      "device-id", "port",
                                                         "socket-path", "fd",        "location"};
  const auto factory = factory_of(node);
  const bool is_sink = has_feature(factory.get(), "Sink");
  const bool is_network_client = has_feature(factory.get(), "Network") && is_sink;
  for (const char *candidate : kNames) {
    const Json *value = node.config.find(candidate);
    if (value == nullptr || (std::string_view(candidate) == "location" && !is_sink) ||
        (is_network_client && std::string_view(candidate) == "port"))
      continue;
    *name = candidate;
    static thread_local std::string text;
    text = write_json(*value);
    return &text;
  }
  static thread_local std::string standard;
  if (has_feature(factory.get(), "Device") || has_feature(factory.get(), "Hardware") ||
      (factory && g_str_equal(GST_OBJECT_NAME(factory.get()), "slcamerasrc"))) {
    *name = "device";
    standard = "the default one";
    return &standard;
  }
  return nullptr;
}

bool breaks_first(const FlatNode &old_node, const FlatNode &new_node, std::string *why)
{
  if (old_node.factory != new_node.factory || old_node.factory.empty())
    return false;
  std::string name;
  const std::string *held = exclusive_thing(old_node, &name);
  if (held == nullptr)
    return false;
  const std::string old_thing = *held;
  std::string new_name;
  const std::string *wanted = exclusive_thing(new_node, &new_name);
  if (wanted == nullptr || *wanted != old_thing)
    return false;
  *why = "both need " + name + " " + old_thing;
  return true;
}

// Of the properties that are not the same: whether each can be changed where it is. A bin's and
// those of pads and children are tried.
bool can_change(const FlatNode &node, const std::string &property, bool is_running,
                std::string *why)
{
  if (!is_running)
    return true;
  const auto factory = factory_of(node);
  if (!factory || property.find(':') != std::string::npos)
    return true;
  auto *klass = static_cast<GObjectClass *>(
      g_type_class_ref(gst_element_factory_get_element_type(factory.get())));
  const GParamSpec *spec = g_object_class_find_property(klass, property.c_str());
  const guint flags = spec != nullptr ? spec->flags : 0;
  g_type_class_unref(klass);
  constexpr guint kKnown =
      GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING;
  if ((flags & G_PARAM_CONSTRUCT_ONLY) != 0) {
    *why = property + " is set when the element is made";
    return false;
  }
  if ((flags & kKnown) == 0 ||
      (flags & (GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING)) != 0)
    return true;
  *why = property + " cannot change while the element runs";
  return false;
}

// Every member of either with the value it is to have.
std::vector<std::pair<std::string, Json>> changes(const Json &old_config, const Json &new_config)
{
  std::vector<std::pair<std::string, Json>> result;
  if (const auto *members = new_config.object()) {
    for (const auto &[name, value] : *members) {
      const Json *old_value = old_config.find(name);
      if (old_value == nullptr || !(*old_value == value))
        result.emplace_back(name, value);
    }
  }
  if (const auto *members = old_config.object()) {
    for (const auto &[name, value] : *members) {
      if (new_config.find(name) == nullptr)
        result.emplace_back(name, Json());
    }
  }
  return result;
}

std::string text_of(const FlatLink &link)
{
  return to_text(link.from) + " -> " + to_text(link.to);
}

class Planner {
public:
  Planner(const FlatGraph &running, const FlatGraph &desired, const PlanContext &context)
      : running_(running), desired_(desired), context_(context)
  {}

  Plan make()
  {
    compare_nodes();
    compare_links();
    compare_ports(running_.inputs, desired_.inputs, GST_PAD_SINK);
    compare_ports(running_.outputs, desired_.outputs, GST_PAD_SRC);
    arrange();
    summarize();
    return std::move(plan_);
  }

private:
  void add(StepKind kind, const std::string &node, std::string why = {})
  {
    Step step{};
    step.kind = kind;
    step.node = node;
    step.why = std::move(why);
    steps_.push_back(std::move(step));
    if (!node.empty())
      touched_.insert(node);
  }

  void replace(const FlatNode &old_node, const FlatNode &new_node, std::string why)
  {
    std::string held;
    if (breaks_first(old_node, new_node, &held)) {
      add(StepKind::Release, new_node.id, held);
      plan_.break_before_make.push_back(new_node.id);
      why += "; " + held;
    }
    add(StepKind::Create, new_node.id);
    has_new_ = true;
    plan_.interrupts.push_back({new_node.id, why});
    add(StepKind::Replace, new_node.id, std::move(why));
  }

  void compare_node(const FlatNode &old_node, const FlatNode &new_node)
  {
    const auto is_forced = std::find(context_.replace.begin(), context_.replace.end(),
                                     new_node.id) != context_.replace.end();
    if (is_forced)
      return replace(old_node, new_node, "asked for");
    if (old_node.factory != new_node.factory || old_node.bin != new_node.bin)
      return replace(old_node, new_node, "another type");
    if (old_node.scheduling != new_node.scheduling || old_node.execution != new_node.execution ||
        old_node.priority != new_node.priority)
      return replace(old_node, new_node, "another thread");
    const auto changed = changes(old_node.config, new_node.config);
    std::string why;
    for (const auto &[name, value] : changed) {
      if (!can_change(new_node, name, context_.is_running, &why))
        return replace(old_node, new_node, why);
    }
    for (const auto &[name, value] : changed) {
      add(StepKind::Configure, new_node.id);
      steps_.back().property = name;
      steps_.back().value = value;
    }
    if (changed.empty() &&
        (old_node.restart != new_node.restart || old_node.essential != new_node.essential ||
         old_node.fallback != new_node.fallback ||
         old_node.on_upstream_removed != new_node.on_upstream_removed))
      add(StepKind::Adopt, new_node.id);
  }

  void compare_nodes()
  {
    for (const FlatNode &node : desired_.nodes)
      wanted_.emplace(node.id, &node);
    std::map<std::string_view, const FlatNode *> old_nodes;
    for (const FlatNode &node : running_.nodes)
      old_nodes.emplace(node.id, &node);
    for (const FlatNode &node : desired_.nodes) {
      const auto old_node = old_nodes.find(node.id);
      if (old_node != old_nodes.end()) {
        compare_node(*old_node->second, node);
        continue;
      }
      add(StepKind::Create, node.id);
      has_new_ = true;
    }
    for (const FlatNode &node : running_.nodes) {
      if (wanted_.find(node.id) == wanted_.end())
        add(StepKind::Retire, node.id);
    }
  }

  void add_link(StepKind kind, const FlatLink &link, std::string why = {})
  {
    Step step{};
    step.kind = kind;
    step.link = link;
    step.why = std::move(why);
    steps_.push_back(std::move(step));
    plan_.links.push_back(text_of(link));
  }

  // Links are the same by their ends; where several have the same (request pads), by their order.
  void compare_links()
  {
    std::multimap<std::pair<PadName, PadName>, const FlatLink *> old_links;
    for (const FlatLink &link : running_.links)
      old_links.emplace(std::pair(link.from, link.to), &link);
    std::vector<const FlatLink *> added;
    for (const FlatLink &link : desired_.links) {
      const auto found = old_links.find(std::pair(link.from, link.to));
      if (found == old_links.end()) {
        added.push_back(&link);
        continue;
      }
      const FlatLink &old_link = *found->second;
      old_links.erase(found);
      if (old_link.policy.has_value() != link.policy.has_value() ||
          old_link.timing != link.timing) {
        add_link(StepKind::Unlink, old_link, "its policy or timing decides how it is made");
        add_link(StepKind::Link, link);
      } else if (old_link.policy != link.policy || old_link.depth != link.depth) {
        add_link(StepKind::Tune, link);
      }
    }
    for (const FlatLink &link : running_.links) {
      const auto range = old_links.equal_range(std::pair(link.from, link.to));
      for (auto it = range.first; it != range.second; ++it) {
        if (it->second == &link)
          add_link(StepKind::Unlink, link);
      }
    }
    for (const FlatLink *link : added)
      add_link(StepKind::Link, *link);
  }

  void compare_ports(const std::vector<FlatPort> &old_ports, const std::vector<FlatPort> &new_ports,
                     GstPadDirection direction)
  {
    const auto same = [](const FlatPort &one) {
      return
          [&one](const FlatPort &other) { return one.name == other.name && one.pad == other.pad; };
    };
    const auto add_port = [&](StepKind kind, const FlatPort &port) {
      Step step{};
      step.kind = kind;
      step.port = port;
      step.direction = direction;
      steps_.push_back(std::move(step));
    };
    for (const FlatPort &port : old_ports) {
      if (std::none_of(new_ports.begin(), new_ports.end(), same(port)))
        add_port(StepKind::Close, port);
    }
    for (const FlatPort &port : new_ports) {
      if (std::none_of(old_ports.begin(), old_ports.end(), same(port)))
        add_port(StepKind::Open, port);
    }
  }

  void arrange()
  {
    if (has_new_ && context_.is_up) {
      add(StepKind::SetUp, {});
      add(StepKind::Start, {});
    }
    std::stable_sort(steps_.begin(), steps_.end(),
                     [](const Step &one, const Step &other) { return one.kind < other.kind; });
    plan_.steps = std::move(steps_);
  }

  void summarize()
  {
    // A node whose input or output comes or goes goes on: only an input that loses its stream
    // waits.
    for (const Step &step : plan_.steps) {
      if (step.kind != StepKind::Unlink)
        continue;
      if (wanted_.find(step.link.to.node) != wanted_.end())
        plan_.interrupts.push_back({step.link.to.node, "loses " + text_of(step.link)});
    }
    plan_.nodes.assign(touched_.begin(), touched_.end());
    for (const FlatNode &node : desired_.nodes)
      plan_.untouched += touched_.count(node.id) == 0 ? 1 : 0;
    const GraphIndex index(desired_);
    for (const FlatLink &link : desired_.links) {
      std::string why;
      if (is_fused(index, link, &why))
        plan_.fused.push_back(text_of(link) + ": " + why);
    }
  }

  const FlatGraph &running_;
  const FlatGraph &desired_;
  const PlanContext &context_;
  std::map<std::string_view, const FlatNode *> wanted_;
  std::set<std::string> touched_;
  std::vector<Step> steps_;
  Plan plan_;
  bool has_new_ = false;
};

}  // namespace

const char *name_of(StepKind kind)
{
  switch (kind) {
    case StepKind::Release:
      return "release";
    case StepKind::Create:
      return "create";
    case StepKind::SetUp:
      return "set-up";
    case StepKind::Start:
      return "start";
    case StepKind::Close:
      return "close";
    case StepKind::Unlink:
      return "unlink";
    case StepKind::Replace:
      return "replace";
    case StepKind::Link:
      return "link";
    case StepKind::Open:
      return "open";
    case StepKind::Configure:
      return "configure";
    case StepKind::Tune:
      return "tune";
    case StepKind::Adopt:
      return "adopt";
    case StepKind::Retire:
      return "retire";
  }
  return "unknown";
}

bool is_fused(const GraphIndex &graph, const FlatLink &link, std::string *why)
{
  const auto say = [&](const char *text) {
    if (why != nullptr)
      *why = text;
    return true;
  };
  if (link.policy || link.depth)
    return false;
  const FlatNode *from = graph.node(link.from.node);
  const FlatNode *to = graph.node(link.to.node);
  if (from == nullptr || to == nullptr || is_processor(factory_of(*to).get()))
    return false;
  if (to->scheduling == GST_SL_SCHEDULING_INLINE)
    return say("inline was asked for");
  if (to->scheduling || to->priority || !is_light(*from))
    return false;
  if (graph.has_other_consumer(link))
    return false;
  return say("a light converter before its only consumer");
}

Plan make_plan(const FlatGraph &running, const FlatGraph &desired, const PlanContext &context)
{
  return Planner(running, desired, context).make();
}

namespace {

template <typename List>
Json to_array(const List &list)
{
  Json::Array result;
  for (const auto &item : list)
    result.emplace_back(item);
  return Json(std::move(result));
}

}  // namespace

Json Plan::to_json() const
{
  Json::Array order;
  for (const Step &step : steps) {
    Json entry(Json::Object{});
    entry.set("step", name_of(step.kind));
    if (!step.node.empty())
      entry.set("node", step.node);
    if (!step.property.empty())
      entry.set("property", step.property);
    if (!step.link.from.node.empty()) {
      entry.set("from", to_text(step.link.from));
      entry.set("to", to_text(step.link.to));
    }
    if (!step.port.name.empty())
      entry.set("port", step.port.name);
    if (!step.why.empty())
      entry.set("why", step.why);
    order.push_back(std::move(entry));
  }
  Json::Array stopped;
  for (const Interruption &interruption : interrupts) {
    Json entry(Json::Object{});
    entry.set("node", interruption.node);
    entry.set("why", interruption.why);
    stopped.push_back(std::move(entry));
  }
  Json result(Json::Object{});
  result.set("steps", Json(std::move(order)));
  result.set("touches-nodes", to_array(nodes));
  result.set("touches-links", to_array(links));
  result.set("interrupts", Json(std::move(stopped)));
  result.set("break-before-make", to_array(break_before_make));
  result.set("fused", to_array(fused));
  result.set("untouched", static_cast<int64_t>(untouched));
  return result;
}

}  // namespace streamlib::graph
