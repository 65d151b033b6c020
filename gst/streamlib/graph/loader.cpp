// SPDX-License-Identifier: LGPL-2.1-or-later
// Nodes, links and ports of a description.
#include "gst/streamlib/graph/loader.h"

#include <algorithm>
#include <utility>

#include "gst/streamlib/graph/nearest.h"
#include "gst/streamlib/link_properties.h"

namespace streamlib::graph {

namespace {

// What all templates together may make of a description, in bytes.
constexpr size_t kExpansionBudget = 128 * 1024 * 1024;
// What a node costs of it besides its text.
constexpr size_t kNodeCost = 1024;
// What a bin can hold in reasonable time, and far more than that.
constexpr size_t kMostNodes = 100'000;
constexpr size_t kMostLinks = 200'000;

// Of the description and of a template.
const std::vector<std::string_view> kGraphKeys = {"$schema", "name",    "nodes",    "links",
                                                  "inputs",  "outputs", "templates"};
const std::vector<std::string_view> kNodeKeys = {"type",      "config",   "scheduling",
                                                 "execution", "priority", "restart",
                                                 "essential", "fallback", "on-upstream-removed"};
const std::vector<std::string_view> kLinkKeys = {"from", "to", "policy", "depth", "timing"};

std::string wrong_id(const std::string &id)
{
  if (id.empty())
    return "the id of a node is empty";
  for (const char c : id) {
    if (c == '.' || c == '/')
      return "the id of a node holds no '.' and no '/'";
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      return "the id of a node holds no control characters";
  }
  return {};
}

}  // namespace

const std::vector<std::pair<std::string_view, std::string_view>> &short_names()
{
  static const std::vector<std::pair<std::string_view, std::string_view>> kNames = {
      {"camera", "slcamerasrc"}, {"display", "sldisplaysink"}, {"http", "slhttpsrc"},
      {"link", "sllink"},        {"test", "sltestsrc"},        {"whep", "slwhepsrc"},
      {"whip", "slwhipsink"},
  };
  return kNames;
}

std::string factory_of(std::string_view type)
{
  for (const auto &[name, factory] : short_names()) {
    if (name == type)
      return std::string(factory);
  }
  return std::string(type);
}

Loader::Loader(const Json &json, const LoadOptions &options)
    : options_(options), budget_(kExpansionBudget)
{
  main_.directory = options_.base_directory;
  main_.json = &json;
}

bool Loader::load()
{
  const Json &json = *main_.json;
  if (!json.is_object()) {
    problems.push_back({"",
                        std::string("it must be an object, and is of the type ") + json.type_name(),
                        "begin with {\"nodes\": {…}, \"links\": […]}"});
    return false;
  }
  MemberReader reader(json, {}, problems);
  reader.text("$schema");
  if (const std::string *name = reader.text("name"))
    flat.name = *name;
  note_unknown(json, {}, kGraphKeys);
  check_templates(json);
  Scope scope;
  scope.document = &main_;
  load_scope(json, scope);
  load_top_ports(json, scope);
  check_fallbacks();
  finish(problems);
  return problems.empty();
}

void Loader::note_unknown(const Json &object, const Place &place,
                          const std::vector<std::string_view> &known)
{
  for (const Json::Member &member : *object.object()) {
    if (std::find(known.begin(), known.end(), member.first) != known.end())
      continue;
    const bool hinted = unknown_keys.size() < kHintedProblems;
    unknown_keys.push_back(
        place.at(member.first)
            .problem("'" + member.first + "' means nothing here, and is kept as it is",
                     hinted ? did_you_mean(member.first, known) : std::string()));
  }
}

void Loader::load_scope(const Json &graph, Scope &scope)
{
  load_nodes(graph, scope);
  load_links(graph, scope);
}

void Loader::load_nodes(const Json &graph, Scope &scope)
{
  MemberReader reader(graph, scope.place, problems);
  const Json *nodes = reader.object("nodes");
  if (nodes == nullptr)
    return;
  const Place place = scope.place.at("nodes");
  if (has_given_up() || flat.nodes.size() + nodes->object()->size() > kMostNodes)
    return give_up(place, "nodes", kMostNodes);
  for (const auto &[id, node] : *nodes->object()) {
    if (has_given_up())
      return;
    const Place here = place.at(id);
    scope.names.emplace_back(id);
    if (const std::string wrong = wrong_id(id); !wrong.empty()) {
      problems.push_back(here.problem(wrong, "choose another name"));
    } else if (scope.params != nullptr && budget_ < kNodeCost) {
      problems.push_back(here.problem("the templates expand to more than a graph can hold",
                                      "use fewer or smaller templates within each other"));
      budget_ = 0;
      return;
    } else if (scope.params != nullptr) {
      budget_ -= kNodeCost;
      load_node(id, substitute(node, *scope.params, here, problems, budget_), here, scope);
    } else {
      load_node(id, node, here, scope);
    }
  }
}

void Loader::load_node(const std::string &id, const Json &node, const Place &place, Scope &scope)
{
  scope.nodes.insert(id);
  if (!node.is_object()) {
    problems.push_back(
        place.problem("a node must be an object", "write {\"type\": \"…\", \"config\": {…}}"));
    return;
  }
  note_unknown(node, place, kNodeKeys);
  const Json *type = node.find("type");
  if (type == nullptr) {
    problems.push_back(place.problem("the node has no 'type'",
                                     "name a processor, an element, a bin or a template"));
    return;
  }
  if (type->find("template") != nullptr) {
    load_template(id, *type, node, place, scope);
    return;
  }

  FlatNode flat_node;
  flat_node.id = scope.prefix + id;
  flat_node.pointer = place.pointer;
  flat_node.inside = place.inside;
  const Place type_place = place.at("type");
  if (const std::string *name = type->string()) {
    flat_node.factory = factory_of(*name);
    if (name->empty())
      problems.push_back(type_place.problem("the type is empty"));
  } else if (type->is_object()) {
    MemberReader reader(*type, type_place, problems);
    note_unknown(*type, type_place, {"bin"});
    if (const std::string *launch = reader.text("bin"))
      flat_node.bin = *launch;
    if (!reader.has("bin"))
      problems.push_back(type_place.problem("an object here has a member 'bin' or 'template'"));
    else if (flat_node.bin.find_first_not_of(" \t\r\n") == std::string::npos)
      problems.push_back(type_place.at("bin").problem("the bin holds no element"));
  } else {
    problems.push_back(type_place.problem(
        std::string("it must be a string or an object, and is of the type ") + type->type_name()));
  }

  MemberReader reader(node, place, problems);
  const Json *config = reader.object("config");
  flat_node.config = config != nullptr ? *config : Json(Json::Object());
  const Overrides overrides = read_overrides(reader).over(scope.defaults);
  flat_node.scheduling = overrides.scheduling;
  flat_node.execution = overrides.execution;
  flat_node.priority = overrides.priority;
  flat_node.restart = overrides.restart.value_or(Restart());
  flat_node.essential = overrides.essential.value_or(false);
  flat_node.on_upstream_removed = overrides.on_upstream_removed.value_or(UpstreamRemoved::Eos);
  if (const std::string *fallback = reader.text("fallback"))
    flat_node.fallback = scope.prefix + *fallback;
  flat.nodes.push_back(std::move(flat_node));
}

bool Loader::has_given_up()
{
  has_given_up_ = has_given_up_ || is_full(problems);
  return has_given_up_;
}

// What follows would be told of what was never read.
void Loader::give_up(const Place &place, const char *what, size_t most)
{
  if (!std::exchange(has_given_up_, true))
    problems.push_back(
        place.problem("a graph holds at most " + std::to_string(most) + " " + what, "split it"));
}

void Loader::check_fallbacks()
{
  if (has_given_up())
    return;
  std::unordered_map<std::string_view, const FlatNode *> nodes;
  std::vector<std::string_view> names;
  for (const FlatNode &node : flat.nodes) {
    nodes.emplace(node.id, &node);
    names.emplace_back(node.id);
  }
  for (const FlatNode &node : flat.nodes) {
    if (node.fallback.empty())
      continue;
    const Place place = Place{node.pointer, node.inside}.at("fallback");
    const auto found = nodes.find(node.fallback);
    if (found == nodes.end()) {
      problems.push_back(place.problem(
          "there is no node '" + node.fallback + "' to fall back to",
          problems.size() < kHintedProblems ? did_you_mean(node.fallback, names) : std::string()));
      continue;
    }
    // Who follows from one to the next must come to an end.
    const FlatNode *next = found->second;
    for (size_t steps = 0; next != nullptr && next != &node && steps < flat.nodes.size(); steps++) {
      const auto after = nodes.find(next->fallback);
      next = next->fallback.empty() || after == nodes.end() ? nullptr : after->second;
    }
    if (next == &node)
      problems.push_back(place.problem("the node falls back to itself"));
  }
}

void Loader::load_links(const Json &graph, Scope &scope)
{
  MemberReader reader(graph, scope.place, problems);
  const Json *links = reader.array("links");
  if (links == nullptr)
    return;
  const Place place = scope.place.at("links");
  if (has_given_up() || flat.links.size() + links->array()->size() > kMostLinks)
    return give_up(place, "links", kMostLinks);
  for (size_t i = 0; i < links->array()->size(); i++) {
    if (has_given_up())
      return;
    const Json &link = (*links->array())[i];
    const Place here = place.at(i);
    if (scope.params != nullptr)
      load_link(substitute(link, *scope.params, here, problems, budget_), here, scope);
    else
      load_link(link, here, scope);
  }
}

void Loader::load_link(const Json &link, const Place &place, Scope &scope)
{
  if (!link.is_object()) {
    problems.push_back(place.problem("a link must be an object",
                                     "write {\"from\": \"node.pad\", \"to\": \"node.pad\"}"));
    return;
  }
  note_unknown(link, place, kLinkKeys);
  MemberReader reader(link, place, problems);
  FlatLink result;
  result.pointer = place.pointer;
  result.inside = place.inside;
  bool complete = true;
  for (const Side side : {Side::From, Side::To}) {
    const char *key = side == Side::From ? "from" : "to";
    const std::string *text = reader.text(key);
    if (!reader.has(key))
      problems.push_back(place.problem(std::string("the link has no '") + key + "'"));
    const std::optional<PadName> pad =
        text != nullptr ? endpoint(*text, side, place.at(key), scope) : std::nullopt;
    if (pad)
      (side == Side::From ? result.from : result.to) = *pad;
    complete = complete && pad.has_value();
  }
  if (const auto policy = reader.choice("policy", GST_TYPE_SL_LINK_POLICY))
    result.policy = static_cast<GstSlLinkPolicy>(*policy);
  if (const auto depth = reader.integer("depth", kMaxLinkDepth))
    result.depth = static_cast<uint32_t>(*depth);
  if (const auto timing = reader.choice("timing", {"passthrough", "restart"}))
    result.timing = static_cast<LinkTiming>(*timing);
  if (complete)
    flat.links.push_back(std::move(result));
}

std::optional<PadName> Loader::endpoint(const std::string &text, Side side, const Place &place,
                                        const Scope &scope)
{
  const size_t dot = text.find('.');
  const std::string node = text.substr(0, dot);
  const std::string pad = dot == std::string::npos ? std::string() : text.substr(dot + 1);
  if (dot != std::string::npos && pad.empty()) {
    problems.push_back(place.problem("'" + text + "' names no pad behind its '.'"));
    return std::nullopt;
  }
  if (scope.nodes.count(node) != 0)
    return PadName{scope.prefix + node, pad};
  const auto used = scope.templates.find(node);
  if (used != scope.templates.end())
    return port_of(used->second, node, pad, side, place);
  if (node.find('/') != std::string::npos)
    problems.push_back(place.problem("'" + node + "' stands inside of a template",
                                     "export its pad among the template's inputs or outputs"));
  else
    problems.push_back(place.problem(
        "there is no node '" + node + "'",
        problems.size() < kHintedProblems ? did_you_mean(node, scope.names) : std::string()));
  return std::nullopt;
}

void Loader::load_ports(
    const Json &graph, Scope &scope, std::string_view key, Side side,
    const std::function<void(const std::string &, const PadName &, const Place &)> &add)
{
  MemberReader reader(graph, scope.place, problems);
  const Json *ports = reader.object(key);
  if (ports == nullptr)
    return;
  for (const auto &[name, value] : *ports->object()) {
    if (has_given_up())
      return;
    const Place place = scope.place.at(key).at(name);
    if (name.empty())
      problems.push_back(place.problem("the name of a port is empty"));
    else if (!value.is_string())
      problems.push_back(place.problem("it must be a string: \"node.pad\""));
    else if (const auto pad = endpoint(*value.string(), side, place, scope))
      add(name, *pad, place);
  }
}

void Loader::load_top_ports(const Json &graph, Scope &scope)
{
  std::unordered_set<std::string> names;
  for (const Side side : {Side::To, Side::From}) {
    std::vector<FlatPort> &ports = side == Side::To ? flat.inputs : flat.outputs;
    load_ports(graph, scope, side == Side::To ? "inputs" : "outputs", side,
               [&](const std::string &name, const PadName &pad, const Place &place) {
                 if (!names.insert(name).second)
                   problems.push_back(place.problem("an input has the same name"));
                 ports.push_back({name, place.pointer, pad, place.inside});
               });
  }
}

}  // namespace streamlib::graph
