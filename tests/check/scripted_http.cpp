// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scripted_http.h"

#include <algorithm>
#include <memory>

#include <gst/check/gstcheck.h>

#include "localhost_certificate.h"

namespace fixture {

using streamlib::support::adopt_object;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;
using streamlib::support::share_object;

namespace {

std::string lower(std::string text)
{
  std::transform(text.begin(), text.end(), text.begin(), [](char c) { return g_ascii_tolower(c); });
  return text;
}

// False where the client has gone before the end of its request.
bool read_request(GInputStream *stream, GCancellable *stop, ScriptedRequest &request)
{
  std::string text;
  size_t head = std::string::npos;
  size_t length = 0;
  while (head == std::string::npos || text.size() < head + 4 + length) {
    char block[4096];
    const gssize got = g_input_stream_read(stream, block, sizeof(block), stop, nullptr);
    if (got <= 0)
      return false;
    text.append(block, static_cast<size_t>(got));
    if (head != std::string::npos)
      continue;
    head = text.find("\r\n\r\n");
    if (head == std::string::npos)
      continue;
    size_t at = text.find("\r\n");
    const std::string first = text.substr(0, at);
    request.method = first.substr(0, first.find(' '));
    request.path = first.substr(request.method.size() + 1);
    request.path = request.path.substr(0, request.path.find(' '));
    while (at < head) {
      const size_t end = text.find("\r\n", at + 2);
      const std::string line = text.substr(at + 2, end - at - 2);
      const size_t colon = line.find(": ");
      request.fields[lower(line.substr(0, colon))] = line.substr(colon + 2);
      at = end;
    }
    if (request.has("content-length"))
      length = std::stoul(request.field("content-length"));
  }
  request.body = text.substr(head + 4);
  return true;
}

}  // namespace

ScriptedAnswer ScriptedAnswer::of(const std::string &status,
                                  const std::vector<std::pair<std::string, std::string>> &fields,
                                  const std::string &body, int delay_ms)
{
  std::string head = "HTTP/1.1 " + status + "\r\nConnection: close\r\n";
  bool has_length = false;
  for (const auto &[name, value] : fields) {
    head.append(name).append(": ").append(value).append("\r\n");
    has_length = has_length || name == "Content-Length" || name == "Transfer-Encoding";
  }
  if (!has_length && !status.starts_with("204"))
    head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return {{{delay_ms, head + "\r\n" + body}}};
}

ScriptedHttp::ScriptedHttp(bool is_tls)
    : is_tls_(is_tls),
      listener_(adopt_object(g_socket_listener_new())),
      stop_(adopt_object(g_cancellable_new()))
{
  const auto loopback = adopt_object(g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4));
  const auto address = adopt_object(g_inet_socket_address_new(loopback.get(), 0));
  GSocketAddress *effective = nullptr;
  fail_unless(g_socket_listener_add_address(listener_.get(), address.get(), G_SOCKET_TYPE_STREAM,
                                            G_SOCKET_PROTOCOL_TCP, nullptr, &effective, nullptr));
  port_ = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(effective));
  g_object_unref(effective);
  thread_ = std::thread([this] { accept(); });
}

ScriptedHttp::~ScriptedHttp()
{
  g_cancellable_cancel(stop_.get());
  thread_.join();
  for (std::thread &connection : connections_)
    connection.join();
  g_socket_listener_close(listener_.get());
}

std::string ScriptedHttp::origin() const
{
  return (is_tls_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

const char *ScriptedHttp::certificate()
{
  return kLocalhostCertificate;
}

void ScriptedHttp::answer(const std::string &method, ScriptedAnswer answer)
{
  const std::lock_guard lock(mutex_);
  answers_[method].push_back(std::move(answer));
}

std::vector<ScriptedRequest> ScriptedHttp::requests(const std::string &method) const
{
  const std::lock_guard lock(mutex_);
  std::vector<ScriptedRequest> found;
  for (const ScriptedRequest &request : requests_) {
    if (method.empty() || request.method == method)
      found.push_back(request);
  }
  return found;
}

void ScriptedHttp::accept()
{
  for (;;) {
    const auto connection =
        adopt_object(g_socket_listener_accept(listener_.get(), nullptr, stop_.get(), nullptr));
    if (!connection)
      return;
    connections_.emplace_back([this, connection] { serve(connection.get()); });
  }
}

void ScriptedHttp::wait(int ms)
{
  const gint64 end = g_get_monotonic_time() + ms * 1000;
  while (g_get_monotonic_time() < end && !g_cancellable_is_cancelled(stop_.get()))
    g_usleep(2000);
}

void ScriptedHttp::serve(GSocketConnection *connection)
{
  GObjectPtr<GIOStream> stream = share_object(G_IO_STREAM(connection));
  if (is_tls_) {
    const auto certificate = adopt_object(g_tls_certificate_new_from_pem(
        (kLocalhostKey + kLocalhostCertificate).c_str(), -1, nullptr));
    fail_unless(certificate);
    stream = adopt_object(
        g_tls_server_connection_new(G_IO_STREAM(connection), certificate.get(), nullptr));
    g_tls_connection_set_require_close_notify(stream.as<GTlsConnection>(), FALSE);
  }
  ScriptedRequest request;
  if (!read_request(g_io_stream_get_input_stream(stream.get()), stop_.get(), request))
    return;
  ScriptedAnswer answer = ScriptedAnswer::of("500 Not in the script");
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    auto &left = answers_[request.method];
    if (!left.empty()) {
      answer = left.front();
      left.pop_front();
    }
  }
  give(stream.get(), answer);
}

void ScriptedHttp::give(GIOStream *stream, const ScriptedAnswer &answer)
{
  for (const auto &[delay_ms, bytes] : answer.pieces) {
    wait(delay_ms);
    if (!g_output_stream_write_all(g_io_stream_get_output_stream(stream), bytes.data(),
                                   bytes.size(), nullptr, stop_.get(), nullptr))
      return;
  }
  // Until the server or the client goes.
  char block[256];
  while (answer.stays_open && g_input_stream_read(g_io_stream_get_input_stream(stream), block,
                                                  sizeof(block), stop_.get(), nullptr) > 0) {
  }
  g_io_stream_close(stream, nullptr, nullptr);
}

}  // namespace fixture
