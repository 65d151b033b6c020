// SPDX-License-Identifier: LGPL-2.1-or-later
// A window on an X server, by XCB: Xlib ends the whole process when its server dies.
#pragma once

#include <memory>
#include <string>

#include <gst/support/result.h>

#include "sys/display/surface.h"

namespace streamlib::display {

// Connects to a display such as ":0", by default that of the environment. Can wait for as long as
// the server takes to answer.
support::Result<std::unique_ptr<Surface>> connect_x11(const std::string &display);

}  // namespace streamlib::display
