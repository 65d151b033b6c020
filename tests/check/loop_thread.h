// SPDX-License-Identifier: LGPL-2.1-or-later
// A main context and the thread that serves it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include <glib.h>

namespace fixture {

class LoopThread {
public:
  LoopThread()
      : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)), thread_([this] {
          g_main_context_push_thread_default(context_);
          g_main_loop_run(loop_);
          g_main_context_pop_thread_default(context_);
        })
  {}
  LoopThread(const LoopThread &) = delete;
  LoopThread &operator=(const LoopThread &) = delete;
  ~LoopThread()
  {
    stop();
    // What was left to do.
    while (g_main_context_iteration(context_, FALSE)) {
    }
    g_main_loop_unref(loop_);
    g_main_context_unref(context_);
  }

  GMainContext *context() const { return context_; }

  // Runs it in the thread, and waits for it.
  void call(std::function<void()> function) const
  {
    struct Call {
      std::function<void()> function;
      std::mutex mutex;
      std::condition_variable changed;
      bool is_done = false;
    } posted;
    posted.function = std::move(function);
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(
        source,
        [](gpointer data) -> gboolean {
          auto *own = static_cast<Call *>(data);
          own->function();
          const std::lock_guard lock(own->mutex);
          own->is_done = true;
          own->changed.notify_one();
          return G_SOURCE_REMOVE;
        },
        &posted, nullptr);
    g_source_attach(source, context_);
    g_source_unref(source);
    std::unique_lock lock(posted.mutex);
    posted.changed.wait(lock, [&] { return posted.is_done; });
  }

  // For what must not go before the thread has.
  void stop()
  {
    if (!thread_.joinable())
      return;
    call([this] { g_main_loop_quit(loop_); });
    thread_.join();
  }

private:
  GMainContext *const context_;
  GMainLoop *const loop_;
  std::thread thread_;
};

}  // namespace fixture
