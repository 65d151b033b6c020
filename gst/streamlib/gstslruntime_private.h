// SPDX-License-Identifier: LGPL-2.1-or-later
// The parts of a runtime that processors reach.
#pragma once

#include "gst/streamlib/gstslruntime.h"
#include "gst/streamlib/watchdog.h"

namespace streamlib {

Watchdog &watchdog_of(GstSlRuntime *runtime);

}  // namespace streamlib
