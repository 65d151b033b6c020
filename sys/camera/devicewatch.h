// SPDX-License-Identifier: LGPL-2.1-or-later
// The cameras of the machine, looked for and watched in a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/camera/devicematch.h"
#include "sys/camera/pipewireremote.h"

namespace streamlib::camera {

struct Device {
  support::GObjectPtr<GstDevice> device;
  DeviceInfo info;
  // The connection that it was found through, where that is one of ours.
  std::shared_ptr<PipeWireRemote> remote;
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

// Device providers may block on PipeWire or libcamera for as long as these like; so they live in a
// thread that can be left behind. While it may still call `events`, it keeps their owner alive.
class DeviceWatch {
public:
  DeviceWatch() = default;
  DeviceWatch(const DeviceWatch &) = delete;
  DeviceWatch &operator=(const DeviceWatch &) = delete;
  // Waits for the threads to end, for at most a second each.
  ~DeviceWatch();

  // Starts to look among all devices of the machine, or, where there is one, those of `remote`.
  // `events`, which is a part of `owner`, hears of changes after resume(). Fails at the limit.
  support::Result<std::vector<Device>> start(WatchEvents *events, GObject *owner,
                                             std::chrono::milliseconds limit,
                                             std::shared_ptr<PipeWireRemote> remote = nullptr);
  // From now on events come.
  void resume();
  // Any thread: calls on_check() soon.
  void wake();
  // Any thread: from now on looks there, and tells the devices that there are as added. False where
  // nothing is watched.
  bool look_at(std::shared_ptr<PipeWireRemote> remote);
  // Not from an event. Takes at most a second. The thread ends a moment later, or when foreign code
  // that holds it returns.
  void stop();

private:
  struct Shared;
  struct Thread {
    std::shared_ptr<Shared> shared;
    std::thread thread;
  };
  static void run(std::shared_ptr<Shared> shared);
  static void watch(Shared &shared);
  static void leave(Shared &shared);
  std::shared_ptr<Shared> current() const;

  // Guards the one below; innermost.
  mutable std::mutex control_;
  std::shared_ptr<Shared> shared_;
  // Those that were stopped may still be ending. The threads that start and stop, one at a time.
  std::vector<Thread> threads_;
};

}  // namespace streamlib::camera
