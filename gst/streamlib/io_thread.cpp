// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/io_thread.h"

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

IoThread::IoThread() : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE))
{
  g_mutex_init(&mutex_);
}

IoThread::~IoThread()
{
  if (thread_ != nullptr) {
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
  g_mutex_lock(&mutex_);
  if (thread_ == nullptr)
    thread_ = g_thread_new("sl-io", run, g_main_loop_ref(loop_));
  g_mutex_unlock(&mutex_);
  return context_;
}

}  // namespace streamlib
