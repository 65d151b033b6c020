// SPDX-License-Identifier: LGPL-2.1-or-later
// A window on a Wayland compositor: xdg-shell, or a subsurface of the application's surface.
#pragma once

#include <memory>
#include <string>

#include <gst/support/result.h>

#include "sys/display/surface.h"

struct wl_display;

namespace streamlib::display {

// Connects to a display such as "wayland-0", by default that of the environment. Can wait for as
// long as the compositor takes to answer. With `shared`, the connection of the application is used,
// on an event queue of its own, and outlives the surface.
support::Result<std::unique_ptr<Surface>> connect_wayland(const std::string &display,
                                                          wl_display *shared);

}  // namespace streamlib::display
