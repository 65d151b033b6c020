// SPDX-License-Identifier: LGPL-2.1-or-later
// The properties of a connection, which the elements of WHIP and WHEP have in common.
#pragma once

#include <string>

#include <gst/gst.h>

#include "ext/webrtc/peer/peer_settings.h"

namespace streamlib::webrtc {

// What the user has set, as it was set. The element guards it by its object lock.
struct ConnectionSettings {
  std::string endpoint;
  std::string auth_token;
  std::string stun_server;
  std::string turn_server;
  bool use_link_headers = false;
  bool relay_only = false;
  bool ice_tcp = false;
  guint timeout_s = 15;
  std::string tls_ca_file;
  GTlsCertificateFlags tls_validation = G_TLS_CERTIFICATE_VALIDATE_ALL;
  Reconnect reconnect = Reconnect::OnFailure;
  guint reconnect_delay_ms = 500;
  guint reconnect_max_delay_ms = 30000;
  guint reconnect_attempts = 0;
  bool forward_auth = false;

  // Or what is wrong with them, and how it should be.
  support::Result<PeerSettings> peer_settings(PeerRole role) const;
};

// Their ids are `first` and those after it, kConnectionProperties in all.
constexpr guint kConnectionProperties = 17;
void install_connection_properties(GObjectClass *klass, guint first, PeerRole role);

// `index` is the id less `first`. With the object lock held; false where it is none of these.
bool set_connection_property(ConnectionSettings &settings, guint index, const GValue *value);
bool get_connection_property(const ConnectionSettings &settings, guint index, GValue *value);

// `state` and `stats` are for the element: their ids less `first`.
constexpr guint kStateIndex = 15;
constexpr guint kStatsIndex = 16;
GType peer_state_get_type();

// "turn://user:password@host:port?transport=tcp", with the user and the password percent-encoded,
// or "turn:…" without these; "stun://host:port" or "stun:host:port".
IceServer ice_server_of(const std::string &uri);

}  // namespace streamlib::webrtc
