// SPDX-License-Identifier: LGPL-2.1-or-later
// The one safe way to the thread that a platform insists on.
#pragma once

#include <gio/gio.h>
#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_DISPATCHER (gst_sl_dispatcher_get_type())
GST_SL_API G_DECLARE_FINAL_TYPE(GstSlDispatcher, gst_sl_dispatcher, GST, SL_DISPATCHER, GstObject)

/**
 * GST_SL_DISPATCHER_DEFAULT_TIMEOUT:
 *
 * The time limit of gst_sl_dispatcher_invoke() unless another is given, in nanoseconds: one second.
 *
 * Since: 0.1
 */
#define GST_SL_DISPATCHER_DEFAULT_TIMEOUT GST_SECOND

/**
 * GstSlDispatchFunc:
 * @user_data: what was given with it
 *
 * Runs on the runtime thread. Should be short: while it runs the thread does nothing else.
 *
 * Returns: (transfer full) (nullable): a result for the caller, floating or not
 *
 * Since: 0.1
 */
typedef GVariant *(*GstSlDispatchFunc)(gpointer user_data);

GST_SL_API GstSlDispatcher *gst_sl_dispatcher_new(GMainContext *context);
GST_SL_API GstSlDispatcher *gst_sl_dispatcher_new_with_thread(void);
GST_SL_API void gst_sl_dispatcher_bind(GstSlDispatcher *self);
GST_SL_API gboolean gst_sl_dispatcher_is_runtime_thread(GstSlDispatcher *self);
GST_SL_API GMainContext *gst_sl_dispatcher_get_context(GstSlDispatcher *self);
GST_SL_API void gst_sl_dispatcher_invoke_async(GstSlDispatcher *self, const gchar *label,
                                               GstSlDispatchFunc func, gpointer user_data,
                                               GDestroyNotify notify);
GST_SL_API gboolean gst_sl_dispatcher_invoke(GstSlDispatcher *self, const gchar *label,
                                             GstSlDispatchFunc func, gpointer user_data,
                                             GDestroyNotify notify, GstClockTime timeout,
                                             GCancellable *cancellable, GVariant **result,
                                             GError **error);
GST_SL_API GstStructure *gst_sl_dispatcher_get_stats(GstSlDispatcher *self);

/**
 * GST_SL_DISPATCHER_ERROR:
 *
 * The error domain of #GstSlDispatcher. Cancellation is %G_IO_ERROR_CANCELLED of %G_IO_ERROR.
 *
 * Since: 0.1
 */
#define GST_SL_DISPATCHER_ERROR (gst_sl_dispatcher_error_quark())
GST_SL_API GQuark gst_sl_dispatcher_error_quark(void);

/**
 * GstSlDispatcherError:
 * @GST_SL_DISPATCHER_ERROR_NEVER_RAN: no loop has served the context since the dispatcher was
 * bound: start the main loop, or give the dispatcher a context that is served
 * @GST_SL_DISPATCHER_ERROR_BUSY: the runtime thread was busy until the limit; the message says with
 *   what
 * @GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER: the runtime thread waits for the calling thread, for
 *   example in a state change: the call could never have been served
 *
 * Why a call was not served.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_DISPATCHER_ERROR_NEVER_RAN,
  GST_SL_DISPATCHER_ERROR_BUSY,
  GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER,
} GstSlDispatcherError;

#define GST_TYPE_SL_DISPATCHER_ERROR (gst_sl_dispatcher_error_get_type())
GST_SL_API GType gst_sl_dispatcher_error_get_type(void) G_GNUC_CONST;

G_END_DECLS
