// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/operations.h"

#include <optional>

namespace streamlib::graph {

namespace {

using Trouble = std::optional<Problem>;

Problem problem(std::string pointer, std::string reason, std::string hint = {})
{
  return {std::move(pointer), std::move(reason), std::move(hint)};
}

Json &member(Json &json, std::string_view name, bool is_array)
{
  if (Json *found = json.find(name))
    return *found;
  return json.set(name, is_array ? Json(Json::Array{}) : Json(Json::Object{}));
}

// "cam" and "cam.src" may be the same end of a link.
bool is_same_end(std::string_view one, std::string_view other)
{
  if (one == other)
    return true;
  const std::string_view shorter = one.size() < other.size() ? one : other;
  const std::string_view longer = one.size() < other.size() ? other : one;
  return shorter.find('.') == std::string_view::npos &&
         longer.substr(0, shorter.size()) == shorter && longer[shorter.size()] == '.';
}

bool names_node(const Json *end, std::string_view id)
{
  const std::string *text = end != nullptr ? end->string() : nullptr;
  return text != nullptr && is_same_end(*text, id) &&
         std::string_view(*text).substr(0, id.size()) == id;
}

Trouble read(const std::string &text, const std::string &pointer, Json *value)
{
  auto parsed = parse_json(text);
  if (!parsed)
    return problem(pointer, parsed.error().text);
  *value = std::move(*parsed);
  return std::nullopt;
}

Trouble no_such_node(const std::string &id)
{
  return problem("/id", "there is no node '" + id + "'",
                 id.find('/') != std::string::npos
                     ? "a node of a template is changed by the template's parameters"
                     : "");
}

class Carrier {
public:
  explicit Carrier(Json &json) : json_(json), nodes_(member(json, "nodes", false)) {}

  Trouble operator()(const AddNode &operation)
  {
    if (nodes_.find(operation.id) != nullptr)
      return problem("/id", "there is a node '" + operation.id + "' already",
                     "replace it, or take another id");
    return put(operation.id, operation.node);
  }

  Trouble operator()(const RemoveNode &operation)
  {
    if (!nodes_.remove(operation.id))
      return no_such_node(operation.id);
    Json::Array kept;
    for (Json &link : *member(json_, "links", true).array()) {
      if (!names_node(link.find("from"), operation.id) &&
          !names_node(link.find("to"), operation.id))
        kept.push_back(std::move(link));
    }
    json_.set("links", Json(std::move(kept)));
    return std::nullopt;
  }

  Trouble operator()(const ReplaceNode &operation)
  {
    if (nodes_.find(operation.id) == nullptr)
      return no_such_node(operation.id);
    return operation.node.empty() ? std::nullopt : put(operation.id, operation.node);
  }

  Trouble operator()(const AddLink &operation)
  {
    Json link(Json::Object{});
    if (!operation.options.empty()) {
      if (Trouble trouble = read(operation.options, "/options", &link))
        return trouble;
      if (!link.is_object())
        return problem("/options", std::string("an object is expected, not a ") + link.type_name());
    }
    link.set("from", operation.from);
    link.set("to", operation.to);
    member(json_, "links", true).append(std::move(link));
    return std::nullopt;
  }

  Trouble operator()(const RemoveLink &operation)
  {
    Json::Array &links = *member(json_, "links", true).array();
    for (size_t i = 0; i < links.size(); i++) {
      const Json *from = links[i].find("from");
      const Json *to = links[i].find("to");
      if (from == nullptr || to == nullptr || from->string() == nullptr ||
          to->string() == nullptr || !is_same_end(*from->string(), operation.from) ||
          !is_same_end(*to->string(), operation.to))
        continue;
      links.erase(links.begin() + static_cast<std::ptrdiff_t>(i));
      return std::nullopt;
    }
    return problem("", "there is no link from '" + operation.from + "' to '" + operation.to + "'");
  }

  Trouble operator()(const Configure &operation)
  {
    Json *node = nodes_.find(operation.id);
    if (node == nullptr || !node->is_object())
      return no_such_node(operation.id);
    Json &config = member(*node, "config", false);
    if (operation.value.empty()) {
      config.remove(operation.property);
      return std::nullopt;
    }
    auto value = parse_json(operation.value);
    config.set(operation.property, value ? std::move(*value) : Json(operation.value));
    return std::nullopt;
  }

private:
  Trouble put(const std::string &id, const std::string &text)
  {
    Json node;
    if (Trouble trouble = read(text, "/node", &node))
      return trouble;
    nodes_.set(id, std::move(node));
    return std::nullopt;
  }

  Json &json_;
  Json &nodes_;
};

}  // namespace

support::Result<Json, Problems> carry_out(const std::vector<Operation> &operations, Json json)
{
  for (size_t i = 0; i < operations.size(); i++) {
    // `nodes` may move when a member is added: found anew for each.
    member(json, "links", true);
    Carrier carrier(json);
    if (Trouble trouble = std::visit(carrier, operations[i])) {
      trouble->pointer = "/operations/" + std::to_string(i) + trouble->pointer;
      return Problems{*trouble};
    }
  }
  return json;
}

std::vector<std::string> replaced_by(const std::vector<Operation> &operations)
{
  std::vector<std::string> result;
  for (const Operation &operation : operations) {
    if (const auto *replace = std::get_if<ReplaceNode>(&operation))
      result.push_back(replace->id);
  }
  return result;
}

}  // namespace streamlib::graph
