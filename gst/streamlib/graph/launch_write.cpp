// SPDX-License-Identifier: LGPL-2.1-or-later
// From a graph to launch syntax.
#include <algorithm>
#include <map>
#include <set>

#include "gst/streamlib/graph/launch.h"
#include "gst/streamlib/graph/place.h"
#include "gst/streamlib/graph/types.h"
#include "gst/streamlib/graph/values.h"

namespace streamlib::graph {

using support::CStr;
using support::Result;

namespace {

template <typename Enum>
std::string nick_of(GType type, Enum value)
{
  PropertyValue holder(type);
  g_value_set_enum(holder.get(), static_cast<gint>(value));
  return *value_to_json(holder.get()).string();
}

std::string quoted(std::string_view text)
{
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return g_ascii_isalnum(c) || std::string_view("-_.:/+").find(c) != std::string_view::npos;
  });
  if (plain)
    return std::string(text);
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      result += '\\';
    result += c;
  }
  return result + "\"";
}

class Writer {
public:
  explicit Writer(const FlatGraph &graph) : graph_(graph) {}

  Result<std::string, Problems> write()
  {
    for (const auto *ports : {&graph_.inputs, &graph_.outputs}) {
      for (const FlatPort &port : *ports)
        refuse({port.pointer, port.inside}, "a pipeline of gst-launch-1.0 has no ports");
    }
    for (const FlatNode &node : graph_.nodes)
      write_node(node);
    for (const FlatLink &link : graph_.links)
      fan_outs_[link.from]++;
    for (const FlatLink &link : graph_.links)
      write_link(link);
    if (!problems_.empty())
      return std::move(problems_);
    return std::move(text_);
  }

private:
  void refuse(const Place &place, std::string reason)
  {
    problems_.push_back(place.problem(std::move(reason), "take it out to convert the graph"));
  }

  const std::string &name_of(const FlatNode &node)
  {
    std::string name = node.id;
    std::replace(name.begin(), name.end(), '/', '_');
    const bool plain =
        g_ascii_isalpha(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
          return g_ascii_isalnum(c) || c == '-' || c == '_';
        });
    if (!plain)
      refuse({node.pointer, node.inside},
             "the id '" + node.id + "' cannot be written in launch syntax");
    else if (!used_.insert(name).second)
      refuse({node.pointer, node.inside}, "two elements would have the name '" + name + "'");
    return names_[node.id] = name;
  }

  void add_property(const std::string &name, std::string_view text)
  {
    text_ += " " + name + "=" + quoted(text);
  }

  void write_property(const FlatNode &node, const NodeType &type, const std::string &name,
                      const Json &value)
  {
    const Place place = Place{node.pointer, node.inside}.at("config").at(name);
    const Result<GParamSpec *> spec = find_property(type, node.factory, name);
    PropertyValue made;
    if (!spec || value.is_null())
      return;
    if (name.find("::") != std::string::npos && !g_type_is_a(type.type(), GST_TYPE_CHILD_PROXY))
      return refuse(place, "launch syntax reaches no properties of these pads");
    if (!set_value(made.get(), *spec, value))
      return refuse(place, "the value is none that the property takes");
    const Json json = value_to_json(made.get());
    if (const std::string *text = json.string())
      return add_property(name, *text);
    if (json.is_number() || json.is_bool())
      return add_property(name, write_json(json));
    const CStr text(G_VALUE_HOLDS(made.get(), G_TYPE_STRV) ? nullptr
                                                           : gst_value_serialize(made.get()));
    if (!text)
      return refuse(place, "the value cannot be written in launch syntax");
    add_property(name, text.get());
  }

  void write_overrides(const FlatNode &node, const NodeType &type)
  {
    const Place place{node.pointer, node.inside};
    const auto add = [&](const char *property, const std::optional<std::string> &nick) {
      if (!nick)
        return;
      if (g_object_class_find_property(type.object_class(), property) != nullptr)
        add_property(property, *nick);
      else
        refuse(place.at(property), "the element has no '" + std::string(property) + "' of its own");
    };
    if (node.scheduling)
      add("scheduling", nick_of(GST_TYPE_SL_SCHEDULING, *node.scheduling));
    if (node.execution)
      add("execution", nick_of(GST_TYPE_SL_EXECUTION, *node.execution));
    if (node.priority)
      add("priority", nick_of(GST_TYPE_SL_PRIORITY, *node.priority));
    if (!(node.restart == Restart()))
      refuse(place.at("restart"), "gst-launch-1.0 starts no element anew");
    if (!node.fallback.empty())
      refuse(place.at("fallback"), "gst-launch-1.0 has no fallbacks");
  }

  void write_node(const FlatNode &node)
  {
    const Place place{node.pointer, node.inside};
    const std::string &name = name_of(node);
    if (node.factory.empty()) {
      text_ += "bin.( name=" + name + " " + node.bin + " )\n";
      if (node.config.object() != nullptr && !node.config.object()->empty())
        refuse(place.at("config"), "write the properties into the bin's own text");
      return;
    }
    const auto type = NodeType::of_factory(node.factory);
    if (!type) {
      problems_.push_back(place.at("type").problem(type.error().text, type.error().debug));
      return;
    }
    text_ += node.factory + " name=" + name;
    write_overrides(node, **type);
    if (const Json::Object *members = node.config.object()) {
      for (const auto &[property, value] : *members)
        write_property(node, **type, property, value);
    }
    text_ += "\n";
    types_[node.id] = *type;
  }

  // "name.pad", without a pad that comes later: the caps find that.
  std::string end_of(const PadName &pad, GstPadDirection direction)
  {
    const auto type = types_.find(pad.node);
    const PadKind *kind = type != types_.end() ? type->second->pad(pad.pad, direction) : nullptr;
    const bool comes =
        kind != nullptr && kind->presence == GST_PAD_SOMETIMES && kind->name == pad.pad;
    return names_[pad.node] + "." + (comes ? std::string() : pad.pad);
  }

  void write_link(const FlatLink &link)
  {
    const Place place{link.pointer, link.inside};
    if (link.timing && *link.timing == LinkTiming::Restart)
      refuse(place.at("timing"), "gst-launch-1.0 re-times no link");
    for (const PadName *end : {&link.from, &link.to}) {
      const FlatNode *node = graph_.find(end->node);
      if (node != nullptr && node->factory.empty())
        refuse(place, "launch syntax cannot name the ports of the bin '" + node->id + "'");
    }
    std::string from = end_of(link.from, GST_PAD_SRC);
    const bool is_request = link.from.pad.find('%') != std::string::npos;
    const bool fans_out = fan_outs_[link.from] > 1 && !is_request;
    if (fans_out) {
      std::string &tee = tees_[link.from];
      if (tee.empty()) {
        tee = "fan-out-" + std::to_string(tees_.size());
        text_ += "tee name=" + tee + " allow-not-linked=true\n" + from + " ! " + tee + ".sink\n";
      }
      from = tee + ".";
    }
    text_ += from + " ! ";
    if (fans_out || link.policy || link.depth) {
      text_ += "sllink name=link-" + std::to_string(++sllinks_);
      if (link.policy)
        add_property("policy", nick_of(GST_TYPE_SL_LINK_POLICY, *link.policy));
      if (link.depth)
        add_property("depth", std::to_string(*link.depth));
      text_ += " ! ";
    }
    text_ += end_of(link.to, GST_PAD_SINK) + "\n";
  }

  const FlatGraph &graph_;
  std::string text_;
  Problems problems_;
  std::map<std::string, std::string> names_;
  std::map<std::string, std::shared_ptr<const NodeType>> types_;
  std::set<std::string> used_;
  std::map<PadName, size_t> fan_outs_;
  std::map<PadName, std::string> tees_;
  size_t sllinks_ = 0;
};

}  // namespace

Result<std::string, Problems> to_launch(const FlatGraph &graph)
{
  return Writer(graph).write();
}

}  // namespace streamlib::graph
