// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/check/fakecamera.h"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <gst/allocators/gstdmabuf.h>
#include <gst/base/gstpushsrc.h>
#include <gst/video/video.h>

namespace fakecamera {

namespace {

constexpr int kFramesBeforeFault = 10;

struct Plugged {
  Camera camera;
  std::atomic<Fault> fault;
};

struct World {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Plugged>> cameras;
  std::map<std::string, GstDevice *> devices;
  GstDeviceProvider *provider = nullptr;
  std::atomic<bool> held = false;
};

World &world()
{
  static World instance;
  return instance;
}

}  // namespace

// ---- The source

struct Source {
  GstPushSrc parent;
  std::shared_ptr<Plugged> *plugged;
  GstVideoInfo info;
  guint64 frames;
  std::atomic<bool> *unlocked;
};
struct SourceClass {
  GstPushSrcClass parent;
};

static GstStaticPadTemplate source_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY), format=GRAY8"));

G_DEFINE_TYPE(Source, source, GST_TYPE_PUSH_SRC)

static Source *source_cast(gpointer object)
{
  return static_cast<Source *>(object);
}

static gboolean source_start(GstBaseSrc *base)
{
  Source *self = source_cast(base);
  self->frames = 0;
  switch ((*self->plugged)->fault.load()) {
    case Fault::Busy:
      GST_ELEMENT_ERROR(self, RESOURCE, BUSY, ("Device is busy"), ("fake"));
      return FALSE;
    case Fault::Denied:
      GST_ELEMENT_ERROR(self, RESOURCE, OPEN_READ_WRITE, ("Could not open device"),
                        ("system error: Permission denied"));
      return FALSE;
    default:
      return TRUE;
  }
}

static gboolean source_set_caps(GstBaseSrc *base, GstCaps *caps)
{
  return gst_video_info_from_caps(&source_cast(base)->info, caps);
}

static GstCaps *source_get_caps(GstBaseSrc *base, GstCaps *filter)
{
  GstCaps *caps = gst_caps_from_string((*source_cast(base)->plugged)->camera.caps.c_str());
  if (filter != nullptr) {
    GstCaps *both = gst_caps_intersect(caps, filter);
    gst_caps_unref(caps);
    caps = both;
  }
  return caps;
}

static void wait_for(Source *self, GstClockTime duration_ns)
{
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(duration_ns / 1000);
  while (g_get_monotonic_time() < end && !self->unlocked->load())
    g_usleep(1000);
}

// The allocator takes any file descriptor that can be mapped.
static GstBuffer *dmabuf_of(gsize size)
{
  const int fd = memfd_create("fakecamera", MFD_CLOEXEC);
  if (ftruncate(fd, static_cast<off_t>(size)) != 0)
    g_error("no memory for a frame");
  GstAllocator *allocator = gst_dmabuf_allocator_new();
  GstBuffer *buffer = gst_buffer_new();
  gst_buffer_append_memory(buffer, gst_dmabuf_allocator_alloc(allocator, fd, size));
  gst_object_unref(allocator);
  return buffer;
}

static GstFlowReturn source_create(GstPushSrc *push, GstBuffer **buffer)
{
  Source *self = source_cast(push);
  const GstClockTime duration =
      gst_util_uint64_scale_int(GST_SECOND, self->info.fps_d, self->info.fps_n);
  wait_for(self, duration);
  const Plugged &plugged = **self->plugged;
  const Fault fault = self->frames < kFramesBeforeFault ? Fault::None : plugged.fault.load();
  if (fault == Fault::Dies) {
    GST_ELEMENT_ERROR(self, RESOURCE, READ, ("Could not read from resource."), ("fake"));
    return GST_FLOW_ERROR;
  }
  if (fault == Fault::Ends)
    return GST_FLOW_EOS;
  while (plugged.fault.load() == Fault::Stalls && self->frames >= kFramesBeforeFault &&
         !self->unlocked->load())
    g_usleep(5000);
  if (self->unlocked->load())
    return GST_FLOW_FLUSHING;
  const gsize size = GST_VIDEO_INFO_SIZE(&self->info) / (fault == Fault::Short ? 2 : 1);
  *buffer =
      plugged.camera.dmabuf ? dmabuf_of(size) : gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_memset(*buffer, 0, plugged.camera.value, size);
  self->frames++;
  return GST_FLOW_OK;
}

static void source_get_times(GstBaseSrc *, GstBuffer *, GstClockTime *start, GstClockTime *end)
{
  *start = *end = GST_CLOCK_TIME_NONE;
}

static gboolean source_unlock(GstBaseSrc *base)
{
  source_cast(base)->unlocked->store(true);
  return TRUE;
}

static gboolean source_unlock_stop(GstBaseSrc *base)
{
  source_cast(base)->unlocked->store(false);
  return TRUE;
}

static void source_finalize(GObject *object)
{
  delete source_cast(object)->plugged;
  delete source_cast(object)->unlocked;
  G_OBJECT_CLASS(source_parent_class)->finalize(object);
}

static void source_class_init(SourceClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = source_finalize;
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &source_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Fake camera", "Source/Video",
                                        "A camera of a test", "The gst-streamlib developers");
  auto *base = GST_BASE_SRC_CLASS(klass);
  base->start = source_start;
  base->set_caps = source_set_caps;
  base->get_caps = source_get_caps;
  base->get_times = source_get_times;
  base->unlock = source_unlock;
  base->unlock_stop = source_unlock_stop;
  GST_PUSH_SRC_CLASS(klass)->create = source_create;
}

static void source_init(Source *self)
{
  self->plugged = new std::shared_ptr<Plugged>();
  self->unlocked = new std::atomic<bool>(false);
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static GstElement *make_source(const std::shared_ptr<Plugged> &plugged)
{
  auto *self = static_cast<Source *>(g_object_new(source_get_type(), nullptr));
  *self->plugged = plugged;
  gst_base_src_set_do_timestamp(GST_BASE_SRC(self), plugged->fault.load() != Fault::NoStamps);
  return GST_ELEMENT(self);
}

// ---- The device

struct Device {
  GstDevice parent;
  std::shared_ptr<Plugged> *plugged;
};
struct DeviceClass {
  GstDeviceClass parent;
};

G_DEFINE_TYPE(Device, device, GST_TYPE_DEVICE)

static GstElement *device_create_element(GstDevice *device, const gchar *)
{
  const auto &plugged = *reinterpret_cast<Device *>(device)->plugged;
  if (plugged->camera.make != nullptr)
    return plugged->camera.make();
  if (plugged->camera.launch.empty())
    return make_source(plugged);
  return gst_parse_bin_from_description(plugged->camera.launch.c_str(), TRUE, nullptr);
}

static void device_finalize(GObject *object)
{
  delete reinterpret_cast<Device *>(object)->plugged;
  G_OBJECT_CLASS(device_parent_class)->finalize(object);
}

static void device_class_init(DeviceClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = device_finalize;
  GST_DEVICE_CLASS(klass)->create_element = device_create_element;
}

static void device_init(Device *self)
{
  self->plugged = new std::shared_ptr<Plugged>();
}

static GstDevice *make_device(const std::shared_ptr<Plugged> &plugged)
{
  const Camera &camera = plugged->camera;
  GstCaps *caps = gst_caps_from_string(camera.caps.c_str());
  GstStructure *properties =
      gst_structure_new("properties", "device.api", G_TYPE_STRING, "fake", "device.path",
                        G_TYPE_STRING, camera.path.c_str(), nullptr);
  if (!camera.serial.empty())
    gst_structure_set(properties, "device.serial", G_TYPE_STRING, camera.serial.c_str(), nullptr);
  auto *device = static_cast<Device *>(
      g_object_new(device_get_type(), "display-name", camera.name.c_str(), "caps", caps,
                   "device-class", "Video/Source", "properties", properties, nullptr));
  *device->plugged = plugged;
  gst_structure_free(properties);
  gst_caps_unref(caps);
  return GST_DEVICE(device);
}

// ---- The provider

struct Provider {
  GstDeviceProvider parent;
};
struct ProviderClass {
  GstDeviceProviderClass parent;
};

G_DEFINE_TYPE(Provider, provider, GST_TYPE_DEVICE_PROVIDER)

static void announce_locked(const std::shared_ptr<Plugged> &plugged)
{
  GstDevice *device = make_device(plugged);
  gst_object_ref(device);
  world().devices[plugged->camera.path] = device;
  gst_device_provider_device_add(world().provider, device);
}

static gboolean provider_start(GstDeviceProvider *provider)
{
  while (world().held.load())
    g_usleep(5000);
  std::lock_guard lock(world().mutex);
  world().provider = provider;
  for (const auto &[path, plugged] : world().cameras)
    announce_locked(plugged);
  return TRUE;
}

static void forget_devices_locked()
{
  for (auto &[path, device] : world().devices)
    gst_object_unref(device);
  world().devices.clear();
}

static void provider_stop(GstDeviceProvider *)
{
  std::lock_guard lock(world().mutex);
  world().provider = nullptr;
  forget_devices_locked();
}

static void provider_class_init(ProviderClass *klass)
{
  auto *provider = GST_DEVICE_PROVIDER_CLASS(klass);
  provider->start = provider_start;
  provider->stop = provider_stop;
  gst_device_provider_class_set_static_metadata(provider, "Fake cameras", "Video/Source",
                                                "Cameras of a test",
                                                "The gst-streamlib developers");
}

static void provider_init(Provider *) {}

void init()
{
  // A second registration would make a second provider, without the cameras of the first.
  static const bool once = gst_device_provider_register(nullptr, "fakecameraprovider",
                                                        GST_RANK_PRIMARY, provider_get_type());
  (void)once;
}

void plug(const Camera &camera)
{
  auto plugged = std::make_shared<Plugged>();
  plugged->camera = camera;
  plugged->fault.store(camera.fault);
  std::lock_guard lock(world().mutex);
  world().cameras[camera.path] = plugged;
  if (world().provider != nullptr)
    announce_locked(plugged);
}

void unplug(const std::string &path)
{
  std::lock_guard lock(world().mutex);
  world().cameras.erase(path);
  const auto found = world().devices.find(path);
  if (found == world().devices.end())
    return;
  gst_device_provider_device_remove(world().provider, found->second);
  gst_object_unref(found->second);
  world().devices.erase(found);
}

void unplug_all()
{
  std::vector<std::string> paths;
  {
    std::lock_guard lock(world().mutex);
    for (const auto &[path, plugged] : world().cameras)
      paths.push_back(path);
  }
  for (const std::string &path : paths)
    unplug(path);
}

void wait_until_unwatched()
{
  for (int i = 0; i < 400; i++) {
    {
      std::lock_guard lock(world().mutex);
      if (world().provider == nullptr)
        return;
    }
    g_usleep(5000);
  }
  g_error("a device monitor is still running two seconds after its element");
}

void set_fault(const std::string &path, Fault fault)
{
  std::lock_guard lock(world().mutex);
  const auto found = world().cameras.find(path);
  if (found != world().cameras.end())
    found->second->fault.store(fault);
}

void hold_enumeration(bool held)
{
  world().held.store(held);
}

}  // namespace fakecamera
