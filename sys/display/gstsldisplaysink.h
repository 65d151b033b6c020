// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/gst.h>

#define GST_TYPE_SL_DISPLAY_SINK (gst_sl_display_sink_get_type())
G_DECLARE_FINAL_TYPE(GstSlDisplaySink, gst_sl_display_sink, GST, SL_DISPLAY_SINK, GstBin)

GST_ELEMENT_REGISTER_DECLARE(sldisplaysink);
