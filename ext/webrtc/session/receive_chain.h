// SPDX-License-Identifier: LGPL-2.1-or-later
// From one RTP stream to encoded media, and the output that stays while streams come and go.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <gst/gst.h>

#include "ext/webrtc/parameters.h"
#include "ext/webrtc/session/keyframe_throttle.h"
#include "ext/webrtc/session/media_sync.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

// A pad of the session that outlives sessions with the peer: one stream for those behind it, with
// one running time, whatever SSRC or codec feeds it.
class ReceiveOutput {
public:
  ReceiveOutput(GstBin *bin, MediaKind kind, const std::string &pad_name,
                const std::string &stream_id);
  ~ReceiveOutput();
  ReceiveOutput(const ReceiveOutput &) = delete;
  ReceiveOutput &operator=(const ReceiveOutput &) = delete;

  MediaKind kind() const { return kind_; }
  GstPad *pad() const { return ghost_.get(); }
  // Any thread: `src` feeds the output from now on; what fed it before is dropped at its end.
  // Session and SSRC say whose it is, and the session is only compared.
  void feed_from(GstPad *src, const void *session, uint32_t ssrc);
  // Whether another pad of the same stream feeds it now.
  bool is_fed_by_other(const GstPad *src, const void *session, uint32_t ssrc) const
  {
    return feeder_ != src && feeding_session_ == session && feeding_ssrc_ == ssrc;
  }
  // Any thread: nothing feeds it, until the next feed_from().
  void starve();
  // Streaming thread or any other while nothing feeds it.
  void end_stream();

  // Any thread. Whether a thread stands in what follows the output.
  bool is_busy() const;
  // Any thread. Nothing passes, and nothing upstream fails, until the consumer has been flushed: a
  // flush begins, which may wait for the consumer…
  void hold() { is_held_ = true; }
  void begin_flush();
  // …and ends, once no thread stands there any more.
  void end_flush();

  uint64_t buffers() const { return buffers_.load(std::memory_order_relaxed); }
  // Buffers whose time was before that of the one before, and was put right.
  uint64_t times_mended() const { return times_mended_.load(std::memory_order_relaxed); }
  // Buffers that came while a consumer did not return.
  uint64_t dropped_held() const { return dropped_held_.load(std::memory_order_relaxed); }
  uint64_t gaps() const { return gaps_.load(std::memory_order_relaxed); }

private:
  static GstPadProbeReturn on_feed(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  GstPadProbeReturn take_event(GstPadProbeInfo *info);
  void keep_order(GstPadProbeInfo *info);

  const MediaKind kind_;
  const std::string stream_id_;
  const support::GObjectPtr<GstElement> bin_;
  support::GObjectPtr<GstElement> tail_;
  support::GObjectPtr<GstPad> sink_;
  support::GObjectPtr<GstPad> ghost_;
  std::atomic<const GstPad *> feeder_ = nullptr;
  std::atomic<const void *> feeding_session_ = nullptr;
  std::atomic<uint32_t> feeding_ssrc_ = 0;
  std::atomic<bool> has_stream_start_ = false;
  std::atomic<bool> is_ending_ = false;
  std::atomic<bool> is_discont_ = true;
  std::atomic<bool> is_held_ = false;
  std::atomic<uint64_t> buffers_ = 0;
  std::atomic<uint64_t> gaps_ = 0;
  std::atomic<uint64_t> times_mended_ = 0;
  std::atomic<uint64_t> dropped_held_ = 0;
  // Under the stream lock of the tail's pad.
  GstClockTime last_pts_ = GST_CLOCK_TIME_NONE;
  support::PadProbe probe_;
};

// Depayloader of one RTP stream, with its requests for keyframes.
class ReceiveChain {
public:
  // `rtp` is a pad of rtpbin. Throttle and sync outlive the chain.
  static support::Result<std::unique_ptr<ReceiveChain>> make(const Codec &codec, GstPad *rtp,
                                                             uint32_t ssrc,
                                                             KeyframeThrottle *throttle,
                                                             MediaSync *sync);
  ~ReceiveChain();
  ReceiveChain(const ReceiveChain &) = delete;
  ReceiveChain &operator=(const ReceiveChain &) = delete;

  GstElement *bin() const { return bin_.get(); }
  bool is_of(GstPad *rtp) const { return rtp_.get() == rtp; }
  uint32_t ssrc() const { return ssrc_; }
  // Any thread: the bin is in its parent; the RTP stream flows from now on.
  bool attach(const std::shared_ptr<ReceiveOutput> &output);
  // Any thread, as the peer's sender would be asked after a loss.
  void request_keyframe();
  uint64_t dropped_no_key() const { return dropped_no_key_.load(std::memory_order_relaxed); }

private:
  ReceiveChain(GstPad *rtp, uint32_t ssrc, KeyframeThrottle *throttle, MediaSync *sync);
  void ask_for_key();
  void take_back_output();
  void place(GstPadProbeInfo *info);
  void place_loss(GstPadProbeInfo *info) const;

  static GstPadProbeReturn on_rtp(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_upstream(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  static GstPadProbeReturn on_encoded(GstPad *pad, GstPadProbeInfo *info, gpointer self);

  support::GObjectPtr<GstPad> rtp_;
  const uint32_t ssrc_;
  support::GObjectPtr<GstElement> bin_;
  support::GObjectPtr<GstPad> depay_sink_;
  support::GObjectPtr<GstPad> src_;
  std::shared_ptr<ReceiveOutput> output_;
  KeyframeThrottle *throttle_;
  MediaSync *sync_;
  int clock_rate_ = 0;
  bool is_video_ = false;
  std::atomic<bool> needs_key_ = true;
  std::atomic<bool> is_own_request_ = false;
  std::atomic<uint64_t> dropped_no_key_ = 0;
  support::PadProbe rtp_probe_;
  support::PadProbe upstream_probe_;
  support::PadProbe encoded_probe_;
};

}  // namespace streamlib::webrtc
