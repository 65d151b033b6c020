// SPDX-License-Identifier: LGPL-2.1-or-later
#include "whep_viewer.h"

#include <algorithm>
#include <cstdlib>

#include <gst/check/gstcheck.h>
#include <gst/video/video.h>

#include "ext/webrtc/gstslwhepsrc.h"
#include "gst/support/guards.h"

namespace fixture {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;
using streamlib::support::MappedBuffer;
using streamlib::support::MiniPtr;
using streamlib::support::share_object;
using streamlib::support::sink_object;
using streamlib::support::StructurePtr;
using streamlib::webrtc::MediaKind;

namespace {

// The one that is linked to this program, instead of that of the plugin.
GObjectPtr<GstElement> make_src()
{
  GST_ELEMENT_REGISTER(slwhepsrc, nullptr);
  return sink_object(gst_element_factory_make("slwhepsrc", nullptr));
}

MediaKind kind_of(GstPad *pad)
{
  return g_str_has_prefix(GST_PAD_NAME(pad), "video") ? MediaKind::Video : MediaKind::Audio;
}

void look_at_picture(Seen &seen, GstBuffer *buffer, GstCaps *caps)
{
  GstVideoInfo info;
  GstVideoFrame frame;
  ck_assert(gst_video_info_from_caps(&info, caps));
  ck_assert(gst_video_frame_map(&frame, &info, buffer, GST_MAP_READ));
  guint8 *const planes[] = {seen.y, seen.u, seen.v};
  for (guint plane = 0; plane < 3; plane++) {
    const gint width = GST_VIDEO_FRAME_COMP_WIDTH(&frame, plane);
    const gint row = GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane) / 2;
    const auto *data = static_cast<const guint8 *>(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane));
    for (gint bar = 0; bar < kBars; bar++)
      planes[plane][bar] =
          data[static_cast<ptrdiff_t>(row) * GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane) +
               (2 * bar + 1) * width / (2 * kBars)];
  }
  gst_video_frame_unmap(&frame);
}

void look_at_sound(Seen &seen, GstBuffer *buffer)
{
  const MappedBuffer map(buffer, GST_MAP_READ);
  const auto *samples = reinterpret_cast<const gint16 *>(map.data());
  for (size_t i = 0; i < map.size() / sizeof *samples; i++)
    seen.peak = std::max(seen.peak, std::abs(int{samples[i]}));
}

void look_at(Seen &seen, GstBuffer *buffer, GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  if (gst_structure_has_name(structure, "video/x-raw") &&
      g_strcmp0(gst_structure_get_string(structure, "format"), "I420") == 0)
    look_at_picture(seen, buffer, caps);
  if (gst_structure_has_name(structure, "audio/x-raw") &&
      g_strcmp0(gst_structure_get_string(structure, "format"), "S16LE") == 0)
    look_at_sound(seen, buffer);
}

}  // namespace

Viewer::Viewer(const std::string &endpoint, std::map<MediaKind, std::string> lines)
    : texts_(std::move(lines)), pipeline_(sink_object(gst_pipeline_new(nullptr))), src_(make_src())
{
  fail_unless(src_.get() != nullptr);
  g_object_set(src_.get(), "whep-endpoint", endpoint.c_str(), nullptr);
  gst_bin_add(GST_BIN(pipeline_.get()), src_.get());
  g_signal_connect(src_.get(), "pad-added", G_CALLBACK(on_pad), this);
  g_signal_connect(src_.get(), "pad-removed",
                   G_CALLBACK(+[](GstElement *, GstPad *, Viewer *self) { self->pads_removed++; }),
                   this);
  g_signal_connect(src_.get(), "no-more-pads",
                   G_CALLBACK(+[](GstElement *, Viewer *self) { self->no_more_pads++; }), this);
}

Viewer::~Viewer()
{
  stop();
}

void Viewer::play()
{
  ck_assert_int_ne(gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
}

gint64 Viewer::stop()
{
  const gint64 begin = g_get_monotonic_time();
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  return g_get_monotonic_time() - begin;
}

void Viewer::on_pad(GstElement *, GstPad *pad, gpointer data)
{
  auto *self = static_cast<Viewer *>(data);
  const MediaKind kind = kind_of(pad);
  {
    Line &line = self->line_of(kind);
    const std::lock_guard lock(line.mutex);
    line.pad = share_object(pad);
  }
  const auto text = self->texts_.find(kind);
  if (text != self->texts_.end() && !text->second.empty())
    self->link(kind, text->second);
  self->pads_added++;
}

void Viewer::link(MediaKind kind, const std::string &text)
{
  Line &line = line_of(kind);
  const std::string whole =
      text + " ! fakesink name=end sync=false async=false signal-handoffs=true";
  GError *error = nullptr;
  GstElement *bin = gst_parse_bin_from_description(whole.c_str(), TRUE, &error);
  fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
  const auto end = adopt_object(gst_bin_get_by_name(GST_BIN(bin), "end"));
  g_signal_connect(end.get(), "handoff", G_CALLBACK(on_buffer), &line);
  gst_bin_add(GST_BIN(pipeline_.get()), bin);
  gst_element_sync_state_with_parent(bin);
  const auto sink = adopt_object(gst_element_get_static_pad(bin, "sink"));
  GObjectPtr<GstPad> pad;
  {
    const std::lock_guard lock(line.mutex);
    line.bin = share_object(bin);
    pad = line.pad;
  }
  ck_assert_int_eq(gst_pad_link(pad.get(), sink.get()), GST_PAD_LINK_OK);
}

void Viewer::unlink(MediaKind kind)
{
  Line &line = line_of(kind);
  GObjectPtr<GstElement> bin;
  GObjectPtr<GstPad> pad;
  {
    const std::lock_guard lock(line.mutex);
    bin = std::move(line.bin);
    pad = line.pad;
  }
  const auto sink = adopt_object(gst_element_get_static_pad(bin.get(), "sink"));
  gst_pad_unlink(pad.get(), sink.get());
  gst_element_set_state(bin.get(), GST_STATE_NULL);
  gst_bin_remove(GST_BIN(pipeline_.get()), bin.get());
}

void Viewer::on_buffer(GstElement *, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  auto *line = static_cast<Line *>(data);
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  const auto caps = adopt_mini(gst_pad_get_current_caps(pad));
  const GstSegment *segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  Seen seen;
  const GstClockTime stamp =
      GST_BUFFER_PTS_IS_VALID(buffer) ? GST_BUFFER_PTS(buffer) : GST_BUFFER_DTS(buffer);
  seen.running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, stamp);
  seen.is_key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  seen.is_discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  seen.size = gst_buffer_get_size(buffer);
  look_at(seen, buffer, caps.get());
  const std::lock_guard lock(line->mutex);
  line->seen.push_back(seen);
  line->caps = caps;
}

std::vector<Seen> Viewer::seen(MediaKind kind)
{
  Line &line = line_of(kind);
  const std::lock_guard lock(line.mutex);
  return line.seen;
}

size_t Viewer::count(MediaKind kind)
{
  return seen(kind).size();
}

std::string Viewer::caps(MediaKind kind)
{
  Line &line = line_of(kind);
  const std::lock_guard lock(line.mutex);
  const CStr text(line.caps ? gst_caps_to_string(line.caps.get()) : g_strdup(""));
  return text.get();
}

std::string Viewer::state() const
{
  GValue value = G_VALUE_INIT;
  g_value_init(&value,
               g_object_class_find_property(G_OBJECT_GET_CLASS(src_.get()), "state")->value_type);
  g_object_get_property(G_OBJECT(src_.get()), "state", &value);
  const auto *klass = static_cast<GEnumClass *>(g_type_class_peek(G_VALUE_TYPE(&value)));
  return g_enum_get_value(const_cast<GEnumClass *>(klass), g_value_get_enum(&value))->value_nick;
}

guint64 Viewer::pad_stat(const char *pad, const char *field) const
{
  GstStructure *stats = nullptr;
  g_object_get(src_.get(), "stats", &stats, nullptr);
  const StructurePtr owned(stats);
  const GValue *entry = gst_structure_get_value(stats, pad);
  guint64 value = 0;
  ck_assert_msg(
      entry != nullptr && gst_structure_get_uint64(gst_value_get_structure(entry), field, &value),
      "no field %s of %s", field, pad);
  return value;
}

std::string Viewer::stats_text() const
{
  GstStructure *stats = nullptr;
  g_object_get(src_.get(), "stats", &stats, nullptr);
  const StructurePtr owned(stats);
  const CStr text(gst_structure_to_string(stats));
  return text.get();
}

}  // namespace fixture
