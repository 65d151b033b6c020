// SPDX-License-Identifier: LGPL-2.1-or-later
// GStreamer's default pool hands a thread on from task to task, with whatever scheduling policy and
// name the one before gave it. Here each task gets a thread of its own, which ends with the task.

#include "gst/streamlib/gstsltaskpool.h"

struct _GstSlTaskPool {
  GstTaskPool parent;
};

G_DEFINE_FINAL_TYPE(GstSlTaskPool, gst_sl_task_pool, GST_TYPE_TASK_POOL)

namespace {

struct Work {
  GstTaskPoolFunction function;
  gpointer data;
};

gpointer run(gpointer data)
{
  const Work work = *static_cast<Work *>(data);
  delete static_cast<Work *>(data);
  work.function(work.data);
  return nullptr;
}

}  // namespace

static gpointer gst_sl_task_pool_push(GstTaskPool *pool, GstTaskPoolFunction function,
                                      gpointer data, GError **error)
{
  auto *work = new Work{function, data};
  // GstTask names the thread after itself.
  GThread *thread = g_thread_try_new("sl-task", run, work, error);
  if (thread == nullptr)
    delete work;
  return thread;
}

static void gst_sl_task_pool_join(GstTaskPool *pool, gpointer id)
{
  if (id != nullptr)
    g_thread_join(static_cast<GThread *>(id));
}

static void gst_sl_task_pool_dispose_handle(GstTaskPool *pool, gpointer id)
{
  if (id != nullptr)
    g_thread_unref(static_cast<GThread *>(id));
}

static void gst_sl_task_pool_prepare(GstTaskPool *pool, GError **error) {}

static void gst_sl_task_pool_cleanup(GstTaskPool *pool) {}

static void gst_sl_task_pool_class_init(GstSlTaskPoolClass *klass)
{
  GstTaskPoolClass *pool_class = GST_TASK_POOL_CLASS(klass);
  pool_class->prepare = gst_sl_task_pool_prepare;
  pool_class->cleanup = gst_sl_task_pool_cleanup;
  pool_class->push = gst_sl_task_pool_push;
  pool_class->join = gst_sl_task_pool_join;
  pool_class->dispose_handle = gst_sl_task_pool_dispose_handle;
}

static void gst_sl_task_pool_init(GstSlTaskPool *self) {}

GstTaskPool *gst_sl_task_pool_new(void)
{
  GstTaskPool *pool = GST_TASK_POOL(g_object_new(GST_TYPE_SL_TASK_POOL, nullptr));
  gst_object_ref_sink(pool);
  return pool;
}
