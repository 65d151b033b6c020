// SPDX-License-Identifier: LGPL-2.1-or-later
// What a Transport is made of.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "ext/webrtc/transport/certificate.h"
#include "ext/webrtc/transport/dtls.h"
#include "ext/webrtc/transport/ice.h"
#include "ext/webrtc/transport/main_context.h"
#include "ext/webrtc/transport/send_queue.h"
#include "ext/webrtc/transport/srtp.h"
#include "ext/webrtc/transport/transport.h"

namespace streamlib::webrtc {

// Everything in the I/O context, except send(), stats() and dropping the last reference.
class TransportImpl final : public Transport, private DtlsOwner, private IceOwner {
public:
  TransportImpl(GMainContext *context, TransportSettings settings,
                std::shared_ptr<const Certificate> certificate, TransportListener &listener,
                PacketReceiver &receiver);
  TransportImpl(const TransportImpl &) = delete;
  TransportImpl &operator=(const TransportImpl &) = delete;
  ~TransportImpl();
  support::Status set_up();
  // The deleter of the shared pointer.
  static void let_go(TransportImpl *self);

  void send(PacketKind kind, support::MiniPtr<GstBuffer> packet) override;
  void set_servers(std::vector<IceServer> servers) override
  {
    settings_.servers = std::move(servers);
  }
  support::Status start_gathering() override;
  TransportParameters local_parameters() const override;
  support::Status set_remote(const TransportParameters &parameters) override;
  support::Status add_remote_candidates(const std::string &ufrag,
                                        const std::vector<std::string> &candidates,
                                        bool is_end) override;
  support::Status begin_restart() override;
  support::Status finish_restart(const TransportParameters &parameters) override;
  void cancel_restart() override;
  TransportState state() const override { return state_; }
  bool has_lost_address() override { return ice_ != nullptr && ice_->has_lost_address(); }
  TransportStats stats() const override;
  void close(std::function<void()> done) override;

private:
  // What becomes of a packet that is to go out.
  enum class Flow { HeldBack, Open, Interrupted };

  bool is_over() const
  {
    return state_ == TransportState::Failed || state_ == TransportState::Closed;
  }
  template <typename Call>
  void tell(Call call);
  void set_state(TransportState state, support::Failure why = {});
  void give_up(support::Failure why);
  void warn(const support::Failure &why);

  support::Result<DtlsRole> role_with(DtlsSetup remote) const;
  void gather(ResolvedIceServers found);
  void give_remote(Ice *ice, const TransportParameters &parameters);
  void start_dtls_if_due();
  void update();
  void note_pair();
  support::Failure no_relay_of(const std::vector<std::string> &servers) const;
  bool renew_consent();
  void on_connect_limit();
  void adopt_restart();
  void retire(std::unique_ptr<Ice> ice);
  void close_ice(std::unique_ptr<Ice> ice);
  void close_all_ice();
  void on_ice_closed();

  void ice_candidate(Ice &ice, const std::string &candidate) override;
  void ice_gathered(Ice &ice) override;
  void ice_changed(Ice &ice) override;
  void ice_received(Ice &ice, std::span<const uint8_t> datagram) override;
  void dtls_send(std::span<const uint8_t> datagram) override;
  void dtls_verified(SrtpKeys keys) override;
  void dtls_failed(support::Failure failure) override;
  void dtls_closed() override;

  // transport_media.cpp
  void drop_unsent(Flow flow);
  void send_now(PacketKind kind, support::MiniPtr<GstBuffer> packet);
  void receive_media(PacketKind kind, std::span<const uint8_t> datagram);

  GMainContext *const context_;
  TransportSettings settings_;
  const std::shared_ptr<const Certificate> certificate_;
  // Null once it is to hear nothing more.
  TransportListener *listener_;
  PacketReceiver *receiver_;
  TransportState state_ = TransportState::New;
  std::vector<ParsedIceServer> servers_;
  std::optional<TransportParameters> remote_;
  std::optional<DtlsRole> role_;
  bool is_gathering_ = false;
  bool has_told_relays_ = false;
  int64_t remote_since_us_ = 0;
  int64_t last_authentic_us_ = 0;  // A packet of the peer's SRTP.
  int64_t last_renewal_us_ = 0;
  size_t closing_ = 0;
  std::vector<std::function<void()>> closed_;
  // Ends with this object; a callback that may come later looks whether it is still there.
  const std::shared_ptr<TransportImpl *> self_ = std::make_shared<TransportImpl *>(this);
  const support::GObjectPtr<GCancellable> cancellable_ = support::adopt_object(g_cancellable_new());
  support::SourceGuard connect_limit_;
  support::SourceGuard restart_limit_;
  support::SourceGuard retirement_;

  TransportCounters counters_;
  std::atomic<Flow> flow_ = Flow::HeldBack;
  std::atomic<int64_t> last_received_us_ = 0;
  // Guards details_; no other lock is taken under it.
  mutable GMutex mutex_;
  TransportStats details_;

  std::unique_ptr<Srtp> srtp_;
  Dtls dtls_;
  std::unique_ptr<Ice> ice_;
  std::unique_ptr<Ice> next_;     // Of a restart that is under way.
  std::unique_ptr<Ice> retired_;  // Of the generation before, for what is still on its way.
  SendQueue queue_;
  Deferred deferred_;
};

}  // namespace streamlib::webrtc
