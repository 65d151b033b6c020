// SPDX-License-Identifier: LGPL-2.1-or-later
// How long a buffer takes from just before the push to the thread that slept for it.
#pragma once

#include <cstdint>
#include <string>

namespace streamlib::bench {

struct HandoffPlan {
  uint64_t buffers = 500;
  int64_t period_ns = 1'000'000;
  int producer_cpu = 0;
  int consumer_cpu = 1;
};

struct HandoffResult {
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
};

// The hand-off by the element that `subject` describes.
HandoffResult element_handoff(const std::string &subject, const HandoffPlan &plan);
// The least that the system can do: one futex word between two threads, and nothing else.
HandoffResult futex_handoff(const HandoffPlan &plan);

}  // namespace streamlib::bench
