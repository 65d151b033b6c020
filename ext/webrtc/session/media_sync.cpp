// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/media_sync.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <gst/rtp/rtp.h>

#include "ext/webrtc/session/mid_demux.h"
#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::MutexLock;

namespace {

constexpr int64_t kWrap = int64_t{1} << 32;

// What is too early by more than one notices is moved at once; otherwise so slowly that nobody
// hears it. Back it only goes by going slower, so that no time goes back.
constexpr int64_t kAudible = 40 * GST_MSECOND;
constexpr int64_t kForwardPart = 100;
constexpr int64_t kBackPart = 4;
constexpr int64_t kLongestStep = 40 * GST_MSECOND;

// From here on the times of a stream, or of the peer's clock, have begun anew.
constexpr int64_t kRestart = GST_SECOND;
constexpr int64_t kClockStep = 200 * GST_MSECOND;
// Some senders take the time when the report leaves for that of the last packet, which is wrong by
// up to one interval; the mean of several is not.
constexpr int64_t kReportsForMean = 4;
// A report about what is that far from the last packet is not about this stream's times.
constexpr int64_t kFarReport = 10 * GST_SECOND;
// Who has been silent for so long does not hold the others.
constexpr int64_t kSilence = 5 * GST_SECOND;
// The fastest packets are those of one or two spans, so that a way that has become longer counts.
constexpr int64_t kSpan = 5 * GST_SECOND;
// No sender is that far apart with its media: one of two reports is of another clock.
constexpr int64_t kApart = 3 * GST_SECOND;

void move(int64_t *value, int64_t wanted, int64_t elapsed)
{
  elapsed = std::clamp<int64_t>(elapsed, 0, kLongestStep);
  const int64_t error = wanted - *value;
  if (error > kAudible)
    *value = wanted;
  else if (error > 0)
    *value += std::min(error, elapsed / kForwardPart);
  else
    *value -= std::min(-error, elapsed / kBackPart);
}

int64_t ntp_in_nanoseconds(guint64 ntp)
{
  return static_cast<int64_t>(gst_util_uint64_scale(ntp, GST_SECOND, kWrap));
}

}  // namespace

MediaSync::MediaSync()
{
  g_mutex_init(&mutex_);
}

MediaSync::~MediaSync()
{
  g_mutex_clear(&mutex_);
}

// --- What reports say ---

void MediaSync::take(GstBuffer *buffer)
{
  if (!gst_rtcp_buffer_validate_reduced(buffer))
    return;
  GstRTCPBuffer rtcp = GST_RTCP_BUFFER_INIT;
  GstRTCPPacket packet;
  if (!gst_rtcp_buffer_map(buffer, GST_MAP_READ, &rtcp))
    return;
  for (gboolean more = gst_rtcp_buffer_get_first_packet(&rtcp, &packet); more;
       more = gst_rtcp_packet_move_to_next(&packet)) {
    if (gst_rtcp_packet_get_type(&packet) == GST_RTCP_TYPE_SR) {
      guint32 ssrc = 0;
      guint32 rtp = 0;
      guint64 ntp = 0;
      gst_rtcp_packet_sr_get_sender_info(&packet, &ssrc, &ntp, &rtp, nullptr, nullptr);
      // A sender without a clock says zero.
      if (ntp != 0)
        take_report(ssrc, ntp_in_nanoseconds(ntp), rtp);
    } else if (gst_rtcp_packet_get_type(&packet) == GST_RTCP_TYPE_SDES) {
      for (gboolean item = gst_rtcp_packet_sdes_first_item(&packet); item;
           item = gst_rtcp_packet_sdes_next_item(&packet))
        for (gboolean entry = gst_rtcp_packet_sdes_first_entry(&packet); entry;
             entry = gst_rtcp_packet_sdes_next_entry(&packet)) {
          GstRTCPSDESType type = GST_RTCP_SDES_INVALID;
          guint8 length = 0;
          guint8 *text = nullptr;
          if (gst_rtcp_packet_sdes_get_entry(&packet, &type, &length, &text) &&
              type == GST_RTCP_SDES_CNAME)
            take_cname(gst_rtcp_packet_sdes_get_ssrc(&packet),
                       std::string(reinterpret_cast<const char *>(text), length));
        }
    }
  }
  gst_rtcp_buffer_unmap(&rtcp);
}

MediaSync::Stream *MediaSync::stream_of(uint32_t ssrc)
{
  const auto known = streams_.find(ssrc);
  if (known != streams_.end())
    return &known->second;
  // Reports may name what never comes.
  return streams_.size() < 2 * MidDemux::kMaxSsrcs ? &streams_[ssrc] : nullptr;
}

void MediaSync::take_cname(uint32_t ssrc, const std::string &cname)
{
  const MutexLock lock(mutex_);
  if (Stream *stream = stream_of(ssrc))
    stream->cname = cname;
}

void MediaSync::take_report(uint32_t ssrc, int64_t ntp, uint32_t rtp)
{
  const MutexLock lock(mutex_);
  Stream *stream = stream_of(ssrc);
  if (stream == nullptr)
    return;
  stream->has_report = true;
  stream->report_ntp = ntp;
  stream->report_rtp = rtp;
  if (stream->has_packet)
    map(*stream);
}

int64_t MediaSync::in_nanoseconds(const Stream &stream, int64_t extended)
{
  return static_cast<int64_t>(
      gst_util_uint64_scale_int(static_cast<guint64>(extended), GST_SECOND, stream.clock_rate));
}

void MediaSync::map(Stream &stream)
{
  stream.has_report = false;
  const auto ahead =
      static_cast<int32_t>(stream.report_rtp - static_cast<uint32_t>(stream.extended));
  const int64_t media = in_nanoseconds(stream, std::max<int64_t>(stream.extended + ahead, 0));
  if (std::abs(media - stream.media) > kFarReport)
    return;
  const int64_t epoch = stream.report_ntp - media;
  const int64_t error = epoch - stream.epoch;
  if (stream.is_mapped && std::abs(error) < kClockStep) {
    stream.epoch += error / kReportsForMean;
    return;
  }
  // The peer has set its clock: what the others said before is of the old one.
  if (stream.is_mapped)
    for (auto &[ssrc, other] : streams_)
      if (other.cname == stream.cname)
        restart(other);
  stream.epoch = stream.used_epoch = epoch;
  stream.is_mapped = true;
}

// --- What packets get ---

// Times have nothing to do with those before.
void MediaSync::restart(Stream &stream)
{
  stream.is_mapped = stream.is_synced = false;
}

void MediaSync::begin(Stream &stream, int clock_rate, uint32_t rtp)
{
  stream.clock_rate = clock_rate;
  stream.extended = kWrap + rtp;
  stream.media = in_nanoseconds(stream, stream.extended);
  stream.has_packet = true;
  stream.is_measured = false;
  restart(stream);
}

// That of the latest stream.
int64_t MediaSync::find_distance(const Stream &stream, bool *has_others, bool *has_synced) const
{
  int64_t distance = stream.distance();
  *has_others = *has_synced = false;
  for (const auto &[ssrc, other] : streams_) {
    if (&other == &stream || !other.is_mapped || other.cname != stream.cname ||
        std::abs(stream.estimate - other.estimate) > kSilence ||
        std::abs(stream.distance() - other.distance()) > kApart)
      continue;
    *has_others = true;
    *has_synced = *has_synced || other.is_synced;
    distance = std::max(distance, other.distance());
  }
  return distance;
}

void MediaSync::measure(Stream &stream, int64_t came, int64_t estimate)
{
  const int64_t base = estimate - stream.media;
  const int64_t now = came - stream.media;
  const bool begins = !stream.is_measured || std::abs(base - stream.base) > kRestart;
  if (begins)
    restart(stream);
  if (begins || came > stream.span_begin + kSpan) {
    stream.fastest_before = begins ? now : stream.fastest;
    stream.fastest = now;
    stream.span_begin = came;
  }
  stream.is_measured = true;
  stream.fastest = std::min(stream.fastest, now);
  stream.base = base;
  stream.estimate = estimate;
}

bool MediaSync::sync(Stream &stream, int64_t elapsed, int64_t *placed)
{
  if (!stream.is_mapped || stream.cname.empty())
    return false;
  bool has_others = false;
  bool has_synced = false;
  const int64_t latest = find_distance(stream, &has_others, &has_synced);
  if (!stream.is_synced && !has_others)
    return false;
  Group &group = groups_[stream.cname];
  const int64_t ntp = stream.media + stream.epoch;
  if (stream.is_synced) {
    move(&stream.used_epoch, stream.epoch, elapsed);
    move(&group.distance, latest, ntp - group.ntp);
    move(&stream.rest, 0, elapsed);
  } else {
    // Who comes to others goes where they are, unless it comes later than they do.
    stream.used_epoch = stream.epoch;
    group.distance = has_synced ? std::max(group.distance, stream.distance()) : latest;
    group.ntp = has_synced ? group.ntp : ntp;
    stream.rest = std::max<int64_t>(stream.estimate + stream.delay - ntp - group.distance, 0);
    stream.is_synced = true;
  }
  group.ntp = std::max(group.ntp, ntp);
  *placed = ntp - stream.epoch + stream.used_epoch + group.distance + stream.rest;
  return true;
}

int64_t MediaSync::place(uint32_t ssrc, int clock_rate, uint32_t rtp, int64_t came,
                         int64_t estimate)
{
  const MutexLock lock(mutex_);
  Stream *stream = clock_rate > 0 ? stream_of(ssrc) : nullptr;
  if (stream == nullptr)
    return estimate;
  if (!stream->has_packet || stream->clock_rate != clock_rate)
    begin(*stream, clock_rate, rtp);
  else if (rtp == static_cast<uint32_t>(stream->extended))
    return stream->placed;  // All packets of a picture have one time.
  stream->extended += static_cast<int32_t>(rtp - static_cast<uint32_t>(stream->extended));
  if (stream->extended < 0)
    begin(*stream, clock_rate, rtp);
  const int64_t before = std::exchange(stream->media, in_nanoseconds(*stream, stream->extended));
  const int64_t elapsed = stream->media - before;
  measure(*stream, came, estimate);
  if (stream->has_report)
    map(*stream);
  int64_t placed = 0;
  if (sync(*stream, elapsed, &placed))
    stream->delay = placed - estimate;
  else
    move(&stream->delay, 0, elapsed);
  stream->placed = std::max<int64_t>(estimate + stream->delay, 0);
  return stream->placed;
}

int64_t MediaSync::delay(uint32_t ssrc) const
{
  const MutexLock lock(mutex_);
  const auto known = streams_.find(ssrc);
  return known != streams_.end() ? known->second.delay : 0;
}

void MediaSync::forget(uint32_t ssrc)
{
  const MutexLock lock(mutex_);
  const auto known = streams_.find(ssrc);
  if (known == streams_.end())
    return;
  const std::string cname = known->second.cname;
  streams_.erase(known);
  for (const auto &[other, stream] : streams_)
    if (stream.cname == cname)
      return;
  groups_.erase(cname);
}

}  // namespace streamlib::webrtc
