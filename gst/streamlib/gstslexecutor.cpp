// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslexecutor
 * @title: GstSlExecutor
 * @short_description: a few threads for many processors
 *
 * Processors with #GstSlProcessor:scheduling `pooled` have no thread. The executor of their runtime
 * lends them one for a turn of a few steps: reactive ones when a link has data, continuous ones
 * when their time has come. Whoever waits longest is next, so that no processor starves beside one
 * that is always ready; no step is taken by two threads at once.
 *
 * The times of continuous processors are rounded up to a common tick, #GstSlExecutor:tick, and
 * their periods begin on a grid of a quarter of them: sharing wake-ups is what makes many live
 * streams cheap. A longer tick costs lateness of up to its length, and saves wake-ups.
 *
 * A processor that fills a `lossless` link is suspended, and goes on when the link is half empty;
 * it may have put in more than the depth by what one step gives. Any other wait within a step (of a
 * foreign element, a sink that prerolls or waits for the clock) blocks the thread. When others wait
 * and a thread has been blocked for 5 ms, a spare takes over; whoever comes back then joins the
 * spares. More than #GstSlExecutor:max-spares are not started: a warning in the log says so, and
 * jobs wait. Only where all are blocked for half a second, as by the sinks of one pipeline that
 * wait for each other's first buffer, are more started, and a warning message says so. Real-time
 * audio, cameras and displays are better off with threads of their own.
 *
 * Threads start at need and end with the executor. A process that was forked has none of them: a
 * pooled processor fails to start there with an error that says so.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstslexecutor.h"

#include <memory>

#include "gst/streamlib/gstslexecutor_private.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"

using streamlib::Executor;
using streamlib::ExecutorFigures;
using streamlib::support::ObjectLock;

namespace {

enum class Prop : guint {
  Workers = 1,
  MaxSpares,
  Tick,
  Stats,
};

constexpr guint kMaxThreads = 1024;
constexpr guint64 kMinTick = 100 * GST_USECOND;
constexpr guint64 kMaxTick = GST_SECOND;
constexpr guint kDefaultMaxSpares = 64;
constexpr guint64 kDefaultTick = GST_MSECOND;

struct ExecutorState {
  // Guarded by the object lock.
  guint workers = 0;
  guint max_spares = kDefaultMaxSpares;
  guint64 tick = kDefaultTick;
  std::shared_ptr<Executor> core;
};

}  // namespace

typedef ExecutorState GstSlExecutorPrivate;

struct _GstSlExecutor {
  GstObject parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlExecutor, gst_sl_executor, GST_TYPE_OBJECT,
                              G_ADD_PRIVATE(GstSlExecutor))

static ExecutorState &gst_sl_executor_state(GstSlExecutor *self)
{
  return *static_cast<ExecutorState *>(gst_sl_executor_get_instance_private(self));
}

std::shared_ptr<Executor> streamlib::executor_core(GstSlExecutor *executor)
{
  const ObjectLock lock(executor);
  ExecutorState &state = gst_sl_executor_state(executor);
  if (!state.core) {
    Executor::Settings settings;
    settings.workers = state.workers;
    settings.max_spares = state.max_spares;
    settings.tick_ns = static_cast<int64_t>(state.tick);
    state.core = std::make_shared<Executor>(settings);
  }
  return state.core;
}

/**
 * gst_sl_executor_new:
 *
 * Returns: (transfer full): an executor, for gst_sl_runtime_set_executor()
 *
 * Since: 0.1
 */
GstSlExecutor *gst_sl_executor_new(void)
{
  auto *self = static_cast<GstSlExecutor *>(g_object_new(GST_TYPE_SL_EXECUTOR, nullptr));
  gst_object_ref_sink(self);
  return self;
}

static GstStructure *gst_sl_executor_stats(const ExecutorFigures &figures)
{
  return gst_structure_new(
      "application/x-streamlib-executor-stats", "workers", G_TYPE_UINT, figures.workers, "threads",
      G_TYPE_UINT, figures.threads, "spares", G_TYPE_UINT, figures.spares, "blocked", G_TYPE_UINT,
      figures.blocked, "turns", G_TYPE_UINT64, figures.turns, "wakeups", G_TYPE_UINT64,
      figures.wakeups, "ticks", G_TYPE_UINT64, figures.ticks, "suspensions", G_TYPE_UINT64,
      figures.suspensions, "blocks", G_TYPE_UINT64, figures.blocks, "refused-spares", G_TYPE_UINT64,
      figures.refused_spares, "late-p50", G_TYPE_UINT64, figures.late_p50, "late-p99",
      G_TYPE_UINT64, figures.late_p99, "late-max", G_TYPE_UINT64, figures.late_max, nullptr);
}

// --- GObject ---

static void gst_sl_executor_set_property(GObject *object, guint id, const GValue *value,
                                         GParamSpec *spec)
{
  ExecutorState &state = gst_sl_executor_state(GST_SL_EXECUTOR(object));
  bool refused = false;
  {
    const ObjectLock lock(object);
    switch (static_cast<Prop>(id)) {
      case Prop::Workers:
        state.workers = g_value_get_uint(value);
        if (state.core)
          state.core->set_workers(state.workers);
        break;
      case Prop::MaxSpares:
        state.max_spares = g_value_get_uint(value);
        if (state.core)
          state.core->set_max_spares(state.max_spares);
        break;
      case Prop::Tick:
        refused = static_cast<bool>(state.core);
        if (!refused)
          state.tick = g_value_get_uint64(value);
        break;
      default:
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
    }
  }
  if (refused)
    g_warning("%s: tick can be set before the executor has work only; it stays as it is.",
              GST_OBJECT_NAME(object));
}

static void gst_sl_executor_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const ExecutorState &state = gst_sl_executor_state(GST_SL_EXECUTOR(object));
  std::shared_ptr<Executor> core;
  {
    const ObjectLock lock(object);
    core = state.core;
    switch (static_cast<Prop>(id)) {
      case Prop::Workers:
        g_value_set_uint(value, state.workers);
        return;
      case Prop::MaxSpares:
        g_value_set_uint(value, state.max_spares);
        return;
      case Prop::Tick:
        g_value_set_uint64(value, state.tick);
        return;
      default:
        break;
    }
  }
  if (static_cast<Prop>(id) == Prop::Stats)
    g_value_take_boxed(value, gst_sl_executor_stats(core ? core->figures() : ExecutorFigures()));
  else
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
}

static void gst_sl_executor_finalize(GObject *object)
{
  ExecutorState &state = gst_sl_executor_state(GST_SL_EXECUTOR(object));
  if (state.core)
    state.core->close();
  std::destroy_at(&state);
  G_OBJECT_CLASS(gst_sl_executor_parent_class)->finalize(object);
}

static void gst_sl_executor_class_init(GstSlExecutorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_executor_set_property;
  object_class->get_property = gst_sl_executor_get_property;
  object_class->finalize = gst_sl_executor_finalize;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  /**
   * GstSlExecutor:workers:
   *
   * How many threads run steps at once; 0 is one for each processor of the machine. Any time.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::Workers),
      g_param_spec_uint("workers", "Workers",
                        "Threads that run steps at once (0 = as many as CPUs)", 0, kMaxThreads, 0,
                        kFlags));
  /**
   * GstSlExecutor:max-spares:
   *
   * How many threads more may be started to stand in for blocked ones. Where nothing moves any
   * more, this limit is passed. Any time.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::MaxSpares),
      g_param_spec_uint("max-spares", "Spares", "Threads that may stand in for blocked ones", 0,
                        kMaxThreads, kDefaultMaxSpares, kFlags));
  /**
   * GstSlExecutor:tick:
   *
   * The grid of the times at which continuous processors are stepped, in nanoseconds. Each comes up
   * to one tick late. Before the executor has work.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::Tick),
      g_param_spec_uint64("tick", "Tick", "The grid of continuous steps, in nanoseconds", kMinTick,
                          kMaxTick, kDefaultTick, kFlags));
  /**
   * GstSlExecutor:stats:
   *
   * `workers` (wanted), `threads` (started), `spares` (resting), `blocked` (at the moment),
   * `turns`, `wakeups` (of workers), `ticks` (wake-ups of the timekeeper), `suspensions` (before
   * full links), `blocks` (threads that did not come back), `refused-spares`, and how late
   * continuous steps began: `late-p50`, `late-p99`, `late-max` in nanoseconds.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::Stats),
      g_param_spec_boxed("stats", "Statistics", "The figures of the executor", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void gst_sl_executor_init(GstSlExecutor *self)
{
  std::construct_at(&gst_sl_executor_state(self));
}
