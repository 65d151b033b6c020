// SPDX-License-Identifier: LGPL-2.1-or-later
// The sink inside sldisplaysink: frames go to a window, or nowhere, on time.
#pragma once

#include <memory>

#include <gst/support/result.h>
#include <gst/video/gstvideosink.h>

#include "sys/display/window.h"

#define GST_TYPE_SL_SURFACE_SINK (gst_sl_surface_sink_get_type())
G_DECLARE_FINAL_TYPE(GstSlSurfaceSink, gst_sl_surface_sink, GST, SL_SURFACE_SINK, GstVideoSink)

namespace streamlib::display {

// What the sink does once its window is closed.
enum class OnClose { Eos, Disconnect, Error };

// The bin around the sink. Called in the window's thread, prepare_window() in the streaming thread.
class SinkOwner {
public:
  // The moment to ask the application for a window.
  virtual void prepare_window() = 0;
  virtual OnClose window_closed() = 0;
  virtual void window_failed(const support::Failure &failure) = 0;
  virtual void pointer(PointerEvent event, int button, Point on_frame) = 0;
  virtual void key(KeyEvent event, const std::string &key) = 0;

protected:
  ~SinkOwner() = default;
};

struct SinkStats {
  guint64 shown = 0;
  guint64 replaced = 0;
  // Capture to display, in nanoseconds, 0 when nothing was measured.
  guint64 latency_p50 = 0;
  guint64 latency_p99 = 0;
  guint64 latency_max = 0;
};

}  // namespace streamlib::display

// `owner` outlives the sink.
GstElement *gst_sl_surface_sink_new(streamlib::display::SinkOwner *owner);

// State change thread, in NULL. Without a surface the sink is headless.
void gst_sl_surface_sink_set_surface(GstSlSurfaceSink *self,
                                     std::unique_ptr<streamlib::display::Surface> surface);

// Any thread.
void gst_sl_surface_sink_set_wish(GstSlSurfaceSink *self,
                                  const streamlib::display::WindowWish &wish);
void gst_sl_surface_sink_set_scaling(GstSlSurfaceSink *self, streamlib::display::Scaling scaling);
void gst_sl_surface_sink_expose(GstSlSurfaceSink *self);
streamlib::display::Point gst_sl_surface_sink_to_frame(GstSlSurfaceSink *self,
                                                       streamlib::display::Point on_surface);
streamlib::display::SinkStats gst_sl_surface_sink_get_stats(GstSlSurfaceSink *self);
streamlib::display::Orientation gst_sl_surface_sink_get_orientation(GstSlSurfaceSink *self);
