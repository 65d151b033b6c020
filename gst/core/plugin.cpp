// SPDX-License-Identifier: LGPL-2.1-or-later
// The plugin of the elements that need nothing but GStreamer itself.
#include "config.h"

#include "gst/core/gstsllink.h"
#include "gst/core/gstsltestsrc.h"
#include "gst/streamlib/gstslgraphtracer.h"
#include "gst/streamlib/streamlib.h"

static gboolean plugin_init(GstPlugin *plugin)
{
  gboolean ok = FALSE;
  ok |= gst_element_register(plugin, "slgraph", GST_RANK_NONE, GST_TYPE_SL_GRAPH);
  ok |= GST_ELEMENT_REGISTER(sllink, plugin);
  ok |= GST_ELEMENT_REGISTER(sltestsrc, plugin);
  ok |= gst_tracer_register(plugin, "slgraphstats", GST_TYPE_SL_GRAPH_TRACER);
  return ok;
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, slcore,
                  "Lock-free links between real-time processors", plugin_init, PACKAGE_VERSION,
                  "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
