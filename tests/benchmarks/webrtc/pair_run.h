// SPDX-License-Identifier: LGPL-2.1-or-later
// One run of the process that is measured, with a far end of its own.
#pragma once

#include <map>
#include <string>

#include "gst/support/result.h"

namespace streamlib::bench {

using Figures = std::map<std::string, double>;

struct PairPlan {
  std::string run;        // As run_near_end() has it.
  std::string direction;  // "publish" or "play"
  std::string subject;    // "ours", "webrtcbin" or "tuned"
  int count = 1;
  double seconds = 2;
  int latency_ms = -1;
};

// The media and the board of all runs, as files that go with it.
class PairRuns {
public:
  PairRuns() = default;
  ~PairRuns();
  PairRuns(const PairRuns &) = delete;
  PairRuns &operator=(const PairRuns &) = delete;

  // Encodes the media.
  support::Status prepare();
  support::Result<Figures> run(const PairPlan &plan) const;

private:
  std::string board_;
  std::string material_;
};

}  // namespace streamlib::bench
