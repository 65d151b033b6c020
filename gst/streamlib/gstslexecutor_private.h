// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of an executor that processors reach.
#pragma once

#include <memory>

#include "gst/streamlib/executor.h"
#include "gst/streamlib/gstslexecutor.h"

namespace streamlib {

// Made with the settings of the first call.
std::shared_ptr<Executor> executor_core(GstSlExecutor *executor);

}  // namespace streamlib
