// SPDX-License-Identifier: LGPL-2.1-or-later
#include "httpserver.h"

#include <cstring>

#include <gst/check/gstcheck.h>

#include "localhost_certificate.h"

namespace fixture {

namespace {

constexpr size_t kBigBytes = 1000000;

void give_text(SoupServerMessage *message, guint status, const std::string &text,
               const char *type = "text/plain")
{
  soup_server_message_set_status(message, status, nullptr);
  soup_server_message_set_response(message, type, SOUP_MEMORY_COPY, text.data(), text.size());
}

}  // namespace

HttpServer::HttpServer(bool is_tls)
    : context_(g_main_context_new()), loop_(g_main_loop_new(context_, FALSE)), is_tls_(is_tls)
{
  g_main_context_push_thread_default(context_);
  server_ = soup_server_new(nullptr, nullptr);
  if (is_tls) {
    GTlsCertificate *certificate = g_tls_certificate_new_from_pem(
        (kLocalhostKey + kLocalhostCertificate).c_str(), -1, nullptr);
    fail_unless(certificate != nullptr);
    soup_server_set_tls_certificate(server_, certificate);
    g_object_unref(certificate);
  }
  soup_server_add_handler(server_, nullptr, handle, this, nullptr);
  fail_unless(soup_server_listen_local(
      server_, 0, is_tls ? SOUP_SERVER_LISTEN_HTTPS : SOUP_SERVER_LISTEN_IPV4_ONLY, nullptr));
  GSList *uris = soup_server_get_uris(server_);
  port_ = g_uri_get_port(static_cast<GUri *>(uris->data));
  g_slist_free_full(uris, [](gpointer uri) { g_uri_unref(static_cast<GUri *>(uri)); });
  g_main_context_pop_thread_default(context_);
  thread_ = std::thread([this] {
    g_main_context_push_thread_default(context_);
    g_main_loop_run(loop_);
    close();
    g_main_context_pop_thread_default(context_);
  });
}

HttpServer::~HttpServer()
{
  g_main_context_invoke(
      context_,
      [](gpointer loop) -> gboolean {
        g_main_loop_quit(static_cast<GMainLoop *>(loop));
        return G_SOURCE_REMOVE;
      },
      loop_);
  thread_.join();
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

std::string HttpServer::address(const char *path) const
{
  return (is_tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + path;
}

void HttpServer::pause(SoupServerMessage *message)
{
  paused_.push_back(message);
  soup_server_message_pause(message);
}

void HttpServer::go_on(SoupServerMessage *message)
{
  if (std::erase(paused_, message) > 0)
    soup_server_message_unpause(message);
}

// The server frees what it has answered, and nothing else.
void HttpServer::close()
{
  for (SoupServerMessage *message : std::vector<SoupServerMessage *>(paused_)) {
    give_text(message, 500, "closed");
    go_on(message);
  }
  const gint64 end = g_get_monotonic_time() + G_USEC_PER_SEC / 2;
  while (g_get_monotonic_time() < end && g_main_context_iteration(context_, FALSE)) {
  }
  soup_server_disconnect(server_);
  g_object_unref(server_);
}

void HttpServer::handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
                        gpointer data)
{
  auto *self = static_cast<HttpServer *>(data);
  self->requests++;
  self->answer(message, path);
}

bool HttpServer::fails_now()
{
  int left = failures.load();
  while (left > 0 && !failures.compare_exchange_weak(left, left - 1)) {
  }
  return left > 0;
}

void HttpServer::answer(SoupServerMessage *message, const std::string &path)
{
  SoupMessageHeaders *fields = soup_server_message_get_response_headers(message);
  if (path == "/value") {
    answer_value(message);
  } else if (path.starts_with("/status/")) {
    give_text(message, static_cast<guint>(std::stoi(path.substr(strlen("/status/")))), "sorry");
  } else if (path.starts_with("/flaky")) {
    const bool fails = fails_now();
    if (fails && path == "/flaky-later")
      soup_message_headers_replace(fields, "Retry-After", "1");
    give_text(message, fails ? 503 : 200, "here it is");
  } else if (path == "/slow") {
    answer_slowly(message);
  } else if (path == "/never") {
    pause(message);
  } else if (path == "/drop") {
    answer_half(message);
  } else if (path == "/redirect") {
    soup_server_message_set_redirect(message, 302, "/value");
  } else if (path == "/loop") {
    soup_server_message_set_redirect(message, 302, "/loop");
  } else if (path == "/big") {
    give_text(message, 200, std::string(kBigBytes, 'x'));
  } else if (path == "/endless") {
    answer_without_end(message);
  } else if (path == "/echo") {
    SoupMessageHeaders *asked = soup_server_message_get_request_headers(message);
    const char *agent = soup_message_headers_get_one(asked, "User-Agent");
    const char *test = soup_message_headers_get_one(asked, "X-Test");
    give_text(message, 200,
              std::string(agent != nullptr ? agent : "") + "|" + (test != nullptr ? test : ""));
  } else if (path == "/picture") {
    static const char head[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0";
    give_text(message, 200, std::string(head, sizeof(head) - 1), "application/octet-stream");
  } else {
    give_text(message, 404, "there is no such thing");
  }
}

void HttpServer::answer_value(SoupServerMessage *message)
{
  const int now = value.load();
  const std::string tag = "\"" + std::to_string(now) + "\"";
  soup_message_headers_replace(soup_server_message_get_response_headers(message), "ETag",
                               tag.c_str());
  const char *known = soup_message_headers_get_one(soup_server_message_get_request_headers(message),
                                                   "If-None-Match");
  if (known != nullptr && tag == known)
    soup_server_message_set_status(message, 304, nullptr);
  else
    give_text(message, 200, "{\"value\": " + std::to_string(now) + "}", "application/json");
}

void HttpServer::answer_slowly(SoupServerMessage *message)
{
  struct Later {
    HttpServer *self;
    SoupServerMessage *message;
  };
  waiting++;
  pause(message);
  GSource *timer = g_timeout_source_new(static_cast<guint>(delay_ms.load()));
  g_source_set_callback(
      timer,
      [](gpointer data) -> gboolean {
        auto *later = static_cast<Later *>(data);
        give_text(later->message, 200, "at last");
        later->self->go_on(later->message);
        later->self->waiting--;
        return G_SOURCE_REMOVE;
      },
      new Later{this, static_cast<SoupServerMessage *>(g_object_ref(message))},
      [](gpointer data) {
        auto *later = static_cast<Later *>(data);
        g_object_unref(later->message);
        delete later;
      });
  g_source_attach(timer, context_);
  g_source_unref(timer);
}

void HttpServer::answer_half(SoupServerMessage *message)
{
  const std::string body = "one two three four";
  if (!fails_now()) {
    give_text(message, 200, body);
    return;
  }
  GIOStream *connection = soup_server_message_steal_connection(message);
  const std::string half = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) +
                           "\r\n\r\n" + body.substr(0, body.size() / 2);
  g_output_stream_write_all(g_io_stream_get_output_stream(connection), half.data(), half.size(),
                            nullptr, nullptr, nullptr);
  g_io_stream_close(connection, nullptr, nullptr);
  g_object_unref(connection);
}

void HttpServer::answer_without_end(SoupServerMessage *message)
{
  soup_server_message_set_status(message, 200, nullptr);
  soup_message_headers_set_encoding(soup_server_message_get_response_headers(message),
                                    SOUP_ENCODING_CHUNKED);
  const auto more = +[](SoupServerMessage *message, gpointer) {
    static const std::string block(10000, 'y');
    soup_message_body_append(soup_server_message_get_response_body(message), SOUP_MEMORY_STATIC,
                             block.data(), block.size());
    soup_server_message_unpause(message);
  };
  soup_message_body_set_accumulate(soup_server_message_get_response_body(message), FALSE);
  g_signal_connect(message, "wrote-headers", G_CALLBACK(more), nullptr);
  g_signal_connect(message, "wrote-chunk", G_CALLBACK(more), nullptr);
}

}  // namespace fixture
