// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/peer/connection.h"

#include <algorithm>

#include "ext/webrtc/peer/connection_failures.h"
#include "ext/webrtc/sdp/fragment.h"

namespace streamlib::webrtc {

using support::Done;
using support::Failure;
using support::Status;
using support::Task;

namespace {

// For our own candidates before the offer goes: those of the interfaces are there at once, those of
// servers follow by PATCH where they take longer.
constexpr guint kGatherMs = 500;
// Where there is nothing to say without the servers.
constexpr guint kGatherRelayMs = 5000;
// For the answer to an offer that is under way when all is to end: it names the session, which can
// be deleted only then.
constexpr guint kPostGraceMs = 300;
constexpr guint kByeMs = 300;
constexpr guint kDeleteMs = 1200;
constexpr guint kTransportCloseMs = 1200;
// A look at the peer's liveness.
constexpr guint kLookMs = 1000;
constexpr guint kTrickleTries = 4;

uint32_t random_ssrc()
{
  uint32_t ssrc = 0;
  while (ssrc == 0)
    ssrc = g_random_int();
  return ssrc;
}

std::string random_name()
{
  const support::CStr text(g_uuid_string_random());
  return text.get();
}

// A server that only this machine can reach may have no other address.
bool is_on_this_machine(const std::string &endpoint)
{
  GUri *uri = g_uri_parse(endpoint.c_str(), G_URI_FLAGS_NONE, nullptr);
  if (uri == nullptr)
    return false;
  const std::string host = g_uri_get_host(uri) != nullptr ? g_uri_get_host(uri) : "";
  g_uri_unref(uri);
  return host == "localhost" || host == "::1" || host.compare(0, 4, "127.") == 0;
}

// What flows is decided by both sides.
SessionMedia media_of(const NegotiatedMedia &agreed)
{
  SessionMedia media{agreed.local, agreed.remote};
  media.local.direction = agreed.sends && agreed.receives ? Direction::SendRecv
                          : agreed.sends                  ? Direction::SendOnly
                          : agreed.receives               ? Direction::RecvOnly
                                                          : Direction::Inactive;
  return media;
}

}  // namespace

Connection::Connection(GMainContext *context, const PeerSettings &settings,
                       const std::vector<PeerMedia> &media, MediaSession &session,
                       ConnectionOwner &owner)
    : context_(context),
      settings_(settings),
      media_(media),
      session_(session),
      owner_(owner),
      signalling_(settings.role == PeerRole::Sender ? SignallingSession::Role::Publish
                                                    : SignallingSession::Role::Play,
                  settings.http)
{
  local_.session_id = (uint64_t{g_random_int()} << 31) ^ g_random_int();
  local_.direction = is_sender() ? Direction::SendOnly : Direction::RecvOnly;
  local_.cname = random_name();
  local_.stream_id = random_name();
  for (const PeerMedia &one : media_) {
    LocalMedia entry;
    entry.kind = one.kind;
    entry.codecs = one.codecs;
    entry.track_id = random_name();
    if (is_sender()) {
      entry.ssrc = random_ssrc();
      if (one.kind == MediaKind::Video)
        entry.rtx_ssrc = random_ssrc();
    }
    local_.media.push_back(std::move(entry));
  }
}

Connection::~Connection() = default;

// --- What the transport says ---

void Connection::state_changed(TransportState state, const std::string &reason,
                               const std::string &facts)
{
  state_ = state;
  reason_ = reason;
  facts_ = facts;
  bell_.ring();
}

void Connection::candidate_found(const std::string &ufrag, const std::string &candidate)
{
  const std::vector<std::string> &known = described_.transport.candidates;
  if (!is_described_ || ufrag != described_.transport.credentials.ufrag ||
      std::find(known.begin(), known.end(), candidate) != known.end())
    return;
  signalling_.add_candidate(candidate);
  bell_.ring();
}

void Connection::gathering_done(const std::string &ufrag)
{
  gathered_ufrag_ = ufrag;
  if (is_described_ && ufrag == described_.transport.credentials.ufrag &&
      !described_.transport.end_of_candidates)
    signalling_.end_candidates();
  bell_.ring();
}

void Connection::restart_ended(bool is_connected)
{
  restart_outcome_ = is_connected;
  bell_.ring();
}

void Connection::warned(const std::string &text, const std::string &facts)
{
  warn(text, facts);
}

void Connection::warn(const std::string &text, const std::string &debug)
{
  owner_.warned({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, text, debug});
}

void Connection::note_faults(const std::vector<SdpFault> &notes)
{
  for (const SdpFault &note : notes)
    warn("A part of the server's description is left out. " + note.text());
}

void Connection::stop()
{
  is_stopped_ = true;
  // A POST has its grace period.
  if (!is_posting_)
    g_cancellable_cancel(cancellable_.get());
  bell_.ring();
}

// --- The way to be connected ---

Status Connection::make_transport(bool is_offering)
{
  TransportSettings settings;
  settings.is_offering = is_offering;
  settings.servers = settings_.servers;
  settings.relay_only = settings_.relay_only;
  settings.ice_tcp = settings_.ice_tcp;
  settings.local_addresses = settings_.local_addresses;
  settings.with_loopback = is_on_this_machine(settings_.http.endpoint);
  settings.connect_limit_ms = settings_.connect_limit_ms;
  auto made = Transport::create(context_, std::move(settings), *this, session_);
  if (!made)
    return made.take_error();
  transport_ = std::move(*made);
  state_ = TransportState::New;
  gathered_ufrag_.clear();
  owner_.transport_made(transport_);
  return Done{};
}

Task<ConnectionResult<Done>> Connection::gather()
{
  if (Status begun = transport_->start_gathering(); !begun)
    co_return failure_with(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE,
                           begun.error().text, begun.error().debug);
  const std::string ufrag = transport_->local_parameters().credentials.ufrag;
  const guint limit_ms = settings_.relay_only ? kGatherRelayMs : kGatherMs;
  co_await bell_.until(
      [&] {
        return gathered_ufrag_ == ufrag || state_ == TransportState::Failed || is_stopped_ ||
               (settings_.relay_only && !transport_->local_parameters().candidates.empty());
      },
      limit_ms);
  if (state_ == TransportState::Failed)
    co_return transport_failure();
  if (is_stopped_)
    co_return stopped();
  co_return Done{};
}

LocalSide Connection::local_side() const
{
  LocalSide side = local_;
  side.transport = transport_->local_parameters();
  return side;
}

Task<Done> Connection::remove_left_sessions()
{
  while (!left_sessions_.empty()) {
    auto removed =
        co_await signalling_.remove(left_sessions_.back(), kDeleteMs).under(cancellable_.get());
    // The server is out of reach, as it was.
    if (!removed && removed.error().status == 0)
      break;
    left_sessions_.pop_back();
  }
  co_return Done{};
}

std::vector<std::string> Connection::left_sessions() const
{
  std::vector<std::string> urls = left_sessions_;
  if (!signalling_.left_session().empty())
    urls.push_back(signalling_.left_session());
  return urls;
}

// Not cut short at once: a session that was made needs its address to be deleted.
Task<SignallingResult<SignallingSession::Opened>> Connection::post()
{
  is_posting_ = true;
  std::optional<SignallingResult<Opened>> result;
  support::run<SignallingResult<Opened>>(signalling_.open(write_description(described_)),
                                         cancellable_.get(), [&](SignallingResult<Opened> opened) {
                                           result.emplace(std::move(opened));
                                           bell_.ring();
                                         });
  const auto is_there = [&] { return result.has_value(); };
  while (!is_there() && !is_stopped_)
    co_await bell_.wait(kLookMs);
  if (!is_there()) {
    co_await bell_.until(is_there, kPostGraceMs);
    g_cancellable_cancel(cancellable_.get());
  }
  while (!is_there())
    co_await bell_.wait(kLookMs);
  is_posting_ = false;
  if (is_stopped_)
    g_cancellable_cancel(cancellable_.get());
  co_return std::move(*result);
}

Task<ConnectionResult<Negotiated>> Connection::negotiate()
{
  const bool asks_server = settings_.use_link_headers && settings_.servers.empty();
  if (Status made = make_transport(true); !made)
    co_return failure_with(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, made.error().text,
                           made.error().debug);
  if (!asks_server) {
    auto gathered = co_await gather();
    if (!gathered)
      co_return gathered.take_error();
  }
  co_await remove_left_sessions();
  if (is_stopped_)
    co_return stopped();
  described_ = make_offer(local_side());
  is_described_ = true;
  signalling_.set_fragment(fragment_of(described_));
  note_offer();
  auto opened = co_await post();
  if (!opened)
    co_return failure_of(opened.take_error());
  if (is_stopped_)
    co_return stopped();
  owner_.noted(GST_LEVEL_LOG, "its description:\n" + opened->sdp);
  if (asks_server)
    for (const std::string &note : opened->notes)
      warn("Of the servers that the Link fields name, " + note + ".");
  if (opened->is_counter_offer) {
    auto negotiated = co_await answer_offer(&*opened);
    co_return negotiated;
  }
  if (asks_server) {
    transport_->set_servers(opened->ice_servers);
    if (Status begun = transport_->start_gathering(); !begun)
      co_return failure_with(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ_WRITE,
                             begun.error().text, begun.error().debug);
  }
  auto parsed = parse_description(opened->sdp, SdpType::Answer);
  if (!parsed)
    co_return sdp_failure("answer", parsed.error());
  auto negotiated = accept_answer(described_, *parsed);
  if (!negotiated)
    co_return sdp_failure("answer", negotiated.error());
  note_agreement(*negotiated);
  co_return std::move(*negotiated);
}

// WHEP: the server would rather offer itself.
Task<ConnectionResult<Negotiated>> Connection::answer_offer(const Opened *opened)
{
  auto parsed = parse_description(opened->sdp, SdpType::Offer);
  if (!parsed)
    co_return sdp_failure("offer", parsed.error());
  // Who answers has another role in ICE.
  is_described_ = false;
  const std::shared_ptr<Transport> unused = std::exchange(transport_, nullptr);
  unused->close([] {});
  if (Status made = make_transport(false); !made)
    co_return failure_with(GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT, made.error().text,
                           made.error().debug);
  if (settings_.use_link_headers && settings_.servers.empty())
    transport_->set_servers(opened->ice_servers);
  auto gathered = co_await gather();
  if (!gathered)
    co_return gathered.take_error();
  auto answer = make_answer(*parsed, local_side());
  if (!answer)
    co_return sdp_failure("offer", answer.error());
  described_ = std::move(answer->description);
  is_described_ = true;
  note_agreement(answer->negotiated);
  signalling_.set_fragment(fragment_of(described_));
  auto answered =
      co_await signalling_.answer(write_description(described_)).under(cancellable_.get());
  if (!answered)
    co_return failure_of(answered.take_error());
  co_return std::move(answer->negotiated);
}

Task<ConnectionResult<Done>> Connection::begin_media(const Negotiated *negotiated)
{
  note_faults(negotiated->notes);
  std::vector<SessionMedia> media;
  for (const NegotiatedMedia &agreed : negotiated->media)
    media.push_back(media_of(agreed));
  std::optional<Status> begun;
  co_await in_thread([&] {
    begun.emplace(session_.begin(media, transport_.get()));
    if (*begun)
      owner_.media_begun(media);
  });
  has_begun_ = true;
  if (!*begun)
    co_return failure_with(GST_CORE_ERROR, begun->error().code, begun->error().text,
                           begun->error().debug);
  if (is_stopped_)
    co_return stopped();
  remote_ = negotiated->remote;
  if (Status taken = transport_->set_remote(remote_); !taken) {
    ConnectionFailure failure = failure_with(
        GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "The answer of the server cannot be used. " + taken.error().text, taken.error().debug);
    failure.is_refusal = true;
    co_return failure;
  }
  co_return Done{};
}

Task<ConnectionResult<Done>> Connection::connect()
{
  auto negotiated = co_await negotiate();
  if (!negotiated)
    co_return negotiated.take_error();
  auto begun = co_await begin_media(&*negotiated);
  if (!begun)
    co_return begun;
  helpers_++;
  support::run<Done>(trickle(), cancellable_.get(), [this](Done) {
    helpers_--;
    bell_.ring();
  });
  const auto is_decided = [this] {
    return is_stopped_ || state_ == TransportState::Connected || state_ == TransportState::Failed ||
           state_ == TransportState::Closed;
  };
  // The transport has the limit.
  while (!is_decided())
    co_await bell_.wait(kLookMs);
  if (is_stopped_)
    co_return stopped();
  if (state_ != TransportState::Connected)
    co_return transport_failure();
  was_connected_ = true;
  reached_us_ = g_get_monotonic_time();
  note_connected("connected");
  session_.set_connected(true);
  co_return Done{};
}

// Sends candidates while there may be new ones.
Task<Done> Connection::trickle()
{
  guint failures = 0;
  while (!is_stopped_ && failures < kTrickleTries && signalling_.can_trickle()) {
    auto sent = co_await signalling_.send_candidates();
    if (is_stopped_)
      break;
    if (sent) {
      failures = 0;
      co_await bell_.wait(kLookMs);
      continue;
    }
    failures++;
    if (!sent.error().may_pass || failures == kTrickleTries)
      warn("Addresses of ours that were found late could not be told to the server: " +
               sent.error().text,
           sent.error().debug);
    if (!sent.error().may_pass)
      break;
    co_await nap(1000 * failures);
  }
  co_return Done{};
}

// --- While it is connected ---

Task<ConnectionFailure> Connection::stay()
{
  for (;;) {
    if (is_stopped_)
      co_return stopped();
    if (state_ == TransportState::Failed || state_ == TransportState::Closed)
      co_return transport_failure();
    if (is_interrupted()) {
      const bool is_back = co_await restore();
      if (!is_back && !is_stopped_)
        co_return transport_failure();
      continue;
    }
    if (auto failure = silence())
      co_return std::move(*failure);
    note_quiet();
    co_await bell_.wait(kLookMs);
  }
}

// --- The end ---

void Connection::bye_sent()
{
  bye_sent_ = true;
  bell_.ring();
}

Task<Done> Connection::close(bool with_bye)
{
  is_stopped_ = true;
  g_cancellable_cancel(cancellable_.get());
  bell_.ring();
  if (was_connected_ && with_bye && state_ == TransportState::Connected) {
    co_await in_thread([this] { session_.begin_bye(); });
    co_await bell_.until([this] { return bye_sent_; }, kByeMs);
  }
  session_.set_connected(false);
  helpers_++;
  support::run<SignallingResult<Done>>(signalling_.close(kDeleteMs), nullptr,
                                       [this](SignallingResult<Done>) {
                                         helpers_--;
                                         bell_.ring();
                                       });
  if (transport_) {
    transport_->close([this] {
      is_transport_closed_ = true;
      bell_.ring();
    });
  }
  if (has_begun_)
    co_await in_thread([this] { session_.stop(); });
  // The DELETE has its limit, and what was cancelled ends at once.
  while (helpers_ > 0)
    co_await bell_.wait(kLookMs);
  if (transport_)
    co_await bell_.until([this] { return is_transport_closed_; }, kTransportCloseMs);
  co_return Done{};
}

}  // namespace streamlib::webrtc
