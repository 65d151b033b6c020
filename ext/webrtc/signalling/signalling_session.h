// SPDX-License-Identifier: LGPL-2.1-or-later
// A client of WHIP (RFC 9725) or WHEP (draft-ietf-wish-whep): offers, candidates, ICE restarts and
// the end of a session, over HTTP.
//
//   SignallingSession whip(SignallingSession::Role::Publish, settings);
//   whip.set_fragment(fragment_of(offer));
//   auto opened = co_await whip.open(write_description(offer));
//   ...
//   whip.add_candidate("1 1 udp 2130706431 192.0.2.1 40000 typ host");
//   auto sent = co_await whip.send_candidates();
//   ...
//   auto closed = co_await whip.close();
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ext/webrtc/sdp/fragment.h"
#include "ext/webrtc/signalling/http_client.h"

namespace streamlib::webrtc {

// What became of a PATCH.
enum class PatchOutcome {
  Done,
  Nothing,      // There was nothing to send.
  Waiting,      // Not now: no session yet, a restart is pending, or another PATCH takes them along.
  Unsupported,  // The server cannot do it; the session goes on without, and it is not tried again.
  Stale,        // It was for an ICE session that is over (412).
  Superseded,   // A later restart has taken its place.
};

// I/O context. It must live until all of its tasks have ended. After a failure or a cancellation,
// whatever it was, close() ends what there may be at the server.
class SignallingSession {
public:
  enum class Role { Publish, Play };  // WHIP, WHEP.

  SignallingSession(Role role, HttpSettings settings) : role_(role), client_(std::move(settings)) {}
  SignallingSession(const SignallingSession &) = delete;
  SignallingSession &operator=(const SignallingSession &) = delete;

  struct Opened {
    // WHEP only: `sdp` is an offer of the server, which wants an answer by answer().
    bool is_counter_offer = false;
    std::string sdp;
    std::vector<IceServer> ice_servers;
    std::vector<std::string> notes;  // ICE servers that were left out, and why.
  };
  // Once: for the next attempt close() comes first.
  support::Task<SignallingResult<Opened>> open(std::string offer);
  support::Task<SignallingResult<support::Done>> answer(std::string sdp);

  // The section and the credentials that candidates belong to.
  void set_fragment(IceFragment fragment);
  void add_candidate(std::string candidate);
  void end_candidates();
  // All that have been added, in one PATCH; what comes meanwhile goes with the next one. Those that
  // a failure which may pass has kept from the server are sent again with the next call.
  support::Task<SignallingResult<PatchOutcome>> send_candidates();

  struct Restarted {
    PatchOutcome outcome = PatchOutcome::Done;
    ParsedFragment reply;  // For accept_restart(), where it is Done.
  };
  // `local` has the new credentials, and the candidates that are there already. Until the reply
  // candidates are kept back. After a failure the old ICE session goes on.
  support::Task<SignallingResult<Restarted>> restart_ice(IceFragment local);

  // Not while open() runs. DELETE, where there is a session. It takes `limit_ms` at most, and
  // afterwards there is none, whatever the server says.
  support::Task<SignallingResult<support::Done>> close(guint limit_ms = kCloseLimitMs);

  // After close(): a session that could not be deleted, because nobody answered.
  const std::string &left_session() const { return left_; }
  // The same for a session of another one of these.
  support::Task<SignallingResult<support::Done>> remove(std::string url,
                                                        guint limit_ms = kCloseLimitMs);

  bool is_open() const { return state_ == State::Open; }
  bool can_trickle() const { return can_trickle_; }
  bool can_restart() const { return can_restart_; }
  // It is no secret whether there is one, only which.
  bool has_session_url() const { return !session_url_.empty(); }

  static constexpr guint kCloseLimitMs = 1500;

private:
  enum class State { Closed, Opening, CounterOffered, Open };

  support::Task<SignallingResult<Opened>> post(std::string offer);
  support::Task<SignallingResult<PatchOutcome>> patch_candidates();
  void take_head(const HttpReply &reply);
  bool is_counter_offer(const HttpReply &reply) const;
  SignallingResult<Opened> opened_by(const HttpReply &reply);
  SignallingResult<Restarted> restarted_by(SignallingResult<HttpReply> &reply);
  HttpRequest patch_of(const IceFragment &fragment, const std::string &if_match) const;
  std::string name() const { return role_ == Role::Publish ? "WHIP" : "WHEP"; }

  const Role role_;
  HttpClient client_;
  State state_ = State::Closed;
  std::string session_url_;
  std::string left_;
  std::string etag_;
  std::optional<gint64> answer_until_us_;  // Of the monotonic clock.

  IceFragment fragment_;  // With the candidates that are still to be sent.
  IceFragment before_restart_;
  bool has_fragment_ = false;
  bool is_patching_ = false;
  bool can_trickle_ = true;
  bool can_restart_ = true;
  guint restart_ = 0;  // The last one.
  bool is_restarting_ = false;
};

}  // namespace streamlib::webrtc
