// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/devicewatch.h"

#include <algorithm>
#include <thread>
#include <utility>

#include <pthread.h>

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using support::adopt_mini;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::Result;
using support::StructurePtr;

constexpr milliseconds kStopLimit{1000};
constexpr milliseconds kQuietTime{250};
constexpr milliseconds kLookAgain{200};
constexpr const char *kDeviceClass = "Video/Source";

GstMessage *wake_up()
{
  return gst_message_new_application(nullptr, gst_structure_new_empty("wake"));
}

std::string text_in(const GstStructure *properties, const char *field)
{
  const gchar *text = properties != nullptr ? gst_structure_get_string(properties, field) : nullptr;
  return text != nullptr ? text : "";
}

// "v4l2:/dev/video0" is the same place as "/dev/video0".
std::string plain_path(const std::string &path)
{
  const std::string prefix = "v4l2:";
  return path.rfind(prefix, 0) == 0 ? path.substr(prefix.size()) : path;
}

void add_path(DeviceInfo *info, const std::string &path)
{
  if (path.empty())
    return;
  for (const std::string &known : info->paths) {
    if (known == path)
      return;
  }
  info->paths.push_back(path);
}

std::string api_of(GstDevice *device, const GstStructure *properties)
{
  const std::string type = G_OBJECT_TYPE_NAME(device);
  if (type == "GstPipeWireDevice")
    return "pipewire";
  if (type == "GstLibcameraDevice")
    return "libcamera";
  const std::string api = text_in(properties, "device.api");
  return !api.empty() ? api : type;
}

}  // namespace

DeviceInfo info_of(GstDevice *device)
{
  const StructurePtr properties(gst_device_get_properties(device));
  DeviceInfo info;
  support::CStr name(gst_device_get_display_name(device));
  info.name = name ? name.get() : "";
  info.serial = text_in(properties.get(), "device.serial");
  info.api = api_of(device, properties.get());
  for (const char *field : {"device.path", "api.v4l2.path", "object.path", "node.name"})
    add_path(&info, plain_path(text_in(properties.get(), field)));
  return info;
}

std::vector<DeviceInfo> infos_of(const std::vector<Device> &devices)
{
  std::vector<DeviceInfo> infos;
  for (const Device &device : devices)
    infos.push_back(device.info);
  return infos;
}

struct DeviceWatch::Shared {
  // Guards all below. Held over no call of foreign code.
  std::mutex mutex;
  std::condition_variable changed;
  WatchEvents *events = nullptr;
  GObjectPtr<GObject> owner;
  bool listed = false;
  bool resumed = false;
  bool quit = false;
  bool ended = false;
  std::vector<Device> devices;

  GObjectPtr<GstDeviceMonitor> monitor;
  // The monitor's; our own wake-up goes through it as well.
  GObjectPtr<GstBus> bus;

  bool wants_quit()
  {
    std::lock_guard lock(mutex);
    return quit;
  }
};

namespace {

std::vector<Device> devices_of(GstDeviceMonitor *monitor)
{
  std::vector<Device> devices;
  GList *list = gst_device_monitor_get_devices(monitor);
  for (GList *item = list; item != nullptr; item = item->next) {
    auto device = adopt_object(GST_DEVICE(item->data));
    devices.push_back({device, info_of(device.get())});
  }
  g_list_free(list);
  return devices;
}

GstClockTime until(steady_clock::time_point time)
{
  const auto rest = std::chrono::duration_cast<nanoseconds>(time - steady_clock::now()).count();
  return rest > 0 ? static_cast<GstClockTime>(rest) : 0;
}

bool holds(const std::vector<Device> &devices, const Device &wanted)
{
  return std::any_of(devices.begin(), devices.end(),
                     [&wanted](const Device &device) { return device.device == wanted.device; });
}

// What has come and gone since `known` was true.
void tell_changes(WatchEvents *events, GstDeviceMonitor *monitor, std::vector<Device> *known)
{
  const std::vector<Device> before = std::exchange(*known, devices_of(monitor));
  for (const Device &device : before) {
    if (!holds(*known, device))
      events->on_removed(device.info);
  }
  for (const Device &device : *known) {
    if (!holds(before, device))
      events->on_added(device);
  }
}

}  // namespace

void DeviceWatch::run(std::shared_ptr<Shared> shared)
{
  pthread_setname_np(pthread_self(), "slcamera");
  GstDeviceMonitor *monitor = shared->monitor.get();
  const bool started = gst_device_monitor_start(monitor);
  std::vector<Device> known;
  if (started)
    known = devices_of(monitor);
  WatchEvents *events;
  {
    std::unique_lock lock(shared->mutex);
    shared->devices = known;
    shared->listed = true;
    shared->changed.notify_all();
    // Ends with stop() at the latest, which an owner never leaves out.
    shared->changed.wait(lock, [&shared] { return shared->resumed || shared->quit; });
    events = shared->events;
  }
  // A monitor without a provider has a bus that takes nothing: there is nothing to watch then.
  steady_clock::time_point next = steady_clock::now();
  while (started && !shared->wants_quit()) {
    const auto types = static_cast<GstMessageType>(
        GST_MESSAGE_DEVICE_ADDED | GST_MESSAGE_DEVICE_REMOVED | GST_MESSAGE_APPLICATION);
    // Of all monitors of a process only the one that was started last gets messages (GStreamer
    // 1.22), but each has the list.
    const auto look = std::min(next, steady_clock::now() + kLookAgain);
    adopt_mini(gst_bus_timed_pop_filtered(shared->bus.get(), until(look), types));
    if (shared->wants_quit())
      break;
    tell_changes(events, monitor, &known);
    next = events->on_check();
  }
  leave(*shared);
  if (!started)
    return;
  // PipeWire's provider (0.3.65) crashes when it is stopped while news of a node are on their way,
  // as they are just after a stream on that node has ended.
  std::this_thread::sleep_for(kQuietTime);
  gst_device_monitor_stop(monitor);
}

// From here on the owner is left alone.
void DeviceWatch::leave(Shared &shared)
{
  GObjectPtr<GObject> owner;
  {
    std::lock_guard lock(shared.mutex);
    owner = std::move(shared.owner);
  }
  // Its last reference may be this one; nothing is locked.
  owner.reset();
  std::lock_guard lock(shared.mutex);
  shared.ended = true;
  shared.changed.notify_all();
}

Result<std::vector<Device>> DeviceWatch::start(WatchEvents *events, GObject *owner,
                                               milliseconds limit)
{
  shared_ = std::make_shared<Shared>();
  shared_->events = events;
  shared_->owner = support::share_object(owner);
  shared_->monitor = adopt_object(gst_device_monitor_new());
  // The same camera by several backends: devicematch knows how to deal with that.
  gst_device_monitor_set_show_all_devices(shared_->monitor.get(), TRUE);
  gst_device_monitor_add_filter(shared_->monitor.get(), kDeviceClass, nullptr);
  shared_->bus = adopt_object(gst_device_monitor_get_bus(shared_->monitor.get()));
  std::thread([shared = shared_] { run(shared); }).detach();

  std::unique_lock lock(shared_->mutex);
  if (shared_->changed.wait_for(lock, limit, [this] { return shared_->listed; }))
    return shared_->devices;
  return Failure{0,
                 "Looking for cameras took longer than " + std::to_string(limit.count()) +
                     " ms. See whether PipeWire answers (pw-cli info), or set device=test.",
                 "gst_device_monitor_start() does not return"};
}

void DeviceWatch::resume()
{
  std::lock_guard lock(shared_->mutex);
  shared_->resumed = true;
  shared_->changed.notify_all();
}

void DeviceWatch::wake()
{
  if (shared_)
    gst_bus_post(shared_->bus.get(), wake_up());
}

void DeviceWatch::stop()
{
  if (!shared_)
    return;
  const auto shared = std::exchange(shared_, nullptr);
  GObjectPtr<GObject> owner;
  {
    std::lock_guard lock(shared->mutex);
    shared->quit = true;
    shared->changed.notify_all();
    // Still inside the monitor's start: it will call nobody.
    if (!shared->listed)
      owner = std::move(shared->owner);
  }
  gst_bus_post(shared->bus.get(), wake_up());
  std::unique_lock lock(shared->mutex);
  if (shared->listed)
    shared->changed.wait_for(lock, kStopLimit, [&shared] { return shared->ended; });
}

}  // namespace streamlib::camera
