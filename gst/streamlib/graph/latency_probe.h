// SPDX-License-Identifier: LGPL-2.1-or-later
// Asks the nodes of a graph what latency they declare, on a thread of its own: an element may be
// stuck, or hold a lock of its own for long.
#pragma once

#include <memory>

#include "gst/streamlib/graph/figures.h"

namespace streamlib::graph {

class LatencyProbe {
public:
  LatencyProbe();
  LatencyProbe(const LatencyProbe &) = delete;
  LatencyProbe &operator=(const LatencyProbe &) = delete;
  // A round that is under way ends after its next answer; one that is stuck is left alone.
  ~LatencyProbe();

  // Worker. Begins a round, if none is under way and the last one is old enough for what it cost:
  // rounds take a fiftieth of a CPU at most. An answer walks upstream to the sources, so a round of
  // a long graph ends after kRoundLimit, and the next one goes on from there.
  void ask(const Running &running);
  // Any thread: waits for the end of a round that is under way, kFirstAnswers at most, and answers
  // what was said last.
  DeclaredLatencies answers() const;

  static constexpr int64_t kRoundLimit = 500 * G_TIME_SPAN_MILLISECOND;

private:
  struct Shared;

  std::shared_ptr<Shared> shared_;
};

}  // namespace streamlib::graph
