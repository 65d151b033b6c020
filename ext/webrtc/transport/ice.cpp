// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/ice.h"

#include <algorithm>
#include <cstring>

#include <nice/interfaces.h>
#include <sys/socket.h>

#include "ext/webrtc/transport/candidate.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::CStr;
using support::Done;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::SignalHandler;
using support::SourceGuard;
using support::Status;

namespace {

constexpr guint kComponent = 1;  // RTP and RTCP share it (RFC 5761).
constexpr guint kFarewellMs = 200;
constexpr gint kSocketBytes = 1024 * 1024;
constexpr char kCandidatePrefix[] = "a=candidate:";

struct FreeCandidate {
  void operator()(NiceCandidate *candidate) const { nice_candidate_free(candidate); }
};
using CandidatePtr = std::unique_ptr<NiceCandidate, FreeCandidate>;

NiceCandidateType type_of(CandidateType type)
{
  switch (type) {
    case CandidateType::Host:
      return NICE_CANDIDATE_TYPE_HOST;
    case CandidateType::ServerReflexive:
      return NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE;
    case CandidateType::PeerReflexive:
      return NICE_CANDIDATE_TYPE_PEER_REFLEXIVE;
    case CandidateType::Relayed:
      return NICE_CANDIDATE_TYPE_RELAYED;
  }
  return NICE_CANDIDATE_TYPE_HOST;
}

NiceCandidateTransport transport_of(CandidateTransport transport)
{
  switch (transport) {
    case CandidateTransport::Udp:
      return NICE_CANDIDATE_TRANSPORT_UDP;
    case CandidateTransport::TcpActive:
      return NICE_CANDIDATE_TRANSPORT_TCP_ACTIVE;
    case CandidateTransport::TcpPassive:
      return NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE;
    case CandidateTransport::TcpSo:
      return NICE_CANDIDATE_TRANSPORT_TCP_SO;
  }
  return NICE_CANDIDATE_TRANSPORT_UDP;
}

// Null when the address is none after all.
CandidatePtr to_nice(const Candidate &candidate, guint stream)
{
  CandidatePtr result(nice_candidate_new(type_of(candidate.type)));
  result->transport = transport_of(candidate.transport);
  result->priority = candidate.priority;
  result->stream_id = stream;
  result->component_id = kComponent;
  g_strlcpy(result->foundation, candidate.foundation.c_str(), sizeof result->foundation);
  if (!nice_address_set_from_string(&result->addr, candidate.address.c_str()))
    return nullptr;
  nice_address_set_port(&result->addr, candidate.port);
  return result;
}

std::string address_text(const NiceCandidate *candidate)
{
  char address[NICE_ADDRESS_STRING_LEN];
  nice_address_to_string(&candidate->addr, address);
  return std::string(nice_candidate_type_to_string(candidate->type)) + " " + address + " " +
         std::to_string(nice_address_get_port(&candidate->addr));
}

std::vector<std::string> all_addresses()
{
  std::vector<std::string> addresses = addresses_of_this_machine();
  // Without an interface libnice looks at none.
  if (addresses.empty())
    addresses.emplace_back("127.0.0.1");
  return addresses;
}

}  // namespace

std::vector<std::string> addresses_of_this_machine()
{
  std::vector<std::string> addresses;
  GList *list = nice_interfaces_get_local_ips(TRUE);
  for (const GList *one = list; one != nullptr; one = one->next)
    addresses.emplace_back(static_cast<const char *>(one->data));
  g_list_free_full(list, g_free);
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

Ice::Ice(GMainContext *context, const IceSettings &settings, IceOwner &owner)
    : context_(g_main_context_ref(context)), settings_(settings), owner_(owner), deferred_(context)
{}

Result<std::unique_ptr<Ice>> Ice::create(GMainContext *context, const IceSettings &settings,
                                         IceOwner &owner)
{
  std::unique_ptr<Ice> ice(new Ice(context, settings, owner));
  Status made = ice->set_up();
  if (!made)
    return made.take_error();
  return ice;
}

Status Ice::add_address(const std::string &text)
{
  NiceAddress address;
  nice_address_init(&address);
  if (!nice_address_set_from_string(&address, text.c_str()) ||
      !nice_agent_add_local_address(agent_.get(), &address))
    return Failure{0, "\"" + text + "\" is no address of this machine to connect from.", text};
  return Done{};
}

Status Ice::set_up()
{
  const ThreadDefault scope(context_);
  // Consent can only be asked for here (RFC 7675).
  agent_ = adopt_object(
      nice_agent_new_full(context_, NICE_COMPATIBILITY_RFC5245,
                          static_cast<NiceAgentOption>(NICE_AGENT_OPTION_REGULAR_NOMINATION |
                                                       NICE_AGENT_OPTION_ICE_TRICKLE |
                                                       NICE_AGENT_OPTION_CONSENT_FRESHNESS)));
  // UPnP multicasts into the user's network and takes a thread, for what a STUN server does better.
  g_object_set(agent_.get(), "upnp", FALSE, "controlling-mode",
               settings_.is_controlling ? TRUE : FALSE, "ice-tcp",
               settings_.with_tcp ? TRUE : FALSE, "force-relay",
               settings_.relay_only ? TRUE : FALSE, nullptr);
  for (const std::string &text : settings_.local_addresses)
    if (Status added = add_address(text); !added)
      return added;
  // One that cannot be used is no loss where others can.
  if (settings_.local_addresses.empty() && settings_.with_loopback)
    for (const std::string &text : all_addresses())
      (void)add_address(text);
  stream_ = nice_agent_add_stream(agent_.get(), 1);
  CStr ufrag;
  CStr pwd;
  gchar *ufrag_text = nullptr;
  gchar *pwd_text = nullptr;
  if (stream_ == 0 ||
      !nice_agent_get_local_credentials(agent_.get(), stream_, &ufrag_text, &pwd_text))
    return Failure{0, "libnice could not set up ICE.", "nice_agent_add_stream failed"};
  ufrag.reset(ufrag_text);
  pwd.reset(pwd_text);
  credentials_ = {ufrag.get(), pwd.get()};
  add_servers(settings_.servers);
  handlers_.emplace_back(agent_.get(), "new-candidate-full",
                         G_CALLBACK(+[](NiceAgent *, NiceCandidate *candidate, gpointer self) {
                           static_cast<Ice *>(self)->on_candidate(candidate);
                         }),
                         this);
  handlers_.emplace_back(agent_.get(), "candidate-gathering-done",
                         G_CALLBACK(+[](NiceAgent *, guint, gpointer data) {
                           auto *self = static_cast<Ice *>(data);
                           self->deferred_.post([self] {
                             self->is_gathered_ = true;
                             self->owner_.ice_gathered(*self);
                           });
                         }),
                         this);
  handlers_.emplace_back(agent_.get(), "component-state-changed",
                         G_CALLBACK(+[](NiceAgent *, guint, guint, guint state, gpointer self) {
                           static_cast<Ice *>(self)->on_state(state);
                         }),
                         this);
  handlers_.emplace_back(
      agent_.get(), "new-selected-pair-full",
      G_CALLBACK(+[](NiceAgent *, guint, guint, NiceCandidate *, NiceCandidate *, gpointer data) {
        auto *self = static_cast<Ice *>(data);
        self->deferred_.post([self] { self->owner_.ice_changed(*self); });
      }),
      this);
  nice_agent_attach_recv(agent_.get(), stream_, kComponent, context_, &Ice::receive, this);
  return Done{};
}

Ice::~Ice()
{
  let_go();
  agent_.reset();
  g_main_context_unref(context_);
}

// No callback of libnice comes to this object any more.
void Ice::let_go()
{
  handlers_.clear();
  if (agent_ && stream_ != 0)
    nice_agent_attach_recv(agent_.get(), stream_, kComponent, context_, nullptr, nullptr);
}

void Ice::add_servers(const std::vector<ParsedIceServer> &servers)
{
  for (const ParsedIceServer &server : servers)
    add_server(server);
}

void Ice::add_server(const ParsedIceServer &server)
{
  if (server.kind == IceServerKind::Stun) {
    // libnice asks one.
    if (!has_stun_)
      g_object_set(agent_.get(), "stun-server", server.host.c_str(), "stun-server-port",
                   static_cast<guint>(server.port), nullptr);
    has_stun_ = true;
    return;
  }
  if (relays_.size() < NICE_CANDIDATE_MAX_TURN_SERVERS &&
      nice_agent_set_relay_info(agent_.get(), stream_, kComponent, server.host.c_str(), server.port,
                                server.username.c_str(), server.credential.c_str(),
                                server.kind == IceServerKind::TurnTcp ? NICE_RELAY_TYPE_TURN_TCP
                                                                      : NICE_RELAY_TYPE_TURN_UDP))
    relays_.push_back({.host = server.host, .name = server.name});
}

// A name may stand for several addresses, of which one is enough.
std::vector<std::string> Ice::silent_relays() const
{
  std::vector<std::string> names;
  for (const Relay &relay : relays_) {
    const bool has_answered = std::any_of(relays_.begin(), relays_.end(), [&](const Relay &other) {
      return other.name == relay.name && other.has_answered;
    });
    if (!has_answered && std::find(names.begin(), names.end(), relay.name) == names.end())
      names.push_back(relay.name);
  }
  return names;
}

// The candidate that a signal gives is a copy, which has lost its server. Its priority tells: the
// local preference (RFC 8445 §5.1.2.1) is the place of the server among all, then that of our
// address.
void Ice::note_relay(const NiceCandidate *candidate)
{
  const guint place = (candidate->priority >> 8) / NICE_CANDIDATE_MAX_LOCAL_ADDRESSES %
                      NICE_CANDIDATE_MAX_TURN_SERVERS;
  for (Relay &relay : relays_)
    if (place < relays_.size() && relay.host == relays_[place].host)
      relay.has_answered = true;
  has_relay_ = true;
}

Status Ice::gather()
{
  const ThreadDefault scope(context_);
  if (!nice_agent_gather_candidates(agent_.get(), stream_))
    return Failure{0, "No address of this machine can be used to connect from; is the network up?",
                   "nice_agent_gather_candidates failed"};
  widen_sockets();
  return Done{};
}

// A key picture is a burst of a hundred packets and more, which the system would drop, without a
// word, where this thread does not come to read them at once.
void Ice::widen_sockets()
{
  GPtrArray *sockets = nice_agent_get_sockets(agent_.get(), stream_, kComponent);
  if (sockets == nullptr)
    return;
  for (guint i = 0; i < sockets->len; i++) {
    auto *socket = static_cast<GSocket *>(g_ptr_array_index(sockets, i));
    // As much of it as the system allows.
    g_socket_set_option(socket, SOL_SOCKET, SO_RCVBUF, kSocketBytes, nullptr);
    g_socket_set_option(socket, SOL_SOCKET, SO_SNDBUF, kSocketBytes, nullptr);
  }
  g_ptr_array_unref(sockets);
}

Status Ice::set_remote_credentials(const IceCredentials &credentials, bool is_lite)
{
  if (!is_ufrag(credentials.ufrag) || !is_pwd(credentials.pwd))
    return Failure{0, "The peer's description has no usable a=ice-ufrag and a=ice-pwd.",
                   "lengths " + std::to_string(credentials.ufrag.size()) + " and " +
                       std::to_string(credentials.pwd.size()) + " (RFC 8839 §5.4)"};
  // RFC 8445 §6.1.1: a lite side is always controlled.
  if (is_lite)
    g_object_set(agent_.get(), "controlling-mode", TRUE, nullptr);
  if (!nice_agent_set_remote_credentials(agent_.get(), stream_, credentials.ufrag.c_str(),
                                         credentials.pwd.c_str()))
    return Failure{0, "libnice refused the peer's ICE credentials.", credentials.ufrag};
  remote_credentials_ = credentials;
  return Done{};
}

Status Ice::add_remote_candidates(const std::vector<std::string> &candidates)
{
  Status status = Done{};
  GSList *list = nullptr;
  std::vector<CandidatePtr> owned;
  for (const std::string &text : candidates) {
    Result<Candidate> parsed = parse_candidate(text);
    const bool is_malformed = !parsed && parsed.error().code == kCandidateMalformed;
    if (!parsed || figures_.remote_candidates >= kMaxRemoteCandidates ||
        (!settings_.with_tcp && parsed->transport != CandidateTransport::Udp)) {
      figures_.skipped_candidates++;
      if (is_malformed)
        status = parsed.take_error();
      continue;
    }
    CandidatePtr candidate = to_nice(*parsed, stream_);
    if (candidate == nullptr) {
      figures_.skipped_candidates++;
      continue;
    }
    figures_.remote_candidates++;
    list = g_slist_append(list, candidate.get());
    owned.push_back(std::move(candidate));
  }
  if (list != nullptr) {
    const ThreadDefault scope(context_);
    nice_agent_set_remote_candidates(agent_.get(), stream_, kComponent, list);
    g_slist_free(list);
  }
  return status;
}

void Ice::end_remote_candidates()
{
  // With none at all the peer is only found by its own checks, and those may still come.
  if (figures_.remote_candidates > 0)
    nice_agent_peer_candidate_gathering_done(agent_.get(), stream_);
}

IceSendOutcome Ice::send(std::span<const uint8_t> datagram)
{
  GOutputVector vector = {datagram.data(), datagram.size()};
  const NiceOutputMessage message = {&vector, 1};
  GError *error = nullptr;
  const gint sent = nice_agent_send_messages_nonblocking(agent_.get(), stream_, kComponent,
                                                         &message, 1, nullptr, &error);
  const support::ErrorPtr owned(error);
  if (sent == 1)
    return IceSendOutcome::Sent;
  if (error == nullptr || g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return IceSendOutcome::WouldBlock;
  return IceSendOutcome::Refused;
}

void Ice::on_candidate(NiceCandidate *candidate)
{
  if (candidate->type == NICE_CANDIDATE_TYPE_RELAYED)
    note_relay(candidate);
  if (settings_.relay_only && candidate->type != NICE_CANDIDATE_TYPE_RELAYED)
    return;
  const CStr line(nice_agent_generate_local_candidate_sdp(agent_.get(), candidate));
  if (line == nullptr || !g_str_has_prefix(line.get(), kCandidatePrefix))
    return;
  deferred_.post([this, text = std::string(line.get() + sizeof kCandidatePrefix - 1)] {
    figures_.local_candidates++;
    candidates_.push_back(text);
    owner_.ice_candidate(*this, text);
  });
}

void Ice::on_state(guint state)
{
  deferred_.post([this, state] {
    component_state_ = static_cast<NiceComponentState>(state);
    IceState now = state_;
    if (component_state_ == NICE_COMPONENT_STATE_CONNECTED ||
        component_state_ == NICE_COMPONENT_STATE_READY)
      now = IceState::Connected;
    else if (component_state_ == NICE_COMPONENT_STATE_FAILED && state_ == IceState::Connected)
      now = IceState::Lost;
    // A failure before that is none yet: a check of the peer may still come (RFC 8863).
    if (now == state_)
      return;
    state_ = now;
    owner_.ice_changed(*this);
  });
}

const char *Ice::component_state() const
{
  return nice_component_state_to_string(component_state_);
}

std::pair<std::string, std::string> Ice::selected_pair() const
{
  NiceCandidate *local = nullptr;
  NiceCandidate *remote = nullptr;
  if (!nice_agent_get_selected_pair(agent_.get(), stream_, kComponent, &local, &remote))
    return {};
  return {address_text(local), address_text(remote)};
}

bool Ice::has_lost_address()
{
  NiceCandidate *local = nullptr;
  NiceCandidate *remote = nullptr;
  if (!nice_agent_get_selected_pair(agent_.get(), stream_, kComponent, &local, &remote))
    return false;
  char base[NICE_ADDRESS_STRING_LEN];
  nice_address_to_string(&local->base_addr, base);
  const std::vector<std::string> addresses = addresses_of_this_machine();
  if (std::find(addresses.begin(), addresses.end(), base) != addresses.end()) {
    held_address_ = base;
    return false;
  }
  return held_address_ == base;
}

namespace {

guint count_of_foundation(GSList *candidates, const char *foundation)
{
  guint count = 0;
  for (const GSList *one = candidates; one != nullptr; one = one->next)
    count += g_str_equal(static_cast<NiceCandidate *>(one->data)->foundation, foundation) ? 1 : 0;
  g_slist_free_full(candidates,
                    [](gpointer data) { nice_candidate_free(static_cast<NiceCandidate *>(data)); });
  return count;
}

}  // namespace

bool Ice::renew_consent()
{
  NiceCandidate *local = nullptr;
  NiceCandidate *remote = nullptr;
  if (!nice_agent_get_selected_pair(agent_.get(), stream_, kComponent, &local, &remote))
    return false;
  const std::string ours = local->foundation;
  const std::string theirs = remote->foundation;
  // Pairs are named by foundations, which a peer may have given to several candidates.
  if (count_of_foundation(nice_agent_get_local_candidates(agent_.get(), stream_, kComponent),
                          ours.c_str()) != 1 ||
      count_of_foundation(nice_agent_get_remote_candidates(agent_.get(), stream_, kComponent),
                          theirs.c_str()) != 1)
    return false;
  const ThreadDefault scope(context_);
  return nice_agent_set_selected_pair(agent_.get(), stream_, kComponent, ours.c_str(),
                                      theirs.c_str()) != FALSE;
}

void Ice::receive(NiceAgent *, guint, guint, guint size, gchar *data, gpointer self)
{
  auto *ice = static_cast<Ice *>(self);
  ice->owner_.ice_received(*ice, {reinterpret_cast<const uint8_t *>(data), size});
}

namespace {

// An agent on its way out; goes with the later one of libnice's answer and the time limit's source.
struct Closing {
  GObjectPtr<NiceAgent> agent;
  guint stream;
  std::function<void()> done;
  SourceGuard limit;

  void tell()
  {
    limit.reset();
    const auto call = std::exchange(done, nullptr);
    if (call)
      call();
  }
  // Not before libnice has answered: until then it sends through the sockets of the stream.
  void finish()
  {
    nice_agent_remove_stream(agent.get(), stream);
    agent.reset();
    tell();
  }
};

}  // namespace

void Ice::close(std::unique_ptr<Ice> ice, std::function<void()> done)
{
  const ThreadDefault scope(ice->context_);
  ice->let_go();
  const auto closing = std::make_shared<Closing>();
  closing->agent = std::move(ice->agent_);
  closing->stream = ice->stream_;
  closing->done = std::move(done);
  closing->limit = call_after(ice->context_, kCloseLimitMs, [closing] { closing->tell(); });
  // A TURN server that is silent is asked once more to give its address back, and then let be.
  g_object_set(closing->agent.get(), "stun-initial-timeout", kFarewellMs,
               "stun-max-retransmissions", 2U, nullptr);
  nice_agent_close_async(
      closing->agent.get(),
      [](GObject *, GAsyncResult *, gpointer data) {
        auto *kept = static_cast<std::shared_ptr<Closing> *>(data);
        (*kept)->finish();
        delete kept;
      },
      new std::shared_ptr<Closing>(closing));
}

}  // namespace streamlib::webrtc
