// SPDX-License-Identifier: LGPL-2.1-or-later
// A loaded description.
#include "gst/streamlib/graph/description.h"

#include <algorithm>

#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/secrets.h"

namespace streamlib::graph {

using support::Result;

namespace {

// Names of nodes, templates and ports are shown whatever they are; what stands below is masked.
Json masked_members(const Json &value, const Secrets &secrets)
{
  if (!value.is_object())
    return secrets.masked_json(value);
  Json::Object result;
  for (const Json::Member &member : *value.object())
    result.emplace_back(member.first, secrets.masked_json(member.second));
  return result;
}

Json masked_graph(const Json &graph, const Secrets &secrets)
{
  if (!graph.is_object())
    return secrets.masked_json(graph);
  Json::Object result;
  for (const auto &[name, value] : *graph.object()) {
    if (name == "nodes") {
      result.emplace_back(name, masked_members(value, secrets));
    } else if (name == "templates" && value.is_object()) {
      Json::Object templates;
      for (const Json::Member &member : *value.object())
        templates.emplace_back(member.first, masked_graph(member.second, secrets));
      result.emplace_back(name, std::move(templates));
    } else if (name == "links" || name == "inputs" || name == "outputs" || name == "exports") {
      result.emplace_back(name, value);
    } else {
      Json one(Json::Object{{name, value}});
      result.push_back(std::move(secrets.masked_json(one).object()->front()));
    }
  }
  return result;
}

}  // namespace

std::string to_text(const PadName &name)
{
  return name.pad.empty() ? name.node : name.node + "." + name.pad;
}

const FlatNode *FlatGraph::find(std::string_view id) const
{
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [id](const FlatNode &node) { return node.id == id; });
  return found != nodes.end() ? &*found : nullptr;
}

Description::Description() : json_(Json::Object()) {}

Result<Description, Problems> Description::load(std::string_view text, const LoadOptions &options)
{
  Result<Json> json = parse_json(text);
  if (!json)
    return Problems{{"", json.error().text, "mend the JSON there"}};
  return from_json(std::move(*json), options);
}

Result<Description, Problems> Description::from_json(Json json, const LoadOptions &options)
{
  Loader loader(json, options);
  if (!loader.load()) {
    Secrets(loader.flat).mask(loader.problems);
    return std::move(loader.problems);
  }
  Description description;
  description.flat_ = std::move(loader.flat);
  description.unknown_keys_ = std::move(loader.unknown_keys);
  description.json_ = std::move(json);
  return description;
}

Json Description::masked() const
{
  return masked_graph(json_, Secrets(flat_));
}

}  // namespace streamlib::graph
