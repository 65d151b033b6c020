// SPDX-License-Identifier: LGPL-2.1-or-later
// Ends a session with a peer in a limited time, whatever the consumers of its media do.
#pragma once

#include <memory>
#include <vector>

#include "ext/webrtc/session/receive_chain.h"
#include "ext/webrtc/session/session_core.h"

namespace streamlib::webrtc {

// Not a streaming thread. Returns within 1.5 s; a consumer that stands in a push is flushed after
// half a second. What is returned are the outputs whose consumers have not returned yet: the
// session is cut off, and its end follows when they do, in a thread of its own.
std::vector<std::shared_ptr<ReceiveOutput>> close_core(
    std::shared_ptr<SessionCore> core, std::vector<std::shared_ptr<ReceiveOutput>> outputs);

}  // namespace streamlib::webrtc
