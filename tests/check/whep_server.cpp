// SPDX-License-Identifier: LGPL-2.1-or-later
#include "whep_server.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <gst/check/gstcheck.h>

namespace fixture {

using namespace streamlib::webrtc;

namespace {

constexpr const char *kSdpType = "application/sdp";
constexpr const char *kFragmentType = "application/trickle-ice-sdpfrag";

std::string body_of(SoupServerMessage *message)
{
  const SoupMessageBody *body = soup_server_message_get_request_body(message);
  return {body->data, static_cast<size_t>(body->length)};
}

std::string field_of(SoupServerMessage *message, const char *name)
{
  const char *value =
      soup_message_headers_get_one(soup_server_message_get_request_headers(message), name);
  return value != nullptr ? value : "";
}

void set_field(SoupServerMessage *message, const char *name, const std::string &value)
{
  soup_message_headers_replace(soup_server_message_get_response_headers(message), name,
                               value.c_str());
}

void give(SoupServerMessage *message, guint status, const char *type = nullptr,
          const std::string &text = "")
{
  soup_server_message_set_status(message, status, nullptr);
  if (type != nullptr)
    soup_server_message_set_response(message, type, SOUP_MEMORY_COPY, text.data(), text.size());
}

}  // namespace

WhepServer::WhepServer(FarPlan plan)
    : context_(g_main_context_new()),
      loop_(g_main_loop_new(context_, FALSE)),
      plan_(std::move(plan)),
      thread_([this] {
        g_main_context_push_thread_default(context_);
        g_main_loop_run(loop_);
        g_main_context_pop_thread_default(context_);
      })
{
  call([this] { listen(); });
}

WhepServer::~WhepServer()
{
  call([this] {
    sessions_.clear();
    close_port();
  });
  // What the sessions and the server have left to do.
  g_usleep(20000);
  call([this] { g_main_loop_quit(loop_); });
  thread_.join();
  while (g_main_context_iteration(context_, FALSE)) {
  }
  g_main_loop_unref(loop_);
  g_main_context_unref(context_);
}

// Runs it in the server's thread, and waits for it.
void WhepServer::call(std::function<void()> function)
{
  struct Call {
    std::function<void()> function;
    std::mutex mutex;
    std::condition_variable changed;
    bool is_done = false;
  } call{std::move(function), {}, {}, false};
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(
      source,
      [](gpointer data) -> gboolean {
        auto *call = static_cast<Call *>(data);
        call->function();
        const std::lock_guard lock(call->mutex);
        call->is_done = true;
        call->changed.notify_one();
        return G_SOURCE_REMOVE;
      },
      &call, nullptr);
  g_source_attach(source, context_);
  g_source_unref(source);
  std::unique_lock lock(call.mutex);
  call.changed.wait(lock, [&] { return call.is_done; });
}

void WhepServer::listen()
{
  server_ = soup_server_new(nullptr, nullptr);
  soup_server_add_handler(server_, nullptr, handle, this, nullptr);
  GError *error = nullptr;
  fail_unless(soup_server_listen_local(server_, port_, SOUP_SERVER_LISTEN_IPV4_ONLY, &error), "%s",
              error != nullptr ? error->message : "");
  GSList *uris = soup_server_get_uris(server_);
  port_ = static_cast<guint>(g_uri_get_port(static_cast<GUri *>(uris->data)));
  g_slist_free_full(uris, [](gpointer uri) { g_uri_unref(static_cast<GUri *>(uri)); });
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
  return "http://127.0.0.1:" + std::to_string(port_) + "/whep";
}

void WhepServer::refuse_next(guint status, std::vector<std::pair<std::string, std::string>> fields)
{
  call([&] { refusals_.push_back({status, fields}); });
}

void WhepServer::set_plan(FarPlan plan)
{
  call([&] { plan_ = plan; });
}

void WhepServer::set_token(std::string token)
{
  call([&] { token_ = token; });
}

void WhepServer::set_on_session(std::function<void(FarPeer &)> function)
{
  call([&] { on_session_ = function; });
}

void WhepServer::kill()
{
  call([this] {
    for (const auto &[path, session] : sessions_)
      session.peer->kill();
    sessions_.clear();
    close_port();
  });
}

void WhepServer::come_back()
{
  call([this] { listen(); });
}

void WhepServer::close_sessions()
{
  call([this] {
    std::vector<std::string> paths;
    for (const auto &[path, session] : sessions_)
      paths.push_back(path);
    for (const std::string &path : paths)
      remove(path);
  });
}

void WhepServer::for_each(const std::function<void(FarPeer &)> &function)
{
  call([&] {
    for (const auto &[path, session] : sessions_)
      function(*session.peer);
  });
}

size_t WhepServer::sessions()
{
  size_t count = 0;
  call([&] { count = sessions_.size(); });
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
  // A kept connection is not closed here when its client closes it.
  set_field(message, "Connection", "close");
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
  const std::string path = "/session/" + std::to_string(next_session_++);
  Session &session = sessions_[path];
  session.etag = "\"ice-1\"";
  session.peer = std::make_unique<FarPeer>(context_, plan_);
  if (on_session_)
    on_session_(*session.peer);
  const bool is_counter_offer = makes_counter_offers;
  const auto ready = [this, message, path, is_counter_offer](const std::string &sdp) {
    if (!is_held(message))
      return;
    set_field(message, "Location", path);
    set_field(message, "ETag", sessions_[path].etag);
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
