// SPDX-License-Identifier: LGPL-2.1-or-later
// What slwhepsrc does, without its properties: a peer, its media, and the pads for them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/peer/peer.h"
#include "ext/webrtc/play/late_pads.h"
#include "ext/webrtc/play/play_output.h"
#include "ext/webrtc/session/media_session.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

struct PlayerSettings {
  PeerSettings peer;
  SessionSettings session;
};

// Control is the thread that changes the element's state.
class Player final : public PeerListener, public SessionListener {
public:
  // `state_changed` comes in the I/O context, and from clear().
  Player(GstBin *element, std::function<void()> state_changed);
  ~Player();
  Player(const Player &) = delete;
  Player &operator=(const Player &) = delete;

  // Control, in READY: makes what takes media. False while what was before does not end.
  bool prepare(const PlayerSettings &settings);
  // Control, in PAUSED: begins to connect, and returns at once.
  void begin(const PlayerSettings &settings);
  // Any thread, from PAUSED on: the connection ends, and then all pads do, those of media that
  // never came included. False where nothing was begun.
  bool end_stream();
  // Control, still in PAUSED: the end, with its last words. False where it does not come in time.
  bool end();
  // Control, in READY, after end(): takes the pads away.
  void clear();

  // Any thread.
  PeerState state() const { return state_; }
  GstClockTime latency() const { return latency_; }
  support::StructurePtr stats() const;

private:
  void peer_state_changed(PeerState state) override;
  void peer_warned(const PeerProblem &problem) override;
  void peer_failed(const PeerProblem &problem) override;
  void peer_media_begun(const std::vector<SessionMedia> &media) override;
  void inputs_ended() override {}
  void bye_sent() override;
  void bye_received(uint32_t) override {}

  GstPadTemplate *template_of(MediaKind kind) const;
  void make_pads(const std::vector<SessionMedia> &media);
  void end_pads();
  void end_missing_pads(guint run, guint group_id);
  std::shared_ptr<MediaSession> session() const;
  std::shared_ptr<Peer> peer() const;

  GstBin *const element_;
  const std::function<void()> state_changed_;
  PlayerSettings settings_;
  std::atomic<PeerState> state_ = PeerState::New;
  std::atomic<GstClockTime> latency_ = 0;
  std::atomic<bool> was_connected_ = false;
  std::atomic<bool> is_eos_ = false;  // The pads end with the connection.
  guint group_id_ = 0;
  LatePads late_pads_;

  // A leaf; guards what follows, but not what is behind the pointers.
  mutable GMutex mutex_;
  std::shared_ptr<MediaSession> session_;
  std::shared_ptr<Peer> peer_;
  std::vector<std::shared_ptr<PlayOutput>> outputs_;
};

}  // namespace streamlib::webrtc
