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

class GlDisplay;

// Values are those of the property `backend`.
enum class Backend { Auto, Wayland, X11, Gl, Kms, Headless };

const char *nick_of(Backend backend);

struct Opened {
  Backend backend = Backend::Headless;
  // None for GL, KMS and headless.
  std::unique_ptr<Surface> surface;
  // Why it was taken, and what was tried before.
  std::string reason;
  // With GL: the connection to draw through, none where the application has its own.
  std::shared_ptr<GlDisplay> gl;
};

struct OpenWish {
  Backend backend = Backend::Auto;
  // The name of the display server, empty for that of the environment.
  std::string display;
  // The application's connection, or none.
  wl_display *shared_wayland = nullptr;
  // The application's OpenGL elements share a connection with this one.
  bool shared_gl = false;
};

// State change thread. Returns within two seconds.
support::Result<Opened> open_display(const OpenWish &wish);

}  // namespace streamlib::display
