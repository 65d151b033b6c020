// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph shows and says goes through here where an element may have put a secret into it.
#include <algorithm>

#include "gst/streamlib/graph/engine.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_mini;
using support::CStr;
using support::ErrorPtr;
using support::MiniPtr;

namespace {

// Without the values of properties, among which are the secrets of elements that no description
// names so.
constexpr auto kDotDetails = static_cast<GstDebugGraphDetails>(GST_DEBUG_GRAPH_SHOW_MEDIA_TYPE |
                                                               GST_DEBUG_GRAPH_SHOW_CAPS_DETAILS |
                                                               GST_DEBUG_GRAPH_SHOW_STATES);

}  // namespace

// Worker. Those of what runs stay known: its elements may still speak while it goes.
void Engine::learn_secrets(const FlatGraph &next)
{
  auto secrets = std::make_shared<Secrets>(next);
  for (const FlatNode &node : running_.spec.nodes) {
    secrets->add_config(node.config);
    secrets->add_text(node.bin);
  }
  std::lock_guard lock(index_mutex_);
  secrets_ = std::move(secrets);
}

std::string Engine::masked(std::string_view text) const
{
  std::shared_ptr<const Secrets> secrets;
  {
    std::lock_guard lock(index_mutex_);
    secrets = secrets_;
  }
  return secrets ? secrets->masked(text) : masked_text(text);
}

EditFailure Engine::masked(EditFailure failure) const
{
  for (Problem &problem : failure.problems) {
    problem.reason = masked(problem.reason);
    problem.hint = masked(problem.hint);
  }
  return failure;
}

// The same warning or information without the secrets in its texts; null where there are none.
MiniPtr<GstMessage> Engine::masked_message(GstMessage *message) const
{
  const bool is_warning = GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING;
  GError *error = nullptr;
  gchar *debug = nullptr;
  if (is_warning)
    gst_message_parse_warning(message, &error, &debug);
  else
    gst_message_parse_info(message, &error, &debug);
  const ErrorPtr held_error(error);
  const CStr held_debug(debug);
  const std::string debug_text = debug != nullptr ? debug : "";
  const std::string shown = masked(error->message);
  const std::string shown_debug = masked(debug_text);
  if (shown == error->message && shown_debug == debug_text)
    return nullptr;
  const ErrorPtr other(g_error_new_literal(error->domain, error->code, shown.c_str()));
  auto result = adopt_mini(
      is_warning
          ? gst_message_new_warning(GST_MESSAGE_SRC(message), other.get(), shown_debug.c_str())
          : gst_message_new_info(GST_MESSAGE_SRC(message), other.get(), shown_debug.c_str()));
  gst_message_set_seqnum(result.get(), gst_message_get_seqnum(message));
  return result;
}

// A drawing of the graph after each commit, where the environment asks for drawings.
void Engine::dump_dot() const
{
  const char *directory = g_getenv("GST_DEBUG_DUMP_DOT_DIR");
  if (directory == nullptr)
    return;
  const CStr drawing(gst_debug_bin_to_dot_data(bin_, kDotDetails));
  if (drawing == nullptr)
    return;
  const std::string text = masked(drawing.get());
  std::string name = GST_OBJECT_NAME(bin_);
  std::replace(name.begin(), name.end(), G_DIR_SEPARATOR, '-');
  const CStr file(g_strdup_printf("%016" G_GINT64_FORMAT "-%s.revision-%" G_GUINT64_FORMAT ".dot",
                                  g_get_real_time(), name.c_str(), revision()));
  const CStr path(g_build_filename(directory, file.get(), nullptr));
  GError *error = nullptr;
  if (g_file_set_contents(path.get(), text.c_str(), static_cast<gssize>(text.size()), &error))
    return;
  const ErrorPtr held(error);
  GST_WARNING_OBJECT(bin_, "the graph could not be drawn: %s", error->message);
}

}  // namespace streamlib::graph
