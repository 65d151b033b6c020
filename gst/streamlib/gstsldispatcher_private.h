// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of a dispatcher that waits of ours reach.
#pragma once

#include "gst/streamlib/dispatch_queue.h"
#include "gst/streamlib/gstsldispatcher.h"

namespace streamlib {

DispatchQueue &queue_of(GstSlDispatcher *dispatcher);

}  // namespace streamlib
