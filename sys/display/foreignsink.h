// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink element of another plugin as the display: OpenGL or KMS.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include <gst/gst.h>
#include <gst/support/guards.h>
#include <gst/support/histogram.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/display/backend.h"
#include "sys/display/geometry.h"
#include "sys/display/gstslsurfacesink.h"

namespace streamlib::display {

class ForeignSink {
public:
  // `gl` is the connection to draw through, none for that of the application and for KMS. `owner`
  // outlives the sink.
  static support::Result<std::shared_ptr<ForeignSink>> make(Backend backend,
                                                            std::shared_ptr<GlDisplay> gl,
                                                            SinkOwner *owner);
  ForeignSink(const ForeignSink &) = delete;
  ForeignSink &operator=(const ForeignSink &) = delete;

  // What goes into the bin, and the sink in it.
  GstElement *element() const { return element_.get(); }
  GstElement *sink() const { return sink_.get(); }

  // Any thread. An error message of the sink: true when it was dealt with.
  bool take_error(GstMessage *message);

  // Any thread. KMS has letterbox alone.
  void set_scaling(Scaling scaling);
  SinkStats stats() const;
  // The last frame, as it came.
  support::MiniPtr<GstSample> last_sample() const;
  Orientation orientation() const { return static_cast<Orientation>(orientation_.load()); }
  // Where a point of the window falls on the frame.
  Point to_frame(Point on_window) const;

private:
  ForeignSink(SinkOwner *owner) : owner_(owner) {}
  static ForeignSink *of(GstPad *pad);
  static GstFlowReturn chain(GstPad *pad, GstObject *parent, GstBuffer *buffer);
  static GstFlowReturn chain_list(GstPad *pad, GstObject *parent, GstBufferList *list);
  static gboolean event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean on_reshape(GstElement *sink, GstObject *context, guint width, guint height,
                             gpointer user_data);
  static gboolean on_draw(GstElement *sink, GstObject *context, GstSample *sample,
                          gpointer user_data);
  static GstPadProbeReturn on_upstream_event(GstPad *pad, GstPadProbeInfo *info,
                                             gpointer user_data);
  support::Status build(Backend backend);
  void wrap();
  GstFlowReturn show(GstObject *parent, GstBuffer *buffer);
  bool server_has_gone();
  bool says_closed(GstMessage *message) const;
  void take_caps(GstCaps *caps);
  void choose_preroll();
  bool has_lost_its_start() const;
  void correct(GstEvent *event) const;
  void keep(GstBuffer *buffer);
  void measure(GstBuffer *buffer);
  guint64 rendered() const;

  SinkOwner *owner_;
  std::shared_ptr<GlDisplay> gl_;
  support::GObjectPtr<GstElement> element_;
  support::GObjectPtr<GstElement> sink_;
  support::GObjectPtr<GstPad> pad_;
  // GL alone.
  support::SignalHandler reshape_;
  support::SignalHandler draw_;
  support::PadProbe navigation_;

  // Once the window is closed or its server has ended: the answer to upstream. Before:
  // GST_FLOW_CUSTOM_SUCCESS.
  std::atomic<int> flow_ = GST_FLOW_CUSTOM_SUCCESS;
  std::atomic<int> orientation_ = 0;
  support::Histogram latency_;

  // Guards all below. Innermost: nothing is called with it held.
  mutable std::mutex control_;
  Scaling scaling_ = Scaling::Letterbox;
  Picture picture_;
  // Empty while there is no window, and with KMS.
  Size window_;
  support::MiniPtr<GstBuffer> last_;
  support::MiniPtr<GstCaps> caps_;
};

// What upstream is told once a window is closed.
GstFlowReturn flow_after(OnClose on_close);

}  // namespace streamlib::display
