// SPDX-License-Identifier: LGPL-2.1-or-later
#include "whep_server.h"

#include <algorithm>

#include <gst/check/gstcheck.h>

#include "soup_messages.h"

namespace fixture {

using namespace streamlib::webrtc;

namespace {

constexpr const char *kSdpType = "application/sdp";
constexpr const char *kFragmentType = "application/trickle-ice-sdpfrag";

}  // namespace

WhepServer::WhepServer(FarPlan plan, std::string certificate)
    : certificate_(std::move(certificate)), plan_(std::move(plan))
{
  thread_.call([this] { listen(); });
}

WhepServer::~WhepServer()
{
  thread_.call([this] {
    sessions_.clear();
    close_port();
  });
  // What the sessions and the server have left to do.
  g_usleep(20000);
  thread_.stop();
}

void WhepServer::listen()
{
  server_ = soup_server_new(nullptr, nullptr);
  soup_server_add_handler(server_, nullptr, handle, this, nullptr);
  listen_locally(server_, port_, certificate_);
  port_ = port_of(server_);
}

void WhepServer::close_port()
{
  if (server_ == nullptr)
    return;
  for (const auto &[message, handler] : std::exchange(held_, {})) {
    g_signal_handler_disconnect(message, handler);
    give(message, 500);
    soup_server_message_unpause(message);
    g_object_unref(message);
  }
  soup_server_disconnect(server_);
  g_clear_object(&server_);
}

std::string WhepServer::endpoint() const
{
  return std::string(certificate_.empty() ? "http" : "https") +
         "://127.0.0.1:" + std::to_string(port_) + "/whep";
}

void WhepServer::refuse_next(guint status, std::vector<std::pair<std::string, std::string>> fields)
{
  thread_.call([&] { refusals_.push_back({status, fields}); });
}

void WhepServer::set_plan(FarPlan plan)
{
  thread_.call([&] { plan_ = plan; });
}

void WhepServer::set_token(std::string token)
{
  thread_.call([&] { token_ = token; });
}

void WhepServer::set_link(std::string link)
{
  thread_.call([&] { link_ = link; });
}

void WhepServer::set_sessions(std::string prefix)
{
  thread_.call([&] { prefix_ = prefix; });
}

void WhepServer::set_on_session(std::function<void(FarPeer &)> function)
{
  thread_.call([&] { on_session_ = function; });
}

void WhepServer::kill()
{
  thread_.call([this] {
    for (const auto &[path, session] : sessions_)
      session.peer->kill();
    sessions_.clear();
    close_port();
  });
}

void WhepServer::come_back()
{
  thread_.call([this] { listen(); });
}

void WhepServer::close_sessions()
{
  thread_.call([this] {
    std::vector<std::string> paths;
    for (const auto &[path, session] : sessions_)
      paths.push_back(path);
    for (const std::string &path : paths)
      remove(path);
  });
}

void WhepServer::for_each(const std::function<void(FarPeer &)> &function)
{
  thread_.call([&] {
    for (const auto &[path, session] : sessions_)
      function(*session.peer);
  });
}

size_t WhepServer::sessions()
{
  size_t count = 0;
  thread_.call([&] { count = sessions_.size(); });
  return count;
}

void WhepServer::remove(const std::string &path)
{
  const auto found = sessions_.find(path);
  if (found == sessions_.end())
    return;
  // It goes when its transport has said its last word.
  const std::shared_ptr<FarPeer> peer(std::move(found->second.peer));
  sessions_.erase(found);
  peer->close([peer] {});
}

// --- HTTP ---

// A message that is answered later, unless its client has gone until then.
void WhepServer::hold(SoupServerMessage *message)
{
  soup_server_message_pause(message);
  g_object_ref(message);
  const gulong handler = g_signal_connect(
      message, "disconnected", G_CALLBACK(+[](SoupServerMessage *message, gpointer data) {
        auto *self = static_cast<WhepServer *>(data);
        if (std::erase_if(self->held_, [&](const auto &held) { return held.first == message; }) > 0)
          g_object_unref(message);
      }),
      this);
  held_.emplace_back(message, handler);
}

bool WhepServer::is_held(SoupServerMessage *message) const
{
  return std::any_of(held_.begin(), held_.end(),
                     [&](const auto &held) { return held.first == message; });
}

void WhepServer::go_on(SoupServerMessage *message)
{
  const auto found = std::find_if(held_.begin(), held_.end(),
                                  [&](const auto &held) { return held.first == message; });
  g_signal_handler_disconnect(message, found->second);
  held_.erase(found);
  soup_server_message_unpause(message);
  g_object_unref(message);
}

void WhepServer::handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
                        gpointer self)
{
  static_cast<WhepServer *>(self)->answer(message, path);
}

bool WhepServer::may(SoupServerMessage *message) const
{
  return token_.empty() || field_of(message, "Authorization") == "Bearer " + token_;
}

void WhepServer::answer(SoupServerMessage *message, const std::string &path)
{
  const std::string method = soup_server_message_get_method(message);
  tokens += !field_of(message, "Authorization").empty();
  if (!may(message)) {
    set_field(message, "WWW-Authenticate", "Bearer");
    give(message, 401);
    return;
  }
  if (path == "/whep") {
    if (method == "POST")
      post(message);
    else
      give(message, 405);
    return;
  }
  const auto found = sessions_.find(path);
  if (found == sessions_.end()) {
    give(message, 404);
  } else if (method == "DELETE") {
    deletes++;
    remove(path);
    give(message, 200);
  } else if (method == "PATCH" && !has_no_patch) {
    patch(message, found->second);
  } else {
    give(message, 405);
  }
}

void WhepServer::post(SoupServerMessage *message)
{
  posts++;
  if (!refusals_.empty()) {
    const Refusal refusal = refusals_.front();
    refusals_.pop_front();
    for (const auto &[name, value] : refusal.fields)
      set_field(message, name.c_str(), value);
    give(message, refusal.status, "text/plain", "no");
    return;
  }
  const std::string path = prefix_ + std::to_string(next_session_++);
  Session &session = sessions_[path];
  session.etag = "\"ice-1\"";
  session.peer = std::make_unique<FarPeer>(thread_.context(), plan_);
  if (on_session_)
    on_session_(*session.peer);
  const bool is_counter_offer = makes_counter_offers;
  const auto ready = [this, message, path, is_counter_offer](const std::string &sdp) {
    if (!is_held(message))
      return;
    set_field(message, "Location", path);
    set_field(message, "ETag", sessions_[path].etag);
    if (!link_.empty())
      set_field(message, "Link", link_);
    give(message, sdp.empty() ? 422 : is_counter_offer ? 406 : 201, kSdpType, sdp);
    go_on(message);
  };
  hold(message);
  if (is_counter_offer) {
    session.peer->offer(ready);
  } else if (!session.peer->answer(body_of(message), ready)) {
    give(message, 400);
    go_on(message);
    sessions_.erase(path);
  }
}

void WhepServer::patch(SoupServerMessage *message, Session &session)
{
  patches++;
  const std::string type = field_of(message, "Content-Type");
  if (type == kSdpType) {
    const bool is_fine = session.peer->accept(body_of(message));
    counter_offers_answered += is_fine;
    give(message, is_fine ? 204 : 400);
    return;
  }
  auto fragment = parse_fragment(body_of(message));
  if (type != kFragmentType || !fragment) {
    give(message, 400);
    return;
  }
  const std::string match = field_of(message, "If-Match");
  if (match == "*")
    restart(message, session, fragment->fragment);
  else if (match.empty())
    give(message, 428);
  else if (match != session.etag)
    give(message, 412);
  else
    give(message, session.peer->add_candidates(fragment->fragment) ? 204 : 400);
}

void WhepServer::restart(SoupServerMessage *message, Session &session, const IceFragment &fragment)
{
  restarts++;
  session.etag = "\"ice-" + std::to_string(restarts + 1) + "\"";
  hold(message);
  session.peer->restart(fragment, [this, message, etag = session.etag](const std::string &reply) {
    if (!is_held(message))
      return;
    set_field(message, "ETag", etag);
    give(message, 200, kFragmentType, reply);
    go_on(message);
  });
}

}  // namespace fixture
