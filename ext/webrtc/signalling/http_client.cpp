// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/signalling/http_client.h"

#include <gst/gst.h>

#include "ext/webrtc/sdp/description.h"
#include "ext/webrtc/sdp/lines.h"
#include "ext/webrtc/signalling/header_fields.h"
#include "gst/support/certificate_faults.h"
#include "gst/support/environment_proxy.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::Deadline;
using support::Done;
using support::ErrorPtr;
using support::GObjectPtr;
using support::Outcome;
using support::Task;

namespace {

constexpr gsize kReadBytes = gsize{16} * 1024;
constexpr guint kTooManyRequests = 429;
// Of what a server says about a refusal.
constexpr size_t kShownBytes = 1000;

GstDebugCategory *debug_category()
{
  static GstDebugCategory *const category =
      _gst_debug_category_new("slsignalling", 0, "WHIP and WHEP over HTTP");
  return category;
}
#define GST_CAT_DEFAULT debug_category()

struct UnrefBytes {
  void operator()(GBytes *bytes) const { g_bytes_unref(bytes); }
};
using BytesPtr = std::unique_ptr<GBytes, UnrefBytes>;

bool is_redirect(guint status)
{
  return status >= 300 && status < 400 && status != SOUP_STATUS_NOT_MODIFIED;
}

// Each of the others may turn a POST into a GET (RFC 9110 §15.4).
bool keeps_method(guint status)
{
  return status == SOUP_STATUS_TEMPORARY_REDIRECT || status == SOUP_STATUS_PERMANENT_REDIRECT;
}

SignallingFailure failure_of_transport(SoupMessage *message, const std::string &uri,
                                       const ErrorPtr &error, bool in_body)
{
  const std::string origin = origin_of(uri);
  if (support::is_cancelled(error))
    return make_failure(SignallingCategory::Cancelled, "The request was cancelled.");
  if (error->domain == G_TLS_ERROR) {
    const std::string faults =
        support::certificate_faults(soup_message_get_tls_peer_certificate_errors(message));
    return make_failure(
        SignallingCategory::Tls,
        "The secure connection to " + origin + " failed" +
            (faults.empty() ? ". Check that the server speaks HTTPS at this port."
                            : ": its certificate is " + faults +
                                  ". Set tls-ca-file to the certificate of its issuer, or "
                                  "tls-validation for tests."),
        error->message);
  }
  SignallingFailure failure = make_failure(
      SignallingCategory::Network,
      in_body ? "The answer of " + origin + " broke off. Try again; a proxy may be in between."
              : "There is no connection to " + origin +
                    ". Check the address and the network, and whether the server runs.",
      error->message);
  failure.may_pass = true;
  return failure;
}

HttpReply head_of(SoupMessage *message, const std::string &uri)
{
  SoupMessageHeaders *fields = soup_message_get_response_headers(message);
  const auto field = [&](const char *name) {
    const char *value = soup_message_headers_get_one(fields, name);
    return std::string(value != nullptr ? value : "");
  };
  HttpReply reply;
  reply.status = soup_message_get_status(message);
  reply.uri = uri;
  reply.location = resolve_location(uri, soup_message_headers_get_one(fields, "Location"));
  reply.etag = field("ETag");
  const char *link = soup_message_headers_get_list(fields, "Link");
  reply.link = link != nullptr ? link : "";
  reply.retry_after_ms = retry_after_ms(soup_message_headers_get_one(fields, "Retry-After"),
                                        g_get_real_time() / G_USEC_PER_SEC);
  GHashTable *parameters = nullptr;
  const char *type = soup_message_headers_get_content_type(fields, &parameters);
  if (type != nullptr)
    reply.content_type = sdp::lower(type);
  if (parameters != nullptr) {
    const auto *valid = static_cast<const char *>(g_hash_table_lookup(parameters, "valid-until"));
    if (valid != nullptr)
      reply.valid_until = valid;
    g_hash_table_unref(parameters);
  }
  return reply;
}

void set_body(SoupMessage *message, const HttpRequest &request)
{
  const BytesPtr body(g_bytes_new(request.body.data(), request.body.size()));
  soup_message_set_request_body_from_bytes(message, request.content_type.c_str(), body.get());
}

SignallingFailure too_large(const std::string &uri)
{
  return make_failure(SignallingCategory::Protocol,
                      "The answer of " + origin_of(uri) + " has more than " +
                          std::to_string(kMaxSdpBytes) +
                          " bytes. That is no session description; check the endpoint.");
}

}  // namespace

SignallingFailure make_failure(SignallingCategory category, std::string text, std::string debug)
{
  SignallingFailure failure;
  failure.code = static_cast<int>(category);
  failure.text = std::move(text);
  failure.debug = std::move(debug);
  return failure;
}

SignallingFailure failure_of_status(const HttpReply &reply)
{
  const guint status = reply.status;
  SignallingCategory category = SignallingCategory::Refused;
  const char *advice = "GST_DEBUG=slsignalling:5 shows what it says about that.";
  if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN) {
    category = SignallingCategory::Unauthorised;
    advice = "Set auth-token, or check it.";
  } else if (status == SOUP_STATUS_NOT_FOUND || status == SOUP_STATUS_GONE) {
    category = SignallingCategory::NotFound;
    advice =
        "Check the endpoint. Its stream may not be there yet, which reconnect=always waits for, or "
        "the session have ended.";
  } else if (status < 400 || status == SOUP_STATUS_METHOD_NOT_ALLOWED ||
             status == SOUP_STATUS_UNSUPPORTED_MEDIA_TYPE) {
    category = status < 400 ? SignallingCategory::Protocol : category;
    advice = "Check that the endpoint is one of WHIP or WHEP.";
  } else if (status == SOUP_STATUS_CONFLICT) {
    advice = "Nobody publishes there at present, or somebody else does.";
  } else if (reply.retry_after_ms) {
    advice = "The server asks to try again later.";
  }
  SignallingFailure failure =
      make_failure(category, origin_of(reply.uri) + " has answered with status " +
                                 std::to_string(status) + ". " + advice);
  failure.status = status;
  failure.retry_after_ms = reply.retry_after_ms;
  failure.may_pass = status >= 500 || status == SOUP_STATUS_REQUEST_TIMEOUT ||
                     status == SOUP_STATUS_CONFLICT || status == kTooManyRequests ||
                     (status >= 400 && reply.retry_after_ms.has_value());
  return failure;
}

SignallingResult<Done> HttpClient::open()
{
  if (session_)
    return Done{};
  const auto proxies = support::environment_proxy_resolver();
  auto session = adopt_object(
      soup_session_new_with_options("proxy-resolver", proxies.get(), "timeout", 0, nullptr));
  if (!settings_.tls_ca_file.empty()) {
    GError *error = nullptr;
    const auto database =
        adopt_object(g_tls_file_database_new(settings_.tls_ca_file.c_str(), &error));
    if (error != nullptr) {
      const ErrorPtr owned(error);
      return make_failure(SignallingCategory::Settings,
                          "The certificates of " + settings_.tls_ca_file +
                              " cannot be used. Set tls-ca-file to a file in PEM format.",
                          owned->message);
    }
    soup_session_set_tls_database(session.get(), database.as<GTlsDatabase>());
  }
  session_ = std::move(session);
  return Done{};
}

bool HttpClient::may_see_token(const std::string &uri) const
{
  return settings_.forward_auth_on_redirect || origin_of(uri) == origin_of(settings_.endpoint);
}

GObjectPtr<SoupMessage> HttpClient::make_message(const HttpRequest &request) const
{
  auto message = adopt_object(soup_message_new(request.method, request.uri.c_str()));
  soup_message_add_flags(message.get(), SOUP_MESSAGE_NO_REDIRECT);
  SoupMessageHeaders *fields = soup_message_get_request_headers(message.get());
  const auto set = [&](const char *name, const std::string &value) {
    if (!value.empty())
      soup_message_headers_replace(fields, name, value.c_str());
  };
  set("User-Agent", settings_.user_agent);
  set("Accept", request.accept);
  set("If-Match", request.if_match);
  if (!settings_.token.empty() && may_see_token(request.uri))
    set("Authorization", "Bearer " + settings_.token);
  if (!request.content_type.empty()) {
    set_body(message.get(), request);
    // The first attempt has used the body up.
    g_signal_connect_data(
        message.get(), "restarted", G_CALLBACK(+[](SoupMessage *again, gpointer sent) {
          set_body(again, *static_cast<const HttpRequest *>(sent));
        }),
        new HttpRequest(request),
        [](gpointer sent, GClosure *) { delete static_cast<HttpRequest *>(sent); },
        static_cast<GConnectFlags>(0));
  }
  g_signal_connect(message.get(), "accept-certificate",
                   G_CALLBACK(+[](SoupMessage *, GTlsCertificate *, GTlsCertificateFlags errors,
                                  gpointer wanted) -> gboolean {
                     return (static_cast<guint>(errors) & GPOINTER_TO_UINT(wanted)) == 0;
                   }),
                   GUINT_TO_POINTER(static_cast<guint>(settings_.tls_validation)));
  return message;
}

Task<SignallingResult<HttpReply>> HttpClient::send(HttpRequest request)
{
  GCancellable *parent = co_await support::CurrentCancellable();
  if (g_cancellable_is_cancelled(parent))
    co_return make_failure(SignallingCategory::Cancelled, "The request was cancelled.");
  const SignallingResult<Done> opened = open();
  if (!opened)
    co_return opened.error();
  const std::string origin = origin_of(request.uri);
  Deadline deadline(parent, settings_.timeout_ms);
  SignallingResult<HttpReply> result =
      co_await send_following(std::move(request)).under(deadline.cancellable());
  if (!result && result.error().category() == SignallingCategory::Cancelled && deadline.is_over()) {
    SignallingFailure failure =
        make_failure(SignallingCategory::Timeout, origin + " has not answered completely in " +
                                                      std::to_string(settings_.timeout_ms) +
                                                      " ms. The property timeout sets the limit.");
    failure.may_pass = true;
    co_return failure;
  }
  co_return result;
}

Task<SignallingResult<HttpReply>> HttpClient::send_following(HttpRequest request)
{
  for (guint redirects = 0;; redirects++) {
    SignallingResult<HttpReply> result = co_await send_once(&request);
    if (!result || !request.follow_redirects || !is_redirect(result->status))
      co_return result;
    const HttpReply &reply = *result;
    const std::string origin = origin_of(request.uri);
    SignallingFailure failure = make_failure(SignallingCategory::Protocol, "");
    failure.status = reply.status;
    if (!keeps_method(reply.status))
      failure.text = origin + " redirects with status " + std::to_string(reply.status) +
                     ", which does not keep the POST. A server of WHIP or WHEP uses 307 or 308.";
    else if (reply.location.empty())
      failure.text = origin +
                     " redirects to nowhere: its Location is missing or no address of "
                     "HTTP. Check the server.";
    else if (is_secure(request.uri) && !is_secure(reply.location))
      failure.text = origin +
                     " redirects to an address without TLS, which is not followed. "
                     "Check the server, or name that endpoint yourself.";
    else if (redirects == settings_.max_redirects)
      failure.text = origin + " redirects once more after " +
                     std::to_string(settings_.max_redirects) +
                     " redirects. Check the server for a loop.";
    if (!failure.text.empty())
      co_return failure;
    request.uri = reply.location;
  }
}

Task<SignallingResult<HttpReply>> HttpClient::send_once(const HttpRequest *request)
{
  if (origin_of(request->uri).empty())
    co_return make_failure(
        SignallingCategory::Protocol,
        "The endpoint is no address of HTTP. It begins with https:// or http://.");
  const GObjectPtr<SoupMessage> message = make_message(*request);
  const auto start = [&](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
    soup_session_send_async(session_.get(), message.get(), G_PRIORITY_DEFAULT, cancellable,
                            callback, data);
  };
  const auto finish = [](GObject *session, GAsyncResult *result, GError **error) {
    return adopt_object(soup_session_send_finish(SOUP_SESSION(session), result, error));
  };
  Outcome<GObjectPtr<GInputStream>> stream = co_await support::gio_call(start, finish);
  if (!stream)
    co_return failure_of_transport(message.get(), request->uri, stream.error(), false);
  HttpReply reply = head_of(message.get(), request->uri);
  // It may be the address of the session: no higher level than this.
  const support::CStr name(
      g_uri_to_string_partial(soup_message_get_uri(message.get()), G_URI_HIDE_USERINFO));
  GST_DEBUG("%s %s: %u, %s", request->method, name.get(), reply.status, reply.content_type.c_str());
  const bool wants_body = request->wants_body && request->wants_body(reply);
  if (wants_body) {
    SignallingResult<Done> read = co_await read_body(message.get(), stream->get(), &reply);
    if (!read)
      co_return read.take_error();
  } else if (reply.status >= 400 &&
             gst_debug_category_get_threshold(GST_CAT_DEFAULT) >= GST_LEVEL_DEBUG) {
    // What it says may name the session, or quote what was sent.
    HttpReply said = reply;
    if (co_await read_body(message.get(), stream->get(), &said))
      GST_DEBUG("%u: %s", said.status, said.body.substr(0, kShownBytes).c_str());
  }
  co_return reply;
}

Task<SignallingResult<Done>> HttpClient::read_body(SoupMessage *message, GInputStream *stream,
                                                   HttpReply *reply)
{
  const goffset length =
      soup_message_headers_get_content_length(soup_message_get_response_headers(message));
  if (length > static_cast<goffset>(kMaxSdpBytes))
    co_return too_large(reply->uri);
  for (;;) {
    const auto start = [&](GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data) {
      g_input_stream_read_bytes_async(stream, kReadBytes, G_PRIORITY_DEFAULT, cancellable, callback,
                                      data);
    };
    const auto finish = [](GObject *source, GAsyncResult *result, GError **error) {
      return BytesPtr(g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, error));
    };
    Outcome<BytesPtr> block = co_await support::gio_call(start, finish);
    if (!block)
      co_return failure_of_transport(message, reply->uri, block.error(), true);
    gsize size = 0;
    const auto *data = static_cast<const char *>(g_bytes_get_data(block->get(), &size));
    if (size == 0)
      co_return Done{};
    if (reply->body.size() + size > kMaxSdpBytes)
      co_return too_large(reply->uri);
    reply->body.append(data, size);
  }
}

}  // namespace streamlib::webrtc
