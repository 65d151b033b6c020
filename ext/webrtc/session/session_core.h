// SPDX-License-Identifier: LGPL-2.1-or-later
// One session with a peer: rtpbin with its neighbours, from packets to RTP streams and back.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <gst/gst.h>

#include "ext/webrtc/packet_port.h"
#include "ext/webrtc/session/keyframe_throttle.h"
#include "ext/webrtc/session/media_sync.h"
#include "ext/webrtc/session/mid_demux.h"
#include "ext/webrtc/session/receive_chain.h"
#include "ext/webrtc/session/send_chain.h"
#include "ext/webrtc/session/session_settings.h"
#include "gst/support/guards.h"
#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::webrtc {

struct CoreHooks {
  std::function<void()> inputs_ended;
  std::function<void()> bye_sent;
  std::function<void(uint32_t ssrc)> bye_received;
};

class SessionCore {
public:
  SessionCore(GstBin *bin, const SessionSettings &settings, std::vector<SessionMedia> media,
              std::vector<std::shared_ptr<ReceiveOutput>> outputs, PacketSender *sender,
              CoreHooks hooks);
  ~SessionCore();
  SessionCore(const SessionCore &) = delete;
  SessionCore &operator=(const SessionCore &) = delete;

  support::Status build();
  // Not a streaming thread; does not wait for consumers. Nothing is sent after it.
  void cut_off();
  // Not a streaming thread. Waits for consumers of the outputs that stand in a push. No hook is
  // called after it.
  void close();
  // The link pad for received packets.
  GstPad *entry() const { return entry_.get(); }
  const std::vector<SessionMedia> &media() const { return media_; }
  // Any thread. The index of the section that an input of the kind is sent in, or -1.
  int sending_section(MediaKind kind) const;
  // Any thread: a pad for packets to send, of the funnel.
  support::GObjectPtr<GstPad> request_send_pad();
  // Any thread: the last that is sent is a BYE; then the hook bye_sent is called.
  void say_bye();
  void request_keyframe(MediaKind kind);
  void send_keyframe();
  void release_send_pad(GstPad *pad);
  KeyframeThrottle &send_throttle(size_t section) { return *sections_[section]->incoming; }
  // The streaming thread of the section's input.
  RtpPlace &send_place(size_t section) { return sections_[section]->place; }

  Liveness liveness() const;
  support::StructurePtr stats() const;

private:
  // Requests from the peer, and requests to the peer.
  struct Section {
    std::unique_ptr<KeyframeThrottle> incoming;
    std::unique_ptr<KeyframeThrottle> outgoing;
    RtpPlace place = random_place();
  };

  template <typename T>
  using GObjectPtr = support::GObjectPtr<T>;

  GstBin *bin() const { return GST_BIN(bin_.get()); }
  GObjectPtr<GstElement> add(GObjectPtr<GstElement> element);
  support::Status make_elements();
  void configure_rtpbin();
  void allow_early_feedback();
  support::Status link();
  void announce_streams();
  void send(PacketKind kind, support::MiniPtr<GstBuffer> packet);
  // Between them rtpsession is not stopped.
  bool begin_look() const;
  void end_look() const;
  // The structures of rtpsession's statistics, one for each SSRC.
  void for_each_source(const std::function<void(const GstStructure *)> &visit) const;
  std::vector<uint32_t> own_ssrcs() const;
  std::string own_cname() const;
  bool admit(PacketKind kind, GstBuffer *packet);
  bool admit_rtp(GstBuffer *packet);
  bool is_agreed(size_t section, int payload_type);
  const Codec *find_incoming(unsigned payload_type, size_t *section, bool *is_rtx) const;
  bool wants_rtx(bool sending) const;
  GstElement *make_rtx(bool sending);
  bool is_repeated(uint32_t ssrc) const;
  void take_pad(GstPad *pad);
  void drop_stream(GstPad *pad);
  void forget_gone();
  void remove(GstElement *element);
  void append_source_stats(GValue *list, const GstStructure *source) const;
  void append_jitterbuffer_stats(GstStructure *stats) const;
  static support::StructurePtr jitterbuffer_stats(GstElement *jitterbuffer);
  static void add_jitterbuffer_stats(GstStructure *sum, const GstStructure *more);

  static GstCaps *on_pt_map(GstElement *, guint session, guint pt, gpointer self);
  static void on_jitterbuffer(GstElement *, GstElement *jitterbuffer, guint session, guint ssrc,
                              gpointer self);
  static GstElement *on_aux_sender(GstElement *, guint session, gpointer self);
  static GstElement *on_aux_receiver(GstElement *, guint session, gpointer self);
  static GstPadProbeReturn on_rtx_request(GstPad *, GstPadProbeInfo *info, gpointer self);
  static void on_pad(GstElement *, GstPad *pad, gpointer self);
  static void on_pad_gone(GstElement *, GstPad *pad, gpointer self);
  static void on_bye(GstElement *, guint session, guint ssrc, gpointer self);

  const GObjectPtr<GstElement> bin_;
  const SessionSettings settings_;
  const std::vector<SessionMedia> media_;
  const std::vector<std::shared_ptr<ReceiveOutput>> outputs_;
  PacketSender *const sender_;
  const CoreHooks hooks_;
  std::vector<std::unique_ptr<Section>> sections_;

  GObjectPtr<GstElement> source_;
  GObjectPtr<GstElement> rtpbin_;
  GObjectPtr<GstElement> funnel_;
  GObjectPtr<GstElement> sink_;
  GObjectPtr<GObject> session_;
  GObjectPtr<GstPad> entry_;
  GObjectPtr<GstPad> send_sink_;
  GObjectPtr<GstElement> rtx_send_;
  GObjectPtr<GstElement> rtx_receive_;
  support::PadProbe request_probe_;
  std::vector<support::SignalHandler> signals_;
  MediaSync sync_;

  // The receive step.
  MidDemux demux_;
  std::vector<int> mid_ids_;

  // A leaf; with it those that look at rtpsession are counted, and the end waits for them.
  mutable GMutex look_mutex_;
  mutable GCond looked_;
  mutable unsigned lookers_ = 0;

  // A leaf; guards what follows, which changes once for each stream.
  mutable GMutex streams_mutex_;
  std::map<uint32_t, int> section_of_;
  std::map<uint32_t, GObjectPtr<GstElement>> jitterbuffers_;
  std::vector<std::pair<int, std::shared_ptr<ReceiveChain>>> chains_;
  std::vector<uint32_t> gone_ssrcs_;
  support::StructurePtr gone_stats_;

  std::atomic<bool> has_gone_ = false;
  std::atomic<bool> is_ending_ = false;
  std::atomic<uint64_t> dropped_no_key_ = 0;

  std::atomic<bool> has_sent_ = false;
  std::atomic<bool> has_said_bye_ = false;
  std::atomic<int64_t> last_rtp_ = 0;
  std::atomic<int64_t> last_rtcp_ = 0;
  std::atomic<uint64_t> rtx_asked_for_ = 0;
  std::atomic<uint64_t> unassociated_ = 0;
  std::atomic<uint64_t> unknown_payload_type_ = 0;
  std::atomic<uint64_t> malformed_ = 0;
};

}  // namespace streamlib::webrtc
