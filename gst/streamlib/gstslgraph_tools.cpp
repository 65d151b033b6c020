// SPDX-License-Identifier: LGPL-2.1-or-later
// What can be done with descriptions without a graph.
#include "gst/streamlib/graph/catalogue.h"
#include "gst/streamlib/graph/launch.h"
#include "gst/streamlib/gstslgraph_private.h"

using streamlib::graph::Description;
using streamlib::graph::EditCode;
using streamlib::graph::EditFailure;
using streamlib::graph::FlatGraph;
using streamlib::graph::Json;
using streamlib::graph::JsonStyle;
using streamlib::graph::Problem;
using streamlib::graph::Problems;
using streamlib::graph::set_error;
using streamlib::support::Result;

namespace streamlib::graph {

std::string to_json_text(const Problems &problems)
{
  Json::Array entries;
  for (const Problem &problem : problems) {
    Json entry(Json::Object{});
    entry.set("pointer", problem.pointer);
    entry.set("reason", problem.reason);
    entry.set("hint", problem.hint);
    entries.push_back(std::move(entry));
  }
  return write_json(Json(std::move(entries)));
}

}  // namespace streamlib::graph

namespace {

gchar *to_string(const Json &json)
{
  return g_strdup(write_json(json, JsonStyle::Pretty).c_str());
}

Result<FlatGraph, Problems> validated(const gchar *text, const gchar *directory)
{
  auto loaded = Description::load(text, {directory != nullptr ? directory : ""});
  if (!loaded)
    return loaded.take_error();
  FlatGraph flat = loaded->flat();
  Problems problems = validate(flat);
  if (!problems.empty())
    return problems;
  return flat;
}

void set_problems(GError **error, Problems problems)
{
  set_error(error, EditFailure{EditCode::Invalid, std::move(problems)});
}

}  // namespace

/**
 * gst_sl_graph_check:
 * @description: JSON
 * @error: return location of an error, with all problems
 *
 * Whether a description can be applied, as far as that is known without starting anything. Any
 * thread.
 *
 * Returns: %FALSE with @error set when it is wrong
 *
 * Since: 0.1
 */
gboolean gst_sl_graph_check(const gchar *description, GError **error)
{
  g_return_val_if_fail(description != nullptr, FALSE);
  auto flat = validated(description, nullptr);
  if (!flat)
    set_problems(error, flat.take_error());
  return static_cast<bool>(flat);
}

/**
 * gst_sl_graph_find_problems:
 * @description: JSON
 * @directory: (nullable): where the files that it names are looked up; %NULL: the current one
 *
 * What gst_sl_graph_check() finds, for programs: an array of objects with `pointer`, `reason` and
 * `hint`, which may be empty. Any thread.
 *
 * Returns: (transfer full): JSON; an empty array when the description is right
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_find_problems(const gchar *description, const gchar *directory)
{
  g_return_val_if_fail(description != nullptr, nullptr);
  auto flat = validated(description, directory);
  return g_strdup(streamlib::graph::to_json_text(flat ? Problems() : flat.take_error()).c_str());
}

/**
 * gst_sl_graph_catalogue:
 * @type: (nullable): a short name or an element factory; %NULL: all of them
 * @error: return location of an error
 *
 * What a node of this type can be told: the JSON Schema of its config, with units, defaults, and
 * for each property the states in which it may change, and its pads. Without @type an array of the
 * types that there are. Any thread.
 *
 * Returns: (transfer full) (nullable): JSON, or %NULL with @error set
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_catalogue(const gchar *type, GError **error)
{
  if (type == nullptr)
    return to_string(streamlib::graph::catalogue());
  const auto entry = streamlib::graph::catalogue_of(type);
  if (entry)
    return to_string(*entry);
  set_problems(error, {Problem{"", entry.error().text, entry.error().debug}});
  return nullptr;
}

/**
 * gst_sl_graph_to_launch:
 * @description: JSON
 * @error: return location of an error
 *
 * The same graph in the syntax of gst-launch-1.0, with everything that it holds, secrets too. What
 * that syntax cannot say (supervision, ports of the graph, links into a bin) is an error. Any
 * thread.
 *
 * Returns: (transfer full) (nullable): the text, or %NULL with @error set
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_to_launch(const gchar *description, GError **error)
{
  g_return_val_if_fail(description != nullptr, nullptr);
  auto flat = validated(description, nullptr);
  if (!flat) {
    set_problems(error, flat.take_error());
    return nullptr;
  }
  auto text = streamlib::graph::to_launch(*flat);
  if (text)
    return g_strdup(text->c_str());
  set_problems(error, text.take_error());
  return nullptr;
}

/**
 * gst_sl_graph_from_launch:
 * @text: in the syntax of gst-launch-1.0
 * @error: return location of an error
 *
 * The description of what @text says: its elements with the properties that are not as they begin,
 * and its links. Any thread.
 *
 * Returns: (transfer full) (nullable): JSON, or %NULL with @error set
 *
 * Since: 0.1
 */
gchar *gst_sl_graph_from_launch(const gchar *text, GError **error)
{
  g_return_val_if_fail(text != nullptr, nullptr);
  auto description = streamlib::graph::from_launch(text);
  if (description)
    return to_string(*description);
  set_problems(error, description.take_error());
  return nullptr;
}
