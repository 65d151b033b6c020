/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A graph in C: it is built from a description, edited while it plays, and observed by its
 * messages. Run it: it puts an effect between source and sink, takes it out again, and says what it
 * saw.
 */
#include <string.h>

#include <gst/streamlib/streamlib.h>

static const gchar *description =
    "{"
    "  \"nodes\": {"
    "    \"bars\": {\"type\": \"test\", \"config\": {\"media\": \"video\", \"interval\": "
    "10000000}},"
    "    \"out\": {\"type\": \"fakesink\"}"
    "  },"
    "  \"links\": [{\"from\": \"bars\", \"to\": \"out\"}]"
    "}";

/* The messages of a graph are element messages "streamlib-graph". */
static gboolean wait_for(GstBus *bus, const gchar *event, const gchar *node)
{
  const GstClockTime limit = gst_util_get_timestamp() + 30 * GST_SECOND;
  gboolean found = FALSE;

  while (!found && gst_util_get_timestamp() < limit) {
    GstMessage *message =
        gst_bus_timed_pop_filtered(bus, GST_SECOND, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    if (message == NULL)
      continue;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      gst_message_unref(message);
      return FALSE;
    }
    const GstStructure *structure = gst_message_get_structure(message);
    if (gst_structure_has_name(structure, "streamlib-graph")) {
      const gchar *said = gst_structure_get_string(structure, "event");
      const gchar *about = gst_structure_get_string(structure, "node");
      gst_println("%s %s", said, about != NULL ? about : "");
      found = strcmp(said, event) == 0 && (node == NULL || g_strcmp0(about, node) == 0);
    }
    gst_message_unref(message);
  }
  return found;
}

/* All operations of an edit are carried out, or none. */
static gboolean put_in_effect(GstSlGraph *graph, GError **error)
{
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph);

  gst_sl_graph_edit_add_node(edit, "flip",
                             "{\"type\": \"videoflip\", \"config\": {\"method\": \"clockwise\"}}");
  gst_sl_graph_edit_unlink(edit, "bars", "out");
  gst_sl_graph_edit_link(edit, "bars", "flip", "{\"policy\": \"latest\"}");
  gst_sl_graph_edit_link(edit, "flip", "out", NULL);
  const gboolean done = gst_sl_graph_edit_commit(edit, error);
  g_object_unref(edit);
  return done;
}

static gboolean run(GstSlGraph *graph, GstElement *pipeline, GError **error)
{
  if (!gst_sl_graph_apply(graph, description, error))
    return FALSE;
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus(pipeline);
  gboolean worked = wait_for(bus, "graph-ready", NULL);

  worked = worked && put_in_effect(graph, error) && wait_for(bus, "node-created", "flip") &&
           wait_for(bus, "graph-did-change", NULL) &&
           gst_sl_graph_configure(graph, "flip", "method", "rotate-180", error) &&
           wait_for(bus, "node-configured", "flip") && gst_sl_graph_undo(graph, error) &&
           gst_sl_graph_undo(graph, error) && wait_for(bus, "node-removed", "flip") &&
           gst_sl_graph_get_revision(graph) == 5;
  gst_object_unref(bus);
  return worked;
}

/* What is wrong is said before anything is touched, with its place. */
static gboolean is_refused(GstSlGraph *graph)
{
  GError *error = NULL;
  const gboolean done = gst_sl_graph_link(graph, "bars", "uot", NULL, &error);
  const gboolean is_told = g_error_matches(error, GST_SL_GRAPH_ERROR, GST_SL_GRAPH_ERROR_INVALID);

  gst_println("%s", error != NULL ? error->message : "");
  g_clear_error(&error);
  return !done && is_told;
}

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  GstElement *pipeline = gst_pipeline_new(NULL);
  GstSlGraph *graph = gst_sl_graph_new("graph");
  gst_bin_add(GST_BIN(pipeline), GST_ELEMENT(graph));

  GError *error = NULL;
  const gboolean worked = run(graph, pipeline, &error) && is_refused(graph);
  if (error != NULL)
    gst_printerrln("%s", error->message);
  g_clear_error(&error);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return worked ? 0 : 1;
}
