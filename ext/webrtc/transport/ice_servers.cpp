// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/ice_servers.h"

#include <algorithm>
#include <charconv>

namespace streamlib::webrtc {

using support::adopt_object;
using support::Deadline;
using support::Failure;
using support::GObjectPtr;
using support::Outcome;
using support::Result;
using support::Task;

namespace {

struct FreeAddresses {
  void operator()(GList *addresses) const { g_resolver_free_addresses(addresses); }
};
using AddressList = std::unique_ptr<GList, FreeAddresses>;

constexpr size_t kMaxUri = 1024;

// RFC 7065 has no user in a URI; where there is one all the same, it is not for everybody's eyes.
std::string name_of(const std::string &uri)
{
  const size_t at = uri.rfind('@');
  const std::string name =
      at == std::string::npos ? uri : uri.substr(0, uri.find(':') + 1) + uri.substr(at + 1);
  return name.substr(0, kMaxUri);
}

Failure unusable(const IceServer &server, const std::string &why)
{
  const std::string name = name_of(server.uri);
  return Failure{0, "The ICE server \"" + name + "\" is left out: " + why, name};
}

std::string take_until(std::string *text, char border)
{
  const size_t end = std::min(text->find(border), text->size());
  std::string part = text->substr(0, end);
  text->erase(0, end + 1);
  return part;
}

// host, host:port, [v6], [v6]:port.
bool split_host(const std::string &text, ParsedIceServer *server)
{
  std::string port;
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find(']');
    if (end == std::string::npos)
      return false;
    server->host = text.substr(1, end - 1);
    if (end + 1 < text.size() && text[end + 1] != ':')
      return false;
    port = end + 1 < text.size() ? text.substr(end + 2) : "3478";
  } else {
    const size_t colon = text.rfind(':');
    server->host = text.substr(0, colon);
    port = colon != std::string::npos ? text.substr(colon + 1) : "3478";
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), server->port);
  const bool is_named =
      !server->host.empty() && std::all_of(server->host.begin(), server->host.end(), [](char c) {
        return g_ascii_isalnum(c) || c == '.' || c == '-' || c == ':' || c == '_';
      });
  return is_named && error == std::errc() && end == port.data() + port.size() && server->port != 0;
}

Task<Outcome<AddressList>> look_up(std::string host)
{
  const GObjectPtr<GResolver> resolver = adopt_object(g_resolver_get_default());
  auto start = [&](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
    g_resolver_lookup_by_name_async(resolver.get(), host.c_str(), cancellable, callback, data);
  };
  auto finish = [](GObject *source, GAsyncResult *result, GError **error) {
    return AddressList(g_resolver_lookup_by_name_finish(G_RESOLVER(source), result, error));
  };
  Outcome<AddressList> addresses = co_await support::gio_call(start, finish);
  co_return addresses;
}

// The first address of each family.
void add_addresses(const ParsedIceServer &server, const GList *addresses,
                   std::vector<ParsedIceServer> *servers)
{
  for (const GSocketFamily family : {G_SOCKET_FAMILY_IPV4, G_SOCKET_FAMILY_IPV6}) {
    for (const GList *one = addresses; one != nullptr; one = one->next) {
      auto *address = G_INET_ADDRESS(one->data);
      if (g_inet_address_get_family(address) != family)
        continue;
      const support::CStr text(g_inet_address_to_string(address));
      ParsedIceServer resolved = server;
      resolved.host = text.get();
      servers->push_back(std::move(resolved));
      break;
    }
  }
}

}  // namespace

Result<ParsedIceServer> parse_ice_server(const IceServer &server)
{
  if (server.uri.size() > kMaxUri)
    return unusable(server, "its URI is too long.");
  std::string rest = server.uri;
  std::string scheme = take_until(&rest, ':');
  for (char &c : scheme)
    c = g_ascii_tolower(c);
  if (scheme == "stuns" || scheme == "turns")
    return unusable(server, scheme +
                                " needs TLS to the server, which is not supported; offer it as " +
                                (scheme == "turns" ? "turn:…?transport=tcp." : "stun:…."));
  if (scheme != "stun" && scheme != "turn")
    return unusable(server, "it must begin with stun: or turn:.");
  ParsedIceServer parsed;
  parsed.name = name_of(server.uri);
  // "stun://" is a frequent slip.
  if (rest.substr(0, 2) == "//")
    rest.erase(0, 2);
  const std::string host = take_until(&rest, '?');
  if (!split_host(host, &parsed))
    return unusable(server, "it must be like " + scheme + ":host:port.");
  if (scheme == "stun") {
    if (!rest.empty())
      return unusable(server, "a stun: URI has no query.");
    return parsed;
  }
  parsed.kind = IceServerKind::TurnUdp;
  if (rest == "transport=tcp")
    parsed.kind = IceServerKind::TurnTcp;
  else if (!rest.empty() && rest != "transport=udp")
    return unusable(server, "its query must be transport=udp or transport=tcp.");
  if (server.username.empty() || server.credential.empty())
    return unusable(server, "a turn: server needs a username and a credential.");
  parsed.username = server.username;
  parsed.credential = server.credential;
  return parsed;
}

Task<ResolvedIceServers> resolve_ice_servers(std::vector<IceServer> servers, guint limit_ms)
{
  auto *parent = co_await support::CurrentCancellable();
  Deadline deadline(parent, limit_ms);
  ResolvedIceServers resolved;
  for (const IceServer &server : servers) {
    Result<ParsedIceServer> parsed = parse_ice_server(server);
    if (!parsed) {
      resolved.problems.push_back(parsed.take_error());
      continue;
    }
    if (g_hostname_is_ip_address(parsed->host.c_str())) {
      resolved.servers.push_back(*parsed);
      continue;
    }
    Outcome<AddressList> addresses = co_await look_up(parsed->host).under(deadline.cancellable());
    if (addresses)
      add_addresses(*parsed, addresses->get(), &resolved.servers);
    else
      resolved.problems.push_back(
          unusable(server, deadline.is_over() ? std::string("its address was not found in time.")
                                              : std::string(addresses.error()->message) + "."));
  }
  co_return resolved;
}

}  // namespace streamlib::webrtc
