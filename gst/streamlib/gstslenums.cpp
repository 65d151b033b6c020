// SPDX-License-Identifier: LGPL-2.1-or-later
// The GTypes of the public enumerations.
#include "gst/streamlib/gstslenums.h"

#include "gst/streamlib/gstsldispatcher.h"
#include "gst/streamlib/gstslgraph.h"
#include "gst/streamlib/gstsllinkpad.h"

namespace {

// Registers once; safe from any thread.
GType register_enum(gsize *id, const char *name, const GEnumValue *values)
{
  if (g_once_init_enter(id))
    g_once_init_leave(id, g_enum_register_static(g_intern_static_string(name), values));
  return *id;
}

}  // namespace

GType gst_sl_link_policy_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_LINK_POLICY_AUTO,
       "By the stream: live video latest, live audio in-order, else lossless", "auto"},
      {GST_SL_LINK_POLICY_LATEST, "The newest buffer wins", "latest"},
      {GST_SL_LINK_POLICY_IN_ORDER, "In order, the oldest buffer is dropped when full", "in-order"},
      {GST_SL_LINK_POLICY_LOSSLESS, "In order, the pushing thread waits when full", "lossless"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlLinkPolicy", values);
}

GType gst_sl_execution_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_EXECUTION_REACTIVE, "When a link has data", "reactive"},
      {GST_SL_EXECUTION_CONTINUOUS, "Each interval", "continuous"},
      {GST_SL_EXECUTION_MANUAL, "The element drives itself", "manual"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlExecution", values);
}

GType gst_sl_scheduling_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_SCHEDULING_DEDICATED, "A thread of its own", "dedicated"},
      {GST_SL_SCHEDULING_INLINE, "The pushing thread", "inline"},
      {GST_SL_SCHEDULING_POOLED, "The shared threads of the executor", "pooled"},
      {GST_SL_SCHEDULING_ASYNC, "The I/O thread, where steps may await", "async"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlScheduling", values);
}

GType gst_sl_priority_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {{GST_SL_PRIORITY_NORMAL, "As every thread", "normal"},
                                      {GST_SL_PRIORITY_HIGH, "Before other programs", "high"},
                                      {GST_SL_PRIORITY_REALTIME, "Real-time", "realtime"},
                                      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlPriority", values);
}

GType gst_sl_step_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_STEP_AGAIN, "GST_SL_STEP_AGAIN", "again"},
      {GST_SL_STEP_IDLE, "GST_SL_STEP_IDLE", "idle"},
      {GST_SL_STEP_WAIT_UNTIL, "GST_SL_STEP_WAIT_UNTIL", "wait-until"},
      {GST_SL_STEP_SUSPENDED, "GST_SL_STEP_SUSPENDED", "suspended"},
      {GST_SL_STEP_EOS, "GST_SL_STEP_EOS", "eos"},
      {GST_SL_STEP_ERROR, "GST_SL_STEP_ERROR", "error"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlStep", values);
}

GType gst_sl_dispatcher_error_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_DISPATCHER_ERROR_NEVER_RAN, "GST_SL_DISPATCHER_ERROR_NEVER_RAN", "never-ran"},
      {GST_SL_DISPATCHER_ERROR_BUSY, "GST_SL_DISPATCHER_ERROR_BUSY", "busy"},
      {GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER, "GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER",
       "waits-for-caller"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlDispatcherError", values);
}

GType gst_sl_link_error_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_LINK_ERROR_NOT_LINKED, "GST_SL_LINK_ERROR_NOT_LINKED", "not-linked"},
      {GST_SL_LINK_ERROR_ALREADY_LINKED, "GST_SL_LINK_ERROR_ALREADY_LINKED", "already-linked"},
      {GST_SL_LINK_ERROR_INACTIVE, "GST_SL_LINK_ERROR_INACTIVE", "inactive"},
      {GST_SL_LINK_ERROR_INLINE, "GST_SL_LINK_ERROR_INLINE", "inline"},
      {GST_SL_LINK_ERROR_INCOMPATIBLE, "GST_SL_LINK_ERROR_INCOMPATIBLE", "incompatible"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlLinkError", values);
}

GType gst_sl_graph_error_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_GRAPH_ERROR_INVALID, "GST_SL_GRAPH_ERROR_INVALID", "invalid"},
      {GST_SL_GRAPH_ERROR_CONFLICT, "GST_SL_GRAPH_ERROR_CONFLICT", "conflict"},
      {GST_SL_GRAPH_ERROR_FAILED, "GST_SL_GRAPH_ERROR_FAILED", "failed"},
      {GST_SL_GRAPH_ERROR_TIMED_OUT, "GST_SL_GRAPH_ERROR_TIMED_OUT", "timed-out"},
      {GST_SL_GRAPH_ERROR_CANCELLED, "GST_SL_GRAPH_ERROR_CANCELLED", "cancelled"},
      {GST_SL_GRAPH_ERROR_WRONG_THREAD, "GST_SL_GRAPH_ERROR_WRONG_THREAD", "wrong-thread"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlGraphError", values);
}

GType gst_sl_graph_instant_get_type(void)
{
  static gsize id = 0;
  static const GEnumValue values[] = {
      {GST_SL_GRAPH_INSTANT_NOW, "GST_SL_GRAPH_INSTANT_NOW", "now"},
      {GST_SL_GRAPH_INSTANT_NEXT_KEY_UNIT, "GST_SL_GRAPH_INSTANT_NEXT_KEY_UNIT", "next-key-unit"},
      {GST_SL_GRAPH_INSTANT_RUNNING_TIME, "GST_SL_GRAPH_INSTANT_RUNNING_TIME", "running-time"},
      {0, nullptr, nullptr}};
  return register_enum(&id, "GstSlGraphInstant", values);
}
