// SPDX-License-Identifier: LGPL-2.1-or-later
// Datagrams as anybody may send them, and real ones that were changed on the way: the
// demultiplexer, DTLS in each role and SRTP do not break, and take nothing that the peer did not
// send.
//
// The first byte of an input says what the rest is: datagrams with their lengths, or what becomes
// of each datagram of a handshake, or of a row of packets.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <string_view>

#include "ext/webrtc/transport/candidate.h"
#include "ext/webrtc/transport/demultiplexer.h"
#include "ext/webrtc/transport/dtls.h"
#include "ext/webrtc/transport/srtp.h"

using namespace streamlib::webrtc;
using Datagram = std::vector<uint8_t>;

namespace {

constexpr size_t kMaxDatagram = 2000;
constexpr int kMaxDatagrams = 40;

void require(bool condition, const char *what)
{
  if (condition)
    return;
  fprintf(stderr, "%s\n", what);
  abort();
}

class Input {
public:
  Input(const uint8_t *data, size_t size) : data_(data, size) {}

  bool is_empty() const { return data_.empty(); }
  uint8_t byte()
  {
    if (data_.empty())
      return 0;
    const uint8_t value = data_[0];
    data_ = data_.subspan(1);
    return value;
  }
  size_t word() { return static_cast<size_t>(byte()) << 8 | byte(); }
  // A copy of its own size, so that a read behind its end is seen.
  Datagram datagram()
  {
    const size_t size = std::min({word(), kMaxDatagram, data_.size()});
    Datagram result(data_.begin(), data_.begin() + static_cast<long>(size));
    data_ = data_.subspan(size);
    return result;
  }

private:
  std::span<const uint8_t> data_;
};

// What becomes of a datagram on the way: none, one or several of them.
std::vector<Datagram> pass(Input *input, Datagram datagram)
{
  switch (input->byte() % 8) {
    case 1:
      datagram[input->word() % datagram.size()] ^= static_cast<uint8_t>(input->byte() | 1);
      return {datagram};
    case 2:
      datagram.resize(input->word() % (datagram.size() + 1));
      return {datagram};
    case 3:
      return {datagram, datagram};
    case 4:
      return {};
    case 5: {
      const Datagram more = input->datagram();
      datagram.insert(datagram.end(), more.begin(), more.end());
      return {datagram};
    }
    case 6:
      return {input->datagram(), datagram};
    default:
      return {datagram};
  }
}

class Side : public DtlsOwner {
public:
  Side(GMainContext *context, std::shared_ptr<const Certificate> certificate)
      : dtls(std::move(certificate), context, *this)
  {}
  virtual ~Side() = default;
  void dtls_send(std::span<const uint8_t> datagram) override
  {
    require(datagram.size() <= Dtls::kMtu, "a datagram is too long");
    sent.emplace_back(datagram.begin(), datagram.end());
  }
  void dtls_verified(SrtpKeys given) override { keys.emplace(std::move(given)); }
  void dtls_failed(streamlib::support::Failure failure) override
  {
    require(!failure.text.empty(), "no reason");
  }
  void dtls_closed() override {}

  std::deque<Datagram> sent;
  std::optional<SrtpKeys> keys;
  Dtls dtls;
};

struct World {
  GMainContext *context = g_main_context_new();
  std::shared_ptr<const Certificate> client = *Certificate::create();
  std::shared_ptr<const Certificate> server = *Certificate::create();
};

const World &world()
{
  static const World one;
  return one;
}

void try_handshake(Input *input)
{
  const World &of = world();
  Side client(of.context, of.client);
  Side server(of.context, of.server);
  const bool is_late = (input->byte() & 1) != 0;
  if (!is_late)
    require(server.dtls.start(DtlsRole::Server, {of.client->fingerprint()}).ok(), "no start");
  require(client.dtls.start(DtlsRole::Client, {of.server->fingerprint()}).ok(), "no start");
  for (int i = 0; i < kMaxDatagrams && (!client.sent.empty() || !server.sent.empty()); i++) {
    for (const auto &[from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
      if (from->sent.empty())
        continue;
      const Datagram datagram = std::move(from->sent.front());
      from->sent.pop_front();
      for (const Datagram &one : pass(input, datagram))
        to->dtls.receive(one);
    }
    if (is_late && !server.dtls.is_started())
      require(server.dtls.start(DtlsRole::Server, {of.client->fingerprint()}).ok(), "no start");
  }
  for (int i = 0; i < kMaxDatagrams && !input->is_empty(); i++) {
    const Datagram datagram = input->datagram();
    client.dtls.receive(datagram);
    server.dtls.receive(datagram);
  }
  if (client.keys && server.keys)
    require(client.keys->local == server.keys->remote && client.keys->remote == server.keys->local,
            "the keys differ");
  client.dtls.close();
  server.dtls.close();
}

SrtpKeys make_keys(SrtpProfile profile, uint8_t local, uint8_t remote)
{
  const SrtpProfileSizes sizes = sizes_of(profile);
  SrtpKeys keys;
  keys.profile = profile;
  keys.local.assign(sizes.key + sizes.salt, local);
  keys.remote.assign(sizes.key + sizes.salt, remote);
  return keys;
}

void try_packets(Input *input)
{
  const auto profile = static_cast<SrtpProfile>(input->byte() % 3);
  const auto sending = Srtp::create(make_keys(profile, 1, 2));
  const auto receiving = Srtp::create(make_keys(profile, 2, 1));
  require(sending.ok() && receiving.ok(), "no SRTP");
  std::vector<Datagram> known;
  for (int i = 0; i < kMaxDatagrams && !input->is_empty(); i++) {
    Datagram packet = input->datagram();
    const PacketKind kind = (input->byte() & 1) != 0 ? PacketKind::Rtcp : PacketKind::Rtp;
    size_t size = packet.size();
    const Datagram plain = packet;
    packet.resize(size + Srtp::kMaxOverhead);
    if ((*sending)->protect(kind, packet.data(), packet.size(), &size) != SrtpOutcome::Ok)
      continue;
    packet.resize(size);
    known.push_back(plain);
    for (Datagram &one : pass(input, packet)) {
      size_t length = one.size();
      if ((*receiving)->unprotect(kind, one.data(), &length) != SrtpOutcome::Ok)
        continue;
      require(length <= one.size(), "a packet has grown");
      one.resize(length);
      require(std::find(known.begin(), known.end(), one) != known.end(),
              "a packet was taken that was never sent");
    }
  }
}

void try_datagrams(Input *input)
{
  const World &of = world();
  Side client(of.context, of.client);
  Side server(of.context, of.server);
  (void)client.dtls.start(DtlsRole::Client, {of.server->fingerprint()}).ok();
  (void)server.dtls.start(DtlsRole::Server, {of.client->fingerprint()}).ok();
  const auto srtp = Srtp::create(make_keys(static_cast<SrtpProfile>(input->byte() % 3), 1, 2));
  require(srtp.ok(), "no SRTP");
  for (int i = 0; i < kMaxDatagrams && !input->is_empty(); i++) {
    Datagram datagram = input->datagram();
    const DatagramKind kind = classify(datagram);
    size_t size = datagram.size();
    if (kind == DatagramKind::Dtls) {
      client.dtls.receive(datagram);
      server.dtls.receive(datagram);
    } else if (kind == DatagramKind::Rtp || kind == DatagramKind::Rtcp) {
      require((*srtp)->unprotect(kind == DatagramKind::Rtp ? PacketKind::Rtp : PacketKind::Rtcp,
                                 datagram.data(), &size) != SrtpOutcome::Ok,
              "a packet was taken that was never sent");
    } else {
      const auto parsed =
          parse_candidate({reinterpret_cast<const char *>(datagram.data()), datagram.size()});
      require(!parsed.ok() || parsed->component == 1, "a candidate of another component");
    }
  }
  require(!client.keys && !server.keys, "a handshake without a peer");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  Input input(data, size);
  switch (input.byte() % 3) {
    case 0:
      try_datagrams(&input);
      break;
    case 1:
      try_handshake(&input);
      break;
    default:
      try_packets(&input);
      break;
  }
  return 0;
}
