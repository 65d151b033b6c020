// SPDX-License-Identifier: LGPL-2.1-or-later
// Pads for media that never came. Whatever waits to be linked to them gets the end of the stream,
// so that an application which asked for the end sees it come.
#pragma once

#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::webrtc {

class LatePads {
public:
  explicit LatePads(GstElement *element);
  ~LatePads();
  LatePads(const LatePads &) = delete;
  LatePads &operator=(const LatePads &) = delete;

  // Any thread: what is added belongs to this run, which lasts until clear().
  guint run() const;
  // Any thread that may block: adds a pad of the template, unless the run is over or it is there.
  void add(guint run, const std::string &name, GstPadTemplate *pad_template, guint group_id);
  // Any thread: the end of all of them, each in a thread of its own, because a sink holds it until
  // all sinks have something.
  void end(guint run);
  // Control, in READY: takes them away.
  void clear();

private:
  struct Entry {
    support::GObjectPtr<GstPad> pad;
    bool is_added = false;  // Who adds it takes it away where clear() comes in between.
  };

  GstElement *const element_;
  // A leaf; guards what follows.
  mutable GMutex mutex_;
  guint run_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace streamlib::webrtc
