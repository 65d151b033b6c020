// SPDX-License-Identifier: LGPL-2.1-or-later
// A graph in a pipeline, with what it says, for the tests of GstSlGraph.
#pragma once

// The standard library comes before Check, whose macros have names of its.
#include <memory>
#include <mutex>
#include <string>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/json.h"
#include "processor_fixture.h"

namespace fixture {

using streamlib::graph::Json;

class GraphRig {
public:
  explicit GraphRig(const char *description = nullptr)
      : pipeline_(streamlib::support::sink_object(gst_pipeline_new("pipeline"))),
        bus_(adopt_object(gst_element_get_bus(pipeline_.get())))
  {
    GstElement *graph = gst_element_factory_make("slgraph", "graph");
    fail_unless(graph != nullptr);
    gst_bin_add(GST_BIN(pipeline_.get()), graph);
    graph_ = GST_SL_GRAPH(graph);
    if (description != nullptr)
      apply(description);
  }
  GraphRig(const GraphRig &) = delete;
  GraphRig &operator=(const GraphRig &) = delete;
  ~GraphRig()
  {
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    gst_bus_set_flushing(bus_.get(), TRUE);
  }

  GstSlGraph *graph() const { return graph_; }
  GstElement *pipeline() const { return pipeline_.get(); }
  GstBus *bus() const { return bus_.get(); }

  void apply(const char *description)
  {
    GError *error = nullptr;
    gst_sl_graph_apply(graph_, description, &error);
    fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  }
  GstStateChangeReturn set_state(GstState state)
  {
    return gst_element_set_state(pipeline_.get(), state);
  }
  void play() { fail_if(set_state(GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE); }

  GObjectPtr<GstElement> node(const char *id) const
  {
    auto element = adopt_object(gst_sl_graph_get_node(graph_, id));
    fail_unless(element, "no node %s", id);
    return element;
  }
  // A pad of a node's element.
  GObjectPtr<GstPad> pad(const char *id, const char *name) const
  {
    auto pad = adopt_object(gst_element_get_static_pad(node(id).get(), name));
    fail_unless(pad, "no pad %s.%s", id, name);
    return pad;
  }
  // Whoever brings a buffer through that pad waits at the gate.
  void hold_at(const char *id, const char *name, Gate &gate) const
  {
    gst_pad_add_probe(
        pad(id, name).get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *, gpointer data) {
          static_cast<Gate *>(data)->wait();
          return GST_PAD_PROBE_OK;
        },
        &gate, nullptr);
  }

  Json stats() const
  {
    const CStr text(gst_sl_graph_get_stats(graph_));
    auto json = streamlib::graph::parse_json(text.get());
    fail_unless(json.ok(), "%s", text.get());
    return *json;
  }
  bool is_ready() const
  {
    gboolean ready;
    g_object_get(graph_, "ready", &ready, nullptr);
    return ready != FALSE;
  }

private:
  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstBus> bus_;
  GstSlGraph *graph_;
};

// A member of `json`, which must be there.
// Check's own macro keeps a pointer into a temporary.
inline void expect_equal(const std::string &found, const std::string &expected)
{
  ck_assert_msg(found == expected, "'%s' is there, '%s' is expected", found.c_str(),
                expected.c_str());
}

inline const Json &at(const Json &json, std::string_view name)
{
  const Json *found = json.find(name);
  fail_unless(found != nullptr, "no '%s' in %s", std::string(name).c_str(),
              write_json(json).c_str());
  return *found;
}
inline std::string text_at(const Json &json, std::string_view name)
{
  const std::string *text = at(json, name).string();
  fail_unless(text != nullptr, "'%s' is no text", std::string(name).c_str());
  return *text;
}
inline int64_t number_at(const Json &json, std::string_view name)
{
  const auto number = at(json, name).int64();
  fail_unless(number.has_value(), "'%s' in %s", std::string(name).c_str(),
              write_json(json).c_str());
  return *number;
}

// The link of `stats` that leads to "node.pad".
inline Json link_to(const Json &stats, std::string_view to)
{
  for (const Json &link : *at(stats, "links").array()) {
    if (text_at(link, "to") == to)
      return link;
  }
  fail("no link to %s in %s", std::string(to).c_str(), write_json(stats).c_str());
  return {};
}

}  // namespace fixture
