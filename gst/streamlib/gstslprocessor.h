// SPDX-License-Identifier: LGPL-2.1-or-later
// The base class of elements that run as processors between lock-free links.
#pragma once

#include <gio/gio.h>
#include <gst/streamlib/gstslenums.h>
#include <gst/streamlib/gstsllinkpad.h>
#include <gst/streamlib/gstslruntime.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_PROCESSOR (gst_sl_processor_get_type())
GST_SL_API G_DECLARE_DERIVABLE_TYPE(GstSlProcessor, gst_sl_processor, GST, SL_PROCESSOR, GstElement)

    /**
     * GstSlAwaitFunc:
     * @ready: %TRUE when what was awaited has come, %FALSE when the operation was cancelled
     * @user_data: what was given to gst_sl_processor_await()
     *
     * Since: 0.1
     */
    typedef void (*GstSlAwaitFunc)(gboolean ready, gpointer user_data);

/**
 * GstSlProcessorClass:
 * @parent_class: the parent class
 * @setup: called before the first step, in the thread that sets the state PAUSED. Takes what the
 *   processor needs (devices, memory); %FALSE with @error set fails the state change
 * @teardown: called after the last step, in the thread that sets the state READY; undoes @setup
 * @process: one unit of work, in the processor's thread. With one link pad and reactive execution
 *   @input is its next buffer; otherwise @pad and @input are %NULL, and the processor takes what it
 *   wants with gst_sl_link_pad_pop_buffer(). A buffer put into @output is pushed on the first
 * source pad; others are pushed by gst_sl_processor_push()
 * @process_list: a buffer list of a single link pad, in the processor's thread. The default calls
 *   @process for each buffer of the list
 * @start: manual execution only: begin to drive yourself, called after @setup
 * @stop: manual execution only: no call of yours may be under way when this returns
 * @set_caps: the stream of @pad has new caps, in the processor's thread, in order with the buffers.
 *   The default sets the same caps on the source pads
 * @sink_event: a serialized event of @pad, in the processor's thread, in order with the buffers.
 * The default forwards it as the class documentation says
 * @process_async: begins one unit of work that waits, with %GST_SL_SCHEDULING_ASYNC, in place of
 *   @process; on the I/O context
 * @process_finish: takes what a @process_async has come to; on the I/O context
 *
 * Since: 0.1
 */
struct _GstSlProcessorClass {
  GstElementClass parent_class;

  gboolean (*setup)(GstSlProcessor *self, GError **error);
  void (*teardown)(GstSlProcessor *self);
  /**
   * GstSlProcessorClass::process:
   * @self: the processor
   * @pad: (nullable): the link pad that @input came from
   * @input: (nullable) (transfer full): the buffer to work on
   * @output: (out) (optional) (nullable) (transfer full): the buffer to push
   *
   * Returns: %GST_FLOW_OK to go on
   */
  GstFlowReturn (*process)(GstSlProcessor *self, GstSlLinkPad *pad, GstBuffer *input,
                           GstBuffer **output);
  /**
   * GstSlProcessorClass::process_list:
   * @self: the processor
   * @pad: the link pad that @list came from
   * @list: (transfer full): the buffers to work on
   *
   * Returns: %GST_FLOW_OK to go on
   */
  GstFlowReturn (*process_list)(GstSlProcessor *self, GstSlLinkPad *pad, GstBufferList *list);
  gboolean (*start)(GstSlProcessor *self, GError **error);
  void (*stop)(GstSlProcessor *self);
  gboolean (*set_caps)(GstSlProcessor *self, GstSlLinkPad *pad, GstCaps *caps);
  /**
   * GstSlProcessorClass::sink_event:
   * @self: the processor
   * @pad: the link pad that @event came from
   * @event: (transfer full): the event
   *
   * Returns: %TRUE when the event was handled
   */
  gboolean (*sink_event)(GstSlProcessor *self, GstSlLinkPad *pad, GstEvent *event);
  /**
   * GstSlProcessorClass::process_async:
   * @self: the processor
   * @pad: (nullable): the link pad that @input came from
   * @input: (nullable) (transfer full): the buffer to work on
   * @cancellable: cancelled, in the thread of the I/O context, when the processor stops or flushes
   * @callback: (scope async): to be called once, when the work is done
   * @user_data: for @callback
   *
   * Begins one unit of work, and returns at once. @pad and @input are those of process(). No other
   * step is taken before @callback was called.
   *
   * Since: 0.1
   */
  void (*process_async)(GstSlProcessor *self, GstSlLinkPad *pad, GstBuffer *input,
                        GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);
  /**
   * GstSlProcessorClass::process_finish:
   * @self: the processor
   * @result: what was given to the callback
   * @output: (out) (optional) (nullable) (transfer full): the buffer to push
   * @error: return location of an error, which becomes an error message of the element
   *
   * Takes what the work has come to, in a step of its own. It is not called for work that was
   * cancelled by a stop or a flush.
   *
   * Returns: %GST_FLOW_OK to go on, %GST_FLOW_EOS to end the stream after @output
   *
   * Since: 0.1
   */
  GstFlowReturn (*process_finish)(GstSlProcessor *self, GAsyncResult *result, GstBuffer **output,
                                  GError **error);

  /*< private >*/
  gpointer padding[14];
};

GST_SL_API GstSlStep gst_sl_processor_step(GstSlProcessor *self, GstClockTime *wait_until);
GST_SL_API GstFlowReturn gst_sl_processor_push(GstSlProcessor *self, GstPad *pad,
                                               GstBuffer *buffer);
GST_SL_API GstFlowReturn gst_sl_processor_push_list(GstSlProcessor *self, GstPad *pad,
                                                    GstBufferList *list);
GST_SL_API gboolean gst_sl_processor_push_event(GstSlProcessor *self, GstPad *pad, GstEvent *event);
GST_SL_API gboolean gst_sl_processor_set_src_caps(GstSlProcessor *self, GstPad *pad, GstCaps *caps);
GST_SL_API void gst_sl_processor_set_execution(GstSlProcessor *self, GstSlExecution execution);
GST_SL_API void gst_sl_processor_set_live(GstSlProcessor *self, gboolean live);
GST_SL_API void gst_sl_processor_set_latency(GstSlProcessor *self, GstClockTime latency);
GST_SL_API GstClockTime gst_sl_processor_get_interval(GstSlProcessor *self);
GST_SL_API GstClockTime gst_sl_processor_get_running_time(GstSlProcessor *self);
GST_SL_API gboolean gst_sl_processor_await(GstSlProcessor *self, GCancellable *cancellable,
                                           GstSlLinkPad *pad, GstSlAwaitFunc func,
                                           gpointer user_data);
GST_SL_API void gst_sl_processor_wake(GstSlProcessor *self);
GST_SL_API gboolean gst_sl_processor_is_stopping(GstSlProcessor *self);
GST_SL_API GstSlRuntime *gst_sl_processor_get_runtime(GstSlProcessor *self);
GST_SL_API gboolean gst_sl_processor_invoke(GstSlProcessor *self, const gchar *label,
                                            GstSlDispatchFunc func, gpointer user_data,
                                            GDestroyNotify notify, GVariant **result,
                                            GError **error);
GST_SL_API void gst_sl_processor_report_error(GstSlProcessor *self, GQuark domain, gint code,
                                              const gchar *text, const gchar *debug);

G_END_DECLS
