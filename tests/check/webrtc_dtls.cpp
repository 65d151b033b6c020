// SPDX-License-Identifier: LGPL-2.1-or-later
// DTLS of two sides without a network in between, and the SRTP that comes of it.
#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/transport/datagram_bio.h"
#include "ext/webrtc/transport/dtls.h"
#include "ext/webrtc/transport/srtp.h"

using namespace streamlib::webrtc;
using Datagram = std::vector<uint8_t>;

static std::shared_ptr<const Certificate> make_certificate()
{
  auto made = Certificate::create();
  fail_unless(made.ok());
  return *made;
}

// One side; what it sends lies in a queue.
class Side : public DtlsOwner {
public:
  explicit Side(GMainContext *context)
      : certificate(make_certificate()), dtls(certificate, context, *this)
  {}
  virtual ~Side() = default;

  void dtls_send(std::span<const uint8_t> datagram) override
  {
    sent.emplace_back(datagram.begin(), datagram.end());
    largest = std::max(largest, datagram.size());
    check_borders(datagram);
  }
  void dtls_verified(SrtpKeys given) override { keys.emplace(std::move(given)); }
  void dtls_failed(streamlib::support::Failure failure) override
  {
    failures.push_back(failure.text + " (" + failure.debug + ")");
  }
  void dtls_closed() override { closed++; }

  // Each datagram is made of whole records (RFC 6347 §4.1.1).
  static void check_borders(std::span<const uint8_t> datagram)
  {
    while (!datagram.empty()) {
      fail_unless(datagram.size() >= 13);
      const size_t length = 13 + (datagram[11] << 8 | datagram[12]);
      fail_unless(datagram.size() >= length);
      datagram = datagram.subspan(length);
    }
  }

  const std::shared_ptr<const Certificate> certificate;
  std::deque<Datagram> sent;
  size_t largest = 0;
  std::optional<SrtpKeys> keys;
  std::vector<std::string> failures;
  int closed = 0;
  Dtls dtls;
};

// Two of them; `filter` says of each datagram, by its number, whether it gets through.
class Pair {
public:
  Pair() : context_(g_main_context_new()), client(context_), server(context_) {}
  Pair(const Pair &) = delete;
  Pair &operator=(const Pair &) = delete;
  ~Pair() { g_main_context_unref(context_); }

  void deliver(const std::function<bool(int)> &filter = nullptr)
  {
    while (!client.sent.empty() || !server.sent.empty()) {
      deliver_one(client, server, filter);
      deliver_one(server, client, filter);
    }
  }
  // Goes on with the timers of DTLS.
  bool deliver_until(const std::function<bool()> &is_so,
                     const std::function<bool(int)> &filter = nullptr)
  {
    const gint64 end_us = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
    while (!is_so() && g_get_monotonic_time() < end_us) {
      deliver(filter);
      while (g_main_context_iteration(context_, FALSE)) {
      }
      g_usleep(1000);
    }
    return is_so();
  }
  bool start()
  {
    return server.dtls.start(DtlsRole::Server, {client.certificate->fingerprint()}).ok() &&
           client.dtls.start(DtlsRole::Client, {server.certificate->fingerprint()}).ok();
  }

private:
  void deliver_one(Side &from, Side &to, const std::function<bool(int)> &filter)
  {
    if (from.sent.empty())
      return;
    const Datagram datagram = std::move(from.sent.front());
    from.sent.pop_front();
    if (filter == nullptr || filter(count_++))
      to.dtls.receive(datagram);
  }

  GMainContext *const context_;
  int count_ = 0;

public:
  Side client;
  Side server;
};

GST_START_TEST(handshake_gives_both_the_same_keys)
{
  Pair pair;
  fail_unless(pair.start());
  pair.deliver();
  fail_unless(pair.client.keys && pair.server.keys);
  fail_unless(pair.client.keys->local == pair.server.keys->remote);
  fail_unless(pair.client.keys->remote == pair.server.keys->local);
  fail_unless(pair.client.keys->local != pair.client.keys->remote);
  fail_unless(pair.client.keys->profile == SrtpProfile::AeadAes128Gcm);
  fail_unless_equals_int(pair.client.keys->local.size(), 28);
  fail_unless(pair.client.largest <= Dtls::kMtu && pair.server.largest <= Dtls::kMtu);
  fail_unless(pair.client.dtls.peer_digest() ==
              digest_text(pair.server.certificate->fingerprint().digest));
  // The end is told to the other side.
  pair.client.dtls.close();
  pair.deliver();
  fail_unless_equals_int(pair.server.closed, 1);
  fail_unless_equals_int(pair.client.closed, 0);
  fail_unless(pair.client.failures.empty() && pair.server.failures.empty());
  fail_unless(!pair.server.dtls.receive(Datagram(20, 22)));
}
GST_END_TEST

GST_START_TEST(lost_datagrams_are_sent_again)
{
  // Each one of the first ones is lost in turn, and then several of them.
  for (int lost = 0; lost < 6; lost++) {
    Pair pair;
    fail_unless(pair.start());
    const auto is_done = [&] { return pair.client.keys && pair.server.keys; };
    fail_unless(pair.deliver_until(is_done,
                                   [=](int number) {
                                     return lost == 5 ? number % 3 != 0 || number > 12
                                                      : number != lost;
                                   }),
                "lost %d", lost);
  }
}
GST_END_TEST

GST_START_TEST(wrong_fingerprint_ends_the_handshake)
{
  for (const bool client_is_deceived : {true, false}) {
    Pair pair;
    const auto wrong = make_certificate()->fingerprint();
    fail_unless(pair.server.dtls
                    .start(DtlsRole::Server,
                           {client_is_deceived ? pair.client.certificate->fingerprint() : wrong})
                    .ok());
    fail_unless(pair.client.dtls
                    .start(DtlsRole::Client,
                           {client_is_deceived ? wrong : pair.server.certificate->fingerprint()})
                    .ok());
    pair.deliver();
    Side &deceived = client_is_deceived ? pair.client : pair.server;
    Side &other = client_is_deceived ? pair.server : pair.client;
    fail_unless(!pair.client.keys && !pair.server.keys);
    fail_unless_equals_int(deceived.failures.size(), 1);
    fail_unless(deceived.failures[0].find("not the one that its description") != std::string::npos);
    fail_unless(!deceived.dtls.is_verified() && !other.dtls.is_verified());
    // The other side was told by an alert.
    fail_unless_equals_int(other.failures.size(), 1);
  }
}
GST_END_TEST

GST_START_TEST(early_datagrams_are_kept_to_a_bound)
{
  Pair pair;
  fail_unless(
      pair.client.dtls.start(DtlsRole::Client, {pair.server.certificate->fingerprint()}).ok());
  fail_unless(!pair.client.sent.empty());
  pair.deliver();
  fail_unless(pair.server.sent.empty());
  size_t kept = 1;
  while (pair.server.dtls.receive(Datagram(100, 22)))
    kept++;
  fail_unless_equals_int(kept, Dtls::kMaxEarlyDatagrams);
  fail_unless(
      pair.server.dtls.start(DtlsRole::Server, {pair.client.certificate->fingerprint()}).ok());
  pair.deliver();
  fail_unless(pair.client.keys && pair.server.keys);
}
GST_END_TEST

GST_START_TEST(garbage_does_not_end_an_association)
{
  Pair pair;
  fail_unless(pair.start());
  pair.deliver();
  GRand *random = g_rand_new_with_seed(7);
  for (int i = 0; i < 500; i++) {
    Datagram garbage(13 + g_rand_int_range(random, 0, 1200));
    for (uint8_t &byte : garbage)
      byte = static_cast<uint8_t>(g_rand_int(random));
    garbage[0] = static_cast<uint8_t>(g_rand_int_range(random, 20, 64));
    if (i % 2 == 0) {
      garbage[1] = 254;
      garbage[2] = 253;
      garbage[11] = static_cast<uint8_t>((garbage.size() - 13) >> 8);
      garbage[12] = static_cast<uint8_t>(garbage.size() - 13);
    }
    pair.server.dtls.receive(garbage);
    pair.client.dtls.receive(garbage);
  }
  g_rand_free(random);
  pair.deliver();
  fail_unless(pair.client.failures.empty() && pair.server.failures.empty());
  fail_unless(pair.client.dtls.is_verified() && pair.server.dtls.is_verified());
}
GST_END_TEST

// A peer of plain OpenSSL.
class PlainPeer {
public:
  // RSA of 2048 bits, as older peers have, where `with_rsa`.
  PlainPeer(bool with_rsa, const char *srtp_profiles, bool is_client)
      : key_(with_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")),
        certificate_(make_certificate(key_.get())),
        context_(SSL_CTX_new(DTLS_method())),
        bio_([this](std::span<const uint8_t> datagram) {
          sent.emplace_back(datagram.begin(), datagram.end());
        })
  {
    fail_unless(SSL_CTX_use_certificate(context_.get(), certificate_.get()) == 1);
    fail_unless(SSL_CTX_use_PrivateKey(context_.get(), key_.get()) == 1);
    SSL_CTX_set_options(context_.get(), SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(
        context_.get(), [](X509_STORE_CTX *, void *) { return 1; }, nullptr);
    if (srtp_profiles != nullptr)
      fail_unless(SSL_CTX_set_tlsext_use_srtp(context_.get(), srtp_profiles) == 0);
    ssl_.reset(SSL_new(context_.get()));
    BIO *raw = bio_.create();
    SSL_set_bio(ssl_.get(), raw, raw);
    SSL_set_mtu(ssl_.get(), 600);
    if (is_client)
      SSL_set_connect_state(ssl_.get());
    else
      SSL_set_accept_state(ssl_.get());
  }

  Fingerprint fingerprint() const
  {
    std::vector<uint8_t> digest(32);
    fail_unless(X509_digest(certificate_.get(), EVP_sha256(), digest.data(), nullptr) == 1);
    return {"sha-256", digest};
  }
  void receive(const Datagram &datagram)
  {
    bio_.offer(datagram);
    SSL_do_handshake(ssl_.get());
  }
  void begin() { SSL_do_handshake(ssl_.get()); }

  std::deque<Datagram> sent;

private:
  static X509Ptr make_certificate(EVP_PKEY *key)
  {
    X509Ptr x509(X509_new());
    X509_gmtime_adj(X509_getm_notBefore(x509.get()), -1000);
    X509_gmtime_adj(X509_getm_notAfter(x509.get()), 1000);
    X509_set_pubkey(x509.get(), key);
    fail_unless(X509_sign(x509.get(), key, EVP_sha256()) > 0);
    return x509;
  }

  const KeyPtr key_;
  const X509Ptr certificate_;
  const SslContextPtr context_;
  DatagramBio bio_;
  SslPtr ssl_;
};

static void shake_hands(Side &side, PlainPeer &peer, bool peer_is_client)
{
  fail_unless(
      side.dtls.start(peer_is_client ? DtlsRole::Server : DtlsRole::Client, {peer.fingerprint()})
          .ok());
  if (peer_is_client)
    peer.begin();
  for (int i = 0; i < 20; i++) {
    for (const Datagram &datagram : std::exchange(peer.sent, {}))
      side.dtls.receive(datagram);
    for (const Datagram &datagram : std::exchange(side.sent, {}))
      peer.receive(datagram);
  }
}

GST_START_TEST(peer_with_another_kind_of_key_is_taken)
{
  GMainContext *context = g_main_context_new();
  for (const bool peer_is_client : {false, true}) {
    Side side(context);
    PlainPeer peer(true, "SRTP_AES128_CM_SHA1_80", peer_is_client);
    shake_hands(side, peer, peer_is_client);
    fail_unless(side.failures.empty(), "%s", side.failures[0].c_str());
    fail_unless(side.keys && side.keys->profile == SrtpProfile::AesCm128HmacSha1_80);
    fail_unless_equals_int(side.keys->local.size(), 30);
  }
  g_main_context_unref(context);
}
GST_END_TEST

GST_START_TEST(peer_without_use_srtp_is_refused)
{
  GMainContext *context = g_main_context_new();
  for (const bool peer_is_client : {false, true}) {
    // No SRTP at all, or only with a tag that is too short.
    for (const char *profiles : {static_cast<const char *>(nullptr), "SRTP_AES128_CM_SHA1_32"}) {
      Side side(context);
      PlainPeer peer(false, profiles, peer_is_client);
      shake_hands(side, peer, peer_is_client);
      fail_unless(!side.keys && !side.dtls.is_verified());
      fail_unless_equals_int(side.failures.size(), 1);
      fail_unless(side.failures[0].find("use_srtp") != std::string::npos, "%s",
                  side.failures[0].c_str());
    }
  }
  g_main_context_unref(context);
}
GST_END_TEST

GST_START_TEST(bio_keeps_the_borders_of_datagrams)
{
  std::vector<Datagram> written;
  DatagramBio bio([&](std::span<const uint8_t> datagram) {
    written.emplace_back(datagram.begin(), datagram.end());
  });
  const BioPtr raw(bio.create());
  const uint8_t data[100] = {1, 2, 3};
  fail_unless_equals_int(BIO_write(raw.get(), data, 100), 100);
  fail_unless_equals_int(BIO_write(raw.get(), data, 3), 3);
  fail_unless_equals_int(written.size(), 2);
  fail_unless_equals_int(written[0].size(), 100);
  fail_unless_equals_int(written[1].size(), 3);
  uint8_t read[64] = {};
  fail_unless_equals_int(BIO_read(raw.get(), read, sizeof read), -1);
  fail_unless(BIO_should_retry(raw.get()));
  bio.offer({data, 3});
  fail_unless_equals_int(BIO_read(raw.get(), read, sizeof read), 3);
  fail_unless_equals_int(read[2], 3);
  fail_unless_equals_int(BIO_read(raw.get(), read, sizeof read), -1);
  // What does not fit is cut off, and not the beginning of the next one.
  bio.offer({data, 100});
  fail_unless_equals_int(BIO_read(raw.get(), read, sizeof read), 64);
  fail_unless_equals_int(BIO_read(raw.get(), read, sizeof read), -1);
}
GST_END_TEST

// --- SRTP

static SrtpKeys make_keys(SrtpProfile profile, uint8_t local, uint8_t remote)
{
  const SrtpProfileSizes sizes = sizes_of(profile);
  SrtpKeys keys;
  keys.profile = profile;
  keys.local.assign(sizes.key + sizes.salt, local);
  keys.remote.assign(sizes.key + sizes.salt, remote);
  return keys;
}

static std::unique_ptr<Srtp> make_srtp(SrtpProfile profile, uint8_t local, uint8_t remote)
{
  auto made = Srtp::create(make_keys(profile, local, remote));
  fail_unless(made.ok());
  return std::move(*made);
}

static Datagram make_packet(uint16_t number)
{
  Datagram packet(200, 7);
  const uint8_t header[12] = {
      0x80, 96, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number), 0, 0, 0, 0, 1, 2,
      3,    4};
  std::copy_n(header, 12, packet.begin());
  return packet;
}

static Datagram protect(Srtp &srtp, PacketKind kind, Datagram packet)
{
  size_t size = packet.size();
  packet.resize(size + Srtp::kMaxOverhead);
  fail_unless(srtp.protect(kind, packet.data(), packet.size(), &size) == SrtpOutcome::Ok);
  packet.resize(size);
  return packet;
}

static SrtpOutcome unprotect(Srtp &srtp, PacketKind kind, Datagram *packet)
{
  size_t size = packet->size();
  const SrtpOutcome outcome = srtp.unprotect(kind, packet->data(), &size);
  if (outcome == SrtpOutcome::Ok)
    packet->resize(size);
  return outcome;
}

static const SrtpProfile kProfiles[] = {SrtpProfile::AesCm128HmacSha1_80,
                                        SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm};

GST_START_TEST(packets_come_through_each_profile)
{
  const auto a = make_srtp(kProfiles[__i__], 1, 2);
  const auto b = make_srtp(kProfiles[__i__], 2, 1);
  for (uint16_t i = 0; i < 100; i++) {
    Datagram packet = protect(*a, PacketKind::Rtp, make_packet(i));
    fail_unless(packet.size() > 200 && packet.size() <= 200 + Srtp::kMaxOverhead);
    fail_unless(packet[100] != 7 || packet[101] != 7 || packet[102] != 7);
    fail_unless(unprotect(*b, PacketKind::Rtp, &packet) == SrtpOutcome::Ok);
    fail_unless(packet == make_packet(i));
  }
  const Datagram report = {0x80, 201, 0, 1, 1, 2, 3, 4};
  Datagram packet = protect(*b, PacketKind::Rtcp, report);
  fail_unless(unprotect(*a, PacketKind::Rtcp, &packet) == SrtpOutcome::Ok);
  fail_unless(packet == report);
}
GST_END_TEST

GST_START_TEST(what_is_refused_is_refused_for_its_reason)
{
  const auto a = make_srtp(kProfiles[__i__], 1, 2);
  const auto b = make_srtp(kProfiles[__i__], 2, 1);
  Datagram first = protect(*a, PacketKind::Rtp, make_packet(1));
  Datagram changed = first;
  changed[50] ^= 1;
  fail_unless(unprotect(*b, PacketKind::Rtp, &changed) == SrtpOutcome::Authentication);
  Datagram again = first;
  fail_unless(unprotect(*b, PacketKind::Rtp, &first) == SrtpOutcome::Ok);
  fail_unless(unprotect(*b, PacketKind::Rtp, &again) == SrtpOutcome::Replay);
  const auto stranger = make_srtp(kProfiles[__i__], 9, 9);
  Datagram foreign = protect(*stranger, PacketKind::Rtp, make_packet(2));
  fail_unless(unprotect(*b, PacketKind::Rtp, &foreign) == SrtpOutcome::Authentication);
  // 1,000 packets late is within the window, 1,100 is not.
  Datagram late = protect(*a, PacketKind::Rtp, make_packet(2));
  Datagram too_late = protect(*a, PacketKind::Rtp, make_packet(3));
  Datagram newest = protect(*a, PacketKind::Rtp, make_packet(1002));
  fail_unless(unprotect(*b, PacketKind::Rtp, &newest) == SrtpOutcome::Ok);
  fail_unless(unprotect(*b, PacketKind::Rtp, &late) == SrtpOutcome::Ok);
  newest = protect(*a, PacketKind::Rtp, make_packet(1103));
  fail_unless(unprotect(*b, PacketKind::Rtp, &newest) == SrtpOutcome::Ok);
  fail_unless(unprotect(*b, PacketKind::Rtp, &too_late) == SrtpOutcome::Replay);
}
GST_END_TEST

GST_START_TEST(hostile_lengths_are_refused)
{
  const auto a = make_srtp(kProfiles[__i__], 1, 2);
  const auto b = make_srtp(kProfiles[__i__], 2, 1);
  for (size_t size = 0; size < 60; size++) {
    for (const PacketKind kind : {PacketKind::Rtp, PacketKind::Rtcp}) {
      // 15 contributing sources and an extension that are not there.
      Datagram packet(size, 0xff);
      if (size > 1) {
        packet[0] = 0xbf;
        packet[1] = kind == PacketKind::Rtp ? 96 : 200;
      }
      Datagram copy = packet;
      fail_unless(unprotect(*b, kind, &packet) != SrtpOutcome::Ok);
      // And no packet of ours without room for what is added.
      size_t length = copy.size();
      fail_unless(a->protect(kind, copy.data(), copy.size(), &length) == SrtpOutcome::Malformed);
    }
  }
}
GST_END_TEST

// A NACK without RTX: the same packet goes out again.
GST_START_TEST(packet_may_be_sent_again)
{
  const auto a = make_srtp(kProfiles[__i__], 1, 2);
  const Datagram once = protect(*a, PacketKind::Rtp, make_packet(1));
  (void)protect(*a, PacketKind::Rtp, make_packet(2));
  fail_unless(protect(*a, PacketKind::Rtp, make_packet(1)) == once);
}
GST_END_TEST

GST_START_TEST(keys_of_the_wrong_length_are_refused)
{
  SrtpKeys keys = make_keys(SrtpProfile::AeadAes256Gcm, 1, 2);
  keys.remote.pop_back();
  fail_unless(!Srtp::create(keys).ok());
}
GST_END_TEST

static Suite *webrtc_dtls_suite()
{
  Suite *suite = suite_create("webrtc-dtls");
  TCase *tc = tcase_create("general");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, handshake_gives_both_the_same_keys);
  tcase_add_test(tc, lost_datagrams_are_sent_again);
  tcase_add_test(tc, wrong_fingerprint_ends_the_handshake);
  tcase_add_test(tc, early_datagrams_are_kept_to_a_bound);
  tcase_add_test(tc, garbage_does_not_end_an_association);
  tcase_add_test(tc, peer_with_another_kind_of_key_is_taken);
  tcase_add_test(tc, peer_without_use_srtp_is_refused);
  tcase_add_test(tc, bio_keeps_the_borders_of_datagrams);
  tcase_add_loop_test(tc, packets_come_through_each_profile, 0, 3);
  tcase_add_loop_test(tc, what_is_refused_is_refused_for_its_reason, 0, 3);
  tcase_add_loop_test(tc, hostile_lengths_are_refused, 0, 3);
  tcase_add_loop_test(tc, packet_may_be_sent_again, 0, 3);
  tcase_add_test(tc, keys_of_the_wrong_length_are_refused);
  return suite;
}

GST_CHECK_MAIN(webrtc_dtls)
