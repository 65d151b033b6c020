// SPDX-License-Identifier: LGPL-2.1-or-later
// From an input to RTP packets: [converters, encoder,] parser, check, payloader.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/session/encoders.h"
#include "ext/webrtc/session/keyframe_throttle.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

// Where the packets of an SSRC have got to. A chain that follows another one goes on from there:
// receivers tell packets of now from old ones by their numbers, SRTP above all.
struct RtpPlace {
  guint16 seqnum = 0;  // Of the next packet.
  guint32 timestamp_offset = 0;
};

RtpPlace random_place();

struct SendChainConfig {
  MediaParameters local;
  MediaParameters remote;
  EncoderSettings encoder;
  std::vector<std::string> codec_preference;  // Names, best first; empty: as the peer prefers.
  guint datagram_limit = 1200;                // In bytes, with SRTP and TURN around the packet.
  // Both outlive the chain.
  KeyframeThrottle *throttle = nullptr;
  RtpPlace *place = nullptr;
};

// The size that a payloader may fill: what the layers below and behind it add is left out.
guint payload_mtu(guint datagram_limit, const std::string &mid);

// A bin with the pads `sink` (encoded or raw media) and `src` (application/x-rtp).
class SendChain {
public:
  // Any thread. The failure says what the peer and the input have not in common.
  static support::Result<std::unique_ptr<SendChain>> make(const SendChainConfig &config,
                                                          GstCaps *input);
  ~SendChain();
  SendChain(const SendChain &) = delete;
  SendChain &operator=(const SendChain &) = delete;

  GstElement *bin() const { return bin_.get(); }
  // Null where the input is encoded already.
  GstElement *encoder() const { return encoder_.get(); }
  const Codec &codec() const { return codec_; }
  // The end of the chain: nothing flows through it any more.
  void stop();

private:
  explicit SendChain(const SendChainConfig &config);
  support::Status choose(const SendChainConfig &config, GstCaps *input);
  support::Status build(const SendChainConfig &config, GstCaps *input);
  static void add_crop(GstCaps *input, std::vector<support::GObjectPtr<GstElement>> &elements);
  support::Result<support::GObjectPtr<GstElement>> make_payloader(const SendChainConfig &config);
  void add_probes(GstElement *payloader);

  static GstPadProbeReturn on_media(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_first_packet(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_upstream(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  bool refuses(GstBuffer *buffer);

  support::GObjectPtr<GstElement> bin_;
  support::GObjectPtr<GstElement> encoder_;
  const EncoderEntry *entry_ = nullptr;
  Codec codec_;
  KeyframeThrottle *throttle_;
  RtpPlace *place_;
  support::GObjectPtr<GstElement> payloader_;
  // Why an encoded picture cannot be sent; empty: it can.
  std::function<std::string(const uint8_t *data, size_t size)> refuse_;
  bool is_refused_ = false;
  std::atomic<bool> has_sent_ = false;
  support::PadProbe media_probe_;
  support::PadProbe upstream_probe_;
};

}  // namespace streamlib::webrtc
