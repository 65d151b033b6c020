// SPDX-License-Identifier: LGPL-2.1-or-later
// The part of a dispatcher that waits of ours reach.
#pragma once

#include "gst/streamlib/dispatch_queue.h"
#include "gst/streamlib/gstsldispatcher.h"

namespace streamlib {

DispatchQueue &queue_of(GstSlDispatcher *dispatcher);
// For the application's default context, bound to no thread. Transfer full.
GstSlDispatcher *make_default_dispatcher();

}  // namespace streamlib
