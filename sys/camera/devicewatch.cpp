// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/devicewatch.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include <pthread.h>

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::StructurePtr;

constexpr milliseconds kStopLimit{1000};
constexpr milliseconds kJoinLimit{1000};
constexpr const char *kPipeWireProvider = "pipewiredeviceprovider";
constexpr milliseconds kLookAgain{200};
constexpr const char *kDeviceClass = "Video/Source";

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

std::vector<Device> take_all(GList *list, const std::shared_ptr<PipeWireRemote> &remote)
{
  std::vector<Device> devices;
  for (GList *item = list; item != nullptr; item = item->next) {
    auto device = adopt_object(GST_DEVICE(item->data));
    if (gst_device_has_classes(device.get(), kDeviceClass))
      devices.push_back({device, info_of(device.get()), remote});
  }
  g_list_free(list);
  return devices;
}

// A device provider that runs.
struct Provider {
  GObjectPtr<GstDeviceProvider> provider;
  // Those that do not tell changes have what they had at the start.
  std::vector<Device> fixed;
};

// Where devices are looked for: by all providers of the machine, as GstDeviceMonitor does it, but
// for one: that of PipeWire is one of our own on a connection of our own. The one that a process
// shares never finds a server again that has ended, does not know the connections that a portal
// hands out, and (0.3.65) takes no lock when it stops: it crashes when news arrive just then, as
// they do when a stream has ended. A connection of our own can be silenced before.
class Place {
public:
  Place() = default;
  // Just what is on this connection.
  explicit Place(std::shared_ptr<PipeWireRemote> remote) : remote_(std::move(remote)), given_(true)
  {}

  // May block for as long as it likes.
  void start()
  {
    if (!given_)
      start_all();
    if (!remote_)
      remote_ = PipeWireRemote::connect();
    if (remote_)
      pipewire_ = make_pipewire(remote_->fd());
    if (pipewire_ && !start_one(pipewire_.get()))
      pipewire_.reset();
  }
  void stop()
  {
    for (const Provider &running : providers_) {
      if (gst_device_provider_can_monitor(running.provider.get()))
        gst_device_provider_stop(running.provider.get());
    }
    providers_.clear();
    if (!pipewire_)
      return;
    remote_->silence();
    gst_device_provider_stop(pipewire_.get());
    pipewire_.reset();
  }

  std::vector<Device> devices()
  {
    std::vector<Device> all;
    const auto add = [&all](std::vector<Device> more) {
      std::move(more.begin(), more.end(), std::back_inserter(all));
    };
    // In the order of their ranks, which PipeWire has the highest of.
    if (pipewire_)
      add(take_all(gst_device_provider_get_devices(pipewire_.get()), given_ ? remote_ : nullptr));
    for (const Provider &running : providers_) {
      if (gst_device_provider_can_monitor(running.provider.get()))
        add(take_all(gst_device_provider_get_devices(running.provider.get()), nullptr));
      else
        add(running.fixed);
    }
    return all;
  }

private:
  static bool start_one(GstDeviceProvider *provider)
  {
    const bool started = gst_device_provider_start(provider);
    // The list is what we look at.
    const auto bus = adopt_object(gst_device_provider_get_bus(provider));
    gst_bus_set_flushing(bus.get(), TRUE);
    return started;
  }

  static GObjectPtr<GstDeviceProvider> make_pipewire(int fd)
  {
    const auto feature = adopt_object(gst_registry_find_feature(
        gst_registry_get(), kPipeWireProvider, GST_TYPE_DEVICE_PROVIDER_FACTORY));
    const auto loaded = adopt_object(feature ? gst_plugin_feature_load(feature.get()) : nullptr);
    if (!loaded)
      return nullptr;
    const GType type =
        gst_device_provider_factory_get_device_provider_type(loaded.as<GstDeviceProviderFactory>());
    return support::sink_object(
        static_cast<GstDeviceProvider *>(g_object_new(type, "fd", fd, nullptr)));
  }

  void start_all()
  {
    GList *factories = gst_device_provider_factory_list_get_device_providers(GST_RANK_MARGINAL);
    for (GList *item = factories; item != nullptr; item = item->next) {
      auto *factory = GST_DEVICE_PROVIDER_FACTORY(item->data);
      if (gst_device_provider_factory_has_classes(factory, kDeviceClass) &&
          g_strcmp0(GST_OBJECT_NAME(factory), kPipeWireProvider) != 0)
        add(adopt_object(gst_device_provider_factory_get(factory)));
    }
    gst_plugin_feature_list_free(factories);
  }
  void add(GObjectPtr<GstDeviceProvider> provider)
  {
    if (!provider)
      return;
    if (!gst_device_provider_can_monitor(provider.get()))
      providers_.push_back(
          {provider, take_all(gst_device_provider_get_devices(provider.get()), nullptr)});
    else if (start_one(provider.get()))
      providers_.push_back({provider, {}});
  }

  std::shared_ptr<PipeWireRemote> remote_;
  bool given_ = false;
  std::vector<Provider> providers_;
  GObjectPtr<GstDeviceProvider> pipewire_;
};

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
  // Guards all below but the place. Held over no call of foreign code.
  std::mutex mutex;
  std::condition_variable changed;
  WatchEvents *events = nullptr;
  GObjectPtr<GObject> owner;
  bool listed = false;
  bool resumed = false;
  bool quit = false;
  // The owner is left alone; all is over.
  bool ended = false;
  bool over = false;
  std::vector<Device> devices;
  std::shared_ptr<PipeWireRemote> next_remote;
  bool woken = false;

  // The thread's own once that runs.
  std::unique_ptr<Place> place;

  bool wants_quit()
  {
    std::lock_guard lock(mutex);
    return quit;
  }
  void wake()
  {
    std::lock_guard lock(mutex);
    woken = true;
    changed.notify_all();
  }
  void sleep_until(steady_clock::time_point time)
  {
    std::unique_lock lock(mutex);
    changed.wait_until(lock, time, [this] { return quit || woken; });
    woken = false;
  }
  std::shared_ptr<PipeWireRemote> take_next_remote()
  {
    std::lock_guard lock(mutex);
    return std::exchange(next_remote, nullptr);
  }
};

namespace {

bool holds(const std::vector<Device> &devices, const Device &wanted)
{
  return std::any_of(devices.begin(), devices.end(),
                     [&wanted](const Device &device) { return device.device == wanted.device; });
}

// What has come and gone since `known` was true.
void tell_changes(WatchEvents *events, Place &place, std::vector<Device> *known)
{
  const std::vector<Device> before = std::exchange(*known, place.devices());
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

void DeviceWatch::watch(Shared &shared)
{
  std::vector<Device> known;
  WatchEvents *events;
  {
    std::unique_lock lock(shared.mutex);
    known = shared.devices;
    shared.listed = true;
    shared.changed.notify_all();
    // Ends with stop() at the latest, which an owner never leaves out.
    shared.changed.wait(lock, [&shared] { return shared.resumed || shared.quit; });
    events = shared.events;
  }
  steady_clock::time_point next = steady_clock::now();
  while (!shared.wants_quit()) {
    if (auto remote = shared.take_next_remote()) {
      shared.place->stop();
      shared.place = std::make_unique<Place>(std::move(remote));
      shared.place->start();
      known.clear();
    }
    shared.sleep_until(std::min(next, steady_clock::now() + kLookAgain));
    if (shared.wants_quit())
      break;
    tell_changes(events, *shared.place, &known);
    next = events->on_check();
  }
}

void DeviceWatch::run(std::shared_ptr<Shared> shared)
{
  pthread_setname_np(pthread_self(), "slcamera");
  shared->place->start();
  auto devices = shared->place->devices();
  {
    std::lock_guard lock(shared->mutex);
    shared->devices = std::move(devices);
  }
  watch(*shared);
  leave(*shared);
  shared->place->stop();
  shared->place.reset();
  std::lock_guard lock(shared->mutex);
  shared->over = true;
  shared->changed.notify_all();
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

std::shared_ptr<DeviceWatch::Shared> DeviceWatch::current() const
{
  std::lock_guard lock(control_);
  return shared_;
}

Result<std::vector<Device>> DeviceWatch::start(WatchEvents *events, GObject *owner,
                                               milliseconds limit,
                                               std::shared_ptr<PipeWireRemote> remote)
{
  auto shared = std::make_shared<Shared>();
  shared->events = events;
  shared->owner = support::share_object(owner);
  shared->place = remote ? std::make_unique<Place>(std::move(remote)) : std::make_unique<Place>();
  threads_.push_back({shared, std::thread([shared] { run(shared); })});
  {
    std::lock_guard lock(control_);
    shared_ = shared;
  }

  std::unique_lock lock(shared->mutex);
  if (shared->changed.wait_for(lock, limit, [&] { return shared->listed; }))
    return shared->devices;
  return Failure{0,
                 "Looking for cameras took longer than " + std::to_string(limit.count()) +
                     " ms. See whether PipeWire answers (pw-cli info), or set device=test.",
                 "a device provider does not return from its start"};
}

void DeviceWatch::resume()
{
  const auto shared = current();
  std::lock_guard lock(shared->mutex);
  shared->resumed = true;
  shared->changed.notify_all();
}

void DeviceWatch::wake()
{
  if (const auto shared = current())
    shared->wake();
}

bool DeviceWatch::look_at(std::shared_ptr<PipeWireRemote> remote)
{
  const auto shared = current();
  if (!shared)
    return false;
  {
    std::lock_guard lock(shared->mutex);
    shared->next_remote = std::move(remote);
  }
  shared->wake();
  return true;
}

void DeviceWatch::stop()
{
  std::shared_ptr<Shared> shared;
  {
    std::lock_guard lock(control_);
    shared.swap(shared_);
  }
  if (!shared)
    return;
  GObjectPtr<GObject> owner;
  {
    std::lock_guard lock(shared->mutex);
    shared->quit = true;
    shared->changed.notify_all();
    // Still inside a provider's start: it will call nobody.
    if (!shared->listed)
      owner = std::move(shared->owner);
  }
  shared->wake();
  {
    std::unique_lock lock(shared->mutex);
    if (shared->listed)
      shared->changed.wait_for(lock, kStopLimit, [&shared] { return shared->ended; });
  }
  // Those that are over by now need not be kept.
  std::erase_if(threads_, [](Thread &thread) {
    {
      std::lock_guard lock(thread.shared->mutex);
      if (!thread.shared->over)
        return false;
    }
    thread.thread.join();
    return true;
  });
}

DeviceWatch::~DeviceWatch()
{
  stop();
  for (Thread &thread : threads_) {
    bool over = false;
    // The last reference of the owner may have been that of the thread.
    if (thread.thread.get_id() != std::this_thread::get_id()) {
      std::unique_lock lock(thread.shared->mutex);
      over = thread.shared->changed.wait_for(lock, kJoinLimit,
                                             [&thread] { return thread.shared->over; });
    }
    if (over)
      thread.thread.join();
    else
      thread.thread.detach();
  }
}

}  // namespace streamlib::camera
