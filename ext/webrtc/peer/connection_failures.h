// SPDX-License-Identifier: LGPL-2.1-or-later
// How a connection says what went wrong.
#pragma once

#include <string>

#include "ext/webrtc/peer/connection.h"

namespace streamlib::webrtc {

ConnectionFailure failure_with(GQuark domain, int code, std::string text, std::string debug);
// `what` is "answer" or "offer".
ConnectionFailure sdp_failure(const char *what, const SdpFault &fault);

}  // namespace streamlib::webrtc
