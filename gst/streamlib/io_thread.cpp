// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/io_thread.h"

#include <unistd.h>

#include "gst/support/guards.h"

namespace streamlib {

namespace {

gpointer run(gpointer data)
{
  auto *loop = static_cast<GMainLoop *>(data);
  GMainContext *context = g_main_loop_get_context(loop);
  g_main_context_push_thread_default(context);
  g_main_loop_run(loop);
  g_main_context_pop_thread_default(context);
  g_main_loop_unref(loop);
  return nullptr;
}

}  // namespace

IoThread::IoThread(const char *name)
    : name_(name),
      process_(getpid()),
      context_(g_main_context_new()),
      loop_(g_main_loop_new(context_, FALSE))
{
  g_mutex_init(&mutex_);
}

IoThread::~IoThread()
{
  if (thread_ != nullptr && process_ != getpid()) {
    g_thread_unref(thread_);
  } else if (thread_ != nullptr) {
    // As a source, so that it also ends a loop that has not begun to run yet.
    GSource *quit = g_idle_source_new();
    g_source_set_callback(
        quit,
        [](gpointer loop) {
          g_main_loop_quit(static_cast<GMainLoop *>(loop));
          return G_SOURCE_REMOVE;
        },
        g_main_loop_ref(loop_),
        [](gpointer loop) { g_main_loop_unref(static_cast<GMainLoop *>(loop)); });
    g_source_attach(quit, context_);
    g_source_unref(quit);
    if (thread_ == g_thread_self())
      g_thread_unref(thread_);
    else
      g_thread_join(thread_);
  }
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
  g_mutex_clear(&mutex_);
}

GMainContext *IoThread::context()
{
  if (!start())
    g_warning("no thread could be started for the context %s", name_);
  return context_;
}

bool IoThread::start()
{
  if (process_ != getpid())
    return false;
  const support::MutexLock lock(mutex_);
  if (thread_ != nullptr)
    return true;
  thread_ = g_thread_try_new(name_, run, g_main_loop_ref(loop_), nullptr);
  if (thread_ == nullptr)
    g_main_loop_unref(loop_);
  return thread_ != nullptr;
}

}  // namespace streamlib
