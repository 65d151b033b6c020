// SPDX-License-Identifier: LGPL-2.1-or-later
// A connection to a PipeWire server, which PipeWire's elements are given to use.
#pragma once

#include <memory>

namespace streamlib::camera {

// PipeWire's elements (0.3.65) say nothing when their server ends. On a connection of one's own it
// is to be seen; and a new one is not confused with that of a server that has ended, which these
// elements share within a process.
class PipeWireRemote {
public:
  // Any thread; does not wait. Connects to the server of the environment; none where there is none.
  static std::shared_ptr<PipeWireRemote> connect();
  // Takes over an open file descriptor.
  explicit PipeWireRemote(int fd) : fd_(fd) {}
  PipeWireRemote(const PipeWireRemote &) = delete;
  PipeWireRemote &operator=(const PipeWireRemote &) = delete;
  ~PipeWireRemote();

  // For the property `fd`; open for as long as this lives.
  int fd() const { return fd_; }
  // Any thread. Whether the server has ended or cut the connection.
  bool is_gone() const;
  // Cuts the connection, and waits until what has arrived was read, for at most a quarter of a
  // second.
  void silence();

private:
  int fd_;
};

}  // namespace streamlib::camera
