// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/signalling/retry_policy.h"

#include <algorithm>

namespace streamlib::webrtc {

std::optional<uint32_t> RetryPolicy::next_delay(uint64_t now_ms,
                                                std::optional<uint32_t> retry_after_ms)
{
  if (!began_ms_)
    began_ms_ = now_ms;
  if (limits_.max_attempts != 0 && attempts_ >= limits_.max_attempts)
    return std::nullopt;
  attempts_++;
  delay_ms_ = attempts_ == 1 ? limits_.initial_ms
                             : std::min<double>(delay_ms_ * limits_.factor, limits_.max_ms);
  double delay = delay_ms_ * (1.0 - limits_.jitter * chance_());
  if (retry_after_ms) {
    const double asked = std::min(*retry_after_ms, limits_.max_server_ms);
    delay_ms_ = std::max(delay_ms_, asked);
    // Later by chance, not earlier: everybody was asked to wait for the same time.
    delay =
        delay_ms_ > asked ? std::max(delay, asked) : asked * (1.0 + limits_.jitter * chance_() / 2);
  }
  const auto rounded = static_cast<uint32_t>(delay);
  if (limits_.max_total_ms != 0 && now_ms - *began_ms_ + rounded > limits_.max_total_ms)
    return std::nullopt;
  return rounded;
}

void RetryPolicy::reset()
{
  attempts_ = 0;
  delay_ms_ = 0;
  began_ms_.reset();
}

}  // namespace streamlib::webrtc
