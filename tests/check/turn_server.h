// SPDX-License-Identifier: LGPL-2.1-or-later
// A real TURN server: coturn, on loopback, with one user.
#pragma once

#include <string>

#include <glib.h>

#include "ext/webrtc/parameters.h"

namespace fixture {

class TurnServer {
public:
  static constexpr const char *kUser = "user";
  static constexpr const char *kPassword = "secret-word";
  static bool is_installed();

  // At an address of the loopback interface.
  explicit TurnServer(const char *address = "127.0.0.1");
  TurnServer(const TurnServer &) = delete;
  TurnServer &operator=(const TurnServer &) = delete;
  ~TurnServer();

  // "turn:address:port?transport=udp"
  std::string uri(const char *transport = "udp") const;
  streamlib::webrtc::IceServer as(const char *transport, const char *password = kPassword) const
  {
    return {uri(transport), kUser, password};
  }

  // It does not answer until it goes on.
  void freeze() const;
  void go_on() const;

  const std::string address;
  const guint16 port;

private:
  gchar *const folder_;
  GPid pid_ = 0;
};

}  // namespace fixture
