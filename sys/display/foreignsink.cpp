// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include "sys/display/foreignsink.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <gst/video/navigation.h>
#include <gst/video/video.h>
#include <gst/video/videooverlay.h>

#ifdef HAVE_GL
#include "sys/display/gldisplay.h"
#endif

namespace streamlib::display {

namespace {

using support::adopt_mini;
using support::adopt_object;
using support::Done;
using support::ErrorPtr;
using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::Result;
using support::Status;
using support::StructurePtr;

// Where in the window the picture is drawn, is said at each drawing.
constexpr const char *kGl =
    "glupload ! glcolorconvert ! glimagesinkelement name=sink rotate-method=automatic "
    "force-aspect-ratio=false";
constexpr const char *kKms = "videoconvertscale ! kmssink name=sink";

// A pad that is found again from its functions, whose data are GStreamer's own.
GQuark self_quark()
{
  static const GQuark quark = g_quark_from_static_string("gst-sl-foreign-sink");
  return quark;
}

// What is drawn outside of the window is cut off.
[[maybe_unused]] Rect viewport_of(const Picture &picture, Size window, Scaling scaling)
{
  const Size natural = natural_size(picture);
  if (scaling == Scaling::Stretch || natural.empty())
    return {0, 0, window.width, window.height};
  const double across = double(window.width) / natural.width;
  const double down = double(window.height) / natural.height;
  const double scale = scaling == Scaling::Crop ? std::max(across, down) : std::min(across, down);
  const Size drawn = {std::max(1, int(std::lround(natural.width * scale))),
                      std::max(1, int(std::lround(natural.height * scale)))};
  return {(window.width - drawn.width) / 2, (window.height - drawn.height) / 2, drawn.width,
          drawn.height};
}

}  // namespace

GstFlowReturn flow_after(OnClose on_close)
{
  switch (on_close) {
    case OnClose::Eos:
      return GST_FLOW_EOS;
    case OnClose::Error:
      return GST_FLOW_ERROR;
    case OnClose::Disconnect:
      break;
  }
  return GST_FLOW_OK;
}

// ---- Making

Result<std::shared_ptr<ForeignSink>> ForeignSink::make(Backend backend,
                                                       std::shared_ptr<GlDisplay> gl,
                                                       SinkOwner *owner)
{
  std::shared_ptr<ForeignSink> self(new ForeignSink(owner));
  self->gl_ = std::move(gl);
  const Status built = self->build(backend);
  if (!built)
    return built.error();
  self->wrap();
  return self;
}

Status ForeignSink::build(Backend backend)
{
  const char *description = backend == Backend::Gl ? kGl : kKms;
  GError *raw = nullptr;
  GstElement *made = gst_parse_bin_from_description_full(description, TRUE, nullptr,
                                                         GST_PARSE_FLAG_FATAL_ERRORS, &raw);
  const ErrorPtr error(raw);
  if (made == nullptr)
    return Failure{0,
                   std::string("The backend ") + nick_of(backend) +
                       " cannot be made. Install its GStreamer plugin, or take another backend.",
                   error ? error->message : description};
  element_ = support::sink_object(made);
  sink_ = adopt_object(gst_bin_get_by_name(GST_BIN(made), "sink"));
  pad_ = adopt_object(gst_element_get_static_pad(made, "sink"));
  if (backend == Backend::Gl) {
    reshape_ = support::SignalHandler(sink_.get(), "client-reshape",
                                      G_CALLBACK(&ForeignSink::on_reshape), this);
    draw_ =
        support::SignalHandler(sink_.get(), "client-draw", G_CALLBACK(&ForeignSink::on_draw), this);
    navigation_ = support::PadProbe(pad_.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
                                    &ForeignSink::on_upstream_event, this);
  }
#ifdef HAVE_GL
  if (gl_)
    gst_element_set_context(made, gl_->context());
#endif
  return Done{};
}

// Between the link and the sink: the sink's own pad says neither what came of a frame nor when.
void ForeignSink::wrap()
{
  // The last frame is kept here, as it came and not as the sink had it converted.
  g_object_set(sink_.get(), "enable-last-sample", FALSE, nullptr);
  g_object_set_qdata(G_OBJECT(pad_.get()), self_quark(), this);
  gst_pad_set_chain_function(pad_.get(), &ForeignSink::chain);
  gst_pad_set_chain_list_function(pad_.get(), &ForeignSink::chain_list);
  gst_pad_set_event_function(pad_.get(), &ForeignSink::event);
}

ForeignSink *ForeignSink::of(GstPad *pad)
{
  return static_cast<ForeignSink *>(g_object_get_qdata(G_OBJECT(pad), self_quark()));
}

// ---- Frames, in the streaming thread

GstFlowReturn ForeignSink::chain(GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  return of(pad)->show(parent, buffer);
}

GstFlowReturn ForeignSink::chain_list(GstPad *pad, GstObject *parent, GstBufferList *raw)
{
  const auto list = adopt_mini(raw);
  GstFlowReturn result = GST_FLOW_OK;
  for (guint i = 0; i < gst_buffer_list_length(list.get()) && result == GST_FLOW_OK; i++)
    result = of(pad)->show(parent, gst_buffer_ref(gst_buffer_list_get(list.get(), i)));
  return result;
}

GstFlowReturn ForeignSink::show(GstObject *parent, GstBuffer *raw)
{
  const MiniPtr<GstBuffer> buffer = adopt_mini(raw);
  if (!server_has_gone() && flow_.load() == GST_FLOW_CUSTOM_SUCCESS) {
    const guint64 before = rendered();
    const GstFlowReturn result =
        gst_proxy_pad_chain_default(pad_.get(), parent, gst_buffer_ref(buffer.get()));
    if (rendered() > before) {
      keep(buffer.get());
      measure(buffer.get());
    }
    if (result == GST_FLOW_ERROR && has_lost_its_start())
      flow_.store(GST_FLOW_ERROR);
    // It may have noticed only now.
    if (result == GST_FLOW_OK || (!server_has_gone() && flow_.load() == GST_FLOW_CUSTOM_SUCCESS))
      return result;
  }
  return static_cast<GstFlowReturn>(flow_.load());
}

// A window that is closed while the sink shows its first frame ends the sink's way to PAUSED: no
// EOS would ever come out of it. Says so, where that is not said yet.
bool ForeignSink::has_lost_its_start() const
{
  const int flow = flow_.load();
  if (flow == GST_FLOW_CUSTOM_SUCCESS || flow == GST_FLOW_ERROR)
    return false;
  {
    const support::ObjectLock lock(sink_.get());
    if (GST_STATE_RETURN(sink_.get()) != GST_STATE_CHANGE_FAILURE)
      return false;
  }
  owner_->window_failed({0,
                         "The window was closed before the pipeline had started, which it cannot "
                         "do any more. Start it again.",
                         "closed while the first frame was shown at preroll"});
  return true;
}

// Says so, the first time.
bool ForeignSink::server_has_gone()
{
#ifdef HAVE_GL
  if (!gl_ || !gl_->is_gone())
    return false;
  int open = GST_FLOW_CUSTOM_SUCCESS;
  if (flow_.compare_exchange_strong(open, GST_FLOW_ERROR))
    owner_->window_failed({0,
                           "The connection to the " + gl_->name() +
                               " has broken. Start it again, or take backend=headless.",
                           "the display server ended or closed the connection"});
  return true;
#else
  return false;
#endif
}

guint64 ForeignSink::rendered() const
{
  GstStructure *raw = nullptr;
  g_object_get(sink_.get(), "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  guint64 count = 0;
  gst_structure_get_uint64(stats.get(), "rendered", &count);
  return count;
}

void ForeignSink::keep(GstBuffer *buffer)
{
  auto kept = support::share_mini(buffer);
  std::lock_guard lock(control_);
  std::swap(last_, kept);
}

// The sink has returned from drawing it.
void ForeignSink::measure(GstBuffer *buffer)
{
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad_.get(), GST_EVENT_SEGMENT, 0));
  const auto clock = adopt_object(gst_element_get_clock(sink_.get()));
  if (!event || !clock || !GST_BUFFER_PTS_IS_VALID(buffer))
    return;
  const GstSegment *segment = nullptr;
  gst_event_parse_segment(event.get(), &segment);
  const guint64 running =
      gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (!GST_CLOCK_TIME_IS_VALID(running))
    return;
  const GstClockTime captured = running + gst_element_get_base_time(sink_.get());
  const GstClockTime now = gst_clock_get_time(clock.get());
  if (now >= captured)
    latency_.add(now - captured);
}

gboolean ForeignSink::event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  ForeignSink *self = of(pad);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    self->orientation_.store(0);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_TAG) {
    GstTagList *tags = nullptr;
    gst_event_parse_tag(event, &tags);
    GstVideoOrientationMethod method;
    if (gst_video_orientation_from_tag(tags, &method) && method <= GST_VIDEO_ORIENTATION_UR_LL)
      self->orientation_.store(method);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps *caps = nullptr;
    gst_event_parse_caps(event, &caps);
    self->take_caps(caps);
    self->choose_preroll();
  }
  return gst_pad_event_default(pad, parent, event);
}

// A live pipeline has no frame to show in PAUSED: its first one is shown once it plays, when a
// window that is closed at once stops nothing.
void ForeignSink::choose_preroll()
{
  gboolean live = FALSE;
  const auto query = adopt_mini(gst_query_new_latency());
  if (gst_pad_peer_query(pad_.get(), query.get()))
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  g_object_set(sink_.get(), "show-preroll-frame", !live, nullptr);
}

void ForeignSink::take_caps(GstCaps *caps)
{
  GstVideoInfo info;
  const bool known = gst_video_info_from_caps(&info, caps);
  auto shared = support::share_mini(caps);
  std::lock_guard lock(control_);
  std::swap(caps_, shared);
  if (known)
    picture_ = {{0, 0, GST_VIDEO_INFO_WIDTH(&info), GST_VIDEO_INFO_HEIGHT(&info)},
                GST_VIDEO_INFO_PAR_N(&info),
                GST_VIDEO_INFO_PAR_D(&info),
                Orientation::Identity};
}

// ---- Where the picture stands

// The thread of OpenGL.
gboolean ForeignSink::on_reshape(GstElement *, GstObject *, guint width, guint height,
                                 gpointer user_data)
{
  auto *self = static_cast<ForeignSink *>(user_data);
  std::lock_guard lock(self->control_);
  self->window_ = {static_cast<int>(width), static_cast<int>(height)};
  // What it means otherwise, is the sink's business.
  return FALSE;
}

// The same; after it the sink draws.
gboolean ForeignSink::on_draw([[maybe_unused]] GstElement *sink,
                              [[maybe_unused]] GstObject *context, GstSample *,
                              [[maybe_unused]] gpointer user_data)
{
#ifdef HAVE_GL
  auto *self = static_cast<ForeignSink *>(user_data);
  Picture picture;
  Size window;
  Scaling scaling;
  {
    std::lock_guard lock(self->control_);
    picture = self->picture_;
    window = self->window_;
    scaling = self->scaling_;
  }
  picture.orientation = self->orientation();
  if (!window.empty())
    set_viewport(context, viewport_of(picture, window, scaling));
#endif
  return FALSE;
}

void ForeignSink::set_scaling(Scaling scaling)
{
  {
    std::lock_guard lock(control_);
    scaling_ = scaling;
  }
  // Before the first frame there is nothing to draw on.
  if (last_sample() && GST_IS_VIDEO_OVERLAY(sink_.get()))
    gst_video_overlay_expose(GST_VIDEO_OVERLAY(sink_.get()));
}

Point ForeignSink::to_frame(Point on_window) const
{
  Picture picture;
  Size window;
  Scaling scaling;
  {
    std::lock_guard lock(control_);
    picture = picture_;
    window = window_;
    scaling = scaling_;
  }
  picture.orientation = orientation();
  if (window.empty() || picture.visible.size().empty())
    return on_window;
  return display::to_frame(place(picture, window, scaling), picture.orientation, on_window);
}

// The sink takes each picture for one that fills the window.
void ForeignSink::correct(GstEvent *event) const
{
  Size window;
  {
    std::lock_guard lock(control_);
    window = window_;
  }
  const int width = GST_VIDEO_SINK_WIDTH(sink_.get());
  const int height = GST_VIDEO_SINK_HEIGHT(sink_.get());
  gdouble x = 0;
  gdouble y = 0;
  if (width <= 0 || height <= 0 || !gst_navigation_event_get_coordinates(event, &x, &y))
    return;
  const Point point = to_frame({x * window.width / width, y * window.height / height});
  gst_navigation_event_set_coordinates(event, point.x, point.y);
}

GstPadProbeReturn ForeignSink::on_upstream_event(GstPad *, GstPadProbeInfo *info,
                                                 gpointer user_data)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  if (GST_EVENT_TYPE(event) != GST_EVENT_NAVIGATION)
    return GST_PAD_PROBE_OK;
  event = gst_event_make_writable(event);
  GST_PAD_PROBE_INFO_DATA(info) = event;
  static_cast<ForeignSink *>(user_data)->correct(event);
  return GST_PAD_PROBE_OK;
}

// ---- The rest. Any thread

bool ForeignSink::says_closed(GstMessage *message) const
{
  if (GST_MESSAGE_SRC(message) != GST_OBJECT_CAST(sink_.get()))
    return false;
  GError *raw = nullptr;
  gst_message_parse_error(message, &raw, nullptr);
  const ErrorPtr error(raw);
  return g_error_matches(error.get(), GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
}

bool ForeignSink::take_error(GstMessage *message)
{
  // What the sink says of a server that is gone names the wrong cause.
  if (server_has_gone())
    return true;
  if (!says_closed(message))
    return flow_.load() != GST_FLOW_CUSTOM_SUCCESS;
  int open = GST_FLOW_CUSTOM_SUCCESS;
  // Nothing more goes to the sink from here on; what upstream is told, is known a moment later.
  if (flow_.compare_exchange_strong(open, GST_FLOW_OK))
    flow_.store(flow_after(owner_->window_closed()));
  return true;
}

SinkStats ForeignSink::stats() const
{
  SinkStats stats;
  stats.shown = rendered();
  stats.latency_p50 = latency_.quantile(0.5);
  stats.latency_p99 = latency_.quantile(0.99);
  stats.latency_max = latency_.max();
  return stats;
}

MiniPtr<GstSample> ForeignSink::last_sample() const
{
  MiniPtr<GstBuffer> buffer;
  MiniPtr<GstCaps> caps;
  {
    std::lock_guard lock(control_);
    buffer = last_;
    caps = caps_;
  }
  return buffer ? adopt_mini(gst_sample_new(buffer.get(), caps.get(), nullptr, nullptr)) : nullptr;
}

}  // namespace streamlib::display
