// SPDX-License-Identifier: LGPL-2.1-or-later
// Which parts of texts and values must not be shown.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "gst/streamlib/graph/description.h"

namespace streamlib::graph {

// The secrets that a description holds, wherever their values stand.
class Secrets {
public:
  // Those in the configs and launch lines of the nodes, among them what came from parameters.
  explicit Secrets(const FlatGraph &graph);
  Secrets() = default;

  // Notes the secrets of one config, or of one launch line.
  void add_config(const Json &config);
  void add_text(std::string_view text);

  // The text without any of them, nor what masked_text() finds.
  std::string masked(std::string_view text) const;
  // The same of all texts within.
  Json masked_json(const Json &value) const;
  // The reasons and hints without them.
  void mask(Problems &problems) const;

private:
  void add(std::string_view secret);
  void add_all(const Json &value);

  // Of the secrets that begin at this place of the text the length of the longest, or 0.
  size_t match(std::string_view text, size_t at) const;

  std::unordered_set<std::string> values_;
  // Those that are looked for within texts, by their first bytes.
  std::unordered_multimap<uint32_t, std::string> within_;
};

}  // namespace streamlib::graph
