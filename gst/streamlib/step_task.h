// SPDX-License-Identifier: LGPL-2.1-or-later
// The thread of a processor with dedicated scheduling.
#pragma once

#include <atomic>
#include <functional>

#include <gst/gst.h>

#include "gst/streamlib/step_runner.h"
#include "gst/streamlib/thread_priority.h"
#include "gst/support/ownership.h"

namespace streamlib {

// A GstTask that belongs to an element instead of a pad: a pad's task would hold the stream lock
// that the pad's chain function needs.
//
class StepTask final : public StepRunner {
public:
  // `iterate` runs in the task's thread, again and again; it returns soon after may_run() turned
  // false and `wake` was called.
  StepTask(GstElement *element, std::function<void()> iterate, std::function<void()> wake);
  StepTask(const StepTask &) = delete;
  StepTask &operator=(const StepTask &) = delete;
  ~StepTask();

  // What the thread asks for when it starts. Before start().
  void set_priority(GstSlPriority priority) { priority_ = priority; }
  // Any thread. Normal while there is no thread.
  GstSlPriority granted_priority() const { return granted_.load(); }

  // Posts STREAM_STATUS, whose receiver may give the task another pool, and starts.
  bool start() override;
  void quiesce() override;
  void resume() override;
  void request_stop() override;
  bool finish() override;

  bool is_started() const { return static_cast<bool>(task_); }
  bool may_run() const { return may_run_.load(); }
  int64_t first_tick(int64_t now_ns, int64_t) const override { return now_ns; }

  bool is_own_thread() const override { return g_thread_self() == thread_.load(); }
  GThread *thread() const override { return thread_.load(); }

private:
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
  GstSlPriority priority_ = GST_SL_PRIORITY_NORMAL;
  std::atomic<GstSlPriority> granted_ = GST_SL_PRIORITY_NORMAL;
  // The thread's own.
  ThreadPriority thread_priority_;
  std::atomic<bool> may_run_ = false;
};

}  // namespace streamlib
