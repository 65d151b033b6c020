// SPDX-License-Identifier: LGPL-2.1-or-later
// An HTTP server that answers what a test has written down, byte by byte, and keeps what it was
// asked.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gio/gio.h>

#include "gst/support/ownership.h"

namespace fixture {

struct ScriptedRequest {
  std::string method;
  std::string path;
  std::map<std::string, std::string> fields;  // Names in lower case.
  std::string body;

  bool has(const std::string &field) const { return fields.count(field) != 0; }
  std::string field(const std::string &name) const
  {
    const auto found = fields.find(name);
    return found != fields.end() ? found->second : "";
  }
};

// An answer: its pieces, each after its time. Then the connection is closed, or, where the answer
// is to stay unfinished, kept until the server goes.
struct ScriptedAnswer {
  std::vector<std::pair<int, std::string>> pieces;  // Milliseconds before it, bytes.
  bool stays_open = false;

  static ScriptedAnswer of(const std::string &status,
                           const std::vector<std::pair<std::string, std::string>> &fields = {},
                           const std::string &body = "", int delay_ms = 0);
  // Nothing at all.
  static ScriptedAnswer silence() { return {{}, true}; }
};

// Answers to a method in the order in which they were given; 500 when there is none left.
class ScriptedHttp {
public:
  explicit ScriptedHttp(bool is_tls = false);
  ScriptedHttp(const ScriptedHttp &) = delete;
  ScriptedHttp &operator=(const ScriptedHttp &) = delete;
  ~ScriptedHttp();

  std::string origin() const;
  void answer(const std::string &method, ScriptedAnswer answer);
  std::vector<ScriptedRequest> requests(const std::string &method = "") const;
  // The certificate of the server, as PEM.
  static const char *certificate();

private:
  void accept();
  void serve(GSocketConnection *connection);
  void give(GIOStream *stream, const ScriptedAnswer &answer);
  void wait(int ms);

  const bool is_tls_;
  const streamlib::support::GObjectPtr<GSocketListener> listener_;
  const streamlib::support::GObjectPtr<GCancellable> stop_;
  guint16 port_ = 0;
  mutable std::mutex mutex_;
  std::map<std::string, std::deque<ScriptedAnswer>> answers_;
  std::vector<ScriptedRequest> requests_;
  std::vector<std::thread> connections_;
  std::thread thread_;
};

}  // namespace fixture
