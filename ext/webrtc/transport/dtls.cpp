// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/dtls.h"

#include <algorithm>

#include <openssl/srtp.h>
#include <sys/time.h>

namespace streamlib::webrtc {

using support::Done;
using support::Failure;
using support::Result;
using support::Status;

namespace {

// By preference; each side has the one that RFC 8827 §6.5 demands.
constexpr char kSrtpProfiles[] =
    "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
// Forward secrecy only (RFC 8827 §6.5), the certificates of peers being of either kind.
constexpr char kCiphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";
// RFC 6347 §4.2.4.1 proposes 1 s, and less where a loss must not be felt.
constexpr unsigned int kFirstResendUs = 250 * 1000;
constexpr unsigned int kMaxResendUs = 4 * 1000 * 1000;
constexpr char kExporterLabel[] = "EXTRACTOR-dtls_srtp";
constexpr int kReadBytes = 16 * 1024;

unsigned int next_resend(SSL *, unsigned int last_us)
{
  return last_us == 0 ? kFirstResendUs : std::min(last_us * 2, kMaxResendUs);
}

// False when it is none of ours.
bool profile_of(unsigned long id, SrtpProfile *profile)
{
  switch (id) {
    case SRTP_AES128_CM_SHA1_80:
      *profile = SrtpProfile::AesCm128HmacSha1_80;
      return true;
    case SRTP_AEAD_AES_128_GCM:
      *profile = SrtpProfile::AeadAes128Gcm;
      return true;
    case SRTP_AEAD_AES_256_GCM:
      *profile = SrtpProfile::AeadAes256Gcm;
      return true;
    default:
      return false;
  }
}

struct TimerSource {
  GSource source;
  Dtls *owner;
};

}  // namespace

Dtls::Dtls(std::shared_ptr<const Certificate> certificate, GMainContext *context, DtlsOwner &owner)
    : certificate_(std::move(certificate)),
      owner_(owner),
      bio_([this](std::span<const uint8_t> datagram) { owner_.dtls_send(datagram); })
{
  static GSourceFuncs functions = {nullptr, nullptr, &Dtls::dispatch_timer,
                                   nullptr, nullptr, nullptr};
  timer_ = g_source_new(&functions, sizeof(TimerSource));
  reinterpret_cast<TimerSource *>(timer_)->owner = this;
  g_source_set_name(timer_, "streamlib DTLS timer");
  g_source_attach(timer_, context);
}

Dtls::~Dtls()
{
  g_source_destroy(timer_);
  g_source_unref(timer_);
  // Before the BIO that it writes through.
  ssl_.reset();
}

Status Dtls::start(DtlsRole role, std::vector<Fingerprint> accepted)
{
  if (state_ != State::New)
    return Failure{0, "DTLS was started already.", ""};
  if (Status checked = check_fingerprints(accepted); !checked)
    return checked;
  accepted_ = std::move(accepted);
  role_ = role;
  ERR_clear_error();
  Status made = set_up_context();
  if (made)
    made = set_up_association(role);
  if (!made)
    return made;
  state_ = State::Handshake;
  if (role == DtlsRole::Client)
    advance();
  const auto early = std::exchange(early_, {});
  for (const std::vector<uint8_t> &datagram : early)
    receive(datagram);
  return Done{};
}

Status Dtls::set_up_context()
{
  context_.reset(SSL_CTX_new(DTLS_method()));
  SSL_CTX *context = context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, kCiphers) != 1 ||
      SSL_CTX_use_certificate(context, certificate_->x509()) != 1 ||
      SSL_CTX_use_PrivateKey(context, certificate_->key()) != 1 ||
      // Unlike its neighbours it answers 0 when all is well.
      SSL_CTX_set_tlsext_use_srtp(context, kSrtpProfiles) != 0)
    return Failure{0, "OpenSSL could not set up DTLS.", take_openssl_errors()};
  SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Both sides show a certificate (RFC 8827 §6.5), and what it has to be is said by the fingerprint
  // alone.
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(context, &Dtls::verify, this);
  return Done{};
}

Status Dtls::set_up_association(DtlsRole role)
{
  ssl_.reset(SSL_new(context_.get()));
  BIO *bio = ssl_ != nullptr ? bio_.create() : nullptr;
  if (bio == nullptr)
    return Failure{0, "OpenSSL could not set up DTLS.", take_openssl_errors()};
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mtu(ssl_.get(), kMtu);
  DTLS_set_timer_cb(ssl_.get(), &next_resend);
  if (role == DtlsRole::Client)
    SSL_set_connect_state(ssl_.get());
  else
    SSL_set_accept_state(ssl_.get());
  return Done{};
}

// Within the handshake: where it refuses, the handshake never ends well.
int Dtls::verify(X509_STORE_CTX *store, void *data)
{
  auto *self = static_cast<Dtls *>(data);
  X509 *certificate = X509_STORE_CTX_get0_cert(store);
  Status matched = certificate != nullptr
                       ? match_fingerprint(certificate, self->accepted_)
                       : Status(Failure{0, "The peer showed no certificate.", ""});
  if (matched)
    return 1;
  self->refusal_ = matched.take_error();
  self->is_refused_ = true;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

bool Dtls::receive(std::span<const uint8_t> datagram)
{
  if (datagram.empty() || state_ == State::Ended)
    return false;
  if (state_ == State::New) {
    if (early_.size() >= kMaxEarlyDatagrams)
      return false;
    early_.emplace_back(datagram.begin(), datagram.end());
    return true;
  }
  bio_.offer(datagram);
  advance();
  bio_.withdraw();
  return true;
}

// Takes in what was offered.
void Dtls::advance()
{
  ERR_clear_error();
  if (state_ == State::Handshake) {
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) {
      finish_handshake();
    } else {
      const int reason = SSL_get_error(ssl_.get(), result);
      if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        break_off(handshake_failure());
    }
  }
  if (state_ == State::Verified)
    read_records();
  rearm_timer();
}

void Dtls::finish_handshake()
{
  const X509Ptr certificate(SSL_get1_peer_certificate(ssl_.get()));
  // verify() has said so already; that no media can flow without is worth asking twice.
  if (certificate == nullptr || !match_fingerprint(certificate.get(), accepted_)) {
    break_off(Failure{0, "The peer's certificate was not verified.", "no matching certificate"});
    return;
  }
  Result<SrtpKeys> keys = export_keys();
  if (!keys) {
    break_off(keys.take_error());
    return;
  }
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest, &size) == 1)
    peer_digest_ = digest_text({digest, digest + size});
  state_ = State::Verified;
  owner_.dtls_verified(std::move(*keys));
}

Result<SrtpKeys> Dtls::export_keys()
{
  const SRTP_PROTECTION_PROFILE *agreed = SSL_get_selected_srtp_profile(ssl_.get());
  SrtpKeys keys;
  if (agreed == nullptr || !profile_of(agreed->id, &keys.profile))
    return Failure{
        0,
        "The peer agreed on no SRTP profile of ours in the DTLS handshake (use_srtp); it "
        "must support AES_CM_128_HMAC_SHA1_80.",
        agreed != nullptr ? agreed->name : "no use_srtp in the handshake"};
  // RFC 5764 §4.2: the keys of client and server, then their salts.
  const SrtpProfileSizes sizes = sizes_of(keys.profile);
  std::vector<uint8_t> material(2 * (sizes.key + sizes.salt));
  if (SSL_export_keying_material(ssl_.get(), material.data(), material.size(), kExporterLabel,
                                 sizeof kExporterLabel - 1, nullptr, 0, 0) != 1)
    return Failure{0, "OpenSSL could not derive the keys of SRTP.", take_openssl_errors()};
  const auto key_at = material.begin();
  const auto salt_at = key_at + static_cast<long>(2 * sizes.key);
  const auto join = [&](long index) {
    std::vector<uint8_t> joined;
    joined.reserve(sizes.key + sizes.salt);
    const auto key = key_at + index * static_cast<long>(sizes.key);
    const auto salt = salt_at + index * static_cast<long>(sizes.salt);
    joined.insert(joined.end(), key, key + static_cast<long>(sizes.key));
    joined.insert(joined.end(), salt, salt + static_cast<long>(sizes.salt));
    return joined;
  };
  const bool is_client = role_ == DtlsRole::Client;
  keys.local = join(is_client ? 0 : 1);
  keys.remote = join(is_client ? 1 : 0);
  OPENSSL_cleanse(material.data(), material.size());
  return keys;
}

void Dtls::read_records()
{
  uint8_t data[kReadBytes];
  for (;;) {
    const int result = SSL_read(ssl_.get(), data, sizeof data);
    if (result > 0) {
      application_packets_++;
      continue;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return;
      case SSL_ERROR_ZERO_RETURN:
        close();
        owner_.dtls_closed();
        return;
      default:
        break_off(Failure{0, "The DTLS association with the peer broke.", take_openssl_errors()});
        return;
    }
  }
}

Failure Dtls::handshake_failure()
{
  const std::string facts = take_openssl_errors();
  if (is_refused_) {
    Failure failure = refusal_;
    failure.debug += "; " + facts;
    return failure;
  }
  return Failure{0,
                 "The DTLS handshake with the peer failed; it must speak DTLS 1.2 with an ECDHE "
                 "cipher and show a certificate.",
                 facts};
}

void Dtls::break_off(Failure failure)
{
  if (state_ == State::Ended)
    return;
  state_ = State::Ended;
  owner_.dtls_failed(std::move(failure));
}

void Dtls::close()
{
  if (state_ == State::Verified) {
    ERR_clear_error();
    // Once: the peer's own close_notify is not waited for (RFC 5246 §7.2.1).
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  state_ = State::Ended;
  early_.clear();
  rearm_timer();
}

void Dtls::rearm_timer()
{
  timeval left = {};
  if (state_ == State::Ended || ssl_ == nullptr || DTLSv1_get_timeout(ssl_.get(), &left) != 1) {
    g_source_set_ready_time(timer_, -1);
    return;
  }
  g_source_set_ready_time(timer_,
                          g_get_monotonic_time() + left.tv_sec * G_USEC_PER_SEC + left.tv_usec);
}

gboolean Dtls::dispatch_timer(GSource *source, GSourceFunc, gpointer)
{
  g_source_set_ready_time(source, -1);
  reinterpret_cast<TimerSource *>(source)->owner->on_timer();
  return G_SOURCE_CONTINUE;
}

void Dtls::on_timer()
{
  if (state_ == State::Ended || ssl_ == nullptr)
    return;
  ERR_clear_error();
  if (DTLSv1_handle_timeout(ssl_.get()) < 0)
    break_off(Failure{0, "The peer does not answer the DTLS handshake.", take_openssl_errors()});
  rearm_timer();
}

}  // namespace streamlib::webrtc
