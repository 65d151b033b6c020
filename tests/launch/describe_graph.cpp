// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays the description of a file to its end, and prints what gst_sl_graph_describe() answers then.
#include <memory>

#include <gst/streamlib/streamlib.h>

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  GstElement *pipeline = gst_pipeline_new(nullptr);
  GstSlGraph *graph = gst_sl_graph_new("graph");
  gst_bin_add(GST_BIN(pipeline), GST_ELEMENT(graph));

  const std::unique_ptr<gchar, decltype(&g_free)> folder(g_path_get_dirname(argv[1]), g_free);
  gchar *text = nullptr;
  GError *error = nullptr;
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph);
  if (g_file_get_contents(argv[1], &text, nullptr, &error)) {
    gst_sl_graph_edit_set_description(edit, text, folder.get());
    gst_sl_graph_edit_commit(edit, &error);
  }
  g_free(text);
  g_object_unref(edit);
  if (error != nullptr) {
    gst_printerrln("%s", error->message);
    return 1;
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(
      bus, 30 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  const bool has_ended = message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  g_clear_pointer(&message, gst_message_unref);
  gst_object_unref(bus);
  text = gst_sl_graph_describe(graph);
  gst_println("%s", text);
  g_free(text);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return has_ended ? 0 : 1;
}
