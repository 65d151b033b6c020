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
  // When the time that next_check() gave has come, or wake() was called. Returns when to come again.
  virtual std::chrono::steady_clock::time_point on_check() = 0;

protected:
  ~WatchEvents() = default;
};

// GstDeviceMonitor may block on PipeWire or libcamera for as long as these like; so it lives in a
// thread that can be left behind. It keeps nothing of its owner but `events`, through a lock that
// stop() takes away.
class DeviceWatch {
public:
  DeviceWatch() = default;
  DeviceWatch(const DeviceWatch &) = delete;
  DeviceWatch &operator=(const DeviceWatch &) = delete;
  ~DeviceWatch() { stop(); }

  // Starts to look. `events` hears of changes after resume(). Fails at the limit.
  support::Result<std::vector<Device>> start(WatchEvents *events, std::chrono::milliseconds limit);
  // From now on events come.
  void resume();
  // Any thread: calls on_check() soon.
  void wake();
  // No event comes after this. Not from an event. Takes at most a second; a thread that is still
  // inside the monitor then ends when the monitor returns.
  void stop();

private:
  struct Shared;
  static void run(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace streamlib::camera
