// SPDX-License-Identifier: LGPL-2.1-or-later
#include "graph_edits.h"

#include <iterator>
#include <utility>
#include <vector>

#include "gst/streamlib/graph/json.h"
#include "gst/support/ownership.h"

namespace fuzz {

using streamlib::graph::Json;
using streamlib::support::CStr;

namespace {

#define LIVE_SOURCE                                                        \
  R"({"type": "fakesrc", "config": {"is-live": true, "datarate": 20000, )" \
  R"("sync": true, "format": "time", "sizetype": "fixed", "sizemax": 100}})"
#define SINK R"({"type": "fakesink", "config": {"async": false}})"

constexpr const char *kSources[] = {
    LIVE_SOURCE,
    R"({"type": "fakesrc", "config": {"num-buffers": 3}})",
    R"({"type": "fakesrc", "config": {"num-buffers": 3}, "restart": "always"})",
    R"({"type": "test", "config": {"num-buffers": 20}})",
    R"({"type": "fakesrc", "fallback": "a"})",
};
constexpr const char *kFilters[] = {
    R"({"type": "identity"})",
    R"({"type": "faultyfilter"})",
    R"({"type": "faultyfilter", "config": {"fails": 1}})",
    R"({"type": "faultyfilter", "config": {"fails": 2}})",
    R"({"type": "faultyfilter", "config": {"fails": 3}})",
    R"({"type": "faultyfilter", "config": {"fails": 4}})",
    R"({"type": "faultyfilter", "config": {"fails": 5, "even": 2}, "restart": {"delay": 5}})",
    R"({"type": "faultyfilter", "config": {"fails": 6}, "restart": {"delay": 5, "attempts": 2}})",
    R"({"type": "faultyfilter", "config": {"fails": 7}})",
    R"({"type": "faultyfilter", "config": {"fails": 1}, "restart": {"delay": 5}})",
    R"({"type": "faultyfilter", "config": {"fails": 5}, "essential": true})",
    R"({"type": "faultyfilter", "config": {"fails": 5}, "fallback": "b"})",
    R"({"type": "funnel"})",
    R"({"type": {"bin": "identity ! identity"}})",
    R"({"type": "link", "config": {"depth": 2}})",
    R"({"type": "identity", "scheduling": "inline", "on-upstream-removed": "gap"})",
    R"({"type": "identity", "config": {"sleep-time": 3000}, "priority": "high"})",
};
constexpr const char *kSinks[] = {SINK, R"({"type": "fakesink"})",
                                  R"({"type": {"bin": "identity ! fakesink async=false"}})"};
constexpr const char *kWrong[] = {
    R"({"type": {"template": "pair"}})",
    R"({"type": "there-is-none"})",
    R"({"type": "identity", "config": {"sleep-time": "long"}})",
    R"({"type": "identity", "config": 3})",
    R"({"type": "identity", "fallback": "nobody"})",
    R"({"type": {"bin": "! !"}})",
    "{",
    "[]",
};

constexpr const char *kNames[] = {"a", "b", "c", "d", "e", "f"};
constexpr const char *kIds[] = {"a",        "b",         "c", "d",   "e",     "f", "a.src",
                                "e.sink_0", "e.sink_%u", "t", "t/x", "t.out", "",  "b.sink"};
constexpr const char *kOptions[] = {nullptr,
                                    R"({"policy": "lossless", "depth": 3})",
                                    R"({"policy": "latest"})",
                                    R"({"timing": "restart"})",
                                    R"({"depth": -1})",
                                    "nonsense"};
constexpr size_t kRightOptions = 4;
constexpr const char *kProperties[] = {"even", "silent", "fails", "no-such", "sleep-time", "name"};
constexpr const char *kValues[] = {"2",  "1",    "0",        "true", "false",
                                   "17", "null", "\"text\"", "{",    "1e99"};

const char *choose_node(Input &input)
{
  switch (input.byte() % 8) {
    case 6:
      return input.one_of(kSources);
    case 7:
      return input.one_of(kWrong);
    case 5:
      return input.one_of(kSinks);
    default:
      return input.one_of(kFilters);
  }
}

std::string quoted(const std::string &text)
{
  return "\"" + text + "\"";
}

// What the graph is while the operations are put together.
class Model {
public:
  explicit Model(GstSlGraph *graph)
  {
    const CStr text(gst_sl_graph_describe(graph));
    const Json json = *streamlib::graph::parse_json(text.get());
    const Json *nodes = json.find("nodes");
    if (nodes != nullptr && nodes->object() != nullptr) {
      for (const auto &[id, node] : *nodes->object())
        ids_.push_back(id);
    }
    const Json *links = json.find("links");
    if (links == nullptr || links->array() == nullptr)
      return;
    for (const Json &link : *links->array())
      links_.emplace_back(*link.find("from")->string(), *link.find("to")->string());
  }

  std::string id(Input &input) const { return ids_.empty() ? "a" : ids_[input.below(ids_.size())]; }
  const std::vector<std::string> &ids() const { return ids_; }
  std::vector<std::pair<std::string, std::string>> &links() { return links_; }
  // One that is not taken, as long as there is one.
  std::string free_id() const
  {
    for (const char *name : kNames) {
      bool is_taken = false;
      for (const std::string &id : ids_)
        is_taken = is_taken || id == name;
      if (!is_taken)
        return name;
    }
    return "g";
  }

private:
  std::vector<std::string> ids_;
  std::vector<std::pair<std::string, std::string>> links_;
};

std::string node_of(const std::string &end)
{
  return end.substr(0, end.find('.'));
}

const char *right_options(Input &input)
{
  return kOptions[input.below(kRightOptions)];
}

// A filter comes into a link.
void insert(GstSlGraphEdit *edit, Model &model, Input &input)
{
  if (model.links().empty())
    return gst_sl_graph_edit_add_node(edit, "a", LIVE_SOURCE);
  const auto [from, to] = model.links()[input.below(model.links().size())];
  const std::string id = model.free_id();
  gst_sl_graph_edit_add_node(edit, id.c_str(), input.one_of(kFilters));
  gst_sl_graph_edit_unlink(edit, from.c_str(), to.c_str());
  gst_sl_graph_edit_link(edit, from.c_str(), id.c_str(), right_options(input));
  gst_sl_graph_edit_link(edit, id.c_str(), to.c_str(), right_options(input));
}

// A node with one producer goes, and what it fed is fed by its producer.
void bridge(GstSlGraphEdit *edit, Model &model, Input &input)
{
  const std::string id = model.id(input);
  std::string from;
  for (const auto &link : model.links()) {
    if (node_of(link.second) == id)
      from = link.first;
  }
  gst_sl_graph_edit_remove_node(edit, id.c_str());
  if (from.empty())
    return;
  for (const auto &link : model.links()) {
    if (node_of(link.first) == id)
      gst_sl_graph_edit_link(edit, from.c_str(), link.second.c_str(), right_options(input));
  }
}

void add_branch(GstSlGraphEdit *edit, Model &model, Input &input)
{
  const std::string id = model.free_id();
  gst_sl_graph_edit_add_node(edit, id.c_str(), input.one_of(kSinks));
  const std::string from =
      model.links().empty() ? "a" : model.links()[input.below(model.links().size())].first;
  gst_sl_graph_edit_link(edit, from.c_str(), id.c_str(), right_options(input));
}

void link_anew(GstSlGraphEdit *edit, Model &model, Input &input)
{
  if (model.links().empty())
    return;
  const auto [from, to] = model.links()[input.below(model.links().size())];
  gst_sl_graph_edit_unlink(edit, from.c_str(), to.c_str());
  gst_sl_graph_edit_link(edit, from.c_str(), to.c_str(), right_options(input));
}

// The same role: what has no input is a source, what has no output is a sink.
void replace(GstSlGraphEdit *edit, Model &model, Input &input)
{
  const std::string id = model.id(input);
  bool has_input = false;
  bool has_output = false;
  for (const auto &[from, to] : model.links()) {
    has_output = has_output || node_of(from) == id;
    has_input = has_input || node_of(to) == id;
  }
  const char *node = !has_input    ? input.one_of(kSources)
                     : !has_output ? input.one_of(kSinks)
                                   : input.one_of(kFilters);
  gst_sl_graph_edit_replace_node(edit, id.c_str(), input.once_in(4) ? nullptr : node);
}

void add_any(GstSlGraphEdit *edit, Model &model, Input &input)
{
  const uint8_t kind = input.byte() % 7;
  const std::string id = input.once_in(2) ? model.id(input) : choose_id(input);
  switch (kind) {
    case 0:
      return gst_sl_graph_edit_add_node(edit, id.c_str(), choose_node(input));
    case 1:
      return gst_sl_graph_edit_remove_node(edit, id.c_str());
    case 2:
      return gst_sl_graph_edit_replace_node(edit, id.c_str(), choose_node(input));
    case 3: {
      const char *to = choose_id(input);
      return gst_sl_graph_edit_link(edit, id.c_str(), to, input.one_of(kOptions));
    }
    case 4:
      return gst_sl_graph_edit_unlink(edit, id.c_str(), choose_id(input));
    case 5: {
      const char *property = input.one_of(kProperties);
      return gst_sl_graph_edit_configure(edit, id.c_str(), property, input.one_of(kValues));
    }
    default:
      return gst_sl_graph_edit_set_description(edit, compose(input).c_str(), nullptr);
  }
}

void configure(GstSlGraphEdit *edit, Model &model, Input &input)
{
  const std::string id = model.id(input);
  const char *property = kProperties[input.below(3)];
  const char *value = kValues[input.below(5)];
  gst_sl_graph_edit_configure(edit, id.c_str(), property, input.once_in(8) ? nullptr : value);
}

}  // namespace

const char *const kFirstDescription =
    R"({"nodes": {"a": )" LIVE_SOURCE R"(, "b": {"type": "identity"}, "c": )" SINK R"(},
  "links": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]})";

const char *choose_id(Input &input)
{
  return input.one_of(kIds);
}

std::string compose(Input &input)
{
  std::string nodes;
  std::string links;
  const size_t length = 2 + input.below(4);
  for (size_t i = 0; i < length; i++) {
    const char *node = i == 0 ? LIVE_SOURCE : i == length - 1 ? SINK : input.one_of(kFilters);
    nodes += (i > 0 ? ", " : "") + quoted(kNames[i]) + ": " + node;
    if (i == 0)
      continue;
    const char *options = input.once_in(4) ? R"(, "policy": "lossless", "depth": 2)" : "";
    links += (i > 1 ? R"(, {"from": )" : R"({"from": )") + quoted(kNames[i - 1]) + R"(, "to": )" +
             quoted(kNames[i]) + options + "}";
  }
  const uint8_t extras = input.byte();
  std::string rest;
  if (extras & 1) {
    nodes += std::string(R"(, "f": )") + choose_node(input);
    links += R"(, {"from": )" + quoted(choose_id(input)) + R"(, "to": "f"})";
  }
  if (extras & 2) {
    nodes += R"(, "t": {"type": {"template": "pair"}})";
    links += R"(, {"from": "a", "to": "t.in"})";
  }
  if (extras & 4)
    rest += R"(, "outputs": {"out": )" + quoted(choose_id(input)) + "}";
  if (extras & 8)
    rest += R"(, "inputs": {"in": )" + quoted(choose_id(input)) + "}";
  return R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + R"(], "templates": {"pair": {
    "nodes": {"x": {"type": "identity"}, "y": )" SINK R"(},
    "links": [{"from": "x", "to": "y"}], "inputs": {"in": "x"}, "outputs": {"out": "x"}}})" +
         rest + "}";
}

void add_operations(GstSlGraphEdit *edit, GstSlGraph *graph, Input &input)
{
  Model model(graph);
  const size_t count = 1 + input.below(3);
  for (size_t i = 0; i < count; i++) {
    static constexpr void (*kMakers[])(GstSlGraphEdit *, Model &, Input &) = {
        insert, replace, configure, bridge, add_branch, link_anew, add_any};
    input.one_of(kMakers)(edit, model, input);
  }
}

}  // namespace fuzz
