// SPDX-License-Identifier: LGPL-2.1-or-later
// A buffer pool for real-time threads: no lock and no system call per buffer.
#pragma once

#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_BUFFER_POOL (gst_sl_buffer_pool_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlBufferPool, gst_sl_buffer_pool, GST, SL_BUFFER_POOL,
                                GstBufferPool)

GST_SL_API GstBufferPool *gst_sl_buffer_pool_new(void);
GST_SL_API guint64 gst_sl_buffer_pool_get_misses(GstSlBufferPool *self);

G_END_DECLS
