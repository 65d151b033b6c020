// SPDX-License-Identifier: LGPL-2.1-or-later
// Work on a GMainContext: calls for later, time limits, and the context that GIO looks for.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <glib.h>

#include "gst/support/guards.h"

namespace streamlib::webrtc {

// Makes the context the thread default one for a scope: GIO and libnice answer there.
class ThreadDefault {
public:
  explicit ThreadDefault(GMainContext *context) : context_(context)
  {
    g_main_context_push_thread_default(context_);
  }
  ThreadDefault(const ThreadDefault &) = delete;
  ThreadDefault &operator=(const ThreadDefault &) = delete;
  ~ThreadDefault() { g_main_context_pop_thread_default(context_); }

private:
  GMainContext *const context_;
};

// Calls `function` once, from the context, after `ms`.
support::SourceGuard call_after(GMainContext *context, guint ms, std::function<void()> function);

// Calls for later: a callback of a library never calls on into other code, but notes here what
// there is to do. One thread's. What is still to be called when this object goes is dropped.
class Deferred {
public:
  explicit Deferred(GMainContext *context);
  Deferred(const Deferred &) = delete;
  Deferred &operator=(const Deferred &) = delete;
  ~Deferred();

  void post(std::function<void()> function);

private:
  struct Queue {
    std::vector<std::function<void()>> calls;
    bool is_alive = true;
  };
  static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data);

  // Outlives this object while one of its calls destroys it.
  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  GSource *source_;
};

}  // namespace streamlib::webrtc
