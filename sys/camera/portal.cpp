// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/portal.h"

#include <condition_variable>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <pthread.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <gst/support/ownership.h>

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using support::adopt_object;
using support::CStr;
using support::Done;
using support::ErrorPtr;
using support::Failure;
using support::GObjectPtr;
using support::Status;

constexpr const char *kName = "org.freedesktop.portal.Desktop";
constexpr const char *kPath = "/org/freedesktop/portal/desktop";
constexpr const char *kCamera = "org.freedesktop.portal.Camera";
constexpr const char *kRequest = "org.freedesktop.portal.Request";
constexpr int kCallLimitMs = 1400;
// What a request ends with; all else is a fault of the portal or the end of its dialog.
constexpr guint32 kGranted = 0;
constexpr guint32 kCancelled = 1;

struct FreeVariant {
  void operator()(GVariant *variant) const { g_variant_unref(variant); }
};
using VariantPtr = std::unique_ptr<GVariant, FreeVariant>;

struct FreeContext {
  void operator()(GMainContext *context) const { g_main_context_unref(context); }
};

Failure failure_of(PortalError code, const std::string &debug)
{
  switch (code) {
    case PortalError::Missing:
      return {static_cast<int>(code),
              "There is no camera portal. Install xdg-desktop-portal with the backend of your "
              "desktop, or set `device` to a camera of the machine.",
              debug};
    case PortalError::Denied:
      return {static_cast<int>(code),
              "The desktop did not allow the use of a camera. Allow it in the desktop's settings "
              "of privacy or of this application, and start again.",
              debug};
    default:
      return {static_cast<int>(code),
              "The camera portal does not do its work. Restart xdg-desktop-portal, or set `device` "
              "to a camera of the machine.",
              debug};
  }
}

PortalError code_of(const GError *error)
{
  for (const int missing : {G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER,
                            G_DBUS_ERROR_UNKNOWN_METHOD, G_DBUS_ERROR_UNKNOWN_INTERFACE,
                            G_DBUS_ERROR_UNKNOWN_OBJECT, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND}) {
    if (g_error_matches(error, G_DBUS_ERROR, missing))
      return PortalError::Missing;
  }
  if (g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED))
    return PortalError::Denied;
  const CStr name(g_dbus_error_get_remote_error(error));
  return name && g_str_has_suffix(name.get(), ".NotAllowed") ? PortalError::Denied
                                                             : PortalError::Broken;
}

Failure failure_of(const GError *error)
{
  return failure_of(code_of(error), error->message);
}

}  // namespace

bool in_sandbox()
{
  const char *snap = std::getenv("SNAP");
  return access("/.flatpak-info", F_OK) == 0 || (snap != nullptr && *snap != '\0');
}

struct Portal::Shared {
  Shared() : context(g_main_context_new()), cancellable(adopt_object(g_cancellable_new())) {}

  void run();
  void ask();
  // The rest in the portal's thread.
  bool connect();
  void subscribe(const char *path);
  void end_request();
  void answer(guint32 code);
  void open_remote();
  void refuse(const Failure &failure);
  void accept();
  static void on_response(GDBusConnection *, const gchar *, const gchar *, const gchar *,
                          const gchar *, GVariant *parameters, gpointer user_data);
  static void on_vanished(GDBusConnection *, const gchar *, gpointer user_data);

  const std::unique_ptr<GMainContext, FreeContext> context;
  const GObjectPtr<GCancellable> cancellable;
  PortalEvents *events = nullptr;

  // Guards the two below. Held over no call.
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Status> taken_up;
  bool quit = false;

  // The portal's thread.
  GObjectPtr<GDBusConnection> bus;
  std::string request;
  guint response = 0;
  guint watch = 0;

  bool wants_quit()
  {
    std::lock_guard lock(mutex);
    return quit;
  }
};

void Portal::Shared::run()
{
  pthread_setname_np(pthread_self(), "slportal");
  g_main_context_push_thread_default(context.get());
  if (connect())
    ask();
  while (!wants_quit())
    g_main_context_iteration(context.get(), TRUE);
  end_request();
  bus.reset();
  // What was on its way to here.
  while (g_main_context_iteration(context.get(), FALSE)) {
  }
  g_main_context_pop_thread_default(context.get());
}

// A connection of its own: that of the process ends the process when the bus ends.
bool Portal::Shared::connect()
{
  GError *raw = nullptr;
  const CStr address(g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, cancellable.get(), &raw));
  if (address)
    bus = adopt_object(g_dbus_connection_new_for_address_sync(
        address.get(),
        static_cast<GDBusConnectionFlags>(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION),
        nullptr, cancellable.get(), &raw));
  const ErrorPtr error(raw);
  if (bus)
    g_dbus_connection_set_exit_on_close(bus.get(), FALSE);
  else
    refuse(failure_of(PortalError::Missing, error ? error->message : "no session bus"));
  return static_cast<bool>(bus);
}

void Portal::Shared::subscribe(const char *path)
{
  if (response != 0)
    g_dbus_connection_signal_unsubscribe(bus.get(), response);
  request = path;
  response =
      g_dbus_connection_signal_subscribe(bus.get(), kName, kRequest, "Response", path, nullptr,
                                         G_DBUS_SIGNAL_FLAGS_NONE, on_response, this, nullptr);
}

void Portal::Shared::ask()
{
  if (!bus || g_dbus_connection_is_closed(bus.get())) {
    bus.reset();
    if (!connect())
      return;
  }
  end_request();
  // The path of the answer follows from the name and the token, so that it cannot be missed.
  const CStr token(g_strdup_printf("streamlib%u", g_random_int()));
  std::string sender = g_dbus_connection_get_unique_name(bus.get()) + 1;
  for (char &c : sender)
    c = c == '.' ? '_' : c;
  subscribe((std::string(kPath) + "/request/" + sender + "/" + token.get()).c_str());

  GVariantBuilder options;
  g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add(&options, "{sv}", "handle_token", g_variant_new_string(token.get()));
  GError *raw = nullptr;
  const VariantPtr reply(g_dbus_connection_call_sync(
      bus.get(), kName, kPath, kCamera, "AccessCamera", g_variant_new("(a{sv})", &options),
      G_VARIANT_TYPE("(o)"), G_DBUS_CALL_FLAGS_NONE, kCallLimitMs, cancellable.get(), &raw));
  const ErrorPtr error(raw);
  if (!reply) {
    end_request();
    refuse(failure_of(error.get()));
    return;
  }
  const gchar *handle = nullptr;
  g_variant_get(reply.get(), "(&o)", &handle);
  if (request != handle)
    subscribe(handle);
  watch = g_bus_watch_name_on_connection(bus.get(), kName, G_BUS_NAME_WATCHER_FLAGS_NONE, nullptr,
                                         on_vanished, this, nullptr);
  accept();
}

void Portal::Shared::end_request()
{
  if (response != 0)
    g_dbus_connection_signal_unsubscribe(bus.get(), std::exchange(response, 0));
  if (watch != 0)
    g_bus_unwatch_name(std::exchange(watch, 0));
}

void Portal::Shared::on_response(GDBusConnection *, const gchar *, const gchar *, const gchar *,
                                 const gchar *, GVariant *parameters, gpointer user_data)
{
  guint32 code = kCancelled;
  if (g_variant_is_of_type(parameters, G_VARIANT_TYPE("(ua{sv})")))
    g_variant_get_child(parameters, 0, "u", &code);
  static_cast<Shared *>(user_data)->answer(code);
}

void Portal::Shared::on_vanished(GDBusConnection *, const gchar *, gpointer user_data)
{
  auto *self = static_cast<Shared *>(user_data);
  self->end_request();
  self->refuse(failure_of(PortalError::Broken, "the portal has ended while it asked"));
}

void Portal::Shared::answer(guint32 code)
{
  end_request();
  if (code == kGranted)
    open_remote();
  else
    refuse(failure_of(PortalError::Denied, code == kCancelled ? "cancelled" : "refused"));
}

void Portal::Shared::open_remote()
{
  GVariantBuilder options;
  g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
  GError *raw = nullptr;
  GUnixFDList *raw_fds = nullptr;
  const VariantPtr reply(g_dbus_connection_call_with_unix_fd_list_sync(
      bus.get(), kName, kPath, kCamera, "OpenPipeWireRemote", g_variant_new("(a{sv})", &options),
      G_VARIANT_TYPE("(h)"), G_DBUS_CALL_FLAGS_NONE, kCallLimitMs, nullptr, &raw_fds,
      cancellable.get(), &raw));
  ErrorPtr error(raw);
  const auto fds = adopt_object(raw_fds);
  if (!reply) {
    refuse(failure_of(error.get()));
    return;
  }
  gint32 index = -1;
  g_variant_get(reply.get(), "(h)", &index);
  raw = nullptr;
  const int fd = fds ? g_unix_fd_list_get(fds.get(), index, &raw) : -1;
  error.reset(raw);
  if (fd < 0)
    refuse(failure_of(PortalError::Broken, error ? error->message : "no file descriptor"));
  else if (!wants_quit())
    events->on_allowed(std::make_shared<PipeWireRemote>(fd));
  else
    close(fd);
}

void Portal::Shared::accept()
{
  std::lock_guard lock(mutex);
  if (!taken_up)
    taken_up.emplace(Done{});
  changed.notify_all();
}

// Told by start() while that waits, else as an event.
void Portal::Shared::refuse(const Failure &failure)
{
  {
    std::lock_guard lock(mutex);
    if (quit)
      return;
    if (!taken_up) {
      taken_up.emplace(failure);
      changed.notify_all();
      return;
    }
  }
  events->on_refused(failure);
}

std::shared_ptr<Portal::Shared> Portal::current() const
{
  std::lock_guard lock(control_);
  return shared_;
}

Status Portal::start(PortalEvents *events, milliseconds limit)
{
  auto shared = std::make_shared<Shared>();
  shared->events = events;
  {
    std::lock_guard lock(control_);
    shared_ = shared;
  }
  thread_ = std::thread([shared] { shared->run(); });
  std::unique_lock lock(shared->mutex);
  if (shared->changed.wait_for(lock, limit, [&] { return shared->taken_up.has_value(); }))
    return *shared->taken_up;
  return failure_of(PortalError::Broken,
                    "no answer within " + std::to_string(limit.count()) + " ms");
}

void Portal::ask_again()
{
  const auto shared = current();
  if (!shared)
    return;
  g_main_context_invoke_full(
      shared->context.get(), G_PRIORITY_DEFAULT,
      [](gpointer data) {
        const auto &shared = *static_cast<std::shared_ptr<Shared> *>(data);
        if (!shared->wants_quit())
          shared->ask();
        return G_SOURCE_REMOVE;
      },
      new std::shared_ptr<Shared>(shared),
      [](gpointer data) { delete static_cast<std::shared_ptr<Shared> *>(data); });
}

void Portal::stop()
{
  std::shared_ptr<Shared> shared;
  {
    std::lock_guard lock(control_);
    shared.swap(shared_);
  }
  if (!shared)
    return;
  {
    std::lock_guard lock(shared->mutex);
    shared->quit = true;
  }
  g_cancellable_cancel(shared->cancellable.get());
  g_main_context_wakeup(shared->context.get());
  // In an event, whose thread ends after it.
  if (thread_.get_id() == std::this_thread::get_id())
    thread_.detach();
  else
    thread_.join();
}

}  // namespace streamlib::camera
