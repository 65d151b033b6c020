// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/check/fakecompositor.h"

#include <cstring>
#include <future>
#include <list>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-server.h>
#include <xkbcommon/xkbcommon.h>

#include <glib.h>
#include <glib/gstdio.h>

#include "xdg-shell-server-protocol.h"

namespace fakecompositor {

namespace {

constexpr int kCompositorVersion = 4;
constexpr int kSeatVersion = 3;
constexpr int kStepUs = 5000;
constexpr int kSteps = 1000;

struct SurfaceState {
  Server *server = nullptr;
  wl_resource *resource = nullptr;
  wl_resource *pending = nullptr;
  std::vector<wl_resource *> callbacks;
  wl_resource *xdg_surface = nullptr;
  wl_resource *toplevel = nullptr;
  bool configured = false;
  bool subsurface = false;
  int x = 0;
  int y = 0;
  std::string title;
  bool fullscreen = false;
};

}  // namespace

// All but run() in the compositor's thread.
class Server {
public:
  Server(const std::string &path, int width, int height);
  ~Server();

  // From another thread: returns once it is done.
  void run(const std::function<void()> &task);

  SurfaceState *add(wl_resource *resource);
  void remove(SurfaceState *surface);
  void commit(SurfaceState *surface);
  void configure(SurfaceState *surface);
  void add_keyboard(wl_resource *keyboard);

  int width;
  int height;
  Seen seen;
  std::list<SurfaceState> surfaces;
  SurfaceState *top = nullptr;
  std::list<wl_resource *> pointers;
  std::list<wl_resource *> keyboards;

  uint32_t serial() { return wl_display_next_serial(display_); }
  wl_resource *pointer_of_top() const { return of_top(pointers); }
  wl_resource *keyboard_of_top() const { return of_top(keyboards); }

private:
  wl_resource *of_top(const std::list<wl_resource *> &resources) const;
  static int on_wake(int fd, uint32_t mask, void *data);
  void listen_at(const std::string &path);
  void make_keymap();

  wl_display *display_;
  int wake_fd_;
  wl_event_source *wake_source_ = nullptr;
  int keymap_fd_ = -1;
  size_t keymap_size_ = 0;
  std::mutex mutex_;
  std::vector<std::packaged_task<void()>> tasks_;
  std::thread thread_;
};

namespace {

SurfaceState *state_of(wl_resource *resource)
{
  return static_cast<SurfaceState *>(wl_resource_get_user_data(resource));
}

void destroy_resource(wl_client *, wl_resource *resource)
{
  wl_resource_destroy(resource);
}

// ---- wl_surface

const struct wl_surface_interface kSurface = {
    .destroy = destroy_resource,
    .attach = [](wl_client *, wl_resource *resource, wl_resource *buffer, int32_t,
                 int32_t) { state_of(resource)->pending = buffer; },
    .damage = [](wl_client *, wl_resource *, int32_t, int32_t, int32_t, int32_t) {},
    .frame =
        [](wl_client *client, wl_resource *resource, uint32_t id) {
          state_of(resource)->callbacks.push_back(
              wl_resource_create(client, &wl_callback_interface, 1, id));
        },
    .set_opaque_region = [](wl_client *, wl_resource *, wl_resource *) {},
    .set_input_region = [](wl_client *, wl_resource *, wl_resource *) {},
    .commit =
        [](wl_client *, wl_resource *resource) {
          SurfaceState *surface = state_of(resource);
          surface->server->commit(surface);
        },
    .set_buffer_transform = [](wl_client *, wl_resource *, int32_t) {},
    .set_buffer_scale = [](wl_client *, wl_resource *, int32_t) {},
    .damage_buffer = [](wl_client *, wl_resource *, int32_t, int32_t, int32_t, int32_t) {},
};

const struct wl_compositor_interface kCompositor = {
    .create_surface =
        [](wl_client *client, wl_resource *resource, uint32_t id) {
          auto *server = static_cast<Server *>(wl_resource_get_user_data(resource));
          wl_resource *made = wl_resource_create(client, &wl_surface_interface,
                                                 wl_resource_get_version(resource), id);
          SurfaceState *surface = server->add(made);
          wl_resource_set_implementation(made, &kSurface, surface, [](wl_resource *gone) {
            SurfaceState *surface = state_of(gone);
            surface->server->remove(surface);
          });
        },
    .create_region = [](wl_client *, wl_resource *,
                        uint32_t) { g_error("the test's compositor has no regions"); },
};

// ---- Subsurfaces. The one of a surface that has gone is no more than its resource

const struct wl_subsurface_interface kSubsurface = {
    .destroy = destroy_resource,
    .set_position =
        [](wl_client *, wl_resource *resource, int32_t x, int32_t y) {
          SurfaceState *surface = state_of(resource);
          surface->x = x;
          surface->y = y;
        },
    .place_above = [](wl_client *, wl_resource *, wl_resource *) {},
    .place_below = [](wl_client *, wl_resource *, wl_resource *) {},
    .set_sync = [](wl_client *, wl_resource *) {},
    .set_desync = [](wl_client *, wl_resource *) {},
};

const struct wl_subcompositor_interface kSubcompositor = {
    .destroy = destroy_resource,
    .get_subsurface =
        [](wl_client *client, wl_resource *, uint32_t id, wl_resource *surface, wl_resource *) {
          wl_resource *made = wl_resource_create(client, &wl_subsurface_interface, 1, id);
          wl_resource_set_implementation(made, &kSubsurface, state_of(surface), nullptr);
          state_of(surface)->subsurface = true;
        },
};

// ---- xdg-shell

const struct xdg_toplevel_interface kToplevel = {
    .destroy = destroy_resource,
    .set_parent = [](wl_client *, wl_resource *, wl_resource *) {},
    .set_title = [](wl_client *, wl_resource *resource,
                    const char *title) { state_of(resource)->title = title; },
    .set_app_id = [](wl_client *, wl_resource *, const char *) {},
    .show_window_menu = [](wl_client *, wl_resource *, wl_resource *, uint32_t, int32_t,
                           int32_t) {},
    .move = [](wl_client *, wl_resource *, wl_resource *, uint32_t) {},
    .resize = [](wl_client *, wl_resource *, wl_resource *, uint32_t, uint32_t) {},
    .set_max_size = [](wl_client *, wl_resource *, int32_t, int32_t) {},
    .set_min_size = [](wl_client *, wl_resource *, int32_t, int32_t) {},
    .set_maximized = [](wl_client *, wl_resource *) {},
    .unset_maximized = [](wl_client *, wl_resource *) {},
    .set_fullscreen = [](wl_client *, wl_resource *resource,
                         wl_resource *) { state_of(resource)->fullscreen = true; },
    .unset_fullscreen = [](wl_client *,
                           wl_resource *resource) { state_of(resource)->fullscreen = false; },
    .set_minimized = [](wl_client *, wl_resource *) {},
};

const struct xdg_surface_interface kXdgSurface = {
    .destroy = destroy_resource,
    .get_toplevel =
        [](wl_client *client, wl_resource *resource, uint32_t id) {
          SurfaceState *surface = state_of(resource);
          surface->toplevel = wl_resource_create(client, &xdg_toplevel_interface, 1, id);
          wl_resource_set_implementation(surface->toplevel, &kToplevel, surface, nullptr);
        },
    .get_popup = [](wl_client *, wl_resource *, uint32_t, wl_resource *,
                    wl_resource *) { g_error("the test's compositor has no popups"); },
    .set_window_geometry = [](wl_client *, wl_resource *, int32_t, int32_t, int32_t, int32_t) {},
    .ack_configure = [](wl_client *, wl_resource *, uint32_t) {},
};

const struct xdg_wm_base_interface kShell = {
    .destroy = destroy_resource,
    .create_positioner = [](wl_client *, wl_resource *,
                            uint32_t) { g_error("the test's compositor has no popups"); },
    .get_xdg_surface =
        [](wl_client *client, wl_resource *, uint32_t id, wl_resource *resource) {
          SurfaceState *surface = state_of(resource);
          surface->xdg_surface = wl_resource_create(client, &xdg_surface_interface, 1, id);
          wl_resource_set_implementation(surface->xdg_surface, &kXdgSurface, surface, nullptr);
        },
    .pong = [](wl_client *, wl_resource *, uint32_t) {},
};

// ---- wl_seat

std::list<wl_resource *> *list_of(wl_resource *resource)
{
  return static_cast<std::list<wl_resource *> *>(wl_resource_get_user_data(resource));
}

void forget(wl_resource *resource)
{
  list_of(resource)->remove(resource);
}

const struct wl_pointer_interface kPointer = {
    .set_cursor = [](wl_client *, wl_resource *, uint32_t, wl_resource *, int32_t, int32_t) {},
    .release = destroy_resource,
};

const struct wl_keyboard_interface kKeyboard = {.release = destroy_resource};

const struct wl_seat_interface kSeat = {
    .get_pointer =
        [](wl_client *client, wl_resource *resource, uint32_t id) {
          auto *server = static_cast<Server *>(wl_resource_get_user_data(resource));
          wl_resource *made = wl_resource_create(client, &wl_pointer_interface, kSeatVersion, id);
          wl_resource_set_implementation(made, &kPointer, &server->pointers, forget);
          server->pointers.push_back(made);
        },
    .get_keyboard =
        [](wl_client *client, wl_resource *resource, uint32_t id) {
          auto *server = static_cast<Server *>(wl_resource_get_user_data(resource));
          wl_resource *made = wl_resource_create(client, &wl_keyboard_interface, kSeatVersion, id);
          wl_resource_set_implementation(made, &kKeyboard, &server->keyboards, forget);
          server->add_keyboard(made);
        },
    .get_touch = [](wl_client *, wl_resource *,
                    uint32_t) { g_error("the test's compositor has no touch screen"); },
    .release = destroy_resource,
};

template <const wl_interface *Type, const auto *Methods>
void bind_global(wl_client *client, void *server, uint32_t version, uint32_t id)
{
  wl_resource *made = wl_resource_create(client, Type, static_cast<int>(version), id);
  wl_resource_set_implementation(made, Methods, server, nullptr);
  if (Type == &wl_seat_interface)
    wl_seat_send_capabilities(made, WL_SEAT_CAPABILITY_POINTER | WL_SEAT_CAPABILITY_KEYBOARD);
}

}  // namespace

Server::Server(const std::string &path, int wanted_width, int wanted_height)
    : width(wanted_width),
      height(wanted_height),
      display_(wl_display_create()),
      wake_fd_(eventfd(0, EFD_CLOEXEC))
{
  wl_display_init_shm(display_);
  wl_global_create(display_, &wl_compositor_interface, kCompositorVersion, this,
                   bind_global<&wl_compositor_interface, &kCompositor>);
  wl_global_create(display_, &wl_subcompositor_interface, 1, this,
                   bind_global<&wl_subcompositor_interface, &kSubcompositor>);
  wl_global_create(display_, &xdg_wm_base_interface, 1, this,
                   bind_global<&xdg_wm_base_interface, &kShell>);
  wl_global_create(display_, &wl_seat_interface, kSeatVersion, this,
                   bind_global<&wl_seat_interface, &kSeat>);
  make_keymap();
  listen_at(path);
  wake_source_ = wl_event_loop_add_fd(wl_display_get_event_loop(display_), wake_fd_,
                                      WL_EVENT_READABLE, on_wake, this);
  thread_ = std::thread([this] { wl_display_run(display_); });
}

Server::~Server()
{
  run([this] { wl_display_terminate(display_); });
  thread_.join();
  wl_display_destroy_clients(display_);
  wl_event_source_remove(wake_source_);
  wl_display_destroy(display_);
  ::close(wake_fd_);
  ::close(keymap_fd_);
}

void Server::listen_at(const std::string &path)
{
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  g_strlcpy(address.sun_path, path.c_str(), sizeof address.sun_path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0 || listen(fd, 5) != 0 ||
      wl_display_add_socket_fd(display_, fd) != 0)
    g_error("no socket at %s", path.c_str());
}

void Server::make_keymap()
{
  xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
  const xkb_rule_names names = {"evdev", "pc105", "us", "", ""};
  xkb_keymap *keymap = xkb_keymap_new_from_names(context, &names, XKB_KEYMAP_COMPILE_NO_FLAGS);
  if (keymap == nullptr)
    g_error("no keymap; is xkb-data installed?");
  char *text = xkb_keymap_get_as_string(keymap, XKB_KEYMAP_FORMAT_TEXT_V1);
  keymap_size_ = std::strlen(text) + 1;
  keymap_fd_ = memfd_create("keymap", MFD_CLOEXEC);
  if (write(keymap_fd_, text, keymap_size_) != static_cast<ssize_t>(keymap_size_))
    g_error("no memory for a keymap");
  free(text);
  xkb_keymap_unref(keymap);
  xkb_context_unref(context);
}

void Server::run(const std::function<void()> &task)
{
  std::packaged_task<void()> packaged(task);
  auto done = packaged.get_future();
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(packaged));
  }
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof one) != sizeof one)
    g_error("the compositor cannot be woken");
  done.wait();
}

int Server::on_wake(int fd, uint32_t, void *data)
{
  auto *self = static_cast<Server *>(data);
  uint64_t count = 0;
  if (read(fd, &count, sizeof count) != sizeof count)
    return 0;
  std::vector<std::packaged_task<void()>> tasks;
  {
    std::lock_guard lock(self->mutex_);
    tasks.swap(self->tasks_);
  }
  for (auto &task : tasks)
    task();
  wl_display_flush_clients(self->display_);
  return 0;
}

SurfaceState *Server::add(wl_resource *resource)
{
  SurfaceState &surface = surfaces.emplace_back();
  surface.server = this;
  surface.resource = resource;
  return &surface;
}

void Server::remove(SurfaceState *surface)
{
  if (top == surface)
    top = nullptr;
  surfaces.remove_if([surface](const SurfaceState &other) { return &other == surface; });
}

void Server::configure(SurfaceState *surface)
{
  wl_array states;
  wl_array_init(&states);
  xdg_toplevel_send_configure(surface->toplevel, width, height, &states);
  wl_array_release(&states);
  xdg_surface_send_configure(surface->xdg_surface, serial());
  surface->configured = true;
}

void Server::commit(SurfaceState *surface)
{
  wl_resource *buffer = std::exchange(surface->pending, nullptr);
  if (buffer != nullptr) {
    if (wl_shm_buffer *pixels = wl_shm_buffer_get(buffer)) {
      seen.width = wl_shm_buffer_get_width(pixels);
      seen.height = wl_shm_buffer_get_height(pixels);
      wl_shm_buffer_begin_access(pixels);
      const auto *line = static_cast<const uint8_t *>(wl_shm_buffer_get_data(pixels)) +
                         seen.height / 2 * wl_shm_buffer_get_stride(pixels);
      std::memcpy(&seen.middle, line + seen.width / 2 * 4, sizeof seen.middle);
      seen.middle &= 0xffffff;
      wl_shm_buffer_end_access(pixels);
      seen.frames++;
      top = surface;
    }
    wl_buffer_send_release(buffer);
  } else if (surface->toplevel != nullptr && !surface->configured) {
    configure(surface);
  }
  for (wl_resource *callback : std::exchange(surface->callbacks, {})) {
    wl_callback_send_done(callback, 0);
    wl_resource_destroy(callback);
  }
}

void Server::add_keyboard(wl_resource *keyboard)
{
  keyboards.push_back(keyboard);
  wl_keyboard_send_keymap(keyboard, WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1, keymap_fd_,
                          static_cast<uint32_t>(keymap_size_));
}

wl_resource *Server::of_top(const std::list<wl_resource *> &resources) const
{
  for (wl_resource *resource : resources) {
    if (top != nullptr && wl_resource_get_client(resource) == wl_resource_get_client(top->resource))
      return resource;
  }
  g_error("the client has no such device, or no picture");
}

// ---- The test's side

Compositor::Compositor(int width, int height)
{
  gchar *folder = g_dir_make_tmp("fakecompositor-XXXXXX", nullptr);
  folder_ = folder;
  g_free(folder);
  path_ = folder_ + "/wayland";
  server_ = std::make_unique<Server>(path_, width, height);
}

Compositor::~Compositor()
{
  server_.reset();
  g_unlink(path_.c_str());
  g_rmdir(folder_.c_str());
}

Seen Compositor::seen()
{
  Seen result;
  server_->run([&] {
    result = server_->seen;
    result.surfaces = static_cast<int>(server_->surfaces.size());
    if (const SurfaceState *top = server_->top) {
      result.toplevel = top->toplevel != nullptr;
      result.subsurface = top->subsurface;
      result.x = top->x;
      result.y = top->y;
      result.title = top->title;
      result.fullscreen = top->fullscreen;
    }
  });
  return result;
}

bool Compositor::wait_until(const std::function<bool(const Seen &)> &fits)
{
  for (int i = 0; i < kSteps; i++) {
    if (fits(seen()))
      return true;
    g_usleep(kStepUs);
  }
  return false;
}

void Compositor::enter(double x, double y)
{
  server_->run([&] {
    wl_array keys;
    wl_array_init(&keys);
    wl_pointer_send_enter(server_->pointer_of_top(), server_->serial(), server_->top->resource,
                          wl_fixed_from_double(x), wl_fixed_from_double(y));
    wl_keyboard_send_enter(server_->keyboard_of_top(), server_->serial(), server_->top->resource,
                           &keys);
    wl_array_release(&keys);
  });
}

void Compositor::leave()
{
  server_->run([&] {
    wl_pointer_send_leave(server_->pointer_of_top(), server_->serial(), server_->top->resource);
    wl_keyboard_send_leave(server_->keyboard_of_top(), server_->serial(), server_->top->resource);
  });
}

void Compositor::move(double x, double y)
{
  server_->run([&] {
    wl_pointer_send_motion(server_->pointer_of_top(), 0, wl_fixed_from_double(x),
                           wl_fixed_from_double(y));
  });
}

void Compositor::button(uint32_t code, bool pressed)
{
  server_->run([&] {
    wl_pointer_send_button(
        server_->pointer_of_top(), server_->serial(), 0, code,
        pressed ? WL_POINTER_BUTTON_STATE_PRESSED : WL_POINTER_BUTTON_STATE_RELEASED);
  });
}

void Compositor::key(uint32_t code, bool pressed)
{
  server_->run([&] {
    wl_keyboard_send_key(server_->keyboard_of_top(), server_->serial(), 0, code,
                         pressed ? WL_KEYBOARD_KEY_STATE_PRESSED : WL_KEYBOARD_KEY_STATE_RELEASED);
  });
}

void Compositor::shift(bool held)
{
  // The first modifier of all keymaps.
  server_->run([&] {
    wl_keyboard_send_modifiers(server_->keyboard_of_top(), server_->serial(), held ? 1 : 0, 0, 0,
                               0);
  });
}

void Compositor::close()
{
  server_->run([&] {
    if (server_->top == nullptr || server_->top->toplevel == nullptr)
      g_error("there is no window to close");
    xdg_toplevel_send_close(server_->top->toplevel);
  });
}

void Compositor::resize(int width, int height)
{
  server_->run([&] {
    server_->width = width;
    server_->height = height;
    server_->configure(server_->top);
  });
}

}  // namespace fakecompositor
