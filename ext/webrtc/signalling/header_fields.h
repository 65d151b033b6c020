// SPDX-License-Identifier: LGPL-2.1-or-later
// What the fields of an HTTP answer say. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <glib.h>

#include "ext/webrtc/parameters.h"

namespace streamlib::webrtc {

struct LinkServers {
  std::vector<IceServer> servers;
  std::vector<std::string> notes;  // What was left out, and why; without credentials.
};

// The ICE servers of a Link field (RFC 8288, RFC 9725 §4.6), which may have several links, and be
// several lines with commas between them. Other relations are ignored.
LinkServers ice_servers_of(std::string_view link);

// Retry-After (RFC 9110 §10.2.3): seconds, or a date, which is compared with `now_s` since 1970.
// Nothing where it is neither.
std::optional<guint> retry_after_ms(const char *value, gint64 now_s);

// Of a date of HTTP, in seconds since 1970.
std::optional<gint64> http_date(const char *value);

// Absolute, with the fragment left out; empty where it is no URI of HTTP. `base` is the URI that
// has answered (RFC 9110 §10.2.2).
std::string resolve_location(const std::string &base, const char *location);

// "https://example.org:8443": enough to know whom it is about, and never a secret.
std::string origin_of(const std::string &uri);
bool is_secure(const std::string &uri);

}  // namespace streamlib::webrtc
