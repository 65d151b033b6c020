// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/gstslsurfacesink.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include <gst/support/guards.h>
#include <gst/support/histogram.h>
#include <gst/video/video.h>

#include "sys/display/foreignsink.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_display_sink_debug);
#define GST_CAT_DEFAULT gst_sl_display_sink_debug

namespace {

using namespace streamlib::display;
using streamlib::support::Failure;
using streamlib::support::Histogram;

// A file that plays too fast for the display loses frames that are later than this. A live frame is
// never dropped here: the link before the sink has put the newest one at its head.
constexpr gint64 kNonLiveLatenessNs = 20 * GST_MSECOND;
// A live pipeline waits this long for the sink to paint.
constexpr GstClockTime kProcessingDeadline = 5 * GST_MSECOND;

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS(
        GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL) ";" GST_VIDEO_CAPS_MAKE_WITH_FEATURES(
            "ANY", GST_VIDEO_FORMATS_ALL)));

struct State final : WindowEvents {
  explicit State(GstSlSurfaceSink *element) : self(element) {}

  void on_shown(const Frame &frame) override;
  void on_closed() override;
  void on_failed(const Failure &failure) override;
  void on_pointer(PointerEvent event, int button, Point on_frame) override
  {
    owner->pointer(event, button, on_frame);
  }
  void on_key(KeyEvent event, const std::string &key) override { owner->key(event, key); }

  GstSlSurfaceSink *self;
  SinkOwner *owner = nullptr;

  // Guards the pointer below, which the streaming thread reads without it: the window is made
  // before data flows and ends after. Nothing is called with it held but methods of the window
  // that do not wait.
  std::mutex control;
  std::unique_ptr<Window> window;
  std::unique_ptr<Surface> surface;
  WindowWish wish;
  Scaling scaling = Scaling::Letterbox;

  // Streaming thread.
  GstVideoInfo info = {};
  // Shown at preroll: it comes a second time when the pipeline plays.
  streamlib::support::MiniPtr<GstBuffer> prerolled;

  std::atomic<int> orientation = 0;
  // What show_frame answers once the window has ended.
  std::atomic<int> flow = GST_FLOW_OK;
  std::atomic<guint64> shown = 0;
  Histogram latency;
};

}  // namespace

struct _GstSlSurfaceSink {
  GstVideoSink parent;
};

struct GstSlSurfaceSinkPrivate {
  explicit GstSlSurfaceSinkPrivate(GstSlSurfaceSink *self) : state(self) {}
  State state;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlSurfaceSink, gst_sl_surface_sink, GST_TYPE_VIDEO_SINK,
                              G_ADD_PRIVATE(GstSlSurfaceSink))

namespace {

State &state_of(gpointer self)
{
  return static_cast<GstSlSurfaceSinkPrivate *>(
             gst_sl_surface_sink_get_instance_private(GST_SL_SURFACE_SINK(self)))
      ->state;
}

void State::on_shown(const Frame &frame)
{
  shown.fetch_add(1, std::memory_order_relaxed);
  if (!GST_CLOCK_TIME_IS_VALID(frame.capture_time))
    return;
  GstClock *clock = gst_element_get_clock(GST_ELEMENT(self));
  if (clock == nullptr)
    return;
  const GstClockTime now = gst_clock_get_time(clock);
  gst_object_unref(clock);
  if (now >= frame.capture_time)
    latency.add(now - frame.capture_time);
}

void State::on_closed()
{
  flow.store(flow_after(owner->window_closed()));
}

void State::on_failed(const Failure &failure)
{
  flow.store(GST_FLOW_ERROR);
  owner->window_failed(failure);
}

gboolean surface_sink_start(GstBaseSink *base)
{
  State &state = state_of(base);
  state.flow.store(GST_FLOW_OK);
  state.shown.store(0);
  state.latency.clear();
  state.orientation.store(0);
  std::lock_guard lock(state.control);
  if (state.surface)
    state.window =
        std::make_unique<Window>(std::move(state.surface), state.wish, state.scaling, &state);
  return TRUE;
}

gboolean surface_sink_stop(GstBaseSink *base)
{
  State &state = state_of(base);
  std::unique_ptr<Window> window;
  {
    std::lock_guard lock(state.control);
    window = std::move(state.window);
  }
  state.prerolled.reset();
  return TRUE;
}

gboolean surface_sink_unlock(GstBaseSink *base)
{
  if (Window *window = state_of(base).window.get())
    window->set_cancelled(true);
  return TRUE;
}

gboolean surface_sink_unlock_stop(GstBaseSink *base)
{
  if (Window *window = state_of(base).window.get())
    window->set_cancelled(false);
  return TRUE;
}

// Formats that the painter can convert, those that cost least first; without a window anything
// passes.
GstCaps *surface_sink_get_caps(GstBaseSink *base, GstCaps *filter)
{
  State &state = state_of(base);
  bool windowed;
  {
    std::lock_guard lock(state.control);
    windowed = state.window != nullptr;
  }
  GstCaps *caps = gst_caps_from_string(GST_VIDEO_CAPS_MAKE(
      "{ BGRx, I420, NV12, YUY2 }") ";" GST_VIDEO_CAPS_MAKE(GST_VIDEO_FORMATS_ALL));
  if (!windowed)
    gst_caps_append(caps, gst_pad_get_pad_template_caps(GST_BASE_SINK_PAD(base)));
  if (filter != nullptr) {
    GstCaps *both = gst_caps_intersect_full(filter, caps, GST_CAPS_INTERSECT_FIRST);
    gst_caps_unref(caps);
    caps = both;
  }
  return caps;
}

void choose_lateness(GstBaseSink *base)
{
  gboolean live = FALSE;
  GstQuery *query = gst_query_new_latency();
  if (gst_pad_peer_query(GST_BASE_SINK_PAD(base), query))
    gst_query_parse_latency(query, &live, nullptr, nullptr);
  gst_query_unref(query);
  gst_base_sink_set_max_lateness(base, live ? -1 : kNonLiveLatenessNs);
}

gboolean surface_sink_set_caps(GstBaseSink *base, GstCaps *caps)
{
  State &state = state_of(base);
  GstVideoInfo info;
  if (!gst_video_info_from_caps(&info, caps))
    return FALSE;
  state.info = info;
  GST_VIDEO_SINK_WIDTH(base) = GST_VIDEO_INFO_WIDTH(&info);
  GST_VIDEO_SINK_HEIGHT(base) = GST_VIDEO_INFO_HEIGHT(&info);
  choose_lateness(base);
  if (state.window)
    state.owner->prepare_window();
  return TRUE;
}

gboolean surface_sink_propose_allocation(GstBaseSink *base, GstQuery *query)
{
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  gst_query_add_allocation_meta(query, GST_VIDEO_CROP_META_API_TYPE, nullptr);
  return TRUE;
}

gboolean surface_sink_event(GstBaseSink *base, GstEvent *event)
{
  State &state = state_of(base);
  if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START) {
    state.orientation.store(0);
  } else if (GST_EVENT_TYPE(event) == GST_EVENT_TAG) {
    GstTagList *tags = nullptr;
    gst_event_parse_tag(event, &tags);
    GstVideoOrientationMethod method;
    if (gst_video_orientation_from_tag(tags, &method) && method <= GST_VIDEO_ORIENTATION_UR_LL)
      state.orientation.store(method);
  }
  return GST_BASE_SINK_CLASS(gst_sl_surface_sink_parent_class)->event(base, event);
}

GstClockTime capture_time_of(GstBaseSink *base, GstBuffer *buffer)
{
  bool playing;
  {
    const streamlib::support::ObjectLock lock(base);
    playing = GST_STATE(base) == GST_STATE_PLAYING;
  }
  if (!GST_BUFFER_PTS_IS_VALID(buffer) || !playing)
    return GST_CLOCK_TIME_NONE;
  const guint64 running =
      gst_segment_to_running_time(&base->segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  return GST_CLOCK_TIME_IS_VALID(running) ? running + gst_element_get_base_time(GST_ELEMENT(base))
                                          : GST_CLOCK_TIME_NONE;
}

GstFlowReturn surface_sink_preroll(GstBaseSink *base, GstBuffer *buffer)
{
  const GstFlowReturn result =
      GST_BASE_SINK_CLASS(gst_sl_surface_sink_parent_class)->preroll(base, buffer);
  gboolean shown = FALSE;
  g_object_get(base, "show-preroll-frame", &shown, nullptr);
  state_of(base).prerolled = shown ? streamlib::support::share_mini(buffer) : nullptr;
  return result;
}

GstFlowReturn surface_sink_show_frame(GstVideoSink *sink, GstBuffer *buffer)
{
  State &state = state_of(sink);
  const auto ended = static_cast<GstFlowReturn>(state.flow.load());
  if (ended != GST_FLOW_OK)
    return ended;
  if (state.prerolled.get() == buffer) {
    state.prerolled.reset();
    return GST_FLOW_OK;
  }
  auto frame = std::make_unique<Frame>();
  frame->buffer = streamlib::support::share_mini(buffer);
  frame->info = state.info;
  frame->orientation = static_cast<Orientation>(state.orientation.load());
  frame->capture_time = capture_time_of(GST_BASE_SINK(sink), buffer);
  if (!state.window) {
    state.on_shown(*frame);
    return GST_FLOW_OK;
  }
  // A window that was closed by the user, and whose branch only was to end, shows nothing more.
  state.window->show(std::move(frame));
  return static_cast<GstFlowReturn>(state.flow.load());
}

void gst_sl_surface_sink_finalize(GObject *object)
{
  std::destroy_at(static_cast<GstSlSurfaceSinkPrivate *>(
      gst_sl_surface_sink_get_instance_private(GST_SL_SURFACE_SINK(object))));
  G_OBJECT_CLASS(gst_sl_surface_sink_parent_class)->finalize(object);
}

}  // namespace

static void gst_sl_surface_sink_class_init(GstSlSurfaceSinkClass *klass)
{
  G_OBJECT_CLASS(klass)->finalize = gst_sl_surface_sink_finalize;
  auto *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_set_static_metadata(element, "Surface Sink", "Sink/Video",
                                        "The window, or its absence, inside sldisplaysink",
                                        "The gst-streamlib developers");
  auto *base = GST_BASE_SINK_CLASS(klass);
  base->start = GST_DEBUG_FUNCPTR(surface_sink_start);
  base->stop = GST_DEBUG_FUNCPTR(surface_sink_stop);
  base->unlock = GST_DEBUG_FUNCPTR(surface_sink_unlock);
  base->unlock_stop = GST_DEBUG_FUNCPTR(surface_sink_unlock_stop);
  base->get_caps = GST_DEBUG_FUNCPTR(surface_sink_get_caps);
  base->set_caps = GST_DEBUG_FUNCPTR(surface_sink_set_caps);
  base->preroll = GST_DEBUG_FUNCPTR(surface_sink_preroll);
  base->propose_allocation = GST_DEBUG_FUNCPTR(surface_sink_propose_allocation);
  base->event = GST_DEBUG_FUNCPTR(surface_sink_event);
  GST_VIDEO_SINK_CLASS(klass)->show_frame = GST_DEBUG_FUNCPTR(surface_sink_show_frame);
}

static void gst_sl_surface_sink_init(GstSlSurfaceSink *self)
{
  std::construct_at(
      static_cast<GstSlSurfaceSinkPrivate *>(gst_sl_surface_sink_get_instance_private(self)), self);
  gst_base_sink_set_processing_deadline(GST_BASE_SINK(self), kProcessingDeadline);
}

GstElement *gst_sl_surface_sink_new(SinkOwner *owner)
{
  auto *self = static_cast<GstElement *>(g_object_new(GST_TYPE_SL_SURFACE_SINK, nullptr));
  state_of(self).owner = owner;
  return self;
}

void gst_sl_surface_sink_set_surface(GstSlSurfaceSink *self, std::unique_ptr<Surface> surface)
{
  State &state = state_of(self);
  std::lock_guard lock(state.control);
  state.surface = std::move(surface);
}

void gst_sl_surface_sink_set_wish(GstSlSurfaceSink *self, const WindowWish &wish)
{
  State &state = state_of(self);
  std::lock_guard lock(state.control);
  state.wish = wish;
  if (state.window)
    state.window->set_wish(wish);
}

void gst_sl_surface_sink_set_scaling(GstSlSurfaceSink *self, Scaling scaling)
{
  State &state = state_of(self);
  std::lock_guard lock(state.control);
  state.scaling = scaling;
  if (state.window)
    state.window->set_scaling(scaling);
}

void gst_sl_surface_sink_expose(GstSlSurfaceSink *self)
{
  State &state = state_of(self);
  std::lock_guard lock(state.control);
  if (state.window)
    state.window->expose();
}

Point gst_sl_surface_sink_to_frame(GstSlSurfaceSink *self, Point on_surface)
{
  State &state = state_of(self);
  std::lock_guard lock(state.control);
  return state.window ? state.window->to_frame(on_surface) : on_surface;
}

SinkStats gst_sl_surface_sink_get_stats(GstSlSurfaceSink *self)
{
  State &state = state_of(self);
  SinkStats stats;
  stats.shown = state.shown.load(std::memory_order_relaxed);
  stats.latency_p50 = state.latency.quantile(0.5);
  stats.latency_p99 = state.latency.quantile(0.99);
  stats.latency_max = state.latency.max();
  std::lock_guard lock(state.control);
  if (state.window)
    stats.replaced += state.window->replaced();
  return stats;
}

Orientation gst_sl_surface_sink_get_orientation(GstSlSurfaceSink *self)
{
  return static_cast<Orientation>(state_of(self).orientation.load());
}
