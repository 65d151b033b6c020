// SPDX-License-Identifier: LGPL-2.1-or-later
// What a connection does when there is no way to the peer any more: ICE restarts (RFC 9725 §4.3.3),
// over which media, SSRCs and keys stay as they are.
#include "ext/webrtc/peer/connection.h"
#include "ext/webrtc/sdp/fragment.h"

namespace streamlib::webrtc {

using support::Task;

namespace {

// For the peer's own addresses; they are at hand.
constexpr guint kGatherMs = 500;
constexpr guint kPatchMs = 4000;
// Checks of ICE come more and more rarely. Where the network is back only after some seconds, new
// ones, from the beginning, find the way sooner than those that are under way.
constexpr guint kChecksMs = 4000;
constexpr guint kPauseMs = 500;
// For all of them; then a new session has to do.
constexpr gint64 kRestoreUs = gint64{15} * G_USEC_PER_SEC;

}  // namespace

bool Connection::is_interrupted()
{
  return state_ == TransportState::Disconnected ||
         (state_ == TransportState::Connected && transport_->has_lost_address());
}

// True when media flows again.
Task<bool> Connection::restore()
{
  if (state_ == TransportState::Connected) {
    reason_ =
        "The address of this machine that the connection used is gone: the network has changed.";
    facts_ = transport_->stats().local_address;
  }
  PeerProblem problem = transport_failure();
  if (signalling_.can_restart())
    problem.text += " An ICE restart looks for another way.";
  owner_.interrupted(problem);
  const bool is_restarted = co_await restart();
  if (is_stopped_ || is_interrupted() || state_ != TransportState::Connected)
    co_return false;
  reached_us_ = g_get_monotonic_time();
  // The peer has missed pictures, and not every one of them asks.
  session_.send_keyframe();
  note_connected(is_restarted ? "found again by an ICE restart; it was connected"
                              : "heard again; it was connected");
  owner_.resumed(is_restarted);
  co_return true;
}

// True when it was a restart that brought the peer back.
Task<bool> Connection::restart()
{
  const gint64 end_us = g_get_monotonic_time() + kRestoreUs;
  while (signalling_.can_restart() && !is_stopped_ && is_interrupted() &&
         g_get_monotonic_time() < end_us) {
    const RestartOutcome outcome = co_await try_restart();
    if (outcome == RestartOutcome::Connected)
      co_return true;
    if (outcome == RestartOutcome::Refused)
      break;
    co_await bell_.until([this] { return is_stopped_; }, kPauseMs);
  }
  co_return false;
}

Task<Connection::RestartOutcome> Connection::try_restart()
{
  // There may be no address at all for a while.
  if (!transport_->begin_restart())
    co_return RestartOutcome::MayPass;
  const IceCredentials before = described_.transport.credentials;
  RestartOutcome outcome = co_await exchange_restart();
  const auto is_decided = [this] {
    return restart_outcome_.has_value() || is_stopped_ || state_ == TransportState::Failed ||
           state_ == TransportState::Closed;
  };
  if (outcome == RestartOutcome::Connected) {
    co_await bell_.until(is_decided, kChecksMs);
    if (!restart_outcome_.value_or(false))
      outcome = RestartOutcome::MayPass;
  }
  if (outcome != RestartOutcome::Connected) {
    transport_->cancel_restart();
    described_.transport.credentials = before;
  }
  co_return outcome;
}

// Connected: both sides have their new credentials, and look for each other.
Task<Connection::RestartOutcome> Connection::exchange_restart()
{
  const std::string ufrag = transport_->local_parameters().credentials.ufrag;
  co_await bell_.until([&] { return gathered_ufrag_ == ufrag || is_stopped_; }, kGatherMs);
  const TransportParameters local = transport_->local_parameters();
  described_.transport.credentials = local.credentials;
  described_.transport.candidates = local.candidates;
  described_.transport.end_of_candidates = local.end_of_candidates;
  IceFragment fragment = fragment_of(described_);
  fragment.candidates = local.candidates;
  fragment.end_of_candidates = local.end_of_candidates;
  restart_outcome_.reset();
  const support::Deadline deadline(cancellable_.get(), kPatchMs);
  auto restarted = co_await signalling_.restart_ice(fragment).under(deadline.cancellable());
  if (!restarted)
    co_return restarted.error().may_pass || deadline.is_over() ? RestartOutcome::MayPass
                                                               : RestartOutcome::Refused;
  if (restarted->outcome != PatchOutcome::Done)
    co_return RestartOutcome::Refused;
  auto remote = accept_restart(remote_, fragment, restarted->reply);
  if (!remote || !transport_->finish_restart(*remote))
    co_return RestartOutcome::Refused;
  remote_ = *remote;
  co_return RestartOutcome::Connected;
}

}  // namespace streamlib::webrtc
