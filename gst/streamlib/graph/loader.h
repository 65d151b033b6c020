// SPDX-License-Identifier: LGPL-2.1-or-later
// From the JSON of a description to its flat graph.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/place.h"

namespace streamlib::graph {

// A file with templates; the description itself has no path.
struct Document {
  std::string path;
  std::string directory;
  Json owned;
  const Json *json = nullptr;
};

// The values of a template's parameters, by name.
using Params = std::map<std::string, Json, std::less<>>;

// What a node may leave to the template that it stands in, or to the defaults.
struct Overrides {
  std::optional<GstSlScheduling> scheduling;
  std::optional<GstSlExecution> execution;
  std::optional<GstSlPriority> priority;
  std::optional<Restart> restart;
  std::optional<bool> essential;
  std::optional<UpstreamRemoved> on_upstream_removed;

  // These, and the others where one of these is missing.
  Overrides over(const Overrides &others) const;
};

// Reads members of objects, and says where one is not what it should be.
class MemberReader {
public:
  MemberReader(const Json &object, Place place, Problems &problems)
      : object_(object), place_(std::move(place)), problems_(problems)
  {}

  // Null without a problem when there is no such member, with one when it is of another type.
  const std::string *text(std::string_view name);
  const Json *object(std::string_view name);
  const Json *array(std::string_view name);
  std::optional<bool> boolean(std::string_view name);
  std::optional<double> number(std::string_view name);
  std::optional<uint64_t> integer(std::string_view name, uint64_t maximum);
  // The value of an enumeration, by nick.
  std::optional<int> choice(std::string_view name, GType type);
  std::optional<int> choice(std::string_view name, const std::vector<std::string_view> &names);

  const Json *member(std::string_view name) const { return object_.find(name); }
  bool has(std::string_view name) const { return member(name) != nullptr; }
  // Reads an object that is a member of this one.
  MemberReader inside(std::string_view name, const Json &object) const;
  Place at(std::string_view name) const { return place_.at(name); }
  const Place &place() const { return place_; }
  void problem(std::string_view name, std::string reason, std::string hint = {});

private:
  const Json *typed(std::string_view name, bool (Json::*is)() const, const char *wanted);

  const Json &object_;
  const Place place_;
  Problems &problems_;
};

// An object that makes a template's parameter values of what its user gave.
class ParamReader {
public:
  ParamReader(const Json &definition, Place place, Problems &problems)
      : definition_(definition), place_(std::move(place)), problems_(problems)
  {}
  // Whether the definitions themselves are right.
  bool check();
  Params read(const Json *given, const Place &given_place);

private:
  bool fits(const Json &value, const Json &param, const Place &place);

  const Json &definition_;
  const Place place_;
  Problems &problems_;
};

// The short names of our processors; the name itself where it is none.
std::string factory_of(std::string_view type);
// Short names and the factories behind them.
const std::vector<std::pair<std::string_view, std::string_view>> &short_names();

// Replaces {"param": "name"} and "${name}". The budget is what may still be made, in bytes.
Json substitute(const Json &value, const Params &params, const Place &place, Problems &problems,
                size_t &budget);

class Loader {
public:
  Loader(const Json &json, const LoadOptions &options);
  // True without problems.
  bool load();

  FlatGraph flat;
  Problems problems;
  Problems unknown_keys;

private:
  // The exported pads of one use of a template.
  struct Ports {
    std::map<std::string, PadName, std::less<>> inputs;
    std::map<std::string, PadName, std::less<>> outputs;
    std::map<std::string, PadName, std::less<>> exports;
    bool unknown = false;  // Its template is wrong; that has been said.
  };

  // The description itself or one use of a template.
  struct Scope {
    const Document *document = nullptr;
    Place place;
    std::string prefix;  // "" or "instance/".
    const Params *params = nullptr;
    Overrides defaults;
    std::unordered_set<std::string> nodes;
    std::unordered_map<std::string, Ports> templates;
    std::vector<std::string_view> names;
  };

  enum class Side { From, To, Any };

  void load_scope(const Json &graph, Scope &scope);
  void load_nodes(const Json &graph, Scope &scope);
  void load_node(const std::string &id, const Json &node, const Place &place, Scope &scope);
  void load_links(const Json &graph, Scope &scope);
  void load_link(const Json &link, const Place &place, Scope &scope);
  void load_ports(
      const Json &graph, Scope &scope, std::string_view key, Side side,
      const std::function<void(const std::string &, const PadName &, const Place &)> &add);
  void load_top_ports(const Json &graph, Scope &scope);
  void load_template(const std::string &id, const Json &type, const Json &node, const Place &place,
                     Scope &scope);
  void check_fallbacks();
  // There is too much of it, or too much wrong with it: nothing more is read.
  bool has_given_up();
  void give_up(const Place &place, const char *what, size_t most);
  void check_templates(const Json &json);
  void note_unknown(const Json &object, const Place &place,
                    const std::vector<std::string_view> &known);

  std::optional<PadName> endpoint(const std::string &text, Side side, const Place &place,
                                  const Scope &scope);
  std::optional<PadName> port_of(const Ports &ports, const std::string &node,
                                 const std::string &port, Side side, const Place &place);
  const Document *document_of(const std::string &file, const Document &from, const Place &place);

  const LoadOptions options_;
  Document main_;
  std::map<std::string, std::unique_ptr<Document>> documents_;  // By path.
  std::vector<std::string> open_templates_;                     // "path#name"
  size_t budget_;
  bool has_given_up_ = false;
};

Overrides read_overrides(MemberReader &reader);

}  // namespace streamlib::graph
