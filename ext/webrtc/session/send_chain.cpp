// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/send_chain.h"

#include <algorithm>

#include <strings.h>

#include <gst/rtp/rtp.h>
#include <gst/video/video.h>

#include "ext/webrtc/session/codecs.h"
#include "ext/webrtc/session/h264check.h"
#include "ext/webrtc/session/mid_demux.h"
#include "ext/webrtc/session/vp9check.h"
#include "gst/support/element_shell.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::sink_object;
using support::Status;

namespace {

constexpr guint kSrtpTag = 16;       // AEAD_AES_256_GCM; the others have 10 or less.
constexpr guint kTurnOverhead = 36;  // A Send indication.
constexpr guint kRtxOverhead = 2;    // The original sequence number.
constexpr guint kExtensionHeader = 4;
// Not near the end of the range, where the first rollover could be missed (RFC 3711 §3.3.1).
constexpr gint kFirstSeqnums = 0x8000;

bool is_raw(GstCaps *caps)
{
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  return gst_structure_has_name(structure, "video/x-raw") ||
         gst_structure_has_name(structure, "audio/x-raw");
}

std::string text_of(GstCaps *caps)
{
  const support::CStr text(gst_caps_to_string(caps));
  return text.get();
}

std::string names_of(const std::vector<Codec> &codecs)
{
  std::string names;
  for (const Codec &codec : codecs)
    names += (names.empty() ? "" : ", ") + codec.name;
  return names.empty() ? "no codec" : names;
}

size_t place_of(const std::vector<std::string> &preference, const std::string &name)
{
  const auto found = std::find_if(
      preference.begin(), preference.end(),
      [&](const std::string &entry) { return strcasecmp(entry.c_str(), name.c_str()) == 0; });
  return static_cast<size_t>(found - preference.begin());
}

bool offers(const MediaParameters &section, const Codec &wanted)
{
  return std::any_of(section.codecs.begin(), section.codecs.end(), [&](const Codec &codec) {
    return strcasecmp(codec.name.c_str(), wanted.name.c_str()) == 0;
  });
}

GObjectPtr<GstElement> make_filter(const char *caps)
{
  auto filter = sink_object(gst_element_factory_make("capsfilter", nullptr));
  const auto wanted = adopt_mini(gst_caps_from_string(caps));
  if (filter)
    g_object_set(filter.get(), "caps", wanted.get(), nullptr);
  return filter;
}

}  // namespace

guint payload_mtu(guint datagram_limit, const std::string &mid)
{
  // A one-byte element with the MID, padded to words (RFC 8285 §4.2).
  const guint extension =
      mid.empty() ? 0 : kExtensionHeader + (1 + static_cast<guint>(mid.size()) + 3) / 4 * 4;
  return datagram_limit - kSrtpTag - kTurnOverhead - kRtxOverhead - extension;
}

SendChain::SendChain(const SendChainConfig &config)
    : bin_(sink_object(gst_bin_new(nullptr))), throttle_(config.throttle), place_(config.place)
{}

SendChain::~SendChain() = default;

RtpPlace random_place()
{
  // All bits set mean "by chance" to a payloader.
  return {static_cast<guint16>(g_random_int_range(0, kFirstSeqnums)), g_random_int() >> 1};
}

void SendChain::stop()
{
  gst_element_set_locked_state(bin_.get(), TRUE);
  gst_element_set_state(bin_.get(), GST_STATE_NULL);
  if (!has_sent_)
    return;
  // Only now: an encoder may have a thread of its own.
  guint last = 0;
  g_object_get(payloader_.get(), "seqnum", &last, nullptr);
  place_->seqnum = static_cast<guint16>(last + 1);
}

Result<std::unique_ptr<SendChain>> SendChain::make(const SendChainConfig &config, GstCaps *input)
{
  std::unique_ptr<SendChain> chain(new SendChain(config));
  if (Status status = chain->choose(config, input); !status)
    return status.take_error();
  if (Status status = chain->build(config, input); !status)
    return status.take_error();
  return chain;
}

// Which of the codecs that both sides have it will be.
Status SendChain::choose(const SendChainConfig &config, GstCaps *input)
{
  std::vector<Codec> common;
  for (const Codec &codec : config.remote.codecs)
    if (find_codec(codec.name) != nullptr && offers(config.local, codec))
      common.push_back(codec);
  std::stable_sort(common.begin(), common.end(), [&](const Codec &a, const Codec &b) {
    return place_of(config.codec_preference, a.name) < place_of(config.codec_preference, b.name);
  });
  const CodecFacts *encoded = find_codec_of_caps(input);
  for (const Codec &codec : common) {
    const CodecFacts *facts = find_codec(codec.name);
    if (encoded != nullptr ? facts == encoded : (entry_ = find_encoder(facts->name)) != nullptr) {
      codec_ = codec;
      // Of several payload types the one with the strongest profile takes any stream.
      if (encoded == nullptr || std::string_view(facts->name) != "H264")
        return support::Done{};
      const auto better = [](const Codec &one, const Codec &other) {
        const auto a = profile_of_level_id(codec_parameter(one, "profile-level-id"));
        const auto b = profile_of_level_id(codec_parameter(other, "profile-level-id"));
        return a && b && can_play(*b, *a) && *a != *b;
      };
      for (const Codec &other : common)
        if (find_codec(other.name) == facts &&
            codec_parameter(other, "packetization-mode") ==
                codec_parameter(codec_, "packetization-mode") &&
            better(codec_, other))
          codec_ = other;
      return support::Done{};
    }
  }
  if (encoded != nullptr)
    return Failure{GST_STREAM_ERROR_CODEC_NOT_FOUND,
                   std::string("The input is ") + encoded->name + ", the peer has accepted " +
                       names_of(config.remote.codecs) +
                       ". Give one of these, or raw media. A codec that comes later has to be "
                       "offered from the beginning: let video-codec name it.",
                   text_of(input)};
  return Failure{GST_STREAM_ERROR_CODEC_NOT_FOUND,
                 "There is no encoder for what the peer takes (" + names_of(config.remote.codecs) +
                     "). Install one of those that the documentation names.",
                 text_of(input)};
}

Result<GObjectPtr<GstElement>> SendChain::make_payloader(const SendChainConfig &config)
{
  const CodecFacts *facts = find_codec(codec_.name);
  auto payloader = sink_object(gst_element_factory_make(facts->payloader, nullptr));
  if (!payloader)
    return Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                   std::string("The element ") + facts->payloader +
                       " is missing. Install gstreamer1.0-plugins-good.",
                   ""};
  const int extension = mid_extension_id(config.remote);
  g_object_set(payloader.get(), "pt", static_cast<guint>(codec_.payload_type), "mtu",
               payload_mtu(config.datagram_limit, extension > 0 ? config.local.mid : ""),
               "seqnum-offset", static_cast<gint>(config.place->seqnum), "timestamp-offset",
               config.place->timestamp_offset, nullptr);
  if (config.local.ssrc)
    g_object_set(payloader.get(), "ssrc", *config.local.ssrc, nullptr);
  if (std::string_view(facts->name) == "H264") {
    // SPS and PPS are the parser's affair: the payloader would put them before each slice.
    gst_util_set_object_arg(G_OBJECT(payloader.get()), "aggregate-mode", "zero-latency");
  } else if (std::string_view(facts->name) == "VP8" || std::string_view(facts->name) == "VP9") {
    gst_util_set_object_arg(G_OBJECT(payloader.get()), "picture-id-mode", "15-bit");
  }
  if (extension > 0) {
    auto mid = sink_object(gst_element_factory_make("rtphdrextmid", nullptr));
    if (!mid)
      return Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                     "The element rtphdrextmid is missing. Install gstreamer1.0-plugins-good.", ""};
    g_object_set(mid.get(), "mid", config.local.mid.c_str(), nullptr);
    gst_rtp_header_extension_set_id(GST_RTP_HEADER_EXTENSION(mid.get()),
                                    static_cast<guint>(extension));
    g_signal_emit_by_name(payloader.get(), "add-extension", mid.get());
  }
  return payloader;
}

// 4:2:0 of H.264 has even sizes; the last column and line of another one are left out.
void SendChain::add_crop(GstCaps *input, std::vector<GObjectPtr<GstElement>> &elements)
{
  const GstStructure *structure = gst_caps_get_structure(input, 0);
  gint width = 0;
  gint height = 0;
  gst_structure_get_int(structure, "width", &width);
  gst_structure_get_int(structure, "height", &height);
  if (width % 2 == 0 && height % 2 == 0)
    return;
  elements.push_back(sink_object(gst_element_factory_make("videocrop", nullptr)));
  if (elements.back())
    g_object_set(elements.back().get(), "right", width % 2, "bottom", height % 2, nullptr);
}

Status SendChain::build(const SendChainConfig &config, GstCaps *input)
{
  const CodecFacts *facts = find_codec(codec_.name);
  const bool is_h264 = std::string_view(facts->name) == "H264";
  std::vector<GObjectPtr<GstElement>> elements;
  const auto add = [&](const char *name) {
    elements.push_back(sink_object(gst_element_factory_make(name, nullptr)));
  };
  if (is_raw(input)) {
    gint fps_n = 0;
    gint fps_d = 1;
    gst_structure_get_fraction(gst_caps_get_structure(input, 0), "framerate", &fps_n, &fps_d);
    auto encoder = make_encoder(*entry_, config.encoder, fps_n, fps_d);
    if (!encoder)
      return encoder.take_error();
    encoder_ = *encoder;
    if (facts->kind == MediaKind::Video) {
      if (is_h264)
        add_crop(input, elements);
      add("videoconvert");
    } else {
      add("audioconvert");
      add("audioresample");
      elements.push_back(make_filter("audio/x-raw, channels=(int)[ 1, 2 ]"));
    }
    if (entry_->input_caps != nullptr)
      elements.push_back(make_filter(entry_->input_caps));
    elements.push_back(encoder_);
    elements.push_back(make_filter(entry_->output_caps));
  }
  if (is_h264) {
    add("h264parse");
    if (elements.back())
      g_object_set(elements.back().get(), "config-interval", -1, nullptr);
    elements.push_back(make_filter(facts->encoded_caps));
    const auto accepted = profile_of_level_id(codec_parameter(codec_, "profile-level-id"));
    if (!accepted)
      return Failure{GST_STREAM_ERROR_FORMAT,
                     "The peer's profile-level-id is no such thing: " +
                         std::string(codec_parameter(codec_, "profile-level-id")),
                     "RFC 6184 §8.1"};
    refuse_ = [check = H264Check(*accepted)](const uint8_t *data, size_t size) mutable {
      return check.refuse(data, size);
    };
  } else if (std::string_view(facts->name) == "VP9") {
    refuse_ = [check = Vp9Check(codec_parameter(codec_, "profile-id"))](
                  const uint8_t *data, size_t size) { return check.refuse(data, size); };
  }
  auto payloader = make_payloader(config);
  if (!payloader)
    return payloader.take_error();
  payloader_ = *payloader;
  elements.push_back(payloader_);
  GstElement *last = nullptr;
  for (const GObjectPtr<GstElement> &element : elements) {
    if (!element)
      return Failure{GST_CORE_ERROR_MISSING_PLUGIN,
                     "An element that the session needs is missing. Install "
                     "gstreamer1.0-plugins-base, -good and -bad.",
                     ""};
    gst_bin_add(GST_BIN(bin_.get()), element.get());
    if (last != nullptr && !gst_element_link(last, element.get()))
      return Failure{GST_CORE_ERROR_NEGOTIATION,
                     std::string("The input does not fit ") + facts->name + ".", text_of(input)};
    last = element.get();
  }
  const auto sink = adopt_object(gst_element_get_static_pad(elements.front().get(), "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(last, "src"));
  gst_element_add_pad(bin_.get(), gst_ghost_pad_new("sink", sink.get()));
  gst_element_add_pad(bin_.get(), gst_ghost_pad_new("src", src.get()));
  add_probes(last);
  return support::Done{};
}

void SendChain::add_probes(GstElement *payloader)
{
  const CodecFacts *facts = find_codec(codec_.name);
  const auto sink = adopt_object(gst_element_get_static_pad(payloader, "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(payloader, "src"));
  if (facts->kind == MediaKind::Video)
    media_probe_ = support::PadProbe(sink.get(), GST_PAD_PROBE_TYPE_BUFFER, on_media, this);
  upstream_probe_ =
      support::PadProbe(src.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_upstream, this);
  // Goes with the first packet, or with the payloader.
  gst_pad_add_probe(
      src.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      on_first_packet, this, nullptr);
}

bool SendChain::refuses(GstBuffer *buffer)
{
  if (!refuse_ || is_refused_)
    return is_refused_;
  const support::MappedBuffer map(buffer, GST_MAP_READ);
  const std::string reason = map ? refuse_(map.data(), map.size()) : std::string();
  if (reason.empty())
    return false;
  is_refused_ = true;
  SL_POST_ERROR(bin_.get(), GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, reason, "");
  return true;
}

GstPadProbeReturn SendChain::on_media(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<SendChain *>(data);
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (self->refuses(buffer)) {
    GST_PAD_PROBE_INFO_FLOW_RETURN(info) = GST_FLOW_ERROR;
    return GST_PAD_PROBE_DROP;
  }
  if (!GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT))
    self->throttle_->forget_kept();
  else if (self->throttle_->take_kept(g_get_monotonic_time()))
    gst_pad_push_event(pad,
                       gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0));
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn SendChain::on_first_packet(GstPad *, GstPadProbeInfo *, gpointer self)
{
  static_cast<SendChain *>(self)->has_sent_ = true;
  return GST_PAD_PROBE_REMOVE;
}

GstPadProbeReturn SendChain::on_upstream(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<SendChain *>(data);
  if (!gst_video_event_is_force_key_unit(GST_PAD_PROBE_INFO_EVENT(info)))
    return GST_PAD_PROBE_OK;
  const bool is_video = find_codec(self->codec_.name)->kind == MediaKind::Video;
  return is_video && self->throttle_->ask(g_get_monotonic_time()) ? GST_PAD_PROBE_OK
                                                                  : GST_PAD_PROBE_DROP;
}

}  // namespace streamlib::webrtc
