// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin slwebrtc.
#include "config.h"

#include <gst/gst.h>

#include "ext/webrtc/gstslwhepsrc.h"
#include "ext/webrtc/gstslwhipsink.h"

static gboolean plugin_init(GstPlugin *plugin)
{
  gboolean ok = FALSE;
  ok |= GST_ELEMENT_REGISTER(slwhepsrc, plugin);
  ok |= GST_ELEMENT_REGISTER(slwhipsink, plugin);
  return ok;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, slwebrtc, "WHIP and WHEP", plugin_init,
                  PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
