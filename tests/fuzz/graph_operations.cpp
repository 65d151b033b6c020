// SPDX-License-Identifier: LGPL-2.1-or-later
// Sequences of operations on a graph, one byte for each choice: a refused edit leaves everything as
// it was, and none hangs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>

#include <gst/gst.h>
#include <gst/streamlib/streamlib.h>

#include "gst/support/ownership.h"

using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;
using streamlib::support::sink_object;

namespace {

constexpr size_t kLongest = 24;  // Operations.
constexpr gint64 kLimit = 20 * G_TIME_SPAN_SECOND;

constexpr const char *kStart = R"({"nodes": {
  "a": {"type": "fakesrc", "config": {"is-live": true, "datarate": 20000, "sync": true,
        "format": "time", "sizetype": "fixed", "sizemax": 100}},
  "b": {"type": "identity"}, "c": {"type": "fakesink", "config": {"async": false}}},
  "links": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}]})";

constexpr const char *kIds[] = {"a", "b", "c", "d", "e", "a.src", "", "b.sink"};
constexpr const char *kNodes[] = {
    R"({"type": "identity"})",
    R"({"type": "fakesink", "config": {"async": false}})",
    R"({"type": "fakesrc", "config": {"num-buffers": 3}})",
    R"({"type": "there-is-none"})",
    R"({"type": "identity", "config": {"sleep-time": "long"}})",
    R"({"type": {"bin": "identity ! identity"}})",
    R"({"type": {"bin": "! !"}})",
    "{",
    "[]",
    R"({"type": "identity", "scheduling": "inline"})",
};
constexpr const char *kOptions[] = {nullptr, R"({"policy": "lossless", "depth": 3})",
                                    R"({"policy": "latest"})", R"({"depth": -1})", "nonsense"};
constexpr const char *kProperties[] = {"silent", "async", "no-such", "sleep-time", "name"};
constexpr const char *kValues[] = {"true", "false", "17", "null", "\"text\"", "{", "1e99"};

void require(bool condition, const char *what)
{
  if (condition)
    return;
  fprintf(stderr, "%s\n", what);
  abort();
}

class Input {
public:
  Input(const uint8_t *data, size_t size) : data_(data), size_(size) {}
  bool is_over() const { return size_ == 0; }
  uint8_t byte()
  {
    if (size_ == 0)
      return 0;
    size_--;
    return *data_++;
  }
  template <size_t kCount>
  const char *one_of(const char *const (&list)[kCount])
  {
    return list[byte() % kCount];
  }

private:
  const uint8_t *data_;
  size_t size_;
};

std::string text_of(GstSlGraph *graph)
{
  const CStr text(gst_sl_graph_describe(graph));
  const std::string whole = text.get();
  return whole.substr(0, whole.find("\"running-revision\""));
}

std::map<std::string, GObjectPtr<GstElement>> nodes_of(GstSlGraph *graph)
{
  std::map<std::string, GObjectPtr<GstElement>> nodes;
  gchar **ids = gst_sl_graph_list_nodes(graph);
  for (gchar **id = ids; *id != nullptr; id++)
    nodes[*id] = adopt_object(gst_sl_graph_get_node(graph, *id));
  g_strfreev(ids);
  return nodes;
}

void add_operation(GstSlGraphEdit *edit, Input &input)
{
  const char *id = input.one_of(kIds);
  switch (input.byte() % 6) {
    case 0:
      return gst_sl_graph_edit_add_node(edit, id, input.one_of(kNodes));
    case 1:
      return gst_sl_graph_edit_remove_node(edit, id);
    case 2:
      return gst_sl_graph_edit_replace_node(edit, id, input.one_of(kNodes));
    case 3: {
      const char *to = input.one_of(kIds);
      return gst_sl_graph_edit_link(edit, id, to, input.one_of(kOptions));
    }
    case 4:
      return gst_sl_graph_edit_unlink(edit, id, input.one_of(kIds));
    default: {
      const char *property = input.one_of(kProperties);
      return gst_sl_graph_edit_configure(edit, id, property, input.one_of(kValues));
    }
  }
}

gboolean edit(GstSlGraph *graph, Input &input, GError **error)
{
  const auto edit = adopt_object(gst_sl_graph_begin(graph));
  const int operations = 1 + input.byte() % 3;
  for (int i = 0; i < operations; i++)
    add_operation(edit.get(), input);
  if (input.byte() % 8 == 0) {
    gst_sl_graph_edit_rollback(edit.get());
    return TRUE;
  }
  return gst_sl_graph_edit_commit(edit.get(), error);
}

gboolean operate(GstSlGraph *graph, GstElement *pipeline, Input &input, GError **error)
{
  // Small numbers are the most frequent ones of random inputs.
  switch (input.byte() % 10) {
    case 1:
      gst_element_set_state(pipeline, input.byte() % 4 != 0 ? GST_STATE_PLAYING : GST_STATE_NULL);
      return TRUE;
    case 4:
      return gst_sl_graph_undo(graph, error);
    case 5:
      return gst_sl_graph_pause_node(graph, input.one_of(kIds), error);
    case 6:
      return gst_sl_graph_resume_node(graph, input.one_of(kIds), error);
    case 7:
      return gst_sl_graph_apply(graph, kStart, error);
    default:
      return edit(graph, input, error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gst_init(nullptr, nullptr);
  Input input(data, size);
  const auto pipeline = sink_object(gst_pipeline_new(nullptr));
  const auto graph = sink_object(gst_sl_graph_new(nullptr));
  gst_bin_add(GST_BIN(pipeline.get()), GST_ELEMENT(graph.get()));
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  gst_bus_set_flushing(bus.get(), TRUE);
  require(gst_sl_graph_apply(graph.get(), kStart, nullptr), "the first description was refused");
  if (input.byte() % 2 == 0)
    gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  const gint64 begin = g_get_monotonic_time();
  for (size_t i = 0; i < kLongest && !input.is_over(); i++) {
    const std::string before = text_of(graph.get());
    const auto nodes = nodes_of(graph.get());
    GError *error = nullptr;
    const gboolean ok = operate(graph.get(), pipeline.get(), input, &error);
    const ErrorPtr held(error);
    require(ok == (error == nullptr), "an error and its return value differ");
    if (ok)
      continue;
    require(error->message[0] != '\0', "an error without a word");
    require(text_of(graph.get()) == before, "a refused edit changed the description");
    require(nodes_of(graph.get()) == nodes, "a refused edit changed the elements");
  }
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  require(g_get_monotonic_time() - begin < kLimit, "the operations took too long");
  return 0;
}
