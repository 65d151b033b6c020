// SPDX-License-Identifier: LGPL-2.1-or-later
// A local socket on which a graph answers what it is and what it does. Nothing can be changed
// there.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <glib.h>

#include "gst/support/result.h"

namespace streamlib::graph {

// One line of JSON for each request, which is a line too: {"request": "stats"} or {"request":
// "describe"}. The answer is an object with the member of that name, or with `error`. The socket is
// its owner's alone (0600, and a peer of another user is turned away).
class ControlSocket {
public:
  // What answers: a JSON object as one line. Called by the socket's own thread.
  struct Answers {
    std::function<std::string()> stats;
    std::function<std::string()> describe;
  };

  static constexpr size_t kMostPeers = 8;
  static constexpr size_t kLongestRequest = 4096;
  // An answer that a peer does not read is given up after this time, with the connection.
  static constexpr int kSlowestPeerMs = 2000;
  // While all places are taken, one that has asked nothing for so long loses its own.
  static constexpr int kSilentPeerMs = 3000;
  // Answers are made anew so often at most; who asks more often gets the same again.
  static constexpr int kLeastIntervalMs = 50;

  // Opens it. A file that nobody serves any more is replaced where it is a socket; anything else
  // stays, and is a failure.
  static support::Result<std::unique_ptr<ControlSocket>> open(const std::string &path,
                                                              Answers answers);
  ControlSocket(const ControlSocket &) = delete;
  ControlSocket &operator=(const ControlSocket &) = delete;
  // Closes all connections, and removes the file unless it is another one by now.
  ~ControlSocket();

private:
  class Server;
  explicit ControlSocket(std::unique_ptr<Server> server);

  const std::unique_ptr<Server> server_;
  GThread *thread_ = nullptr;
};

}  // namespace streamlib::graph
