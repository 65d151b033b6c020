/* SPDX-License-Identifier: LGPL-2.1-or-later
 * Two threads count together, with or without a lock: shows what ThreadSanitizer reports.
 *
 * usage: planted-race gthread|gsttask unguarded|gmutex|gatomic|gstobjectlock
 */
#include <string.h>

#include <gst/gst.h>

#define N_STEPS 20000

typedef struct {
  gint count;
  GMutex mutex;
  GstObject *object;
  void (*increment)(gpointer);
} Counter;

static void increment_unguarded(gpointer data)
{
  Counter *counter = data;
  counter->count++;
}

static void increment_gmutex(gpointer data)
{
  Counter *counter = data;
  g_mutex_lock(&counter->mutex);
  counter->count++;
  g_mutex_unlock(&counter->mutex);
}

static void increment_gatomic(gpointer data)
{
  Counter *counter = data;
  g_atomic_int_inc(&counter->count);
}

static void increment_gstobjectlock(gpointer data)
{
  Counter *counter = data;
  GST_OBJECT_LOCK(counter->object);
  counter->count++;
  GST_OBJECT_UNLOCK(counter->object);
}

static gpointer count_in_thread(gpointer data)
{
  Counter *counter = data;
  for (gint i = 0; i < N_STEPS; i++)
    counter->increment(counter);
  return NULL;
}

static void with_gthread(Counter *counter)
{
  GThread *threads[2];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("count", count_in_thread, counter);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
}

/* A task calls its function again and again: here until it has been called often enough. */
typedef struct {
  Counter *counter;
  GstTask *task;
  GRecMutex lock;
  gint steps;
} CountingTask;

static void count_in_task(gpointer data)
{
  CountingTask *self = data;
  self->counter->increment(self->counter);
  if (++self->steps == N_STEPS)
    gst_task_pause(self->task);
}

static void wait_until_paused(GstTask *task)
{
  while (gst_task_get_state(task) != GST_TASK_PAUSED)
    g_usleep(1000);
}

static void with_gsttask(Counter *counter)
{
  CountingTask tasks[2] = {{0}};
  for (guint i = 0; i < G_N_ELEMENTS(tasks); i++) {
    tasks[i].counter = counter;
    g_rec_mutex_init(&tasks[i].lock);
    tasks[i].task = gst_task_new(count_in_task, &tasks[i], NULL);
    gst_task_set_lock(tasks[i].task, &tasks[i].lock);
  }
  for (guint i = 0; i < G_N_ELEMENTS(tasks); i++)
    gst_task_start(tasks[i].task);
  for (guint i = 0; i < G_N_ELEMENTS(tasks); i++) {
    wait_until_paused(tasks[i].task);
    gst_task_join(tasks[i].task);
    gst_object_unref(tasks[i].task);
    g_rec_mutex_clear(&tasks[i].lock);
  }
}

int main(int argc, char **argv)
{
  const struct {
    const gchar *name;
    void (*increment)(gpointer);
  } guards[] = {{"unguarded", increment_unguarded},
                {"gmutex", increment_gmutex},
                {"gatomic", increment_gatomic},
                {"gstobjectlock", increment_gstobjectlock}};
  Counter counter = {0};

  gst_init(&argc, &argv);
  for (guint i = 0; argc == 3 && i < G_N_ELEMENTS(guards); i++) {
    if (strcmp(argv[2], guards[i].name) == 0)
      counter.increment = guards[i].increment;
  }
  if (!counter.increment) {
    g_printerr("usage: %s gthread|gsttask unguarded|gmutex|gatomic|gstobjectlock\n", argv[0]);
    return 2;
  }
  g_mutex_init(&counter.mutex);
  counter.object = gst_object_ref_sink(g_object_new(GST_TYPE_BIN, NULL));

  if (strcmp(argv[1], "gsttask") == 0)
    with_gsttask(&counter);
  else
    with_gthread(&counter);
  g_print("%d of %d\n", counter.count, 2 * N_STEPS);

  gst_object_unref(counter.object);
  g_mutex_clear(&counter.mutex);
  return counter.count == 2 * N_STEPS || counter.increment == increment_unguarded ? 0 : 1;
}
