// SPDX-License-Identifier: LGPL-2.1-or-later
// The certificate of one session, and whether a peer's is the one that its description announces.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/transport/openssl_ptr.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

// Self-signed, ECDSA with P-256 (RFC 8827 §6.5). It says nothing of who made it, and serves one
// session, so that two sessions cannot be told to be of one user. Any thread.
class Certificate {
public:
  static support::Result<std::shared_ptr<const Certificate>> create();

  X509 *x509() const { return x509_.get(); }
  EVP_PKEY *key() const { return key_.get(); }
  // By SHA-256.
  const Fingerprint &fingerprint() const { return fingerprint_; }

private:
  Certificate(KeyPtr key, X509Ptr x509, Fingerprint fingerprint)
      : key_(std::move(key)), x509_(std::move(x509)), fingerprint_(std::move(fingerprint))
  {}

  const KeyPtr key_;
  const X509Ptr x509_;
  const Fingerprint fingerprint_;
};

// That one of the fingerprints can decide: where it fails, no certificate would ever match.
support::Status check_fingerprints(const std::vector<Fingerprint> &fingerprints);

// RFC 8122 §5: of the hashes that both sides know the strongest decides, and any of its
// fingerprints may match. MD5, SHA-1 and unknown hashes never decide.
support::Status match_fingerprint(X509 *certificate, const std::vector<Fingerprint> &fingerprints);

// "AB:CD:…"
std::string digest_text(const std::vector<uint8_t> &digest);

}  // namespace streamlib::webrtc
