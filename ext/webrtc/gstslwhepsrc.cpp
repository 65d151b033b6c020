// SPDX-License-Identifier: LGPL-2.1-or-later
// Plays from a WebRTC server by WHEP.

/**
 * SECTION:element-slwhepsrc
 * @title: slwhepsrc
 * @see_also: slwhipsink
 *
 * Plays what a server sends over WebRTC, by WHEP (draft-ietf-wish-whep): at most one video and one
 * audio, which appear as pads when the server has answered. Each pad gives raw media to whoever
 * takes raw media, and the encoded stream to whoever takes that: this is decided when the pad is
 * linked. Media comes only from the peer whose certificate the server has named.
 *
 * The source is live, and its latency that of the jitter buffers. A connection that is lost is made
 * again, as #GstSlWhepSrc:reconnect says; the pads stay, and the running time goes on.
 *
 * Errors: RESOURCE/SETTINGS (the properties, or a server that does not speak WHEP), NOT_AUTHORIZED
 * (the token, the certificate of the server or of the peer), NOT_FOUND, BUSY, OPEN_READ (no
 * connection), READ (a lost one), STREAM/FORMAT and STREAM/CODEC_NOT_FOUND (a stream that cannot be
 * used). docs/elements/slwhepsrc.md says more.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 slwhepsrc whep-endpoint=https://example.org/whep/room name=play play. !
 * videoconvert ! autovideosink play. ! audioconvert ! audioresample ! autoaudiosink
 * ]| Show and sound what is there.
 * |[
 * gst-launch-1.0 -e slwhepsrc whep-endpoint=https://example.org/whep/room ! video/x-h264 !
 * h264parse ! matroskamux ! filesink location=room.mkv
 * ]| Keep the encoded pictures as they come.
 *
 * Since: 0.1
 */
#include "config.h"

#include "ext/webrtc/gstslwhepsrc.h"

#include <memory>

#include "ext/webrtc/peer/peer_properties.h"
#include "ext/webrtc/play/player.h"
#include "gst/support/element_shell.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_whep_src_debug);
#define GST_CAT_DEFAULT gst_sl_whep_src_debug

namespace {

using namespace streamlib::support;
using namespace streamlib::webrtc;

constexpr guint kMaxLatencyMs = 10000;

enum class Prop : guint {
  AudioLatency = 1,
  VideoLatency,
  FirstOfConnection,
};
constexpr guint kFirst = static_cast<guint>(Prop::FirstOfConnection);

GstStaticPadTemplate video_template = GST_STATIC_PAD_TEMPLATE(
    "video_%u", GST_PAD_SRC, GST_PAD_SOMETIMES,
    GST_STATIC_CAPS("video/x-raw; video/x-vp8; video/x-vp9; video/x-h264, "
                    "stream-format=(string)byte-stream, alignment=(string)au"));
GstStaticPadTemplate audio_template =
    GST_STATIC_PAD_TEMPLATE("audio_%u", GST_PAD_SRC, GST_PAD_SOMETIMES,
                            GST_STATIC_CAPS("audio/x-raw; audio/x-opus, "
                                            "channel-mapping-family=(int)0"));

// What a user may set; guarded by the object lock.
struct Settings {
  ConnectionSettings connection;
  guint audio_latency_ms = SessionSettings().audio_latency_ms;
  guint video_latency_ms = SessionSettings().video_latency_ms;
};

}  // namespace

struct GstSlWhepSrcPrivate {
  Settings settings;
  std::unique_ptr<Player> player;
};

struct _GstSlWhepSrc {
  GstBin parent;
};

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlWhepSrc, gst_sl_whep_src, GST_TYPE_BIN,
                              G_ADD_PRIVATE(GstSlWhepSrc))

namespace {

GstSlWhepSrcPrivate &priv_of(gpointer self)
{
  return *static_cast<GstSlWhepSrcPrivate *>(
      gst_sl_whep_src_get_instance_private(GST_SL_WHEP_SRC(self)));
}

// --- States ---

Result<PlayerSettings> current_settings(GstSlWhepSrc *self)
{
  Settings settings;
  {
    const ObjectLock lock(self);
    settings = priv_of(self).settings;
  }
  auto peer = settings.connection.peer_settings(PeerRole::Receiver);
  if (!peer)
    return peer.take_error();
  PlayerSettings result;
  result.peer = std::move(*peer);
  result.session.audio_latency_ms = settings.audio_latency_ms;
  result.session.video_latency_ms = settings.video_latency_ms;
  return result;
}

GstStateChangeReturn start(GstSlWhepSrc *self)
{
  auto settings = current_settings(self);
  if (!settings) {
    SL_POST_ERROR(self, GST_RESOURCE_ERROR, settings.error().code, settings.error().text,
                  settings.error().debug);
    return GST_STATE_CHANGE_FAILURE;
  }
  Player &player = *priv_of(self).player;
  if (!player.prepare(*settings)) {
    SL_POST_ERROR(self, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY,
                  "The connection of before has not ended yet. Try again later.", "");
    return GST_STATE_CHANGE_FAILURE;
  }
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_sl_whep_src_parent_class)
          ->change_state(GST_ELEMENT(self), GST_STATE_CHANGE_READY_TO_PAUSED);
  if (result == GST_STATE_CHANGE_FAILURE) {
    player.clear();
    return result;
  }
  player.begin(*settings);
  return GST_STATE_CHANGE_NO_PREROLL;
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
  GstSlWhepSrc *self = GST_SL_WHEP_SRC(element);
  Player &player = *priv_of(self).player;
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED)
    return start(self);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && !player.end())
    GST_ELEMENT_WARNING(self, RESOURCE, CLOSE,
                        ("The connection has not ended in time. The server will notice by itself "
                         "that nobody is there."),
                        (nullptr));
  const GstStateChangeReturn result =
      GST_ELEMENT_CLASS(gst_sl_whep_src_parent_class)->change_state(element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    player.clear();
  const bool is_preroll = transition == GST_STATE_CHANGE_PLAYING_TO_PAUSED;
  return is_preroll && result != GST_STATE_CHANGE_FAILURE ? GST_STATE_CHANGE_NO_PREROLL : result;
}

// An application that wants the stream to end: gst-launch-1.0 -e.
gboolean send_event(GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE(event) != GST_EVENT_EOS)
    return GST_ELEMENT_CLASS(gst_sl_whep_src_parent_class)->send_event(element, event);
  gst_event_unref(event);
  return priv_of(element).player->end_stream();
}

// Of the element as a whole, whether pads are there or not.
gboolean query(GstElement *element, GstQuery *query)
{
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return GST_ELEMENT_CLASS(gst_sl_whep_src_parent_class)->query(element, query);
  gst_query_set_latency(query, TRUE, priv_of(element).player->latency(), GST_CLOCK_TIME_NONE);
  return TRUE;
}

// --- Properties ---

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  const ObjectLock lock(object);
  Settings &settings = priv_of(object).settings;
  switch (static_cast<Prop>(id)) {
    case Prop::AudioLatency:
      settings.audio_latency_ms = g_value_get_uint(value);
      break;
    case Prop::VideoLatency:
      settings.video_latency_ms = g_value_get_uint(value);
      break;
    default:
      if (id < kFirst || !set_connection_property(settings.connection, id - kFirst, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  const Player &player = *priv_of(object).player;
  if (id == kFirst + kStateIndex) {
    g_value_set_enum(value, static_cast<gint>(player.state()));
    return;
  }
  if (id == kFirst + kStatsIndex) {
    g_value_take_boxed(value, player.stats().release());
    return;
  }
  const ObjectLock lock(object);
  const Settings &settings = priv_of(object).settings;
  switch (static_cast<Prop>(id)) {
    case Prop::AudioLatency:
      g_value_set_uint(value, settings.audio_latency_ms);
      break;
    case Prop::VideoLatency:
      g_value_set_uint(value, settings.video_latency_ms);
      break;
    default:
      if (id < kFirst || !get_connection_property(settings.connection, id - kFirst, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
}

void finalize(GObject *object)
{
  std::destroy_at(&priv_of(object));
  G_OBJECT_CLASS(gst_sl_whep_src_parent_class)->finalize(object);
}

void install_properties(GObjectClass *klass)
{
  install_property(
      klass, Prop::AudioLatency,
      g_param_spec_uint(
          "audio-latency", "Audio latency",
          "Time that audio waits in its jitter buffer for late packets, in milliseconds", 0,
          kMaxLatencyMs, SessionSettings().audio_latency_ms, kPropertyReady));
  install_property(
      klass, Prop::VideoLatency,
      g_param_spec_uint("video-latency", "Video latency",
                        "Time that video waits in its jitter buffer for late packets, and for "
                        "lost ones that are sent again, in milliseconds",
                        0, kMaxLatencyMs, SessionSettings().video_latency_ms, kPropertyReady));
  install_connection_properties(klass, kFirst, PeerRole::Receiver);
}

}  // namespace

static void gst_sl_whep_src_class_init(GstSlWhepSrcClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_whep_src_debug, "slwhepsrc", 0, "WHEP source");
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  install_properties(object_class);

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = change_state;
  element_class->query = query;
  element_class->send_event = send_event;
  gst_element_class_add_static_pad_template(element_class, &video_template);
  gst_element_class_add_static_pad_template(element_class, &audio_template);
  gst_element_class_set_static_metadata(element_class, "WHEP source", "Source/Network/WebRTC",
                                        "Plays from a WebRTC server by WHEP",
                                        "The gst-streamlib authors");
}

static void gst_sl_whep_src_init(GstSlWhepSrc *self)
{
  std::construct_at(&priv_of(self));
  priv_of(self).player =
      std::make_unique<Player>(GST_BIN(self), [self] { g_object_notify(G_OBJECT(self), "state"); });
  // What sends reports inside is no sink of the application.
  gst_bin_set_suppressed_flags(
      GST_BIN(self), static_cast<GstElementFlags>(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}

GST_ELEMENT_REGISTER_DEFINE(slwhepsrc, "slwhepsrc", GST_RANK_NONE, GST_TYPE_SL_WHEP_SRC)
