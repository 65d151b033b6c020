// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/gstslunitjoiner.h"

#include <memory>

#include "gst/support/guards.h"

using streamlib::support::adopt_mini;
using streamlib::support::MappedBuffer;
using streamlib::support::MiniPtr;

namespace {

constexpr guint8 kSps = 7;
constexpr guint8 kDelimiter = 9;

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"));
GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"));

struct JoinerState {
  // Streaming thread, or the one that stops it.
  MiniPtr<GstBuffer> held;
};

// How many bytes of SPS, PPS and delimiters are in front of anything else.
gsize leading_parameter_sets(const guint8 *data, gsize size)
{
  gsize begin = 0;
  for (gsize at = 0; at + 3 < size; at++) {
    if (data[at] != 0 || data[at + 1] != 0 || data[at + 2] != 1)
      continue;
    // A start code of four bytes belongs to what it starts.
    begin = at > begin && data[at - 1] == 0 ? at - 1 : at;
    const guint8 type = data[at + 3] & 0x1f;
    if (type < kSps || type > kDelimiter)
      return begin;
    at += 3;
  }
  return size;
}

MiniPtr<GstBuffer> join(MiniPtr<GstBuffer> unit, MiniPtr<GstBuffer> more)
{
  gsize skip = 0;
  gsize size = 0;
  {
    const MappedBuffer map(more.get(), GST_MAP_READ);
    if (!map)
      return unit;
    size = map.size();
    skip = leading_parameter_sets(map.data(), size);
  }
  const bool is_marked = GST_BUFFER_FLAG_IS_SET(more.get(), GST_BUFFER_FLAG_MARKER);
  GstBuffer *joined = gst_buffer_make_writable(unit.release());
  if (skip < size)
    gst_buffer_copy_into(joined, more.get(), GST_BUFFER_COPY_MEMORY, skip, size - skip);
  if (is_marked)
    GST_BUFFER_FLAG_SET(joined, GST_BUFFER_FLAG_MARKER);
  return adopt_mini(joined);
}

}  // namespace

typedef JoinerState GstSlUnitJoinerPrivate;

struct _GstSlUnitJoiner {
  GstElement parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlUnitJoiner, gst_sl_unit_joiner, GST_TYPE_ELEMENT,
                              G_ADD_PRIVATE(GstSlUnitJoiner))

static JoinerState &gst_sl_unit_joiner_state(gpointer self)
{
  return *static_cast<JoinerState *>(
      gst_sl_unit_joiner_get_instance_private(GST_SL_UNIT_JOINER(self)));
}

static GstFlowReturn gst_sl_unit_joiner_push_held(GstObject *self)
{
  JoinerState &state = gst_sl_unit_joiner_state(self);
  if (!state.held)
    return GST_FLOW_OK;
  const auto src =
      streamlib::support::adopt_object(gst_element_get_static_pad(GST_ELEMENT(self), "src"));
  return gst_pad_push(src.get(), state.held.release());
}

static GstFlowReturn gst_sl_unit_joiner_chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  JoinerState &state = gst_sl_unit_joiner_state(parent);
  auto next = adopt_mini(buffer);
  GstFlowReturn flow = GST_FLOW_OK;
  if (state.held && GST_BUFFER_PTS(state.held.get()) == GST_BUFFER_PTS(buffer)) {
    state.held = join(std::move(state.held), std::move(next));
  } else {
    flow = gst_sl_unit_joiner_push_held(parent);
    state.held = std::move(next);
  }
  if (flow == GST_FLOW_OK && GST_BUFFER_FLAG_IS_SET(state.held.get(), GST_BUFFER_FLAG_MARKER))
    flow = gst_sl_unit_joiner_push_held(parent);
  return flow;
}

static gboolean gst_sl_unit_joiner_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
    gst_sl_unit_joiner_state(parent).held.reset();
  else if (GST_EVENT_IS_SERIALIZED(event))
    gst_sl_unit_joiner_push_held(parent);
  return gst_pad_event_default(pad, parent, event);
}

static GstStateChangeReturn gst_sl_unit_joiner_change_state(GstElement *element,
                                                            GstStateChange transition)
{
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_sl_unit_joiner_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    gst_sl_unit_joiner_state(element).held.reset();
  return result;
}

static void gst_sl_unit_joiner_finalize(GObject *object)
{
  std::destroy_at(&gst_sl_unit_joiner_state(object));
  G_OBJECT_CLASS(gst_sl_unit_joiner_parent_class)->finalize(object);
}

static void gst_sl_unit_joiner_class_init(GstSlUnitJoinerClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_unit_joiner_finalize;
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_sl_unit_joiner_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "WebRTC Unit Joiner", "Codec/Parser/Video",
                                        "Joins the parts of an access unit",
                                        "The gst-streamlib authors");
}

static void gst_sl_unit_joiner_init(GstSlUnitJoiner *self)
{
  std::construct_at(&gst_sl_unit_joiner_state(self));
  GstPad *sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink, gst_sl_unit_joiner_chain);
  gst_pad_set_event_function(sink, gst_sl_unit_joiner_event);
  GST_PAD_SET_PROXY_CAPS(sink);
  gst_element_add_pad(GST_ELEMENT(self), sink);
  GstPad *src = gst_pad_new_from_static_template(&src_template, "src");
  GST_PAD_SET_PROXY_CAPS(src);
  gst_element_add_pad(GST_ELEMENT(self), src);
}

namespace streamlib::webrtc {

support::GObjectPtr<GstElement> make_unit_joiner()
{
  return support::sink_object(GST_ELEMENT(g_object_new(GST_TYPE_SL_UNIT_JOINER, nullptr)));
}

}  // namespace streamlib::webrtc
