// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslgraph
 * @title: GstSlGraph
 * @short_description: a bin that compiles a graph, and compiles its edits while it plays
 * @see_also: GstSlProcessor, GstSlGraphEdit
 *
 * A graph is described by JSON: nodes by their ids, and links between their pads.
 * docs/graph-format.md tells the format. The bin checks a description whole, before anything is
 * touched, makes an element for each node and a bounded link without locks with a thread of its own
 * between them, and brings the nodes up in parallel. A further description is compared with what
 * runs, and the difference alone is carried out: nodes that it does not name keep their elements,
 * their threads and every buffer.
 *
 * ## The simplest use
 * |[
 * gst-launch-1.0 slgraph description='{"nodes": {
 *     "bars": {"type": "test", "config": {"num-buffers": 60}},
 *     "out": {"type": "fakesink"}}, "links": [{"from": "bars", "to": "out"}]}'
 * ]|
 *
 * ## Edits
 * gst_sl_graph_apply() takes a whole description, a #GstSlGraphEdit single operations, which are
 * carried out together. A failure at any step takes everything back; what ran goes on. The edits of
 * all threads are carried out one after the other, on a thread of the graph's own. A thread of one
 * of the graph's streams may not wait for that, and uses the asynchronous forms.
 *
 * ## Messages
 * Each step of a graph's life is an element message `streamlib-graph`; docs/graph-events.md lists
 * them. The error of a node is a warning of the graph, unless the node is essential or no source is
 * left.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstslgraph.h"

#include <memory>

#include "gst/streamlib/graph/control_socket.h"
#include "gst/streamlib/graph/unmask.h"
#include "gst/streamlib/gstslgraph_private.h"
#include "gst/streamlib/gstslruntime.h"
#include "gst/support/ownership.h"

GST_DEBUG_CATEGORY(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

using streamlib::graph::ControlSocket;
using streamlib::graph::EditFailure;
using streamlib::graph::EditResult;
using streamlib::graph::Engine;
using streamlib::graph::Problem;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::ErrorPtr;

namespace {

constexpr guint kDefaultSetupTimeout = 5000;

enum class Prop : guint {
  Location = 1,
  Description,
  SetupTimeout,
  ControlSocket,
  Revision,
  Ready,
  Stats,
  Last
};

struct State {
  explicit State(GstBin *bin) : engine(std::make_unique<Engine>(bin)) {}

  std::unique_ptr<Engine> engine;
  // Guarded by the object lock.
  std::string location;
  std::string base_directory;
  // Why the description that was set could not be loaded; said when the graph is started.
  EditFailure load_failure;
  std::string control_path;
  std::unique_ptr<ControlSocket> control;
};

}  // namespace

struct _GstSlGraph {
  GstBin parent;
  State *state;
};

static void gst_sl_graph_child_proxy_init(gpointer iface, gpointer data);

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlGraph, gst_sl_graph, GST_TYPE_BIN,
                              G_IMPLEMENT_INTERFACE(GST_TYPE_CHILD_PROXY,
                                                    gst_sl_graph_child_proxy_init))
// clang-format off
G_DEFINE_QUARK(gst-sl-graph-error-quark, gst_sl_graph_error)
// clang-format on

namespace streamlib::graph {

Engine &engine_of(GstSlGraph *graph)
{
  return *graph->state->engine;
}

LoadOptions load_options_of(GstSlGraph *graph)
{
  const support::ObjectLock lock(graph);
  return {graph->state->base_directory};
}

void set_error(GError **error, const EditFailure &failure)
{
  static constexpr GstSlGraphError kCodes[] = {
      GST_SL_GRAPH_ERROR_INVALID,   GST_SL_GRAPH_ERROR_CONFLICT,  GST_SL_GRAPH_ERROR_FAILED,
      GST_SL_GRAPH_ERROR_TIMED_OUT, GST_SL_GRAPH_ERROR_CANCELLED, GST_SL_GRAPH_ERROR_WRONG_THREAD};
  g_set_error_literal(error, GST_SL_GRAPH_ERROR, kCodes[static_cast<int>(failure.code)],
                      to_text(failure.problems).c_str());
}

void make_up_fault(GstSlGraph *graph, int after_step)
{
  engine_of(graph).make_up_fault(after_step);
}

EditFunction to_description(GstSlGraph *graph, const char *text)
{
  return [options = load_options_of(graph), text = std::string(text)](const Description &current) {
    auto loaded = Description::load(text, options);
    return loaded ? unmasked(std::move(*loaded), current, options) : loaded;
  };
}

}  // namespace streamlib::graph

namespace {

void load(GstSlGraph *self, const char *text)
{
  const EditResult result =
      self->state->engine->edit(streamlib::graph::to_description(self, text), {});
  const bool is_started = GST_STATE(self) > GST_STATE_NULL;
  if (!result && is_started) {
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS, ("The graph was not changed."),
                        ("%s", streamlib::graph::to_text(result.error().problems).c_str()));
    return;
  }
  const streamlib::support::ObjectLock lock(self);
  self->state->load_failure = result ? EditFailure{} : result.error();
}

void load_file(GstSlGraph *self, const char *location)
{
  const CStr directory(g_path_get_dirname(location));
  {
    const streamlib::support::ObjectLock lock(self);
    self->state->location = location;
    self->state->base_directory = directory.get();
  }
  gchar *text = nullptr;
  GError *error = nullptr;
  if (!g_file_get_contents(location, &text, nullptr, &error)) {
    const ErrorPtr held(error);
    const streamlib::support::ObjectLock lock(self);
    self->state->load_failure = {streamlib::graph::EditCode::Invalid,
                                 {Problem{"", error->message, "give the path of a JSON file"}}};
    return;
  }
  const CStr held(text);
  load(self, text);
}

bool report_load_failure(GstSlGraph *self)
{
  EditFailure failure;
  {
    const streamlib::support::ObjectLock lock(self);
    failure = self->state->load_failure;
  }
  if (failure.problems.empty())
    return false;
  GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS,
                    ("The graph's description is wrong:\n%s",
                     streamlib::graph::to_text(failure.problems).c_str()),
                    (nullptr));
  return true;
}

void close_control(GstSlGraph *self)
{
  std::unique_ptr<ControlSocket> control;
  {
    const streamlib::support::ObjectLock lock(self);
    control.swap(self->state->control);
  }
}

// A graph without eyes on it still runs: a failure is a warning.
void open_control(GstSlGraph *self)
{
  std::string path;
  {
    const streamlib::support::ObjectLock lock(self);
    path = self->state->control_path;
  }
  if (path.empty())
    return;
  Engine *engine = self->state->engine.get();
  auto opened = ControlSocket::open(path, {[engine] { return write_json(engine->stats()); },
                                           [engine] { return write_json(engine->describe()); }});
  if (!opened) {
    GST_ELEMENT_WARNING(self, RESOURCE, OPEN_READ_WRITE, ("%s", opened.error().text.c_str()),
                        (nullptr));
    return;
  }
  const streamlib::support::ObjectLock lock(self);
  self->state->control.swap(*opened);
}

void set_control(GstSlGraph *self, const char *path)
{
  close_control(self);
  {
    const streamlib::support::ObjectLock lock(self);
    self->state->control_path = path != nullptr ? path : "";
  }
  if (GST_STATE(self) >= GST_STATE_READY)
    open_control(self);
}

// All nodes share the pipeline's runtime; they get it before they are set up.
void share_runtime(GstSlGraph *self)
{
  const auto runtime = adopt_object(gst_sl_runtime_for_element(GST_ELEMENT(self)));
  if (!runtime)
    return;
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), FALSE));
  gst_element_set_context(GST_ELEMENT(self), context.get());
  self->state->engine->set_runtime(runtime);
}

}  // namespace

static GstStateChangeReturn gst_sl_graph_change_state(GstElement *element,
                                                      GstStateChange transition)
{
  auto *self = GST_SL_GRAPH(element);
  Engine &engine = *self->state->engine;
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    if (report_load_failure(self))
      return GST_STATE_CHANGE_FAILURE;
    share_runtime(self);
    open_control(self);
  }
  const auto problem = engine.begin_transition(transition);
  GST_DEBUG_OBJECT(self, "%s", gst_state_change_get_name(transition));
  if (problem) {
    engine.end_transition(transition, GST_STATE_CHANGE_FAILURE);
    if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
      close_control(self);
      engine.set_runtime({});
    }
    GST_ELEMENT_ERROR(self, RESOURCE, FAILED,
                      ("%s: %s", problem->pointer.c_str(), problem->reason.c_str()), (nullptr));
    return GST_STATE_CHANGE_FAILURE;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_sl_graph_parent_class)->change_state(element, transition);
  engine.end_transition(transition, result);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL) {
    close_control(self);
    // As its elements do.
    engine.set_runtime({});
  }
  return result;
}

static void gst_sl_graph_handle_message(GstBin *bin, GstMessage *message)
{
  State *state = GST_SL_GRAPH(bin)->state;
  if (state->engine != nullptr && state->engine->take_message(message)) {
    gst_message_unref(message);
    return;
  }
  GST_BIN_CLASS(gst_sl_graph_parent_class)->handle_message(bin, message);
}

static gboolean gst_sl_graph_send_event(GstElement *element, GstEvent *event)
{
  Engine &engine = *GST_SL_GRAPH(element)->state->engine;
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && GST_STATE(element) >= GST_STATE_PAUSED &&
      engine.end_sources(event)) {
    gst_event_unref(event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS(gst_sl_graph_parent_class)->send_event(element, event);
}

static GstClock *gst_sl_graph_provide_clock(GstElement *)
{
  return nullptr;
}

static GObject *gst_sl_graph_get_child_by_name(GstChildProxy *proxy, const gchar *name)
{
  auto element = GST_SL_GRAPH(proxy)->state->engine->element(name);
  return reinterpret_cast<GObject *>(element.release());
}

static GObject *gst_sl_graph_get_child_by_index(GstChildProxy *proxy, guint index)
{
  auto elements = GST_SL_GRAPH(proxy)->state->engine->elements();
  return index < elements.size() ? reinterpret_cast<GObject *>(elements[index].second.release())
                                 : nullptr;
}

static guint gst_sl_graph_get_children_count(GstChildProxy *proxy)
{
  return static_cast<guint>(GST_SL_GRAPH(proxy)->state->engine->elements().size());
}

static void gst_sl_graph_child_proxy_init(gpointer iface, gpointer)
{
  auto *proxy = static_cast<GstChildProxyInterface *>(iface);
  proxy->get_child_by_name = gst_sl_graph_get_child_by_name;
  proxy->get_child_by_index = gst_sl_graph_get_child_by_index;
  proxy->get_children_count = gst_sl_graph_get_children_count;
}

static void gst_sl_graph_set_property(GObject *object, guint id, const GValue *value,
                                      GParamSpec *spec)
{
  auto *self = GST_SL_GRAPH(object);
  switch (static_cast<Prop>(id)) {
    case Prop::Location:
      if (g_value_get_string(value) != nullptr)
        load_file(self, g_value_get_string(value));
      break;
    case Prop::Description:
      if (g_value_get_string(value) != nullptr)
        load(self, g_value_get_string(value));
      break;
    case Prop::SetupTimeout:
      self->state->engine->set_setup_timeout(g_value_get_uint(value) * GST_MSECOND);
      break;
    case Prop::ControlSocket:
      set_control(self, g_value_get_string(value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_graph_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  auto *self = GST_SL_GRAPH(object);
  Engine &engine = *self->state->engine;
  switch (static_cast<Prop>(id)) {
    case Prop::Location: {
      const streamlib::support::ObjectLock lock(self);
      g_value_set_string(value, self->state->location.c_str());
      break;
    }
    case Prop::Description:
      g_value_take_string(value, gst_sl_graph_describe(self));
      break;
    case Prop::SetupTimeout:
      g_value_set_uint(value, static_cast<guint>(engine.setup_timeout() / GST_MSECOND));
      break;
    case Prop::ControlSocket: {
      const streamlib::support::ObjectLock lock(self);
      g_value_set_string(value, self->state->control_path.c_str());
      break;
    }
    case Prop::Revision:
      g_value_set_uint64(value, engine.revision());
      break;
    case Prop::Ready:
      g_value_set_boolean(value, engine.is_ready());
      break;
    case Prop::Stats:
      g_value_take_string(value, gst_sl_graph_get_stats(self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_graph_dispose(GObject *object)
{
  // The worker ends, and what runs is let go, before the bin drops its children.
  close_control(GST_SL_GRAPH(object));
  GST_SL_GRAPH(object)->state->engine->end();
  G_OBJECT_CLASS(gst_sl_graph_parent_class)->dispose(object);
}

static void gst_sl_graph_finalize(GObject *object)
{
  delete GST_SL_GRAPH(object)->state;
  G_OBJECT_CLASS(gst_sl_graph_parent_class)->finalize(object);
}

static void gst_sl_graph_install_properties(GObjectClass *klass)
{
  constexpr auto kReadable = static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
  constexpr auto kWritable = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                      GST_PARAM_MUTABLE_PLAYING);
  const auto install = [klass](Prop id, GParamSpec *spec) {
    g_object_class_install_property(klass, static_cast<guint>(id), spec);
  };
  install(Prop::Location,
          g_param_spec_string("location", "Location",
                              "The file of the graph's description, loaded when it is set", nullptr,
                              kWritable));
  install(Prop::Description,
          g_param_spec_string("description", "Description",
                              "The graph's description as JSON; what differs from the one before "
                              "is carried out at once",
                              nullptr, kWritable));
  install(Prop::SetupTimeout,
          g_param_spec_uint("setup-timeout", "Set-up timeout",
                            "The longest that the set-up of a node may take, in milliseconds", 1,
                            G_MAXUINT, kDefaultSetupTimeout, kWritable));
  /**
   * GstSlGraph:control-socket:
   *
   * The path of a UNIX socket on which the graph answers, from READY on, what it is and what it
   * does: `scripts/top` shows it. It is its owner's alone, and nothing can be changed there. A
   * socket that cannot be opened is a warning.
   *
   * Since: 0.1
   */
  install(Prop::ControlSocket,
          g_param_spec_string("control-socket", "Control socket",
                              "The path of a socket to look at the graph by; empty: none", nullptr,
                              kWritable));
  install(Prop::Revision,
          g_param_spec_uint64("revision", "Revision", "The number of commits so far", 0,
                              G_MAXUINT64, 0, kReadable));
  install(Prop::Ready,
          g_param_spec_boolean("ready", "Ready", "Every link that must carry data has carried some",
                               FALSE, kReadable));
  install(Prop::Stats,
          g_param_spec_string("stats", "Statistics", "Figures of all nodes and links, as JSON",
                              nullptr, kReadable));
}

static void gst_sl_graph_class_init(GstSlGraphClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_graph_debug, "slgraph", 0, "streamlib: graph");
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_graph_set_property;
  object_class->get_property = gst_sl_graph_get_property;
  object_class->dispose = gst_sl_graph_dispose;
  object_class->finalize = gst_sl_graph_finalize;
  gst_sl_graph_install_properties(object_class);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_sl_graph_change_state;
  element_class->send_event = gst_sl_graph_send_event;
  element_class->provide_clock = gst_sl_graph_provide_clock;
  GST_BIN_CLASS(klass)->handle_message = gst_sl_graph_handle_message;
  gst_element_class_set_static_metadata(
      element_class, "Graph", "Generic/Bin",
      "Compiles a graph of nodes and links, and its edits while it plays",
      "The gst-streamlib authors");
}

static void gst_sl_graph_init(GstSlGraph *self)
{
  self->state = new State(GST_BIN(self));
}
