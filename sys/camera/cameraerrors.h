// SPDX-License-Identifier: LGPL-2.1-or-later
// What went wrong with a camera, in words that name it and say what to do.
#pragma once

#include <string>

#include <gst/gst.h>

#include "sys/camera/devicematch.h"

namespace streamlib::camera {

struct CameraError {
  GQuark domain = 0;
  int code = 0;
  std::string text;
  std::string debug;
  // The device may be gone: the news of its removal may come just after.
  bool may_be_lost = false;
  // The message says nothing of the camera and goes on as it is.
  bool foreign = false;
};

// What an error message of the device's elements means. `modes` is what the device can.
CameraError translate(GstMessage *message, const DeviceInfo &device, const std::string &modes);

CameraError lost_error(const DeviceInfo &device);
// The server that the camera was seen through has ended.
CameraError server_lost_error(const DeviceInfo &device);
CameraError no_mode_error(const DeviceInfo &device, const std::string &modes,
                          const std::string &downstream);

// “name” (path).
std::string label_of(const DeviceInfo &device);

}  // namespace streamlib::camera
