// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/cameraerrors.h"

#include <gst/support/ownership.h>

namespace streamlib::camera {

namespace {

using support::CStr;
using support::ErrorPtr;

bool contains(const std::string &text, const char *part)
{
  return text.find(part) != std::string::npos;
}

bool is_denied(const GError *error, const std::string &debug)
{
  return g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED) ||
         contains(debug, "Permission denied") || contains(debug, "Operation not permitted") ||
         contains(debug, "Access denied");
}

bool is_busy(const GError *error, const std::string &debug)
{
  return g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY) ||
         contains(debug, "Device or resource busy");
}

}  // namespace

std::string label_of(const DeviceInfo &device)
{
  std::string label = "“" + device.name + "”";
  if (!device.paths.empty())
    label += " (" + device.paths.front() + ")";
  return label;
}

CameraError lost_error(const DeviceInfo &device)
{
  return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
          "The camera " + label_of(device) +
              " is gone. Plug it in again and restart, or set on-device-lost=wait to go on by "
              "itself.",
          "device removed"};
}

CameraError server_lost_error(const DeviceInfo &device)
{
  return {
      GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
      "PipeWire has ended, and the camera " + label_of(device) +
          " is gone with it. Start it again (systemctl --user restart pipewire wireplumber) and "
          "restart, or set on-device-lost=wait to go on by itself.",
      "the connection to the PipeWire server was closed"};
}

CameraError no_mode_error(const DeviceInfo &device, const std::string &modes,
                          const std::string &downstream)
{
  // Converters work on plain memory.
  const std::string memory =
      contains(modes, "(memory:")
          ? "The memory in parentheses must be one that the next element takes (for memory:DMABuf "
            "for example glupload, or sldisplaysink with backend=gl). "
          : "";
  return {GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          "No mode of the camera " + label_of(device) + " fits what comes after it. " + memory +
              "Put videoconvertscale (and videorate for another frame rate) behind slcamerasrc, or "
              "ask for one of its modes:\n" +
              modes,
          "downstream takes " + downstream};
}

CameraError translate(GstMessage *message, const DeviceInfo &device, const std::string &modes)
{
  GError *raw = nullptr;
  gchar *raw_debug = nullptr;
  gst_message_parse_error(message, &raw, &raw_debug);
  const ErrorPtr error(raw);
  const CStr debug_text(raw_debug);
  const std::string debug = std::string(GST_OBJECT_NAME(GST_MESSAGE_SRC(message))) + ": " +
                            error->message + " " + (debug_text ? debug_text.get() : "");
  const std::string camera = "The camera " + label_of(device);

  if (is_denied(error.get(), debug))
    return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED,
            camera +
                " may not be used by you. Join the group `video`, or allow it in the settings of "
                "the desktop.",
            debug};
  if (is_busy(error.get(), debug))
    return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
            camera +
                " is in use by another program. Close that, take another camera, or share it "
                "through PipeWire.",
            debug};
  if (error->domain == GST_STREAM_ERROR) {
    if (contains(debug, "not-negotiated"))
      return no_mode_error(device, modes, debug);
    CameraError passed = {error->domain, error->code, error->message, debug};
    // "Streaming stopped" with an error or an end of what comes after the camera.
    passed.foreign = contains(debug, "streaming stopped") || contains(debug, "not-linked");
    if (passed.foreign)
      return passed;
  }
  CameraError failed = {error->domain, error->code,
                        camera + " does not deliver: " + error->message +
                            " Unplug it and plug it in again, or take another camera.",
                        debug};
  failed.may_be_lost = true;
  return failed;
}

}  // namespace streamlib::camera
