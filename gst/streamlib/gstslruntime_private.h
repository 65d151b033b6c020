// SPDX-License-Identifier: LGPL-2.1-or-later
// The parts of a runtime that processors reach.
#pragma once

#include <memory>

#include "gst/streamlib/dispatch_queue.h"
#include "gst/streamlib/executor.h"
#include "gst/streamlib/gstslruntime.h"
#include "gst/streamlib/io_host.h"
#include "gst/streamlib/watchdog.h"

namespace streamlib {

Watchdog &watchdog_of(GstSlRuntime *runtime);
// For a wait of the calling thread: null as long as nobody asked for the dispatcher, unless this is
// the thread that it would be bound to. Lives as long as the runtime.
DispatchQueue *dispatch_queue_of(GstSlRuntime *runtime);
std::shared_ptr<Executor> executor_of(GstSlRuntime *runtime);
// Starts the I/O thread. Null when there is none to be had.
std::shared_ptr<IoHost> io_host_of(GstSlRuntime *runtime);

}  // namespace streamlib
