// SPDX-License-Identifier: LGPL-2.1-or-later
// Pointer and keyboard of a Wayland seat.
#pragma once

#include <wayland-client.h>

#include "sys/display/surface.h"

struct xkb_context;
struct xkb_keymap;
struct xkb_state;

namespace streamlib::display {

// The window's thread only.
class WaylandInput {
public:
  WaylandInput() = default;
  WaylandInput(const WaylandInput &) = delete;
  WaylandInput &operator=(const WaylandInput &) = delete;
  ~WaylandInput() { release(); }

  // Takes over the seat.
  void attach(wl_seat *seat);
  bool attached() const { return seat_ != nullptr; }
  void release();
  // Events go to the receiver while the pointer or the focus is on `surface`.
  void watch(wl_surface *surface) { surface_ = surface; }
  void set_receiver(SurfaceEvents *receiver) { receiver_ = receiver; }

  // Called by the listeners.
  void set_capabilities(uint32_t capabilities);
  void pointer_entered(wl_surface *surface, Point where);
  void pointer_left() { pointer_inside_ = false; }
  void pointer_moved(Point where);
  void pointer_button(uint32_t button, bool pressed);
  void set_keymap(int fd, uint32_t size);
  void focus(wl_surface *surface) { focused_ = surface == surface_; }
  void key(uint32_t code, bool pressed);
  void modifiers(uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group);

private:
  wl_seat *seat_ = nullptr;
  wl_pointer *pointer_ = nullptr;
  wl_keyboard *keyboard_ = nullptr;
  wl_surface *surface_ = nullptr;
  SurfaceEvents *receiver_ = nullptr;
  xkb_context *xkb_ = nullptr;
  xkb_keymap *keymap_ = nullptr;
  xkb_state *state_ = nullptr;
  bool pointer_inside_ = false;
  bool focused_ = false;
  Point where_;
};

}  // namespace streamlib::display
