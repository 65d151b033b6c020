// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/waylandsurface.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client.h>

#include "sys/display/waylandinput.h"
#include "xdg-shell-client-protocol.h"

namespace streamlib::display {

namespace {

using support::Done;
using support::Failure;
using support::Result;
using support::Status;

constexpr int kBytesPerPixel = 4;
constexpr int kCanvases = 3;
constexpr const char *kApplicationId = "gst-streamlib";

// Pixels that the compositor reads. In a place that does not move while it is busy.
class Image {
public:
  Image() = default;
  Image(const Image &) = delete;
  Image &operator=(const Image &) = delete;
  ~Image() { release(); }

  bool allocate(wl_shm *shm, Size size)
  {
    release();
    size_ = size;
    bytes_ = static_cast<size_t>(stride()) * size.height;
    const int fd = memfd_create("sldisplaysink", MFD_CLOEXEC);
    if (fd < 0)
      return false;
    void *memory = MAP_FAILED;
    if (ftruncate(fd, static_cast<off_t>(bytes_)) == 0)
      memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) {
      pixels_ = static_cast<guint8 *>(memory);
      wl_shm_pool *pool = wl_shm_create_pool(shm, fd, static_cast<int32_t>(bytes_));
      buffer_ = wl_shm_pool_create_buffer(pool, 0, size.width, size.height, stride(),
                                          WL_SHM_FORMAT_XRGB8888);
      wl_shm_pool_destroy(pool);
      static const wl_buffer_listener listener = {
          .release = [](void *data, wl_buffer *) { static_cast<Image *>(data)->busy = false; }};
      wl_buffer_add_listener(buffer_, &listener, this);
    }
    close(fd);
    return pixels_ != nullptr;
  }

  void release()
  {
    if (buffer_ != nullptr)
      wl_buffer_destroy(buffer_);
    if (pixels_ != nullptr)
      munmap(pixels_, bytes_);
    buffer_ = nullptr;
    pixels_ = nullptr;
    busy = false;
  }

  int stride() const { return size_.width * kBytesPerPixel; }
  Size size() const { return size_; }
  guint8 *pixels() const { return pixels_; }
  wl_buffer *buffer() const { return buffer_; }

  // The compositor has not let go of it.
  bool busy = false;

private:
  Size size_;
  size_t bytes_ = 0;
  guint8 *pixels_ = nullptr;
  wl_buffer *buffer_ = nullptr;
};

class WaylandSurface final : public Surface {
public:
  WaylandSurface(wl_display *display, bool owned, std::string name);
  ~WaylandSurface() override;

  Status check();
  Status create(const WindowWish &wish, Size natural) override;
  void destroy() override;
  void configure(const WindowWish &wish) override;
  int fd() const override { return wl_display_get_fd(display_); }
  bool prepare_poll() override;
  bool dispatch(bool readable, SurfaceEvents &events) override;
  std::optional<Canvas> canvas() override;
  void present() override;
  std::string name() const override { return "Wayland display " + name_; }

  // Called by the listeners.
  void add_global(uint32_t id, const char *interface, uint32_t version);
  void configured(uint32_t serial);
  void want_size(Size size) { wanted_ = size; }
  void frame_done();
  void close_requested() { close_requested_ = true; }

private:
  void create_toplevel(const WindowWish &wish);
  Status create_subsurface(const WindowWish &wish);

  wl_display *display_;
  bool owned_;
  std::string name_;
  wl_event_queue *queue_ = nullptr;
  wl_registry *registry_ = nullptr;
  wl_compositor *compositor_ = nullptr;
  wl_subcompositor *subcompositor_ = nullptr;
  wl_shm *shm_ = nullptr;
  xdg_wm_base *shell_ = nullptr;
  WaylandInput input_;
  bool prepared_ = false;

  wl_surface *surface_ = nullptr;
  xdg_surface *xdg_surface_ = nullptr;
  xdg_toplevel *toplevel_ = nullptr;
  wl_subsurface *subsurface_ = nullptr;
  wl_callback *frame_ = nullptr;
  WindowWish wish_;
  // Our own wish, what the compositor wants (0: as we like), what is painted now.
  Size natural_;
  Size wanted_;
  Size size_;
  bool configured_ = false;
  bool exposed_ = false;
  bool close_requested_ = false;

  std::array<Image, kCanvases> images_;
  Image *painted_ = nullptr;
};

WaylandSurface *surface_of(void *data)
{
  return static_cast<WaylandSurface *>(data);
}

const wl_registry_listener kRegistryListener = {
    .global = [](void *data, wl_registry *, uint32_t id, const char *interface,
                 uint32_t version) { surface_of(data)->add_global(id, interface, version); },
    .global_remove = [](void *, wl_registry *, uint32_t) {},
};

const xdg_wm_base_listener kShellListener = {
    .ping = [](void *, xdg_wm_base *shell, uint32_t serial) { xdg_wm_base_pong(shell, serial); },
};

const xdg_surface_listener kXdgSurfaceListener = {
    .configure = [](void *data, xdg_surface *,
                    uint32_t serial) { surface_of(data)->configured(serial); },
};

const xdg_toplevel_listener kToplevelListener = {
    .configure =
        [](void *data, xdg_toplevel *, int32_t width, int32_t height, wl_array *) {
          surface_of(data)->want_size({width, height});
        },
    .close = [](void *data, xdg_toplevel *) { surface_of(data)->close_requested(); },
    .configure_bounds = [](void *, xdg_toplevel *, int32_t, int32_t) {},
    .wm_capabilities = [](void *, xdg_toplevel *, wl_array *) {},
};

const wl_callback_listener kFrameListener = {
    .done = [](void *data, wl_callback *, uint32_t) { surface_of(data)->frame_done(); },
};

WaylandSurface::WaylandSurface(wl_display *display, bool owned, std::string name)
    : display_(display), owned_(owned), name_(std::move(name))
{
  queue_ = wl_display_create_queue(display_);
  auto *wrapper = static_cast<wl_display *>(wl_proxy_create_wrapper(display_));
  wl_proxy_set_queue(reinterpret_cast<wl_proxy *>(wrapper), queue_);
  registry_ = wl_display_get_registry(wrapper);
  wl_proxy_wrapper_destroy(wrapper);
  wl_registry_add_listener(registry_, &kRegistryListener, this);
}

template <typename T, typename Destroy>
void clear(T *&object, Destroy destroy)
{
  if (object != nullptr)
    destroy(object);
  object = nullptr;
}

WaylandSurface::~WaylandSurface()
{
  if (prepared_)
    wl_display_cancel_read(display_);
  for (Image &image : images_)
    image.release();
  destroy();
  clear(shell_, xdg_wm_base_destroy);
  clear(shm_, wl_shm_destroy);
  clear(subcompositor_, wl_subcompositor_destroy);
  clear(compositor_, wl_compositor_destroy);
  clear(registry_, wl_registry_destroy);
  input_.release();
  wl_display_flush(display_);
  wl_event_queue_destroy(queue_);
  if (owned_)
    wl_display_disconnect(display_);
}

void WaylandSurface::destroy()
{
  input_.watch(nullptr);
  clear(frame_, wl_callback_destroy);
  clear(subsurface_, wl_subsurface_destroy);
  clear(toplevel_, xdg_toplevel_destroy);
  clear(xdg_surface_, xdg_surface_destroy);
  clear(surface_, wl_surface_destroy);
  // A closed window goes off the screen now, not with the element.
  wl_display_flush(display_);
  configured_ = false;
  wanted_ = {};
}

void WaylandSurface::add_global(uint32_t id, const char *interface, uint32_t version)
{
  const auto bind = [&](const wl_interface *type, uint32_t newest) {
    return wl_registry_bind(registry_, id, type, std::min(version, newest));
  };
  if (std::strcmp(interface, wl_compositor_interface.name) == 0) {
    compositor_ = static_cast<wl_compositor *>(bind(&wl_compositor_interface, 4));
  } else if (std::strcmp(interface, wl_subcompositor_interface.name) == 0) {
    subcompositor_ = static_cast<wl_subcompositor *>(bind(&wl_subcompositor_interface, 1));
  } else if (std::strcmp(interface, wl_shm_interface.name) == 0) {
    shm_ = static_cast<wl_shm *>(bind(&wl_shm_interface, 1));
  } else if (std::strcmp(interface, xdg_wm_base_interface.name) == 0) {
    shell_ = static_cast<xdg_wm_base *>(bind(&xdg_wm_base_interface, 1));
    xdg_wm_base_add_listener(shell_, &kShellListener, nullptr);
  } else if (std::strcmp(interface, wl_seat_interface.name) == 0 && !input_.attached()) {
    input_.attach(static_cast<wl_seat *>(bind(&wl_seat_interface, 3)));
  }
}

Status WaylandSurface::check()
{
  const bool answered = wl_display_roundtrip_queue(display_, queue_) >= 0;
  if (!answered || compositor_ == nullptr || shm_ == nullptr)
    return Failure{0,
                   "The " + name() +
                       " offers no surfaces. See that a compositor runs, or take another backend.",
                   std::string("compositor ") + (compositor_ != nullptr ? "yes" : "no") + ", shm " +
                       (shm_ != nullptr ? "yes" : "no")};
  return Done{};
}

Status WaylandSurface::create(const WindowWish &wish, Size natural)
{
  wish_ = wish;
  natural_ = natural;
  surface_ = wl_compositor_create_surface(compositor_);
  if (wish.handle != 0)
    return create_subsurface(wish);
  if (shell_ == nullptr)
    return Failure{0,
                   "The " + name() +
                       " has no xdg-shell and so no windows. Give the display a surface of the "
                       "application (GstVideoOverlay), or take another backend.",
                   ""};
  create_toplevel(wish);
  return Done{};
}

void WaylandSurface::create_toplevel(const WindowWish &wish)
{
  xdg_surface_ = xdg_wm_base_get_xdg_surface(shell_, surface_);
  xdg_surface_add_listener(xdg_surface_, &kXdgSurfaceListener, this);
  toplevel_ = xdg_surface_get_toplevel(xdg_surface_);
  xdg_toplevel_add_listener(toplevel_, &kToplevelListener, this);
  xdg_toplevel_set_app_id(toplevel_, kApplicationId);
  xdg_toplevel_set_title(toplevel_, wish.title.c_str());
  if (wish.fullscreen)
    xdg_toplevel_set_fullscreen(toplevel_, nullptr);
  if (wish.handle_events)
    input_.watch(surface_);
  // The compositor answers with a size; until then nothing may be attached.
  wl_surface_commit(surface_);
}

Status WaylandSurface::create_subsurface(const WindowWish &wish)
{
  if (owned_ || subcompositor_ == nullptr)
    return Failure{0,
                   "A wl_surface of the application can be drawn on only through its own "
                   "wl_display: answer the NEED_CONTEXT message for GstWlDisplayHandleContextType.",
                   "owned connection"};
  auto *parent = reinterpret_cast<wl_surface *>(wish.handle);
  subsurface_ = wl_subcompositor_get_subsurface(subcompositor_, surface_, parent);
  wl_subsurface_set_desync(subsurface_);
  wl_subsurface_set_position(subsurface_, wish.rectangle.x, wish.rectangle.y);
  size_ = wish.rectangle.size().empty() ? natural_ : wish.rectangle.size();
  if (wish.handle_events)
    input_.watch(surface_);
  configured_ = true;
  return Done{};
}

void WaylandSurface::configure(const WindowWish &wish)
{
  const WindowWish before = std::exchange(wish_, wish);
  if (surface_ == nullptr)
    return;
  if (wish.handle_events != before.handle_events)
    input_.watch(wish.handle_events ? surface_ : nullptr);
  if (toplevel_ != nullptr) {
    if (wish.title != before.title)
      xdg_toplevel_set_title(toplevel_, wish.title.c_str());
    if (wish.fullscreen && !before.fullscreen)
      xdg_toplevel_set_fullscreen(toplevel_, nullptr);
    if (!wish.fullscreen && before.fullscreen)
      xdg_toplevel_unset_fullscreen(toplevel_);
  } else if (subsurface_ != nullptr && wish.rectangle != before.rectangle) {
    wl_subsurface_set_position(subsurface_, wish.rectangle.x, wish.rectangle.y);
    size_ = wish.rectangle.size().empty() ? natural_ : wish.rectangle.size();
    exposed_ = true;
  }
}

void WaylandSurface::configured(uint32_t serial)
{
  xdg_surface_ack_configure(xdg_surface_, serial);
  const Size size = wanted_.empty() ? natural_ : wanted_;
  exposed_ = exposed_ || !configured_ || size != size_;
  size_ = size;
  configured_ = true;
}

void WaylandSurface::frame_done()
{
  clear(frame_, wl_callback_destroy);
}

bool WaylandSurface::prepare_poll()
{
  if (wl_display_prepare_read_queue(display_, queue_) != 0)
    return false;
  prepared_ = true;
  wl_display_flush(display_);
  return true;
}

bool WaylandSurface::dispatch(bool readable, SurfaceEvents &events)
{
  if (std::exchange(prepared_, false)) {
    if (readable)
      wl_display_read_events(display_);
    else
      wl_display_cancel_read(display_);
  }
  input_.set_receiver(&events);
  wl_display_dispatch_queue_pending(display_, queue_);
  input_.set_receiver(nullptr);
  if (wl_display_get_error(display_) != 0)
    return false;
  if (std::exchange(exposed_, false))
    events.on_exposed();
  if (std::exchange(close_requested_, false))
    events.on_close();
  return true;
}

std::optional<Canvas> WaylandSurface::canvas()
{
  if (!configured_ || frame_ != nullptr || size_.empty())
    return std::nullopt;
  for (Image &image : images_) {
    if (image.busy)
      continue;
    if ((image.size() != size_ || image.pixels() == nullptr) && !image.allocate(shm_, size_))
      return std::nullopt;
    painted_ = &image;
    return Canvas{image.pixels(), image.stride(), size_, GST_VIDEO_FORMAT_BGRx};
  }
  return std::nullopt;
}

void WaylandSurface::present()
{
  Image *image = std::exchange(painted_, nullptr);
  if (image == nullptr)
    return;
  image->busy = true;
  frame_ = wl_surface_frame(surface_);
  wl_callback_add_listener(frame_, &kFrameListener, this);
  wl_surface_attach(surface_, image->buffer(), 0, 0);
  wl_surface_damage(surface_, 0, 0, image->size().width, image->size().height);
  wl_surface_commit(surface_);
  wl_display_flush(display_);
}

}  // namespace

Result<std::unique_ptr<Surface>> connect_wayland(const std::string &display, wl_display *shared)
{
  wl_display *connection = shared;
  std::string name = display;
  const char *from_environment = std::getenv("WAYLAND_DISPLAY");
  if (name.empty())
    name = from_environment != nullptr ? from_environment : "wayland-0";
  if (connection == nullptr)
    connection = wl_display_connect(display.empty() ? nullptr : display.c_str());
  if (connection == nullptr)
    return Failure{
        0,
        "The Wayland display " + name +
            " cannot be reached. See that a compositor runs, that XDG_RUNTIME_DIR is its "
            "folder, and that WAYLAND_DISPLAY names it.",
        std::strerror(errno)};
  auto surface = std::make_unique<WaylandSurface>(connection, shared == nullptr, name);
  Status fits = surface->check();
  if (!fits)
    return fits.error();
  return std::unique_ptr<Surface>(std::move(surface));
}

}  // namespace streamlib::display
