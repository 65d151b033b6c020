// SPDX-License-Identifier: LGPL-2.1-or-later
// A private authority, and the certificates that it signs.
#pragma once

#include <string>

#include "ext/webrtc/transport/openssl_ptr.h"

namespace fixture {

class Authority {
public:
  Authority();

  // Of the authority itself, as PEM.
  std::string certificate() const;
  // A key and its certificate, as PEM. `names` are those of the server, as OpenSSL has them; its
  // time begins and ends so many days from now.
  std::string issue(const std::string &names = "IP:127.0.0.1,DNS:localhost", long begin_days = -2,
                    long end_days = 2) const;

private:
  streamlib::webrtc::KeyPtr key_;
  streamlib::webrtc::X509Ptr certificate_;
};

}  // namespace fixture
