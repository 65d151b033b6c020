// SPDX-License-Identifier: LGPL-2.1-or-later
// What slwhipsink does between READY and NULL: one media session, and a peer while it is in PAUSED
// or PLAYING.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/peer/peer.h"
#include "ext/webrtc/peer/peer_properties.h"
#include "ext/webrtc/transport/main_context.h"
#include "gst/support/guards.h"

namespace streamlib::webrtc {

// What a user may set beside the connection.
struct WhipSettings {
  ConnectionSettings connection;
  std::string video_codec;
  guint video_bitrate = 1500000;
  guint audio_bitrate = 64000;
  guint keyframe_interval_ms = 2000;
};

// The names in a list of codecs, or which of them is none.
support::Result<std::vector<std::string>> codec_names(const std::string &list);
// What can be sent of what comes through a pad with these caps.
support::Result<std::vector<Codec>> codecs_to_offer(MediaKind kind, GstCaps *caps,
                                                    const std::vector<std::string> &preference);

class WhipPublisher final : private SessionListener, private PeerListener {
public:
  // `element` owns it.
  static support::Result<std::unique_ptr<WhipPublisher>> create(GstElement *element,
                                                                const WhipSettings &settings);
  WhipPublisher(const WhipPublisher &) = delete;
  WhipPublisher &operator=(const WhipPublisher &) = delete;
  ~WhipPublisher();

  // --- The thread that changes states.
  GstElement *bin() const { return session_.bin(); }
  GstPad *add_input(MediaKind kind, GstPad *ghost);
  void remove_input(MediaKind kind);
  // Before the pads take anything.
  void prepare();
  // Connects with the inputs that are linked. Where none is, it waits for the first buffer of one:
  // then all of them are, that of a decodebin and that of a graph which is edited.
  support::Status begin();
  // False when something does not return.
  bool end();
  bool is_over() const;
  bool has_begun() const { return peer() != nullptr; }

  // --- Any thread.
  void set_bitrate(MediaKind kind, guint bitrate) { session_.set_bitrate(kind, bitrate); }
  PeerState state() const;
  support::StructurePtr stats() const;

private:
  struct Input {
    WhipPublisher *owner = nullptr;
    MediaKind kind = MediaKind::Audio;
    support::GObjectPtr<GstPad> ghost;
    support::PadProbe probe;
    std::atomic<bool> is_linked = false;
    std::atomic<bool> is_eos = false;
    std::atomic<bool> is_refused = false;  // The peer does not want it.
    std::atomic<guint64> refused = 0;      // Buffers.
    std::atomic<guint32> seqnum = GST_SEQNUM_INVALID;
  };

  WhipPublisher(GstElement *element, SessionSettings session, PeerSettings peer,
                std::vector<std::string> preference);
  Input &input(MediaKind kind) { return inputs_[kind == MediaKind::Video ? 1 : 0]; }
  std::shared_ptr<Peer> peer() const;
  static GstPadProbeReturn on_input(GstPad *pad, GstPadProbeInfo *info, gpointer input);
  support::Status connect_linked();
  void begin_late();
  void take_event(Input &input, GstEvent *event);
  void end_stream_if_due();

  void inputs_ended() override;
  void bye_sent() override;
  void bye_received(uint32_t) override {}
  void peer_state_changed(PeerState state) override;
  void peer_warned(const PeerProblem &problem) override;
  void peer_failed(const PeerProblem &problem) override;
  void peer_media_begun(const std::vector<SessionMedia> &media) override;

  GstElement *const element_;
  const support::GObjectPtr<GstSlRuntime> runtime_;
  const PeerSettings peer_settings_;
  const std::vector<std::string> preference_;
  std::array<Input, 2> inputs_;
  MediaSession session_;
  std::atomic<bool> is_eos_ = false;
  std::atomic<bool> is_waiting_ = false;  // For something that is linked. Changes under the lock.

  // A leaf; guards what follows, and which pads the inputs have.
  mutable GMutex mutex_;
  std::shared_ptr<Peer> peer_;
  support::SourceGuard drain_limit_;
  support::SourceGuard reminder_;
};

}  // namespace streamlib::webrtc
