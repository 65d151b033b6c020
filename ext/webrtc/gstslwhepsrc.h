// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays from a WebRTC server by WHEP.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_WHEP_SRC (gst_sl_whep_src_get_type())
G_DECLARE_FINAL_TYPE(GstSlWhepSrc, gst_sl_whep_src, GST, SL_WHEP_SRC, GstBin)

GST_ELEMENT_REGISTER_DECLARE(slwhepsrc)

G_END_DECLS
