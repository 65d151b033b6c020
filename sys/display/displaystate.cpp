// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/displaystate.h"

#include <gst/support/element_shell.h>
#include <gst/video/navigation.h>
#include <gst/video/videooverlay.h>

#include "sys/display/gstsldisplayenums.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_display_sink_debug);
#define GST_CAT_DEFAULT gst_sl_display_sink_debug

namespace streamlib::display {

namespace {

using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::Result;
using support::StructurePtr;

constexpr const char *kWaylandContext = "GstWlDisplayHandleContextType";
constexpr const char *kGlContext = "gst.gl.GLDisplay";

const char *nick_of_value(GType type, int value)
{
  auto *klass = static_cast<GEnumClass *>(g_type_class_ref(type));
  const char *nick = g_enum_get_value(klass, value)->value_nick;
  // The nick is a constant of ours and outlives the class.
  g_type_class_unref(klass);
  return nick;
}

wl_display *display_of(GstContext *context)
{
  gpointer display = nullptr;
  if (context != nullptr) {
    const GstStructure *structure = gst_context_get_structure(context);
    // The field has had both names.
    if (!gst_structure_get(structure, "display", G_TYPE_POINTER, &display, nullptr))
      gst_structure_get(structure, "handle", G_TYPE_POINTER, &display, nullptr);
  }
  return static_cast<wl_display *>(display);
}

}  // namespace

GObjectPtr<GstPad> DisplayState::build()
{
  surface_sink_ = support::sink_object(gst_sl_surface_sink_new(this));
  gst_bin_add(bin_, surface_sink_.get());
  apply_window();
  GstElement *entry = surface_sink_.get();
  if (GstElement *link = gst_element_factory_make("sllink", nullptr)) {
    link_ = support::sink_object(link);
    gst_bin_add(bin_, link);
    gst_element_link(link, surface_sink_.get());
    entry = link;
  }
  return support::adopt_object(gst_element_get_static_pad(entry, "sink"));
}

Settings DisplayState::settings() const
{
  std::lock_guard lock(control_);
  return settings_;
}

Backend DisplayState::current() const
{
  std::lock_guard lock(control_);
  return current_;
}

std::shared_ptr<ForeignSink> DisplayState::foreign() const
{
  std::lock_guard lock(control_);
  return foreign_;
}

void DisplayState::set_context(GstContext *context)
{
  if (context == nullptr || !gst_context_has_context_type(context, kWaylandContext))
    return;
  std::lock_guard lock(control_);
  wayland_context_ = support::share_mini(context);
}

void DisplayState::apply_window()
{
  gst_sl_surface_sink_set_wish(surface_sink(), settings().window);
}

void DisplayState::apply_scaling()
{
  const Scaling scaling = settings().scaling;
  gst_sl_surface_sink_set_scaling(surface_sink(), scaling);
  if (const auto other = foreign())
    other->set_scaling(scaling);
}

void DisplayState::apply_sync()
{
  const gboolean sync = settings().sync;
  g_object_set(surface_sink_.get(), "sync", sync, nullptr);
  if (const auto other = foreign())
    g_object_set(other->sink(), "sync", sync, nullptr);
}

// ---- What the sink inside says

void DisplayState::prepare_window()
{
  if (settings().window.handle == 0)
    gst_video_overlay_prepare_window_handle(GST_VIDEO_OVERLAY(bin_));
}

OnClose DisplayState::window_closed()
{
  const OnClose on_close = settings().on_close;
  const char *nick = nick_of_value(gst_sl_display_on_close_get_type(), static_cast<int>(on_close));
  support::post_element_message(
      bin_, gst_structure_new("window-closed", "on-close", G_TYPE_STRING, nick, nullptr));
  if (on_close == OnClose::Error)
    GST_ELEMENT_ERROR(
        bin_, RESOURCE, NOT_FOUND,
        ("The window was closed. Set on-close=eos or on-close=disconnect to go on without it."),
        ("on-close=error"));
  return on_close;
}

void DisplayState::window_failed(const Failure &failure)
{
  SL_POST_ERROR(bin_, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_WRITE, failure.text, failure.debug);
}

void DisplayState::navigate(GstEvent *event)
{
  gdouble x = 0;
  gdouble y = 0;
  if (gst_navigation_event_get_coordinates(event, &x, &y)) {
    const auto other = foreign();
    const Point on_frame =
        other ? other->to_frame({x, y}) : gst_sl_surface_sink_to_frame(surface_sink(), {x, y});
    event = gst_event_make_writable(event);
    gst_navigation_event_set_coordinates(event, on_frame.x, on_frame.y);
  }
  send_navigation(support::adopt_mini(event).get());
}

void DisplayState::send_navigation(GstEvent *event)
{
  auto pad = support::adopt_object(gst_element_get_static_pad(GST_ELEMENT(bin_), "sink"));
  if (!gst_pad_push_event(pad.get(), gst_event_ref(event)))
    gst_element_post_message(GST_ELEMENT(bin_),
                             gst_navigation_message_new_event(GST_OBJECT(bin_), event));
}

void DisplayState::pointer(PointerEvent kind, int button, Point on_frame)
{
  constexpr auto none = GST_NAVIGATION_MODIFIER_NONE;
  GstEvent *event = nullptr;
  switch (kind) {
    case PointerEvent::Move:
      event = gst_navigation_event_new_mouse_move(on_frame.x, on_frame.y, none);
      break;
    case PointerEvent::Press:
      event = gst_navigation_event_new_mouse_button_press(button, on_frame.x, on_frame.y, none);
      break;
    case PointerEvent::Release:
      event = gst_navigation_event_new_mouse_button_release(button, on_frame.x, on_frame.y, none);
      break;
  }
  send_navigation(support::adopt_mini(event).get());
}

void DisplayState::key(KeyEvent kind, const std::string &key)
{
  constexpr auto none = GST_NAVIGATION_MODIFIER_NONE;
  GstEvent *event = kind == KeyEvent::Press
                        ? gst_navigation_event_new_key_press(key.c_str(), none)
                        : gst_navigation_event_new_key_release(key.c_str(), none);
  send_navigation(support::adopt_mini(event).get());
}

// ---- Backends

void DisplayState::announce(const Opened &opened)
{
  const bool chosen = settings().backend == Backend::Auto;
  support::post_element_message(
      bin_, gst_structure_new("display-backend", "backend", G_TYPE_STRING, nick_of(opened.backend),
                              "reason", G_TYPE_STRING, opened.reason.c_str(), nullptr));
  if (chosen && opened.backend == Backend::Headless)
    GST_ELEMENT_INFO(bin_, RESOURCE, NOT_FOUND,
                     ("No display: frames are kept, not shown. Start a display server, or set "
                      "WAYLAND_DISPLAY or DISPLAY."),
                     ("%s", opened.reason.c_str()));
}

Result<Opened> DisplayState::open_backend()
{
  const Settings now = settings();
  OpenWish wish = {now.backend, now.display, nullptr, false};
  if (wish.backend == Backend::Wayland || wish.backend == Backend::Auto) {
    // An application with a wl_display of its own answers at once, by set_context.
    gst_element_post_message(GST_ELEMENT(bin_),
                             gst_message_new_need_context(GST_OBJECT(bin_), kWaylandContext));
    std::lock_guard lock(control_);
    wish.shared_wayland = display_of(wayland_context_.get());
  }
  if (wish.backend == Backend::Gl) {
    gst_element_post_message(GST_ELEMENT(bin_),
                             gst_message_new_need_context(GST_OBJECT(bin_), kGlContext));
    const auto shared = support::adopt_mini(gst_element_get_context(GST_ELEMENT(bin_), kGlContext));
    wish.shared_gl = static_cast<bool>(shared);
  }
  return open_display(wish);
}

bool DisplayState::use_foreign(const Opened &opened)
{
  auto made = ForeignSink::make(opened.backend, opened.gl, this);
  if (!made) {
    SL_POST_ERROR(bin_, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE, made.error().text,
                  made.error().debug);
    return false;
  }
  gst_bin_remove(bin_, surface_sink_.get());
  gst_bin_add(bin_, (*made)->element());
  gst_element_link(link_.get(), (*made)->element());
  Settings now;
  {
    std::lock_guard lock(control_);
    foreign_ = *made;
    now = settings_;
  }
  if (now.scaling != Scaling::Letterbox && opened.backend == Backend::Kms)
    GST_ELEMENT_WARNING(
        bin_, RESOURCE, SETTINGS,
        ("backend=kms has scaling=letterbox only, which is taken. Take another backend."),
        (nullptr));
  if (now.window.handle != 0 && GST_IS_VIDEO_OVERLAY((*made)->sink()))
    gst_video_overlay_set_window_handle(GST_VIDEO_OVERLAY((*made)->sink()), now.window.handle);
  apply_scaling();
  apply_sync();
  return true;
}

// Back to the sink of our own, which is there in NULL.
void DisplayState::drop_foreign()
{
  std::shared_ptr<ForeignSink> other;
  {
    std::lock_guard lock(control_);
    other.swap(foreign_);
  }
  if (!other)
    return;
  gst_element_set_state(other->element(), GST_STATE_NULL);
  gst_bin_remove(bin_, other->element());
  gst_bin_add(bin_, surface_sink_.get());
  gst_element_link(link_.get(), surface_sink_.get());
}

bool DisplayState::open()
{
  if (!link_) {
    GST_ELEMENT_ERROR(bin_, CORE, MISSING_PLUGIN,
                      ("The element sllink is missing. Install the plugin slcore beside this one."),
                      (nullptr));
    return false;
  }
  Result<Opened> opened = open_backend();
  if (!opened) {
    SL_POST_ERROR(bin_, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_WRITE, opened.error().text,
                  opened.error().debug);
    return false;
  }
  {
    std::lock_guard lock(control_);
    current_ = opened->backend;
  }
  announce(*opened);
  if (opened->backend == Backend::Gl || opened->backend == Backend::Kms)
    return use_foreign(*opened);
  gst_sl_surface_sink_set_surface(surface_sink(), std::move(opened->surface));
  return true;
}

void DisplayState::close()
{
  drop_foreign();
  gst_sl_surface_sink_set_surface(surface_sink(), nullptr);
  std::lock_guard lock(control_);
  current_ = Backend::Auto;
}

bool DisplayState::take_message(GstMessage *message)
{
  const auto other = foreign();
  if (!other)
    return false;
  if (gst_is_video_overlay_prepare_window_handle_message(message)) {
    // The application knows this element, not the one inside.
    prepare_window();
    gst_video_overlay_set_window_handle(GST_VIDEO_OVERLAY(other->sink()), settings().window.handle);
    return true;
  }
  return GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR && other->take_error(message);
}

// ---- What is to be read

MiniPtr<GstSample> DisplayState::last_sample() const
{
  if (const auto other = foreign())
    return other->last_sample();
  GstSample *sample = nullptr;
  g_object_get(surface_sink_.get(), "last-sample", &sample, nullptr);
  return support::adopt_mini(sample);
}

Orientation DisplayState::orientation() const
{
  const auto other = foreign();
  return other ? other->orientation() : gst_sl_surface_sink_get_orientation(surface_sink());
}

StructurePtr DisplayState::stats() const
{
  const auto other = foreign();
  const SinkStats sink = other ? other->stats() : gst_sl_surface_sink_get_stats(surface_sink());
  guint64 late = 0;
  GstStructure *raw = nullptr;
  g_object_get(other ? other->sink() : surface_sink_.get(), "stats", &raw, nullptr);
  const StructurePtr base(raw);
  gst_structure_get_uint64(base.get(), "dropped", &late);
  StructurePtr stats(gst_structure_new(
      "sldisplaysink-stats", "shown", G_TYPE_UINT64, sink.shown, "late", G_TYPE_UINT64, late,
      "replaced", G_TYPE_UINT64, sink.replaced, "latency-p50", G_TYPE_UINT64, sink.latency_p50,
      "latency-p99", G_TYPE_UINT64, sink.latency_p99, "latency-max", G_TYPE_UINT64,
      sink.latency_max, nullptr));
  raw = nullptr;
  if (link_)
    g_object_get(link_.get(), "stats", &raw, nullptr);
  const StructurePtr link(raw);
  if (link)
    gst_structure_set(stats.get(), "link", GST_TYPE_STRUCTURE, link.get(), nullptr);
  return stats;
}

}  // namespace streamlib::display
