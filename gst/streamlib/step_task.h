// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread of a processor with dedicated scheduling.
#pragma once

#include <atomic>
#include <functional>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib {

// A GstTask that belongs to an element instead of a pad: a pad's task would hold the stream lock
// that the pad's chain function needs.
//
// start(), request_stop() and finish() belong to the thread that changes the element's state. A
// flush may come at the same time from another thread: quiesce() and resume() do nothing before
// start() and after request_stop().
class StepTask {
public:
  // `iterate` runs in the task's thread, again and again; it returns soon after may_run() turned
  // false and `wake` was called.
  StepTask(GstElement *element, std::function<void()> iterate, std::function<void()> wake);
  StepTask(const StepTask &) = delete;
  StepTask &operator=(const StepTask &) = delete;
  ~StepTask();

  // Posts STREAM_STATUS, whose receiver may give the task another pool, and starts.
  bool start();
  // No iteration runs when this returns, and none begins before resume(). Called by the task itself
  // it returns at once.
  void quiesce();
  void resume();
  // Ends the thread; finish() waits for it. False when the thread itself asks.
  void request_stop();
  bool finish();

  bool is_started() const { return static_cast<bool>(task_); }
  bool may_run() const { return may_run_.load(); }
  bool is_own_thread() const { return g_thread_self() == thread_.load(); }
  // Null while it has none.
  GThread *thread() const { return thread_.load(); }

private:
  class ControlLock {
  public:
    explicit ControlLock(StepTask &task) : mutex_(&task.control_) { g_mutex_lock(mutex_); }
    ControlLock(const ControlLock &) = delete;
    ControlLock &operator=(const ControlLock &) = delete;
    ~ControlLock() { g_mutex_unlock(mutex_); }

  private:
    GMutex *const mutex_;
  };

  static void iterate_once(gpointer data);
  static void entered(GstTask *task, GThread *thread, gpointer data);
  static void left(GstTask *task, GThread *thread, gpointer data);
  void post_status(GstStreamStatusType type);

  GstElement *const element_;
  const std::function<void()> iterate_;
  const std::function<void()> wake_;
  // Held by the task while it iterates. Nobody else takes it while holding another lock.
  GRecMutex step_lock_;
  // Taken alone, and before the task's own locks: a flush that ends must not start what a state
  // change has just stopped.
  GMutex control_;
  bool is_stopping_ = true;
  support::GObjectPtr<GstTask> task_;
  std::atomic<GThread *> thread_ = nullptr;
  std::atomic<bool> may_run_ = false;
};

}  // namespace streamlib
