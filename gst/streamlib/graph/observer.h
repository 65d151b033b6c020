// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph shows of itself: the state of its links, rates, levels, drops, times, and who holds
// it up.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "gst/streamlib/graph/events.h"
#include "gst/streamlib/graph/figures.h"
#include "gst/streamlib/graph/latency_probe.h"
#include "gst/streamlib/graph/running.h"

namespace streamlib::graph {

// Looks at counters and at the facts of pads; takes no lock of a stream, and calls nothing of an
// element's own.
class Observer {
public:
  explicit Observer(Events &events) : events_(events) {}

  // Worker: a look at everything; says what has changed. Data flows from PAUSED on, and should not
  // stop in PLAYING. For somebody who `asks` also the declared latencies are renewed.
  void sample(const Running &running, GstState level, bool asks);
  // Worker: every link that must carry data has carried some.
  bool is_ready() const { return is_ready_; }

  // Any thread: of the last look.
  Figures figures() const;
  DeclaredLatencies declared() const { return latency_.answers(); }

private:
  struct Look {
    GstState level;
    int64_t now;
    bool is_playing() const { return level == GST_STATE_PLAYING; }
  };
  LinkFigures look_at(const Wire &wire, const LinkFigures *before, const Look &look);
  static NodeFigures look_at(const Node &node, const std::vector<const Wire *> &into,
                             const NodeFigures *before, const Look &look);
  void find_stall(Figures &figures, const Look &look);

  Events &events_;
  LatencyProbe latency_;
  bool is_ready_ = false;
  // Written by the worker only, which therefore reads them without the mutex.
  mutable std::mutex mutex_;
  Figures figures_;
};

}  // namespace streamlib::graph
