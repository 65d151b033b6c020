// SPDX-License-Identifier: LGPL-2.1-or-later
// A graph in C++: edits that nobody waits for, and what the messages of the graph say, in a main
// loop. Run it: it puts a second sink beside the first while it plays, and takes it out again.
#include <functional>
#include <memory>
#include <string>

#include <gst/streamlib/streamlib.h>

namespace {

constexpr const char *kDescription = R"({
  "nodes": {
    "bars": {"type": "test", "config": {"media": "video", "interval": 10000000}},
    "out": {"type": "fakesink"}
  },
  "links": [{"from": "bars", "to": "out"}]
})";

template <typename T>
struct Unref {
  void operator()(T *object) const { g_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref<T>>;

class Application {
public:
  Application()
      : pipeline_(gst_pipeline_new(nullptr)),
        graph_(gst_sl_graph_new("graph")),
        loop_(g_main_loop_new(nullptr, FALSE), g_main_loop_unref)
  {
    gst_bin_add(GST_BIN(pipeline_.get()), GST_ELEMENT(graph_));
    const Owned<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_add_watch(
        bus.get(),
        [](GstBus *, GstMessage *message, gpointer self) -> gboolean {
          static_cast<Application *>(self)->on_message(message);
          return G_SOURCE_CONTINUE;
        },
        this);
  }

  ~Application()
  {
    const Owned<GstBus> bus(gst_element_get_bus(pipeline_.get()));
    gst_bus_remove_watch(bus.get());
    // Every node's teardown has run when this returns.
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

  bool load(const char *text)
  {
    GError *error = nullptr;
    if (gst_sl_graph_apply(graph_, text, &error))
      return true;
    return fail(error);
  }

  // What it did is told by the messages of the graph.
  void edit(const std::function<void(GstSlGraphEdit *)> &operations)
  {
    const Owned<GstSlGraphEdit> edit(gst_sl_graph_begin(graph_));
    operations(edit.get());
    gst_sl_graph_edit_commit_async(
        edit.get(), nullptr,
        [](GObject *source, GAsyncResult *result, gpointer self) {
          GError *error = nullptr;
          if (!gst_sl_graph_edit_commit_finish(GST_SL_GRAPH_EDIT(source), result, &error))
            static_cast<Application *>(self)->fail(error);
        },
        this);
  }

  bool run()
  {
    g_timeout_add_seconds(
        30,
        [](gpointer self) -> gboolean {
          static_cast<Application *>(self)->quit(false);
          return G_SOURCE_REMOVE;
        },
        this);
    gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    g_main_loop_run(loop_.get());
    return worked_;
  }

private:
  void on_message(GstMessage *message)
  {
    const GstStructure *structure = gst_message_get_structure(message);
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
      quit(false);
    if (structure == nullptr || !gst_structure_has_name(structure, "streamlib-graph"))
      return;
    const std::string event = gst_structure_get_string(structure, "event");
    const gchar *node = gst_structure_get_string(structure, "node");
    gst_println("%s %s", event.c_str(), node != nullptr ? node : "");
    if (event == "graph-ready" && !has_second_)
      edit([](GstSlGraphEdit *edit) {
        gst_sl_graph_edit_add_node(edit, "second", R"({"type": "fakesink"})");
        gst_sl_graph_edit_link(edit, "bars", "second", R"({"policy": "latest", "depth": 4})");
      });
    if (event == "node-created" && g_strcmp0(node, "second") == 0)
      has_second_ = true;
    if (event == "graph-did-change" && has_second_ && !is_removing_) {
      is_removing_ = true;
      edit([](GstSlGraphEdit *edit) { gst_sl_graph_edit_remove_node(edit, "second"); });
    }
    if (event == "node-removed" && g_strcmp0(node, "second") == 0)
      quit(true);
  }

  bool fail(GError *error)
  {
    gst_printerrln("%s", error->message);
    g_error_free(error);
    quit(false);
    return false;
  }

  void quit(bool worked)
  {
    worked_ = worked;
    g_main_loop_quit(loop_.get());
  }

  Owned<GstElement> pipeline_;
  GstSlGraph *graph_;  // The pipeline's.
  std::unique_ptr<GMainLoop, decltype(&g_main_loop_unref)> loop_;
  bool has_second_ = false;
  bool is_removing_ = false;
  bool worked_ = false;
};

}  // namespace

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  Application application;
  return application.load(kDescription) && application.run() ? 0 : 1;
}
