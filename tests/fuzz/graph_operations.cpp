// SPDX-License-Identifier: LGPL-2.1-or-later
// Sequences of operations on a graph, one byte for each choice: what is refused, fails or is rolled
// back leaves everything as it was, what is committed runs, and nothing hangs.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include <gst/gst.h>
#include <gst/streamlib/streamlib.h>

#include "faulty_filter.h"
#include "fuzz_input.h"
#include "graph_edits.h"
#include "graph_snapshot.h"
#include "gst/streamlib/gstslgraph_private.h"
#include "gst/support/ownership.h"

using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;
using streamlib::support::share_object;
using streamlib::support::sink_object;

namespace {

constexpr size_t kLongest = 16;  // Operations.
constexpr guint kSetupTimeoutMs = 30;
// Of one operation: a replacement of every node, each at its limit, is the longest.
constexpr gint64 kLimit = 10 * G_TIME_SPAN_SECOND;
constexpr gint64 kFlowLimit = 5 * G_TIME_SPAN_SECOND;

// The new one is not the one that ran.
constexpr const char *kEmpty = R"({"nodes": {}})";

void require(bool condition, const char *what, const std::string &more = {})
{
  if (condition)
    return;
  fprintf(stderr, "%s %s\n", what, more.c_str());
  abort();
}

// What may have changed by the end of an operation.
enum class Change { None, IfTrue, States, Any };

class Run {
public:
  explicit Run(fuzz::Input &input)
      : input_(input),
        pipeline_(sink_object(gst_pipeline_new(nullptr))),
        graph_(sink_object(gst_sl_graph_new("graph"))),
        bus_(adopt_object(gst_element_get_bus(pipeline_.get()))),
        supervision_(bus_.get())
  {
    gst_bin_add(GST_BIN(pipeline_.get()), GST_ELEMENT(graph_.get()));
    g_object_set(graph_.get(), "setup-timeout", kSetupTimeoutMs, nullptr);
  }

  void go()
  {
    apply_or_end(fuzz::kFirstDescription);
    if (input_.once_in(2))
      gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    for (size_t i = 0; i < kLongest && !input_.is_over(); i++)
      take_one();
    check_flow();
  }

private:
  template <typename Function>
  void limited(const char *what, Function function)
  {
    const gint64 begin = g_get_monotonic_time();
    function();
    const gint64 took = g_get_monotonic_time() - begin;
    if (g_getenv("FUZZ_VERBOSE") != nullptr)
      fprintf(stderr, "%s: %d ms\n", what, static_cast<int>(took / 1000));
    require(took < kLimit, "it took too long:", what);
  }

  void take_one()
  {
    fuzz::settle(graph_.get());
    const unsigned events = supervision_.count();
    const fuzz::Snapshot before = fuzz::take_snapshot(graph_.get());
    what_ = "";
    gboolean ok = FALSE;
    Change change = Change::None;
    GError *error = nullptr;
    limited("an operation", [&] { change = operate(&ok, &error); });
    const ErrorPtr held(error);
    if (g_getenv("FUZZ_VERBOSE") != nullptr)
      fprintf(stderr, "  %s: %s\n", what_.c_str(), ok ? "ok" : error->message);
    require(ok == (error == nullptr), "an error and its return value differ");
    require(ok || error->message[0] != '\0', "an error without a word");
    fuzz::settle(graph_.get());
    const fuzz::Snapshot after = fuzz::take_snapshot(graph_.get());
    fuzz::settle(graph_.get());
    const bool is_calm = supervision_.count() == events;
    if (change == Change::Any)
      return;
    if (change == Change::States || !is_calm) {
      require(before.description == after.description || (ok && change == Change::IfTrue),
              "the description has changed by", what_);
      return;
    }
    if (ok && change == Change::IfTrue) {
      require(after.revision == before.revision + 1, "a commit without a revision by", what_);
      // Once a node has failed the graph may differ from the description.
      if (supervision_.count() == 0)
        require(fuzz::drift_of(graph_.get()).empty(), "what runs is not what was committed by",
                what_ + ": " + fuzz::drift_of(graph_.get()));
      return;
    }
    const std::string changed = fuzz::difference(before, after);
    require(changed.empty(), "something has changed by", what_ + ": " + changed);
  }

  Change operate(gboolean *ok, GError **error)
  {
    GstSlGraph *graph = graph_.get();
    // Zeros are frequent.
    switch (input_.byte() % 12) {
      case 1:
        return set_state(ok);
      case 2:
        what_ = "undo";
        *ok = gst_sl_graph_undo(graph, error);
        return Change::IfTrue;
      case 3:
        what_ = "the first description";
        *ok = gst_sl_graph_apply(graph, fuzz::kFirstDescription, error);
        return Change::IfTrue;
      case 4:
        what_ = "apply";
        *ok = gst_sl_graph_apply(graph, fuzz::compose(input_).c_str(), error);
        return Change::IfTrue;
      case 5:
        what_ = "pause";
        *ok = gst_sl_graph_pause_node(graph, fuzz::choose_id(input_), error);
        return Change::None;
      case 6:
        what_ = "resume";
        *ok = gst_sl_graph_resume_node(graph, fuzz::choose_id(input_), error);
        return Change::None;
      case 7: {
        what_ = "plan";
        const CStr plan(gst_sl_graph_plan(graph, fuzz::compose(input_).c_str(), error));
        *ok = plan != nullptr;
        return Change::None;
      }
      case 8:
        what_ = "a wait";
        g_usleep((input_.byte() % 32) * 1000);
        *ok = TRUE;
        return Change::None;
      case 9: {
        what_ = "stats";
        const CStr stats(gst_sl_graph_get_stats(graph));
        *ok = stats != nullptr;
        return Change::None;
      }
      default:
        return edit(ok, error);
    }
  }

  Change set_state(gboolean *ok)
  {
    static constexpr GstState kStates[] = {GST_STATE_PLAYING, GST_STATE_NULL, GST_STATE_READY,
                                           GST_STATE_PAUSED};
    what_ = "a state";
    gst_element_set_state(pipeline_.get(), kStates[input_.byte() % std::size(kStates)]);
    *ok = TRUE;
    return Change::States;
  }

  Change edit(gboolean *ok, GError **error)
  {
    const auto edit = adopt_object(gst_sl_graph_begin(graph_.get()));
    what_ = "an edit";
    fuzz::add_operations(edit.get(), graph_.get(), input_);
    switch (input_.byte() % 8) {
      case 0:
        what_ = "an edit with a fault";
        streamlib::graph::make_up_fault(graph_.get(), input_.byte() % 24);
        *ok = gst_sl_graph_edit_commit(edit.get(), error);
        streamlib::graph::make_up_fault(graph_.get(), -1);
        return Change::IfTrue;
      case 1:
        what_ = "a rollback";
        gst_sl_graph_edit_rollback(edit.get());
        // An empty edit is one, too.
        *ok = TRUE;
        return Change::None;
      case 2: {
        what_ = "a plan and its edit";
        const CStr plan(gst_sl_graph_edit_plan(edit.get(), nullptr));
        *ok = gst_sl_graph_edit_commit(edit.get(), error);
        require(plan != nullptr || !*ok, "a commit of what could not be planned");
        return Change::IfTrue;
      }
      case 3:
        what_ = "an edit for a revision";
        gst_sl_graph_edit_set_base_revision(
            edit.get(), gst_sl_graph_get_revision(graph_.get()) - input_.byte() % 2);
        *ok = gst_sl_graph_edit_commit(edit.get(), error);
        return Change::IfTrue;
      case 4:
        what_ = "an edit and a stop";
        return commit_and_stop(edit.get(), ok, error);
      case 5:
        what_ = "an edit and its undo";
        *ok = gst_sl_graph_edit_commit(edit.get(), error);
        if (!*ok)
          return Change::None;
        *ok = gst_sl_graph_undo(graph_.get(), error);
        // It makes elements anew, which may fail.
        return *ok ? Change::States : Change::Any;
      default:
        *ok = gst_sl_graph_edit_commit(edit.get(), error);
        return Change::IfTrue;
    }
  }

  struct Answer {
    gboolean ok = FALSE;
    GError *error = nullptr;
    bool is_there = false;
  };

  // The stop meets the edit somewhere.
  Change commit_and_stop(GstSlGraphEdit *edit, gboolean *ok, GError **error)
  {
    Answer answer;
    gst_sl_graph_edit_commit_async(
        edit, nullptr,
        [](GObject *source, GAsyncResult *result, gpointer data) {
          auto *answer = static_cast<Answer *>(data);
          answer->ok =
              gst_sl_graph_edit_commit_finish(GST_SL_GRAPH_EDIT(source), result, &answer->error);
          answer->is_there = true;
        },
        &answer);
    g_usleep((input_.byte() % 8) * 500);
    gst_element_set_state(pipeline_.get(), input_.once_in(2) ? GST_STATE_READY : GST_STATE_NULL);
    while (!answer.is_there)
      g_main_context_iteration(nullptr, TRUE);
    *ok = answer.ok;
    *error = answer.error;
    return answer.ok ? Change::IfTrue : Change::States;
  }

  void apply_or_end(const char *description)
  {
    GError *error = nullptr;
    const gboolean ok = gst_sl_graph_apply(graph_.get(), description, &error);
    const ErrorPtr held(error);
    require(ok, "a right description was refused:", ok ? "" : error->message);
  }

  // Whatever was done: what is made anew after it plays.
  void check_flow()
  {
    if (input_.once_in(2))
      limited("a stop", [&] { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); });
    g_object_set(graph_.get(), "setup-timeout", 5000, nullptr);
    apply_or_end(kEmpty);
    apply_or_end(fuzz::kFirstDescription);
    const GstStateChangeReturn started = gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    require(started != GST_STATE_CHANGE_FAILURE, "it does not start");
    const auto sink = adopt_object(gst_sl_graph_get_node(graph_.get(), "c"));
    const auto pad = adopt_object(gst_element_get_static_pad(sink.get(), "sink"));
    gint buffers = 0;
    const gulong probe = gst_pad_add_probe(
        pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
        [](GstPad *, GstPadProbeInfo *, gpointer count) {
          g_atomic_int_inc(static_cast<gint *>(count));
          return GST_PAD_PROBE_OK;
        },
        &buffers, nullptr);
    const gint64 until = g_get_monotonic_time() + kFlowLimit;
    while (g_atomic_int_get(&buffers) < 2 && g_get_monotonic_time() < until)
      g_usleep(500);
    require(g_atomic_int_get(&buffers) >= 2, "nothing flows any more");
    // The count stands on this stack: nobody may be in the probe any more.
    limited("the last stop", [&] { gst_element_set_state(pipeline_.get(), GST_STATE_NULL); });
    gst_pad_remove_probe(pad.get(), probe);
  }

  fuzz::Input &input_;
  const GObjectPtr<GstElement> pipeline_;
  const GObjectPtr<GstSlGraph> graph_;
  const GObjectPtr<GstBus> bus_;
  fuzz::Supervision supervision_;
  std::string what_;
};

#ifdef FUZZ_STATIC_PLUGIN
extern "C" void gst_plugin_slcore_register(void);
#endif

void initialise()
{
  static const bool done = [] {
    gst_init(nullptr, nullptr);
    // Of GLib and GStreamer: nothing may be used wrongly. By a signal that keeps the input.
    g_log_set_default_handler(
        [](const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer) {
          require((level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) == 0, domain, message);
        },
        nullptr);
#ifdef FUZZ_STATIC_PLUGIN
    gst_plugin_slcore_register();
#endif
    fuzz::register_faulty_filter();
    return true;
  }();
  (void)done;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  initialise();
  fuzz::Input input(data, size);
  Run(input).go();
  return 0;
}
