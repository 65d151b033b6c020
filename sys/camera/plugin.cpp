// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin slcamera.
#include "config.h"

#include <gst/gst.h>

#include "sys/camera/gstslcamerasrc.h"

static gboolean plugin_init(GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER(slcamerasrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, slcamera, "Any camera, by its right time",
                  plugin_init, PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
