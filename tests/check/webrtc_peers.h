// SPDX-License-Identifier: LGPL-2.1-or-later
// Two peer sessions in two pipelines, joined by a wire that loses, delays and doubles packets.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gst/check/gstcheck.h>

#include "ext/webrtc/session/media_session.h"
#include "gst/support/ownership.h"
#include "patience.h"

namespace fixture {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::StructurePtr;
using streamlib::webrtc::Codec;
using streamlib::webrtc::Direction;
using streamlib::webrtc::MediaKind;
using streamlib::webrtc::MediaParameters;
using streamlib::webrtc::MediaSession;
using streamlib::webrtc::PacketKind;
using streamlib::webrtc::PacketReceiver;
using streamlib::webrtc::SessionMedia;
using streamlib::webrtc::SessionSettings;

struct WireSettings {
  unsigned seed = 1;
  double loss = 0;       // Of RTP.
  double duplicate = 0;  // Of RTP.
  int delay_ms = 5;
  int jitter_ms = 0;  // Added to the delay, from packet to packet: this reorders too.
};

// A worker thread carries the packets to the receiver, in the order of their times of arrival.
class Wire final : public streamlib::webrtc::PacketSender {
public:
  explicit Wire(WireSettings settings = {});
  ~Wire();

  // Null: what arrives is thrown away.
  void set_receiver(PacketReceiver *receiver);
  void send(PacketKind kind, MiniPtr<GstBuffer> packet) override;

  // Any thread calls it; true: this packet is lost. To be set before packets come.
  std::function<bool(PacketKind, const std::vector<uint8_t> &)> lose;

  std::atomic<unsigned> rtp = 0;
  std::atomic<unsigned> rtcp = 0;
  std::atomic<unsigned> lost = 0;
  std::atomic<unsigned> largest = 0;  // In bytes.
  // Single RTCP packets inside the compound ones.
  std::atomic<unsigned> plis = 0;
  std::atomic<unsigned> firs = 0;
  std::atomic<unsigned> nacks = 0;
  std::atomic<unsigned> byes = 0;
  std::atomic<unsigned> sender_reports = 0;

private:
  void run();
  void look_at_rtcp(const std::vector<uint8_t> &packet);

  const WireSettings settings_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::mt19937 random_;
  std::multimap<int64_t, std::pair<PacketKind, MiniPtr<GstBuffer>>> on_the_way_;
  // Held while a packet is handed over.
  std::mutex receiver_mutex_;
  PacketReceiver *receiver_ = nullptr;
  bool is_ending_ = false;
  std::thread thread_;
};

Codec make_codec(const char *name, int payload_type, int clock_rate, int channels = 0,
                 std::vector<std::string> feedback = {}, int rtx = -1);
Codec vp8(int payload_type = 96);
Codec vp9(int payload_type = 98);
Codec h264(const char *profile_level_id = "42e01f", int payload_type = 102);
Codec opus(int payload_type = 111);

MediaParameters make_section(const char *mid, MediaKind kind, Direction direction,
                             std::vector<Codec> codecs, uint32_t ssrc = 0, uint32_t rtx_ssrc = 0);
// As the sending and as the receiving side have it.
SessionMedia sending(const char *mid, MediaKind kind, std::vector<Codec> codecs, uint32_t ssrc,
                     uint32_t rtx_ssrc = 0);
SessionMedia turned(const SessionMedia &media);
std::vector<SessionMedia> turned(const std::vector<SessionMedia> &media);

class Listener final : public streamlib::webrtc::SessionListener {
public:
  void inputs_ended() override { ended++; }
  void bye_sent() override { byes_sent++; }
  void bye_received(uint32_t ssrc) override { byes_received++; }

  std::atomic<int> ended = 0;
  std::atomic<int> byes_sent = 0;
  std::atomic<int> byes_received = 0;
};

// A buffer that came out.
struct Received {
  GstClockTime running = GST_CLOCK_TIME_NONE;
  bool is_key = false;
  bool is_discont = false;
  gsize size = 0;
};

// A pipeline with a session.
class Peer {
public:
  explicit Peer(SessionSettings settings = {});
  ~Peer();
  Peer(const Peer &) = delete;
  Peer &operator=(const Peer &) = delete;

  GstElement *pipeline() const { return pipeline_.get(); }
  MediaSession &session() { return *session_; }
  // A launch line whose last element feeds the input of that kind.
  GstElement *add_source(MediaKind kind, const std::string &line);
  // A launch line that begins with what follows the output, after begin(); without one its buffers
  // are just recorded. What comes to the end of the line is recorded.
  void add_output(MediaKind kind, const std::string &line = "");
  void play();
  void stop();

  std::vector<Received> received(MediaKind kind);
  size_t count(MediaKind kind);
  MiniPtr<GstCaps> caps(MediaKind kind);
  guint64 stat(const char *field);
  // The text of the first error on the bus, empty when none comes in time.
  std::string error(int ms);

  Listener listener;

private:
  struct Recording {
    std::mutex mutex;
    std::vector<Received> buffers;
    MiniPtr<GstCaps> caps;
  };
  static void on_buffer(GstElement *, GstBuffer *buffer, GstPad *pad, gpointer recording);

  GObjectPtr<GstElement> pipeline_;
  std::unique_ptr<MediaSession> session_;
  std::map<MediaKind, Recording> recordings_;
};

// Two peers and the wires between them; the first one sends.
class Pair {
public:
  explicit Pair(WireSettings forth = {}, SessionSettings here = {}, SessionSettings there = {},
                WireSettings back = {});
  ~Pair();
  // Begins both sessions, and connects. The sources are there already.
  void begin(const std::vector<SessionMedia> &media);
  void connect();

  std::unique_ptr<Wire> forth;
  std::unique_ptr<Wire> back;
  Peer a;
  Peer b;
};

// The sum of a field over all SSRCs of the stats.
guint64 sum_of_ssrcs(GstStructure *stats, const char *field, bool local);
// Names of the threads of this process.
std::vector<std::string> thread_names();

}  // namespace fixture
