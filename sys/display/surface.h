// SPDX-License-Identifier: LGPL-2.1-or-later
// What a window system must offer: a connection, one window, canvases to paint on.
#pragma once

#include <optional>
#include <string>

#include <gst/support/result.h>

#include "sys/display/geometry.h"
#include "sys/display/painter.h"

namespace streamlib::display {

enum class PointerEvent { Move, Press, Release };
enum class KeyEvent { Press, Release };

// What happens to a window. Called from Surface::dispatch().
class SurfaceEvents {
public:
  // What is seen was lost or its size is another one: paint again.
  virtual void on_exposed() = 0;
  // The user asked to close the window, or its owner destroyed it.
  virtual void on_close() = 0;
  virtual void on_pointer(PointerEvent event, int button, Point on_surface) = 0;
  virtual void on_key(KeyEvent event, const std::string &key) = 0;

protected:
  ~SurfaceEvents() = default;
};

// How the window is to be. What changes while it stands is applied by Surface::configure().
struct WindowWish {
  std::string title;
  bool fullscreen = false;
  bool handle_events = true;
  // A window (X11) or a wl_surface (Wayland) of the application, 0 for one of our own.
  guintptr handle = 0;
  // Where in the application's window, empty for all of it.
  Rect rectangle;
};

// All methods in one thread, that of the window, after open().
class Surface {
public:
  virtual ~Surface() = default;

  // Makes the window, or takes the one of the wish. `natural` is the size of a window of our own.
  virtual support::Status create(const WindowWish &wish, Size natural) = 0;
  // Takes the window off the screen; create() may follow.
  virtual void destroy() = 0;
  virtual void configure(const WindowWish &wish) = 0;

  // To poll for reading.
  virtual int fd() const = 0;
  // Sends what is buffered and gets ready to poll; false when events wait already.
  virtual bool prepare_poll() = 0;
  // Takes what has arrived. False when the display server is gone.
  virtual bool dispatch(bool readable, SurfaceEvents &events) = 0;

  // A canvas that nobody reads, of the window's size; none while the display is busy with the ones
  // there are: an event will say when it is not.
  virtual std::optional<Canvas> canvas() = 0;
  // Shows the canvas that canvas() gave.
  virtual void present() = 0;

  // Named in messages, for example "X server :0".
  virtual std::string name() const = 0;
};

}  // namespace streamlib::display
