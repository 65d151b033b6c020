// SPDX-License-Identifier: LGPL-2.1-or-later
// Whether a peer that consents does anything else. Consent (RFC 7675) is a matter of its ICE alone;
// what is behind that may be dead all the same.
#include <algorithm>

#include "ext/webrtc/peer/connection.h"
#include "ext/webrtc/peer/connection_failures.h"

namespace streamlib::webrtc {

namespace {

// Neither media nor reports, which have come before: another session may do better.
constexpr int64_t kSilenceUs = int64_t{15} * G_USEC_PER_SEC;
// No media where some were agreed upon. The sender may pause: that is said, and nothing else.
constexpr int64_t kQuietUs = int64_t{5} * G_USEC_PER_SEC;

std::string seconds_of(int64_t us)
{
  return std::to_string(us / G_USEC_PER_SEC) + " s";
}

}  // namespace

std::optional<ConnectionFailure> Connection::silence() const
{
  const Liveness liveness = session_.liveness();
  int64_t since_us = liveness.since_rtcp_us;
  if (!is_sender() && liveness.since_rtp_us >= 0)
    since_us = since_us < 0 ? liveness.since_rtp_us : std::min(since_us, liveness.since_rtp_us);
  // While there was no way to the peer, nothing could come.
  since_us = std::min(since_us, g_get_monotonic_time() - reached_us_);
  if (since_us < kSilenceUs)
    return std::nullopt;
  ConnectionFailure failure = failure_with(
      GST_RESOURCE_ERROR, is_sender() ? GST_RESOURCE_ERROR_WRITE : GST_RESOURCE_ERROR_READ,
      "The peer has sent neither media nor reports for " + seconds_of(since_us) +
          ": it is stuck or gone.",
      "RTCP, RTP");
  failure.may_pass = true;
  return failure;
}

// Said once for each such time, while the connection stays.
void Connection::note_quiet()
{
  const Liveness liveness = session_.liveness();
  const int64_t reached_us = g_get_monotonic_time() - reached_us_;
  const int64_t last_us = is_sender() ? liveness.since_rtcp_us : liveness.since_rtp_us;
  const int64_t since_us = last_us < 0 ? reached_us : std::min(last_us, reached_us);
  if (since_us < (is_sender() ? kSilenceUs : kQuietUs)) {
    is_quiet_ = false;
    return;
  }
  if (is_quiet_)
    return;
  is_quiet_ = true;
  PeerProblem problem;
  problem.domain = GST_RESOURCE_ERROR;
  problem.code = is_sender() ? GST_RESOURCE_ERROR_WRITE : GST_RESOURCE_ERROR_READ;
  if (is_sender())
    problem.text = "The peer is connected, and has not reported for " + seconds_of(since_us) +
                   " what it gets of the media: it may not take them.";
  else
    problem.text = "The server is connected, and has sent no media for " + seconds_of(since_us) +
                   ": it may be paused, or have nothing to send. They are waited for.";
  const auto text_of = [](int64_t us) { return us < 0 ? std::string("never") : seconds_of(us); };
  problem.debug = "last RTP: " + text_of(liveness.since_rtp_us) +
                  ", last RTCP: " + text_of(liveness.since_rtcp_us);
  owner_.warned(problem);
}

}  // namespace streamlib::webrtc
