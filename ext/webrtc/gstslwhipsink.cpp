// SPDX-License-Identifier: LGPL-2.1-or-later
// A sink that publishes by WHIP.

/**
 * SECTION:element-slwhipsink
 * @title: slwhipsink
 * @see_also: sllink
 *
 * Publishes one video and one audio to a WHIP server (RFC 9725). Raw media is encoded by the best
 * encoder that is installed; H.264, VP8, VP9 and Opus go as they come. Nothing leaves before the
 * peer's certificate has matched the fingerprint of the server's answer. Live media is dropped and
 * counted until then, other media waits and is paced by the clock afterwards; PAUSED does not wait
 * for the network.
 *
 * A connection that is lost is found again by an ICE restart or made anew, with back-off, and goes
 * on with a keyframe (#GstSlWhipSink:reconnect). At the end of the stream the session is ended at
 * the peer and at the server, which takes two seconds at most, and then the EOS message follows.
 * docs/elements/slwhipsink.md has the errors and statistics.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! sllink ! slwhipsink
 * whip-endpoint=http://localhost:8080/whip
 * ]| Publish a test picture.
 * |[
 * gst-launch-1.0 slwhipsink name=whip whip-endpoint=http://localhost:8080/whip video-codec=VP8
 * videotestsrc is-live=true ! sllink ! whip.video_0
 * audiotestsrc is-live=true ! sllink ! whip.audio_0
 * ]| Publish VP8 and Opus.
 *
 * Since: 0.1
 */
#include "config.h"

#include "ext/webrtc/gstslwhipsink.h"

#include <memory>
#include <vector>

#include "ext/webrtc/peer/peer_stats.h"
#include "ext/webrtc/session/codecs.h"
#include "ext/webrtc/whip_publisher.h"
#include "gst/support/element_shell.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_whip_sink_debug);
#define GST_CAT_DEFAULT gst_sl_whip_sink_debug

namespace {

using namespace streamlib::webrtc;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::Failure;
using streamlib::support::kPropertyPlaying;
using streamlib::support::kPropertyReady;
using streamlib::support::ObjectLock;
using streamlib::support::string_of;

constexpr const char *kVideoTemplate = "video_%u";
constexpr const char *kAudioTemplate = "audio_%u";
constexpr guint kMaxKeyframeIntervalMs = 600 * 1000;

enum class Prop : guint {
  VideoCodec = 1,
  VideoBitrate,
  AudioBitrate,
  KeyframeInterval,
  Connection,  // The first of several.
};
constexpr guint kFirstConnection = static_cast<guint>(Prop::Connection);

}  // namespace

struct GstSlWhipSinkPrivate {
  // Guarded by the object lock.
  WhipSettings settings;
  std::shared_ptr<WhipPublisher> publisher;
  bool has_new_settings = false;  // That the publisher was not made with.
  GstPad *pads[2] = {};           // By MediaKind.
  // Of runs that did not end in time; they end when this element does, which they keep until then.
  std::vector<std::shared_ptr<WhipPublisher>> leftovers;
};

struct _GstSlWhipSink {
  GstBin parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlWhipSink, gst_sl_whip_sink, GST_TYPE_BIN,
                              G_ADD_PRIVATE(GstSlWhipSink))
GST_ELEMENT_REGISTER_DEFINE(slwhipsink, "slwhipsink", GST_RANK_NONE, GST_TYPE_SL_WHIP_SINK)

namespace {

GstSlWhipSinkPrivate &priv_of(gpointer self)
{
  return *static_cast<GstSlWhipSinkPrivate *>(
      gst_sl_whip_sink_get_instance_private(GST_SL_WHIP_SINK(self)));
}

std::shared_ptr<WhipPublisher> publisher_of(gpointer self)
{
  const ObjectLock lock(self);
  return priv_of(self).publisher;
}

// --- Pads ---

MediaKind kind_of(GstPadTemplate *from)
{
  return g_str_equal(GST_PAD_TEMPLATE_NAME_TEMPLATE(from), kVideoTemplate) ? MediaKind::Video
                                                                           : MediaKind::Audio;
}

size_t index_of(MediaKind kind)
{
  return kind == MediaKind::Video ? 1 : 0;
}

void connect_pad(GstSlWhipSink *self, MediaKind kind, WhipPublisher &publisher)
{
  GstPad *ghost = priv_of(self).pads[index_of(kind)];
  if (ghost != nullptr)
    gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), publisher.add_input(kind, ghost));
}

GstPad *request_new_pad(GstElement *element, GstPadTemplate *from, const gchar *, const GstCaps *)
{
  GstSlWhipSink *self = GST_SL_WHIP_SINK(element);
  GstSlWhipSinkPrivate &priv = priv_of(self);
  const MediaKind kind = kind_of(from);
  const char *name = kind == MediaKind::Video ? "video_0" : "audio_0";
  const auto publisher = publisher_of(self);
  if (publisher && publisher->has_begun()) {
    GST_ELEMENT_WARNING(self, STREAM, WRONG_TYPE,
                        ("The pad %s comes too late: WHIP cannot add media to a session. Request "
                         "it before PAUSED.",
                         name),
                        (nullptr));
    return nullptr;
  }
  GstPad *pad = gst_ghost_pad_new_no_target_from_template(name, from);
  {
    const ObjectLock lock(self);
    GstPad *&place = priv.pads[index_of(kind)];
    if (place != nullptr) {
      gst_object_unref(gst_object_ref_sink(pad));
      pad = nullptr;
    } else {
      place = pad;
    }
  }
  if (pad == nullptr) {
    GST_ELEMENT_WARNING(
        self, STREAM, WRONG_TYPE,
        ("There is a pad %s already: a WHIP session has one audio and one video.", name),
        (nullptr));
    return nullptr;
  }
  if (publisher)
    connect_pad(self, kind, *publisher);
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(element, pad);
  return pad;
}

void release_pad(GstElement *element, GstPad *pad)
{
  GstSlWhipSinkPrivate &priv = priv_of(element);
  const auto publisher = publisher_of(element);
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
    if (priv.pads[index_of(kind)] != pad)
      continue;
    {
      const ObjectLock lock(element);
      priv.pads[index_of(kind)] = nullptr;
    }
    gst_pad_set_active(pad, FALSE);
    gst_ghost_pad_set_target(GST_GHOST_PAD(pad), nullptr);
    if (publisher)
      publisher->remove_input(kind);
  }
  gst_element_remove_pad(element, pad);
}

// --- States ---

bool set_up(GstSlWhipSink *self)
{
  WhipSettings settings;
  {
    const ObjectLock lock(self);
    settings = priv_of(self).settings;
    priv_of(self).has_new_settings = false;
  }
  auto made = WhipPublisher::create(GST_ELEMENT(self), settings);
  if (!made) {
    SL_POST_ERROR(self, GST_RESOURCE_ERROR, made.error().code, made.error().text,
                  made.error().debug);
    return false;
  }
  const std::shared_ptr<WhipPublisher> publisher = std::move(*made);
  gst_bin_add(GST_BIN(self), publisher->bin());
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video})
    connect_pad(self, kind, *publisher);
  const ObjectLock lock(self);
  priv_of(self).publisher = publisher;
  return true;
}

void take_down(GstSlWhipSink *self)
{
  std::shared_ptr<WhipPublisher> publisher;
  {
    const ObjectLock lock(self);
    std::swap(publisher, priv_of(self).publisher);
  }
  if (!publisher)
    return;
  for (const MediaKind kind : {MediaKind::Audio, MediaKind::Video}) {
    GstPad *ghost = priv_of(self).pads[index_of(kind)];
    if (ghost != nullptr)
      gst_ghost_pad_set_target(GST_GHOST_PAD(ghost), nullptr);
    publisher->remove_input(kind);
  }
  gst_element_set_state(publisher->bin(), GST_STATE_NULL);
  gst_bin_remove(GST_BIN(self), publisher->bin());
  if (!publisher->is_over())
    priv_of(self).leftovers.push_back(std::move(publisher));
}

// What was set in READY counts, too, and nothing of the run before.
bool renew(GstSlWhipSink *self)
{
  bool is_due;
  {
    const ObjectLock lock(self);
    const auto &publisher = priv_of(self).publisher;
    // None is there after settings that could not be used.
    is_due = !publisher || (priv_of(self).has_new_settings && publisher->is_over());
  }
  if (is_due) {
    take_down(self);
    if (!set_up(self))
      return false;
  }
  publisher_of(self)->prepare();
  return true;
}

bool begin(GstSlWhipSink *self)
{
  const auto publisher = publisher_of(self);
  if (!publisher->is_over()) {
    GST_ELEMENT_ERROR(self, CORE, STATE_CHANGE,
                      ("The session before has not ended yet. Go to NULL, and try again."),
                      (nullptr));
    return false;
  }
  const auto begun = publisher->begin();
  if (!begun)
    SL_POST_ERROR(self, GST_STREAM_ERROR, begun.error().code, begun.error().text,
                  begun.error().debug);
  return begun.ok();
}

void end(GstSlWhipSink *self)
{
  if (!publisher_of(self)->end())
    GST_ELEMENT_WARNING(self, RESOURCE, CLOSE,
                        ("The session did not end in two seconds; the server may keep it for a "
                         "while."),
                        (nullptr));
  g_object_notify(G_OBJECT(self), "state");
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
  GstSlWhipSink *self = GST_SL_WHIP_SINK(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY && !set_up(self))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && !renew(self))
    return GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    end(self);
  auto result = GST_ELEMENT_CLASS(gst_sl_whip_sink_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && result != GST_STATE_CHANGE_FAILURE &&
      !begin(self))
    result = GST_STATE_CHANGE_FAILURE;
  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    take_down(self);
  return result;
}

// Its inputs are live or not, and what follows them adds nothing that anybody waits for here.
gboolean query(GstElement *element, GstQuery *asked)
{
  if (GST_QUERY_TYPE(asked) != GST_QUERY_LATENCY)
    return GST_ELEMENT_CLASS(gst_sl_whip_sink_parent_class)->query(element, asked);
  bool is_live = false;
  GstClockTime least = 0;
  GstClockTime most = GST_CLOCK_TIME_NONE;
  for (const size_t i : {size_t{0}, size_t{1}}) {
    GstPad *raw;
    {
      const ObjectLock lock(element);
      raw = priv_of(element).pads[i];
      if (raw != nullptr)
        gst_object_ref(raw);
    }
    const auto pad = adopt_object(raw);
    const auto one = adopt_mini(gst_query_new_latency());
    if (!pad || !gst_pad_peer_query(pad.get(), one.get()))
      continue;
    gboolean live = FALSE;
    GstClockTime min = 0;
    GstClockTime max = GST_CLOCK_TIME_NONE;
    gst_query_parse_latency(one.get(), &live, &min, &max);
    if (!live)
      continue;
    is_live = true;
    least = MAX(least, min);
    most = MIN(most, max);
  }
  gst_query_set_latency(asked, is_live, least, most);
  return TRUE;
}

// --- Properties ---

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  GstSlWhipSinkPrivate &priv = priv_of(object);
  std::shared_ptr<WhipPublisher> publisher;
  {
    const ObjectLock lock(object);
    publisher = priv.publisher;
    priv.has_new_settings |= (spec->flags & GST_PARAM_MUTABLE_PLAYING) != GST_PARAM_MUTABLE_PLAYING;
    switch (static_cast<Prop>(id)) {
      case Prop::VideoCodec:
        priv.settings.video_codec = string_of(value);
        break;
      case Prop::VideoBitrate:
        priv.settings.video_bitrate = g_value_get_uint(value);
        break;
      case Prop::AudioBitrate:
        priv.settings.audio_bitrate = g_value_get_uint(value);
        break;
      case Prop::KeyframeInterval:
        priv.settings.keyframe_interval_ms = g_value_get_uint(value);
        break;
      default:
        if (id < kFirstConnection ||
            !set_connection_property(priv.settings.connection, id - kFirstConnection, value))
          G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
        return;
    }
  }
  if (publisher && static_cast<Prop>(id) == Prop::VideoBitrate)
    publisher->set_bitrate(MediaKind::Video, g_value_get_uint(value));
  if (publisher && static_cast<Prop>(id) == Prop::AudioBitrate)
    publisher->set_bitrate(MediaKind::Audio, g_value_get_uint(value));
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const GstSlWhipSinkPrivate &priv = priv_of(object);
  if (id == kFirstConnection + kStateIndex) {
    const auto publisher = publisher_of(object);
    g_value_set_enum(value, static_cast<gint>(publisher ? publisher->state() : PeerState::New));
    return;
  }
  if (id == kFirstConnection + kStatsIndex) {
    const auto publisher = publisher_of(object);
    g_value_take_boxed(value, (publisher ? publisher->stats() : unbegun_stats()).release());
    return;
  }
  const ObjectLock lock(object);
  switch (static_cast<Prop>(id)) {
    case Prop::VideoCodec:
      g_value_set_string(
          value, priv.settings.video_codec.empty() ? nullptr : priv.settings.video_codec.c_str());
      break;
    case Prop::VideoBitrate:
      g_value_set_uint(value, priv.settings.video_bitrate);
      break;
    case Prop::AudioBitrate:
      g_value_set_uint(value, priv.settings.audio_bitrate);
      break;
    case Prop::KeyframeInterval:
      g_value_set_uint(value, priv.settings.keyframe_interval_ms);
      break;
    default:
      if (id < kFirstConnection ||
          !get_connection_property(priv.settings.connection, id - kFirstConnection, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void install_properties(GObjectClass *klass)
{
  using streamlib::support::install_property;
  const WhipSettings defaults;
  install_property(klass, Prop::VideoCodec,
                   g_param_spec_string("video-codec", "Video codec",
                                       "Codecs to offer, best first, with commas between them: "
                                       "H264, VP8, VP9; by default all that raw video can be "
                                       "encoded in, or what encoded video is at the beginning",
                                       nullptr, kPropertyReady));
  install_property(klass, Prop::VideoBitrate,
                   g_param_spec_uint("video-bitrate", "Video bitrate",
                                     "Bitrate of the encoder of raw video, in bit/s", 1000,
                                     G_MAXINT, defaults.video_bitrate, kPropertyPlaying));
  install_property(klass, Prop::AudioBitrate,
                   g_param_spec_uint("audio-bitrate", "Audio bitrate",
                                     "Bitrate of the encoder of raw audio, in bit/s", 4000, 650000,
                                     defaults.audio_bitrate, kPropertyPlaying));
  install_property(klass, Prop::KeyframeInterval,
                   g_param_spec_uint("keyframe-interval", "Keyframe interval",
                                     "Longest time between keyframes of the encoder of raw video, "
                                     "in milliseconds; the peer may ask for one at any time",
                                     100, kMaxKeyframeIntervalMs, defaults.keyframe_interval_ms,
                                     kPropertyReady));
  install_connection_properties(klass, kFirstConnection, PeerRole::Sender);
}

void finalize(GObject *object)
{
  std::destroy_at(&priv_of(object));
  G_OBJECT_CLASS(gst_sl_whip_sink_parent_class)->finalize(object);
}

}  // namespace

static void gst_sl_whip_sink_class_init(GstSlWhipSinkClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_whip_sink_debug, "slwhipsink", 0, "WHIP sink");
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);
  auto *element = GST_ELEMENT_CLASS(klass);
  element->request_new_pad = GST_DEBUG_FUNCPTR(request_new_pad);
  element->release_pad = GST_DEBUG_FUNCPTR(release_pad);
  element->change_state = GST_DEBUG_FUNCPTR(change_state);
  element->query = GST_DEBUG_FUNCPTR(query);
  for (const MediaKind kind : {MediaKind::Video, MediaKind::Audio}) {
    const auto caps = possible_input_caps(kind);
    gst_element_class_add_pad_template(
        element, gst_pad_template_new(kind == MediaKind::Video ? kVideoTemplate : kAudioTemplate,
                                      GST_PAD_SINK, GST_PAD_REQUEST, caps.get()));
  }
  gst_element_class_set_static_metadata(element, "WHIP sink", "Sink/Network/WebRTC",
                                        "Publishes video and audio to a WebRTC server by WHIP",
                                        "The gst-streamlib authors");
}

static void gst_sl_whip_sink_init(GstSlWhipSink *self)
{
  std::construct_at(
      static_cast<GstSlWhipSinkPrivate *>(gst_sl_whip_sink_get_instance_private(self)));
  // None of the children is a sink: the end of the stream is told by this element, when the session
  // is over.
  gst_bin_set_suppressed_flags(
      GST_BIN(self), static_cast<GstElementFlags>(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SINK);
}
