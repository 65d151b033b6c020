// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/session_core.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <gst/rtp/rtp.h>

#include "ext/webrtc/session/codecs.h"
#include "ext/webrtc/session/gstslpacketsink.h"
#include "ext/webrtc/session/gstslpacketsource.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::Failure;
using support::MiniPtr;
using support::MutexLock;
using support::share_object;
using support::sink_object;
using support::Status;
using support::StructurePtr;

namespace {

// Between reports: media are in sync, and a dead peer is seen, that much sooner.
constexpr guint64 kReportInterval = 500 * GST_MSECOND;
constexpr gdouble kSessionBandwidth = 2e6;  // In bit/s; 5 % are RTCP.
// Of what was sent, for retransmission. Some receivers ask for whatever is missing of the last 128
// packets, which is four seconds of a slow stream; the number is that of 80 Mbit/s for two seconds.
constexpr guint kSentKeptMs = 5000;
constexpr guint kMostSentKept = 17000;

bool sends(const SessionMedia &media)
{
  return !media.local.rejected && !media.remote.rejected &&
         (media.local.direction == Direction::SendOnly ||
          media.local.direction == Direction::SendRecv);
}

bool receives(const SessionMedia &media)
{
  return !media.local.rejected && !media.remote.rejected &&
         (media.local.direction == Direction::RecvOnly ||
          media.local.direction == Direction::SendRecv);
}

int64_t since(const std::atomic<int64_t> &moment)
{
  const int64_t at = moment.load(std::memory_order_relaxed);
  return at == 0 ? -1 : g_get_monotonic_time() - at;
}

void link_pads(GstElement *from, const char *src, GstElement *to, const char *sink)
{
  const auto out = adopt_object(gst_element_get_static_pad(from, src));
  const auto in = adopt_object(gst_element_get_static_pad(to, sink));
  gst_pad_link_full(out.get(), in.get(), GST_PAD_LINK_CHECK_NOTHING);
}

}  // namespace

SessionCore::SessionCore(GstBin *bin, const SessionSettings &settings,
                         std::vector<SessionMedia> media,
                         std::vector<std::shared_ptr<ReceiveOutput>> outputs, PacketSender *sender,
                         CoreHooks hooks)
    : bin_(share_object(GST_ELEMENT(bin))),
      settings_(settings),
      media_(std::move(media)),
      outputs_(std::move(outputs)),
      sender_(sender),
      hooks_(std::move(hooks))
{
  g_mutex_init(&streams_mutex_);
  g_mutex_init(&look_mutex_);
  g_cond_init(&looked_);
  gone_stats_ = StructurePtr(gst_structure_new_empty("gone"));
  const int64_t interval = int64_t{settings_.keyframe_request_interval_ms} * 1000;
  for (const SessionMedia &section : media_) {
    demux_.add(section.local, section.remote);
    mid_ids_.push_back(mid_extension_id(section.local));
    auto entry = std::make_unique<Section>();
    entry->incoming = std::make_unique<KeyframeThrottle>(interval);
    entry->outgoing = std::make_unique<KeyframeThrottle>(interval);
    sections_.push_back(std::move(entry));
  }
}

SessionCore::~SessionCore()
{
  g_cond_clear(&looked_);
  g_mutex_clear(&look_mutex_);
  g_mutex_clear(&streams_mutex_);
}

support::GObjectPtr<GstElement> SessionCore::add(GObjectPtr<GstElement> element)
{
  if (!element)
    return element;
  // The session before this one may still wait for a consumer, and have the name.
  if (adopt_object(gst_bin_get_by_name(bin(), GST_OBJECT_NAME(element.get()))))
    gst_object_set_name(GST_OBJECT(element.get()), nullptr);
  gst_bin_add(bin(), element.get());
  return element;
}

Status SessionCore::make_elements()
{
  source_ = add(make_packet_source(
      [this](PacketKind kind, GstBuffer *packet) { return admit(kind, packet); }));
  sink_ = add(make_packet_sink(
      {[this](PacketKind kind, MiniPtr<GstBuffer> packet) { send(kind, std::move(packet)); },
       [this](PacketKind kind) {
         if (kind == PacketKind::Rtp && !has_said_bye_) {
           hooks_.inputs_ended();
           say_bye();
         }
       }}));
  rtpbin_ = add(sink_object(gst_element_factory_make("rtpbin", nullptr)));
  funnel_ = add(sink_object(gst_element_factory_make("rtpfunnel", nullptr)));
  if (!rtpbin_ || !funnel_)
    return Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                   "The elements rtpbin and rtpfunnel are missing. Install "
                   "gstreamer1.0-plugins-good.",
                   ""};
  return support::Done{};
}

void SessionCore::configure_rtpbin()
{
  GObject *rtpbin = G_OBJECT(rtpbin_.get());
  gst_util_set_object_arg(rtpbin, "rtp-profile", "avpf");
  gst_util_set_object_arg(rtpbin, "ntp-time-source", "clock-time");
  // Reports say when something was captured, not when it was sent: the encoders of two media take
  // different times.
  g_object_set(rtpbin, "rtcp-sync-send-time", FALSE, "autoremove", TRUE, "do-lost", TRUE,
               "max-streams", static_cast<guint>(MidDemux::kMaxSsrcs),
               // Media are brought in sync by MediaSync: rtpbin goes by what a jitter buffer
               // estimates at the moment of a report, and keeps to it until the next one.
               "min-ts-offset", G_MAXUINT64, nullptr);
  for (const SessionMedia &section : media_) {
    if (section.local.cname.empty())
      continue;
    const StructurePtr sdes(gst_structure_new("application/x-rtp-source-sdes", "cname",
                                              G_TYPE_STRING, section.local.cname.c_str(), nullptr));
    g_object_set(rtpbin, "sdes", sdes.get(), nullptr);
    break;
  }
  const auto connect = [&](const char *signal, GCallback callback) {
    signals_.emplace_back(rtpbin, signal, callback, this);
  };
  connect("request-pt-map", G_CALLBACK(on_pt_map));
  connect("new-jitterbuffer", G_CALLBACK(on_jitterbuffer));
  connect("request-aux-sender", G_CALLBACK(on_aux_sender));
  connect("request-aux-receiver", G_CALLBACK(on_aux_receiver));
  connect("pad-added", G_CALLBACK(on_pad));
  connect("pad-removed", G_CALLBACK(on_pad_gone));
  connect("on-bye-ssrc", G_CALLBACK(on_bye));
}

// NACK and PLI must leave at once, which RFC 4585 §3.4 makes depend on the bandwidth: 64 kbit/s
// where nothing else is said.
void SessionCore::allow_early_feedback()
{
  GObject *session = nullptr;
  g_signal_emit_by_name(rtpbin_.get(), "get-internal-session", 0U, &session);
  session_ = adopt_object(session);
  if (session_)
    g_object_set(session_.get(), "bandwidth", kSessionBandwidth, "rtcp-min-interval",
                 kReportInterval, nullptr);
}

// The aux elements are asked for with the first pads, which therefore come after the signals.
Status SessionCore::link()
{
  const auto request = [&](const char *name) {
    return adopt_object(gst_element_request_pad_simple(rtpbin_.get(), name));
  };
  const auto recv_rtp = request("recv_rtp_sink_0");
  const auto recv_rtcp = request("recv_rtcp_sink_0");
  send_sink_ = request("send_rtp_sink_0");
  const auto send_rtcp = request("send_rtcp_src_0");
  const auto send_rtp = adopt_object(gst_element_get_static_pad(rtpbin_.get(), "send_rtp_src_0"));
  if (!recv_rtp || !recv_rtcp || !send_sink_ || !send_rtcp || !send_rtp)
    return Failure{GST_CORE_ERROR_PAD, "rtpbin refuses its pads.", ""};
  allow_early_feedback();
  link_pads(source_.get(), "rtp", rtpbin_.get(), "recv_rtp_sink_0");
  link_pads(source_.get(), "rtcp", rtpbin_.get(), "recv_rtcp_sink_0");
  link_pads(funnel_.get(), "src", rtpbin_.get(), "send_rtp_sink_0");
  link_pads(rtpbin_.get(), "send_rtp_src_0", sink_.get(), "rtp");
  link_pads(rtpbin_.get(), "send_rtcp_src_0", sink_.get(), "rtcp");
  entry_ = adopt_object(gst_element_get_static_pad(source_.get(), "sink"));
  gst_util_set_object_arg(G_OBJECT(entry_.get()), "policy", "in-order");
  g_object_set(entry_.get(), "depth", settings_.packet_depth, nullptr);
  return support::Done{};
}

// The funnel says nothing about its streams. rtpsession then asks for their clock rates while it
// writes the first reports, and lets go of its lock in the midst of its table for that.
void SessionCore::announce_streams()
{
  const auto src = adopt_object(gst_element_get_static_pad(funnel_.get(), "src"));
  bool is_first = true;
  for (const SessionMedia &section : media_) {
    if (!sends(section) || !section.local.ssrc || section.remote.codecs.empty())
      continue;
    if (std::exchange(is_first, false))
      gst_pad_push_event(src.get(), gst_event_new_stream_start("streams"));
    const auto &codecs = section.remote.codecs;
    const auto with_rtx = std::find_if(codecs.begin(), codecs.end(), [](const Codec &codec) {
      return codec.rtx_payload_type.has_value();
    });
    const auto caps =
        rtp_caps(section.local, with_rtx != codecs.end() ? *with_rtx : codecs.front());
    gst_caps_set_simple(caps.get(), "ssrc", G_TYPE_UINT, *section.local.ssrc, nullptr);
    gst_pad_push_event(src.get(), gst_event_new_caps(caps.get()));
  }
}

Status SessionCore::build()
{
  if (Status status = make_elements(); !status)
    return status;
  configure_rtpbin();
  if (Status status = link(); !status)
    return status;
  for (const auto &element : {sink_, rtpbin_, funnel_, source_})
    if (!gst_element_sync_state_with_parent(element.get()))
      return Failure{GST_CORE_ERROR_STATE_CHANGE, "The session with the peer does not start.",
                     GST_OBJECT_NAME(element.get())};
  announce_streams();
  return support::Done{};
}

int SessionCore::sending_section(MediaKind kind) const
{
  for (size_t i = 0; i < media_.size(); i++)
    if (media_[i].local.kind == kind && sends(media_[i]))
      return static_cast<int>(i);
  return -1;
}

support::GObjectPtr<GstPad> SessionCore::request_send_pad()
{
  return adopt_object(gst_element_request_pad_simple(funnel_.get(), "sink_%u"));
}

void SessionCore::release_send_pad(GstPad *pad)
{
  gst_element_release_request_pad(funnel_.get(), pad);
}

void SessionCore::request_keyframe(MediaKind kind)
{
  std::vector<std::shared_ptr<ReceiveChain>> chains;
  {
    const MutexLock lock(streams_mutex_);
    for (const auto &[section, chain] : chains_)
      if (media_[static_cast<size_t>(section)].local.kind == kind)
        chains.push_back(chain);
  }
  for (const auto &chain : chains)
    chain->request_keyframe();
}

// The streaming thread asks its encoder with the next picture.
void SessionCore::send_keyframe()
{
  for (size_t i = 0; i < media_.size(); i++)
    if (media_[i].local.kind == MediaKind::Video && sends(media_[i]))
      sections_[i]->incoming->keep();
}

// --- What comes in ---

bool SessionCore::admit(PacketKind kind, GstBuffer *packet)
{
  if (kind == PacketKind::Rtp)
    return admit_rtp(packet);
  last_rtcp_.store(g_get_monotonic_time(), std::memory_order_relaxed);
  sync_.take(packet);
  return true;
}

bool SessionCore::admit_rtp(GstBuffer *packet)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  if (!gst_rtp_buffer_map(packet, GST_MAP_READ, &rtp)) {
    malformed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  PacketFacts facts;
  facts.ssrc = gst_rtp_buffer_get_ssrc(&rtp);
  facts.payload_type = gst_rtp_buffer_get_payload_type(&rtp);
  for (const int id : mid_ids_) {
    gpointer data = nullptr;
    guint size = 0;
    guint8 bits = 0;
    if (id > 0 && (gst_rtp_buffer_get_extension_onebyte_header(&rtp, static_cast<guint8>(id), 0,
                                                               &data, &size) ||
                   gst_rtp_buffer_get_extension_twobytes_header(
                       &rtp, &bits, static_cast<guint8>(id), 0, &data, &size))) {
      facts.mid = std::string_view(static_cast<const char *>(data), size);
      break;
    }
  }
  if (has_gone_)
    forget_gone();
  const int section = demux_.section_of(facts);
  gst_rtp_buffer_unmap(&rtp);
  if (section == MidDemux::kNone || !receives(media_[static_cast<size_t>(section)])) {
    unassociated_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (!is_agreed(static_cast<size_t>(section), facts.payload_type))
    return false;
  last_rtp_.store(g_get_monotonic_time(), std::memory_order_relaxed);
  return true;
}

bool SessionCore::is_agreed(size_t section, int payload_type)
{
  const std::vector<Codec> &codecs = media_[section].local.codecs;
  if (std::any_of(codecs.begin(), codecs.end(), [&](const Codec &codec) {
        return codec.payload_type == payload_type || codec.rtx_payload_type == payload_type;
      }))
    return true;
  if (unknown_payload_type_.fetch_add(1, std::memory_order_relaxed) == 0)
    gst_element_message_full(
        bin_.get(), GST_MESSAGE_WARNING, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        g_strdup_printf("The peer sends packets of payload type %d, which was not agreed upon. "
                        "They are dropped: let it send what its description has.",
                        payload_type),
        g_strdup_printf("mid %s", media_[section].local.mid.c_str()), __FILE__, GST_FUNCTION,
        __LINE__);
  return false;
}

const Codec *SessionCore::find_incoming(unsigned payload_type, size_t *section, bool *is_rtx) const
{
  const int wanted = static_cast<int>(payload_type);
  for (size_t i = 0; i < media_.size(); i++)
    for (const Codec &codec : media_[i].local.codecs) {
      *section = i;
      *is_rtx = codec.rtx_payload_type == wanted;
      if (codec.payload_type == wanted || *is_rtx)
        return &codec;
    }
  return nullptr;
}

GstCaps *SessionCore::on_pt_map(GstElement *, guint, guint pt, gpointer data)
{
  const auto *self = static_cast<const SessionCore *>(data);
  size_t section = 0;
  bool is_rtx = false;
  const Codec *codec = self->find_incoming(pt, &section, &is_rtx);
  if (codec == nullptr)
    return nullptr;
  const MediaParameters &local = self->media_[section].local;
  return (is_rtx ? rtx_caps(local, *codec) : rtp_caps(local, *codec)).release();
}

void SessionCore::on_jitterbuffer(GstElement *, GstElement *jitterbuffer, guint, guint ssrc,
                                  gpointer data)
{
  auto *self = static_cast<SessionCore *>(data);
  // In the receive step, which owns the demultiplexer.
  const int section = self->demux_.section_of_ssrc(ssrc);
  if (section == MidDemux::kNone)
    return;
  const MediaParameters &local = self->media_[static_cast<size_t>(section)].local;
  const bool is_video = local.kind == MediaKind::Video;
  bool nack = false;
  for (const Codec &codec : local.codecs)
    nack = nack || has_feedback(codec, "nack");
  g_object_set(jitterbuffer, "latency",
               is_video ? self->settings_.video_latency_ms : self->settings_.audio_latency_ms,
               "do-lost", TRUE, "do-retransmission", static_cast<gboolean>(is_video && nack),
               // A guess when the next packet is due makes requests for packets that come by
               // themselves.
               "rtx-next-seqnum", FALSE, nullptr);
  const MutexLock lock(self->streams_mutex_);
  self->section_of_[ssrc] = section;
  self->jitterbuffers_[ssrc] = share_object(jitterbuffer);
}

void SessionCore::on_pad(GstElement *, GstPad *pad, gpointer data)
{
  static_cast<SessionCore *>(data)->take_pad(pad);
}

void SessionCore::take_pad(GstPad *pad)
{
  unsigned session = 0;
  unsigned ssrc = 0;
  unsigned payload_type = 0;
  if (sscanf(GST_PAD_NAME(pad), "recv_rtp_src_%u_%u_%u", &session, &ssrc, &payload_type) != 3)
    return;
  int section = MidDemux::kNone;
  {
    const MutexLock lock(streams_mutex_);
    const auto known = section_of_.find(ssrc);
    if (known != section_of_.end() && !is_ending_)
      section = known->second;
  }
  size_t owner = 0;
  bool is_rtx = false;
  const Codec *codec = find_incoming(payload_type, &owner, &is_rtx);
  if (section == MidDemux::kNone || codec == nullptr || is_rtx)
    return;
  const MediaKind kind = media_[static_cast<size_t>(section)].local.kind;
  const auto output = std::find_if(outputs_.begin(), outputs_.end(),
                                   [&](const auto &entry) { return entry->kind() == kind; });
  if (output == outputs_.end())
    return;
  auto made = ReceiveChain::make(*codec, pad, ssrc,
                                 sections_[static_cast<size_t>(section)]->outgoing.get(), &sync_);
  if (!made) {
    const auto &error = made.error();
    gst_element_message_full(bin_.get(), GST_MESSAGE_WARNING, GST_STREAM_ERROR,
                             GST_STREAM_ERROR_CODEC_NOT_FOUND, g_strdup(error.text.c_str()),
                             nullptr, __FILE__, GST_FUNCTION, __LINE__);
    return;
  }
  const std::shared_ptr<ReceiveChain> chain(std::move(*made));
  gst_bin_add(bin(), chain->bin());
  {
    const MutexLock lock(streams_mutex_);
    chains_.emplace_back(section, chain);
  }
  gst_element_sync_state_with_parent(chain->bin());
  chain->attach(*output);
}

void SessionCore::on_bye(GstElement *, guint, guint ssrc, gpointer data)
{
  const auto *self = static_cast<const SessionCore *>(data);
  if (!self->is_ending_)
    self->hooks_.bye_received(ssrc);
}

// --- Retransmission ---

bool SessionCore::wants_rtx(bool sending) const
{
  for (const SessionMedia &section : media_) {
    if (section.local.kind != MediaKind::Video || !(sending ? sends(section) : receives(section)))
      continue;
    for (const Codec &codec : sending ? section.remote.codecs : section.local.codecs)
      if (codec.rtx_payload_type)
        return true;
  }
  return false;
}

bool SessionCore::is_repeated(uint32_t ssrc) const
{
  return std::any_of(media_.begin(), media_.end(), [&](const SessionMedia &section) {
    return section.local.kind == MediaKind::Video && section.local.ssrc == ssrc;
  });
}

// rtprtxsend counts those for sound as well, which some peers make although nothing was agreed.
GstPadProbeReturn SessionCore::on_rtx_request(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<SessionCore *>(data);
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
  guint ssrc = 0;
  if (gst_event_has_name(event, "GstRTPRetransmissionRequest") &&
      gst_structure_get_uint(gst_event_get_structure(event), "ssrc", &ssrc) &&
      self->is_repeated(ssrc))
    self->rtx_asked_for_.fetch_add(1, std::memory_order_relaxed);
  return GST_PAD_PROBE_OK;
}

GstElement *SessionCore::make_rtx(bool sending)
{
  auto rtx =
      sink_object(gst_element_factory_make(sending ? "rtprtxsend" : "rtprtxreceive", nullptr));
  if (!rtx)
    return nullptr;
  const StructurePtr types(gst_structure_new_empty("application/x-rtp-pt-map"));
  const StructurePtr ssrcs(gst_structure_new_empty("application/x-rtp-ssrc-map"));
  const StructurePtr rates(gst_structure_new_empty("application/x-rtp-clock-rate-map"));
  const auto put = [](const StructurePtr &map, auto key, guint value) {
    gst_structure_set(map.get(), std::to_string(key).c_str(), G_TYPE_UINT, value, nullptr);
  };
  for (const SessionMedia &section : media_) {
    if (section.local.kind != MediaKind::Video)
      continue;
    for (const Codec &codec : sending ? section.remote.codecs : section.local.codecs) {
      if (!codec.rtx_payload_type)
        continue;
      put(types, codec.payload_type, static_cast<guint>(*codec.rtx_payload_type));
      put(rates, codec.payload_type, static_cast<guint>(codec.clock_rate));
      put(rates, *codec.rtx_payload_type, static_cast<guint>(codec.clock_rate));
    }
    const MediaParameters &sender = sending ? section.local : section.remote;
    if (sender.ssrc && sender.rtx_ssrc)
      put(ssrcs, *sender.ssrc, *sender.rtx_ssrc);
  }
  g_object_set(rtx.get(), "payload-type-map", types.get(), nullptr);
  if (gst_structure_n_fields(ssrcs.get()) > 0)
    g_object_set(rtx.get(), "ssrc-map", ssrcs.get(), nullptr);
  if (sending) {
    g_object_set(rtx.get(), "clock-rate-map", rates.get(), "max-size-time", kSentKeptMs,
                 "max-size-packets", kMostSentKept, nullptr);
    const auto src = adopt_object(gst_element_get_static_pad(rtx.get(), "src"));
    request_probe_ =
        support::PadProbe(src.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_rtx_request, this);
  }
  (sending ? rtx_send_ : rtx_receive_) = rtx;
  // rtpbin asks for pads that carry the session's number.
  GstElement *bin = gst_bin_new(nullptr);
  gst_bin_add(GST_BIN(bin), rtx.get());
  for (const char *name : {"sink", "src"}) {
    const auto pad = adopt_object(gst_element_get_static_pad(rtx.get(), name));
    gst_element_add_pad(bin, gst_ghost_pad_new((std::string(name) + "_0").c_str(), pad.get()));
  }
  return bin;
}

GstElement *SessionCore::on_aux_sender(GstElement *, guint, gpointer data)
{
  auto *self = static_cast<SessionCore *>(data);
  return self->wants_rtx(true) ? self->make_rtx(true) : nullptr;
}

GstElement *SessionCore::on_aux_receiver(GstElement *, guint, gpointer data)
{
  auto *self = static_cast<SessionCore *>(data);
  return self->wants_rtx(false) ? self->make_rtx(false) : nullptr;
}

Liveness SessionCore::liveness() const
{
  return {since(last_rtp_), since(last_rtcp_)};
}

}  // namespace streamlib::webrtc
