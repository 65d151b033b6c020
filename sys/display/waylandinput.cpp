// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/waylandinput.h"

#include <utility>

#include <linux/input-event-codes.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xkbcommon/xkbcommon.h>

namespace streamlib::display {

namespace {

// evdev codes start 8 above those of X11, which xkb counts by.
constexpr uint32_t kEvdevOffset = 8;

Point point_of(wl_fixed_t x, wl_fixed_t y)
{
  return {wl_fixed_to_double(x), wl_fixed_to_double(y)};
}

WaylandInput *input_of(void *data)
{
  return static_cast<WaylandInput *>(data);
}

const wl_pointer_listener kPointerListener = {
    .enter = [](void *data, wl_pointer *, uint32_t, wl_surface *surface, wl_fixed_t x,
                wl_fixed_t y) { input_of(data)->pointer_entered(surface, point_of(x, y)); },
    .leave = [](void *data, wl_pointer *, uint32_t,
                wl_surface *) { input_of(data)->pointer_left(); },
    .motion = [](void *data, wl_pointer *, uint32_t, wl_fixed_t x,
                 wl_fixed_t y) { input_of(data)->pointer_moved(point_of(x, y)); },
    .button =
        [](void *data, wl_pointer *, uint32_t, uint32_t, uint32_t button, uint32_t state) {
          input_of(data)->pointer_button(button, state == WL_POINTER_BUTTON_STATE_PRESSED);
        },
    .axis = [](void *, wl_pointer *, uint32_t, uint32_t, wl_fixed_t) {},
};

const wl_keyboard_listener kKeyboardListener = {
    .keymap =
        [](void *data, wl_keyboard *, uint32_t format, int32_t fd, uint32_t size) {
          if (format == WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1)
            input_of(data)->set_keymap(fd, size);
          close(fd);
        },
    .enter = [](void *data, wl_keyboard *, uint32_t, wl_surface *surface,
                wl_array *) { input_of(data)->focus(surface); },
    .leave = [](void *data, wl_keyboard *, uint32_t,
                wl_surface *) { input_of(data)->focus(nullptr); },
    .key =
        [](void *data, wl_keyboard *, uint32_t, uint32_t, uint32_t code, uint32_t state) {
          input_of(data)->key(code, state == WL_KEYBOARD_KEY_STATE_PRESSED);
        },
    .modifiers =
        [](void *data, wl_keyboard *, uint32_t, uint32_t depressed, uint32_t latched,
           uint32_t locked,
           uint32_t group) { input_of(data)->modifiers(depressed, latched, locked, group); },
};

const wl_seat_listener kSeatListener = {
    .capabilities = [](void *data, wl_seat *,
                       uint32_t capabilities) { input_of(data)->set_capabilities(capabilities); },
    .name = [](void *, wl_seat *, const char *) {},
};

int button_number(uint32_t code)
{
  switch (code) {
    case BTN_LEFT:
      return 1;
    case BTN_MIDDLE:
      return 2;
    case BTN_RIGHT:
      return 3;
    default:
      return static_cast<int>(code - BTN_LEFT) + 5;
  }
}

}  // namespace

void WaylandInput::release()
{
  set_capabilities(0);
  xkb_state_unref(std::exchange(state_, nullptr));
  xkb_keymap_unref(std::exchange(keymap_, nullptr));
  xkb_context_unref(std::exchange(xkb_, nullptr));
  if (seat_ != nullptr)
    wl_seat_destroy(std::exchange(seat_, nullptr));
}

void WaylandInput::attach(wl_seat *seat)
{
  seat_ = seat;
  xkb_ = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
  wl_seat_add_listener(seat, &kSeatListener, this);
}

void WaylandInput::set_capabilities(uint32_t capabilities)
{
  const bool has_pointer = (capabilities & WL_SEAT_CAPABILITY_POINTER) != 0;
  if (has_pointer && pointer_ == nullptr) {
    pointer_ = wl_seat_get_pointer(seat_);
    wl_pointer_add_listener(pointer_, &kPointerListener, this);
  } else if (!has_pointer && pointer_ != nullptr) {
    wl_pointer_release(pointer_);
    pointer_ = nullptr;
  }
  const bool has_keyboard = (capabilities & WL_SEAT_CAPABILITY_KEYBOARD) != 0;
  if (has_keyboard && keyboard_ == nullptr) {
    keyboard_ = wl_seat_get_keyboard(seat_);
    wl_keyboard_add_listener(keyboard_, &kKeyboardListener, this);
  } else if (!has_keyboard && keyboard_ != nullptr) {
    wl_keyboard_release(keyboard_);
    keyboard_ = nullptr;
  }
}

void WaylandInput::pointer_entered(wl_surface *surface, Point where)
{
  pointer_inside_ = surface == surface_;
  pointer_moved(where);
}

void WaylandInput::pointer_moved(Point where)
{
  where_ = where;
  if (pointer_inside_ && receiver_ != nullptr)
    receiver_->on_pointer(PointerEvent::Move, 0, where);
}

void WaylandInput::pointer_button(uint32_t button, bool pressed)
{
  if (pointer_inside_ && receiver_ != nullptr)
    receiver_->on_pointer(pressed ? PointerEvent::Press : PointerEvent::Release,
                          button_number(button), where_);
}

void WaylandInput::set_keymap(int fd, uint32_t size)
{
  void *memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (memory == MAP_FAILED)
    return;
  xkb_state_unref(state_);
  xkb_keymap_unref(keymap_);
  // The compositor ends the text with a zero byte, which is no part of it.
  keymap_ = size == 0 ? nullptr
                      : xkb_keymap_new_from_buffer(xkb_, static_cast<const char *>(memory),
                                                   size - 1, XKB_KEYMAP_FORMAT_TEXT_V1,
                                                   XKB_KEYMAP_COMPILE_NO_FLAGS);
  state_ = keymap_ != nullptr ? xkb_state_new(keymap_) : nullptr;
  munmap(memory, size);
}

void WaylandInput::key(uint32_t code, bool pressed)
{
  if (!focused_ || receiver_ == nullptr || state_ == nullptr)
    return;
  char name[64];
  const xkb_keysym_t symbol = xkb_state_key_get_one_sym(state_, code + kEvdevOffset);
  if (symbol != XKB_KEY_NoSymbol && xkb_keysym_get_name(symbol, name, sizeof name) > 0)
    receiver_->on_key(pressed ? KeyEvent::Press : KeyEvent::Release, name);
}

void WaylandInput::modifiers(uint32_t depressed, uint32_t latched, uint32_t locked, uint32_t group)
{
  if (state_ != nullptr)
    xkb_state_update_mask(state_, depressed, latched, locked, 0, 0, group);
}

}  // namespace streamlib::display
