// SPDX-License-Identifier: LGPL-2.1-or-later
// STUN and TURN servers: their URIs (RFC 7064, RFC 7065), and their addresses.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/webrtc/parameters.h"
#include "gst/support/result.h"
#include "gst/support/task.h"

namespace streamlib::webrtc {

enum class IceServerKind { Stun, TurnUdp, TurnTcp };

struct ParsedIceServer {
  IceServerKind kind = IceServerKind::Stun;
  std::string host;  // A name or an address, IPv6 without brackets.
  uint16_t port = 3478;
  std::string username;
  std::string credential;
  std::string name;  // As whoever set it knows it: its URI, without a user and a password.
};

// A failure says which URI, why, and what to do; never the credential.
support::Result<ParsedIceServer> parse_ice_server(const IceServer &server);

struct ResolvedIceServers {
  // With an address as host; a name may give two servers, of IPv4 and of IPv6.
  std::vector<ParsedIceServer> servers;
  // Of those that cannot be used.
  std::vector<support::Failure> problems;
};

// Asks for the addresses of names, for at most `limit_ms` in all.
support::Task<ResolvedIceServers> resolve_ice_servers(std::vector<IceServer> servers,
                                                      guint limit_ms);

}  // namespace streamlib::webrtc
