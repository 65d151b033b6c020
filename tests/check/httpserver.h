// SPDX-License-Identifier: LGPL-2.1-or-later
// An HTTP server with bad manners, in a thread of its own, for tests.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <libsoup/soup.h>

namespace fixture {

// What it answers, by path:
//   /value          {"value": N}, with an ETag; 304 where that is known
//   /status/N       status N, with a text
//   /flaky          503 as often as `failures` says, then a text; /flaky-later with Retry-After: 1
//   /slow           a text after `delay_ms`
//   /never          nothing
//   /drop           the first half of an answer as often as `failures` says, then all of it
//   /redirect       302 to /value; /loop 302 to itself
//   /big            1,000,000 bytes
//   /endless        bytes without end, and without a length
//   /echo           the fields User-Agent and X-Test
//   /picture        the beginning of a PNG, as application/octet-stream
class HttpServer {
public:
  explicit HttpServer(bool is_tls = false);
  HttpServer(const HttpServer &) = delete;
  HttpServer &operator=(const HttpServer &) = delete;
  ~HttpServer();

  std::string address(const char *path) const;

  std::atomic<int> value = 1;
  std::atomic<int> failures = 0;
  std::atomic<int> delay_ms = 0;
  std::atomic<int> requests = 0;
  // Requests that wait for /slow.
  std::atomic<int> waiting = 0;

private:
  static void handle(SoupServer *server, SoupServerMessage *message, const char *path,
                     GHashTable *query, gpointer data);
  void answer(SoupServerMessage *message, const std::string &path);
  void answer_value(SoupServerMessage *message);
  void answer_slowly(SoupServerMessage *message);
  void answer_half(SoupServerMessage *message);
  void answer_without_end(SoupServerMessage *message);
  bool fails_now();
  void pause(SoupServerMessage *message);
  void go_on(SoupServerMessage *message);
  void close();

  GMainContext *const context_;
  GMainLoop *const loop_;
  SoupServer *server_ = nullptr;
  const bool is_tls_;
  int port_ = 0;
  // The server's thread.
  std::vector<SoupServerMessage *> paused_;
  std::thread thread_;
};

}  // namespace fixture
