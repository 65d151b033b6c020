// SPDX-License-Identifier: LGPL-2.1-or-later
// What a SoupServer was asked, and what it answers.
#pragma once

#include <string>

#include <libsoup/soup.h>

#include <gst/check/gstcheck.h>

#include "gst/support/ownership.h"

namespace fixture {

inline std::string body_of(SoupServerMessage *message)
{
  const SoupMessageBody *body = soup_server_message_get_request_body(message);
  return {body->data != nullptr ? body->data : "", static_cast<size_t>(body->length)};
}

// Empty where there is none.
inline std::string field_of(SoupServerMessage *message, const char *name)
{
  const char *value =
      soup_message_headers_get_one(soup_server_message_get_request_headers(message), name);
  return value != nullptr ? value : "";
}

inline void set_field(SoupServerMessage *message, const char *name, const std::string &value)
{
  soup_message_headers_replace(soup_server_message_get_response_headers(message), name,
                               value.c_str());
}

inline void give(SoupServerMessage *message, guint status, const char *type = nullptr,
                 const std::string &text = "")
{
  soup_server_message_set_status(message, status, nullptr);
  // A SoupServer keeps the descriptors of connections that clients have closed while they were
  // idle.
  set_field(message, "Connection", "close");
  if (type != nullptr)
    soup_server_message_set_response(message, type, SOUP_MEMORY_COPY, text.data(), text.size());
}

// Listens on loopback; by HTTPS with a certificate, which is its key and itself as PEM.
inline void listen_locally(SoupServer *server, guint port, const std::string &certificate)
{
  GError *error = nullptr;
  auto options = SOUP_SERVER_LISTEN_IPV4_ONLY;
  if (!certificate.empty()) {
    const auto own = streamlib::support::adopt_object(g_tls_certificate_new_from_pem(
        certificate.data(), static_cast<gssize>(certificate.size()), &error));
    fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
    soup_server_set_tls_certificate(server, own.get());
    options = static_cast<SoupServerListenOptions>(options | SOUP_SERVER_LISTEN_HTTPS);
  }
  fail_unless(soup_server_listen_local(server, port, options, &error), "%s",
              error != nullptr ? error->message : "");
}

// The port that it listens at, by HTTP or HTTPS.
inline guint port_of(SoupServer *server)
{
  GSList *uris = soup_server_get_uris(server);
  const int port = g_uri_get_port(static_cast<GUri *>(uris->data));
  g_slist_free_full(uris, [](gpointer uri) { g_uri_unref(static_cast<GUri *>(uri)); });
  return static_cast<guint>(port);
}

}  // namespace fixture
