// SPDX-License-Identifier: LGPL-2.1-or-later
// What a user of a peer sets, and what the peer tells.
#pragma once

#include <string>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/session/session_settings.h"
#include "ext/webrtc/signalling/http_client.h"
#include "ext/webrtc/signalling/retry_policy.h"

namespace streamlib::webrtc {

enum class PeerRole {
  Sender,    // WHIP
  Receiver,  // WHEP
};

enum class PeerState {
  New,
  Connecting,    // For the first time.
  Connected,     // The peer is verified; media flows.
  Reconnecting,  // The connection is lost, or the first attempt has failed; tried again.
  Failed,        // The end, by an error.
  Closed,        // The end, because it was asked for.
};

enum class Reconnect {
  Never,
  OnFailure,  // After what another attempt may mend.
  Always,     // After a refusal of the server, too. A peer that is the wrong one remains the end.
};

struct PeerSettings {
  PeerRole role = PeerRole::Sender;
  HttpSettings http;
  std::vector<IceServer> servers;
  // Those that the server names are used where `servers` is empty: the POST comes first then, and
  // the candidates follow.
  bool use_link_headers = false;
  bool relay_only = false;
  bool ice_tcp = false;
  std::vector<std::string> local_addresses;  // Empty: those of all interfaces but loopback.
  guint connect_limit_ms = 10000;            // From the answer to connected.
  Reconnect reconnect = Reconnect::OnFailure;
  RetryLimits limits;
};

// One section of the offer.
struct PeerMedia {
  MediaKind kind = MediaKind::Audio;
  std::vector<Codec> codecs;  // By preference, as all_codecs() has them.
};

// Ready for GST_ELEMENT_ERROR and GST_ELEMENT_WARNING.
struct PeerProblem {
  GQuark domain = 0;
  int code = 0;
  std::string text;
  std::string debug;
  // The peer has ended a connection in order.
  bool is_end = false;
};

// Called with no lock held, never after the peer is over.
class PeerListener {
public:
  // I/O context.
  virtual void peer_state_changed(PeerState state) = 0;
  // I/O context: something is left out or tried again, and the rest goes on.
  virtual void peer_warned(const PeerProblem &problem) = 0;
  // I/O context: the state Failed and its cause.
  virtual void peer_failed(const PeerProblem &problem) = 0;
  // A thread of the peer's own, which may block: MediaSession::begin() was called with these
  // sections, and outputs are there. Nothing flows yet. Again after each reconnection.
  virtual void peer_media_begun(const std::vector<SessionMedia> &media) = 0;

protected:
  ~PeerListener() = default;
};

}  // namespace streamlib::webrtc
