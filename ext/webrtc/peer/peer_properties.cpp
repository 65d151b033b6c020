// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/peer/peer_properties.h"

#include <algorithm>
#include <sstream>

#include "ext/webrtc/signalling/header_fields.h"
#include "ext/webrtc/transport/ice_servers.h"
#include "gst/support/element_shell.h"

namespace streamlib::webrtc {

using support::Failure;
using support::Result;
using support::string_of;

namespace {

enum Index : guint {
  kEndpoint,
  kAuthToken,
  kStunServer,
  kTurnServer,
  kUseLinkHeaders,
  kIceTransportPolicy,
  kIceTcp,
  kTimeout,
  kTlsCaFile,
  kTlsValidation,
  kReconnect,
  kReconnectDelay,
  kReconnectMaxDelay,
  kReconnectAttempts,
  kForwardAuth,
  kState,
  kStats,
  kCount,
};
static_assert(kCount == kConnectionProperties && kState == kStateIndex && kStats == kStatsIndex);

constexpr guint kMaxTimeoutS = 3600;
constexpr guint kMaxDelayMs = 3600 * 1000;

GType register_enum(const char *name, const GEnumValue *values)
{
  return g_enum_register_static(name, values);
}

GType reconnect_get_type()
{
  static const GEnumValue values[] = {
      {static_cast<gint>(Reconnect::Never), "What fails or breaks is the end", "never"},
      {static_cast<gint>(Reconnect::OnFailure), "After what another attempt may mend",
       "on-failure"},
      {static_cast<gint>(Reconnect::Always), "After a refusal of the server, too", "always"},
      {0, nullptr, nullptr},
  };
  static const GType type = register_enum("GstSlWebrtcReconnect", values);
  return type;
}

enum IcePolicy : gint { kAllCandidates, kRelayOnly };

GType ice_policy_get_type()
{
  static const GEnumValue values[] = {
      {kAllCandidates, "All kinds of addresses", "all"},
      {kRelayOnly, "Only through a TURN server", "relay"},
      {0, nullptr, nullptr},
  };
  static const GType type = register_enum("GstSlWebrtcIcePolicy", values);
  return type;
}

std::string unescaped(const std::string &text)
{
  const support::CStr plain(g_uri_unescape_string(text.c_str(), nullptr));
  return plain ? plain.get() : text;
}

std::vector<std::string> words_of(std::string text)
{
  for (char &c : text)
    if (c == ',')
      c = ' ';
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;)
    words.push_back(word);
  return words;
}

bool needs_tls(const IceServer &server)
{
  return g_ascii_strncasecmp(server.uri.c_str(), "stuns:", 6) == 0 ||
         g_ascii_strncasecmp(server.uri.c_str(), "turns:", 6) == 0;
}

}  // namespace

GType peer_state_get_type()
{
  static const GEnumValue values[] = {
      {static_cast<gint>(PeerState::New), "Not begun", "new"},
      {static_cast<gint>(PeerState::Connecting), "Is being connected", "connecting"},
      {static_cast<gint>(PeerState::Connected), "Connected; media flows", "connected"},
      {static_cast<gint>(PeerState::Reconnecting), "Lost, and is being connected again",
       "reconnecting"},
      {static_cast<gint>(PeerState::Failed), "Ended by an error", "failed"},
      {static_cast<gint>(PeerState::Closed), "Ended in order", "closed"},
      {0, nullptr, nullptr},
  };
  static const GType type = register_enum("GstSlWebrtcState", values);
  return type;
}

IceServer ice_server_of(const std::string &uri)
{
  IceServer server;
  server.uri = uri;
  const size_t colon = uri.find(':');
  if (colon == std::string::npos)
    return server;
  std::string rest = uri.substr(colon + 1);
  if (rest.compare(0, 2, "//") == 0)
    rest.erase(0, 2);
  const size_t at = rest.rfind('@');
  if (at != std::string::npos) {
    const std::string user = rest.substr(0, at);
    const size_t split = user.find(':');
    server.username = unescaped(user.substr(0, split));
    if (split != std::string::npos)
      server.credential = unescaped(user.substr(split + 1));
    rest.erase(0, at + 1);
  }
  server.uri = uri.substr(0, colon + 1) + rest;
  return server;
}

Result<PeerSettings> ConnectionSettings::peer_settings(PeerRole role) const
{
  const char *property = role == PeerRole::Sender ? "whip-endpoint" : "whep-endpoint";
  if (endpoint.empty())
    return Failure{GST_RESOURCE_ERROR_SETTINGS,
                   std::string("There is no server to go to. Set ") + property +
                       " to an address such as https://example.org/" +
                       (role == PeerRole::Sender ? "whip" : "whep") + "/room.",
                   ""};
  if (origin_of(endpoint).empty())
    return Failure{GST_RESOURCE_ERROR_SETTINGS,
                   std::string("The value of ") + property +
                       " is no address of HTTP. Set it to one such as https://example.org/whip.",
                   ""};
  PeerSettings settings;
  settings.role = role;
  settings.http.endpoint = endpoint;
  settings.http.token = auth_token;
  settings.http.timeout_ms = timeout_s * 1000;
  settings.http.tls_ca_file = tls_ca_file;
  settings.http.tls_validation = tls_validation;
  settings.http.forward_auth_on_redirect = forward_auth;
  for (const std::string &uri : words_of(stun_server))
    settings.servers.push_back(ice_server_of(uri));
  for (const std::string &uri : words_of(turn_server))
    settings.servers.push_back(ice_server_of(uri));
  // TLS to them is what we cannot do, the rest is a slip: the transport warns of the first.
  for (const IceServer &server : settings.servers)
    if (auto parsed = parse_ice_server(server); !parsed && !needs_tls(server))
      return Failure{GST_RESOURCE_ERROR_SETTINGS, parsed.error().text, parsed.error().debug};
  const auto is_relay = [](const IceServer &server) {
    return g_ascii_strncasecmp(server.uri.c_str(), "turn:", 5) == 0;
  };
  if (relay_only && std::none_of(settings.servers.begin(), settings.servers.end(), is_relay) &&
      !(use_link_headers && settings.servers.empty()))
    return Failure{GST_RESOURCE_ERROR_SETTINGS,
                   "Only relays are to be used, and there is no usable TURN server. Set "
                   "turn-server, or ice-transport-policy to all.",
                   std::to_string(settings.servers.size()) + " servers given"};
  settings.use_link_headers = use_link_headers;
  settings.relay_only = relay_only;
  settings.ice_tcp = ice_tcp;
  settings.connect_limit_ms = timeout_s > 0 ? timeout_s * 1000 : 10000;
  settings.reconnect = reconnect;
  settings.limits.initial_ms = reconnect_delay_ms;
  settings.limits.max_ms = std::max(reconnect_delay_ms, reconnect_max_delay_ms);
  settings.limits.max_attempts = reconnect_attempts;
  return settings;
}

void install_connection_properties(GObjectClass *klass, guint first, PeerRole role)
{
  const ConnectionSettings defaults;
  const bool is_sender = role == PeerRole::Sender;
  const auto add = [&](Index index, GParamSpec *spec) {
    g_object_class_install_property(klass, first + index, spec);
  };
  const auto text = [&](Index index, const char *name, const char *nick, const char *blurb) {
    add(index, g_param_spec_string(name, nick, blurb, nullptr, support::kPropertyReady));
  };
  const auto flag = [&](Index index, const char *name, const char *nick, const char *blurb) {
    add(index, g_param_spec_boolean(name, nick, blurb, FALSE, support::kPropertyReady));
  };
  const auto number = [&](Index index, const char *name, const char *nick, const char *blurb,
                          guint most, guint value) {
    add(index, g_param_spec_uint(name, nick, blurb, 0, most, value, support::kPropertyReady));
  };
  const GType types[] = {peer_state_get_type(), reconnect_get_type(), ice_policy_get_type()};
  for (const GType type : types)
    gst_type_mark_as_plugin_api(type, GstPluginAPIFlags{});
  text(kEndpoint, is_sender ? "whip-endpoint" : "whep-endpoint",
       is_sender ? "WHIP endpoint" : "WHEP endpoint",
       is_sender ? "Where to publish: http:// or https:// address of the server; to be set"
                 : "Where to play from: http:// or https:// address of the server; to be set");
  text(kAuthToken, "auth-token", "Token",
       "Bearer token, which only the server of the endpoint gets; none by default");
  text(kStunServer, "stun-server", "STUN server",
       "STUN server of the form stun://host:port; none by default");
  text(kTurnServer, "turn-server", "TURN servers",
       "TURN server of the form turn://user:password@host:port, with ?transport=tcp for TCP, user "
       "and password percent-encoded; several with commas between them; turns: is left out");
  flag(kUseLinkHeaders, "use-link-headers", "Use Link headers",
       "Use the STUN and TURN servers of the server's Link header fields, unless stun-server or "
       "turn-server is set");
  add(kIceTransportPolicy,
      g_param_spec_enum("ice-transport-policy", "ICE transport policy",
                        "Policy for ICE: which addresses may be used", ice_policy_get_type(),
                        kAllCandidates, support::kPropertyReady));
  flag(kIceTcp, "ice-tcp", "ICE over TCP", "Look for ways to the peer over TCP, beside UDP");
  number(kTimeout, "timeout", "Timeout",
         "Limit for each answer of the server (0 = none), and for finding a way to the peer (0 = "
         "10 s), in seconds",
         kMaxTimeoutS, defaults.timeout_s);
  text(kTlsCaFile, "tls-ca-file", "TLS CA file",
       "PEM file of the authorities that HTTPS trusts; those of the system by default");
  add(kTlsValidation, g_param_spec_flags("tls-validation", "TLS validation",
                                         "Faults of the server's TLS certificate that are errors",
                                         G_TYPE_TLS_CERTIFICATE_FLAGS, defaults.tls_validation,
                                         support::kPropertyReady));
  add(kReconnect,
      g_param_spec_enum("reconnect", "Reconnect", "When to connect again after a failure",
                        reconnect_get_type(), static_cast<gint>(defaults.reconnect),
                        support::kPropertyReady));
  number(kReconnectDelay, "reconnect-delay", "Reconnect delay",
         "Time from the first attempt to the second, in milliseconds; doubled for each further one",
         kMaxDelayMs, defaults.reconnect_delay_ms);
  number(kReconnectMaxDelay, "reconnect-max-delay", "Longest reconnect delay",
         "Longest time between two attempts, in milliseconds", kMaxDelayMs,
         defaults.reconnect_max_delay_ms);
  number(kReconnectAttempts, "reconnect-attempts", "Reconnect attempts",
         "Attempts in a row that may fail before it is an error (0 = any number)", G_MAXUINT,
         defaults.reconnect_attempts);
  flag(kForwardAuth, "forward-auth-on-redirect", "Forward token on redirect",
       "Give auth-token to the other servers that the endpoint redirects to, too");
  add(kState,
      g_param_spec_enum(
          "state", "State", "State of the connection; its notify signal comes in the I/O thread",
          peer_state_get_type(), static_cast<gint>(PeerState::New), support::kPropertyRead));
  add(kStats,
      g_param_spec_boxed("stats", "Statistics",
                         "What was sent, received and dropped, and why: docs/webrtc-stats.md",
                         GST_TYPE_STRUCTURE, support::kPropertyRead));
}

bool set_connection_property(ConnectionSettings &settings, guint index, const GValue *value)
{
  const auto is_set = [&] { return g_value_get_boolean(value) != FALSE; };
  switch (index) {
    case kEndpoint:
      settings.endpoint = string_of(value);
      break;
    case kAuthToken:
      settings.auth_token = string_of(value);
      break;
    case kStunServer:
      settings.stun_server = string_of(value);
      break;
    case kTurnServer:
      settings.turn_server = string_of(value);
      break;
    case kUseLinkHeaders:
      settings.use_link_headers = is_set();
      break;
    case kIceTransportPolicy:
      settings.relay_only = g_value_get_enum(value) == kRelayOnly;
      break;
    case kIceTcp:
      settings.ice_tcp = is_set();
      break;
    case kTimeout:
      settings.timeout_s = g_value_get_uint(value);
      break;
    case kTlsCaFile:
      settings.tls_ca_file = string_of(value);
      break;
    case kTlsValidation:
      settings.tls_validation = static_cast<GTlsCertificateFlags>(g_value_get_flags(value));
      break;
    case kReconnect:
      settings.reconnect = static_cast<Reconnect>(g_value_get_enum(value));
      break;
    case kReconnectDelay:
      settings.reconnect_delay_ms = g_value_get_uint(value);
      break;
    case kReconnectMaxDelay:
      settings.reconnect_max_delay_ms = g_value_get_uint(value);
      break;
    case kReconnectAttempts:
      settings.reconnect_attempts = g_value_get_uint(value);
      break;
    case kForwardAuth:
      settings.forward_auth = is_set();
      break;
    default:
      return false;
  }
  return true;
}

bool get_connection_property(const ConnectionSettings &settings, guint index, GValue *value)
{
  const auto text = [&](const std::string &own) {
    g_value_set_string(value, own.empty() ? nullptr : own.c_str());
  };
  switch (index) {
    case kEndpoint:
      text(settings.endpoint);
      break;
    case kAuthToken:
      text(settings.auth_token);
      break;
    case kStunServer:
      text(settings.stun_server);
      break;
    case kTurnServer:
      text(settings.turn_server);
      break;
    case kUseLinkHeaders:
      g_value_set_boolean(value, settings.use_link_headers);
      break;
    case kIceTransportPolicy:
      g_value_set_enum(value, settings.relay_only ? kRelayOnly : kAllCandidates);
      break;
    case kIceTcp:
      g_value_set_boolean(value, settings.ice_tcp);
      break;
    case kTimeout:
      g_value_set_uint(value, settings.timeout_s);
      break;
    case kTlsCaFile:
      text(settings.tls_ca_file);
      break;
    case kTlsValidation:
      g_value_set_flags(value, settings.tls_validation);
      break;
    case kReconnect:
      g_value_set_enum(value, static_cast<gint>(settings.reconnect));
      break;
    case kReconnectDelay:
      g_value_set_uint(value, settings.reconnect_delay_ms);
      break;
    case kReconnectMaxDelay:
      g_value_set_uint(value, settings.reconnect_max_delay_ms);
      break;
    case kReconnectAttempts:
      g_value_set_uint(value, settings.reconnect_attempts);
      break;
    case kForwardAuth:
      g_value_set_boolean(value, settings.forward_auth);
      break;
    default:
      return false;
  }
  return true;
}

}  // namespace streamlib::webrtc
