// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/gstsldisplayenums.h"

#include "sys/display/backend.h"
#include "sys/display/geometry.h"
#include "sys/display/gstslsurfacesink.h"

namespace {

using namespace streamlib::display;

template <typename Enum>
constexpr GEnumValue entry(Enum value, const char *description, const char *nick)
{
  return {static_cast<gint>(value), description, nick};
}

constexpr GEnumValue kEnd = {0, nullptr, nullptr};

}  // namespace

GType gst_sl_display_backend_get_type(void)
{
  static const GEnumValue values[] = {
      entry(Backend::Auto, "What is found: Wayland, X11, KMS, else headless", "auto"),
      entry(Backend::Wayland, "A window on a Wayland compositor", "wayland"),
      entry(Backend::X11, "A window on an X server", "x11"),
      entry(Backend::Gl, "OpenGL, by glimagesink: takes GL memory and DMABuf as they are", "gl"),
      entry(Backend::Kms, "The screen itself, by kmssink", "kms"),
      entry(Backend::Headless, "No screen: keeps time and the last frame", "headless"),
      kEnd,
  };
  static const GType type = g_enum_register_static("GstSlDisplayBackend", values);
  return type;
}

GType gst_sl_display_scaling_get_type(void)
{
  static const GEnumValue values[] = {
      entry(Scaling::Letterbox, "All of the picture, with black borders", "letterbox"),
      entry(Scaling::Crop, "All of the window, without the picture's edges", "crop"),
      entry(Scaling::Stretch, "All of both, whatever the proportions", "stretch"),
      kEnd,
  };
  static const GType type = g_enum_register_static("GstSlDisplayScaling", values);
  return type;
}

GType gst_sl_display_on_close_get_type(void)
{
  static const GEnumValue values[] = {
      entry(OnClose::Eos, "The source that feeds the display ends", "eos"),
      entry(OnClose::Disconnect, "This branch shows nothing more, the others go on", "disconnect"),
      entry(OnClose::Error, "An error message", "error"),
      kEnd,
  };
  static const GType type = g_enum_register_static("GstSlDisplayOnClose", values);
  return type;
}
