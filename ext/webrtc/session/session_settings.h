// SPDX-License-Identifier: LGPL-2.1-or-later
// What a user of a media session sets, and what the session tells.
#pragma once

#include <string>
#include <vector>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/session/encoders.h"

namespace streamlib::webrtc {

// One m= section as both sides have described it.
struct SessionMedia {
  MediaParameters local;   // What comes in has these payload types.
  MediaParameters remote;  // What goes out has these payload types.
};

struct SessionSettings {
  guint audio_latency_ms = 100;  // Of the jitter buffers.
  guint video_latency_ms = 200;
  guint keyframe_request_interval_ms = 300;  // At most one request in this time, in each direction.
  guint packet_depth = 2048;                 // Packets that wait for the receive step.
  guint datagram_limit = 1200;               // In bytes.
  EncoderSettings video_encoder = {1500000, 2000};
  EncoderSettings audio_encoder = {64000, 0};
  std::vector<std::string> codec_preference;  // Names, best first; empty: as the peer prefers.
};

// Called in the threads that are named, with no lock held. Must not block, nor call begin(), stop()
// or the destructor of the session: leave that to the I/O context.
class SessionListener {
public:
  // Streaming thread: every input has ended; the BYE follows by itself.
  virtual void inputs_ended() = 0;
  // Streaming thread, after inputs_ended(), or within begin_bye(): the BYE has been given to the
  // sender, and nothing is sent after it. Once in a session.
  virtual void bye_sent() = 0;
  // Receive step: the peer's sender has said BYE.
  virtual void bye_received(uint32_t ssrc) = 0;

protected:
  ~SessionListener() = default;
};

// How long nothing has come from the peer, in microseconds; negative: nothing has come at all.
struct Liveness {
  int64_t since_rtp_us = -1;
  int64_t since_rtcp_us = -1;
};

}  // namespace streamlib::webrtc
