// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/play_output.h"

#include <utility>

#include "ext/webrtc/play/decode_chain.h"
#include "ext/webrtc/play/gstslmedialink.h"
#include "ext/webrtc/session/codecs.h"
#include "gst/support/element_shell.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::GObjectPtr;
using support::MiniPtr;
using support::MutexLock;
using support::share_mini;
using support::share_object;
using support::sink_object;

namespace {

// Of the link: more than two seconds of any of our streams.
constexpr guint kLinkDepth = 128;
// From here on what comes is dropped, until no more than this is left: the thread of the jitter
// buffer never waits for those behind the link.
constexpr guint kFullLevel = 96;
constexpr guint kRestLevel = 4;

constexpr const char *kSelf = "streamlib-play-output";

const char *raw_type(MediaKind kind)
{
  return kind == MediaKind::Video ? "video/x-raw" : "audio/x-raw";
}

bool is_delta(GstBuffer *buffer)
{
  return GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}

void count(std::atomic<uint64_t> &counter)
{
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

PlayOutput::PlayOutput(GstBin *bin, GstPadTemplate *pad_template, const std::string &name,
                       PlayOutputSettings settings, const std::vector<Codec> &codecs)
    : bin_(bin), settings_(std::move(settings))
{
  g_mutex_init(&codecs_mutex_);
  set_codecs(codecs);
  link_ = make_media_link({[this](GstEvent *event) { return take_event(event); },
                           [this](GstBuffer **buffer) { return take_buffer(buffer); },
                           [this](GstFlowReturn flow) { refuse(flow); }});
  gst_bin_add(bin_, link_.get());
  link_sink_ = adopt_object(gst_element_get_static_pad(link_.get(), "sink"));
  link_src_ = adopt_object(gst_element_get_static_pad(link_.get(), "src"));
  gst_util_set_object_arg(G_OBJECT(link_sink_.get()), "policy", "lossless");
  g_object_set(link_sink_.get(), "depth", kLinkDepth, nullptr);

  caps_probe_ = support::PadProbe(
      link_sink_.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_QUERY_DOWNSTREAM | GST_PAD_PROBE_TYPE_PUSH),
      on_caps_query, this);

  ghost_ = sink_object(gst_ghost_pad_new_no_target_from_template(name.c_str(), pad_template));
  g_object_set_data(G_OBJECT(ghost_.get()), kSelf, this);
  gst_pad_set_query_function(ghost_.get(), on_query);
  g_signal_connect(ghost_.get(), "linked", G_CALLBACK(on_linked), this);
  g_signal_connect(ghost_.get(), "unlinked", G_CALLBACK(on_unlinked), this);
  leave_probe_ = support::PadProbe(
      ghost_.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_PUSH), on_leave,
      this);
  gst_pad_set_active(ghost_.get(), TRUE);
  const bool is_video = settings_.kind == MediaKind::Video;
  const CStr id(gst_pad_create_stream_id(ghost_.get(), GST_ELEMENT(bin_), name.c_str()));
  stream_ = adopt_object(gst_stream_new(id.get(), encoded_caps_.get(),
                                        is_video ? GST_STREAM_TYPE_VIDEO : GST_STREAM_TYPE_AUDIO,
                                        GST_STREAM_FLAG_NONE));
}

PlayOutput::~PlayOutput()
{
  g_signal_handlers_disconnect_by_data(ghost_.get(), this);
  g_object_set_data(G_OBJECT(ghost_.get()), kSelf, nullptr);
  arrival_probe_ = {};
  caps_probe_ = {};
  latency_probe_ = {};
  leave_probe_ = {};
  gst_element_set_locked_state(link_.get(), TRUE);
  gst_element_set_state(link_.get(), GST_STATE_NULL);
  drop_chain();
  gst_pad_set_active(ghost_.get(), FALSE);
  gst_bin_remove(bin_, link_.get());
  g_mutex_clear(&codecs_mutex_);
}

void PlayOutput::set_codecs(const std::vector<Codec> &codecs)
{
  auto caps = adopt_mini(gst_caps_new_empty());
  for (const Codec &codec : codecs)
    if (const CodecFacts *facts = find_codec(codec.name))
      gst_caps_append(caps.get(), gst_caps_from_string(facts->encoded_caps));
  caps = adopt_mini(gst_caps_simplify(caps.release()));
  const MutexLock lock(codecs_mutex_);
  std::swap(encoded_caps_, caps);
}

void PlayOutput::set_collection(GstStreamCollection *collection)
{
  collection_ = share_object(collection);
  for (GstEvent *event :
       {take_event(gst_event_new_stream_start("")), gst_event_new_stream_collection(collection)}) {
    gst_pad_store_sticky_event(ghost_.get(), event);
    gst_event_unref(event);
  }
}

void PlayOutput::attach(GstPad *encoded)
{
  arrival_probe_ = support::PadProbe(
      encoded,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      on_arrival, this);
  latency_probe_ = support::PadProbe(
      encoded,
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_QUERY_UPSTREAM | GST_PAD_PROBE_TYPE_PUSH),
      on_latency, this);
  gst_element_sync_state_with_parent(link_.get());
  gst_pad_link_full(encoded, link_sink_.get(), GST_PAD_LINK_CHECK_NOTHING);
}

PlayOutputStats PlayOutput::stats() const
{
  PlayOutputStats stats;
  stats.passed = passed_;
  stats.dropped_unlinked = dropped_unlinked_;
  stats.dropped_full = dropped_full_;
  stats.dropped_no_key = dropped_no_key_;
  stats.refused = refused_;
  stats.times_mended = times_mended_;
  stats.is_decoding = is_decoding_;
  return stats;
}

// --- What is wanted ---

MiniPtr<GstCaps> PlayOutput::possible_caps(Form form) const
{
  auto caps =
      adopt_mini(form == Form::Encoded ? gst_caps_new_empty()
                                       : gst_caps_new_empty_simple(raw_type(settings_.kind)));
  if (form == Form::Raw)
    return caps;
  const MutexLock lock(codecs_mutex_);
  gst_caps_append(caps.get(), gst_caps_copy(encoded_caps_.get()));
  return caps;
}

// The order in which the peer names what it takes decides; who takes anything gets raw media.
void PlayOutput::decide(GstPad *peer)
{
  Form form = Form::None;
  if (peer != nullptr) {
    const MiniPtr<GstCaps> own = possible_caps(Form::None);
    const auto taken = adopt_mini(gst_pad_query_caps(peer, nullptr));
    const auto common =
        adopt_mini(gst_caps_intersect_full(taken.get(), own.get(), GST_CAPS_INTERSECT_FIRST));
    const bool is_raw =
        gst_caps_is_any(taken.get()) || gst_caps_is_empty(common.get()) ||
        gst_structure_has_name(gst_caps_get_structure(common.get(), 0), raw_type(settings_.kind));
    form = is_raw ? Form::Raw : Form::Encoded;
  }
  wanted_ = form;
  decisions_++;
}

void PlayOutput::on_linked(GstPad *, GstPad *peer, gpointer self)
{
  static_cast<PlayOutput *>(self)->decide(peer);
}

void PlayOutput::on_unlinked(GstPad *, GstPad *, gpointer self)
{
  static_cast<PlayOutput *>(self)->decide(nullptr);
}

gboolean PlayOutput::on_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  auto *self = static_cast<PlayOutput *>(g_object_get_data(G_OBJECT(pad), kSelf));
  if (self == nullptr)
    return FALSE;
  if (GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    GstCaps *filter = nullptr;
    gst_query_parse_caps(query, &filter);
    MiniPtr<GstCaps> caps = self->possible_caps(self->wanted_);
    if (filter != nullptr)
      caps = adopt_mini(gst_caps_intersect_full(filter, caps.get(), GST_CAPS_INTERSECT_FIRST));
    gst_query_set_caps_result(query, caps.get());
    return TRUE;
  }
  const auto target = adopt_object(gst_ghost_pad_get_target(GST_GHOST_PAD(pad)));
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY || target)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, self->settings_.latency, GST_CLOCK_TIME_NONE);
  return TRUE;
}

// What is behind the link at present is for the codec at present; for another one it is exchanged.
GstPadProbeReturn PlayOutput::on_caps_query(GstPad *, GstPadProbeInfo *info, gpointer self)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  MiniPtr<GstCaps> caps = static_cast<PlayOutput *>(self)->possible_caps(Form::Encoded);
  if (GST_QUERY_TYPE(query) == GST_QUERY_ACCEPT_CAPS) {
    GstCaps *asked = nullptr;
    gst_query_parse_accept_caps(query, &asked);
    gst_query_set_accept_caps_result(query, gst_caps_can_intersect(asked, caps.get()));
    return GST_PAD_PROBE_HANDLED;
  }
  if (GST_QUERY_TYPE(query) != GST_QUERY_CAPS)
    return GST_PAD_PROBE_OK;
  GstCaps *filter = nullptr;
  gst_query_parse_caps(query, &filter);
  if (filter != nullptr)
    caps = adopt_mini(gst_caps_intersect_full(filter, caps.get(), GST_CAPS_INTERSECT_FIRST));
  gst_query_set_caps_result(query, caps.get());
  return GST_PAD_PROBE_HANDLED;
}

// The same whether a stream flows at present or not.
GstPadProbeReturn PlayOutput::on_latency(GstPad *, GstPadProbeInfo *info, gpointer self)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return GST_PAD_PROBE_OK;
  gst_query_set_latency(query, TRUE, static_cast<PlayOutput *>(self)->settings_.latency,
                        GST_CLOCK_TIME_NONE);
  return GST_PAD_PROBE_HANDLED;
}

// --- Into the link ---

GstPadProbeReturn PlayOutput::on_arrival(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<PlayOutput *>(data);
  if ((GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_BUFFER) == 0)
    return GST_PAD_PROBE_OK;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  guint level = 0;
  g_object_get(self->link_sink_.get(), "level", &level, nullptr);
  if (level >= kFullLevel || (self->is_overflowing_ && level > kRestLevel)) {
    self->is_overflowing_ = true;
    self->arrival_needs_key_ = self->settings_.kind == MediaKind::Video;
    count(self->dropped_full_);
    return GST_PAD_PROBE_DROP;
  }
  const bool is_first = std::exchange(self->is_overflowing_, false);
  if (self->arrival_needs_key_ && is_delta(buffer)) {
    self->settings_.request_keyframe();
    count(self->dropped_no_key_);
    // The DISCONT is for the buffer that passes.
    self->is_overflowing_ = is_first;
    return GST_PAD_PROBE_DROP;
  }
  self->arrival_needs_key_ = false;
  if (is_first) {
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT | GST_BUFFER_FLAG_RESYNC);
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
  }
  return GST_PAD_PROBE_OK;
}

// What a decoder makes up for a gap may be longer than the gap, which sets the next time back; with
// opusdec and its forward error correction, by a whole packet.
GstPadProbeReturn PlayOutput::on_leave(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto *self = static_cast<PlayOutput *>(data);
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
  if (!GST_BUFFER_PTS_IS_VALID(buffer))
    return GST_PAD_PROBE_OK;
  if (GST_CLOCK_TIME_IS_VALID(self->last_pts_) && GST_BUFFER_PTS(buffer) < self->last_pts_) {
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_PTS(buffer) = self->last_pts_;
    GST_PAD_PROBE_INFO_DATA(info) = buffer;
    count(self->times_mended_);
  }
  self->last_pts_ = GST_BUFFER_PTS(buffer);
  return GST_PAD_PROBE_OK;
}

// --- The link's thread ---

void PlayOutput::drop_chain()
{
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost_.get()), nullptr);
  if (decoder_) {
    const auto sink = adopt_object(gst_element_get_static_pad(decoder_.get(), "sink"));
    gst_element_set_locked_state(decoder_.get(), TRUE);
    gst_element_set_state(decoder_.get(), GST_STATE_NULL);
    gst_pad_unlink(link_src_.get(), sink.get());
    gst_bin_remove(bin_, decoder_.get());
    decoder_.reset();
  }
  is_built_ = false;
  is_decoding_ = false;
  has_decoded_ = false;
}

// What is wanted now takes the place of what was there.
bool PlayOutput::build()
{
  const guint decision = decisions_;
  const Form form = wanted_;
  drop_chain();
  built_for_ = decision;
  has_failed_ = false;
  has_said_refusal_ = false;
  if (form == Form::None || !current_caps_)
    return false;
  GObjectPtr<GstPad> target = link_src_;
  if (form == Form::Raw) {
    auto made = make_decode_chain(current_caps_.get(), settings_.latency);
    if (!made) {
      has_failed_ = true;
      SL_POST_ERROR(bin_, GST_STREAM_ERROR, made.error().code, made.error().text,
                    made.error().debug);
      return false;
    }
    decoder_ = *made;
    const auto sink = adopt_object(gst_element_get_static_pad(decoder_.get(), "sink"));
    target = adopt_object(gst_element_get_static_pad(decoder_.get(), "src"));
    gst_bin_add(bin_, decoder_.get());
    gst_pad_link_full(link_src_.get(), sink.get(), GST_PAD_LINK_CHECK_NOTHING);
  }
  gst_ghost_pad_set_target(GST_GHOST_PAD(ghost_.get()), target.get());
  if (decoder_)
    gst_element_sync_state_with_parent(decoder_.get());
  is_built_ = true;
  is_decoding_ = form == Form::Raw;
  is_discont_ = true;
  needs_key_ = settings_.kind == MediaKind::Video;
  return true;
}

bool PlayOutput::take_buffer(GstBuffer **buffer)
{
  if (built_for_ != decisions_ && !build() && !has_failed_) {
    count(dropped_unlinked_);
    is_discont_ = true;
    return false;
  }
  if (!is_built_ && !has_failed_ && wanted_ != Form::None)
    build();
  if (!is_built_) {
    count(dropped_unlinked_);
    is_discont_ = true;
    return false;
  }
  // With forward error correction opusdec keeps one packet, also when its stream begins anew: all
  // that comes then would be that much late. A lost packet is no such beginning.
  const bool begins = is_discont_ || GST_BUFFER_FLAG_IS_SET(*buffer, GST_BUFFER_FLAG_RESYNC);
  if (begins && has_decoded_ && settings_.kind == MediaKind::Audio && !build())
    return false;
  if (needs_key_ && is_delta(*buffer)) {
    settings_.request_keyframe();
    count(dropped_no_key_);
    return false;
  }
  needs_key_ = false;
  if (std::exchange(is_discont_, false)) {
    *buffer = gst_buffer_make_writable(*buffer);
    GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DISCONT);
  }
  has_decoded_ = is_decoding_;
  count(passed_);
  return true;
}

// Who takes nothing more just gets nothing more, and the other medium goes on.
void PlayOutput::refuse(GstFlowReturn flow)
{
  count(refused_);
  is_discont_ = true;
  if (flow != GST_FLOW_NOT_NEGOTIATED || wanted_ == Form::None || has_said_refusal_)
    return;
  has_said_refusal_ = true;
  const CStr caps(current_caps_ ? gst_caps_to_string(current_caps_.get()) : g_strdup("no caps"));
  SL_POST_ERROR(bin_, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
                std::string("What is linked to ") + GST_PAD_NAME(ghost_.get()) +
                    " does not take what the peer sends. Link to what takes it, such as "
                    "videoconvert or audioconvert for raw media.",
                caps.get());
}

GstEvent *PlayOutput::take_event(GstEvent *event)
{
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START: {
      gst_event_unref(event);
      event = gst_event_new_stream_start(gst_stream_get_stream_id(stream_.get()));
      gst_event_set_group_id(event, settings_.group_id);
      gst_event_set_stream(event, stream_.get());
      return event;
    }
    case GST_EVENT_CAPS: {
      GstCaps *caps = nullptr;
      gst_event_parse_caps(event, &caps);
      const auto type = [](GstCaps *of) {
        return gst_structure_get_name_id(gst_caps_get_structure(of, 0));
      };
      // Another codec wants another decoder, which comes with the next buffer.
      if (current_caps_ && type(current_caps_.get()) != type(caps))
        drop_chain();
      has_failed_ = false;
      current_caps_ = share_mini(caps);
      return event;
    }
    case GST_EVENT_EOS:
      if (built_for_ != decisions_ || !is_built_) {
        gst_event_unref(event);
        end_unbuilt();
        return nullptr;
      }
      return event;
    default:
      return event;
  }
}

// The end of a stream that never began for whoever is linked.
void PlayOutput::end_unbuilt()
{
  drop_chain();
  if (wanted_ == Form::None)
    return;
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_pad_push_event(ghost_.get(), gst_event_new_segment(&segment));
  gst_pad_push_event(ghost_.get(), gst_event_new_eos());
}

}  // namespace streamlib::webrtc
