// SPDX-License-Identifier: LGPL-2.1-or-later
// What the DTLS handshake gives to SRTP (RFC 5764 §4).
#pragma once

#include <cstdint>
#include <vector>

#include <openssl/crypto.h>

namespace streamlib::webrtc {

enum class SrtpProfile { AesCm128HmacSha1_80, AeadAes128Gcm, AeadAes256Gcm };

struct SrtpProfileSizes {
  size_t key;
  size_t salt;
};

// RFC 5764 §4.1.2, RFC 7714 §12.
constexpr SrtpProfileSizes sizes_of(SrtpProfile profile)
{
  switch (profile) {
    case SrtpProfile::AesCm128HmacSha1_80:
      return {16, 14};
    case SrtpProfile::AeadAes128Gcm:
      return {16, 12};
    case SrtpProfile::AeadAes256Gcm:
      return {32, 12};
  }
  return {0, 0};
}

constexpr const char *name_of(SrtpProfile profile)
{
  switch (profile) {
    case SrtpProfile::AesCm128HmacSha1_80:
      return "AES_CM_128_HMAC_SHA1_80";
    case SrtpProfile::AeadAes128Gcm:
      return "AEAD_AES_128_GCM";
    case SrtpProfile::AeadAes256Gcm:
      return "AEAD_AES_256_GCM";
  }
  return "";
}

// Each key with its salt behind it. They are wiped when they go.
struct SrtpKeys {
  SrtpProfile profile = SrtpProfile::AesCm128HmacSha1_80;
  std::vector<uint8_t> local;   // Of what this side sends.
  std::vector<uint8_t> remote;  // Of what the peer sends.

  SrtpKeys() = default;
  SrtpKeys(SrtpKeys &&) = default;
  SrtpKeys &operator=(SrtpKeys &&) = delete;
  ~SrtpKeys()
  {
    OPENSSL_cleanse(local.data(), local.size());
    OPENSSL_cleanse(remote.data(), remote.size());
  }
};

}  // namespace streamlib::webrtc
