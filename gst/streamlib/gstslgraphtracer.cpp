// SPDX-License-Identifier: LGPL-2.1-or-later
// The tracer `slgraphstats` (one of the name of the element would take its place in the registry):
//
//   GST_TRACERS="slgraphstats(interval=500)" GST_DEBUG=GST_TRACER:7 gst-launch-1.0 slgraph
//   location=…
//
// writes each node, link, path and join of each graph that is up, once in an interval (in
// milliseconds, 1000 by default), as the tracers of GStreamer write theirs: a structure in a line
// of the category GST_TRACER. docs/graph-observation.md lists the fields.
#include "gst/streamlib/gstslgraphtracer.h"

#include <algorithm>
#include <list>
#include <memory>

#include "gst/streamlib/gstslgraph_private.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"

using streamlib::graph::Engine;
using streamlib::graph::engine_of;
using streamlib::graph::Json;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;
using streamlib::support::MutexLock;
using streamlib::support::StructurePtr;

namespace {

constexpr guint kDefaultInterval = 1000;
constexpr guint kLeastInterval = 10;

// A graph of the process, which the tracer does not keep.
struct Known {
  explicit Known(GObject *object) { g_weak_ref_init(&graph, object); }
  Known(const Known &) = delete;
  Known &operator=(const Known &) = delete;
  ~Known() { g_weak_ref_clear(&graph); }

  GWeakRef graph;
};

struct Field {
  const char *name;
  GType type;
};

// Kinds of lines; a field that a node or link has not is 0 or "".
constexpr Field kNodeFields[] = {
    {"state", G_TYPE_STRING},
    {"rate-in", G_TYPE_DOUBLE},
    {"rate-out", G_TYPE_DOUBLE},
    {"buffers-in", G_TYPE_INT64},
    {"buffers-out", G_TYPE_INT64},
    {"processing-p50-ns", G_TYPE_INT64},
    {"processing-p99-ns", G_TYPE_INT64},
    {"processing-max-ns", G_TYPE_INT64},
    {"buffer-age-ns", G_TYPE_INT64},
    {"restarts", G_TYPE_INT64},
};
constexpr Field kLinkFields[] = {
    {"from", G_TYPE_STRING},           {"to", G_TYPE_STRING},
    {"state", G_TYPE_STRING},          {"rate", G_TYPE_DOUBLE},
    {"taken", G_TYPE_INT64},           {"level", G_TYPE_INT64},
    {"dropped-full", G_TYPE_INT64},    {"dropped-stale", G_TYPE_INT64},
    {"dropped-flush", G_TYPE_INT64},   {"queueing-p50-ns", G_TYPE_INT64},
    {"queueing-p99-ns", G_TYPE_INT64}, {"queueing-max-ns", G_TYPE_INT64},
    {"buffer-age-ns", G_TYPE_INT64},
};
constexpr Field kPathFields[] = {
    {"from", G_TYPE_STRING},           {"to", G_TYPE_STRING},
    {"measured-p50-ns", G_TYPE_INT64}, {"measured-p99-ns", G_TYPE_INT64},
    {"declared-min-ns", G_TYPE_INT64}, {"buffer-age-ns", G_TYPE_INT64},
};
constexpr Field kJoinFields[] = {{"node", G_TYPE_STRING}, {"skew-ns", G_TYPE_INT64}};

}  // namespace

struct GstSlGraphTracer {
  GstTracer parent;
  // Guards the following; nothing is called under it.
  GMutex mutex;
  GCond changed;
  std::list<std::unique_ptr<Known>> *graphs;
  guint interval;
  bool ends;
  GThread *thread;
};
struct GstSlGraphTracerClass {
  GstTracerClass parent_class;
};

G_DEFINE_TYPE(GstSlGraphTracer, gst_sl_graph_tracer, GST_TYPE_TRACER)

namespace {

GstSlGraphTracer *tracer_of(gpointer object)
{
  return static_cast<GstSlGraphTracer *>(object);
}

void add_field(GstStructure *line, const Json &entry, const Field &field)
{
  const Json *value = entry.find(field.name);
  if (field.type == G_TYPE_STRING) {
    const std::string *text = value != nullptr ? value->string() : nullptr;
    gst_structure_set(line, field.name, G_TYPE_STRING, text != nullptr ? text->c_str() : "",
                      nullptr);
  } else if (field.type == G_TYPE_DOUBLE) {
    gst_structure_set(line, field.name, G_TYPE_DOUBLE,
                      value != nullptr ? value->number().value_or(0) : 0.0, nullptr);
  } else {
    gst_structure_set(line, field.name, G_TYPE_INT64,
                      value != nullptr ? value->int64().value_or(0) : gint64{0}, nullptr);
  }
}

// As the tracers of GStreamer write their lines.
template <size_t N>
void write_line(const char *kind, const char *graph, const char *id, const Json &entry,
                const Field (&fields)[N])
{
  const StructurePtr line(gst_structure_new(kind, "ts", G_TYPE_UINT64, gst_util_get_timestamp(),
                                            "graph", G_TYPE_STRING, graph, nullptr));
  if (id != nullptr)
    gst_structure_set(line.get(), "node", G_TYPE_STRING, id, nullptr);
  for (const Field &field : fields)
    add_field(line.get(), entry, field);
  GstDebugCategory *category = nullptr;
  GST_DEBUG_CATEGORY_GET(category, "GST_TRACER");
  if (category == nullptr)
    return;
  const CStr text(gst_structure_to_string(line.get()));
  GST_CAT_TRACE(category, "%s", text.get());
}

template <size_t N>
void write_all(const char *kind, const char *graph, const Json &stats, const char *member,
               const Field (&fields)[N])
{
  const Json *list = stats.find(member);
  if (list == nullptr || list->array() == nullptr)
    return;
  for (const Json &entry : *list->array())
    write_line(kind, graph, nullptr, entry, fields);
}

void write_graph(GstSlGraph *graph)
{
  if (GST_STATE(graph) < GST_STATE_PAUSED)
    return;
  const Json stats = engine_of(graph).stats();
  const CStr name(gst_object_get_path_string(GST_OBJECT(graph)));
  if (const Json *nodes = stats.find("nodes"); nodes != nullptr && nodes->object() != nullptr) {
    for (const auto &[id, node] : *nodes->object())
      write_line("slgraph-node", name.get(), id.c_str(), node, kNodeFields);
  }
  write_all("slgraph-link", name.get(), stats, "links", kLinkFields);
  write_all("slgraph-path", name.get(), stats, "paths", kPathFields);
  write_all("slgraph-join", name.get(), stats, "joins", kJoinFields);
}

std::list<GObjectPtr<GstSlGraph>> graphs_of(GstSlGraphTracer *self)
{
  std::list<GObjectPtr<GstSlGraph>> graphs;
  std::list<std::unique_ptr<Known>> gone;
  const MutexLock lock(self->mutex);
  for (auto it = self->graphs->begin(); it != self->graphs->end();) {
    const auto next = std::next(it);
    if (auto *graph = static_cast<GstSlGraph *>(g_weak_ref_get(&(*it)->graph)))
      graphs.push_back(adopt_object(graph));
    else
      gone.splice(gone.end(), *self->graphs, it);
    it = next;
  }
  return graphs;
}

gpointer run(gpointer data)
{
  GstSlGraphTracer *self = tracer_of(data);
  for (;;) {
    {
      const MutexLock lock(self->mutex);
      const gint64 end = g_get_monotonic_time() + self->interval * G_TIME_SPAN_MILLISECOND;
      while (!self->ends && g_cond_wait_until(&self->changed, &self->mutex, end)) {
      }
      if (self->ends)
        return nullptr;
    }
    for (const auto &graph : graphs_of(self))
      write_graph(graph.get());
  }
}

// The first graph of the process starts the thread.
void note_object(GObject *tracer, GstClockTime, GstObject *object)
{
  if (!GST_IS_SL_GRAPH(object))
    return;
  GstSlGraphTracer *self = tracer_of(tracer);
  auto known = std::make_unique<Known>(G_OBJECT(object));
  const MutexLock lock(self->mutex);
  self->graphs->push_back(std::move(known));
  if (self->thread == nullptr && !self->ends)
    self->thread = g_thread_try_new("sl-tracer", run, self, nullptr);
}

guint interval_of(const char *params)
{
  if (params == nullptr)
    return kDefaultInterval;
  const CStr text(g_strdup_printf("slgraph,%s", params));
  const StructurePtr structure(gst_structure_from_string(text.get(), nullptr));
  gint interval = 0;
  guint unsigned_interval = 0;
  if (structure && gst_structure_get_uint(structure.get(), "interval", &unsigned_interval))
    return std::max(unsigned_interval, kLeastInterval);
  if (structure && gst_structure_get_int(structure.get(), "interval", &interval) && interval > 0)
    return std::max(static_cast<guint>(interval), kLeastInterval);
  g_warning(
      "GST_TRACERS: 'slgraphstats(%s)' is not understood; it takes "
      "slgraphstats(interval=MILLISECONDS)",
      params);
  return kDefaultInterval;
}

}  // namespace

static void gst_sl_graph_tracer_constructed(GObject *object)
{
  GstSlGraphTracer *self = tracer_of(object);
  gchar *params;
  g_object_get(object, "params", &params, nullptr);
  const CStr held(params);
  self->interval = interval_of(params);
  G_OBJECT_CLASS(gst_sl_graph_tracer_parent_class)->constructed(object);
}

static void gst_sl_graph_tracer_finalize(GObject *object)
{
  GstSlGraphTracer *self = tracer_of(object);
  {
    const MutexLock lock(self->mutex);
    self->ends = true;
    g_cond_broadcast(&self->changed);
  }
  if (self->thread != nullptr)
    g_thread_join(self->thread);
  delete self->graphs;
  g_cond_clear(&self->changed);
  g_mutex_clear(&self->mutex);
  G_OBJECT_CLASS(gst_sl_graph_tracer_parent_class)->finalize(object);
}

static void gst_sl_graph_tracer_class_init(GstSlGraphTracerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->constructed = gst_sl_graph_tracer_constructed;
  object_class->finalize = gst_sl_graph_tracer_finalize;
}

static void gst_sl_graph_tracer_init(GstSlGraphTracer *self)
{
  g_mutex_init(&self->mutex);
  g_cond_init(&self->changed);
  self->graphs = new std::list<std::unique_ptr<Known>>;
  gst_tracing_register_hook(GST_TRACER(self), "object-created", G_CALLBACK(note_object));
}
