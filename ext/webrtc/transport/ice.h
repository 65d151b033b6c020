// SPDX-License-Identifier: LGPL-2.1-or-later
// ICE (RFC 8445) by libnice: one generation of credentials, candidates and checks. A restart is a
// new one of these beside the old one, which carries on until the new one connects.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nice/agent.h>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/transport/ice_servers.h"
#include "ext/webrtc/transport/main_context.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

struct IceSettings {
  bool is_controlling = true;
  bool with_tcp = false;
  bool relay_only = false;
  std::vector<std::string> local_addresses;  // Empty: those of all interfaces but loopback.
  bool with_loopback = false;                // That one, too, where `local_addresses` is empty.
  std::vector<ParsedIceServer> servers;      // With addresses.
};

enum class IceState {
  Checking,   // Nothing is known to work (yet).
  Connected,  // A pair works; datagrams go out.
  Lost,       // It worked, and the peer does not consent any more (RFC 7675).
};

class Ice;

// Of all interfaces that are up, loopback included, sorted.
std::vector<std::string> addresses_of_this_machine();

// Called in the I/O context, never from within a call of Ice or of libnice, except ice_received.
class IceOwner {
public:
  virtual void ice_candidate(Ice &ice, const std::string &candidate) = 0;
  virtual void ice_gathered(Ice &ice) = 0;
  // The state, or the pair in use.
  virtual void ice_changed(Ice &ice) = 0;
  // From within libnice: must neither close nor destroy. What is no STUN.
  virtual void ice_received(Ice &ice, std::span<const uint8_t> datagram) = 0;

protected:
  ~IceOwner() = default;
};

enum class IceSendOutcome { Sent, WouldBlock, Refused };

struct IceFigures {
  uint64_t skipped_candidates = 0;  // Of the peer: hidden, named or of no use.
  uint64_t remote_candidates = 0;
  uint64_t local_candidates = 0;
};

// I/O context.
class Ice {
public:
  // More from one peer are skipped.
  static constexpr size_t kMaxRemoteCandidates = 128;
  // For the TURN servers to hear of the end.
  static constexpr guint kCloseLimitMs = 1000;

  static support::Result<std::unique_ptr<Ice>> create(GMainContext *context,
                                                      const IceSettings &settings, IceOwner &owner);
  Ice(const Ice &) = delete;
  Ice &operator=(const Ice &) = delete;
  // Ends at once; close() is for the polite end.
  ~Ice();

  const IceCredentials &credentials() const { return credentials_; }
  IceState state() const { return state_; }
  const char *component_state() const;
  // Those found until now, as values of a=candidate.
  const std::vector<std::string> &candidates() const { return candidates_; }
  bool is_gathered() const { return is_gathered_; }
  const IceFigures &figures() const { return figures_; }
  // The names of the TURN servers that have given no address until now. Of several on one machine
  // one is enough: libnice drops what comes to the same address again.
  std::vector<std::string> silent_relays() const;
  // Whether another one has.
  bool has_relay() const { return has_relay_; }
  // The addresses of the pair in use; empty when there is none.
  std::pair<std::string, std::string> selected_pair() const;

  // The pair in use began at an address that this machine had, and has no more. For a look now and
  // then: the first one only learns the address.
  bool has_lost_address();

  // Lost, and the peer is alive all the same: consent is asked for anew, over the pair in use.
  // libnice gives up when one or two of its checks are lost, after 10 s of the 30 s of RFC 7675
  // §5.1. False where the pair cannot be named; else the state Connected follows.
  bool renew_consent();

  // Servers that were found after create().
  void add_servers(const std::vector<ParsedIceServer> &servers);
  support::Status gather();
  // Once.
  support::Status set_remote_credentials(const IceCredentials &credentials, bool is_lite);
  // Empty before.
  const IceCredentials &remote_credentials() const { return remote_credentials_; }
  // After set_remote_credentials(). A failure is that of the last one that could not be read; the
  // others are in use all the same.
  support::Status add_remote_candidates(const std::vector<std::string> &candidates);
  void end_remote_candidates();
  IceSendOutcome send(std::span<const uint8_t> datagram);

  // Takes everything down within kCloseLimitMs and calls `done` from the context.
  static void close(std::unique_ptr<Ice> ice, std::function<void()> done);

private:
  Ice(GMainContext *context, const IceSettings &settings, IceOwner &owner);

  support::Status set_up();
  support::Status add_address(const std::string &text);
  void add_server(const ParsedIceServer &server);
  void widen_sockets();
  void let_go();
  void on_candidate(NiceCandidate *candidate);
  void note_relay(const NiceCandidate *candidate);
  void on_state(guint state);
  static void receive(NiceAgent *agent, guint stream, guint component, guint size, gchar *data,
                      gpointer self);

  GMainContext *const context_;
  const IceSettings settings_;
  IceOwner &owner_;
  support::GObjectPtr<NiceAgent> agent_;
  guint stream_ = 0;
  std::vector<support::SignalHandler> handlers_;
  IceCredentials credentials_;
  std::vector<std::string> candidates_;
  bool is_gathered_ = false;
  IceCredentials remote_credentials_;
  bool has_stun_ = false;
  struct Relay {
    std::string host;
    std::string name;
    bool has_answered = false;
  };
  std::vector<Relay> relays_;  // In the order in which libnice got them.
  bool has_relay_ = false;
  NiceComponentState component_state_ = NICE_COMPONENT_STATE_DISCONNECTED;
  IceState state_ = IceState::Checking;
  IceFigures figures_;
  std::string held_address_;  // Of the pair in use, when it was seen on an interface.
  Deferred deferred_;
};

}  // namespace streamlib::webrtc
