// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslruntime
 * @title: GstSlRuntime
 * @short_description: what the processors of a pipeline share
 *
 * A runtime owns the I/O context, a #GMainContext with a thread of its own that starts with its
 * first use and runs the steps of async processors too, the watchdog, which says on the bus when
 * foreign code does not return to a processor, and a #GstSlDispatcher.
 *
 * The processors of one pipeline have one runtime, shared by a #GstContext of the type
 * %GST_SL_RUNTIME_CONTEXT_TYPE. The first processor that goes to READY makes it, unless the
 * application gave one to the pipeline: to let two pipelines share a runtime, set the same context
 * on both.
 *
 * |[<!-- language="C" -->
 * g_autoptr (GstSlRuntime) runtime = gst_sl_runtime_new ();
 * g_autoptr (GstContext) context = gst_sl_runtime_to_context (runtime, TRUE);
 * gst_element_set_context (first_pipeline, context);
 * gst_element_set_context (second_pipeline, context);
 * ]|
 *
 * The watchdog posts element messages. `streamlib-stall` has the fields `element`, `phase`
 * (`setup`, `start`, `process`, `push`, `operation`, `stop` or `teardown`), `thread` (the system's
 * number of the thread), `duration` (nanoseconds), and for a push `pad` and `peer`, the element
 * that does not return; `streamlib-stall-over` follows when it has. The phase `operation` is one of
 * #GstSlProcessorClass.process_async() that does not end though it was cancelled.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstslruntime.h"

#include <atomic>
#include <memory>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif

#include "gst/streamlib/gstsldispatcher_private.h"
#include "gst/streamlib/gstslexecutor_private.h"
#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/io_thread.h"
#include "gst/support/guards.h"

using streamlib::DispatchQueue;
using streamlib::IoHost;
using streamlib::IoThread;
using streamlib::Watchdog;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::share_object;

namespace {

bool is_main_thread()
{
#if defined(__linux__)
  return syscall(SYS_gettid) == getpid();
#elif defined(__APPLE__)
  return pthread_main_np() != 0;
#else
  return false;
#endif
}

struct RuntimeState {
  explicit RuntimeState(GObject *runtime)
      : main_thread(is_main_thread() ? g_thread_ref(g_thread_self()) : nullptr),
        io(std::make_unique<IoThread>("sl-io")),
        io_host(IoHost::create(io->unserved_context())),
        watchdog(runtime, watch)
  {}

  // Where it is this one that has made the runtime. Whoever asks for the dispatcher first may be a
  // streaming thread, which will never serve the application's context.
  GThread *const main_thread;

  std::unique_ptr<IoThread> io;
  const std::shared_ptr<IoHost> io_host;
  // Apart from the I/O thread, which async processors may hold: who is to notice that must not
  // stand in it.
  IoThread watch{"sl-watch"};
  Watchdog watchdog;
  // Set once, by whoever comes first; the runtime's reference.
  std::atomic<GstSlDispatcher *> dispatcher = nullptr;

  std::atomic<GstSlExecutor *> executor = nullptr;

  ~RuntimeState()
  {
    if (GstSlDispatcher *known = dispatcher.load())
      gst_object_unref(known);
    if (GstSlExecutor *known = executor.load())
      gst_object_unref(known);
    if (main_thread != nullptr)
      g_thread_unref(main_thread);
    io.reset();
    // Nobody dispatches it any more.
    io_host->close();
  }
  RuntimeState(const RuntimeState &) = delete;
  RuntimeState &operator=(const RuntimeState &) = delete;
};

}  // namespace

typedef RuntimeState GstSlRuntimePrivate;

struct _GstSlRuntime {
  GstObject parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlRuntime, gst_sl_runtime, GST_TYPE_OBJECT,
                              G_ADD_PRIVATE(GstSlRuntime))

static RuntimeState &gst_sl_runtime_state(GstSlRuntime *self)
{
  return *static_cast<RuntimeState *>(gst_sl_runtime_get_instance_private(self));
}

Watchdog &streamlib::watchdog_of(GstSlRuntime *runtime)
{
  return gst_sl_runtime_state(runtime).watchdog;
}

/**
 * gst_sl_runtime_new:
 *
 * Returns: (transfer full): a runtime of its own
 *
 * Since: 0.1
 */
GstSlRuntime *gst_sl_runtime_new(void)
{
  auto *runtime = static_cast<GstSlRuntime *>(g_object_new(GST_TYPE_SL_RUNTIME, nullptr));
  gst_object_ref_sink(runtime);
  return runtime;
}

/**
 * gst_sl_runtime_from_context:
 * @context: a context
 *
 * Returns: (transfer full) (nullable): the runtime that @context carries, %NULL when it carries
 * none
 *
 * Since: 0.1
 */
GstSlRuntime *gst_sl_runtime_from_context(GstContext *context)
{
  g_return_val_if_fail(GST_IS_CONTEXT(context), nullptr);
  if (!gst_context_has_context_type(context, GST_SL_RUNTIME_CONTEXT_TYPE))
    return nullptr;
  GstSlRuntime *runtime = nullptr;
  gst_structure_get(gst_context_get_structure(context), "runtime", GST_TYPE_SL_RUNTIME, &runtime,
                    nullptr);
  return runtime;
}

/**
 * gst_sl_runtime_to_context:
 * @self: a runtime
 * @persistent: whether elements keep the context when they go to NULL; %TRUE for a context that an
 *   application sets
 *
 * Returns: (transfer full): a context that carries the runtime
 *
 * Since: 0.1
 */
GstContext *gst_sl_runtime_to_context(GstSlRuntime *self, gboolean persistent)
{
  g_return_val_if_fail(GST_IS_SL_RUNTIME(self), nullptr);
  GstContext *context = gst_context_new(GST_SL_RUNTIME_CONTEXT_TYPE, persistent);
  gst_structure_set(gst_context_writable_structure(context), "runtime", GST_TYPE_SL_RUNTIME, self,
                    nullptr);
  return context;
}

/**
 * gst_sl_runtime_get_io_context:
 * @self: a runtime
 *
 * The context on which a runtime's I/O runs. Its thread starts with the first call and ends with
 * the runtime. Sources that are attached to it must not block. Any thread.
 *
 * Returns: (transfer none): the context
 *
 * Since: 0.1
 */
GMainContext *gst_sl_runtime_get_io_context(GstSlRuntime *self)
{
  g_return_val_if_fail(GST_IS_SL_RUNTIME(self), nullptr);
  return gst_sl_runtime_state(self).io->context();
}

DispatchQueue *streamlib::dispatch_queue_of(GstSlRuntime *runtime)
{
  RuntimeState &state = gst_sl_runtime_state(runtime);
  GstSlDispatcher *dispatcher = state.dispatcher.load();
  // The one that would be bound to this thread: who asks for it during the wait must be told.
  if (dispatcher == nullptr && state.main_thread == g_thread_self())
    dispatcher = gst_sl_runtime_get_dispatcher(runtime);
  return dispatcher != nullptr ? &queue_of(dispatcher) : nullptr;
}

/**
 * gst_sl_runtime_get_dispatcher:
 * @self: a runtime
 *
 * The dispatcher of the runtime: the one that was set, or else one for the application's default
 * main context. That one is bound to the main thread of the process where the runtime was made
 * there; an application that serves the context in another thread, and has not begun to, says so by
 * gst_sl_dispatcher_bind(). Any thread.
 *
 * Returns: (transfer none): the dispatcher
 *
 * Since: 0.1
 */
GstSlDispatcher *gst_sl_runtime_get_dispatcher(GstSlRuntime *self)
{
  g_return_val_if_fail(GST_IS_SL_RUNTIME(self), nullptr);
  std::atomic<GstSlDispatcher *> &known = gst_sl_runtime_state(self).dispatcher;
  if (GstSlDispatcher *dispatcher = known.load())
    return dispatcher;
  GObjectPtr<GstSlDispatcher> made = adopt_object(streamlib::make_default_dispatcher());
  streamlib::queue_of(made.get()).bind(gst_sl_runtime_state(self).main_thread);
  GstSlDispatcher *expected = nullptr;
  if (known.compare_exchange_strong(expected, made.get()))
    return made.release();
  return expected;
}

/**
 * gst_sl_runtime_set_dispatcher:
 * @self: a runtime
 * @dispatcher: the dispatcher that it shall have
 *
 * For an application whose runtime thread serves another context, or is a thread of the dispatcher.
 * Before anybody has asked for the dispatcher; later it is refused with a critical warning.
 *
 * Since: 0.1
 */
void gst_sl_runtime_set_dispatcher(GstSlRuntime *self, GstSlDispatcher *dispatcher)
{
  g_return_if_fail(GST_IS_SL_RUNTIME(self) && GST_IS_SL_DISPATCHER(dispatcher));
  GObjectPtr<GstSlDispatcher> shared = share_object(dispatcher);
  GstSlDispatcher *expected = nullptr;
  const bool is_set =
      gst_sl_runtime_state(self).dispatcher.compare_exchange_strong(expected, dispatcher);
  g_return_if_fail(is_set);
  (void)shared.release();
}

/**
 * gst_sl_runtime_get_executor:
 * @self: a runtime
 *
 * The executor of the runtime: the one that was set, or else one with the default settings. Its
 * threads start with the first pooled processor. Any thread.
 *
 * Returns: (transfer none): the executor
 *
 * Since: 0.1
 */
GstSlExecutor *gst_sl_runtime_get_executor(GstSlRuntime *self)
{
  g_return_val_if_fail(GST_IS_SL_RUNTIME(self), nullptr);
  std::atomic<GstSlExecutor *> &known = gst_sl_runtime_state(self).executor;
  if (GstSlExecutor *executor = known.load())
    return executor;
  GObjectPtr<GstSlExecutor> made = adopt_object(gst_sl_executor_new());
  GstSlExecutor *expected = nullptr;
  if (known.compare_exchange_strong(expected, made.get()))
    return made.release();
  return expected;
}

/**
 * gst_sl_runtime_set_executor:
 * @self: a runtime
 * @executor: the executor that it shall have
 *
 * Several runtimes may share an executor. Before anybody has asked for the executor; later it is
 * refused with a critical warning.
 *
 * Since: 0.1
 */
void gst_sl_runtime_set_executor(GstSlRuntime *self, GstSlExecutor *executor)
{
  g_return_if_fail(GST_IS_SL_RUNTIME(self) && GST_IS_SL_EXECUTOR(executor));
  GObjectPtr<GstSlExecutor> shared = share_object(executor);
  GstSlExecutor *expected = nullptr;
  const bool is_set =
      gst_sl_runtime_state(self).executor.compare_exchange_strong(expected, executor);
  g_return_if_fail(is_set);
  (void)shared.release();
}

std::shared_ptr<IoHost> streamlib::io_host_of(GstSlRuntime *runtime)
{
  const RuntimeState &state = gst_sl_runtime_state(runtime);
  return state.io->start() ? state.io_host : nullptr;
}

std::shared_ptr<streamlib::Executor> streamlib::executor_of(GstSlRuntime *runtime)
{
  return executor_core(gst_sl_runtime_get_executor(runtime));
}

// --- One runtime for each pipeline ---

namespace {

// What a pipeline remembers of its runtime: a weak reference, so that the runtime ends with its
// last processor.
struct Remembered {
  explicit Remembered(GstSlRuntime *runtime) { g_weak_ref_init(&ref, runtime); }
  ~Remembered() { g_weak_ref_clear(&ref); }
  GWeakRef ref;
  gint references = 1;
};

gpointer share_remembered(gpointer remembered, gpointer)
{
  if (remembered != nullptr)
    g_atomic_int_inc(&static_cast<Remembered *>(remembered)->references);
  return remembered;
}

void drop_remembered(gpointer data)
{
  auto *remembered = static_cast<Remembered *>(data);
  if (g_atomic_int_dec_and_test(&remembered->references))
    delete remembered;
}

GObjectPtr<GstObject> toplevel_of(GstElement *element)
{
  GObjectPtr<GstObject> top = share_object(GST_OBJECT_CAST(element));
  while (GstObject *parent = gst_object_get_parent(top.get()))
    top = adopt_object(parent);
  return top;
}

// The runtime of the pipeline, made if there is none; of two elements that come at once both get
// the same one.
GObjectPtr<GstSlRuntime> obtain_for_toplevel(GstElement *element)
{
  const GQuark quark = g_quark_from_static_string(GST_SL_RUNTIME_CONTEXT_TYPE);
  GObjectPtr<GstObject> top = toplevel_of(element);
  for (;;) {
    auto *known = static_cast<Remembered *>(
        g_object_dup_qdata(G_OBJECT(top.get()), quark, share_remembered, nullptr));
    GObjectPtr<GstSlRuntime> runtime;
    if (known != nullptr)
      runtime = adopt_object(static_cast<GstSlRuntime *>(g_weak_ref_get(&known->ref)));
    bool replaced = false;
    if (!runtime) {
      runtime = adopt_object(gst_sl_runtime_new());
      auto *fresh = new Remembered(runtime.get());
      GDestroyNotify destroy_known = nullptr;
      replaced = g_object_replace_qdata(G_OBJECT(top.get()), quark, known, fresh, drop_remembered,
                                        &destroy_known);
      if (!replaced)
        drop_remembered(fresh);
      else if (known != nullptr)
        drop_remembered(known);
    } else {
      replaced = true;
    }
    if (known != nullptr)
      drop_remembered(known);
    if (replaced)
      return runtime;
  }
}

MiniPtr<GstContext> context_of(GstElement *element)
{
  return adopt_mini(gst_element_get_context(element, GST_SL_RUNTIME_CONTEXT_TYPE));
}

// The context that a neighbour can tell of.
MiniPtr<GstContext> context_of_neighbours(GstElement *element)
{
  MiniPtr<GstQuery> query = adopt_mini(gst_query_new_context(GST_SL_RUNTIME_CONTEXT_TYPE));
  bool found = false;
  auto ask = [&](GList *pads) {
    for (GList *item = pads; item != nullptr && !found; item = item->next)
      found = gst_pad_peer_query(GST_PAD(item->data), query.get());
    g_list_free_full(pads, gst_object_unref);
  };
  auto pads_of = [element](GList *list) {
    streamlib::support::ObjectLock lock(element);
    return g_list_copy_deep(
        list, [](gconstpointer pad, gpointer) { return gst_object_ref(const_cast<gpointer>(pad)); },
        nullptr);
  };
  ask(pads_of(element->srcpads));
  if (!found)
    ask(pads_of(element->sinkpads));
  if (!found)
    return nullptr;
  GstContext *context = nullptr;
  gst_query_parse_context(query.get(), &context);
  return streamlib::support::share_mini(context);
}

}  // namespace

/**
 * gst_sl_runtime_for_element:
 * @element: an element that is going to READY
 *
 * The runtime of the pipeline that @element is in: that of the context which was set on it, which a
 * neighbour has, or which the application sets when it is asked by a NEED_CONTEXT message; else one
 * that all elements of the pipeline share, made at need and announced by a HAVE_CONTEXT message. An
 * element outside any pipeline gets one of its own. Not for streaming threads.
 *
 * Returns: (transfer full): the runtime
 *
 * Since: 0.1
 */
GstSlRuntime *gst_sl_runtime_for_element(GstElement *element)
{
  g_return_val_if_fail(GST_IS_ELEMENT(element), nullptr);
  MiniPtr<GstContext> context = context_of(element);
  if (!context)
    context = context_of_neighbours(element);
  if (!context) {
    gst_element_post_message(
        element, gst_message_new_need_context(GST_OBJECT(element), GST_SL_RUNTIME_CONTEXT_TYPE));
    context = context_of(element);
  }
  if (context) {
    GstSlRuntime *runtime = gst_sl_runtime_from_context(context.get());
    if (runtime != nullptr)
      return runtime;
  }
  GObjectPtr<GstSlRuntime> runtime = obtain_for_toplevel(element);
  context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), FALSE));
  gst_element_set_context(element, context.get());
  gst_element_post_message(element,
                           gst_message_new_have_context(GST_OBJECT(element), context.release()));
  return runtime.release();
}

// --- GObject ---

static void gst_sl_runtime_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_runtime_state(GST_SL_RUNTIME(object)));
  G_OBJECT_CLASS(gst_sl_runtime_parent_class)->finalize(object);
}

static void gst_sl_runtime_class_init(GstSlRuntimeClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_runtime_finalize;
}

static void gst_sl_runtime_init(GstSlRuntime *self)
{
  std::construct_at(&gst_sl_runtime_state(self), G_OBJECT(self));
}
