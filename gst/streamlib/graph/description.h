// SPDX-License-Identifier: LGPL-2.1-or-later
// A graph as the user describes it, and the flat form that the compiler works from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gst/streamlib/graph/json.h"
#include "gst/streamlib/graph/problem.h"
#include "gst/streamlib/gstslenums.h"

namespace streamlib::graph {

enum class RestartPolicy { Never, OnError, Always };

// When a node is started anew, and how often.
struct Restart {
  RestartPolicy policy = RestartPolicy::Never;
  uint64_t delay_ms = 500;  // Before the first attempt; doubled for each further one.
  uint64_t max_delay_ms = 30000;
  std::optional<uint64_t> attempts;  // In a row; without: no limit.
  std::optional<uint64_t> stall_ms;  // A node without a buffer for this long has failed.

  friend bool operator==(const Restart &, const Restart &) = default;
};

enum class LinkTiming { Passthrough, Restart };
enum class UpstreamRemoved { Eos, Gap };

// One node of the flat graph: every template is expanded, every short name resolved.
struct FlatNode {
  std::string id;       // Of an expanded template: "instance/node".
  std::string pointer;  // Where it stands in the description.
  std::string factory;  // An element factory; empty for a bin.
  std::string bin;      // Launch syntax; empty for an element.
  Json config;          // An object: values of properties, "pad::property" for those of pads.
  std::optional<GstSlScheduling> scheduling;
  std::optional<GstSlExecution> execution;
  std::optional<GstSlPriority> priority;
  Restart restart;
  bool essential = false;
  std::string fallback;  // The id of a node; empty: none.
  UpstreamRemoved on_upstream_removed = UpstreamRemoved::Eos;
  // For what stands in the file of a template: the place there, "effects.json#/templates/…"; the
  // pointer is then that of the template's use.
  std::string inside;

  // What makes a running element the right one: all but what can be changed in place is the same.
  friend bool operator==(const FlatNode &, const FlatNode &) = default;
};

// A pad of a node, as a link names it. Ids may hold dots no more than pad names do.
struct PadName {
  std::string node;
  // After validation never empty: the pad's name, or where it is known only once the pad is there,
  // that of its template ("sink_%u").
  std::string pad;

  friend bool operator==(const PadName &, const PadName &) = default;
  friend auto operator<=>(const PadName &, const PadName &) = default;
};

std::string to_text(const PadName &name);  // "node.pad"

struct FlatLink {
  std::string pointer;
  PadName from;
  PadName to;
  std::optional<GstSlLinkPolicy> policy;  // Without: the compiler may also fuse the two.
  std::optional<uint32_t> depth;
  std::optional<LinkTiming> timing;
  std::string inside;  // As that of a node.

  friend bool operator==(const FlatLink &, const FlatLink &) = default;
};

// A ghost pad of the graph's bin.
struct FlatPort {
  std::string name;
  std::string pointer;
  PadName pad;
  std::string inside;  // As that of a node.

  friend bool operator==(const FlatPort &, const FlatPort &) = default;
};

struct FlatGraph {
  std::string name;
  std::vector<FlatNode> nodes;  // In the description's order; so are the others.
  std::vector<FlatLink> links;
  std::vector<FlatPort> inputs;
  std::vector<FlatPort> outputs;

  const FlatNode *find(std::string_view id) const;

  friend bool operator==(const FlatGraph &, const FlatGraph &) = default;
};

// Where files that a description names ("template": {"file": …}) are looked up; empty: the current
// directory. A template's file names others relative to its own place.
struct LoadOptions {
  std::string base_directory;
};

// The description itself: the JSON with what the loader understood of it. Copies are independent.
class Description {
public:
  // An empty graph.
  Description();

  // Reads the text and checks everything that needs no element factory: types of members, names,
  // endpoints of links, templates. Unknown keys stay.
  static support::Result<Description, Problems> load(std::string_view text,
                                                     const LoadOptions &options = {});
  static support::Result<Description, Problems> from_json(Json json,
                                                          const LoadOptions &options = {});

  const Json &json() const { return json_; }
  const FlatGraph &flat() const { return flat_; }
  // As it was given, but the values of secrets are masked.
  Json masked() const;
  // The members that no key of the format is, kept as they are: for tools that want to show them.
  const Problems &unknown_keys() const { return unknown_keys_; }

private:
  Json json_;
  FlatGraph flat_;
  Problems unknown_keys_;
};

// Checks a loaded description against the elements that are installed: types, pads, properties and
// their values, caps, second links on an input, cycles, nodes with no way to data. Resolves the
// pads that a link leaves open and the short names of types. Any thread.
Problems validate(FlatGraph &graph);

// Whether the value of this property must not be shown: by its name (token, password, secret,
// credential, …, also inside of a URI's user part).
bool is_secret(std::string_view property);
inline constexpr const char *kMask = "***";
// The same text without the passwords of URIs, the values of secret names ("token=…", in queries of
// URIs, launch syntax and structures) and bearer tokens.
std::string masked_text(std::string_view text);
// The same value without secrets: those of secret names, and those within texts.
Json masked_json(const Json &value);

}  // namespace streamlib::graph
