// SPDX-License-Identifier: LGPL-2.1-or-later
// Publishes by WHIP.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_WHIP_SINK (gst_sl_whip_sink_get_type())
G_DECLARE_FINAL_TYPE(GstSlWhipSink, gst_sl_whip_sink, GST, SL_WHIP_SINK, GstBin)
GST_ELEMENT_REGISTER_DECLARE(slwhipsink);

G_END_DECLS
