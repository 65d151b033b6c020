// SPDX-License-Identifier: LGPL-2.1-or-later
// A WHIP server in the test, made of our own layers in the answering role.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <libsoup/soup.h>

#include "ext/webrtc/sdp/fragment.h"
#include "ext/webrtc/sdp/negotiation.h"
#include "ext/webrtc/transport/transport.h"
#include "loop_thread.h"
#include "webrtc_peers.h"

namespace fixture {

struct WhipServerSettings {
  std::vector<std::string> codecs = {"VP8", "VP9", "H264", "opus"};  // That it takes.
  std::string h264_profile;            // The one profile-level-id that it takes; empty: any.
  std::string token;                   // Wanted; empty: none.
  bool is_wrong_peer = false;          // The answer's fingerprint is of another certificate.
  bool is_deaf = false;                // It answers by HTTP and never by ICE.
  guint patch_status = 0;              // Of each PATCH; 0: it is done.
  std::string link;                    // Field of its answers.
  std::string certificate;             // With its key, as PEM; empty: no TLS.
  std::string sessions = "/session/";  // What their addresses begin with.
};

// One session at the server.
struct WhipServerSession;

class WhipServer {
public:
  explicit WhipServer(WhipServerSettings settings = {});
  WhipServer(const WhipServer &) = delete;
  WhipServer &operator=(const WhipServer &) = delete;
  ~WhipServer();

  std::string endpoint() const;

  // The next POSTs are answered with this status, as many as `count` says.
  void refuse(guint status, guint count, guint retry_after_s = 0);
  // The peers are gone without a word; the HTTP server stays.
  void kill_sessions();
  // The same, and what they have counted goes, with the threads that they keep.
  void forget_sessions();
  // Nothing is served for a time: no HTTP, no ICE.
  void freeze(int ms);
  // A close_notify to each.
  void close_sessions();

  // Asks the sender of the last session.
  void request_keyframe();
  size_t keyframes_of_last() const;

  // Of all sessions there were.
  size_t buffers(MediaKind kind) const;
  // What the last session has got.
  size_t buffers_of_last(MediaKind kind) const;
  std::string caps_of_last(MediaKind kind) const;
  guint64 byes() const;
  // Packets of media at the sockets, whatever became of them.
  guint64 packets() const;
  guint64 restarts() const;

  std::atomic<int> posts = 0;
  std::atomic<int> patches = 0;
  std::atomic<int> deletes = 0;
  std::atomic<int> sessions = 0;  // At present.
  std::string last_offer() const;
  // Requests that came with a token, whichever it was.
  std::atomic<int> tokens = 0;

private:
  static void handle(SoupServer *server, SoupServerMessage *message, const char *path,
                     GHashTable *query, gpointer self);
  void take(SoupServerMessage *message, const std::string &path);
  void take_offer(SoupServerMessage *message);
  void take_fragment(SoupServerMessage *message, WhipServerSession &session);
  void take_delete(SoupServerMessage *message, const std::string &path);
  void end_leaving();
  bool may_post(SoupServerMessage *message);

  const WhipServerSettings settings_;
  SoupServer *server_ = nullptr;
  guint port_ = 0;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<WhipServerSession>> sessions_;  // By their paths.
  std::vector<std::shared_ptr<WhipServerSession>> all_;
  std::string last_offer_;
  std::vector<std::shared_ptr<WhipServerSession>> leaving_;  // Deleted. The server's thread.
  guint refusal_ = 0;
  guint refusals_ = 0;
  guint retry_after_s_ = 0;
  int number_ = 0;
  LoopThread thread_;
};

}  // namespace fixture
