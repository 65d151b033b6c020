// SPDX-License-Identifier: LGPL-2.1-or-later
// One connection of a peer: from the offer to the end of its session at the server.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ext/webrtc/peer/bell.h"
#include "ext/webrtc/peer/peer_settings.h"
#include "ext/webrtc/sdp/negotiation.h"
#include "ext/webrtc/session/media_session.h"
#include "ext/webrtc/signalling/signalling_session.h"
#include "ext/webrtc/transport/transport.h"
#include "gst/support/result.h"
#include "gst/support/task.h"

namespace streamlib::webrtc {

// Why there is no connection (any more), and what another one would be good for.
struct ConnectionFailure : PeerProblem {
  bool may_pass = false;    // Another attempt may go better.
  bool is_refusal = false;  // The server or the peer does not want it; it may change its mind.
  std::optional<guint> retry_after_ms;
};

template <typename T>
using ConnectionResult = support::Result<T, ConnectionFailure>;

// I/O context, never from within a call of the connection, but media_begun(), which comes in a
// thread that may block.
class ConnectionOwner {
public:
  // For the log.
  virtual void noted(GstDebugLevel level, const std::string &text) = 0;
  virtual void warned(const PeerProblem &problem) = 0;
  virtual void transport_made(std::shared_ptr<Transport> transport) = 0;
  virtual void media_begun(const std::vector<SessionMedia> &media) = 0;
  // There is no way to the peer at present, and one is looked for: then comes resumed(), or the
  // connection ends.
  virtual void interrupted(const PeerProblem &problem) = 0;
  virtual void resumed(bool by_restart) = 0;

protected:
  ~ConnectionOwner() = default;
};

// I/O context. Its tasks are one after the other: connect(), stay(), and in any case close(), which
// must have ended before the connection goes.
class Connection final : private TransportListener {
public:
  Connection(GMainContext *context, const PeerSettings &settings,
             const std::vector<PeerMedia> &media, MediaSession &session, ConnectionOwner &owner);
  Connection(const Connection &) = delete;
  Connection &operator=(const Connection &) = delete;
  ~Connection();

  // Until media flows.
  support::Task<ConnectionResult<support::Done>> connect();
  // Until it is lost, or stop().
  support::Task<ConnectionFailure> stay();
  // Cuts connect() and stay() short.
  void stop();
  // BYE, close_notify, DELETE, within 2 s. `with_bye`: what is sent ends; otherwise it is going on
  // in another connection.
  support::Task<support::Done> close(bool with_bye);
  void bye_sent();

  // Before connect(): sessions of earlier connections that are still at the server, and may be what
  // it has no room for another one for. After close(): those that still are.
  void set_left_sessions(std::vector<std::string> urls) { left_sessions_ = std::move(urls); }
  std::vector<std::string> left_sessions() const;

private:
  using Opened = SignallingSession::Opened;

  support::Status make_transport(bool is_offering);
  support::Task<ConnectionResult<support::Done>> gather();
  LocalSide local_side() const;
  support::Task<ConnectionResult<Negotiated>> negotiate();
  support::Task<ConnectionResult<Negotiated>> answer_offer(const Opened *opened);
  support::Task<support::Done> remove_left_sessions();
  support::Task<SignallingResult<Opened>> post();
  support::Task<ConnectionResult<support::Done>> begin_media(const Negotiated *negotiated);
  support::Task<support::Done> trickle();
  // connection_restart.cpp
  bool is_interrupted();
  support::Task<bool> restore();
  support::Task<bool> restart();
  enum class RestartOutcome { Connected, MayPass, Refused };
  support::Task<RestartOutcome> try_restart();
  support::Task<RestartOutcome> exchange_restart();
  // connection_log.cpp
  void note_offer();
  void note_agreement(const Negotiated &negotiated);
  void note_connected(const char *how);
  // connection_liveness.cpp
  std::optional<ConnectionFailure> silence() const;
  void note_quiet();
  void note_faults(const std::vector<SdpFault> &notes);
  void warn(const std::string &text, const std::string &debug = "");
  ConnectionFailure failure_of(SignallingFailure failure) const;
  ConnectionFailure transport_failure() const;
  ConnectionFailure stopped() const;
  bool is_sender() const { return settings_.role == PeerRole::Sender; }

  void state_changed(TransportState state, const std::string &reason,
                     const std::string &facts) override;
  void candidate_found(const std::string &ufrag, const std::string &candidate) override;
  void gathering_done(const std::string &ufrag) override;
  void restart_ended(bool is_connected) override;
  void warned(const std::string &text, const std::string &facts) override;

  GMainContext *const context_;
  const PeerSettings &settings_;
  const std::vector<PeerMedia> &media_;
  MediaSession &session_;
  ConnectionOwner &owner_;
  SignallingSession signalling_;
  std::shared_ptr<Transport> transport_;
  const support::GObjectPtr<GCancellable> cancellable_ = support::adopt_object(g_cancellable_new());
  Bell bell_;

  LocalSide local_;
  SessionDescription described_;  // Ours: the offer, or the answer to a counter-offer.
  bool is_described_ = false;     // Candidates that come now must be sent.
  TransportParameters remote_;
  std::vector<std::string> left_sessions_;
  std::string gathered_ufrag_;  // Of the generation whose search has ended.
  TransportState state_ = TransportState::New;
  std::string reason_;
  std::string facts_;
  std::optional<bool> restart_outcome_;
  int64_t reached_us_ = 0;  // When the way to the peer was last found.
  bool is_quiet_ = false;   // Said, until something comes.
  bool is_stopped_ = false;
  bool is_posting_ = false;
  bool was_connected_ = false;
  bool has_begun_ = false;
  bool bye_sent_ = false;
  bool is_transport_closed_ = false;
  guint helpers_ = 0;  // Tasks beside the main one.
};

}  // namespace streamlib::webrtc
