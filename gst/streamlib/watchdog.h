// SPDX-License-Identifier: LGPL-2.1-or-later
// Notices foreign code that does not return to a processor, and says where.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/activity.h"
#include "gst/streamlib/io_thread.h"
#include "gst/support/guards.h"

namespace streamlib {

class ProcessorState;

// Looks at every processor of a runtime four times a second, on a thread of its own, which nothing
// else uses: it must not stand where what it watches stands. A processor whose work has not moved
// for a second is reported once, by a warning and an element message `streamlib-stall`, and again
// by `streamlib-stall-over` when it moves.
//
// A push may rightly take long: while the pipeline is not PLAYING, and until the buffer is due. It
// may not while the processor stops or flushes.
class Watchdog {
public:
  // `runtime` owns the watchdog, and is kept while there is something to watch.
  Watchdog(GObject *runtime, IoThread &thread);
  Watchdog(const Watchdog &) = delete;
  Watchdog &operator=(const Watchdog &) = delete;
  ~Watchdog();

  // Any thread. After remove() the processor is not touched any more.
  void add(ProcessorState *processor);
  void remove(ProcessorState *processor);

private:
  struct Watched {
    ProcessorState *processor;
    uint64_t entries = 0;
    int64_t still_since = 0;
    bool reported = false;
  };
  struct Report;

  static gboolean tick(gpointer data);
  void look(std::vector<Report> *reports);
  void look_at(Watched &watched, int64_t now, std::vector<Report> *reports);

  GObject *const runtime_;
  IoThread &thread_;
  // Guards watched_ and timer_. Nothing is called under it but readings of atomics and references
  // of pads, which take the object lock of one element.
  GMutex mutex_;
  std::vector<Watched> watched_;
  support::SourceGuard timer_;
  unsigned ticks_ = 0;
};

}  // namespace streamlib
