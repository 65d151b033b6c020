// SPDX-License-Identifier: LGPL-2.1-or-later
// A flush of a sink pad whose element may never come back from it.
#pragma once

#include <memory>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::graph {

inline constexpr GstClockTime kFlushLimit = 300 * GST_MSECOND;

// Whoever waits in a link for room is freed at once. FLUSH_START itself waits for the step of the
// link's consumer, which is why both events go on a thread of their own.
class BackgroundFlush {
public:
  enum class Reach {
    // As flushes do.
    Downstream,
    // Of a link or a processor: what it has given out plays on. Any other pad passes it on.
    Link,
  };

  // FLUSH_START goes.
  BackgroundFlush(support::GObjectPtr<GstPad> pad, Reach reach);
  BackgroundFlush(const BackgroundFlush &) = delete;
  BackgroundFlush &operator=(const BackgroundFlush &) = delete;
  // FLUSH_STOP follows, when FLUSH_START has come back.
  ~BackgroundFlush();

  // Lets FLUSH_STOP follow and waits for it. False when the element has not let it through in time;
  // the pad flushes until it does.
  bool finish(GstClockTime limit);

private:
  struct Shared;
  void let_stop_follow();

  std::shared_ptr<Shared> shared_;
  // Where the system had no thread left: FLUSH_STOP is still to be sent.
  support::GObjectPtr<GstPad> own_pad_;
};

}  // namespace streamlib::graph
