// SPDX-License-Identifier: LGPL-2.1-or-later
// Uses of templates: each becomes the nodes and links of its definition.
#include <algorithm>

#include <glib/gstdio.h>

#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/nearest.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

using support::CStr;
using support::ErrorPtr;

namespace {

constexpr size_t kDeepestTemplate = 32;
constexpr gint64 kLargestFile = 256 * 1024 * 1024;

const std::vector<std::string_view> kTemplateKeys = {"params",  "nodes",   "links",      "inputs",
                                                     "outputs", "exports", "description"};

template <typename Map>
void append_names(const Map &map, std::vector<std::string_view> &names)
{
  for (const auto &entry : map)
    names.emplace_back(entry.first);
}

}  // namespace

void Loader::check_templates(const Json &json)
{
  MemberReader reader(json, {}, problems);
  const Json *templates = reader.object("templates");
  if (templates == nullptr)
    return;
  for (const auto &[name, definition] : *templates->object()) {
    const Place place = Place().at("templates").at(name);
    if (!definition.is_object()) {
      problems.push_back(place.problem("a template must be an object"));
      continue;
    }
    note_unknown(definition, place, kTemplateKeys);
    MemberReader(definition, place, problems).text("description");
    ParamReader(definition, place, problems).check();
  }
}

const Document *Loader::document_of(const std::string &file, const Document &from,
                                    const Place &place)
{
  const char *directory = from.directory.empty() ? "." : from.directory.c_str();
  const CStr path(g_canonicalize_filename(file.c_str(),
                                          CStr(g_canonicalize_filename(directory, nullptr)).get()));
  const auto known = documents_.find(path.get());
  if (known != documents_.end())
    return known->second.get();

  // A device or a pipe would never end.
  GStatBuf info;
  if (g_stat(path.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    problems.push_back(place.problem("there is no file '" + std::string(path.get()) + "'"));
    return nullptr;
  }
  if (info.st_size > kLargestFile) {
    problems.push_back(place.problem("the file is larger than 256 MiB"));
    return nullptr;
  }
  gchar *text = nullptr;
  gsize size = 0;
  GError *raw_error = nullptr;
  if (!g_file_get_contents(path.get(), &text, &size, &raw_error)) {
    const ErrorPtr error(raw_error);
    problems.push_back(place.problem(std::string("the file cannot be read: ") + error->message));
    return nullptr;
  }
  const CStr owned(text);
  support::Result<Json> json = parse_json({text, size});
  if (!json) {
    problems.push_back(place.problem("the file '" + file + "' is no JSON: " + json.error().text));
    return nullptr;
  }
  auto document = std::make_unique<Document>();
  document->path = path.get();
  document->directory = CStr(g_path_get_dirname(path.get())).get();
  document->owned = std::move(*json);
  document->json = &document->owned;
  return documents_.emplace(path.get(), std::move(document)).first->second.get();
}

void Loader::load_template(const std::string &id, const Json &type, const Json &node,
                           const Place &place, Scope &scope)
{
  const Place type_place = place.at("type");
  note_unknown(type, type_place, {"template", "params"});
  MemberReader node_reader(node, place, problems);
  for (const char *key : {"config", "fallback"}) {
    if (node_reader.has(key))
      node_reader.problem(key, std::string("the use of a template has no '") + key + "'",
                          "give params, or write it at a node of the template");
  }
  // What links name must be known even where the rest is wrong.
  scope.nodes.erase(id);
  Ports &ports = scope.templates[id];

  MemberReader reader(type, type_place, problems);
  const Document *document = scope.document;
  const Place template_place = type_place.at("template");
  const std::string *name = nullptr;
  if (const Json *named = type.find("template"); named->is_object()) {
    MemberReader file_reader(*named, template_place, problems);
    note_unknown(*named, template_place, {"file", "name"});
    name = file_reader.text("name");
    if (!file_reader.has("name"))
      problems.push_back(template_place.problem("the template's 'name' is missing"));
    const std::string *file = file_reader.text("file");
    if (file != nullptr)
      document = document_of(*file, *scope.document, template_place.at("file"));
    else if (file_reader.has("file"))
      document = nullptr;
  } else {
    name = reader.text("template");
  }
  if (name == nullptr || document == nullptr || budget_ == 0) {
    ports.unknown = true;
    return;
  }

  const Json *templates = document->json->find("templates");
  const Json *definition = templates != nullptr ? templates->find(*name) : nullptr;
  if (definition == nullptr || !definition->is_object()) {
    std::vector<std::string_view> names;
    if (templates != nullptr && templates->is_object())
      append_names(*templates->object(), names);
    problems.push_back(
        template_place.problem("there is no template '" + *name + "'", did_you_mean(*name, names)));
    ports.unknown = true;
    return;
  }
  const std::string key = document->path + "#" + *name;
  if (std::find(open_templates_.begin(), open_templates_.end(), key) != open_templates_.end() ||
      open_templates_.size() == kDeepestTemplate) {
    problems.push_back(template_place.problem(open_templates_.size() == kDeepestTemplate
                                                  ? "templates stand too deep within each other"
                                                  : "the template '" + *name + "' uses itself"));
    ports.unknown = true;
    return;
  }

  Scope inner;
  inner.document = document;
  if (document == &main_)
    inner.place = Place().at("templates").at(*name);
  else
    inner.place = {template_place.pointer, CStr(g_path_get_basename(document->path.c_str())).get() +
                                               ("#/templates" + pointer_step(*name))};
  inner.prefix = scope.prefix + id + "/";
  inner.defaults = read_overrides(node_reader).over(scope.defaults);
  ParamReader params_reader(*definition, inner.place, problems);
  if (document != &main_ && !params_reader.check()) {
    ports.unknown = true;
    return;
  }
  const Params params = params_reader.read(reader.object("params"), type_place.at("params"));
  inner.params = &params;

  open_templates_.push_back(key);
  load_scope(*definition, inner);
  const auto add_to = [](auto &map) {
    return [&map](const std::string &port, const PadName &pad, const Place &) { map[port] = pad; };
  };
  load_ports(*definition, inner, "inputs", Side::To, add_to(ports.inputs));
  load_ports(*definition, inner, "outputs", Side::From, add_to(ports.outputs));
  load_ports(*definition, inner, "exports", Side::Any, add_to(ports.exports));
  open_templates_.pop_back();
}

std::optional<PadName> Loader::port_of(const Ports &ports, const std::string &node,
                                       const std::string &port, Side side, const Place &place)
{
  // The reason has been said where the template is used.
  if (ports.unknown)
    return std::nullopt;
  std::vector<const std::map<std::string, PadName, std::less<>> *> maps;
  if (side != Side::From)
    maps.push_back(&ports.inputs);
  if (side != Side::To)
    maps.push_back(&ports.outputs);
  maps.push_back(&ports.exports);

  std::vector<std::string_view> names;
  for (const auto *map : maps) {
    if (const auto found = map->find(port); found != map->end())
      return found->second;
    append_names(*map, names);
  }
  if (!port.empty()) {
    problems.push_back(place.problem("the template of '" + node + "' exports no " +
                                         (side == Side::To     ? "input"
                                          : side == Side::From ? "output"
                                                               : "port") +
                                         " '" + port + "'",
                                     names.empty() ? std::string() : did_you_mean(port, names)));
    return std::nullopt;
  }

  // Without a name: the only one; of what is exported without a direction, "src" and "sink".
  if (names.size() == 1) {
    for (const auto *map : maps) {
      if (!map->empty())
        return map->begin()->second;
    }
  }
  if (maps.front()->size() == 1 && side != Side::Any)
    return maps.front()->begin()->second;
  if (const auto usual = ports.exports.find(side == Side::To ? "sink" : "src");
      maps.front()->empty() && usual != ports.exports.end())
    return usual->second;
  problems.push_back(
      place.problem(names.empty() ? "the template of '" + node + "' exports no such port"
                                  : "the port of '" + node + "' must be named",
                    names.empty() ? std::string() : "it is one of " + list_of(names)));
  return std::nullopt;
}

}  // namespace streamlib::graph
