// SPDX-License-Identifier: LGPL-2.1-or-later
// A GMainContext with a thread of its own.
#pragma once

#include <sys/types.h>

#include <glib.h>

namespace streamlib {

// The thread starts with the first use, and ends with the object.
class IoThread {
public:
  // `name` is that of the thread, of at most 15 characters.
  explicit IoThread(const char *name = "sl-io");
  IoThread(const IoThread &) = delete;
  IoThread &operator=(const IoThread &) = delete;
  // Waits for the thread; when called by the thread itself it ends after this call instead.
  ~IoThread();

  // Any thread. The context is the thread default one of its thread.
  GMainContext *context();
  // The context, whether it is served or not.
  GMainContext *unserved_context() const { return context_; }
  // Any thread. False when there is no thread to serve the context: the system gave none, or this
  // process was forked from the one that has it.
  bool start();

private:
  const char *const name_;
  const pid_t process_;
  GMainContext *const context_;
  GMainLoop *const loop_;
  // Guards thread_; no other lock is taken under it.
  GMutex mutex_;
  GThread *thread_ = nullptr;
};

}  // namespace streamlib
