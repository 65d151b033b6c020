// SPDX-License-Identifier: LGPL-2.1-or-later
// A source of what HTTP servers answer.
#pragma once

#include <gst/streamlib/streamlib.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_HTTP_SRC (gst_sl_http_src_get_type())
G_DECLARE_FINAL_TYPE(GstSlHttpSrc, gst_sl_http_src, GST, SL_HTTP_SRC, GstSlProcessor)

GST_ELEMENT_REGISTER_DECLARE(slhttpsrc)

G_END_DECLS
