// SPDX-License-Identifier: LGPL-2.1-or-later
// A bin that compiles a graph of nodes and links, and compiles its edits while it plays.
#pragma once

#include <gio/gio.h>
#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_GRAPH (gst_sl_graph_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlGraph, gst_sl_graph, GST, SL_GRAPH, GstBin)

#define GST_TYPE_SL_GRAPH_EDIT (gst_sl_graph_edit_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlGraphEdit, gst_sl_graph_edit, GST, SL_GRAPH_EDIT, GObject)

/**
 * GST_SL_GRAPH_ERROR:
 *
 * The error domain of #GstSlGraph. A message has a line for each problem: the JSON pointer of its
 * place in the description, a colon, the reason, and what to do.
 *
 * Since: 0.1
 */
#define GST_SL_GRAPH_ERROR (gst_sl_graph_error_quark())
GST_SL_API GQuark gst_sl_graph_error_quark(void);

/**
 * GstSlGraphError:
 * @GST_SL_GRAPH_ERROR_INVALID: the description or the edit is wrong; nothing was touched
 * @GST_SL_GRAPH_ERROR_CONFLICT: the edit was made for another revision; nothing was touched
 * @GST_SL_GRAPH_ERROR_FAILED: a step failed; everything was taken back
 * @GST_SL_GRAPH_ERROR_TIMED_OUT: a node's set-up took too long; everything was taken back
 * @GST_SL_GRAPH_ERROR_CANCELLED: the graph was stopped meanwhile; everything was taken back
 * @GST_SL_GRAPH_ERROR_WRONG_THREAD: a thread of the graph's own streams must not wait for the
 * graph; the asynchronous form works there
 *
 * Why a graph did not change.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_GRAPH_ERROR_INVALID,
  GST_SL_GRAPH_ERROR_CONFLICT,
  GST_SL_GRAPH_ERROR_FAILED,
  GST_SL_GRAPH_ERROR_TIMED_OUT,
  GST_SL_GRAPH_ERROR_CANCELLED,
  GST_SL_GRAPH_ERROR_WRONG_THREAD,
} GstSlGraphError;

#define GST_TYPE_SL_GRAPH_ERROR (gst_sl_graph_error_get_type())
GST_SL_API GType gst_sl_graph_error_get_type(void) G_GNUC_CONST;

/**
 * GstSlGraphInstant:
 * @GST_SL_GRAPH_INSTANT_NOW: as soon as the new nodes are ready
 * @GST_SL_GRAPH_INSTANT_NEXT_KEY_UNIT: links that are new carry nothing before the next key unit,
 *   which is asked for
 * @GST_SL_GRAPH_INSTANT_RUNNING_TIME: not before a running time of the graph
 *
 * When the data begins to take the new way.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_GRAPH_INSTANT_NOW,
  GST_SL_GRAPH_INSTANT_NEXT_KEY_UNIT,
  GST_SL_GRAPH_INSTANT_RUNNING_TIME,
} GstSlGraphInstant;

#define GST_TYPE_SL_GRAPH_INSTANT (gst_sl_graph_instant_get_type())
GST_SL_API GType gst_sl_graph_instant_get_type(void) G_GNUC_CONST;

GST_SL_API GstSlGraph *gst_sl_graph_new(const gchar *name);

GST_SL_API gboolean gst_sl_graph_apply(GstSlGraph *self, const gchar *description, GError **error);
GST_SL_API void gst_sl_graph_apply_async(GstSlGraph *self, const gchar *description,
                                         GCancellable *cancellable, GAsyncReadyCallback callback,
                                         gpointer user_data);
GST_SL_API gboolean gst_sl_graph_apply_finish(GstSlGraph *self, GAsyncResult *result,
                                              GError **error);
GST_SL_API gchar *gst_sl_graph_plan(GstSlGraph *self, const gchar *description, GError **error);
GST_SL_API gboolean gst_sl_graph_undo(GstSlGraph *self, GError **error);

GST_SL_API gchar *gst_sl_graph_describe(GstSlGraph *self);
GST_SL_API gchar *gst_sl_graph_get_stats(GstSlGraph *self);
GST_SL_API guint64 gst_sl_graph_get_revision(GstSlGraph *self);
GST_SL_API GstElement *gst_sl_graph_get_node(GstSlGraph *self, const gchar *id);
GST_SL_API gchar **gst_sl_graph_list_nodes(GstSlGraph *self);

GST_SL_API gboolean gst_sl_graph_add_node(GstSlGraph *self, const gchar *id, const gchar *node,
                                          GError **error);
GST_SL_API gboolean gst_sl_graph_remove_node(GstSlGraph *self, const gchar *id, GError **error);
GST_SL_API gboolean gst_sl_graph_replace_node(GstSlGraph *self, const gchar *id, const gchar *node,
                                              GError **error);
GST_SL_API gboolean gst_sl_graph_link(GstSlGraph *self, const gchar *from, const gchar *to,
                                      const gchar *options, GError **error);
GST_SL_API gboolean gst_sl_graph_unlink(GstSlGraph *self, const gchar *from, const gchar *to,
                                        GError **error);
GST_SL_API gboolean gst_sl_graph_configure(GstSlGraph *self, const gchar *id, const gchar *property,
                                           const gchar *value, GError **error);
GST_SL_API gboolean gst_sl_graph_pause_node(GstSlGraph *self, const gchar *id, GError **error);
GST_SL_API gboolean gst_sl_graph_resume_node(GstSlGraph *self, const gchar *id, GError **error);

GST_SL_API GstSlGraphEdit *gst_sl_graph_begin(GstSlGraph *self);
GST_SL_API void gst_sl_graph_edit_add_node(GstSlGraphEdit *self, const gchar *id,
                                           const gchar *node);
GST_SL_API void gst_sl_graph_edit_remove_node(GstSlGraphEdit *self, const gchar *id);
GST_SL_API void gst_sl_graph_edit_replace_node(GstSlGraphEdit *self, const gchar *id,
                                               const gchar *node);
GST_SL_API void gst_sl_graph_edit_link(GstSlGraphEdit *self, const gchar *from, const gchar *to,
                                       const gchar *options);
GST_SL_API void gst_sl_graph_edit_unlink(GstSlGraphEdit *self, const gchar *from, const gchar *to);
GST_SL_API void gst_sl_graph_edit_configure(GstSlGraphEdit *self, const gchar *id,
                                            const gchar *property, const gchar *value);
GST_SL_API void gst_sl_graph_edit_set_description(GstSlGraphEdit *self, const gchar *description,
                                                  const gchar *directory);
GST_SL_API void gst_sl_graph_edit_set_base_revision(GstSlGraphEdit *self, guint64 revision);
GST_SL_API void gst_sl_graph_edit_set_instant(GstSlGraphEdit *self, GstSlGraphInstant instant,
                                              GstClockTime running_time);
GST_SL_API gchar *gst_sl_graph_edit_plan(GstSlGraphEdit *self, GError **error);
GST_SL_API gboolean gst_sl_graph_edit_commit(GstSlGraphEdit *self, GError **error);
GST_SL_API void gst_sl_graph_edit_commit_async(GstSlGraphEdit *self, GCancellable *cancellable,
                                               GAsyncReadyCallback callback, gpointer user_data);
GST_SL_API gboolean gst_sl_graph_edit_commit_finish(GstSlGraphEdit *self, GAsyncResult *result,
                                                    GError **error);
GST_SL_API void gst_sl_graph_edit_rollback(GstSlGraphEdit *self);
GST_SL_API gchar *gst_sl_graph_edit_get_problems(GstSlGraphEdit *self);

GST_SL_API gboolean gst_sl_graph_check(const gchar *description, GError **error);
GST_SL_API gchar *gst_sl_graph_find_problems(const gchar *description, const gchar *directory);
GST_SL_API gchar *gst_sl_graph_catalogue(const gchar *type, GError **error);
GST_SL_API gchar *gst_sl_graph_to_launch(const gchar *description, GError **error);
GST_SL_API gchar *gst_sl_graph_from_launch(const gchar *text, GError **error);

G_END_DECLS
