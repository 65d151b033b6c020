// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstslprocessor
 * @title: GstSlProcessor
 * @short_description: base class of elements that run between lock-free links
 *
 * A processor is an element whose sink pads are #GstSlLinkPad: what is pushed into them waits in a
 * lock-free link for the processor's own thread, which takes it out step by step. A subclass gives
 * its pad templates (with %GST_TYPE_SL_LINK_PAD for its sink pads) and
 * #GstSlProcessorClass.process(); pads of ALWAYS templates are made for it, and request pads on
 * request.
 *
 * |[<!-- language="C" -->
 * static GstFlowReturn
 * my_filter_process (GstSlProcessor * self, GstSlLinkPad * pad, GstBuffer * input,
 *     GstBuffer ** output)
 * {
 *   *output = gst_buffer_make_writable (input);
 *   // work on it
 *   return GST_FLOW_OK;
 * }
 * ]|
 *
 * ## When a step is taken
 *
 * #GstSlProcessor:execution `reactive`: when a link has data; `continuous`: each
 * #GstSlProcessor:interval, by absolute deadlines, so that late steps do not shift the later ones,
 * and missed ones are skipped and counted; `manual`: the element drives itself between the virtual
 * methods start and stop. Asked to end by an EOS event that is sent to the element, a source ends
 * its stream with its next step, a manual one with its next push, which answers %GST_FLOW_EOS.
 *
 * ## Where
 *
 * #GstSlProcessor:scheduling `dedicated`: in a thread of the processor's own, a #GstTask that
 * STREAM_STATUS messages announce; `pooled`: in the threads of the runtime's #GstSlExecutor, which
 * many processors share; `inline`: in the thread that pushes; `async`: in the thread of the
 * runtime's I/O context (gst_sl_runtime_get_io_context()), which all async processors share.
 *
 * ## Steps that await
 *
 * With scheduling `async` a subclass may set #GstSlProcessorClass.process_async() and
 * #GstSlProcessorClass.process_finish() instead of process(), in the style of GIO: the first begins
 * an operation, the second takes what it has come to. Between them no step is taken, so what stands
 * in the links waits, and no thread does. A stop or a flush cancels the operation and waits until
 * it has ended, for 1.75 s at most; what comes later is dropped. A #GError becomes an error message
 * with its domain and code.
 *
 * A step of an async processor must not block: a sink that prerolls or waits for the clock in the
 * push, or a long computation, holds up everything else on the I/O context. An #sllink behind the
 * processor takes that away from it. A step that has held the thread for more than 20 ms is named
 * by the element message `streamlib-io-held`, at most once a second, with the fields `element`,
 * `phase` (`process` or `push`), `duration` (nanoseconds) and `count` (such steps so far).
 *
 * ## One link pad
 *
 * Events, queries and flow returns go through as they do in a `queue`.
 *
 * ## Several link pads
 *
 * A processor whose link pads are made on request has several, also while there is just one. A step
 * waits until every pad has a buffer, a GAP or EOS at its head. In a live pipeline it waits no
 * longer than the running time of the earliest head plus the configured latency; a pad without a
 * head is then late, and the process method finds nothing there. A flush of one pad empties that
 * pad only, unless it comes from a seek that this processor has sent upstream. The output is a
 * stream of its own, in a TIME segment that begins with running time 0; it ends when all pads have
 * ended. The LATENCY answer is the greatest minimum and the least maximum of the live pads.
 *
 * ## Messages
 *
 * QOS with the count of buffers that links have dropped, at most one a second; the watchdog's
 * messages (see #GstSlRuntime); an error where process failed and did not say why.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstslprocessor.h"

#include <memory>

#include "gst/streamlib/processor_state.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

using streamlib::LinkPadState;
using streamlib::ProcessorState;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;

namespace {

enum class Prop : guint {
  Execution = 1,
  Scheduling,
  Interval,
  Priority,
  Paused,
  Stats,
};

constexpr GstClockTime kDefaultInterval = 10 * GST_MSECOND;

GstElementClass *parent_class = nullptr;
gint private_offset = 0;

}  // namespace

ProcessorState &ProcessorState::of(GstSlProcessor *element)
{
  return *static_cast<ProcessorState *>(G_STRUCT_MEMBER_P(element, private_offset));
}

// --- Virtual methods ---

static gboolean gst_sl_processor_default_sink_event(GstSlProcessor *self, GstSlLinkPad *pad,
                                                    GstEvent *event)
{
  return ProcessorState::of(self).default_sink_event(LinkPadState::of(pad), event);
}

static GstFlowReturn gst_sl_processor_default_process_list(GstSlProcessor *self, GstSlLinkPad *pad,
                                                           GstBufferList *list)
{
  const auto owned = adopt_mini(list);
  GstFlowReturn flow = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length(list) && flow == GST_FLOW_OK; i++)
    flow = ProcessorState::of(self).call_process(pad, gst_buffer_ref(gst_buffer_list_get(list, i)));
  return flow;
}

// --- GstElement ---

static GstStateChangeReturn gst_sl_processor_change_state(GstElement *element,
                                                          GstStateChange transition)
{
  GstSlProcessor *self = GST_SL_PROCESSOR(element);
  ProcessorState &state = ProcessorState::of(self);
  const bool stops = transition == GST_STATE_CHANGE_PAUSED_TO_READY;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      state.set_runtime(adopt_object(gst_sl_runtime_for_element(element)));
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!state.setup())
        return GST_STATE_CHANGE_FAILURE;
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      state.set_playing(true);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      if (state.is_worker_thread()) {
        GST_ELEMENT_WARNING(element, CORE, STATE_CHANGE,
                            ("A processor cannot be stopped by its own thread. Let another thread "
                             "set the state, as gst_element_call_async() does."),
                            (nullptr));
        return GST_STATE_CHANGE_FAILURE;
      }
      state.begin_stop();
      break;
    default:
      break;
  }

  GstStateChangeReturn result = parent_class->change_state(element, transition);
  if (result == GST_STATE_CHANGE_FAILURE && transition != GST_STATE_CHANGE_READY_TO_PAUSED)
    return result;

  switch (transition) {
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (result == GST_STATE_CHANGE_FAILURE || !state.start()) {
        state.begin_stop();
        state.finish_stop();
        return GST_STATE_CHANGE_FAILURE;
      }
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      state.set_playing(false);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      state.set_runtime(nullptr);
      break;
    default:
      break;
  }
  if (stops)
    state.finish_stop();
  const bool no_preroll = state.live && state.link_count() == 0 &&
                          (transition == GST_STATE_CHANGE_READY_TO_PAUSED ||
                           transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED);
  return no_preroll ? GST_STATE_CHANGE_NO_PREROLL : result;
}

static gboolean gst_sl_processor_set_clock(GstElement *element, GstClock *clock)
{
  ProcessorState::of(GST_SL_PROCESSOR(element)).clock.set_clock(clock);
  return parent_class->set_clock(element, clock);
}

static gboolean gst_sl_processor_send_event(GstElement *element, GstEvent *event)
{
  bool result;
  if (ProcessorState::of(GST_SL_PROCESSOR(element)).send_event(event, &result))
    return result;
  return parent_class->send_event(element, event);
}

static gboolean gst_sl_processor_query(GstElement *element, GstQuery *query)
{
  bool result;
  if (ProcessorState::of(GST_SL_PROCESSOR(element)).query(query, &result))
    return result;
  return parent_class->query(element, query);
}

static void gst_sl_processor_pad_added(GstElement *element, GstPad *pad)
{
  ProcessorState::of(GST_SL_PROCESSOR(element)).pad_added(pad);
}

static void gst_sl_processor_pad_removed(GstElement *element, GstPad *pad)
{
  ProcessorState::of(GST_SL_PROCESSOR(element)).pad_removed(pad);
}

static gboolean gst_sl_processor_src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  return ProcessorState::of(GST_SL_PROCESSOR(parent)).src_event(pad, event);
}

static gboolean gst_sl_processor_src_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  return ProcessorState::of(GST_SL_PROCESSOR(parent)).src_query(pad, query);
}

static GstPad *gst_sl_processor_make_pad(ProcessorState &state, GstPadTemplate *templ,
                                         const gchar *name)
{
  GstPad *pad = gst_pad_new_from_template(templ, name);
  if (GST_PAD_IS_SRC(pad)) {
    gst_pad_set_event_function(pad, gst_sl_processor_src_event);
    gst_pad_set_query_function(pad, gst_sl_processor_src_query);
  } else if (GST_IS_SL_LINK_PAD(pad)) {
    // Before the worker can find it among the pads.
    LinkPadState::of(GST_SL_LINK_PAD(pad)).set_processor(&state);
  }
  return pad;
}

static GstPad *gst_sl_processor_request_new_pad(GstElement *element, GstPadTemplate *templ,
                                                const gchar *name, const GstCaps *caps)
{
  ProcessorState &state = ProcessorState::of(GST_SL_PROCESSOR(element));
  streamlib::support::CStr made;
  const char *pattern = GST_PAD_TEMPLATE_NAME_TEMPLATE(templ);
  if (name == nullptr && strchr(pattern, '%') != nullptr) {
    for (guint i = 0;; i++) {
      made.reset(
          g_strdup_printf("%.*s%u", static_cast<int>(strchr(pattern, '%') - pattern), pattern, i));
      const auto taken = adopt_object(gst_element_get_static_pad(element, made.get()));
      if (!taken)
        break;
    }
    name = made.get();
  }
  GstPad *pad = gst_sl_processor_make_pad(state, templ, name);
  const bool is_running = !state.stopping;
  if (is_running)
    gst_pad_set_active(pad, TRUE);
  if (gst_element_add_pad(element, pad))
    return pad;
  return nullptr;
}

static void gst_sl_processor_release_pad(GstElement *element, GstPad *pad)
{
  gst_pad_set_active(pad, FALSE);
  gst_element_remove_pad(element, pad);
}

// --- GObject ---

// A setting that the running processor depends on stays as it is, and the user is told.
static bool gst_sl_processor_may_change(GstSlProcessor *self, GParamSpec *spec)
{
  if (ProcessorState::of(self).stopping)
    return true;
  GST_ELEMENT_WARNING(
      self, RESOURCE, SETTINGS,
      ("%s can be changed in the states NULL and READY only; it stays as it is.", spec->name),
      (nullptr));
  return false;
}

static void gst_sl_processor_set_scheduling(GstSlProcessor *self, GstSlScheduling scheduling)
{
  ProcessorState &state = ProcessorState::of(self);
  const bool is_inline = scheduling == GST_SL_SCHEDULING_INLINE;
  if (is_inline && (state.has_own_stream() || state.execution != GST_SL_EXECUTION_REACTIVE)) {
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("scheduling=inline needs a reactive processor with one link pad; "
                         "scheduling stays as it is."),
                        ("link pads: %u", state.link_count()));
    return;
  }
  if (is_inline && state.is_paused()) {
    GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                        ("A processor that runs inline cannot be paused: set paused=false before "
                         "scheduling=inline; scheduling stays as it is."),
                        (nullptr));
    return;
  }
  state.scheduling = scheduling;
}

static void gst_sl_processor_set_paused(GstSlProcessor *self, bool paused)
{
  ProcessorState &state = ProcessorState::of(self);
  if (!paused || !state.is_inline()) {
    state.set_paused(paused);
    return;
  }
  GST_ELEMENT_WARNING(self, RESOURCE, SETTINGS,
                      ("A processor that runs inline has no link to hold buffers back in, and goes "
                       "on. Set scheduling=dedicated to pause it."),
                      (nullptr));
}

static void gst_sl_processor_set_property(GObject *object, guint id, const GValue *value,
                                          GParamSpec *spec)
{
  GstSlProcessor *self = GST_SL_PROCESSOR(object);
  ProcessorState &state = ProcessorState::of(self);
  switch (static_cast<Prop>(id)) {
    case Prop::Execution:
      if (gst_sl_processor_may_change(self, spec))
        state.execution = static_cast<GstSlExecution>(g_value_get_enum(value));
      break;
    case Prop::Scheduling:
      if (gst_sl_processor_may_change(self, spec))
        gst_sl_processor_set_scheduling(self,
                                        static_cast<GstSlScheduling>(g_value_get_enum(value)));
      break;
    case Prop::Interval:
      state.interval = g_value_get_uint64(value);
      state.kick();
      break;
    case Prop::Priority:
      if (gst_sl_processor_may_change(self, spec))
        state.priority = static_cast<GstSlPriority>(g_value_get_enum(value));
      break;
    case Prop::Paused:
      gst_sl_processor_set_paused(self, g_value_get_boolean(value) != FALSE);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_processor_get_property(GObject *object, guint id, GValue *value,
                                          GParamSpec *spec)
{
  const ProcessorState &state = ProcessorState::of(GST_SL_PROCESSOR(object));
  switch (static_cast<Prop>(id)) {
    case Prop::Execution:
      g_value_set_enum(value, state.execution);
      break;
    case Prop::Scheduling:
      g_value_set_enum(value, state.scheduling);
      break;
    case Prop::Interval:
      g_value_set_uint64(value, state.interval);
      break;
    case Prop::Priority:
      g_value_set_enum(value, state.priority);
      break;
    case Prop::Paused:
      g_value_set_boolean(value, state.is_paused());
      break;
    case Prop::Stats:
      g_value_take_boxed(value, state.stats().release());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_processor_finalize(GObject *object)
{
  std::destroy_at(&ProcessorState::of(GST_SL_PROCESSOR(object)));
  G_OBJECT_CLASS(parent_class)->finalize(object);
}

static void gst_sl_processor_install_properties(GObjectClass *klass)
{
  constexpr auto kInReady = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                     GST_PARAM_MUTABLE_READY);
  constexpr auto kAlways = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
                                                    GST_PARAM_MUTABLE_PLAYING);
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Execution),
      g_param_spec_enum("execution", "Execution", "When the processor takes a step",
                        GST_TYPE_SL_EXECUTION, GST_SL_EXECUTION_REACTIVE, kInReady));
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Scheduling),
      g_param_spec_enum("scheduling", "Scheduling", "Which thread runs the steps",
                        GST_TYPE_SL_SCHEDULING, GST_SL_SCHEDULING_DEDICATED, kInReady));
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Interval),
      g_param_spec_uint64(
          "interval", "Interval",
          "The period of continuous execution, in nanoseconds (0 = without a pause)", 0, G_MAXINT64,
          kDefaultInterval, kAlways));
  /**
   * GstSlProcessor:priority:
   *
   * What the dedicated thread of the processor asks the system for when it starts: by itself where
   * it may, otherwise from RealtimeKit. What it got is `priority-granted` in
   * #GstSlProcessor:stats; where that is less, an element message `streamlib-priority` says why,
   * with the fields `asked` and `granted` (#GstSlPriority), `reason` and `advice` (strings). The
   * thread gives it back when it ends.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Priority),
      g_param_spec_enum("priority", "Priority", "The scheduling priority of the processor's thread",
                        GST_TYPE_SL_PRIORITY, GST_SL_PRIORITY_NORMAL, kInReady));
  /**
   * GstSlProcessor:paused:
   *
   * Holds buffers back in the links; events at the head pass. A `latest` link keeps the newest
   * buffer, an `in-order` one drops what is too old when the pause ends, a `lossless` one makes its
   * pusher wait. EOS ends the pause of its link. Sinks are not kept from prerolling. A processor
   * that runs inline cannot be paused.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Paused),
      g_param_spec_boolean("paused", "Paused", "Hold buffers back", FALSE, kAlways));
  /**
   * GstSlProcessor:stats:
   *
   * The figures since the processor went to PAUSED: `steps`, `missed-ticks` (of continuous
   * execution), `late-joins` (steps at a deadline, without the data of a late pad), `io-held` and
   * `io-held-max` (steps of an async processor that have held the I/O thread for more than 20 ms,
   * and the longest of them in nanoseconds), `priority` and `priority-granted` (#GstSlPriority),
   * `thread-id` (the system's number of the thread that took the last step),
   *
   * `processing-p50`, `processing-p99` and `processing-max` (nanoseconds, to within 7 %: from the
   * beginning of a step with data to its end; nothing is subtracted, so the push of what it gives
   * counts with what downstream does in it, up to the next link, and with the wait for space
   * there), `processing-sampled` (one in so many steps is measured: each one below 10,000 a second,
   * one of 64 above), `processing-measured-ago` (nanoseconds since the last one was measured,
   * %GST_CLOCK_TIME_NONE before the first),
   *
   * and those of the links: with one link pad the fields of #GstSlLinkPad:stats themselves, with
   * several a structure of them for each pad, under the pad's name.
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      klass, static_cast<guint>(Prop::Stats),
      g_param_spec_boxed("stats", "Statistics", "The figures of the processor and its links",
                         GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void gst_sl_processor_class_init(gpointer klass, gpointer)
{
  parent_class = GST_ELEMENT_CLASS(g_type_class_peek_parent(klass));
  if (private_offset != 0)
    g_type_class_adjust_private_offset(klass, &private_offset);
  GST_DEBUG_CATEGORY_INIT(gst_sl_processor_debug, "slprocessor", 0, "processors");

  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_processor_set_property;
  object_class->get_property = gst_sl_processor_get_property;
  object_class->finalize = gst_sl_processor_finalize;
  gst_sl_processor_install_properties(object_class);

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_sl_processor_change_state;
  element_class->set_clock = gst_sl_processor_set_clock;
  element_class->send_event = gst_sl_processor_send_event;
  element_class->query = gst_sl_processor_query;
  element_class->pad_added = gst_sl_processor_pad_added;
  element_class->pad_removed = gst_sl_processor_pad_removed;
  element_class->request_new_pad = gst_sl_processor_request_new_pad;
  element_class->release_pad = gst_sl_processor_release_pad;

  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  processor_class->sink_event = gst_sl_processor_default_sink_event;
  processor_class->process_list = gst_sl_processor_default_process_list;
}

// `klass` is the class of the instance, whose templates say which pads it has.
static void gst_sl_processor_init(GTypeInstance *instance, gpointer klass)
{
  GstSlProcessor *self = GST_SL_PROCESSOR(instance);
  std::construct_at(&ProcessorState::of(self), self);
  GstElement *element = GST_ELEMENT(instance);
  bool has_src = false;
  bool has_sink = false;
  for (GList *item = gst_element_class_get_pad_template_list(GST_ELEMENT_CLASS(klass));
       item != nullptr; item = item->next) {
    GstPadTemplate *templ = GST_PAD_TEMPLATE(item->data);
    const bool is_src = GST_PAD_TEMPLATE_DIRECTION(templ) == GST_PAD_SRC;
    (is_src ? has_src : has_sink) = true;
    if (!is_src && GST_PAD_TEMPLATE_PRESENCE(templ) != GST_PAD_ALWAYS)
      ProcessorState::of(self).set_joins();
    if (GST_PAD_TEMPLATE_PRESENCE(templ) == GST_PAD_ALWAYS)
      gst_element_add_pad(element,
                          gst_sl_processor_make_pad(ProcessorState::of(self), templ,
                                                    GST_PAD_TEMPLATE_NAME_TEMPLATE(templ)));
  }
  if (!has_src)
    GST_OBJECT_FLAG_SET(element, GST_ELEMENT_FLAG_SINK);
  if (!has_sink)
    GST_OBJECT_FLAG_SET(element, GST_ELEMENT_FLAG_SOURCE);
  if (element->numsrcpads != 1 || element->numsinkpads != 1)
    return;
  // One in, one out: caps and allocation are asked of the neighbours, unless a subclass knows
  // better.
  for (GstPad *pad : {GST_PAD(element->sinkpads->data), GST_PAD(element->srcpads->data)}) {
    GST_PAD_SET_PROXY_CAPS(pad);
    GST_PAD_SET_PROXY_ALLOCATION(pad);
  }
}

// By hand, because the instance init function needs the class of the instance.
GType gst_sl_processor_get_type(void)
{
  static gsize type_id = 0;
  if (g_once_init_enter(&type_id)) {
    const GType type = g_type_register_static_simple(
        GST_TYPE_ELEMENT, g_intern_static_string("GstSlProcessor"), sizeof(GstSlProcessorClass),
        gst_sl_processor_class_init, sizeof(GstSlProcessor), gst_sl_processor_init,
        G_TYPE_FLAG_ABSTRACT);
    private_offset = g_type_add_instance_private(type, sizeof(ProcessorState));
    g_once_init_leave(&type_id, type);
  }
  return type_id;
}
