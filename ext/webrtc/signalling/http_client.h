// SPDX-License-Identifier: LGPL-2.1-or-later
// One HTTP request with its limits: time, size, redirects, and who may see the token.
#pragma once

#include <functional>
#include <string>

#include <libsoup/soup.h>

#include "ext/webrtc/signalling/failure.h"
#include "gst/support/task.h"

namespace streamlib::webrtc {

struct HttpSettings {
  std::string endpoint;
  std::string token;         // Bearer; empty: none is sent.
  guint timeout_ms = 15000;  // For a request with all of its answer; 0 is no limit.
  std::string tls_ca_file;   // PEM; empty: what the system trusts.
  GTlsCertificateFlags tls_validation = G_TLS_CERTIFICATE_VALIDATE_ALL;
  bool forward_auth_on_redirect = false;  // The token goes to other origins, too.
  guint max_redirects = 5;
  std::string user_agent = "gst-streamlib";
};

struct HttpReply {
  guint status = 0;
  std::string uri;           // That has answered.
  std::string content_type;  // Lower case, without its parameters.
  std::string valid_until;   // A parameter of the type.
  std::string location;      // Resolved; empty where there is none or it is not to be used.
  std::string etag;
  std::string link;  // All lines.
  std::optional<guint> retry_after_ms;
  std::string body;
};

struct HttpRequest {
  const char *method = "POST";
  std::string uri;
  std::string content_type;
  std::string body;
  std::string accept;
  std::string if_match;
  bool follow_redirects = false;
  // Whether the body is wanted, once the rest of the answer is there. Without it: no.
  std::function<bool(const HttpReply &)> wants_body;
};

// I/O context. It must live until its tasks have ended.
class HttpClient {
public:
  explicit HttpClient(HttpSettings settings) : settings_(std::move(settings)) {}
  HttpClient(const HttpClient &) = delete;
  HttpClient &operator=(const HttpClient &) = delete;

  const HttpSettings &settings() const { return settings_; }

  // Any status is a reply, but a redirect that is to be followed.
  support::Task<SignallingResult<HttpReply>> send(HttpRequest request);

private:
  support::Task<SignallingResult<HttpReply>> send_following(HttpRequest request);
  support::Task<SignallingResult<HttpReply>> send_once(const HttpRequest *request);
  support::Task<SignallingResult<support::Done>> read_body(SoupMessage *message,
                                                           GInputStream *stream, HttpReply *reply);
  SignallingResult<support::Done> open();
  support::GObjectPtr<SoupMessage> make_message(const HttpRequest &request) const;
  bool may_see_token(const std::string &uri) const;

  const HttpSettings settings_;
  support::GObjectPtr<SoupSession> session_;
};

// A status that is no success, as the class that it belongs to (RFC 9725 §4.1).
SignallingFailure failure_of_status(const HttpReply &reply);

}  // namespace streamlib::webrtc
