// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/certificate.h"

#include <algorithm>

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/rand.h>

namespace streamlib::webrtc {

using support::Done;
using support::Failure;
using support::Result;
using support::Status;

namespace {

constexpr long kDaySeconds = 24 * 60 * 60;
// The clocks of the two sides differ, and a session may be long. The peer looks at the fingerprint
// alone (RFC 8827 §6.5), but some libraries look at the time too.
constexpr long kValidBefore = kDaySeconds;
constexpr long kValidAfter = 30 * kDaySeconds;
constexpr int kSerialBytes = 8;

// The weakest first.
constexpr const char *kHashes[] = {"sha-224", "sha-256", "sha-384", "sha-512"};

const EVP_MD *digest_of(const std::string &hash)
{
  if (hash == "sha-224")
    return EVP_sha224();
  if (hash == "sha-256")
    return EVP_sha256();
  if (hash == "sha-384")
    return EVP_sha384();
  if (hash == "sha-512")
    return EVP_sha512();
  return nullptr;
}

// Empty when it fails.
std::vector<uint8_t> compute_digest(X509 *certificate, const EVP_MD *algorithm)
{
  std::vector<uint8_t> digest(EVP_MAX_MD_SIZE);
  unsigned int size = 0;
  if (X509_digest(certificate, algorithm, digest.data(), &size) != 1)
    size = 0;
  digest.resize(size);
  return digest;
}

bool set_serial(X509 *certificate)
{
  uint8_t bytes[kSerialBytes];
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return false;
  uint64_t number = 0;
  for (const uint8_t byte : bytes)
    number = number << 8 | byte;
  // Positive (RFC 5280 §4.1.2.2).
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1 | 1) == 1;
}

bool fill_in(X509 *certificate, EVP_PKEY *key)
{
  X509_NAME *name = X509_get_subject_name(certificate);
  const auto *text = reinterpret_cast<const unsigned char *>("WebRTC");
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -kValidBefore) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), kValidAfter) != nullptr &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
         X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

// The strongest hash of the fingerprints that can decide; null when there is none.
const char *strongest_hash(const std::vector<Fingerprint> &fingerprints)
{
  const char *strongest = nullptr;
  for (const char *hash : kHashes) {
    const auto has_it = [=](const Fingerprint &one) { return one.hash == hash; };
    if (std::any_of(fingerprints.begin(), fingerprints.end(), has_it))
      strongest = hash;
  }
  return strongest;
}

}  // namespace

Result<std::shared_ptr<const Certificate>> Certificate::create()
{
  KeyPtr key(EVP_EC_gen("P-256"));
  X509Ptr x509(X509_new());
  if (key == nullptr || x509 == nullptr || !fill_in(x509.get(), key.get()))
    return Failure{0, "OpenSSL could not make the certificate of the session.",
                   take_openssl_errors()};
  Fingerprint fingerprint{"sha-256", compute_digest(x509.get(), EVP_sha256())};
  if (fingerprint.digest.empty())
    return Failure{0, "OpenSSL could not compute the fingerprint of the session's certificate.",
                   take_openssl_errors()};
  return std::shared_ptr<const Certificate>(
      new Certificate(std::move(key), std::move(x509), std::move(fingerprint)));
}

Status check_fingerprints(const std::vector<Fingerprint> &fingerprints)
{
  if (fingerprints.empty())
    return Failure{0, "The peer's description has no fingerprint of its certificate.",
                   "a=fingerprint is missing (RFC 8122 §5)"};
  const char *hash = strongest_hash(fingerprints);
  std::string hashes;
  for (const Fingerprint &one : fingerprints)
    hashes += (hashes.empty() ? "" : ", ") + one.hash;
  if (hash == nullptr)
    return Failure{0,
                   "The peer's description has fingerprints only by hashes that are unknown or too "
                   "weak; the peer must offer sha-256.",
                   "a=fingerprint by: " + hashes};
  for (const Fingerprint &one : fingerprints) {
    if (one.hash == hash &&
        one.digest.size() != static_cast<size_t>(EVP_MD_get_size(digest_of(hash))))
      return Failure{0, "A fingerprint in the peer's description has not the length of its hash.",
                     one.hash + " with " + std::to_string(one.digest.size()) + " bytes"};
  }
  return Done{};
}

Status match_fingerprint(X509 *certificate, const std::vector<Fingerprint> &fingerprints)
{
  if (Status checked = check_fingerprints(fingerprints); !checked)
    return checked;
  const char *hash = strongest_hash(fingerprints);
  const std::vector<uint8_t> digest = compute_digest(certificate, digest_of(hash));
  if (digest.empty())
    return Failure{0, "OpenSSL could not compute the fingerprint of the peer's certificate.",
                   take_openssl_errors()};
  for (const Fingerprint &one : fingerprints) {
    if (one.hash == hash && one.digest.size() == digest.size() &&
        CRYPTO_memcmp(one.digest.data(), digest.data(), digest.size()) == 0)
      return Done{};
  }
  return Failure{
      0,
      "The peer's certificate is not the one that its description announces: somebody "
      "else may have answered. No media was sent to it, and none taken from it.",
      std::string("the certificate's fingerprint is ") + hash + " " + digest_text(digest)};
}

std::string digest_text(const std::vector<uint8_t> &digest)
{
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const uint8_t byte : digest) {
    if (!text.empty())
      text += ':';
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace streamlib::webrtc
