// SPDX-License-Identifier: LGPL-2.1-or-later
// The I/O thread as one that runs the steps of async processors.
#pragma once

#include <atomic>
#include <memory>

#include <glib.h>

#include "gst/streamlib/step_job.h"
#include "gst/streamlib/timer_wheel.h"
#include "gst/support/mpsc_list.h"

namespace streamlib {

// One source of a main context. Jobs come in by a list without locks, and the context is woken when
// it was empty. A dispatch runs jobs for a millisecond at most, if one of them does not keep the
// thread; then it is the turn of the context's other sources.
class IoHost final : public JobHost {
public:
  static std::shared_ptr<IoHost> create(GMainContext *context);
  IoHost(const IoHost &) = delete;
  IoHost &operator=(const IoHost &) = delete;
  ~IoHost() override;

  // When the context is served no more, or in its thread. Drops the jobs that are left.
  void close();

  GMainContext *context() const { return context_; }

  // --- JobHost
  void submit(StepJob &job) override;
  void arm(StepJob &job) override { wheel_.place(job); }
  void note_lateness(int64_t) override {}
  void note_suspension() override {}
  int64_t tick_ns() const override { return kTickNs; }
  // Nobody stands in for the I/O thread: whoever waits in it holds it.
  void begin_wait() override {}
  void end_wait() override {}

private:
  struct Source;

  explicit IoHost(GMainContext *context) : context_(g_main_context_ref(context)) {}

  bool has_jobs() const { return batch_ != nullptr || !list_.is_empty(); }
  void dispatch();

  static constexpr int64_t kTickNs = 1000 * 1000;

  GMainContext *const context_;
  GSource *source_ = nullptr;
  support::MpscList<StepJob> list_;
  // The thread that served the context last: it looks at the list before it sleeps.
  std::atomic<GThread *> serving_ = nullptr;

  // --- The I/O thread. Taken from the list and still to be run.
  StepJob *batch_ = nullptr;
  TimerWheel wheel_{kTickNs};
};

}  // namespace streamlib
