// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin slhttp.
#include "config.h"

#include <gst/gst.h>

#include "ext/http/gstslhttpsrc.h"

static gboolean plugin_init(GstPlugin *plugin)
{
  return GST_ELEMENT_REGISTER(slhttpsrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, slhttp, "HTTP without threads", plugin_init,
                  PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
