// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstsldispatcher
 * @title: GstSlDispatcher
 * @short_description: the safe way to the thread that a platform insists on
 *
 * Some interfaces may be used by one thread only, mostly the application's main thread: windows,
 * permissions, device sessions. A dispatcher runs closures there, for whatever thread asks. It
 * serves a #GMainContext, the application's default one unless another is given: this works under
 * `gst-launch-1.0`, a GLib main loop and Python alike.
 *
 * |[<!-- language="C" -->
 * static GVariant *
 * open_window (gpointer data)
 * {
 *   // runs on the runtime thread
 *   return g_variant_new_uint64 (my_window_open (data));
 * }
 *
 * g_autoptr (GVariant) window = NULL;
 * if (!gst_sl_dispatcher_invoke (dispatcher, "open window", open_window, data, NULL,
 *         GST_SL_DISPATCHER_DEFAULT_TIMEOUT, NULL, &window, &error))
 *   // error says why: no loop runs, the thread is busy (and with what), or it waits for us
 * ]|
 *
 * Closures run in the order of their posting, one at a time. The runtime thread is the one that
 * serves the context, also after its loop was quit, until another one serves it; before the first
 * time it is the one that called gst_sl_dispatcher_bind().
 *
 * Keep closures short, put several operations into one, and prefer gst_sl_dispatcher_invoke_async()
 * where no result is needed. Not for something that happens with each frame.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstsldispatcher.h"

#include <memory>

#include "gst/streamlib/gstsldispatcher_private.h"
#include "gst/streamlib/io_thread.h"

using streamlib::AwaitedCall;
using streamlib::DispatchCall;
using streamlib::DispatchQueue;
using streamlib::IoThread;

namespace {

#ifdef STREAMLIB_PLATFORM_LOOP
constexpr streamlib::PlatformLoopFactory kPlatformLoop = streamlib::make_platform_loop;
#else
constexpr streamlib::PlatformLoopFactory kPlatformLoop = nullptr;
#endif

struct DispatcherState {
  explicit DispatcherState(GMainContext *context)
      : thread(context == nullptr ? std::make_unique<IoThread>() : nullptr),
        queue(DispatchQueue::create(context != nullptr ? context : thread->context(),
                                    context == g_main_context_default() ? kPlatformLoop : nullptr))
  {}

  ~DispatcherState()
  {
    thread.reset();
    queue->close();
  }
  DispatcherState(const DispatcherState &) = delete;
  DispatcherState &operator=(const DispatcherState &) = delete;

  std::unique_ptr<IoThread> thread;
  const std::shared_ptr<DispatchQueue> queue;
};

}  // namespace

typedef std::unique_ptr<DispatcherState> GstSlDispatcherPrivate;

struct _GstSlDispatcher {
  GstObject parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlDispatcher, gst_sl_dispatcher, GST_TYPE_OBJECT,
                              G_ADD_PRIVATE(GstSlDispatcher))

// The first argument is a string to be.
// clang-format off
G_DEFINE_QUARK(gst-sl-dispatcher-error-quark, gst_sl_dispatcher_error)
// clang-format on

static GstSlDispatcherPrivate &gst_sl_dispatcher_private(GstSlDispatcher *self)
{
  return *static_cast<GstSlDispatcherPrivate *>(gst_sl_dispatcher_get_instance_private(self));
}

DispatchQueue &streamlib::queue_of(GstSlDispatcher *dispatcher)
{
  return *gst_sl_dispatcher_private(dispatcher)->queue;
}

static GstSlDispatcher *gst_sl_dispatcher_make(GMainContext *context)
{
  auto *self = static_cast<GstSlDispatcher *>(g_object_new(GST_TYPE_SL_DISPATCHER, nullptr));
  gst_object_ref_sink(self);
  gst_sl_dispatcher_private(self) = std::make_unique<DispatcherState>(context);
  return self;
}

GstSlDispatcher *streamlib::make_default_dispatcher()
{
  return gst_sl_dispatcher_make(g_main_context_default());
}

/**
 * gst_sl_dispatcher_new:
 * @context: (nullable): the context to serve, %NULL for the application's default one
 *
 * Returns: (transfer full): a dispatcher, bound to the calling thread
 *
 * Since: 0.1
 */
GstSlDispatcher *gst_sl_dispatcher_new(GMainContext *context)
{
  GstSlDispatcher *self =
      gst_sl_dispatcher_make(context != nullptr ? context : g_main_context_default());
  gst_sl_dispatcher_bind(self);
  return self;
}

/**
 * gst_sl_dispatcher_new_with_thread:
 *
 * For applications without a main loop.
 *
 * Returns: (transfer full): a dispatcher with a runtime thread of its own, which ends with it
 *
 * Since: 0.1
 */
GstSlDispatcher *gst_sl_dispatcher_new_with_thread(void)
{
  return gst_sl_dispatcher_make(nullptr);
}

/**
 * gst_sl_dispatcher_bind:
 * @self: a dispatcher
 *
 * Says that the calling thread is the one that will serve the context. Until a loop runs nobody
 * else can know: a call from this thread then runs at once instead of waiting for itself.
 *
 * Since: 0.1
 */
void gst_sl_dispatcher_bind(GstSlDispatcher *self)
{
  g_return_if_fail(GST_IS_SL_DISPATCHER(self));
  streamlib::queue_of(self).bind(g_thread_self());
}

/**
 * gst_sl_dispatcher_is_runtime_thread:
 * @self: a dispatcher
 *
 * Any thread.
 *
 * Returns: whether the calling thread is the runtime thread
 *
 * Since: 0.1
 */
gboolean gst_sl_dispatcher_is_runtime_thread(GstSlDispatcher *self)
{
  g_return_val_if_fail(GST_IS_SL_DISPATCHER(self), FALSE);
  return streamlib::queue_of(self).is_runtime_thread();
}

/**
 * gst_sl_dispatcher_get_context:
 * @self: a dispatcher
 *
 * Any thread.
 *
 * Returns: (transfer none): the context that is served
 *
 * Since: 0.1
 */
GMainContext *gst_sl_dispatcher_get_context(GstSlDispatcher *self)
{
  g_return_val_if_fail(GST_IS_SL_DISPATCHER(self), nullptr);
  return streamlib::queue_of(self).context();
}

/**
 * gst_sl_dispatcher_invoke_async:
 * @self: a dispatcher
 * @label: (nullable): what the closure is called in messages; the first 31 bytes count
 * @func: (scope notified) (closure user_data) (destroy notify): the closure; its result is dropped
 * @user_data: data of @func
 * @notify: (nullable): ends @user_data, on the runtime thread after @func has run
 *
 * Has @func run on the runtime thread and returns at once. The closure waits until a loop serves
 * the context, is never run inside this call, and comes after those that were posted before it. One
 * that is left when the dispatcher goes is dropped with its @notify. Any thread.
 *
 * Since: 0.1
 */
void gst_sl_dispatcher_invoke_async(GstSlDispatcher *self, const gchar *label,
                                    GstSlDispatchFunc func, gpointer user_data,
                                    GDestroyNotify notify)
{
  g_return_if_fail(GST_IS_SL_DISPATCHER(self) && func != nullptr);
  streamlib::queue_of(self).post(new DispatchCall(label, func, user_data, notify));
}

static void gst_sl_dispatcher_set_error(GstSlDispatcher *self, const gchar *label,
                                        DispatchQueue::Outcome outcome, GError **error)
{
  const char *name = label != nullptr ? label : "the call";
  switch (outcome) {
    case DispatchQueue::Outcome::NeverRan:
      g_set_error(error, GST_SL_DISPATCHER_ERROR, GST_SL_DISPATCHER_ERROR_NEVER_RAN,
                  "%s: no main loop has served the dispatcher's context yet. Run the main loop of "
                  "that context.",
                  name);
      return;
    case DispatchQueue::Outcome::WaitsForCaller:
      g_set_error(error, GST_SL_DISPATCHER_ERROR, GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER,
                  "%s: the runtime thread waits for this very thread, as in a state change. Use "
                  "gst_sl_dispatcher_invoke_async() here.",
                  name);
      return;
    case DispatchQueue::Outcome::Cancelled:
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s: cancelled", name);
      return;
    default: {
      const std::string running = streamlib::queue_of(self).running_label();
      if (running.empty())
        g_set_error(error, GST_SL_DISPATCHER_ERROR, GST_SL_DISPATCHER_ERROR_BUSY,
                    "%s: the runtime thread was busy until the time limit, with something that is "
                    "not the dispatcher's, or its main loop has ended.",
                    name);
      else
        g_set_error(error, GST_SL_DISPATCHER_ERROR, GST_SL_DISPATCHER_ERROR_BUSY,
                    "%s: the runtime thread was busy until the time limit, with \"%s\".", name,
                    running.c_str());
    }
  }
}

/**
 * gst_sl_dispatcher_invoke:
 * @self: a dispatcher
 * @label: (nullable): what the closure is called in messages; the first 31 bytes count
 * @func: (scope notified) (closure user_data) (destroy notify): the closure
 * @user_data: data of @func
 * @notify: (nullable): ends @user_data, on the runtime thread after @func has run
 * @timeout: the time limit in nanoseconds, such as %GST_SL_DISPATCHER_DEFAULT_TIMEOUT;
 *   %GST_CLOCK_TIME_NONE for none
 * @cancellable: (nullable): ends the wait
 * @result: (out) (transfer full) (nullable) (optional): what @func returned
 * @error: return location of an error
 *
 * Has @func run on the runtime thread and waits for its result. On the runtime thread itself it
 * runs at once, ahead of what is queued. When the wait ends early @func will not be run, unless it
 * is running already: then it ends, and its result is dropped. Any thread.
 *
 * Returns: %TRUE when @func has run; else @error says why not: one of #GstSlDispatcherError, or
 *   %G_IO_ERROR_CANCELLED
 *
 * Since: 0.1
 */
gboolean gst_sl_dispatcher_invoke(GstSlDispatcher *self, const gchar *label, GstSlDispatchFunc func,
                                  gpointer user_data, GDestroyNotify notify, GstClockTime timeout,
                                  GCancellable *cancellable, GVariant **result, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_DISPATCHER(self) && func != nullptr, FALSE);
  auto *call = new AwaitedCall(label, func, user_data, notify);
  const auto outcome = streamlib::queue_of(self).invoke(*call, timeout, cancellable);
  const bool served = outcome == DispatchQueue::Outcome::Served;
  if (result != nullptr)
    *result = served ? std::exchange(call->result, nullptr) : nullptr;
  call->unref();
  if (!served)
    gst_sl_dispatcher_set_error(self, label, outcome, error);
  return served;
}

/**
 * gst_sl_dispatcher_get_stats:
 * @self: a dispatcher
 *
 * The figures of the dispatcher: `queued` and `run` (#guint64, closures), `longest-wait` and
 * `longest-run` (#guint64, nanoseconds), `longest-label` (string, of the closure that ran longest).
 * Any thread.
 *
 * Returns: (transfer full): the structure
 *
 * Since: 0.1
 */
GstStructure *gst_sl_dispatcher_get_stats(GstSlDispatcher *self)
{
  g_return_val_if_fail(GST_IS_SL_DISPATCHER(self), nullptr);
  const streamlib::DispatchFigures figures = streamlib::queue_of(self).figures();
  return gst_structure_new("application/x-streamlib-dispatcher-stats", "queued", G_TYPE_UINT64,
                           figures.queued, "run", G_TYPE_UINT64, figures.run, "longest-wait",
                           G_TYPE_UINT64, static_cast<guint64>(figures.longest_wait), "longest-run",
                           G_TYPE_UINT64, static_cast<guint64>(figures.longest_run),
                           "longest-label", G_TYPE_STRING, figures.longest_label.c_str(), nullptr);
}

static void gst_sl_dispatcher_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_dispatcher_private(GST_SL_DISPATCHER(object)));
  G_OBJECT_CLASS(gst_sl_dispatcher_parent_class)->finalize(object);
}

static void gst_sl_dispatcher_class_init(GstSlDispatcherClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_dispatcher_finalize;
}

static void gst_sl_dispatcher_init(GstSlDispatcher *self)
{
  std::construct_at(&gst_sl_dispatcher_private(self));
}
