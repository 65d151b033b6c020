// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink element of another plugin as the display: OpenGL or KMS.
#pragma once

#include <atomic>
#include <memory>

#include <gst/gst.h>
#include <gst/support/guards.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>

#include "sys/display/backend.h"
#include "sys/display/gstslsurfacesink.h"

namespace streamlib::display {

class ForeignSink {
public:
  static support::Result<std::shared_ptr<ForeignSink>> make(Backend backend);
  ForeignSink(const ForeignSink &) = delete;
  ForeignSink &operator=(const ForeignSink &) = delete;

  // What goes into the bin, and the sink in it.
  GstElement *element() const { return element_.get(); }
  GstElement *sink() const { return sink_.get(); }

  // Any thread. Whether the sink says by `message` that its window was closed.
  bool says_closed(GstMessage *message) const;

  // Any thread. From now on the sink gets no buffer, and upstream the answer of `on_close`. False
  // when it is so already.
  bool close(OnClose on_close);

private:
  ForeignSink() = default;
  static GstPadProbeReturn answer(GstPad *pad, GstPadProbeInfo *info, gpointer user_data);

  support::GObjectPtr<GstElement> element_;
  support::GObjectPtr<GstElement> sink_;
  // Until the window is closed: GST_FLOW_CUSTOM_SUCCESS.
  std::atomic<int> flow_ = GST_FLOW_CUSTOM_SUCCESS;
  support::PadProbe probe_;
};

// What upstream is told once a window is closed.
GstFlowReturn flow_after(OnClose on_close);

}  // namespace streamlib::display
