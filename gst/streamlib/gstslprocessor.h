// SPDX-License-Identifier: LGPL-2.1-or-later
// The base class of elements that run as processors between lock-free links.
#pragma once

#include <gst/streamlib/gstslenums.h>
#include <gst/streamlib/gstsllinkpad.h>
#include <gst/streamlib/gstslruntime.h>

G_BEGIN_DECLS

#define GST_TYPE_SL_PROCESSOR (gst_sl_processor_get_type())
GST_SL_API G_DECLARE_DERIVABLE_TYPE(GstSlProcessor, gst_sl_processor, GST, SL_PROCESSOR, GstElement)

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

  /*< private >*/
  gpointer padding[16];
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
