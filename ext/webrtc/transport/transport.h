// SPDX-License-Identifier: LGPL-2.1-or-later
// The way to one peer: ICE finds it, DTLS proves who it is, SRTP carries RTP and RTCP.
//
//   auto transport = Transport::create(context, settings, listener, receiver);
//   transport->start_gathering();
//   … describe transport->local_parameters(), and wait for the peer's …
//   transport->set_remote(parameters);
//   … state_changed(Connected) …
//   transport->close([] { … });
//
// docs/design/webrtc-transport.md has the states and threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <glib.h>

#include "ext/webrtc/packet_port.h"
#include "ext/webrtc/parameters.h"
#include "ext/webrtc/transport/transport_stats.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

enum class TransportState {
  New,
  Gathering,     // Looks for its own addresses.
  Connecting,    // Knows the peer's parameters.
  Connected,     // The peer is verified; media flows.
  Disconnected,  // The peer does not answer any more; an ICE restart may bring it back.
  Failed,        // Never to be connected.
  Closed,        // By close(), or by the peer.
};

const char *name_of(TransportState state);

// Called from the I/O context, never from within a call of the transport. Each may call the
// transport, and may close it.
class TransportListener {
public:
  // `reason` is a sentence for the user where the state is Disconnected, Failed or Closed, and
  // `facts` what is behind it.
  virtual void state_changed(TransportState state, const std::string &reason,
                             const std::string &facts) = 0;
  // A local candidate, as a value of a=candidate, of the generation that `ufrag` names.
  virtual void candidate_found(const std::string &ufrag, const std::string &candidate) = 0;
  virtual void gathering_done(const std::string &ufrag) = 0;
  // Where it did not connect, the generation before carries on.
  virtual void restart_ended(bool is_connected) = 0;
  // Something is left out, and the rest goes on: a server, a candidate.
  virtual void warned(const std::string &text, const std::string &facts) = 0;

protected:
  ~TransportListener() = default;
};

struct TransportSettings {
  bool is_offering = true;  // Who offers is controlling (RFC 8839 §4.2.4), and leaves the DTLS role
                            // to the other side.
  // Of the side that answers an offer with actpass: RFC 8842 §5.3 recommends to be active.
  DtlsSetup answer_setup = DtlsSetup::Active;
  std::vector<IceServer> servers;
  bool relay_only = false;
  bool ice_tcp = false;
  // To connect from, numeric; empty: those of all interfaces but loopback.
  std::vector<std::string> local_addresses;
  bool with_loopback = false;      // That one, too: the peer may be on this machine.
  guint connect_limit_ms = 10000;  // From set_remote(), and of each restart.
};

// I/O context, where nothing else is said.
class Transport : public PacketSender {
public:
  // Of one RTP or RTCP packet. What is longer than the network takes in one piece would be cut up
  // on the way, and mostly lost.
  static constexpr size_t kMaxPacket = 1500;

  // `context` is served by one thread all the time, which is the one that calls this. `listener`
  // and `receiver` must stay until `done` of close(), or until the last reference was dropped in
  // that thread. The last reference may be dropped in any thread: what was not closed is closed
  // then without a word to the peer.
  static support::Result<std::shared_ptr<Transport>> create(GMainContext *context,
                                                            TransportSettings settings,
                                                            TransportListener &listener,
                                                            PacketReceiver &receiver);

  // Before start_gathering(): in place of those of the settings, where they come later.
  virtual void set_servers(std::vector<IceServer> servers) = 0;
  virtual support::Status start_gathering() = 0;
  // What to tell the peer: credentials, fingerprint, role, the candidates found until now. While a
  // restart is under way, its credentials and candidates.
  virtual TransportParameters local_parameters() const = 0;
  // The peer's, once. Where it fails nothing has changed.
  virtual support::Status set_remote(const TransportParameters &parameters) = 0;
  // Trickled ones (RFC 8838). An empty ufrag means the latest generation; candidates of one that is
  // unknown are refused.
  virtual support::Status add_remote_candidates(const std::string &ufrag,
                                                const std::vector<std::string> &candidates,
                                                bool is_end) = 0;

  // An ICE restart (RFC 8445 §9): new credentials, new candidates, which local_parameters() shows
  // from now on. DTLS and SRTP are not touched, and media goes on where it still gets through.
  virtual support::Status begin_restart() = 0;
  // The peer's new credentials and candidates; nothing else of them is looked at.
  virtual support::Status finish_restart(const TransportParameters &parameters) = 0;
  // The peer refused.
  virtual void cancel_restart() = 0;

  virtual TransportState state() const = 0;
  // This machine has no longer the address that the way to the peer begins at: nothing gets through
  // until ICE is restarted. To be asked now and then.
  virtual bool has_lost_address() = 0;
  // Any thread.
  virtual TransportStats stats() const = 0;

  // Sends what waits, says close_notify, and gives everything back within 2 s; then calls `done`
  // from the context. The listener hears of nothing else any more.
  virtual void close(std::function<void()> done) = 0;

protected:
  ~Transport() = default;
};

}  // namespace streamlib::webrtc
