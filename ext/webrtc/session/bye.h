// SPDX-License-Identifier: LGPL-2.1-or-later
// The RTCP packet that a session says goodbye with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::webrtc {

// A compound packet of an empty RR, SDES and BYE (RFC 3550 §6.1, §6.6) for streams of one side, of
// which 31 fit. Null where there are none.
support::MiniPtr<GstBuffer> make_bye(std::vector<uint32_t> ssrcs, const std::string &cname);

}  // namespace streamlib::webrtc
