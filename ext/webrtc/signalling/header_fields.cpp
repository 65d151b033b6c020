// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/signalling/header_fields.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <libsoup/soup.h>

#include "ext/webrtc/sdp/lines.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

using sdp::equal_names;
using sdp::trim;
using support::CStr;

namespace {

constexpr size_t kMaxServers = 32;
constexpr auto kUriFlags = static_cast<GUriFlags>(SOUP_HTTP_URI_FLAGS);
constexpr guint16 kHttpPort = 80;
constexpr guint16 kHttpsPort = 443;

struct UnrefUri {
  void operator()(GUri *uri) const { g_uri_unref(uri); }
};
using UriPtr = std::unique_ptr<GUri, UnrefUri>;

struct Link {
  std::string target;
  std::vector<std::pair<std::string, std::string>> parameters;

  // The first one of a name counts (RFC 8288 §3).
  const std::string *parameter(std::string_view name) const
  {
    for (const auto &[key, value] : parameters) {
      if (equal_names(key, name))
        return &value;
    }
    return nullptr;
  }
};

// RFC 8288 appendix B.2, a link at a time.
class LinkReader {
public:
  explicit LinkReader(std::string_view text) : rest_(text) {}

  std::optional<Link> next()
  {
    while (!rest_.empty() && rest_.front() != '<')
      rest_.remove_prefix(1);
    if (rest_.empty())
      return std::nullopt;
    const size_t end = rest_.find('>');
    if (end == std::string_view::npos)
      return std::nullopt;
    Link link;
    link.target = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    while (skip_blanks() && rest_.front() == ';') {
      rest_.remove_prefix(1);
      take_parameter(link);
    }
    // Up to the comma before the next one.
    while (!rest_.empty() && rest_.front() != ',')
      rest_.remove_prefix(1);
    return link;
  }

private:
  // False at the end.
  bool skip_blanks()
  {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t'))
      rest_.remove_prefix(1);
    return !rest_.empty();
  }

  void take_parameter(Link &link)
  {
    skip_blanks();
    const std::string name(take_until("=;,"));
    std::string value;
    if (skip_blanks() && rest_.front() == '=') {
      rest_.remove_prefix(1);
      value = skip_blanks() && rest_.front() == '"' ? take_quoted() : std::string(take_until(";,"));
    }
    if (!name.empty())
      link.parameters.emplace_back(name, std::move(value));
  }

  std::string_view take_until(const char *ends)
  {
    const std::string_view taken = rest_.substr(0, rest_.find_first_of(ends));
    rest_.remove_prefix(taken.size());
    return trim(taken);
  }

  std::string take_quoted()
  {
    rest_.remove_prefix(1);
    std::string value;
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\' && rest_.size() > 1)
        rest_.remove_prefix(1);
      value += rest_.front();
      rest_.remove_prefix(1);
    }
    if (!rest_.empty())
      rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
};

bool is_ice_server(const Link &link)
{
  const std::string *relation = link.parameter("rel");
  if (relation == nullptr)
    return false;
  const auto words = sdp::words_of(*relation);
  return std::any_of(words.begin(), words.end(),
                     [](std::string_view word) { return equal_names(word, "ice-server"); });
}

UriPtr parse_uri(const std::string &text)
{
  return UriPtr(g_uri_parse(text.c_str(), kUriFlags, nullptr));
}

bool is_http(GUri *uri)
{
  const char *scheme = g_uri_get_scheme(uri);
  const char *host = g_uri_get_host(uri);
  return (g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) && host != nullptr &&
         host[0] != '\0';
}

}  // namespace

LinkServers ice_servers_of(std::string_view text)
{
  LinkServers found;
  LinkReader reader(text);
  while (const auto link = reader.next()) {
    if (!is_ice_server(*link))
      continue;
    const std::string scheme = sdp::lower(link->target.substr(0, link->target.find(':')));
    const bool is_turn = scheme == "turn" || scheme == "turns";
    const std::string *type = link->parameter("credential-type");
    const std::string *username = link->parameter("username");
    const std::string *credential = link->parameter("credential");
    const char *reason = nullptr;
    if (!is_turn && scheme != "stun" && scheme != "stuns")
      reason = "it is no address of STUN or TURN";
    else if (type != nullptr && !equal_names(*type, "password"))
      reason = "its kind of credential is not known";
    else if (is_turn && (username == nullptr || credential == nullptr))
      reason = "TURN needs a username and a credential";
    else if (found.servers.size() == kMaxServers)
      reason = "there are too many of them";
    if (reason != nullptr) {
      found.notes.push_back("the ICE server " + sdp::quoted(link->target) +
                            " is left out: " + reason);
      continue;
    }
    found.servers.push_back({link->target, username != nullptr ? *username : "",
                             credential != nullptr ? *credential : ""});
  }
  return found;
}

std::optional<gint64> http_date(const char *value)
{
  GDateTime *date = soup_date_time_new_from_http_string(value);
  if (date == nullptr)
    return std::nullopt;
  const gint64 seconds = g_date_time_to_unix(date);
  g_date_time_unref(date);
  return seconds;
}

std::optional<guint> retry_after_ms(const char *value, gint64 now_s)
{
  if (value == nullptr)
    return std::nullopt;
  const std::string_view text = trim(value);
  gint64 seconds = 0;
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
    seconds = sdp::number_of<gint64>(text).value_or(std::numeric_limits<gint64>::max());
  } else {
    const auto date = http_date(value);
    if (!date)
      return std::nullopt;
    seconds = *date - now_s;
  }
  constexpr gint64 kMaxSeconds = std::numeric_limits<guint>::max() / 1000;
  return static_cast<guint>(std::clamp<gint64>(seconds, 0, kMaxSeconds)) * 1000;
}

std::string resolve_location(const std::string &base, const char *location)
{
  if (location == nullptr || trim(location).empty())
    return "";
  const UriPtr from = parse_uri(base);
  if (!from)
    return "";
  const UriPtr uri(
      g_uri_parse_relative(from.get(), std::string(trim(location)).c_str(), kUriFlags, nullptr));
  if (!uri || !is_http(uri.get()))
    return "";
  // A name and password of the user stay with the origin that they are for.
  const CStr whole(g_uri_to_string_partial(uri.get(), G_URI_HIDE_FRAGMENT));
  if (origin_of(whole.get()) == origin_of(base))
    return whole.get();
  const CStr text(g_uri_to_string_partial(
      uri.get(), static_cast<GUriHideFlags>(G_URI_HIDE_FRAGMENT | G_URI_HIDE_USERINFO)));
  return text.get();
}

std::string origin_of(const std::string &text)
{
  const UriPtr uri = parse_uri(text);
  if (!uri || !is_http(uri.get()))
    return "";
  const std::string scheme = g_uri_get_scheme(uri.get());
  const int port = g_uri_get_port(uri.get());
  const std::string host = sdp::lower(g_uri_get_host(uri.get()));
  const bool is_v6 = host.find(':') != std::string::npos;
  return scheme + "://" + (is_v6 ? "[" + host + "]" : host) + ":" +
         std::to_string(port > 0            ? port
                        : scheme == "https" ? kHttpsPort
                                            : kHttpPort);
}

bool is_secure(const std::string &uri)
{
  return origin_of(uri).starts_with("https:");
}

}  // namespace streamlib::webrtc
