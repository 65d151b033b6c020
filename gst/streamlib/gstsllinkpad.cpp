// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:gstsllinkpad
 * @title: GstSlLinkPad
 * @short_description: a sink pad with a lock-free link inside
 *
 * A link pad takes buffers from the thread that pushes and keeps them, in a bounded lock-free link,
 * for the thread of its #GstSlProcessor. Name its type in a pad template
 * (gst_pad_template_new_with_gtype()) to give an element such a pad.
 *
 * Buffers, buffer lists and serialized events and queries come out in the order they went in. What
 * happens when the processor is slower than the stream is the #GstSlLinkPad:policy. Each buffer
 * that is dropped is counted by its reason in #GstSlLinkPad:stats, and the next buffer that is
 * delivered carries %GST_BUFFER_FLAG_DISCONT.
 *
 * Since: 0.1
 */
#include "gst/streamlib/gstsllinkpad.h"

#include <memory>

#include "gst/streamlib/link_pad_state.h"
#include "gst/streamlib/link_properties.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY(gst_sl_link_debug);
#define GST_CAT_DEFAULT gst_sl_link_debug

using streamlib::LinkItem;
using streamlib::LinkPadState;
using streamlib::ProcessorState;

namespace {

enum class Prop : guint { Policy = 1, Depth, MaxTime, MaxBytes, Level, Stats };

}  // namespace

typedef LinkPadState GstSlLinkPadPrivate;

struct _GstSlLinkPad {
  GstPad parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlLinkPad, gst_sl_link_pad, GST_TYPE_PAD,
                              G_ADD_PRIVATE(GstSlLinkPad)
                                  GST_DEBUG_CATEGORY_INIT(gst_sl_link_debug, "sllinkpad", 0,
                                                          "links between processors"))

// clang-format off
G_DEFINE_QUARK(gst-sl-link-error-quark, gst_sl_link_error)
// clang-format on

LinkPadState &LinkPadState::of(GstSlLinkPad *pad)
{
  return *static_cast<LinkPadState *>(gst_sl_link_pad_get_instance_private(pad));
}

// --- Pad functions: the pushing thread ---

// RT: without the lookups of checked casts. Only a processor has parents of link pads, and
// GStreamer holds the parent while a pad function runs.
static GstFlowReturn gst_sl_link_pad_take(GstPad *pad, GstObject *parent, GstMiniObject *data)
{
  LinkPadState &state = LinkPadState::of(reinterpret_cast<GstSlLinkPad *>(pad));
  ProcessorState *processor = state.processor();
  if (G_LIKELY(processor != nullptr && parent != nullptr))
    return state.chain(*processor, data);
  gst_mini_object_unref(data);
  return GST_FLOW_ERROR;
}

static GstFlowReturn gst_sl_link_pad_chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  return gst_sl_link_pad_take(pad, parent, GST_MINI_OBJECT_CAST(buffer));
}

static GstFlowReturn gst_sl_link_pad_chain_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
  return gst_sl_link_pad_take(pad, parent, GST_MINI_OBJECT_CAST(list));
}

static GstFlowReturn gst_sl_link_pad_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  LinkPadState &state = LinkPadState::of(GST_SL_LINK_PAD(pad));
  if (state.processor() != nullptr && parent != nullptr)
    return state.event(*state.processor(), event);
  gst_event_unref(event);
  return GST_FLOW_ERROR;
}

static gboolean gst_sl_link_pad_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  LinkPadState &state = LinkPadState::of(GST_SL_LINK_PAD(pad));
  return state.processor() != nullptr && parent != nullptr &&
         state.query(*state.processor(), query);
}

static gboolean gst_sl_link_pad_activate_mode(GstPad *pad, GstObject *parent, GstPadMode mode,
                                              gboolean active)
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  LinkPadState::of(GST_SL_LINK_PAD(pad)).activate(active);
  return TRUE;
}

// --- Public: the processor's thread ---

/**
 * gst_sl_link_pad_peek_buffer:
 * @pad: a link pad
 *
 * Shows the next buffer without taking it. Events in front of it are handled first. The processor's
 * thread only. Where a buffer list comes next, shows its first buffer.
 *
 * In a processor with several link pads a GAP event shows as an empty buffer with
 * %GST_BUFFER_FLAG_GAP and the time and duration of the gap.
 *
 * Returns: (transfer full) (nullable): the next buffer, %NULL when there is none now
 *
 * Since: 0.1
 */
GstBuffer *gst_sl_link_pad_peek_buffer(GstSlLinkPad *pad)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad), nullptr);
  LinkPadState &state = LinkPadState::of(pad);
  return state.peek_buffer().release();
}

/**
 * gst_sl_link_pad_pop_buffer:
 * @pad: a link pad
 *
 * Takes the next buffer. Events in front of it are handled first. The processor's thread only.
 *
 * Returns: (transfer full) (nullable): the next buffer, %NULL when there is none now
 *
 * Since: 0.1
 */
GstBuffer *gst_sl_link_pad_pop_buffer(GstSlLinkPad *pad)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad), nullptr);
  return LinkPadState::of(pad).pop_buffer().release();
}

/**
 * gst_sl_link_pad_is_eos:
 * @pad: a link pad
 *
 * The processor's thread only.
 *
 * Returns: %TRUE when the stream has ended and all its buffers were taken
 *
 * Since: 0.1
 */
gboolean gst_sl_link_pad_is_eos(GstSlLinkPad *pad)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad), FALSE);
  return LinkPadState::of(pad).eos;
}

/**
 * gst_sl_link_pad_get_segment:
 * @pad: a link pad
 * @segment: (out caller-allocates): the segment that the next buffer belongs to; of undefined
 * format before there is one
 *
 * The processor's thread only.
 *
 * Since: 0.1
 */
void gst_sl_link_pad_get_segment(GstSlLinkPad *pad, GstSegment *segment)
{
  g_return_if_fail(GST_IS_SL_LINK_PAD(pad) && segment != nullptr);
  gst_segment_copy_into(&LinkPadState::of(pad).segment, segment);
}

/**
 * gst_sl_link_pad_get_caps:
 * @pad: a link pad
 *
 * The caps of the next buffer. gst_pad_get_current_caps() answers those of the newest buffer in the
 * link. The processor's thread only.
 *
 * Returns: (transfer full) (nullable): the caps, %NULL before there are any
 *
 * Since: 0.1
 */
GstCaps *gst_sl_link_pad_get_caps(GstSlLinkPad *pad)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad), nullptr);
  streamlib::support::MiniPtr<GstCaps> caps = LinkPadState::of(pad).caps;
  return caps.release();
}

/**
 * gst_sl_link_pad_get_running_time:
 * @pad: a link pad
 * @buffer: a buffer that was taken or peeked from @pad
 *
 * The processor's thread only.
 *
 * Returns: the running time of @buffer in nanoseconds, by its DTS or else its PTS;
 *   %GST_CLOCK_TIME_NONE when it has none
 *
 * Since: 0.1
 */
GstClockTime gst_sl_link_pad_get_running_time(GstSlLinkPad *pad, GstBuffer *buffer)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad) && GST_IS_BUFFER(buffer), GST_CLOCK_TIME_NONE);
  return LinkPadState::of(pad).running_time(buffer);
}

// --- Public: any thread ---

/**
 * gst_sl_link_pad_get_stats:
 * @pad: a link pad
 *
 * The figures of the link since its pad was activated, read without a lock. Any thread.
 *
 * Returns: (transfer full): the structure described at #GstSlLinkPad:stats
 *
 * Since: 0.1
 */
GstStructure *gst_sl_link_pad_get_stats(GstSlLinkPad *pad)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad), nullptr);
  return LinkPadState::of(pad).stats().release();
}

/**
 * gst_sl_link_pad_take_over:
 * @pad: an active link pad that is not linked
 * @from: a linked link pad of another processor
 * @error: return location of an error
 *
 * Moves the link of @from, with all that is queued in it and its figures, to @pad: from now on the
 * processor of @pad drains it, beginning with the sticky events of the stream. The peer of @from is
 * linked to @pad as soon as its thread is between two buffers; until then it feeds the same link
 * through @from. Neither the peer nor the two processors wait, also when the processor of @from is
 * stuck; the buffer that it works on is not repeated. #GstPad::linked of @pad tells when the peer
 * has moved, and @from may be removed.
 *
 * Any thread that may change the pipeline.
 *
 * Returns: %FALSE with @error set when nothing was moved
 *
 * Since: 0.1
 */
gboolean gst_sl_link_pad_take_over(GstSlLinkPad *pad, GstSlLinkPad *from, GError **error)
{
  g_return_val_if_fail(GST_IS_SL_LINK_PAD(pad) && GST_IS_SL_LINK_PAD(from), FALSE);
  const auto status = LinkPadState::of(pad).take_over(LinkPadState::of(from));
  if (status.ok())
    return TRUE;
  g_set_error(error, GST_SL_LINK_ERROR, status.error().code, "%s:%s from %s:%s: %s",
              GST_DEBUG_PAD_NAME(pad), GST_DEBUG_PAD_NAME(from), status.error().text.c_str());
  return FALSE;
}

// --- GObject ---

static void gst_sl_link_pad_set_property(GObject *object, guint id, const GValue *value,
                                         GParamSpec *spec)
{
  LinkPadState &state = LinkPadState::of(GST_SL_LINK_PAD(object));
  switch (static_cast<Prop>(id)) {
    case Prop::Policy:
      state.settings.policy = static_cast<GstSlLinkPolicy>(g_value_get_enum(value));
      state.redecide();
      break;
    case Prop::Depth:
      state.settings.depth = g_value_get_uint(value);
      break;
    case Prop::MaxTime:
      state.settings.max_time = g_value_get_uint64(value);
      break;
    case Prop::MaxBytes:
      state.settings.max_bytes = g_value_get_uint64(value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
      return;
  }
  state.update_limits();
}

static void gst_sl_link_pad_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const LinkPadState &state = LinkPadState::of(GST_SL_LINK_PAD(object));
  switch (static_cast<Prop>(id)) {
    case Prop::Policy:
      g_value_set_enum(value, state.settings.policy);
      break;
    case Prop::Depth:
      g_value_set_uint(value, state.settings.depth);
      break;
    case Prop::MaxTime:
      g_value_set_uint64(value, state.settings.max_time);
      break;
    case Prop::MaxBytes:
      g_value_set_uint64(value, state.settings.max_bytes);
      break;
    case Prop::Level: {
      const auto stats = state.stats();
      g_value_copy(gst_structure_get_value(stats.get(), "level"), value);
      break;
    }
    case Prop::Stats:
      g_value_take_boxed(value, state.stats().release());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

static void gst_sl_link_pad_constructed(GObject *object)
{
  G_OBJECT_CLASS(gst_sl_link_pad_parent_class)->constructed(object);
  GstPad *pad = GST_PAD(object);
  gst_pad_set_chain_function(pad, gst_sl_link_pad_chain);
  gst_pad_set_chain_list_function(pad, gst_sl_link_pad_chain_list);
  gst_pad_set_event_full_function(pad, gst_sl_link_pad_event);
  gst_pad_set_query_function(pad, gst_sl_link_pad_query);
  gst_pad_set_activatemode_function(pad, gst_sl_link_pad_activate_mode);
}

static void gst_sl_link_pad_finalize(GObject *object)
{
  std::destroy_at(&LinkPadState::of(GST_SL_LINK_PAD(object)));
  G_OBJECT_CLASS(gst_sl_link_pad_parent_class)->finalize(object);
}

static void gst_sl_link_pad_class_init(GstSlLinkPadClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_link_pad_set_property;
  object_class->get_property = gst_sl_link_pad_get_property;
  object_class->constructed = gst_sl_link_pad_constructed;
  object_class->finalize = gst_sl_link_pad_finalize;
  streamlib::install_link_properties(
      object_class, {static_cast<guint>(Prop::Policy), static_cast<guint>(Prop::Depth),
                     static_cast<guint>(Prop::MaxTime), static_cast<guint>(Prop::MaxBytes),
                     static_cast<guint>(Prop::Level)});
  /**
   * GstSlLinkPad:stats:
   *
   * The figures of the link since the pad was activated. Counts are buffers, times nanoseconds:
   *
   * - `policy` #GstSlLinkPolicy: the policy in effect
   * - `depth` #guint: the depth in effect
   * - `level` #guint: buffers in the link; pushed = popped + dropped + level
   * - `pushed`, `popped` #guint64: buffers that came, and that the processor took
   * - `dropped` #guint64: the sum of the next three
   * - `dropped-full` #guint64: because the link was full, with the delta units that this made
   * useless
   * - `dropped-stale` #guint64: because a newer buffer was there and their time had passed
   * - `dropped-flush` #guint64: because of a flush, or of an end of stream downstream
   * - `wakeups` #guint64: how often the processor had to be woken
   * - `queueing-p50`, `queueing-p99`, `queueing-max` #guint64: time in the link, to within 7 %
   * - `sampled` #guint: queueing times are taken of one in so many buffers
   * - `flow` #GstFlowReturn: what a push into the pad gets
   * - `age`, `age-max` #gint64: the running time now minus that of the buffer when the processor
   *   takes it, in PLAYING with a clock, of the buffers whose processing is measured: the mean of
   *   about the last 16, and the greatest; negative where a buffer comes early
   * - `age-samples` #guint64: of so many buffers
   *
   * Since: 0.1
   */
  g_object_class_install_property(
      object_class, static_cast<guint>(Prop::Stats),
      g_param_spec_boxed("stats", "Statistics", "The figures of the link", GST_TYPE_STRUCTURE,
                         static_cast<GParamFlags>(G_PARAM_READABLE | G_PARAM_STATIC_STRINGS)));
}

static void gst_sl_link_pad_init(GstSlLinkPad *self)
{
  std::construct_at(&LinkPadState::of(self), self);
}
