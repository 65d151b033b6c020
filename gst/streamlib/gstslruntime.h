// SPDX-License-Identifier: LGPL-2.1-or-later
// What the processors of one pipeline share: the I/O context, the watchdog, the dispatcher,
// the executor.
#pragma once

#include <gst/streamlib/gstslapi.h>
#include <gst/streamlib/gstsldispatcher.h>
#include <gst/streamlib/gstslexecutor.h>

G_BEGIN_DECLS

/**
 * GST_SL_RUNTIME_CONTEXT_TYPE:
 *
 * The type of the #GstContext that carries a #GstSlRuntime.
 *
 * Since: 0.1
 */
#define GST_SL_RUNTIME_CONTEXT_TYPE "gst.streamlib.Runtime"

#define GST_TYPE_SL_RUNTIME (gst_sl_runtime_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlRuntime, gst_sl_runtime, GST, SL_RUNTIME, GstObject)

GST_SL_API GstSlRuntime *gst_sl_runtime_new(void);
GST_SL_API GstSlRuntime *gst_sl_runtime_from_context(GstContext *context);
GST_SL_API GstContext *gst_sl_runtime_to_context(GstSlRuntime *self, gboolean persistent);
GST_SL_API GstSlRuntime *gst_sl_runtime_for_element(GstElement *element);
GST_SL_API GMainContext *gst_sl_runtime_get_io_context(GstSlRuntime *self);
GST_SL_API GstSlDispatcher *gst_sl_runtime_get_dispatcher(GstSlRuntime *self);
GST_SL_API void gst_sl_runtime_set_dispatcher(GstSlRuntime *self, GstSlDispatcher *dispatcher);
GST_SL_API GstSlExecutor *gst_sl_runtime_get_executor(GstSlRuntime *self);
GST_SL_API void gst_sl_runtime_set_executor(GstSlRuntime *self, GstSlExecutor *executor);

G_END_DECLS
