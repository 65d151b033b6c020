// SPDX-License-Identifier: LGPL-2.1-or-later
// What elements and applications call on a processor.
#include "gst/streamlib/gstslprocessor.h"
#include "gst/streamlib/processor_state.h"

using streamlib::ProcessorState;
using streamlib::support::adopt_mini;

/**
 * gst_sl_processor_step:
 * @self: a processor
 * @wait_until: (out) (optional): with %GST_SL_STEP_WAIT_UNTIL, when to step again at the latest, in
 *   nanoseconds of g_get_monotonic_time() * 1000
 *
 * Takes one step. For schedulers; the thread of a dedicated processor calls it itself. One thread
 * at a time.
 *
 * Returns: what to do next
 *
 * Since: 0.1
 */
GstSlStep gst_sl_processor_step(GstSlProcessor *self, GstClockTime *wait_until)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self), GST_SL_STEP_ERROR);
  int64_t until = 0;
  const GstSlStep result = ProcessorState::of(self).step(&until);
  if (wait_until != nullptr)
    *wait_until = static_cast<GstClockTime>(until);
  return result;
}

/**
 * gst_sl_processor_push:
 * @self: a processor
 * @pad: (nullable): one of its source pads, %NULL for the first
 * @buffer: (transfer full): a buffer
 *
 * Pushes @buffer. A processor with no link pad or several gets STREAM_START and a TIME segment in
 * front of its first buffer. The processor's thread; in manual execution one thread of the element.
 *
 * Returns: the flow return of downstream, to be returned from the process method
 *
 * Since: 0.1
 */
GstFlowReturn gst_sl_processor_push(GstSlProcessor *self, GstPad *pad, GstBuffer *buffer)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && GST_IS_BUFFER(buffer), GST_FLOW_ERROR);
  return ProcessorState::of(self).push(pad, GST_MINI_OBJECT_CAST(buffer));
}

/**
 * gst_sl_processor_push_list:
 * @self: a processor
 * @pad: (nullable): one of its source pads, %NULL for the first
 * @list: (transfer full): a buffer list
 *
 * As gst_sl_processor_push(), for a list.
 *
 * Returns: the flow return of downstream
 *
 * Since: 0.1
 */
GstFlowReturn gst_sl_processor_push_list(GstSlProcessor *self, GstPad *pad, GstBufferList *list)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && GST_IS_BUFFER_LIST(list), GST_FLOW_ERROR);
  return ProcessorState::of(self).push(pad, GST_MINI_OBJECT_CAST(list));
}

/**
 * gst_sl_processor_push_event:
 * @self: a processor
 * @pad: (nullable): one of its source pads, %NULL for all
 * @event: (transfer full): a downstream event
 *
 * Pushes @event, in order with the buffers. The threads of gst_sl_processor_push().
 *
 * Returns: %TRUE when it was taken
 *
 * Since: 0.1
 */
gboolean gst_sl_processor_push_event(GstSlProcessor *self, GstPad *pad, GstEvent *event)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && GST_IS_EVENT(event), FALSE);
  return ProcessorState::of(self).push_event(pad, adopt_mini(event));
}

/**
 * gst_sl_processor_set_src_caps:
 * @self: a processor
 * @pad: (nullable): one of its source pads, %NULL for all
 * @caps: fixed caps
 *
 * Says what the next buffers are. The threads of gst_sl_processor_push().
 *
 * Returns: %FALSE when downstream does not take the caps
 *
 * Since: 0.1
 */
gboolean gst_sl_processor_set_src_caps(GstSlProcessor *self, GstPad *pad, GstCaps *caps)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && GST_IS_CAPS(caps), FALSE);
  return ProcessorState::of(self).set_src_caps(pad, caps);
}

/**
 * gst_sl_processor_set_execution:
 * @self: a processor
 * @execution: when steps are taken
 *
 * For subclasses, in their instance init.
 *
 * Since: 0.1
 */
void gst_sl_processor_set_execution(GstSlProcessor *self, GstSlExecution execution)
{
  g_return_if_fail(GST_IS_SL_PROCESSOR(self));
  ProcessorState::of(self).execution = execution;
}

/**
 * gst_sl_processor_set_live:
 * @self: a processor without link pads
 * @live: whether it makes data in real time, and so none in PAUSED
 *
 * For subclasses, before PAUSED. A live processor is stepped in PLAYING only.
 *
 * Since: 0.1
 */
void gst_sl_processor_set_live(GstSlProcessor *self, gboolean live)
{
  g_return_if_fail(GST_IS_SL_PROCESSOR(self));
  ProcessorState::of(self).live = live;
}

/**
 * gst_sl_processor_set_latency:
 * @self: a processor
 * @latency: what the processor itself adds, in nanoseconds
 *
 * Any thread. Where it changes while playing the pipeline is told.
 *
 * Since: 0.1
 */
void gst_sl_processor_set_latency(GstSlProcessor *self, GstClockTime latency)
{
  g_return_if_fail(GST_IS_SL_PROCESSOR(self));
  if (ProcessorState::of(self).own_latency.exchange(latency) != latency)
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

/**
 * gst_sl_processor_get_interval:
 * @self: a processor
 *
 * #GstSlProcessor:interval, for the process method. Any thread.
 *
 * Returns: the period of continuous execution, in nanoseconds
 *
 * Since: 0.1
 */
GstClockTime gst_sl_processor_get_interval(GstSlProcessor *self)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self), 0);
  return ProcessorState::of(self).interval;
}

/**
 * gst_sl_processor_get_running_time:
 * @self: a processor
 *
 * What the pipeline's clock shows. Any thread; takes no lock of the processor's.
 *
 * Returns: the running time, %GST_CLOCK_TIME_NONE outside PLAYING and without a clock
 *
 * Since: 0.1
 */
GstClockTime gst_sl_processor_get_running_time(GstSlProcessor *self)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self), GST_CLOCK_TIME_NONE);
  return ProcessorState::of(self).clock.running_time();
}

/**
 * gst_sl_processor_await:
 * @self: a processor
 * @cancellable: that of the operation under way, as process_async was given it
 * @pad: (nullable): one of its link pads
 * @func: (scope async): called once, in a step
 * @user_data: data of @func
 *
 * For what an asynchronous operation does between its beginning and its callback. @func is called
 * from the next step that can be taken: not while a lossless link that the processor has filled has
 * no space yet, and with @pad not before that has a buffer, or has come to its end. Events in front
 * of the buffer pass, but for EOS, which waits for the end of the operation. From @func, and from
 * nowhere else in an operation, it may push, and take buffers from @pad. Where the operation
 * is cancelled meanwhile, @func is told so, outside of a step. The thread of the I/O context; one
 * call at a time.
 *
 * Returns: %FALSE when the operation was cancelled or has ended; @func is not called then
 *
 * Since: 0.1
 */
gboolean gst_sl_processor_await(GstSlProcessor *self, GCancellable *cancellable, GstSlLinkPad *pad,
                                GstSlAwaitFunc func, gpointer user_data)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && G_IS_CANCELLABLE(cancellable), FALSE);
  g_return_val_if_fail(func != nullptr, FALSE);
  return ProcessorState::of(self).await(cancellable, pad, func, user_data);
}

/**
 * gst_sl_processor_wake:
 * @self: a processor
 *
 * Makes the processor take a step soon. Any thread.
 *
 * Since: 0.1
 */
void gst_sl_processor_wake(GstSlProcessor *self)
{
  g_return_if_fail(GST_IS_SL_PROCESSOR(self));
  ProcessorState::of(self).kick();
}

/**
 * gst_sl_processor_is_stopping:
 * @self: a processor
 *
 * For work that takes long: whether it should end now. Any thread.
 *
 * Returns: %TRUE outside PAUSED and PLAYING
 *
 * Since: 0.1
 */
gboolean gst_sl_processor_is_stopping(GstSlProcessor *self)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self), TRUE);
  return ProcessorState::of(self).stopping;
}

/**
 * gst_sl_processor_get_runtime:
 * @self: a processor
 *
 * Between setup and teardown.
 *
 * Returns: (transfer none) (nullable): the runtime of the processor's pipeline; %NULL in the state
 *   NULL
 *
 * Since: 0.1
 */
GstSlRuntime *gst_sl_processor_get_runtime(GstSlProcessor *self)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self), nullptr);
  return ProcessorState::of(self).runtime();
}

/**
 * gst_sl_processor_invoke:
 * @self: a processor
 * @label: (nullable): what the closure is called in messages
 * @func: (scope notified) (closure user_data) (destroy notify): the closure
 * @user_data: data of @func
 * @notify: (nullable): ends @user_data
 * @result: (out) (transfer full) (nullable) (optional): what @func returned
 * @error: return location of an error
 *
 * gst_sl_dispatcher_invoke() with the dispatcher of the processor's runtime and its default time
 * limit, cut short with %G_IO_ERROR_CANCELLED when the processor is stopped. Between setup and
 * teardown, any thread.
 *
 * Returns: %TRUE when @func has run
 *
 * Since: 0.1
 */
gboolean gst_sl_processor_invoke(GstSlProcessor *self, const gchar *label, GstSlDispatchFunc func,
                                 gpointer user_data, GDestroyNotify notify, GVariant **result,
                                 GError **error)
{
  g_return_val_if_fail(GST_IS_SL_PROCESSOR(self) && func != nullptr, FALSE);
  ProcessorState &state = ProcessorState::of(self);
  g_return_val_if_fail(state.runtime() != nullptr, FALSE);
  const streamlib::StepJob::WaitScope lends_thread;
  return gst_sl_dispatcher_invoke(gst_sl_runtime_get_dispatcher(state.runtime()), label, func,
                                  user_data, notify, GST_SL_DISPATCHER_DEFAULT_TIMEOUT,
                                  state.stop_cancellable(), result, error);
}

/**
 * gst_sl_processor_report_error:
 * @self: a processor
 * @domain: the domain of the error, such as %GST_RESOURCE_ERROR
 * @code: a code of @domain
 * @text: what happened and what to do about it, for the user
 * @debug: (nullable): the facts, for the developer
 *
 * Posts an error message. The process method then returns %GST_FLOW_ERROR. Any thread.
 *
 * Since: 0.1
 */
void gst_sl_processor_report_error(GstSlProcessor *self, GQuark domain, gint code,
                                   const gchar *text, const gchar *debug)
{
  g_return_if_fail(GST_IS_SL_PROCESSOR(self) && text != nullptr);
  ProcessorState::of(self).report_error(domain, code, text, debug);
}
