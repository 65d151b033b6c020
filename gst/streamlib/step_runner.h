// SPDX-License-Identifier: LGPL-2.1-or-later
// Who takes the steps of a processor.
#pragma once

#include <cstdint>

#include <gst/gst.h>

#include "gst/streamlib/gstslenums.h"

namespace streamlib {

// What is stepped.
class Steps {
public:
  // One step. The runner's thread, one at a time.
  virtual GstSlStep take_step(int64_t *wait_until) = 0;
  // Whether something came since the last step that found nothing to do; asked before a rest.
  virtual bool has_work() = 0;
  // Before a step: nothing had moved, since so many threads were blocked, and this is the first one
  // that goes on.
  virtual void note_standstill(unsigned blocked, unsigned max_spares) = 0;

protected:
  ~Steps() = default;
};

// start(), request_stop() and finish() belong to the thread that changes the element's state. A
// flush may come at the same time from another thread: quiesce() and resume() do nothing before
// start() and after request_stop().
class StepRunner {
public:
  virtual bool start() = 0;
  // No step is under way when this returns, and none begins before resume(). Called by the step
  // itself it returns at once.
  virtual void quiesce() = 0;
  virtual void resume() = 0;
  // Ends the work; finish() waits for it. False when the step itself asks.
  virtual void request_stop() = 0;
  virtual bool finish() = 0;

  // When a processor with that period takes its first step, at `now` or soon after: those that
  // share threads share their times too.
  virtual int64_t first_tick(int64_t now_ns, int64_t period_ns) const = 0;

  // The calling thread is the one that takes the step under way.
  virtual bool is_own_thread() const = 0;
  // Null while there is none.
  virtual GThread *thread() const = 0;

protected:
  ~StepRunner() = default;
};

}  // namespace streamlib
