// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include "sys/display/backend.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include "sys/common/limited.h"
#ifdef HAVE_GL
#include "sys/display/gldisplay.h"
#endif
#ifdef HAVE_X11
#include "sys/display/x11surface.h"
#endif
#ifdef HAVE_WAYLAND
#include "sys/display/waylandsurface.h"
#endif

namespace streamlib::display {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using support::Failure;
using support::Result;
using SurfaceResult = Result<std::unique_ptr<Surface>>;

// For all attempts together.
constexpr milliseconds kConnectLimit{1500};

constexpr std::array<const char *, 6> kNicks = {"auto", "wayland", "x11", "gl", "kms", "headless"};

template <typename Connect>
auto connect_until(steady_clock::time_point deadline, Backend backend, Connect connect)
    -> decltype(connect())
{
  const auto rest = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
  auto result = device::call_with_limit<decltype(connect())>(
      std::max(rest, milliseconds{1}), [connect = std::move(connect)] {
        // A server that ends during the handshake must not end the process.
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        return connect();
      });
  if (!result)
    return Failure{0,
                   std::string("The display server (") + nick_of(backend) +
                       ") accepts connections but does not answer. Restart it, or take another "
                       "backend.",
                   "no answer within " + std::to_string(kConnectLimit.count()) + " ms"};
  return std::move(*result);
}

[[maybe_unused]] Failure not_built(Backend backend)
{
  return {0,
          std::string("This build has no backend ") + nick_of(backend) +
              ". Build with its libraries, or take another backend.",
          ""};
}

SurfaceResult connect_to(Backend backend, const OpenWish &wish, steady_clock::time_point deadline)
{
#ifdef HAVE_WAYLAND
  if (backend == Backend::Wayland)
    return connect_until(deadline, backend, [name = wish.display, shared = wish.shared_wayland] {
      return connect_wayland(name, shared);
    });
#endif
#ifdef HAVE_X11
  if (backend == Backend::X11)
    return connect_until(deadline, backend, [name = wish.display] { return connect_x11(name); });
#endif
  return not_built(backend);
}

bool has_factory(const char *name)
{
  GstElementFactory *factory = gst_element_factory_find(name);
  if (factory == nullptr)
    return false;
  gst_object_unref(factory);
  return true;
}

bool kms_is_there()
{
  return access("/dev/dri/card0", R_OK | W_OK) == 0 && has_factory("kmssink");
}

bool has_screen_device()
{
  std::error_code error;
  for (const auto &entry : std::filesystem::directory_iterator("/dev/dri", error)) {
    if (entry.path().filename().string().rfind("card", 0) == 0)
      return true;
  }
  return false;
}

Failure missing(const char *factory)
{
  return {0,
          std::string("The element ") + factory +
              " is missing. Install the GStreamer plugin that has it, or take another backend.",
          ""};
}

Result<Opened> open_kms()
{
  if (!has_factory("kmssink"))
    return missing("kmssink");
  if (!has_screen_device())
    return Failure{
        0,
        "There is no screen for backend=kms: the machine has no /dev/dri/card0. See that "
        "the driver of its graphics card is loaded, or take another backend.",
        "/dev/dri has no card"};
  return Opened{Backend::Kms, nullptr, "asked for", nullptr};
}

Result<Opened> open_gl([[maybe_unused]] const OpenWish &wish,
                       [[maybe_unused]] steady_clock::time_point deadline)
{
#ifdef HAVE_GL
  if (!has_factory("glimagesinkelement"))
    return missing("glimagesink");
  Opened opened{Backend::Gl, nullptr, "asked for", nullptr};
  if (wish.shared_gl)
    return opened;
  auto display =
      connect_until(deadline, Backend::Gl, [name = wish.display] { return GlDisplay::open(name); });
  if (!display)
    return display.error();
  opened.gl = std::move(*display);
  return opened;
#else
  return not_built(Backend::Gl);
#endif
}

Result<Opened> open_named(const OpenWish &wish, steady_clock::time_point deadline)
{
  switch (wish.backend) {
    case Backend::Wayland:
    case Backend::X11: {
      SurfaceResult surface = connect_to(wish.backend, wish, deadline);
      if (!surface)
        return surface.error();
      return Opened{wish.backend, std::move(*surface), "asked for", nullptr};
    }
    case Backend::Gl:
      return open_gl(wish, deadline);
    case Backend::Kms:
      return open_kms();
    default:
      return Opened{Backend::Headless, nullptr, "asked for", nullptr};
  }
}

bool is_set(const char *variable)
{
  const char *value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

Opened open_best(const OpenWish &wish, steady_clock::time_point deadline)
{
  std::string tried;
  const auto attempt = [&](Backend backend) -> std::unique_ptr<Surface> {
    SurfaceResult surface = connect_to(backend, wish, deadline);
    if (surface)
      return std::move(*surface);
    tried += surface.error().text + " ";
    return nullptr;
  };
  if (wish.shared_wayland != nullptr || is_set("WAYLAND_DISPLAY")) {
    if (auto surface = attempt(Backend::Wayland))
      return {Backend::Wayland, std::move(surface), "WAYLAND_DISPLAY is set", nullptr};
  }
  if (is_set("DISPLAY")) {
    if (auto surface = attempt(Backend::X11))
      return {Backend::X11, std::move(surface), tried + "DISPLAY is set", nullptr};
  }
  if (kms_is_there())
    return {Backend::Kms, nullptr, tried + "No display server, and /dev/dri/card0 is ours",
            nullptr};
  return {Backend::Headless, nullptr,
          tried + "No display was found (WAYLAND_DISPLAY, DISPLAY, /dev/dri/card0)", nullptr};
}

}  // namespace

const char *nick_of(Backend backend)
{
  return kNicks[static_cast<size_t>(backend)];
}

Result<Opened> open_display(const OpenWish &wish)
{
  const auto deadline = steady_clock::now() + kConnectLimit;
  if (wish.backend == Backend::Auto)
    return open_best(wish, deadline);
  return open_named(wish, deadline);
}

}  // namespace streamlib::display
