// SPDX-License-Identifier: LGPL-2.1-or-later
// One run of `benchsrc ! X ! benchsink`.
#pragma once

#include <string>

#include "endpoints.h"

namespace streamlib::bench {

struct FlowResult {
  // Delivered buffers per second of wall time; 0 where fewer than the warm-up arrived.
  double rate = 0;
  // Pushed buffers per second, by the source's clock.
  double push_rate = 0;
  // CPU time of the whole process for each delivered buffer, in nanoseconds.
  double cpu_ns = 0;
  uint64_t pushed = 0;
  uint64_t delivered = 0;
};

// Runs `subject` (launch syntax of one element; empty: source and sink directly in one thread)
// between the ends that `exchange` describes. Ends the program with a message when the pipeline
// fails, or does not end within a minute: there is no figure to report then.
FlowResult run_flow(const std::string &subject, Exchange &exchange);

// Whether the element that `subject` starts with can be made.
bool available(const std::string &subject);

}  // namespace streamlib::bench
