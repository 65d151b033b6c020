// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/gstslsendgate.h"

#include <memory>
#include <utility>

#include <gst/video/video.h>

#include "gst/support/guards.h"

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::MiniPtr;
using streamlib::support::MutexLock;
using streamlib::support::ObjectLock;
using streamlib::support::share_object;
using streamlib::webrtc::SendGateHooks;
using streamlib::webrtc::SendGateStats;
using streamlib::webrtc::SendPace;

namespace {

// Only a limit for one look: the waiting ends by opening, flush or stop.
constexpr gint64 kLookUs = G_USEC_PER_SEC;

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

struct SendGateState {
  SendGateState()
  {
    g_mutex_init(&mutex);
    g_cond_init(&changed);
  }
  ~SendGateState()
  {
    g_cond_clear(&changed);
    g_mutex_clear(&mutex);
  }

  SendGateHooks hooks;
  SendPace *pace = nullptr;
  MiniPtr<GstCaps> possible;
  GstPad *sink = nullptr;
  GstPad *src = nullptr;

  // A leaf: nothing is called with it. Guards the waiting only; the flags below are written with
  // it and read without.
  GMutex mutex;
  GCond changed;
  GstClockID clock_id = nullptr;
  std::atomic<bool> open = false;
  std::atomic<bool> playing = false;
  std::atomic<bool> flushing = true;
  std::atomic<guint> openings = 0;

  // Streaming thread.
  GstSegment segment;
  MiniPtr<GstCaps> caps;
  guint prepared = 0;
  bool is_prepared = false;
  bool knows_live = false;
  bool is_encoded_video = false;
  bool needs_key = false;
  guint waited_for_key = 0;  // In buffers.
  bool is_discont = false;
  GstClockTimeDiff shift = 0;
  bool has_shift = false;

  std::atomic<bool> live = false;
  std::atomic<guint64> passed = 0;
  std::atomic<guint64> dropped_closed = 0;
  std::atomic<guint64> dropped_no_key = 0;
  std::atomic<guint64> dropped_unlinked = 0;
};

}  // namespace

typedef SendGateState GstSlSendGatePrivate;

struct _GstSlSendGate {
  GstElement parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlSendGate, gst_sl_send_gate, GST_TYPE_ELEMENT,
                              G_ADD_PRIVATE(GstSlSendGate))

static SendGateState &gst_sl_send_gate_state(gpointer self)
{
  return *static_cast<SendGateState *>(
      gst_sl_send_gate_get_instance_private(GST_SL_SEND_GATE(self)));
}

// Sets a flag, and ends both waits so that they look at it.
static void gst_sl_send_gate_set(SendGateState &state, std::atomic<bool> &flag, bool value)
{
  const MutexLock lock(state.mutex);
  flag = value;
  g_cond_broadcast(&state.changed);
  if (state.clock_id != nullptr)
    gst_clock_id_unschedule(state.clock_id);
}

// Waits until `flag` is set; false when flushed or stopped.
static bool gst_sl_send_gate_wait_for(SendGateState &state, const std::atomic<bool> &flag)
{
  const MutexLock lock(state.mutex);
  while (!flag && !state.flushing)
    g_cond_wait_until(&state.changed, &state.mutex, g_get_monotonic_time() + kLookUs);
  return !state.flushing;
}

static void gst_sl_send_gate_learn_live(SendGateState &state)
{
  const auto query = adopt_mini(gst_query_new_latency());
  gboolean live = FALSE;
  if (gst_pad_peer_query(state.sink, query.get()))
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  state.live = live != FALSE;
  state.knows_live = true;
}

static void gst_sl_send_gate_ask_for_key(SendGateState &state)
{
  gst_pad_push_event(state.sink,
                     gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
}

// Until it is the buffer's time on the clock; false when flushed, stopped or closed meanwhile.
static bool gst_sl_send_gate_keep_pace(GstElement *element, SendGateState &state, GstBuffer *buffer)
{
  const GstClockTime stamp =
      GST_BUFFER_DTS_IS_VALID(buffer) ? GST_BUFFER_DTS(buffer) : GST_BUFFER_PTS(buffer);
  const GstClockTime running = gst_segment_to_running_time(&state.segment, GST_FORMAT_TIME, stamp);
  if (!GST_CLOCK_TIME_IS_VALID(running))
    return true;
  if (!gst_sl_send_gate_wait_for(state, state.playing))
    return false;
  const auto clock = adopt_object(gst_element_get_clock(element));
  if (!clock)
    return true;
  const GstClockTime base = gst_element_get_base_time(element);
  if (!state.has_shift) {
    const GstClockTimeDiff late = GST_CLOCK_DIFF(base + running, gst_clock_get_time(clock.get()));
    state.shift = state.pace->offset_for(late > 0 ? late : 0);
    state.has_shift = true;
  }
  const GstClockTimeDiff due = static_cast<GstClockTimeDiff>(base + running) + state.shift;
  GstClockID id =
      gst_clock_new_single_shot_id(clock.get(), due > 0 ? static_cast<GstClockTime>(due) : 0);
  bool may_wait;
  {
    const MutexLock lock(state.mutex);
    may_wait = !state.flushing && state.playing && state.open;
    if (may_wait)
      state.clock_id = id;
  }
  if (may_wait)
    gst_clock_id_wait(id, nullptr);
  {
    const MutexLock lock(state.mutex);
    state.clock_id = nullptr;
  }
  gst_clock_id_unref(id);
  return true;
}

// The shift belongs into the times, or the sender reports would not fit the clock.
static GstBuffer *gst_sl_send_gate_shifted(const SendGateState &state, GstBuffer *buffer)
{
  if (state.shift == 0 && !state.is_discont)
    return buffer;
  GstBuffer *shifted = gst_buffer_make_writable(buffer);
  if (GST_BUFFER_PTS_IS_VALID(shifted))
    GST_BUFFER_PTS(shifted) += static_cast<GstClockTime>(state.shift);
  if (GST_BUFFER_DTS_IS_VALID(shifted))
    GST_BUFFER_DTS(shifted) += static_cast<GstClockTime>(state.shift);
  if (state.is_discont)
    GST_BUFFER_FLAG_SET(shifted, GST_BUFFER_FLAG_DISCONT);
  return shifted;
}

enum class Passage { Pass, Drop, Flush, Fail };

static Passage gst_sl_send_gate_drop_closed(SendGateState &state)
{
  state.dropped_closed++;
  state.is_discont = true;
  state.needs_key = state.is_encoded_video;
  return Passage::Drop;
}

// Makes what the input goes to, once for each opening and each change of caps.
static Passage gst_sl_send_gate_prepare(SendGateState &state)
{
  const guint openings = state.openings;
  if (state.is_prepared && state.prepared == openings)
    return Passage::Pass;
  state.is_prepared = state.caps && state.hooks.prepare(state.caps.get());
  state.prepared = openings;
  if (state.is_prepared)
    return Passage::Pass;
  if (state.flushing)
    return Passage::Flush;
  // Closed in the midst of it: no fault of the input.
  return state.open && state.openings == openings ? Passage::Fail : Passage::Drop;
}

// Whether the buffer may go on, after the waiting that its kind of input is due.
static Passage gst_sl_send_gate_admit(GstElement *element, SendGateState &state, GstBuffer *buffer)
{
  if (!state.knows_live)
    gst_sl_send_gate_learn_live(state);
  for (;;) {
    if (state.flushing)
      return Passage::Flush;
    if (!state.open) {
      if (state.live)
        return gst_sl_send_gate_drop_closed(state);
      state.has_shift = false;
      if (!gst_sl_send_gate_wait_for(state, state.open))
        return Passage::Flush;
      continue;
    }
    if (state.live)
      break;
    if (!gst_sl_send_gate_keep_pace(element, state, buffer))
      return Passage::Flush;
    if (state.open && state.playing)
      break;
  }
  if (state.needs_key && GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)) {
    state.dropped_no_key++;
    if (state.waited_for_key++ % 30 == 0)
      gst_sl_send_gate_ask_for_key(state);
    return Passage::Drop;
  }
  const Passage prepared = gst_sl_send_gate_prepare(state);
  if (prepared == Passage::Drop)
    return gst_sl_send_gate_drop_closed(state);
  if (prepared == Passage::Pass) {
    state.needs_key = false;
    state.waited_for_key = 0;
  }
  return prepared;
}

static GstFlowReturn gst_sl_send_gate_chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  SendGateState &state = gst_sl_send_gate_state(parent);
  auto input = adopt_mini(buffer);
  switch (gst_sl_send_gate_admit(GST_ELEMENT(parent), state, buffer)) {
    case Passage::Drop:
      return GST_FLOW_OK;
    case Passage::Flush:
      return GST_FLOW_FLUSHING;
    case Passage::Fail:
      return GST_FLOW_NOT_NEGOTIATED;
    case Passage::Pass:
      break;
  }
  GstBuffer *output = gst_sl_send_gate_shifted(state, input.release());
  state.is_discont = false;
  const GstFlowReturn flow = gst_pad_push(state.src, output);
  if (flow == GST_FLOW_OK) {
    state.passed++;
    return flow;
  }
  // The session behind is being exchanged: the stream goes on with the next one.
  if (!state.flushing && (flow == GST_FLOW_NOT_LINKED || flow == GST_FLOW_FLUSHING || !state.open ||
                          state.prepared != state.openings)) {
    state.dropped_unlinked++;
    state.is_discont = true;
    state.needs_key = state.is_encoded_video;
    return GST_FLOW_OK;
  }
  return flow;
}

// What was made for other caps never sees these: an encoder would be set up once more for them, and
// may not take them at all.
static bool gst_sl_send_gate_take_caps(SendGateState &state, GstEvent *event)
{
  GstCaps *caps;
  gst_event_parse_caps(event, &caps);
  if (state.caps && gst_caps_is_equal(state.caps.get(), caps))
    return true;
  const char *name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
  const bool is_other_type =
      state.caps && !gst_structure_has_name(gst_caps_get_structure(state.caps.get(), 0), name);
  state.caps = streamlib::support::share_mini(caps);
  const bool is_in_use = std::exchange(state.is_prepared, false);
  state.is_encoded_video = g_str_has_prefix(name, "video/") && !g_str_equal(name, "video/x-raw");
  // Of another codec nothing can be decoded before its first keyframe.
  if (is_other_type)
    state.needs_key = state.is_encoded_video;
  return !is_in_use || gst_sl_send_gate_prepare(state) != Passage::Fail;
}

static gboolean gst_sl_send_gate_sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  SendGateState &state = gst_sl_send_gate_state(parent);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      state.hooks.begun();
      break;
    case GST_EVENT_FLUSH_START:
      gst_sl_send_gate_set(state, state.flushing, true);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_sl_send_gate_set(state, state.flushing, false);
      gst_segment_init(&state.segment, GST_FORMAT_TIME);
      state.has_shift = false;
      state.hooks.begun();
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &state.segment);
      break;
    case GST_EVENT_CAPS:
      if (!gst_sl_send_gate_take_caps(state, event)) {
        gst_event_unref(event);
        return FALSE;
      }
      break;
    default:
      break;
  }
  // Nothing may be linked yet; a sticky event stays on the pad for whoever comes.
  const bool is_sticky = GST_EVENT_IS_STICKY(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && !state.is_prepared)
    state.hooks.ended_early();
  return gst_pad_push_event(state.src, event) || is_sticky;
}

static gboolean gst_sl_send_gate_sink_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  SendGateState &state = gst_sl_send_gate_state(parent);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS: {
      GstCaps *filter;
      gst_query_parse_caps(query, &filter);
      const auto caps = filter != nullptr
                            ? adopt_mini(gst_caps_intersect_full(filter, state.possible.get(),
                                                                 GST_CAPS_INTERSECT_FIRST))
                            : state.possible;
      gst_query_set_caps_result(query, caps.get());
      return TRUE;
    }
    case GST_QUERY_ACCEPT_CAPS: {
      GstCaps *caps;
      gst_query_parse_accept_caps(query, &caps);
      gst_query_set_accept_caps_result(query, gst_caps_is_subset(caps, state.possible.get()));
      return TRUE;
    }
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

static GstStateChangeReturn gst_sl_send_gate_change_state(GstElement *element,
                                                          GstStateChange transition)
{
  SendGateState &state = gst_sl_send_gate_state(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    gst_segment_init(&state.segment, GST_FORMAT_TIME);
    state.caps.reset();
    state.is_prepared = state.knows_live = state.needs_key = state.has_shift = false;
    state.is_discont = true;
    state.shift = 0;
    state.hooks.begun();
    gst_sl_send_gate_set(state, state.flushing, false);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING) {
    gst_sl_send_gate_set(state, state.playing, true);
  } else if (transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED) {
    gst_sl_send_gate_set(state, state.playing, false);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_sl_send_gate_set(state, state.flushing, true);
  }
  return GST_ELEMENT_CLASS(gst_sl_send_gate_parent_class)->change_state(element, transition);
}

static void gst_sl_send_gate_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_send_gate_state(object));
  G_OBJECT_CLASS(gst_sl_send_gate_parent_class)->finalize(object);
}

static void gst_sl_send_gate_class_init(GstSlSendGateClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_send_gate_finalize;
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_sl_send_gate_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "WebRTC Send Gate", "Generic",
                                        "Holds the input back until the session is connected",
                                        "The gst-streamlib authors");
}

static void gst_sl_send_gate_init(GstSlSendGate *self)
{
  std::construct_at(&gst_sl_send_gate_state(self));
  SendGateState &state = gst_sl_send_gate_state(self);
  state.sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(state.sink, gst_sl_send_gate_chain);
  gst_pad_set_event_function(state.sink, gst_sl_send_gate_sink_event);
  gst_pad_set_query_function(state.sink, gst_sl_send_gate_sink_query);
  gst_element_add_pad(GST_ELEMENT(self), state.sink);
  state.src = gst_pad_new_from_static_template(&src_template, "src");
  gst_element_add_pad(GST_ELEMENT(self), state.src);
}

namespace streamlib::webrtc {

support::GObjectPtr<GstElement> make_send_gate(GstCaps *possible, SendPace *pace,
                                               SendGateHooks hooks)
{
  auto gate = support::sink_object(GST_ELEMENT(g_object_new(GST_TYPE_SL_SEND_GATE, nullptr)));
  SendGateState &state = gst_sl_send_gate_state(gate.get());
  state.possible = support::share_mini(possible);
  state.pace = pace;
  state.hooks = std::move(hooks);
  return gate;
}

void set_send_gate_open(GstElement *gate, bool open)
{
  SendGateState &state = gst_sl_send_gate_state(gate);
  if (open && !state.open)
    state.openings++;
  gst_sl_send_gate_set(state, state.open, open);
}

SendGateStats send_gate_stats(GstElement *gate)
{
  const SendGateState &state = gst_sl_send_gate_state(gate);
  return {state.passed, state.dropped_closed, state.dropped_no_key, state.dropped_unlinked,
          state.live};
}

}  // namespace streamlib::webrtc
