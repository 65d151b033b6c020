// SPDX-License-Identifier: LGPL-2.1-or-later
// The function that a GstTask hands to its pool.
#include "task_function.h"

#include <gst/gst.h>

namespace streamlib::interpose {

namespace {

struct LearningPool {
  GstTaskPool parent;
  GstTaskPoolFunction learnt;
};
struct LearningPoolClass {
  GstTaskPoolClass parent_class;
};
GType learning_pool_get_type();
G_DEFINE_TYPE(LearningPool, learning_pool, GST_TYPE_TASK_POOL)

struct Job {
  GstTaskPoolFunction function;
  gpointer data;
};

gpointer run(gpointer data)
{
  const auto *job = static_cast<Job *>(data);
  job->function(job->data);
  delete job;
  return nullptr;
}

gpointer push(GstTaskPool *pool, GstTaskPoolFunction function, gpointer data, GError **)
{
  reinterpret_cast<LearningPool *>(pool)->learnt = function;
  // The task waits for its function to return before it can be joined.
  return g_thread_new("learning", run, new Job{function, data});
}

void join(GstTaskPool *, gpointer thread)
{
  g_thread_join(static_cast<GThread *>(thread));
}

void learning_pool_init(LearningPool *) {}

void learning_pool_class_init(LearningPoolClass *klass)
{
  klass->parent_class.push = push;
  klass->parent_class.join = join;
  klass->parent_class.prepare = [](GstTaskPool *, GError **) {};
  klass->parent_class.cleanup = [](GstTaskPool *) {};
}

}  // namespace

void *learn_task_function()
{
  auto *pool = static_cast<LearningPool *>(g_object_new(learning_pool_get_type(), nullptr));
  gst_object_ref_sink(pool);
  GRecMutex lock;
  g_rec_mutex_init(&lock);
  GstTask *task = gst_task_new([](gpointer) { g_usleep(100); }, nullptr, nullptr);
  gst_task_set_lock(task, &lock);
  gst_task_set_pool(task, &pool->parent);
  gst_task_start(task);
  gst_task_join(task);
  auto *learnt = reinterpret_cast<void *>(pool->learnt);
  gst_object_unref(task);
  gst_object_unref(pool);
  g_rec_mutex_clear(&lock);
  return learnt;
}

}  // namespace streamlib::interpose
