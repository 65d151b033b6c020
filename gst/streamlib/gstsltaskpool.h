// SPDX-License-Identifier: LGPL-2.1-or-later
// A task pool whose threads live as long as their task.
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_TASK_POOL (gst_sl_task_pool_get_type())
G_DECLARE_FINAL_TYPE(GstSlTaskPool, gst_sl_task_pool, GST, SL_TASK_POOL, GstTaskPool)

GstTaskPool *gst_sl_task_pool_new(void);

G_END_DECLS
