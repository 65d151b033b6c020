// SPDX-License-Identifier: LGPL-2.1-or-later
// A few threads for many processors.
#pragma once

#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_EXECUTOR (gst_sl_executor_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlExecutor, gst_sl_executor, GST, SL_EXECUTOR, GstObject)

GST_SL_API GstSlExecutor *gst_sl_executor_new(void);

G_END_DECLS
