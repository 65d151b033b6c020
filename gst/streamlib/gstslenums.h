// SPDX-License-Identifier: LGPL-2.1-or-later
// The enumerations that links and processors share.
#pragma once

#include <gst/streamlib/gstslapi.h>

G_BEGIN_DECLS

/**
 * GstSlLinkPolicy:
 * @GST_SL_LINK_POLICY_AUTO: decided at the first buffer after caps, a segment or a reconfiguration:
 *   %GST_SL_LINK_POLICY_LATEST for raw video of a live source, %GST_SL_LINK_POLICY_IN_ORDER for raw
 *   audio of a live source, %GST_SL_LINK_POLICY_LOSSLESS for everything else
 * @GST_SL_LINK_POLICY_LATEST: the newest buffer wins: a buffer is dropped when a newer one is there
 *   and its own time to be shown has passed
 * @GST_SL_LINK_POLICY_IN_ORDER: first in, first out; when the link is full the oldest buffer is
 *   dropped
 * @GST_SL_LINK_POLICY_LOSSLESS: first in, first out; when the link is full the pushing thread waits
 *
 * What a link does when its consumer is slower than its producer.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_LINK_POLICY_AUTO,
  GST_SL_LINK_POLICY_LATEST,
  GST_SL_LINK_POLICY_IN_ORDER,
  GST_SL_LINK_POLICY_LOSSLESS,
} GstSlLinkPolicy;

/**
 * GstSlExecution:
 * @GST_SL_EXECUTION_REACTIVE: a step whenever a link has data
 * @GST_SL_EXECUTION_CONTINUOUS: a step each #GstSlProcessor:interval, by absolute deadlines
 * @GST_SL_EXECUTION_MANUAL: the element drives itself between the virtual methods start and stop
 *
 * When a processor takes a step.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_EXECUTION_REACTIVE,
  GST_SL_EXECUTION_CONTINUOUS,
  GST_SL_EXECUTION_MANUAL,
} GstSlExecution;

/**
 * GstSlScheduling:
 * @GST_SL_SCHEDULING_DEDICATED: on a thread of the processor's own
 * @GST_SL_SCHEDULING_POOLED: on the threads of the runtime's #GstSlExecutor, which many processors
 *   share. For everything that need not be real-time
 * @GST_SL_SCHEDULING_INLINE: in the thread that pushes; for reactive processors with one link pad
 * @GST_SL_SCHEDULING_ASYNC: on the thread of the runtime's I/O context, which all async processors
 *   share; a step may await operations there (#GstSlProcessorClass.process_async()). For work that
 *   waits much and computes little: what holds that thread holds it for all
 *
 * Which thread runs the steps of a processor.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_SCHEDULING_DEDICATED,
  GST_SL_SCHEDULING_INLINE,
  GST_SL_SCHEDULING_POOLED,
  GST_SL_SCHEDULING_ASYNC,
} GstSlScheduling;

/**
 * GstSlPriority:
 * @GST_SL_PRIORITY_NORMAL: what the system gives to every thread
 * @GST_SL_PRIORITY_HIGH: before other programs, at a nice level of -10
 * @GST_SL_PRIORITY_REALTIME: before everything that is not real-time itself, by SCHED_RR
 *
 * The scheduling priority of a processor's thread. It is declared, never guessed.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_PRIORITY_NORMAL,
  GST_SL_PRIORITY_HIGH,
  GST_SL_PRIORITY_REALTIME,
} GstSlPriority;

/**
 * GstSlStep:
 * @GST_SL_STEP_AGAIN: something was done and more may be waiting
 * @GST_SL_STEP_IDLE: nothing to do until a link has data
 * @GST_SL_STEP_WAIT_UNTIL: nothing to do until a link has data or a time has come
 * @GST_SL_STEP_SUSPENDED: stands before a full lossless link and must not run until it has space
 * @GST_SL_STEP_EOS: the stream of every link pad has ended
 * @GST_SL_STEP_ERROR: the processor stopped because of an error, or is stopping
 *
 * The answer of one step of a processor to whoever schedules it.
 *
 * Since: 0.1
 */
typedef enum {
  GST_SL_STEP_AGAIN,
  GST_SL_STEP_IDLE,
  GST_SL_STEP_WAIT_UNTIL,
  GST_SL_STEP_SUSPENDED,
  GST_SL_STEP_EOS,
  GST_SL_STEP_ERROR,
} GstSlStep;

#define GST_TYPE_SL_LINK_POLICY (gst_sl_link_policy_get_type())
GST_SL_API GType gst_sl_link_policy_get_type(void) G_GNUC_CONST;

#define GST_TYPE_SL_EXECUTION (gst_sl_execution_get_type())
GST_SL_API GType gst_sl_execution_get_type(void) G_GNUC_CONST;

#define GST_TYPE_SL_SCHEDULING (gst_sl_scheduling_get_type())
GST_SL_API GType gst_sl_scheduling_get_type(void) G_GNUC_CONST;

#define GST_TYPE_SL_PRIORITY (gst_sl_priority_get_type())
GST_SL_API GType gst_sl_priority_get_type(void) G_GNUC_CONST;

#define GST_TYPE_SL_STEP (gst_sl_step_get_type())
GST_SL_API GType gst_sl_step_get_type(void) G_GNUC_CONST;

G_END_DECLS
