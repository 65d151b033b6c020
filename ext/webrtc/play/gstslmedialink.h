// SPDX-License-Identifier: LGPL-2.1-or-later
// A thread of its own for one received stream, so that whoever takes it does not hold the session.
#pragma once

#include <functional>

#include <gst/streamlib/gstslprocessor.h>

#include "gst/support/ownership.h"

#define GST_TYPE_SL_MEDIA_LINK (gst_sl_media_link_get_type())
G_DECLARE_FINAL_TYPE(GstSlMediaLink, gst_sl_media_link, GST, SL_MEDIA_LINK, GstSlProcessor)

namespace streamlib::webrtc {

// Called in the link's thread, in the order of the stream.
struct MediaLinkHooks {
  // Transfer full; null: it goes no further.
  std::function<GstEvent *(GstEvent *event)> event;
  // True: the buffer is pushed.
  std::function<bool(GstBuffer **buffer)> buffer;
  // What a push has come to, where it was not GST_FLOW_OK.
  std::function<void(GstFlowReturn flow)> refused;
};

// Has a link pad `sink` and a source pad `src`. No flow return ends the thread.
support::GObjectPtr<GstElement> make_media_link(MediaLinkHooks hooks);

}  // namespace streamlib::webrtc
