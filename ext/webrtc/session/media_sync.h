// SPDX-License-Identifier: LGPL-2.1-or-later
// Sound and picture of a peer in sync: times for packets that follow the peer's own clock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

#include <gst/gst.h>

namespace streamlib::webrtc {

// A jitter buffer estimates for each stream alone when its packets are to be shown; its estimates
// take seconds to settle. The sender's reports say when packets were taken, by one clock for all
// streams of a CNAME (RFC 3550 §6.4.1). So the streams of a CNAME get the times of that clock, all
// with the same distance: that of the stream that comes latest.
//
// Any thread.
class MediaSync {
public:
  MediaSync();
  ~MediaSync();
  MediaSync(const MediaSync &) = delete;
  MediaSync &operator=(const MediaSync &) = delete;

  // The reports and names in a compound RTCP packet.
  void take(GstBuffer *rtcp);
  // `ntp` in nanoseconds.
  void take_report(uint32_t ssrc, int64_t ntp, uint32_t rtp);
  void take_cname(uint32_t ssrc, const std::string &cname);

  // When a packet is to be shown that came at one time, and that its jitter buffer would show at
  // another: all in nanoseconds of running time.
  int64_t place(uint32_t ssrc, int clock_rate, uint32_t rtp, int64_t came, int64_t estimate);
  // How much later than its jitter buffer would, for what is no packet.
  int64_t delay(uint32_t ssrc) const;
  void forget(uint32_t ssrc);

private:
  struct Stream {
    std::string cname;
    int clock_rate = 0;

    // The last report, and what it says: at RTP time 0 it was `epoch` by the peer's clock.
    bool has_report = false;
    int64_t report_ntp = 0;
    uint32_t report_rtp = 0;
    bool is_mapped = false;
    int64_t epoch = 0;
    // The same as it is used: the way there is gone slowly.
    int64_t used_epoch = 0;

    // RTP times are counted on from 2^32, so that they never wrap; `media` is one in nanoseconds.
    bool has_packet = false;
    int64_t extended = 0;
    int64_t media = 0;
    int64_t estimate = 0;
    bool is_measured = false;
    // The running time at RTP time 0 by the packets that came fastest, in this span of time and in
    // the one before it, and by the jitter buffer.
    int64_t fastest = 0;
    int64_t fastest_before = 0;
    int64_t span_begin = 0;
    int64_t base = 0;
    bool is_synced = false;
    // How much later than the others it still is since it came to them.
    int64_t rest = 0;
    // Of what is given out, against the jitter buffer; not in sync it goes away little by little.
    int64_t delay = 0;
    int64_t placed = 0;

    // From the peer's clock to when it is to be shown.
    int64_t distance() const { return std::min(fastest, fastest_before) - epoch; }
  };

  // What the streams of a CNAME have in common.
  struct Group {
    int64_t distance = 0;
    int64_t ntp = 0;  // Of the latest packet.
  };

  Stream *stream_of(uint32_t ssrc);
  static int64_t in_nanoseconds(const Stream &stream, int64_t extended);
  void map(Stream &stream);
  static void begin(Stream &stream, int clock_rate, uint32_t rtp);
  static void restart(Stream &stream);
  int64_t find_distance(const Stream &stream, bool *has_others, bool *has_synced) const;
  static void measure(Stream &stream, int64_t came, int64_t estimate);
  bool sync(Stream &stream, int64_t elapsed, int64_t *placed);

  // A leaf; guards what follows.
  mutable GMutex mutex_;
  std::map<uint32_t, Stream> streams_;
  std::map<std::string, Group> groups_;
};

}  // namespace streamlib::webrtc
