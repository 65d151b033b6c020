// SPDX-License-Identifier: LGPL-2.1-or-later
// The DTLS 1.2 association of a session (RFC 6347), which gives SRTP its keys (RFC 5764).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <glib.h>

#include "ext/webrtc/transport/certificate.h"
#include "ext/webrtc/transport/datagram_bio.h"
#include "ext/webrtc/transport/srtp_keys.h"

namespace streamlib::webrtc {

enum class DtlsRole { Client, Server };

// Called by Dtls in the I/O context. None of them may destroy it.
class DtlsOwner {
public:
  // A datagram for the peer. Must not call the Dtls.
  virtual void dtls_send(std::span<const uint8_t> datagram) = 0;
  // The peer's certificate matched, and SRTP was agreed.
  virtual void dtls_verified(SrtpKeys keys) = 0;
  virtual void dtls_failed(support::Failure failure) = 0;
  // The peer sent close_notify.
  virtual void dtls_closed() = 0;

protected:
  ~DtlsOwner() = default;
};

// I/O context. The handshake can only succeed with a peer whose certificate matches.
class Dtls {
public:
  // Of a datagram that goes out, without IP and UDP.
  static constexpr long kMtu = 1200;
  // A peer that answers with setup:active may send its ClientHello before the answer is here.
  static constexpr size_t kMaxEarlyDatagrams = 8;

  Dtls(std::shared_ptr<const Certificate> certificate, GMainContext *context, DtlsOwner &owner);
  Dtls(const Dtls &) = delete;
  Dtls &operator=(const Dtls &) = delete;
  ~Dtls();

  // Begins as the one or the other; a client sends at once. What came early is taken up.
  support::Status start(DtlsRole role, std::vector<Fingerprint> accepted);
  bool is_started() const { return state_ != State::New; }
  bool is_verified() const { return state_ == State::Verified; }
  // The peer is somebody else.
  bool has_refused() const { return is_refused_; }
  // False when it was dropped: too many before start(), or after the end.
  bool receive(std::span<const uint8_t> datagram);
  // Sends close_notify where there is an association, and ends.
  void close();

  // Datagrams that carried application data, which nobody here takes.
  uint64_t application_packets() const { return application_packets_; }
  // "AB:CD:…" by SHA-256, once the peer has shown its certificate.
  const std::string &peer_digest() const { return peer_digest_; }

private:
  enum class State { New, Handshake, Verified, Ended };

  support::Status set_up_context();
  support::Status set_up_association(DtlsRole role);
  static int verify(X509_STORE_CTX *store, void *data);
  void advance();
  void finish_handshake();
  void read_records();
  void break_off(support::Failure failure);
  support::Failure handshake_failure();
  support::Result<SrtpKeys> export_keys();
  void rearm_timer();
  void on_timer();
  static gboolean dispatch_timer(GSource *source, GSourceFunc callback, gpointer data);

  const std::shared_ptr<const Certificate> certificate_;
  DtlsOwner &owner_;
  std::vector<Fingerprint> accepted_;
  DtlsRole role_ = DtlsRole::Client;
  State state_ = State::New;
  DatagramBio bio_;
  SslContextPtr context_;
  SslPtr ssl_;
  GSource *timer_ = nullptr;
  std::vector<std::vector<uint8_t>> early_;
  // Why verify() refused.
  support::Failure refusal_;
  bool is_refused_ = false;
  std::string peer_digest_;
  uint64_t application_packets_ = 0;
};

}  // namespace streamlib::webrtc
