// SPDX-License-Identifier: LGPL-2.1-or-later
// A GMainContext with a thread of its own.
#pragma once

#include <glib.h>

namespace streamlib {

// The thread starts with the first use, and ends with the object.
class IoThread {
public:
  IoThread();
  IoThread(const IoThread &) = delete;
  IoThread &operator=(const IoThread &) = delete;
  // Waits for the thread; when called by the thread itself it ends after this call instead.
  ~IoThread();

  // Any thread. The context is the thread default one of its thread.
  GMainContext *context();

private:
  GMainContext *const context_;
  GMainLoop *const loop_;
  // Guards thread_; no other lock is taken under it.
  GMutex mutex_;
  GThread *thread_ = nullptr;
};

}  // namespace streamlib
