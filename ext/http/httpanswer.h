// SPDX-License-Identifier: LGPL-2.1-or-later
// What an answer is, as caps.
#pragma once

#include <string>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::http {

// By the first bytes where these tell, else by the Content-Type, else none in particular.
support::MiniPtr<GstCaps> caps_of(GstObject *object, GstBuffer *data, const std::string &type);

}  // namespace streamlib::http
