// SPDX-License-Identifier: LGPL-2.1-or-later
// The cameras of the machine, looked for and watched in a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/camera/devicematch.h"

namespace streamlib::camera {

struct Device {
  support::GObjectPtr<GstDevice> device;
  DeviceInfo info;
};

DeviceInfo info_of(GstDevice *device);
std::vector<DeviceInfo> infos_of(const std::vector<Device> &devices);

// What the watch tells, in its thread.
class WatchEvents {
public:
  virtual void on_added(const Device &device) = 0;
  virtual void on_removed(const DeviceInfo &info) = 0;
  // At the time that the last call asked for, and after each event and wake(). Returns when to come
  // again at the latest.
  virtual std::chrono::steady_clock::time_point on_check() = 0;

protected:
  ~WatchEvents() = default;
};

// GstDeviceMonitor may block on PipeWire or libcamera for as long as these like; so it lives in a
// thread that can be left behind. While it may still call `events`, it keeps their owner alive.
class DeviceWatch {
public:
  DeviceWatch() = default;
  DeviceWatch(const DeviceWatch &) = delete;
  DeviceWatch &operator=(const DeviceWatch &) = delete;
  ~DeviceWatch() { stop(); }

  // Starts to look. `events`, which is a part of `owner`, hears of changes after resume(). Fails at
  // the limit.
  support::Result<std::vector<Device>> start(WatchEvents *events, GObject *owner,
                                             std::chrono::milliseconds limit);
  // From now on events come.
  void resume();
  // Any thread: calls on_check() soon.
  void wake();
  // Not from an event. Takes at most a second. The thread ends a moment later, or when foreign code
  // that holds it returns.
  void stop();

private:
  struct Shared;
  static void run(std::shared_ptr<Shared> shared);
  static void leave(Shared &shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace streamlib::camera
