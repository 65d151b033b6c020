// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/transport.h"

#include <algorithm>

#include "ext/webrtc/transport/candidate.h"
#include "ext/webrtc/transport/transport_impl.h"

namespace streamlib::webrtc {

using support::Done;
using support::Failure;
using support::MutexLock;
using support::Result;
using support::Status;

namespace {

// For name servers to say where the STUN and TURN servers are.
constexpr guint kResolveLimitMs = 1800;
// The peer goes on sending the old way until its own checks have passed.
constexpr guint kRetirementMs = 3000;
// Most peers report as often. A peer that is gone, and answered the last check before, has been
// silent for 4 s when its consent expires.
constexpr int64_t kAliveUs = int64_t{3} * G_USEC_PER_SEC;
// Where consent is lost this soon after it was renewed, none was given in between: libnice begins
// to count with its next check, within 6 s, and waits for 10 s.
constexpr int64_t kRenewalUs = int64_t{18} * G_USEC_PER_SEC;

std::string seconds_text(guint ms)
{
  return std::to_string(ms / 1000) + "." + std::to_string(ms % 1000 / 100);
}

IceSettings ice_settings_of(const TransportSettings &settings,
                            const std::vector<ParsedIceServer> &servers)
{
  IceSettings ice;
  ice.is_controlling = settings.is_offering;
  ice.with_tcp = settings.ice_tcp;
  ice.relay_only = settings.relay_only;
  ice.local_addresses = settings.local_addresses;
  ice.with_loopback = settings.with_loopback;
  ice.servers = servers;
  return ice;
}

}  // namespace

Result<std::shared_ptr<Transport>> Transport::create(GMainContext *context,
                                                     TransportSettings settings,
                                                     TransportListener &listener,
                                                     PacketReceiver &receiver)
{
  auto certificate = Certificate::create();
  if (!certificate)
    return certificate.take_error();
  std::shared_ptr<TransportImpl> impl(
      new TransportImpl(context, std::move(settings), *certificate, listener, receiver),
      &TransportImpl::let_go);
  Status made = impl->set_up();
  if (!made)
    return made.take_error();
  return std::shared_ptr<Transport>(std::move(impl));
}

TransportImpl::TransportImpl(GMainContext *context, TransportSettings settings,
                             std::shared_ptr<const Certificate> certificate,
                             TransportListener &listener, PacketReceiver &receiver)
    : context_(g_main_context_ref(context)),
      settings_(std::move(settings)),
      certificate_(std::move(certificate)),
      listener_(&listener),
      receiver_(&receiver),
      dtls_(certificate_, context, *this),
      queue_(context, [this](PacketKind kind,
                             support::MiniPtr<GstBuffer> packet) { send_now(kind, packet); }),
      deferred_(context)
{
  g_mutex_init(&mutex_);
}

TransportImpl::~TransportImpl()
{
  *self_ = nullptr;
  g_cancellable_cancel(cancellable_.get());
  g_mutex_clear(&mutex_);
  g_main_context_unref(context_);
}

// Never deletes in place: the last reference may go in a callback of ours, or in another thread.
void TransportImpl::let_go(TransportImpl *self)
{
  if (g_main_context_acquire(self->context_)) {
    self->listener_ = nullptr;
    self->receiver_ = nullptr;
    g_main_context_release(self->context_);
  }
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_name(source, "streamlib WebRTC end");
  g_source_set_callback(
      source, [](gpointer) -> gboolean { return G_SOURCE_REMOVE; }, self,
      [](gpointer data) { delete static_cast<TransportImpl *>(data); });
  g_source_attach(source, self->context_);
  g_source_unref(source);
}

Status TransportImpl::set_up()
{
  auto ice = Ice::create(context_, ice_settings_of(settings_, {}), *this);
  if (!ice)
    return ice.take_error();
  ice_ = std::move(*ice);
  return Done{};
}

template <typename Call>
void TransportImpl::tell(Call call)
{
  deferred_.post([this, call] {
    if (listener_ != nullptr)
      call(*listener_);
  });
}

void TransportImpl::set_state(TransportState state, Failure why)
{
  if (state == state_ || is_over())
    return;
  state_ = state;
  tell([=](TransportListener &listener) { listener.state_changed(state, why.text, why.debug); });
}

void TransportImpl::warn(const Failure &why)
{
  tell([=](TransportListener &listener) { listener.warned(why.text, why.debug); });
}

// May be within a callback of libnice: the agents go afterwards.
void TransportImpl::give_up(Failure why)
{
  if (is_over())
    return;
  if (flow_.load() == Flow::Open)
    flow_.store(Flow::Interrupted);
  set_state(TransportState::Failed, std::move(why));
  deferred_.post([this] {
    dtls_.close();
    close_all_ice();
  });
}

Status TransportImpl::start_gathering()
{
  if (is_gathering_ || is_over())
    return Failure{0, "The search for addresses has begun already, or the transport is closed.",
                   ""};
  is_gathering_ = true;
  if (state_ == TransportState::New)
    set_state(TransportState::Gathering);
  const ThreadDefault scope(context_);
  support::run<ResolvedIceServers>(resolve_ice_servers(settings_.servers, kResolveLimitMs),
                                   cancellable_.get(), [self = self_](ResolvedIceServers found) {
                                     if (*self != nullptr)
                                       (*self)->gather(std::move(found));
                                   });
  return Done{};
}

void TransportImpl::gather(ResolvedIceServers found)
{
  if (is_over())
    return;
  for (const Failure &problem : found.problems)
    warn(problem);
  const auto is_relay = [](const ParsedIceServer &one) { return one.kind != IceServerKind::Stun; };
  if (settings_.relay_only && std::none_of(found.servers.begin(), found.servers.end(), is_relay)) {
    give_up(Failure{
        0,
        "Only relays are to be used, and there is no usable TURN server. Set turn-server, or "
        "ice-transport-policy to all.",
        std::to_string(settings_.servers.size()) + " servers given"});
    return;
  }
  servers_ = std::move(found.servers);
  ice_->add_servers(servers_);
  Status begun = ice_->gather();
  if (!begun)
    give_up(begun.take_error());
}

TransportParameters TransportImpl::local_parameters() const
{
  TransportParameters parameters;
  const Ice *ice = next_ != nullptr ? next_.get() : ice_.get();
  if (ice != nullptr) {
    parameters.credentials = ice->credentials();
    parameters.candidates = ice->candidates();
    parameters.end_of_candidates = ice->is_gathered();
  }
  parameters.trickle = true;
  parameters.fingerprints = {certificate_->fingerprint()};
  if (role_)
    parameters.setup = *role_ == DtlsRole::Client ? DtlsSetup::Active : DtlsSetup::Passive;
  else
    parameters.setup = settings_.is_offering ? DtlsSetup::Actpass : settings_.answer_setup;
  return parameters;
}

// RFC 8842 §5.
Result<DtlsRole> TransportImpl::role_with(DtlsSetup remote) const
{
  if (remote == DtlsSetup::Active)
    return DtlsRole::Server;
  if (remote == DtlsSetup::Passive)
    return DtlsRole::Client;
  if (settings_.is_offering)
    return Failure{0,
                   "The peer's answer leaves open who begins with DTLS; it must say a=setup:active "
                   "or a=setup:passive.",
                   "a=setup:actpass in an answer (RFC 8842 §5.3)"};
  return settings_.answer_setup == DtlsSetup::Passive ? DtlsRole::Server : DtlsRole::Client;
}

Status TransportImpl::set_remote(const TransportParameters &parameters)
{
  if (remote_ || is_over())
    return Failure{0, "The peer's parameters are there already, or the transport is closed.", ""};
  if (Status checked = check_fingerprints(parameters.fingerprints); !checked)
    return checked;
  const Result<DtlsRole> role = role_with(parameters.setup);
  if (!role)
    return role.error();
  if (Status taken = ice_->set_remote_credentials(parameters.credentials, parameters.ice_lite);
      !taken)
    return taken;
  remote_ = parameters;
  role_ = *role;
  remote_since_us_ = g_get_monotonic_time();
  set_state(TransportState::Connecting);
  connect_limit_ = call_after(context_, settings_.connect_limit_ms, [this] { on_connect_limit(); });
  give_remote(ice_.get(), parameters);
  start_dtls_if_due();
  update();
  return Done{};
}

void TransportImpl::give_remote(Ice *ice, const TransportParameters &parameters)
{
  if (Status added = ice->add_remote_candidates(parameters.candidates); !added)
    warn(added.error());
  // Who does not trickle has said all (RFC 8838 §4).
  if (parameters.end_of_candidates || !parameters.trickle)
    ice->end_remote_candidates();
}

Status TransportImpl::add_remote_candidates(const std::string &ufrag,
                                            const std::vector<std::string> &candidates, bool is_end)
{
  if (is_over())
    return Failure{0, "The transport is closed.", ""};
  Ice *ice = nullptr;
  for (Ice *one : {ice_.get(), next_.get()}) {
    const std::string known = one != nullptr ? one->remote_credentials().ufrag : "";
    if (!known.empty() && (ufrag.empty() || ufrag == known))
      ice = one;
  }
  if (ice == nullptr)
    return Failure{0, "A candidate of the peer belongs to no ICE session that is known here.",
                   "ufrag " + ufrag.substr(0, 32)};
  Status added = ice->add_remote_candidates(candidates);
  if (is_end)
    ice->end_remote_candidates();
  note_pair();
  return added;
}

// A server waits, and takes up what came before; a client needs a way to send.
void TransportImpl::start_dtls_if_due()
{
  if (dtls_.is_started() || !role_ || !remote_ ||
      (*role_ == DtlsRole::Client && ice_->state() != IceState::Connected))
    return;
  if (Status started = dtls_.start(*role_, remote_->fingerprints); !started)
    give_up(started.take_error());
}

// What ICE and DTLS together mean for the state.
void TransportImpl::update()
{
  if (is_over() || !dtls_.is_verified())
    return;
  if (ice_->state() == IceState::Connected) {
    connect_limit_.reset();
    {
      const MutexLock lock(mutex_);
      if (details_.connect_us == 0)
        details_.connect_us = g_get_monotonic_time() - remote_since_us_;
    }
    flow_.store(Flow::Open);
    set_state(TransportState::Connected);
  } else if (ice_->state() == IceState::Lost && state_ == TransportState::Connected &&
             !renew_consent()) {
    flow_.store(Flow::Interrupted);
    set_state(TransportState::Disconnected,
              Failure{0, "The peer does not answer any more: the network or the peer is gone.",
                      "consent to send expired (RFC 7675)"});
  }
}

// What is wrong with them is not known here: libnice says nothing of a refusal.
Failure TransportImpl::no_relay_of(const std::vector<std::string> &servers) const
{
  std::string names;
  for (const std::string &name : servers)
    names.append(names.empty() ? "" : ", ").append(name);
  const bool is_one = servers.size() == 1;
  return Failure{
      0,
      std::string(is_one ? "The TURN server " : "The TURN servers ") + names +
          (is_one ? " gives" : " give") +
          " no relay address. Check the address, the user and the password" +
          (settings_.relay_only && !ice_->has_relay() ? ", or set ice-transport-policy to all."
                                                      : "."),
      "no allocation (RFC 8656)"};
}

// Who sends authentic packets is alive, and some checks were lost on the way. Once in a row: then
// 30 s (RFC 7675 §5.1) would be over before the next answer.
bool TransportImpl::renew_consent()
{
  const int64_t now = g_get_monotonic_time();
  if (now - last_authentic_us_ > kAliveUs ||
      (last_renewal_us_ != 0 && now - last_renewal_us_ < kRenewalUs) || !ice_->renew_consent())
    return false;
  last_renewal_us_ = now;
  const MutexLock lock(mutex_);
  details_.consent_renewals++;
  return true;
}

void TransportImpl::on_connect_limit()
{
  const std::string seconds = seconds_text(settings_.connect_limit_ms);
  const IceFigures &figures = ice_->figures();
  if (settings_.relay_only && figures.local_candidates == 0)
    give_up(no_relay_of(ice_->silent_relays()));
  else if (ice_->state() == IceState::Connected)
    give_up(Failure{
        0, "The peer was found, but did not finish the DTLS handshake in " + seconds + " s.",
        "ICE " + std::string(ice_->component_state())});
  else
    give_up(Failure{0,
                    "No way to the peer was found in " + seconds +
                        " s; a firewall may be in between: a TURN server helps then.",
                    "ICE " + std::string(ice_->component_state()) +
                        ", candidates: " + std::to_string(figures.local_candidates) + " of ours, " +
                        std::to_string(figures.remote_candidates) + " of the peer, " +
                        std::to_string(figures.skipped_candidates) + " left out"});
}

Status TransportImpl::begin_restart()
{
  if (state_ != TransportState::Connected && state_ != TransportState::Disconnected)
    return Failure{0, "Only what was connected can restart ICE.", name_of(state_)};
  auto ice = Ice::create(context_, ice_settings_of(settings_, servers_), *this);
  if (!ice)
    return ice.take_error();
  cancel_restart();
  next_ = std::move(*ice);
  Status begun = next_->gather();
  if (!begun)
    cancel_restart();
  return begun;
}

Status TransportImpl::finish_restart(const TransportParameters &parameters)
{
  if (next_ == nullptr || is_over())
    return Failure{0, "No ICE restart is under way.", name_of(state_)};
  if (parameters.credentials == ice_->remote_credentials())
    return Failure{0, "The peer did not restart ICE: its credentials are the old ones.",
                   "ufrag " + parameters.credentials.ufrag.substr(0, 32)};
  if (Status taken = next_->set_remote_credentials(parameters.credentials, remote_->ice_lite);
      !taken)
    return taken;
  give_remote(next_.get(), parameters);
  restart_limit_ = call_after(context_, settings_.connect_limit_ms, [this] {
    cancel_restart();
    tell([](TransportListener &listener) { listener.restart_ended(false); });
  });
  return Done{};
}

void TransportImpl::cancel_restart()
{
  restart_limit_.reset();
  if (next_ != nullptr)
    close_ice(std::move(next_));
}

void TransportImpl::adopt_restart()
{
  restart_limit_.reset();
  retire(std::exchange(ice_, std::move(next_)));
  {
    const MutexLock lock(mutex_);
    details_.restarts++;
  }
  tell([](TransportListener &listener) { listener.restart_ended(true); });
}

void TransportImpl::retire(std::unique_ptr<Ice> ice)
{
  if (retired_ != nullptr)
    close_ice(std::move(retired_));
  retired_ = std::move(ice);
  retirement_ = call_after(context_, kRetirementMs, [this] { close_ice(std::move(retired_)); });
}

void TransportImpl::close_ice(std::unique_ptr<Ice> ice)
{
  closing_++;
  Ice::close(std::move(ice), [self = self_] {
    if (*self != nullptr)
      (*self)->on_ice_closed();
  });
}

void TransportImpl::close_all_ice()
{
  connect_limit_.reset();
  restart_limit_.reset();
  retirement_.reset();
  for (std::unique_ptr<Ice> *ice : {&ice_, &next_, &retired_}) {
    if (*ice != nullptr)
      close_ice(std::move(*ice));
  }
}

void TransportImpl::on_ice_closed()
{
  closing_--;
  if (closing_ > 0)
    return;
  // A call may be the end of this object; what is called does not live in it.
  const auto calls = std::exchange(closed_, {});
  for (const auto &call : calls)
    call();
}

void TransportImpl::close(std::function<void()> done)
{
  listener_ = nullptr;
  // What was sent before this call goes out, a BYE above all.
  queue_.flush();
  if (!is_over())
    dtls_.close();
  receiver_ = nullptr;
  flow_.store(Flow::Interrupted);
  set_state(TransportState::Closed);
  g_cancellable_cancel(cancellable_.get());
  if (done)
    closed_.push_back(std::move(done));
  // One more, so that `done` never comes from within this call.
  closing_++;
  close_all_ice();
  deferred_.post([this] { on_ice_closed(); });
}

TransportStats TransportImpl::stats() const
{
  TransportStats stats;
  {
    const MutexLock lock(mutex_);
    stats = details_;
  }
  counters_.read(&stats);
  const int64_t last_us = last_received_us_.load(std::memory_order_relaxed);
  stats.silent_us = last_us != 0 ? g_get_monotonic_time() - last_us : -1;
  return stats;
}

void TransportImpl::note_pair()
{
  const auto pair = ice_->selected_pair();
  const IceFigures &figures = ice_->figures();
  const MutexLock lock(mutex_);
  details_.local_address = pair.first;
  details_.remote_address = pair.second;
  details_.skipped_candidates = figures.skipped_candidates;
  details_.local_ufrag = ice_->credentials().ufrag;
  details_.remote_ufrag = ice_->remote_credentials().ufrag;
}

// --- ICE

void TransportImpl::ice_candidate(Ice &ice, const std::string &candidate)
{
  // Those of a generation that is on its way out are of no use to anybody.
  if (&ice != ice_.get() && &ice != next_.get())
    return;
  tell([ufrag = ice.credentials().ufrag, candidate](TransportListener &listener) {
    listener.candidate_found(ufrag, candidate);
  });
}

void TransportImpl::ice_gathered(Ice &ice)
{
  const auto silent = ice.silent_relays();
  if (&ice == ice_.get() && !is_over() && !has_told_relays_ && !silent.empty()) {
    has_told_relays_ = true;
    if (settings_.relay_only && ice.candidates().empty()) {
      give_up(no_relay_of(silent));
      return;
    }
    warn(no_relay_of(silent));
  }
  tell([ufrag = ice.credentials().ufrag](TransportListener &listener) {
    listener.gathering_done(ufrag);
  });
}

void TransportImpl::ice_changed(Ice &ice)
{
  if (&ice == next_.get() && ice.state() == IceState::Connected)
    adopt_restart();
  if (&ice != ice_.get() || is_over())
    return;
  note_pair();
  start_dtls_if_due();
  update();
}

// --- DTLS

void TransportImpl::dtls_send(std::span<const uint8_t> datagram)
{
  if (ice_ != nullptr)
    ice_->send(datagram);
}

void TransportImpl::dtls_verified(SrtpKeys keys)
{
  Result<std::unique_ptr<Srtp>> srtp = Srtp::create(keys);
  if (!srtp) {
    give_up(srtp.take_error());
    return;
  }
  srtp_ = std::move(*srtp);
  {
    const MutexLock lock(mutex_);
    details_.srtp_profile = name_of(keys.profile);
    details_.peer_fingerprint = dtls_.peer_digest();
  }
  update();
}

void TransportImpl::dtls_failed(Failure failure)
{
  {
    const MutexLock lock(mutex_);
    details_.peer_refused = dtls_.has_refused();
  }
  give_up(std::move(failure));
}

void TransportImpl::dtls_closed()
{
  if (is_over())
    return;
  flow_.store(Flow::Interrupted);
  set_state(TransportState::Closed, Failure{0, "The peer ended the session.", "DTLS close_notify"});
  deferred_.post([this] { close_all_ice(); });
}

const char *name_of(TransportState state)
{
  switch (state) {
    case TransportState::New:
      return "new";
    case TransportState::Gathering:
      return "gathering";
    case TransportState::Connecting:
      return "connecting";
    case TransportState::Connected:
      return "connected";
    case TransportState::Disconnected:
      return "disconnected";
    case TransportState::Failed:
      return "failed";
    case TransportState::Closed:
      return "closed";
  }
  return "";
}

}  // namespace streamlib::webrtc
