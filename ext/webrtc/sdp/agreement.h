// SPDX-License-Identifier: LGPL-2.1-or-later
// What the two sides of a section have in common.
#pragma once

#include "ext/webrtc/sdp/negotiation.h"

namespace streamlib::webrtc::sdp {

bool sends(Direction direction);
bool receives(Direction direction);

NegotiatedMedia agree(const MediaParameters &local, const MediaParameters &remote);

}  // namespace streamlib::webrtc::sdp
