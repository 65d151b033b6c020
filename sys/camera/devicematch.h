// SPDX-License-Identifier: LGPL-2.1-or-later
// Which camera a user means.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <gst/support/result.h>

namespace streamlib::camera {

// What is known of a camera, whichever backend told it.
struct DeviceInfo {
  // Where it is: "/dev/video0", the node name of PipeWire; the first one is shown to users.
  std::vector<std::string> paths;
  // Often empty, never unique by promise.
  std::string serial;
  // For humans; two cameras may share one.
  std::string name;
  // "pipewire", "v4l2", "libcamera" or what else made it known.
  std::string api;

  bool operator==(const DeviceInfo &) const = default;
};

enum class MatchError { NoDevice, Unknown, Ambiguous };

// Whether both are the same camera, perhaps by two backends, perhaps after it was plugged in again.
bool same_device(const DeviceInfo &a, const DeviceInfo &b);

// The index of the device that `query` names: the one with this path; else with this serial; else
// with exactly this name; else the only one with `query` as a part of its name, in whatever case.
// An empty query takes the first. Where two backends know the same camera, one that shares it among
// programs is taken, except for a path in /dev, which means V4L2.
support::Result<size_t> match(const std::vector<DeviceInfo> &devices, const std::string &query);

// One line for each device, for error messages.
std::string list(const std::vector<DeviceInfo> &devices);

}  // namespace streamlib::camera
