// SPDX-License-Identifier: LGPL-2.1-or-later
#include "whip_server.h"

#include <algorithm>
#include <utility>

#include <strings.h>

#include "ext/webrtc/sdp/codecs.h"
#include "soup_messages.h"

namespace fixture {

using namespace streamlib::webrtc;

namespace {

constexpr const char *kSdp = "application/sdp";
constexpr const char *kFragment = "application/trickle-ice-sdpfrag";
constexpr guint kByeMs = 200;

}  // namespace

struct WhipServerSession final : TransportListener {
  // The server's thread, all of it.
  WhipServerSession(GMainContext *context, const WhipServerSettings &settings, std::string path)
      : settings(settings), path(std::move(path))
  {
    TransportSettings own;
    own.is_offering = false;
    own.local_addresses = {"127.0.0.1"};
    auto made = Transport::create(context, own, *this, peer.session());
    ck_assert(made.ok());
    transport = *made;
    ck_assert(transport->start_gathering().ok());
    peer.play();
  }

  void state_changed(TransportState state, const std::string &, const std::string &) override
  {
    is_connected = state == TransportState::Connected;
    peer.session().set_connected(is_connected);
  }
  void candidate_found(const std::string &, const std::string &) override {}
  void gathering_done(const std::string &ufrag) override { gathered = ufrag; }
  void restart_ended(bool) override {}
  void warned(const std::string &, const std::string &) override {}

  // Serves the context until the candidates of the latest generation are there.
  void gather(GMainContext *context)
  {
    while (transport && gathered != transport->local_parameters().credentials.ufrag)
      g_main_context_iteration(context, TRUE);
  }

  bool takes(const Codec &codec) const
  {
    for (const auto &[name, value] : codec.parameters)
      if (name == "profile-level-id" && !settings.h264_profile.empty() &&
          value != settings.h264_profile)
        return false;
    return std::any_of(settings.codecs.begin(), settings.codecs.end(), [&](const auto &name) {
      return strcasecmp(name.c_str(), codec.name.c_str()) == 0;
    });
  }

  LocalSide local_side() const
  {
    LocalSide side;
    side.session_id = 1;
    side.direction = Direction::RecvOnly;
    side.transport = transport->local_parameters();
    for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
      LocalMedia media;
      media.kind = kind;
      for (const Codec &codec : all_codecs(kind))
        if (takes(codec))
          media.codecs.push_back(codec);
      if (!media.codecs.empty())
        side.media.push_back(media);
    }
    return side;
  }

  // The answer; empty where the offer is none of ours.
  std::string take_offer(const std::string &text)
  {
    auto parsed = parse_description(text, SdpType::Offer);
    if (!parsed)
      return "";
    auto made = make_answer(*parsed, local_side());
    if (!made)
      return "";
    answer = made->description;
    remote = made->negotiated.remote;
    std::vector<SessionMedia> media;
    for (const NegotiatedMedia &section : made->negotiated.media)
      media.push_back({section.local, section.remote});
    ck_assert(peer.session().begin(media, transport.get()).ok());
    for (const SessionMedia &section : media)
      peer.add_output(section.local.kind);
    SessionDescription told = answer;
    if (settings.is_wrong_peer)
      for (Fingerprint &print : told.transport.fingerprints)
        print.digest[0] ^= 1;
    if (settings.is_deaf)
      told.transport.candidates.clear();
    else
      ck_assert(transport->set_remote(remote).ok());
    return write_description(told);
  }

  std::string take_restart(const IceFragment &fragment)
  {
    answer.transport.credentials = transport->local_parameters().credentials;
    answer.transport.candidates = transport->local_parameters().candidates;
    IceFragment own = fragment_of(answer);
    own.candidates = answer.transport.candidates;
    own.end_of_candidates = true;
    remote.credentials = fragment.credentials;
    remote.candidates = fragment.candidates;
    ck_assert(transport->finish_restart(remote).ok());
    restarts++;
    return write_fragment(own);
  }

  const WhipServerSettings settings;
  const std::string path;
  Peer peer;
  std::shared_ptr<Transport> transport;
  SessionDescription answer;
  TransportParameters remote;
  std::string gathered;
  std::atomic<bool> is_connected = false;
  std::atomic<guint64> restarts = 0;
  TransportStats last_stats;  // Once the transport is gone.
};

WhipServer::WhipServer(WhipServerSettings settings) : settings_(std::move(settings))
{
  thread_.call([this] {
    server_ = soup_server_new(nullptr, nullptr);
    soup_server_add_handler(server_, nullptr, handle, this, nullptr);
    listen_locally(server_, 0, settings_.certificate);
    port_ = port_of(server_);
  });
}

WhipServer::~WhipServer()
{
  kill_sessions();
  thread_.call([this] {
    soup_server_disconnect(server_);
    g_clear_object(&server_);
  });
  thread_.stop();
  all_.clear();
}

std::string WhipServer::endpoint() const
{
  return std::string(settings_.certificate.empty() ? "http" : "https") +
         "://127.0.0.1:" + std::to_string(port_) + "/whip";
}

void WhipServer::refuse(guint status, guint count, guint retry_after_s)
{
  thread_.call([&] {
    refusal_ = status;
    refusals_ = count;
    retry_after_s_ = retry_after_s;
  });
}

void WhipServer::kill_sessions()
{
  thread_.call([this] {
    end_leaving();
    std::vector<std::shared_ptr<WhipServerSession>> old;
    {
      const std::lock_guard lock(mutex_);
      for (const auto &[path, session] : sessions_)
        old.push_back(session);
      sessions_.clear();
    }
    for (const auto &session : old) {
      session->peer.session().stop();
      const std::lock_guard lock(mutex_);
      session->last_stats = session->transport->stats();
      session->transport.reset();
    }
    sessions = 0;
  });
}

void WhipServer::forget_sessions()
{
  kill_sessions();
  thread_.call([this] {
    const std::lock_guard lock(mutex_);
    all_.clear();
  });
}

void WhipServer::freeze(int ms)
{
  thread_.call([ms] { sleep_ms(ms); });
}

void WhipServer::close_sessions()
{
  thread_.call([this] {
    const std::lock_guard lock(mutex_);
    for (const auto &[path, session] : sessions_)
      session->transport->close([] {});
  });
}

// --- HTTP. The server's thread. ---

void WhipServer::handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
                        gpointer self)
{
  static_cast<WhipServer *>(self)->take(message, path);
}

bool WhipServer::may_post(SoupServerMessage *message)
{
  if (refusals_ > 0) {
    refusals_--;
    if (retry_after_s_ > 0)
      set_field(message, "Retry-After", std::to_string(retry_after_s_));
    give(message, refusal_);
    return false;
  }
  if (settings_.token.empty() || field_of(message, "Authorization") == "Bearer " + settings_.token)
    return true;
  give(message, 401);
  return false;
}

void WhipServer::take(SoupServerMessage *message, const std::string &path)
{
  const std::string method = soup_server_message_get_method(message);
  tokens += !field_of(message, "Authorization").empty();
  if (method == "POST" && path == "/whip") {
    posts++;
    if (may_post(message))
      take_offer(message);
    return;
  }
  const auto known = sessions_.find(path);
  if (known == sessions_.end()) {
    deletes += method == "DELETE";
    give(message, 404);
  } else if (method == "PATCH") {
    patches++;
    if (settings_.patch_status != 0)
      give(message, settings_.patch_status);
    else
      take_fragment(message, *known->second);
  } else if (method == "DELETE") {
    deletes++;
    take_delete(message, path);
  } else {
    give(message, 405);
  }
}

void WhipServer::take_offer(SoupServerMessage *message)
{
  const std::string path = settings_.sessions + std::to_string(++number_);
  const auto session = std::make_shared<WhipServerSession>(thread_.context(), settings_, path);
  {
    const std::lock_guard lock(mutex_);
    last_offer_ = body_of(message);
  }
  session->gather(thread_.context());
  const std::string answer = session->take_offer(body_of(message));
  if (answer.empty()) {
    give(message, 400);
    return;
  }
  give(message, 201, kSdp, answer);
  set_field(message, "Location", path);
  set_field(message, "ETag", "\"1\"");
  if (!settings_.link.empty())
    set_field(message, "Link", settings_.link);
  sessions++;
  const std::lock_guard lock(mutex_);
  sessions_[path] = session;
  all_.push_back(session);
}

void WhipServer::take_fragment(SoupServerMessage *message, WhipServerSession &session)
{
  const auto parsed = parse_fragment(body_of(message));
  if (!parsed) {
    give(message, 400);
    return;
  }
  const IceFragment &fragment = parsed->fragment;
  if (fragment.credentials == session.remote.credentials) {
    if (!settings_.is_deaf)
      (void)session.transport->add_remote_candidates(
          fragment.credentials.ufrag, fragment.candidates, fragment.end_of_candidates);
    give(message, 204);
    return;
  }
  ck_assert(session.transport->begin_restart().ok());
  session.gather(thread_.context());
  give(message, 200, kFragment, session.take_restart(fragment));
  set_field(message, "ETag", "\"2\"");
}

void WhipServer::take_delete(SoupServerMessage *message, const std::string &path)
{
  std::shared_ptr<WhipServerSession> session;
  {
    const std::lock_guard lock(mutex_);
    session = sessions_.extract(path).mapped();
  }
  leaving_.push_back(std::move(session));
  sessions--;
  give(message, 200);
  // The BYE was sent before the request, and may still stand in the socket.
  GSource *source = g_timeout_source_new(kByeMs);
  g_source_set_callback(
      source,
      [](gpointer self) -> gboolean {
        static_cast<WhipServer *>(self)->end_leaving();
        return G_SOURCE_REMOVE;
      },
      this, nullptr);
  g_source_attach(source, thread_.context());
  g_source_unref(source);
}

void WhipServer::end_leaving()
{
  for (const auto &session : std::exchange(leaving_, {})) {
    session->peer.session().stop();
    session->transport->close([] {});
  }
}

void WhipServer::request_keyframe()
{
  thread_.call([this] { all_.back()->peer.session().request_keyframe(); });
}

// --- Looks ---

size_t WhipServer::keyframes_of_last() const
{
  const std::lock_guard lock(mutex_);
  const auto all = all_.back()->peer.received(MediaKind::Video);
  return static_cast<size_t>(
      std::count_if(all.begin(), all.end(), [](const Received &one) { return one.is_key; }));
}

size_t WhipServer::buffers(MediaKind kind) const
{
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const auto &session : all_)
    sum += session->peer.count(kind);
  return sum;
}

size_t WhipServer::buffers_of_last(MediaKind kind) const
{
  const std::lock_guard lock(mutex_);
  return all_.empty() ? 0 : all_.back()->peer.count(kind);
}

std::string WhipServer::caps_of_last(MediaKind kind) const
{
  const std::lock_guard lock(mutex_);
  if (all_.empty())
    return "";
  const auto caps = all_.back()->peer.caps(kind);
  return caps ? gst_structure_get_name(gst_caps_get_structure(caps.get(), 0)) : "";
}

guint64 WhipServer::byes() const
{
  const std::lock_guard lock(mutex_);
  guint64 sum = 0;
  for (const auto &session : all_)
    sum += static_cast<guint64>(session->peer.listener.byes_received.load());
  return sum;
}

guint64 WhipServer::packets() const
{
  const std::lock_guard lock(mutex_);
  guint64 sum = 0;
  for (const auto &session : all_) {
    const TransportStats stats =
        session->transport ? session->transport->stats() : session->last_stats;
    sum += stats.packets_received + stats.drops_of(DropReason::HeldBackIn) +
           stats.drops_of(DropReason::Malformed) + stats.drops_of(DropReason::Authentication) +
           stats.drops_of(DropReason::Unknown);
  }
  return sum;
}

guint64 WhipServer::restarts() const
{
  const std::lock_guard lock(mutex_);
  guint64 sum = 0;
  for (const auto &session : all_)
    sum += session->restarts;
  return sum;
}

std::string WhipServer::last_offer() const
{
  const std::lock_guard lock(mutex_);
  return last_offer_;
}

}  // namespace fixture
