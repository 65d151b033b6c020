// SPDX-License-Identifier: LGPL-2.1-or-later
// When to try again.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace streamlib::webrtc {

struct RetryLimits {
  uint32_t initial_ms = 500;
  uint32_t max_ms = 30000;          // Of one delay; what a server asks for may be longer.
  uint32_t max_server_ms = 300000;  // No server makes us wait longer.
  double factor = 2.0;
  double jitter = 0.5;        // A delay is shorter by up to this part, by chance.
  uint32_t max_attempts = 0;  // 0: no limit.
  uint64_t max_total_ms = 0;  // From the first failure on; 0: no limit.
};

// Exponential back-off with jitter. Pure: it has neither a clock nor a timer.
class RetryPolicy {
public:
  // `chance` gives numbers from 0 to below 1.
  RetryPolicy(const RetryLimits &limits, std::function<double()> chance)
      : limits_(limits), chance_(std::move(chance))
  {}

  // After a failure at the time `now_ms` of any steady clock: how long to wait, or nothing when it
  // is to be given up. What the server asks for is the least, and where the back-off begins
  // (draft-ietf-wish-whep §4.3.8).
  std::optional<uint32_t> next_delay(uint64_t now_ms,
                                     std::optional<uint32_t> retry_after_ms = std::nullopt);
  // It has worked.
  void reset();
  uint32_t attempts() const { return attempts_; }

private:
  const RetryLimits limits_;
  const std::function<double()> chance_;
  uint32_t attempts_ = 0;
  double delay_ms_ = 0;
  std::optional<uint64_t> began_ms_;
};

}  // namespace streamlib::webrtc
