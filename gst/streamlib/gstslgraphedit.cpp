// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslgraphedit
 * @title: GstSlGraphEdit
 * @short_description: operations on a graph that are carried out together or not at all
 * @see_also: GstSlGraph
 *
 * Operations are gathered, and touch nothing before the commit: then all of them are carried out,
 * in order, on the description as it is at that moment, and the difference becomes what runs. An
 * edit is used by one thread at a time.
 *
 * Since: 0.1
 */
#include <memory>
#include <optional>

#include "gst/streamlib/graph/operations.h"
#include "gst/streamlib/graph/unmask.h"
#include "gst/streamlib/gstslgraph_private.h"

using streamlib::graph::Description;
using streamlib::graph::EditFunction;
using streamlib::graph::EditOptions;
using streamlib::graph::EditResult;
using streamlib::graph::engine_of;
using streamlib::graph::Instant;
using streamlib::graph::LoadOptions;
using streamlib::graph::Operation;
using streamlib::graph::Problems;
using streamlib::support::GObjectPtr;
using streamlib::support::Result;

namespace {

struct Whole {
  std::string text;
  LoadOptions options;
};

struct State {
  GObjectPtr<GstSlGraph> graph;
  std::optional<Whole> whole;  // What the operations begin with, in place of what there is.
  std::vector<Operation> operations;
  EditOptions options;
  Problems problems;  // Of the last commit or plan.
};

std::string text_of(const gchar *text)
{
  return text != nullptr ? text : "";
}

}  // namespace

struct _GstSlGraphEdit {
  GObject parent;
  State *state;
};

G_DEFINE_FINAL_TYPE(GstSlGraphEdit, gst_sl_graph_edit, G_TYPE_OBJECT)

static void gst_sl_graph_edit_finalize(GObject *object)
{
  delete GST_SL_GRAPH_EDIT(object)->state;
  G_OBJECT_CLASS(gst_sl_graph_edit_parent_class)->finalize(object);
}

static void gst_sl_graph_edit_class_init(GstSlGraphEditClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_graph_edit_finalize;
}

static void gst_sl_graph_edit_init(GstSlGraphEdit *self)
{
  self->state = new State;
}

namespace {

EditFunction to_function(GstSlGraphEdit *self)
{
  return [whole = self->state->whole, operations = self->state->operations,
          options = streamlib::graph::load_options_of(self->state->graph.get())](
             const Description &current) -> Result<Description, Problems> {
    const LoadOptions &place = whole ? whole->options : options;
    streamlib::graph::Json base = current.json();
    if (whole) {
      auto loaded = Description::load(whole->text, place);
      if (!loaded)
        return loaded;
      if (operations.empty())
        return streamlib::graph::unmasked(std::move(*loaded), current, place);
      base = loaded->json();
    }
    auto json = streamlib::graph::carry_out(operations, std::move(base));
    if (!json)
      return json.take_error();
    auto next = Description::from_json(std::move(*json), place);
    return next ? streamlib::graph::unmasked(std::move(*next), current, place) : next;
  };
}

EditOptions options_of(GstSlGraphEdit *self)
{
  EditOptions options = self->state->options;
  options.replace = streamlib::graph::replaced_by(self->state->operations);
  return options;
}

void forget_operations(GstSlGraphEdit *self)
{
  self->state->whole.reset();
  self->state->operations.clear();
}

// Whether it went well; the problems are kept for who asks.
bool take_result(GstSlGraphEdit *self, const EditResult &result, GError **error)
{
  self->state->problems = result ? Problems() : result.error().problems;
  if (!result)
    streamlib::graph::set_error(error, result.error());
  return static_cast<bool>(result);
}

}  // namespace

/**
 * gst_sl_graph_begin:
 * @self: a graph
 *
 * Returns: (transfer full): an edit without operations
 *
 * Since: 0.1
 */
GstSlGraphEdit *gst_sl_graph_begin(GstSlGraph *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH(self), nullptr);
  auto *edit = GST_SL_GRAPH_EDIT(g_object_new(GST_TYPE_SL_GRAPH_EDIT, nullptr));
  edit->state->graph = streamlib::support::share_object(self);
  return edit;
}

/**
 * gst_sl_graph_edit_add_node:
 * @self: an edit
 * @id: the id of the new node
 * @node: JSON: its type, config and the rest
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_add_node(GstSlGraphEdit *self, const gchar *id, const gchar *node)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && id != nullptr && node != nullptr);
  self->state->operations.push_back(streamlib::graph::AddNode{id, node});
}

/**
 * gst_sl_graph_edit_remove_node:
 * @self: an edit
 * @id: the id of a node; its links go with it
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_remove_node(GstSlGraphEdit *self, const gchar *id)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && id != nullptr);
  self->state->operations.push_back(streamlib::graph::RemoveNode{id});
}

/**
 * gst_sl_graph_edit_replace_node:
 * @self: an edit
 * @id: the id of a node
 * @node: (nullable): JSON; %NULL: the same description with a new element
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_replace_node(GstSlGraphEdit *self, const gchar *id, const gchar *node)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && id != nullptr);
  self->state->operations.push_back(streamlib::graph::ReplaceNode{id, text_of(node)});
}

/**
 * gst_sl_graph_edit_link:
 * @self: an edit
 * @from: "node.pad", or "node" where it has one source pad
 * @to: "node.pad", or "node" where it has one sink pad
 * @options: (nullable): JSON: an object of `policy`, `depth`, `timing`
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_link(GstSlGraphEdit *self, const gchar *from, const gchar *to,
                            const gchar *options)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && from != nullptr && to != nullptr);
  self->state->operations.push_back(streamlib::graph::AddLink{from, to, text_of(options)});
}

/**
 * gst_sl_graph_edit_unlink:
 * @self: an edit
 * @from: as it was linked
 * @to: as it was linked
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_unlink(GstSlGraphEdit *self, const gchar *from, const gchar *to)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && from != nullptr && to != nullptr);
  self->state->operations.push_back(streamlib::graph::RemoveLink{from, to});
}

/**
 * gst_sl_graph_edit_configure:
 * @self: an edit
 * @id: the id of a node
 * @property: "property", or "pad::property"
 * @value: (nullable): JSON, or plain text; %NULL: the default
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_configure(GstSlGraphEdit *self, const gchar *id, const gchar *property,
                                 const gchar *value)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && id != nullptr && property != nullptr);
  self->state->operations.push_back(streamlib::graph::Configure{id, property, text_of(value)});
}

/**
 * gst_sl_graph_edit_set_description:
 * @self: an edit
 * @description: JSON
 * @directory: (nullable): where the files that it names are looked up; %NULL: the current one
 *
 * The commit makes the graph what @description says, with the edit's operations carried out on it.
 * So a whole description can have an instant, and a revision that it was made for.
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_set_description(GstSlGraphEdit *self, const gchar *description,
                                       const gchar *directory)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self) && description != nullptr);
  self->state->whole = Whole{description, {text_of(directory)}};
}

/**
 * gst_sl_graph_edit_set_base_revision:
 * @self: an edit
 * @revision: the revision that the edit was made for
 *
 * The commit is refused when the graph has another revision by then.
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_set_base_revision(GstSlGraphEdit *self, guint64 revision)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self));
  self->state->options.base_revision = revision;
}

/**
 * gst_sl_graph_edit_set_instant:
 * @self: an edit
 * @instant: when the data takes the new way
 * @running_time: the graph's running time for %GST_SL_GRAPH_INSTANT_RUNNING_TIME, in nanoseconds
 *
 * New nodes are set up at once in any case. The commit waits for a running time; while it waits,
 * other edits wait as well.
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_set_instant(GstSlGraphEdit *self, GstSlGraphInstant instant,
                                   GstClockTime running_time)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self));
  static constexpr Instant::Kind kKinds[] = {Instant::Kind::Now, Instant::Kind::NextKeyUnit,
                                             Instant::Kind::RunningTime};
  self->state->options.instant = {kKinds[instant], running_time};
}

/**
 * gst_sl_graph_edit_plan:
 * @self: an edit
 * @error: return location of an error
 *
 * As gst_sl_graph_plan().
 *
 * Returns: (transfer full) (nullable): JSON, or %NULL with @error set
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_edit_plan(GstSlGraphEdit *self, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH_EDIT(self), nullptr);
  EditOptions options = options_of(self);
  options.is_dry_run = true;
  const EditResult result = engine_of(self->state->graph.get()).edit(to_function(self), options);
  if (!take_result(self, result, error))
    return nullptr;
  return g_strdup(write_json(result->plan.to_json(), streamlib::graph::JsonStyle::Pretty).c_str());
}

/**
 * gst_sl_graph_edit_commit:
 * @self: an edit
 * @error: return location of an error
 *
 * Carries the operations out, and waits until that is done. Any thread but the graph's own.
 *
 * Returns: %FALSE with @error set when the graph stays what it was; the operations are kept then
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_edit_commit(GstSlGraphEdit *self, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH_EDIT(self), FALSE);
  const EditResult result =
      engine_of(self->state->graph.get()).edit(to_function(self), options_of(self));
  if (!take_result(self, result, error))
    return FALSE;
  forget_operations(self);
  return TRUE;
}

/**
 * gst_sl_graph_edit_commit_async:
 * @self: an edit
 * @cancellable: (nullable): ends the wait; a commit that has begun is not taken back
 * @callback: (scope async): called in the caller's thread-default context
 * @user_data: for @callback
 *
 * As gst_sl_graph_edit_commit(), without a wait. Any thread. The edit is empty at once.
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_commit_async(GstSlGraphEdit *self, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self));
  GTask *task = g_task_new(self, cancellable, callback, user_data);
  g_task_set_source_tag(task, reinterpret_cast<gpointer>(gst_sl_graph_edit_commit_async));
  // For the one who finishes it, in a thread that may use the edit.
  auto *problems = new Problems;
  g_task_set_task_data(task, problems, [](gpointer data) { delete static_cast<Problems *>(data); });
  engine_of(self->state->graph.get())
      .edit_async(to_function(self), options_of(self), [task, problems](const EditResult &result) {
        if (result) {
          g_task_return_boolean(task, TRUE);
        } else {
          *problems = result.error().problems;
          GError *failure = nullptr;
          streamlib::graph::set_error(&failure, result.error());
          g_task_return_error(task, failure);
        }
        g_object_unref(task);
      });
  forget_operations(self);
}

/**
 * gst_sl_graph_edit_commit_finish:
 * @self: an edit
 * @result: what the callback got
 * @error: return location of an error
 *
 * Returns: as gst_sl_graph_edit_commit()
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_edit_commit_finish(GstSlGraphEdit *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail(g_task_is_valid(result, self), FALSE);
  auto *task = G_TASK(result);
  GError *failure = nullptr;
  const gboolean done = g_task_propagate_boolean(task, &failure);
  self->state->problems.clear();
  // One that was cancelled may still be under way, and has no problems of its own.
  if (failure != nullptr && failure->domain == GST_SL_GRAPH_ERROR)
    self->state->problems = *static_cast<Problems *>(g_task_get_task_data(task));
  if (failure != nullptr)
    g_propagate_error(error, failure);
  return done;
}

/**
 * gst_sl_graph_edit_rollback:
 * @self: an edit
 *
 * Forgets the operations.
 *
 * Since: 0.1
 */
void gst_sl_graph_edit_rollback(GstSlGraphEdit *self)
{
  g_return_if_fail(GST_IS_SL_GRAPH_EDIT(self));
  forget_operations(self);
}

/**
 * gst_sl_graph_edit_get_problems:
 * @self: an edit
 *
 * Why the last commit or plan of this edit was refused or taken back: an array of objects with
 * `pointer` (a JSON pointer into the description, or "/operations/N" for what is wrong with the
 * edit's operation N), `reason` and `hint`, which may be empty.
 *
 * Returns: (transfer full): JSON; an empty array when it went well
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_edit_get_problems(GstSlGraphEdit *self)
{
  g_return_val_if_fail(GST_IS_SL_GRAPH_EDIT(self), nullptr);
  return g_strdup(streamlib::graph::to_json_text(self->state->problems).c_str());
}
