// SPDX-License-Identifier: LGPL-2.1-or-later
// The far side of a connection, made of our own transport and session: it answers an offer, or
// offers itself, and sends a pattern, or takes what comes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ext/webrtc/sdp/codecs.h"
#include "ext/webrtc/sdp/fragment.h"
#include "ext/webrtc/sdp/negotiation.h"
#include "ext/webrtc/session/media_session.h"
#include "ext/webrtc/transport/main_context.h"
#include "ext/webrtc/transport/transport.h"

namespace fixture {

struct FarPlan {
  streamlib::webrtc::Direction direction = streamlib::webrtc::Direction::SendOnly;
  // None: without that medium.
  std::vector<streamlib::webrtc::Codec> video = {streamlib::webrtc::vp8_codec()};
  std::vector<streamlib::webrtc::Codec> audio = {streamlib::webrtc::opus_codec()};
  // Launch lines of raw media, which the pattern is painted into; of encoded ones, with an identity
  // named `canvas` where they are still raw.
  std::string video_line =
      "videotestsrc is-live=true pattern=black ! "
      "video/x-raw,format=I420,width=320,height=240,framerate=30/1";
  std::string audio_line =
      "audiotestsrc is-live=true wave=silence samplesperbuffer=480 ! "
      "audio/x-raw,format=S16LE,rate=48000,channels=2";
  bool has_wrong_fingerprint = false;
  // Where media is received: what follows the output; it ends in a sink.
  std::string video_sink = "fakesink sync=false async=false";
  std::string audio_sink = "fakesink sync=false async=false";
  std::vector<std::string> local_addresses;
  streamlib::webrtc::SessionSettings session;
};

// The pattern: bars, the last of which is bright, and a tone that sounds, in the first
// kFlashMs of each second.
constexpr int kBars = 4;
constexpr guint8 kBarY[kBars] = {81, 145, 41, 16};
constexpr guint8 kBarU[kBars] = {90, 54, 240, 128};
constexpr guint8 kBarV[kBars] = {240, 34, 110, 128};
constexpr guint8 kFlashY = 235;
constexpr guint kFlashMs = 200;

// Everything in the thread of the context, but for the figures.
class FarPeer final : public streamlib::webrtc::TransportListener,
                      public streamlib::webrtc::PacketReceiver,
                      public streamlib::webrtc::SessionListener {
public:
  using Ready = std::function<void(std::string sdp)>;
  // That of audio begins with the same byte.
  static constexpr uint32_t kAudioSsrc = 0x1c000000;

  FarPeer(GMainContext *context, FarPlan plan);
  ~FarPeer();
  FarPeer(const FarPeer &) = delete;
  FarPeer &operator=(const FarPeer &) = delete;

  // The answer comes when all addresses are known. False: the offer is nothing for us.
  bool answer(const std::string &offer, Ready ready);
  void offer(Ready ready);
  bool accept(const std::string &answer);

  bool add_candidates(const streamlib::webrtc::IceFragment &fragment);
  void restart(const streamlib::webrtc::IceFragment &fragment, Ready ready);

  // With close_notify, or, as by SIGKILL, without a word.
  void close(std::function<void()> done);
  void kill();

  streamlib::webrtc::TransportState state() const { return state_; }
  streamlib::webrtc::TransportStats transport_stats() const;
  streamlib::support::StructurePtr session_stats() const { return session_->stats(); }
  GstElement *pipeline() const { return pipeline_.get(); }

  // Of the transport's packets that came in. To be set before it is connected; true: this packet is
  // lost.
  std::function<bool(streamlib::webrtc::PacketKind, GstBuffer *)> lose_in;
  // The same for packets that go out, in streaming threads.
  std::function<bool(streamlib::webrtc::PacketKind, GstBuffer *)> lose_out;

private:
  struct Sender final : streamlib::webrtc::PacketSender {
    explicit Sender(FarPeer &peer) : peer(peer) {}
    void send(streamlib::webrtc::PacketKind kind,
              streamlib::support::MiniPtr<GstBuffer> packet) override;
    FarPeer &peer;
  };

  void state_changed(streamlib::webrtc::TransportState state, const std::string &reason,
                     const std::string &facts) override;
  void candidate_found(const std::string &, const std::string &) override {}
  void gathering_done(const std::string &ufrag) override;
  void restart_ended(bool) override {}
  void warned(const std::string &, const std::string &) override {}
  void received(streamlib::webrtc::PacketKind kind,
                streamlib::support::MiniPtr<GstBuffer> packet) override;
  void inputs_ended() override {}
  void bye_sent() override {}
  void bye_received(uint32_t) override {}

  void make_transport(bool is_offering);
  streamlib::webrtc::LocalSide local_side() const;
  void make_sources();
  void add_source(streamlib::webrtc::MediaKind kind, const std::string &line);
  void begin(const streamlib::webrtc::Negotiated &negotiated);
  void add_sink(streamlib::webrtc::MediaKind kind, const std::string &line);
  std::string text_of(streamlib::webrtc::SessionDescription description) const;

  GMainContext *const context_;
  const FarPlan plan_;
  streamlib::support::GObjectPtr<GstElement> pipeline_;
  std::unique_ptr<streamlib::webrtc::MediaSession> session_;
  std::shared_ptr<streamlib::webrtc::Transport> transport_;
  Sender sender_{*this};
  streamlib::webrtc::SessionDescription description_;
  std::function<void()> on_gathered_;
  std::atomic<streamlib::webrtc::TransportState> state_ = streamlib::webrtc::TransportState::New;
};

}  // namespace fixture
