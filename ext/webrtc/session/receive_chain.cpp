// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/receive_chain.h"

#include <algorithm>

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include "ext/webrtc/session/codecs.h"
#include "ext/webrtc/session/gstslunitjoiner.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::share_object;
using support::sink_object;

namespace {

// The data of a pad that feeds no output any more: the probe that drops what it sends.
constexpr const char *kDropping = "streamlib-dropping";

GstPadProbeReturn drop_all(GstPad *, GstPadProbeInfo *, gpointer)
{
  return GST_PAD_PROBE_DROP;
}

constexpr auto kDownstream =
    static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                 GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM);

}  // namespace

// --- ReceiveOutput ---

ReceiveOutput::ReceiveOutput(GstBin *bin, MediaKind kind, const std::string &pad_name,
                             const std::string &stream_id)
    : kind_(kind),
      stream_id_(stream_id),
      bin_(share_object(GST_ELEMENT(bin))),
      tail_(sink_object(gst_element_factory_make("identity", nullptr)))
{
  g_object_set(tail_.get(), "silent", TRUE, nullptr);
  gst_bin_add(bin, tail_.get());
  sink_ = adopt_object(gst_element_get_static_pad(tail_.get(), "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(tail_.get(), "src"));
  ghost_ = sink_object(gst_ghost_pad_new(pad_name.c_str(), src.get()));
  probe_ = support::PadProbe(sink_.get(), kDownstream, on_data, this);
  gst_pad_set_active(ghost_.get(), TRUE);
  gst_element_sync_state_with_parent(tail_.get());
}

ReceiveOutput::~ReceiveOutput()
{
  starve();
  gst_element_set_state(tail_.get(), GST_STATE_NULL);
  gst_bin_remove(GST_BIN(bin_.get()), tail_.get());
}

void ReceiveOutput::starve()
{
  feeding_session_ = nullptr;
  feeder_ = nullptr;
  const auto old = adopt_object(gst_pad_get_peer(sink_.get()));
  if (!old)
    return;
  // A stream that goes on with nowhere to go must not become an error upstream.
  const gulong probe = gst_pad_add_probe(old.get(), kDownstream, drop_all, nullptr, nullptr);
  g_object_set_data(G_OBJECT(old.get()), kDropping, GSIZE_TO_POINTER(probe));
  gst_pad_unlink(old.get(), sink_.get());
}

void ReceiveOutput::feed_from(GstPad *src, const void *session, uint32_t ssrc)
{
  starve();
  is_discont_ = true;
  // It may have fed an output before.
  if (const gpointer probe = g_object_steal_data(G_OBJECT(src), kDropping))
    gst_pad_remove_probe(src, GPOINTER_TO_SIZE(probe));
  else
    // A stream whose buffers are refused once is over.
    gst_pad_add_probe(
        src,
        static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
        on_feed, this, nullptr);
  // They are in different bins.
  gst_pad_link_full(src, sink_.get(), GST_PAD_LINK_CHECK_NOTHING);
  feeder_ = src;
  feeding_ssrc_ = ssrc;
  feeding_session_ = session;
}

bool ReceiveOutput::is_busy() const
{
  if (!GST_PAD_STREAM_TRYLOCK(sink_.get()))
    return true;
  GST_PAD_STREAM_UNLOCK(sink_.get());
  return false;
}

void ReceiveOutput::begin_flush()
{
  gst_pad_send_event(sink_.get(), gst_event_new_flush_start());
}

void ReceiveOutput::end_flush()
{
  gst_pad_send_event(sink_.get(), gst_event_new_flush_stop(FALSE));
  is_discont_ = true;
  is_held_ = false;
}

GstPadProbeReturn ReceiveOutput::on_feed(GstPad *, GstPadProbeInfo *, gpointer data)
{
  auto *self = static_cast<ReceiveOutput *>(data);
  if (!self->is_held_)
    return GST_PAD_PROBE_OK;
  self->dropped_held_.fetch_add(1, std::memory_order_relaxed);
  return GST_PAD_PROBE_DROP;
}

void ReceiveOutput::end_stream()
{
  starve();
  is_ending_ = true;
  gst_pad_send_event(sink_.get(), gst_event_new_eos());
  is_ending_ = false;
}

GstPadProbeReturn ReceiveOutput::take_event(GstPadProbeInfo *info)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      if (has_stream_start_.exchange(true))
        return GST_PAD_PROBE_DROP;
      GstEvent *own = gst_event_new_stream_start(stream_id_.c_str());
      guint group;
      if (gst_event_parse_group_id(event, &group))
        gst_event_set_group_id(own, group);
      gst_event_unref(event);
      GST_PAD_PROBE_INFO_DATA(info) = own;
      return GST_PAD_PROBE_OK;
    }
    case GST_EVENT_EOS:
      // The end of one RTP stream is not the end of the output.
      return is_ending_ ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
    case GST_EVENT_GAP:
      gaps_.fetch_add(1, std::memory_order_relaxed);
      return GST_PAD_PROBE_OK;
    default:
      return GST_PAD_PROBE_OK;
  }
}

// The jitter buffer's estimate of the peer's clock may step back; no WebRTC stream has its pictures
// in another order than that of their times.
void ReceiveOutput::keep_order(GstPadProbeInfo *info)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (!GST_BUFFER_PTS_IS_VALID(buffer))
    return;
  if (GST_CLOCK_TIME_IS_VALID(last_pts_) && GST_BUFFER_PTS(buffer) < last_pts_) {
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_PTS(buffer) = last_pts_;
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    times_mended_.fetch_add(1, std::memory_order_relaxed);
  }
  last_pts_ = GST_BUFFER_PTS(buffer);
}

GstPadProbeReturn ReceiveOutput::on_data(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<ReceiveOutput *>(data);
  const GstPadProbeType type = GST_PAD_PROBE_INFO_TYPE(info);
  if ((type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) != 0)
    return self->take_event(info);
  if ((type & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    self->buffers_.fetch_add(1, std::memory_order_relaxed);
    self->keep_order(info);
    if (self->is_discont_.exchange(false)) {
      GstBuffer *buffer = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
      // RESYNC tells the beginning of another stream from what follows a lost packet.
      GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_RESYNC);
      GST_PAD_PROBE_INFO_DATA(info) = buffer;
    }
  }
  return GST_PAD_PROBE_OK;
}

// --- ReceiveChain ---

ReceiveChain::ReceiveChain(GstPad *rtp, uint32_t ssrc, KeyframeThrottle *throttle, MediaSync *sync)
    : rtp_(share_object(rtp)),
      ssrc_(ssrc),
      bin_(sink_object(gst_bin_new(nullptr))),
      throttle_(throttle),
      sync_(sync)
{}

ReceiveChain::~ReceiveChain() = default;

Result<std::unique_ptr<ReceiveChain>> ReceiveChain::make(const Codec &codec, GstPad *rtp,
                                                         uint32_t ssrc, KeyframeThrottle *throttle,
                                                         MediaSync *sync)
{
  const CodecFacts *facts = find_codec(codec.name);
  if (facts == nullptr)
    return Failure{GST_STREAM_ERROR_CODEC_NOT_FOUND,
                   "The peer sends " + codec.name + ", which was not agreed upon.", ""};
  std::unique_ptr<ReceiveChain> chain(new ReceiveChain(rtp, ssrc, throttle, sync));
  chain->clock_rate_ = codec.clock_rate;
  chain->is_video_ = facts->kind == MediaKind::Video;
  auto depay = sink_object(gst_element_factory_make(facts->depayloader, nullptr));
  auto filter = sink_object(gst_element_factory_make("capsfilter", nullptr));
  if (!depay || !filter)
    return Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                   std::string("The element ") + facts->depayloader +
                       " is missing. Install gstreamer1.0-plugins-good.",
                   ""};
  if (chain->is_video_)
    g_object_set(depay.get(), "wait-for-keyframe", TRUE, "request-keyframe", TRUE, nullptr);
  const auto caps = support::adopt_mini(gst_caps_from_string(facts->encoded_caps));
  gst_bin_add_many(GST_BIN(chain->bin_.get()), depay.get(), filter.get(), nullptr);
  gst_element_link(depay.get(), filter.get());
  GObjectPtr<GstElement> last = filter;
  if (std::string_view(facts->name) == "H264") {
    g_object_set(filter.get(), "caps", caps.get(), nullptr);
    last = make_unit_joiner();
    gst_bin_add(GST_BIN(chain->bin_.get()), last.get());
    gst_element_link(filter.get(), last.get());
  }
  chain->depay_sink_ = adopt_object(gst_element_get_static_pad(depay.get(), "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(last.get(), "src"));
  gst_element_add_pad(chain->bin_.get(), gst_ghost_pad_new("sink", chain->depay_sink_.get()));
  gst_element_add_pad(chain->bin_.get(), gst_ghost_pad_new("src", src.get()));
  if (chain->is_video_) {
    chain->encoded_probe_ =
        support::PadProbe(src.get(), GST_PAD_PROBE_TYPE_BUFFER, on_encoded, chain.get());
  }
  chain->upstream_probe_ =
      support::PadProbe(rtp, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream, chain.get());
  chain->rtp_probe_ = support::PadProbe(
      rtp,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      on_rtp, chain.get());
  return chain;
}

bool ReceiveChain::attach(const std::shared_ptr<ReceiveOutput> &output)
{
  src_ = adopt_object(gst_element_get_static_pad(bin_.get(), "src"));
  const auto sink = adopt_object(gst_element_get_static_pad(bin_.get(), "sink"));
  output_ = output;
  output->feed_from(src_.get(), sync_, ssrc_);
  return gst_pad_link_full(rtp_.get(), sink.get(), GST_PAD_LINK_CHECK_NOTHING) == GST_PAD_LINK_OK;
}

void ReceiveChain::ask_for_key()
{
  is_own_request_ = true;
  gst_pad_push_event(depay_sink_.get(),
                     gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  is_own_request_ = false;
}

void ReceiveChain::request_keyframe()
{
  if (is_video_ && throttle_->ask(g_get_monotonic_time()))
    ask_for_key();
}

// A peer that comes back to a payload type that it has sent before. Its packets of all payload
// types come in the same thread; what another session feeds is left alone.
void ReceiveChain::take_back_output()
{
  if (!output_ || !output_->is_fed_by_other(src_.get(), sync_, ssrc_))
    return;
  output_->feed_from(src_.get(), sync_, ssrc_);
  needs_key_ = is_video_;
}

void ReceiveChain::place(GstPadProbeInfo *info)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (!GST_BUFFER_PTS_IS_VALID(buffer) || !gst_rtp_buffer_map(buffer, GST_MAP_READ, &rtp))
    return;
  const guint32 rtp_time = gst_rtp_buffer_get_timestamp(&rtp);
  gst_rtp_buffer_unmap(&rtp);
  const auto estimate = static_cast<int64_t>(GST_BUFFER_PTS(buffer));
  const auto came =
      GST_BUFFER_DTS_IS_VALID(buffer) ? static_cast<int64_t>(GST_BUFFER_DTS(buffer)) : estimate;
  const int64_t placed = sync_->place(ssrc_, clock_rate_, rtp_time, came, estimate);
  if (placed == estimate)
    return;
  buffer = gst_buffer_make_writable(buffer);
  GST_BUFFER_PTS(buffer) = GST_BUFFER_DTS(buffer) = static_cast<GstClockTime>(placed);
  GST_PAD_PROBE_INFO_DATA(info) = buffer;
}

// What is lost has its time in an event.
void ReceiveChain::place_loss(GstPadProbeInfo *info) const
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  guint64 time = 0;
  if (!gst_event_has_name(event, "GstRTPPacketLost") ||
      !gst_structure_get_uint64(gst_event_get_structure(event), "timestamp", &time))
    return;
  const int64_t placed = static_cast<int64_t>(time) + sync_->delay(ssrc_);
  event = gst_event_make_writable(event);
  gst_structure_set(gst_event_writable_structure(event), "timestamp", G_TYPE_UINT64,
                    static_cast<guint64>(std::max<int64_t>(placed, 0)), nullptr);
  GST_PAD_PROBE_INFO_DATA(info) = event;
}

GstPadProbeReturn ReceiveChain::on_rtp(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<ReceiveChain *>(data);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) != 0) {
    self->take_back_output();
    self->place(info);
  } else {
    self->place_loss(info);
  }
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn ReceiveChain::on_upstream(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<ReceiveChain *>(data);
  if (!gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info)))
    return GST_PAD_PROBE_OK;
  if (!self->is_video_)
    return GST_PAD_PROBE_DROP;
  if (self->is_own_request_ || self->throttle_->ask(g_get_monotonic_time()))
    return GST_PAD_PROBE_OK;
  return GST_PAD_PROBE_DROP;
}

GstPadProbeReturn ReceiveChain::on_encoded(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<ReceiveChain *>(data);
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)) {
    self->needs_key_ = false;
    self->throttle_->forget_kept();
    return GST_PAD_PROBE_OK;
  }
  // Nothing can be decoded before the first keyframe of a stream.
  if (self->needs_key_) {
    self->dropped_no_key_.fetch_add(1, std::memory_order_relaxed);
    self->request_keyframe();
    return GST_PAD_PROBE_DROP;
  }
  if (self->throttle_->take_kept(g_get_monotonic_time()))
    self->ask_for_key();
  return GST_PAD_PROBE_OK;
}

}  // namespace streamlib::webrtc
