// SPDX-License-Identifier: LGPL-2.1-or-later
// What sldisplaysink is made of, behind its GObject.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include <gst/gst.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/display/backend.h"
#include "sys/display/foreignsink.h"
#include "sys/display/gstslsurfacesink.h"

namespace streamlib::display {

// What a user may set.
struct Settings {
  Backend backend = Backend::Auto;
  std::string display;
  Scaling scaling = Scaling::Letterbox;
  bool sync = true;
  OnClose on_close = OnClose::Eos;
  WindowWish window;
};

class DisplayState final : public SinkOwner {
public:
  // `bin` is the element around, and outlives this.
  explicit DisplayState(GstBin *bin) : bin_(bin) {}

  // In the instance init: makes the link and the sink. Returns the pad that data goes to.
  support::GObjectPtr<GstPad> build();

  // State change thread. Posts an error and returns false where there is no display.
  bool open();
  void close();

  // Any thread.
  Settings settings() const;
  Backend current() const;
  template <typename Change>
  void change(Change change)
  {
    std::lock_guard lock(control_);
    change(settings_);
  }
  // Tells the sink what the settings say now.
  void apply_window();
  void apply_scaling();
  void apply_sync();
  void set_context(GstContext *context);
  std::shared_ptr<ForeignSink> foreign() const;
  GstSlSurfaceSink *surface_sink() const { return surface_sink_.as<GstSlSurfaceSink>(); }
  support::MiniPtr<GstSample> last_sample() const;
  Orientation orientation() const;
  support::StructurePtr stats() const;

  // Any thread. An event of the application, whose points are those of the window (transfer full).
  void navigate(GstEvent *event);
  // Any thread: to upstream, and what nobody takes there to the application (transfer none).
  void send_navigation(GstEvent *event);

  // A message of the elements inside; true when it is dealt with (transfer none).
  bool take_message(GstMessage *message);

  void prepare_window() override;
  OnClose window_closed() override;
  void window_failed(const support::Failure &failure) override;
  void pointer(PointerEvent event, int button, Point on_frame) override;
  void key(KeyEvent event, const std::string &key) override;

private:
  support::Result<Opened> open_backend();
  void announce(const Opened &opened);
  bool use_foreign(const Opened &opened);
  void drop_foreign();

  GstBin *bin_;

  // Guards the four below. Innermost: nothing is called with it held.
  mutable std::mutex control_;
  Settings settings_;
  support::MiniPtr<GstContext> wayland_context_;
  Backend current_ = Backend::Auto;
  // The sink of another plugin, where that is the display.
  std::shared_ptr<ForeignSink> foreign_;

  // Made in init.
  support::GObjectPtr<GstElement> link_;
  support::GObjectPtr<GstElement> surface_sink_;
};

}  // namespace streamlib::display
