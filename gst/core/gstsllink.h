// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <gst/streamlib/streamlib.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_LINK (gst_sl_link_get_type())
G_DECLARE_FINAL_TYPE(GstSlLink, gst_sl_link, GST, SL_LINK, GstSlProcessor)

GST_ELEMENT_REGISTER_DECLARE(sllink)

G_END_DECLS
