// SPDX-License-Identifier: LGPL-2.1-or-later
// A WHEP server in a thread of its own, with the far side of each session. It can refuse, make a
// counter-offer, vanish and come back.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <libsoup/soup.h>

#include <gst/check/gstcheck.h>

#include "loop_thread.h"
#include "webrtc_far_peer.h"

namespace fixture {

class WhepServer {
public:
  // With a certificate and its key, as PEM, it speaks HTTPS.
  explicit WhepServer(FarPlan plan = {}, std::string certificate = "");
  WhepServer(const WhepServer &) = delete;
  WhepServer &operator=(const WhepServer &) = delete;
  ~WhepServer();

  std::string endpoint() const;

  // --- Any thread.
  // The next POST gets this status instead of an answer.
  void refuse_next(guint status, std::vector<std::pair<std::string, std::string>> fields = {});
  // All are answered as this plan has it from now on.
  void set_plan(FarPlan plan);
  // All POSTs are answered by an offer and the status 406 (draft-ietf-wish-whep §4.3.2).
  std::atomic<bool> makes_counter_offers = false;
  // PATCH is answered by 405.
  std::atomic<bool> has_no_patch = false;
  // Empty: anybody may.
  void set_token(std::string token);
  // Field of its answers.
  void set_link(std::string link);
  // What the addresses of sessions begin with.
  void set_sessions(std::string prefix);

  // As by SIGKILL: the sessions and the port are gone without a word. The port is the same again
  // after come_back().
  void kill();
  void come_back();
  // As a server that stops in order: close_notify to all.
  void close_sessions();
  // In the server's thread, for each session that is there.
  void for_each(const std::function<void(FarPeer &)> &function);
  // Called for each session before its offer or answer is made.
  void set_on_session(std::function<void(FarPeer &)> function);

  size_t sessions();
  std::atomic<int> posts = 0;
  std::atomic<int> patches = 0;
  std::atomic<int> restarts = 0;
  std::atomic<int> deletes = 0;
  std::atomic<int> counter_offers_answered = 0;
  // Requests that came with a token, whichever it was.
  std::atomic<int> tokens = 0;

private:
  struct Refusal {
    guint status;
    std::vector<std::pair<std::string, std::string>> fields;
  };
  struct Session {
    std::unique_ptr<FarPeer> peer;
    std::string etag;
  };

  static void handle(SoupServer *, SoupServerMessage *message, const char *path, GHashTable *,
                     gpointer self);
  void answer(SoupServerMessage *message, const std::string &path);
  void post(SoupServerMessage *message);
  void patch(SoupServerMessage *message, Session &session);
  void restart(SoupServerMessage *message, Session &session,
               const streamlib::webrtc::IceFragment &fragment);
  bool may(SoupServerMessage *message) const;
  void listen();
  void close_port();
  void remove(const std::string &path);
  void hold(SoupServerMessage *message);
  bool is_held(SoupServerMessage *message) const;
  void go_on(SoupServerMessage *message);

  const std::string certificate_;
  std::atomic<guint> port_ = 0;
  // --- The server's thread.
  SoupServer *server_ = nullptr;
  FarPlan plan_;
  std::string token_;
  std::string link_;
  std::string prefix_ = "/session/";
  std::function<void(FarPeer &)> on_session_;
  std::deque<Refusal> refusals_;
  std::map<std::string, Session> sessions_;
  int next_session_ = 1;
  std::vector<std::pair<SoupServerMessage *, gulong>> held_;
  LoopThread thread_;
};

}  // namespace fixture
