// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin sldisplay.
#include "config.h"

#include <gst/gst.h>

#include "sys/display/gstsldisplaysink.h"

static gboolean plugin_init(GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER(sldisplaysink, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, sldisplay,
                  "The newest frame on any display", plugin_init, PACKAGE_VERSION, "LGPL",
                  PACKAGE_NAME, GST_PACKAGE_ORIGIN)
