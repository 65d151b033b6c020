// SPDX-License-Identifier: LGPL-2.1-or-later
// The methods of GstSlGraph.
#include <memory>

#include "gst/streamlib/graph/operations.h"
#include "gst/streamlib/gstslgraph_private.h"

using streamlib::graph::EditOptions;
using streamlib::graph::EditResult;
using streamlib::graph::Engine;
using streamlib::graph::engine_of;
using streamlib::graph::JsonStyle;
using streamlib::graph::set_error;
using streamlib::support::CStr;

namespace {

gchar *to_string(const streamlib::graph::Json &json)
{
  return g_strdup(write_json(json, JsonStyle::Pretty).c_str());
}

gboolean finish(const EditResult &result, GError **error)
{
  if (result)
    return TRUE;
  set_error(error, result.error());
  return FALSE;
}

}  // namespace

/**
 * gst_sl_graph_new:
 * @name: (nullable): the name of the bin
 *
 * Returns: (transfer floating): an empty graph
 *
 * Since: 0.1
 */
GstSlGraph *gst_sl_graph_new(const gchar *name)
{
  return GST_SL_GRAPH(g_object_new(GST_TYPE_SL_GRAPH, "name", name, nullptr));
}

/**
 * gst_sl_graph_apply:
 * @self: a graph
 * @description: JSON
 * @error: return location of an error
 *
 * Makes the graph what @description says, in any state: what differs from what runs is carried out,
 * and nothing else is touched. Waits until that is done. Any thread but the graph's own.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_apply(GstSlGraph *self, const gchar *description, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  g_return_val_if_fail(description != nullptr, FALSE);
  return finish(engine_of(self).edit(streamlib::graph::to_description(self, description), {}),
                error);
}

/**
 * gst_sl_graph_apply_async:
 * @self: a graph
 * @description: JSON
 * @cancellable: (nullable): ends the wait; an edit that has begun is not taken back
 * @callback: (scope async): called in the caller's thread-default context
 * @user_data: for @callback
 *
 * As gst_sl_graph_apply(), without a wait. Any thread.
 *
 * Since: 0.1
 */
void gst_sl_graph_apply_async(GstSlGraph *self, const gchar *description, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail(GST_IS_SL_GRAPH(self));
  g_return_if_fail(description != nullptr);
  GTask *task = g_task_new(self, cancellable, callback, user_data);
  g_task_set_source_tag(task, reinterpret_cast<gpointer>(gst_sl_graph_apply_async));
  engine_of(self).edit_async(streamlib::graph::to_description(self, description), {},
                             [task](const EditResult &result) {
                               GError *failure = nullptr;
                               if (finish(result, &failure))
                                 g_task_return_boolean(task, TRUE);
                               else
                                 g_task_return_error(task, failure);
                               g_object_unref(task);
                             });
}

/**
 * gst_sl_graph_apply_finish:
 * @self: a graph
 * @result: what the callback got
 * @error: return location of an error
 *
 * Returns: as gst_sl_graph_apply()
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_apply_finish(GstSlGraph *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
  return g_task_propagate_boolean(G_TASK(result), error);
}

/**
 * gst_sl_graph_plan:
 * @self: a graph
 * @description: JSON
 * @error: return location of an error
 *
 * What gst_sl_graph_apply() would do now: the steps in order, the nodes and links that they touch,
 * those that they interrupt and why, those that stop before their replacement starts, the links
 * that are fused, and how many nodes stay untouched. Changes nothing.
 *
 * Returns: (transfer full) (nullable): JSON, or %NULL with @error set
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_plan(GstSlGraph *self, const gchar *description, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  g_return_val_if_fail(description != nullptr, nullptr);
  EditOptions options;
  options.is_dry_run = true;
  const EditResult result =
      engine_of(self).edit(streamlib::graph::to_description(self, description), options);
  if (result)
    return to_string(result->plan.to_json());
  set_error(error, result.error());
  return nullptr;
}

/**
 * gst_sl_graph_undo:
 * @self: a graph
 * @error: return location of an error
 *
 * Makes the graph what it was before the last commit. The last 16 can be undone, one after the
 * other.
 *
 * Returns: %FALSE with @error set when the graph stays what it is
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_undo(GstSlGraph *self, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return finish(engine_of(self).undo(), error);
}

/**
 * gst_sl_graph_describe:
 * @self: a graph
 *
 * The description that is desired, with every key as it was given; the values of secrets are
 * masked. `revision` counts the commits, and `drift` lists the nodes that do not run as they
 * should, and why. Any thread.
 *
 * Returns: (transfer full): JSON
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_describe(GstSlGraph *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  return to_string(engine_of(self).describe());
}

/**
 * gst_sl_graph_get_stats:
 * @self: a graph
 *
 * The state and the figures of every node and link; `age-ms` says how old each is. Any thread.
 *
 * Returns: (transfer full): JSON
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_get_stats(GstSlGraph *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  return to_string(engine_of(self).stats());
}

/**
 * gst_sl_graph_get_revision:
 * @self: a graph
 *
 * Returns: the number of commits so far
 *
 * Since: 0.1
 */
guint64 gst_sl_graph_get_revision(GstSlGraph *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), 0);
  return engine_of(self).revision();
}

/**
 * gst_sl_graph_get_node:
 * @self: a graph
 * @id: the id of a node; "instance/node" for one of a template
 *
 * Returns: (transfer full) (nullable): its element
 *
 * Since: 0.1
 */
GstElement *gst_sl_graph_get_node(GstSlGraph *self, const gchar *id)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  g_return_val_if_fail(id != nullptr, nullptr);
  return engine_of(self).element(id).release();
}

/**
 * gst_sl_graph_list_nodes:
 * @self: a graph
 *
 * Returns: (transfer full) (array zero-terminated=1): the ids of all nodes
 *
 * Since: 0.1
 */
gchar **gst_sl_graph_list_nodes(GstSlGraph *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  GStrvBuilder *builder = g_strv_builder_new();
  for (const auto &[id, element] : engine_of(self).elements())
    g_strv_builder_add(builder, id.c_str());
  gchar **result = g_strv_builder_end(builder);
  g_strv_builder_unref(builder);
  return result;
}

namespace {

gboolean commit_one(GstSlGraph *self,
                    void (*add)(GstSlGraphEdit *, const gchar *, const gchar *, const gchar *),
                    const gchar *first, const gchar *second, const gchar *third, GError **error)
{
  const auto edit = streamlib::support::adopt_object(gst_sl_graph_begin(self));
  add(edit.get(), first, second, third);
  return gst_sl_graph_edit_commit(edit.get(), error);
}

}  // namespace

/**
 * gst_sl_graph_add_node:
 * @self: a graph
 * @id: the id of the new node
 * @node: JSON: its type, config and the rest
 * @error: return location of an error
 *
 * An edit of one operation.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_add_node(GstSlGraph *self, const gchar *id, const gchar *node, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *second, const gchar *) {
        gst_sl_graph_edit_add_node(edit, first, second);
      },
      id, node, nullptr, error);
}

/**
 * gst_sl_graph_remove_node:
 * @self: a graph
 * @id: the id of a node; its links go with it
 * @error: return location of an error
 *
 * An edit of one operation.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_remove_node(GstSlGraph *self, const gchar *id, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *, const gchar *) {
        gst_sl_graph_edit_remove_node(edit, first);
      },
      id, nullptr, nullptr, error);
}

/**
 * gst_sl_graph_replace_node:
 * @self: a graph
 * @id: the id of a node
 * @node: (nullable): JSON; %NULL: the same description with a new element
 * @error: return location of an error
 *
 * An edit of one operation.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_replace_node(GstSlGraph *self, const gchar *id, const gchar *node,
                                   GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *second, const gchar *) {
        gst_sl_graph_edit_replace_node(edit, first, second);
      },
      id, node, nullptr, error);
}

/**
 * gst_sl_graph_link:
 * @self: a graph
 * @from: "node.pad", or "node" where it has one source pad
 * @to: "node.pad", or "node" where it has one sink pad
 * @options: (nullable): JSON: an object of `policy`, `depth`, `timing`
 * @error: return location of an error
 *
 * An edit of one operation.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_link(GstSlGraph *self, const gchar *from, const gchar *to,
                           const gchar *options, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *second, const gchar *third) {
        gst_sl_graph_edit_link(edit, first, second, third);
      },
      from, to, options, error);
}

/**
 * gst_sl_graph_unlink:
 * @self: a graph
 * @from: as it was linked
 * @to: as it was linked
 * @error: return location of an error
 *
 * An edit of one operation.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_unlink(GstSlGraph *self, const gchar *from, const gchar *to, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *second, const gchar *) {
        gst_sl_graph_edit_unlink(edit, first, second);
      },
      from, to, nullptr, error);
}

/**
 * gst_sl_graph_configure:
 * @self: a graph
 * @id: the id of a node
 * @property: "property", or "pad::property"
 * @value: (nullable): JSON, or plain text; %NULL: the default
 * @error: return location of an error
 *
 * An edit of one operation. A property that cannot change while the element runs makes it a
 * replacement of the element; gst_sl_graph_plan() says so beforehand.
 *
 * Returns: %FALSE with @error set when the graph stays what it was
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_configure(GstSlGraph *self, const gchar *id, const gchar *property,
                                const gchar *value, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), FALSE);
  return commit_one(
      self,
      [](GstSlGraphEdit *edit, const gchar *first, const gchar *second, const gchar *third) {
        gst_sl_graph_edit_configure(edit, first, second, third);
      },
      id, property, value, error);
}

/**
 * gst_sl_graph_pause_node:
 * @self: a graph
 * @id: the id of a node
 * @error: return location of an error
 *
 * Holds one node. What comes to it waits or is dropped by the policy of its links; a live source's
 * buffers are dropped and counted.
 *
 * Returns: %FALSE with @error set when there is no such node
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_pause_node(GstSlGraph *self, const gchar *id, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self) && id != nullptr, FALSE);
  const auto result = engine_of(self).pause_node(id, true);
  if (!result)
    set_error(error, result.error());
  return result.ok();
}

/**
 * gst_sl_graph_resume_node:
 * @self: a graph
 * @id: the id of a node
 * @error: return location of an error
 *
 * Lets a node go on that gst_sl_graph_pause_node() holds.
 *
 * Returns: %FALSE with @error set when there is no such node
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_resume_node(GstSlGraph *self, const gchar *id, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self) && id != nullptr, FALSE);
  const auto result = engine_of(self).pause_node(id, false);
  if (!result)
    set_error(error, result.error());
  return result.ok();
}
