// SPDX-License-Identifier: LGPL-2.1-or-later
// Which way to a screen there is.
#pragma once

#include <memory>
#include <string>

#include <gst/gst.h>
#include <gst/support/result.h>

#include "sys/display/surface.h"

struct wl_display;

namespace streamlib::display {

// Values are those of the property `backend`.
enum class Backend { Auto, Wayland, X11, Gl, Kms, Headless };

const char *nick_of(Backend backend);

struct Opened {
  Backend backend = Backend::Headless;
  // None for GL, KMS and headless.
  std::unique_ptr<Surface> surface;
  // Why it was taken, and what was tried before.
  std::string reason;
};

struct OpenWish {
  Backend backend = Backend::Auto;
  // The name of the display server, empty for that of the environment.
  std::string display;
  // The application's connection, or none.
  wl_display *shared_wayland = nullptr;
};

// State change thread. Returns within two seconds.
support::Result<Opened> open_display(const OpenWish &wish);

}  // namespace streamlib::display
