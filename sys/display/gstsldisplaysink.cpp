// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink that shows the newest frame on any display.

/**
 * SECTION:element-sldisplaysink
 * @title: sldisplaysink
 *
 * Shows raw video on a Wayland, X11, GL or KMS display, as found, or keeps time without one
 * (#GstSlDisplaySink:backend). A link before the display (`sllink`) gives it a thread of its own
 * and, for live video, always the newest frame: a display that is slower than its source shows what
 * is true now, and what it could not show is counted in #GstSlDisplaySink:stats.
 *
 * Frames of any size, stride, depth, pixel aspect and rotation tag are converted, scaled and turned
 * in one step on Wayland and X11. Windows of the application are taken by #GstVideoOverlay, mouse
 * and keys go upstream by #GstNavigation. A closed window is the element message `window-closed`,
 * followed by what #GstSlDisplaySink:on-close says. A display server that ends is an error message;
 * an X server that ends does not end the process.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true num-buffers=60 ! sldisplaysink
 * ]| Show the test picture on whatever there is.
 * |[
 * gst-launch-1.0 videotestsrc num-buffers=30 ! video/x-raw,width=320,height=240 ! sldisplaysink
 * backend=headless
 * ]| Keep time for one second without any display.
 *
 * Since: 0.1
 */

#include "config.h"

#include "sys/display/gstsldisplaysink.h"

#include <memory>

#include <gst/support/element_shell.h>
#include <gst/support/ownership.h>
#include <gst/video/navigation.h>
#include <gst/video/video.h>
#include <gst/video/videooverlay.h>

#include "sys/display/displaystate.h"
#include "sys/display/gstsldisplayenums.h"
#include "sys/display/snapshot.h"

GST_DEBUG_CATEGORY(gst_sl_display_sink_debug);
#define GST_CAT_DEFAULT gst_sl_display_sink_debug

namespace {

using namespace streamlib::display;
using streamlib::support::Failure;
using streamlib::support::kPropertyPlaying;
using streamlib::support::kPropertyRead;
using streamlib::support::kPropertyReady;
using streamlib::support::Status;
using streamlib::support::string_of;

constexpr const char *kDefaultTitle = "GStreamer";

enum class Prop {
  Backend = 1,
  CurrentBackend,
  Display,
  Scaling,
  Title,
  Fullscreen,
  Sync,
  OnClose,
  LastSample,
  Stats,
};

GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-raw(ANY), width = " GST_VIDEO_SIZE_RANGE
                    ", height = " GST_VIDEO_SIZE_RANGE ", framerate = " GST_VIDEO_FPS_RANGE));

}  // namespace

struct _GstSlDisplaySink {
  GstBin parent;
};

struct GstSlDisplaySinkPrivate {
  explicit GstSlDisplaySinkPrivate(GstSlDisplaySink *self) : state(GST_BIN(self)) {}
  DisplayState state;
};

static void gst_sl_display_sink_overlay_init(GstVideoOverlayInterface *iface);
static void gst_sl_display_sink_navigation_init(GstNavigationInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlDisplaySink, gst_sl_display_sink, GST_TYPE_BIN,
                              G_ADD_PRIVATE(GstSlDisplaySink)
                                  G_IMPLEMENT_INTERFACE(GST_TYPE_VIDEO_OVERLAY,
                                                        gst_sl_display_sink_overlay_init)
                                      G_IMPLEMENT_INTERFACE(GST_TYPE_NAVIGATION,
                                                            gst_sl_display_sink_navigation_init))

namespace {

DisplayState &state_of(gpointer self)
{
  return static_cast<GstSlDisplaySinkPrivate *>(
             gst_sl_display_sink_get_instance_private(GST_SL_DISPLAY_SINK(self)))
      ->state;
}

// The window changes while it stands.
template <typename Change>
void change_window(DisplayState &state, Change change)
{
  state.change([&change](Settings &settings) { change(settings.window); });
  state.apply_window();
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
  DisplayState &state = state_of(element);
  const bool opens = transition == GST_STATE_CHANGE_NULL_TO_READY;
  if (opens && !state.open())
    return GST_STATE_CHANGE_FAILURE;
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_sl_display_sink_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_NULL || (opens && result == GST_STATE_CHANGE_FAILURE))
    state.close();
  return result;
}

void set_context(GstElement *element, GstContext *context)
{
  state_of(element).set_context(context);
  GST_ELEMENT_CLASS(gst_sl_display_sink_parent_class)->set_context(element, context);
}

void handle_message(GstBin *bin, GstMessage *message)
{
  streamlib::support::handle_message(GST_BIN_CLASS(gst_sl_display_sink_parent_class), bin,
                                     state_of(bin), message);
}

// ---- Interfaces. Any thread

void overlay_set_window_handle(GstVideoOverlay *overlay, guintptr handle)
{
  DisplayState &state = state_of(overlay);
  change_window(state, [handle](WindowWish &wish) { wish.handle = handle; });
  if (const auto other = state.foreign())
    gst_video_overlay_set_window_handle(GST_VIDEO_OVERLAY(other->sink()), handle);
}

void overlay_expose(GstVideoOverlay *overlay)
{
  DisplayState &state = state_of(overlay);
  gst_sl_surface_sink_expose(state.surface_sink());
  if (const auto other = state.foreign())
    gst_video_overlay_expose(GST_VIDEO_OVERLAY(other->sink()));
}

void overlay_handle_events(GstVideoOverlay *overlay, gboolean handle_events)
{
  DisplayState &state = state_of(overlay);
  change_window(state, [=](WindowWish &wish) { wish.handle_events = handle_events; });
  if (const auto other = state.foreign())
    gst_video_overlay_handle_events(GST_VIDEO_OVERLAY(other->sink()), handle_events);
}

void overlay_set_render_rectangle(GstVideoOverlay *overlay, gint x, gint y, gint width, gint height)
{
  DisplayState &state = state_of(overlay);
  // A negative size asks for the whole window again.
  const Rect rectangle = width < 0 || height < 0 ? Rect{} : Rect{x, y, width, height};
  change_window(state, [&rectangle](WindowWish &wish) { wish.rectangle = rectangle; });
  if (const auto other = state.foreign())
    gst_video_overlay_set_render_rectangle(GST_VIDEO_OVERLAY(other->sink()), x, y, width, height);
}

void navigation_send_event(GstNavigation *navigation, GstEvent *event)
{
  state_of(navigation).navigate(event);
}

// ---- The action and the properties

gboolean take_snapshot(GstSlDisplaySink *self, const gchar *location)
{
  DisplayState &state = state_of(self);
  const auto sample = state.last_sample();
  Status status = Failure{0, "There is no frame yet to take a snapshot of.", ""};
  if (location == nullptr || *location == '\0')
    status = Failure{0, "A snapshot needs the name of a file.", ""};
  else if (sample)
    status = write_png(sample.get(), state.orientation(), location);
  if (!status)
    GST_ELEMENT_WARNING(self, RESOURCE, WRITE, ("%s", status.error().text.c_str()),
                        ("%s", status.error().debug.c_str()));
  return status.ok();
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  DisplayState &state = state_of(object);
  switch (static_cast<Prop>(id)) {
    case Prop::Backend:
      state.change([=](Settings &s) { s.backend = static_cast<Backend>(g_value_get_enum(value)); });
      break;
    case Prop::Display:
      state.change([=](Settings &s) { s.display = string_of(value); });
      break;
    case Prop::Scaling:
      state.change([=](Settings &s) { s.scaling = static_cast<Scaling>(g_value_get_enum(value)); });
      state.apply_scaling();
      break;
    case Prop::Title:
      change_window(state, [=](WindowWish &wish) { wish.title = string_of(value); });
      break;
    case Prop::Fullscreen:
      change_window(state, [=](WindowWish &wish) { wish.fullscreen = g_value_get_boolean(value); });
      break;
    case Prop::Sync:
      state.change([=](Settings &s) { s.sync = g_value_get_boolean(value); });
      state.apply_sync();
      break;
    case Prop::OnClose:
      state.change(
          [=](Settings &s) { s.on_close = static_cast<OnClose>(g_value_get_enum(value)); });
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  DisplayState &state = state_of(object);
  const Settings settings = state.settings();
  switch (static_cast<Prop>(id)) {
    case Prop::Backend:
      g_value_set_enum(value, static_cast<gint>(settings.backend));
      break;
    case Prop::CurrentBackend:
      g_value_set_enum(value, static_cast<gint>(state.current()));
      break;
    case Prop::Display:
      g_value_set_string(value, settings.display.c_str());
      break;
    case Prop::Scaling:
      g_value_set_enum(value, static_cast<gint>(settings.scaling));
      break;
    case Prop::Title:
      g_value_set_string(value, settings.window.title.c_str());
      break;
    case Prop::Fullscreen:
      g_value_set_boolean(value, settings.window.fullscreen);
      break;
    case Prop::Sync:
      g_value_set_boolean(value, settings.sync);
      break;
    case Prop::OnClose:
      g_value_set_enum(value, static_cast<gint>(settings.on_close));
      break;
    case Prop::LastSample:
      gst_value_take_sample(value, state.last_sample().release());
      break;
    case Prop::Stats:
      g_value_take_boxed(value, state.stats().release());
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

void finalize(GObject *object)
{
  std::destroy_at(static_cast<GstSlDisplaySinkPrivate *>(
      gst_sl_display_sink_get_instance_private(GST_SL_DISPLAY_SINK(object))));
  G_OBJECT_CLASS(gst_sl_display_sink_parent_class)->finalize(object);
}

}  // namespace

static void gst_sl_display_sink_overlay_init(GstVideoOverlayInterface *iface)
{
  iface->set_window_handle = overlay_set_window_handle;
  iface->expose = overlay_expose;
  iface->handle_events = overlay_handle_events;
  iface->set_render_rectangle = overlay_set_render_rectangle;
}

static void gst_sl_display_sink_navigation_init(GstNavigationInterface *iface)
{
  iface->send_event_simple = navigation_send_event;
}

static void install_properties(GObjectClass *klass)
{
  const auto install = [klass](Prop id, GParamSpec *spec) {
    streamlib::support::install_property(klass, id, spec);
  };

  /**
   * GstSlDisplaySink:backend:
   *
   * The way to the screen. `auto` tries Wayland where WAYLAND_DISPLAY is set, X11 where DISPLAY is
   * set, KMS where /dev/dri/card0 is accessible, and is headless otherwise; the element message
   * `display-backend` says what it took and why. An attempt takes at most 1.5 s.
   *
   * Since: 0.1
   */
  install(Prop::Backend,
          g_param_spec_enum("backend", "Backend", "The way to the screen; read when it opens",
                            gst_sl_display_backend_get_type(), static_cast<gint>(Backend::Auto),
                            kPropertyReady));
  /**
   * GstSlDisplaySink:current-backend:
   *
   * What was taken, from READY on; `auto` before.
   *
   * Since: 0.1
   */
  install(Prop::CurrentBackend,
          g_param_spec_enum("current-backend", "Current backend",
                            "The way to the screen that was taken, `auto` while there is none",
                            gst_sl_display_backend_get_type(), static_cast<gint>(Backend::Auto),
                            kPropertyRead));
  /**
   * GstSlDisplaySink:display:
   *
   * The display server: `:0` for X11, `wayland-0` for Wayland. Empty: that of the environment.
   *
   * Since: 0.1
   */
  install(Prop::Display,
          g_param_spec_string("display", "Display",
                              "Name of the X or Wayland server, empty for that of the environment",
                              "", kPropertyReady));
  /**
   * GstSlDisplaySink:scaling:
   *
   * How a picture fills a window of other proportions. backend=kms has `letterbox` only.
   *
   * Since: 0.1
   */
  install(
      Prop::Scaling,
      g_param_spec_enum("scaling", "Scaling", "How a picture fills a window of other proportions",
                        gst_sl_display_scaling_get_type(), static_cast<gint>(Scaling::Letterbox),
                        kPropertyPlaying));
  /**
   * GstSlDisplaySink:title:
   *
   * The title of a window of the element's own, on Wayland and X11.
   *
   * Since: 0.1
   */
  install(Prop::Title,
          g_param_spec_string("title", "Title", "Title of the window, on Wayland and X11",
                              kDefaultTitle, kPropertyPlaying));
  /**
   * GstSlDisplaySink:fullscreen:
   *
   * Whether a window of the element's own takes the whole screen, on Wayland and X11.
   *
   * Since: 0.1
   */
  install(Prop::Fullscreen, g_param_spec_boolean("fullscreen", "Fullscreen",
                                                 "Take the whole screen, on Wayland and X11", FALSE,
                                                 kPropertyPlaying));
  /**
   * GstSlDisplaySink:sync:
   *
   * Whether a frame waits for its time on the clock, or is shown when it comes.
   *
   * Since: 0.1
   */
  install(Prop::Sync, g_param_spec_boolean("sync", "Sync", "Show frames at their time on the clock",
                                           TRUE, kPropertyPlaying));
  /**
   * GstSlDisplaySink:on-close:
   *
   * What follows the message `window-closed`.
   *
   * Since: 0.1
   */
  install(Prop::OnClose,
          g_param_spec_enum("on-close", "On close", "What happens when the window is closed",
                            gst_sl_display_on_close_get_type(), static_cast<gint>(OnClose::Eos),
                            kPropertyPlaying));
  /**
   * GstSlDisplaySink:last-sample:
   *
   * The last frame, as it came.
   *
   * Since: 0.1
   */
  install(Prop::LastSample,
          g_param_spec_boxed("last-sample", "Last sample", "The last frame, as it came",
                             GST_TYPE_SAMPLE, kPropertyRead));
  /**
   * GstSlDisplaySink:stats:
   *
   * `shown`, frames on the screen; `late`, dropped by the sink as too late; `replaced`, by a newer
   * frame before the display was ready; `latency-p50`, `latency-p99`, `latency-max`, capture to
   * display in nanoseconds, within 6 %, where the time stamps are those of the capture; `link`, the
   * statistics of the link, with what it dropped.
   *
   * Since: 0.1
   */
  install(Prop::Stats, g_param_spec_boxed("stats", "Statistics",
                                          "Frames shown and dropped, capture-to-display latency",
                                          GST_TYPE_STRUCTURE, kPropertyRead));
}

static void gst_sl_display_sink_class_init(GstSlDisplaySinkClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_display_sink_debug, "sldisplaysink", 0, "sldisplaysink element");
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);

  /**
   * GstSlDisplaySink::snapshot:
   * @self: the sink
   * @location: (type filename): the file to write
   *
   * Writes the last frame as PNG, upright and in square pixels. Takes at most two seconds.
   *
   * Returns: %FALSE, and a warning message says why, when there is no frame or no such file
   *
   * Since: 0.1
   */
  g_signal_new_class_handler("snapshot", G_TYPE_FROM_CLASS(klass),
                             static_cast<GSignalFlags>(G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION),
                             G_CALLBACK(take_snapshot), nullptr, nullptr, nullptr, G_TYPE_BOOLEAN,
                             1, G_TYPE_STRING);

  auto *element = GST_ELEMENT_CLASS(klass);
  element->change_state = GST_DEBUG_FUNCPTR(change_state);
  element->set_context = GST_DEBUG_FUNCPTR(set_context);
  GST_BIN_CLASS(klass)->handle_message = GST_DEBUG_FUNCPTR(handle_message);
  gst_element_class_add_static_pad_template(element, &sink_template);
  gst_element_class_set_static_metadata(
      element, "StreamLib Display", "Sink/Video",
      "Shows the newest frame on a Wayland, X11, GL or KMS display, or keeps time without one",
      "The gst-streamlib developers");
  gst_type_mark_as_plugin_api(gst_sl_display_backend_get_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(gst_sl_display_scaling_get_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(gst_sl_display_on_close_get_type(), GstPluginAPIFlags{});
}

static void gst_sl_display_sink_init(GstSlDisplaySink *self)
{
  auto *memory =
      static_cast<GstSlDisplaySinkPrivate *>(gst_sl_display_sink_get_instance_private(self));
  DisplayState &state = std::construct_at(memory, self)->state;
  state.change([](Settings &settings) { settings.window.title = kDefaultTitle; });
  const auto inner = state.build();
  auto template_ = streamlib::support::adopt_object(gst_static_pad_template_get(&sink_template));
  gst_element_add_pad(GST_ELEMENT(self),
                      gst_ghost_pad_new_from_template("sink", inner.get(), template_.get()));
}

GST_ELEMENT_REGISTER_DEFINE(sldisplaysink, "sldisplaysink", GST_RANK_NONE, GST_TYPE_SL_DISPLAY_SINK)
