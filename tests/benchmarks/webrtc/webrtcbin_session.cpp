// SPDX-License-Identifier: LGPL-2.1-or-later
// GStreamer's webrtcbin, and what an application does for it: an offer with all candidates goes by
// POST, the answer comes back, the session is deleted at the end.
#include <cstdio>

#include <libsoup/soup.h>

#include <gst/sdp/sdp.h>
#include <gst/webrtc/webrtc.h>

#include "../measure.h"
#include "near_session.h"

namespace streamlib::bench {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::GObjectPtr;
using support::MiniPtr;
using support::sink_object;

namespace {

constexpr double kCapsSeconds = 3;
constexpr double kGatherSeconds = 5;

// What an application has anyway, once for all sessions; not made for the first measurement.
SoupSession *http()
{
  static SoupSession *session = soup_session_new();
  return session;
}

struct DescriptionFree {
  void operator()(GstWebRTCSessionDescription *text) const
  {
    gst_webrtc_session_description_free(text);
  }
};
using Description = std::unique_ptr<GstWebRTCSessionDescription, DescriptionFree>;

// Calls an action of webrtcbin and waits for its end.
template <typename... Arguments>
MiniPtr<GstPromise> ask(GstElement *rtc, const char *action, Arguments... arguments)
{
  auto promise = adopt_mini(gst_promise_new());
  g_signal_emit_by_name(rtc, action, arguments..., promise.get());
  gst_promise_wait(promise.get());
  return promise;
}

class WebrtcbinSession final : public NearSession {
public:
  WebrtcbinSession(const NearPlan &plan, Feeder &feeder, Slot &slot)
      : plan_(plan), feeder_(feeder), slot_(slot)
  {}
  ~WebrtcbinSession() override { stop(); }

  bool start() override
  {
    std::string head = "webrtcbin name=rtc bundle-policy=max-bundle ";
    if (plan_.latency_ms >= 0)
      head += "latency=" + std::to_string(plan_.latency_ms) + " ";
    pipeline_ = make_pipeline(plan_.publishes ? head + publishing() : head);
    if (!pipeline_)
      return false;
    rtc_ = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "rtc"));
    g_signal_connect(rtc_.get(), "notify::connection-state", G_CALLBACK(on_state), this);
    g_signal_connect(rtc_.get(), "pad-added", G_CALLBACK(on_pad), this);
    if (plan_.subject == Subject::kWebrtcbinTuned)
      tune();
    if (!plan_.publishes)
      add_transceivers();
    else
      feeder_.add(pipeline_.get(), slot_);
    if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
      return false;
    if (plan_.publishes && !prepare_senders())
      return false;
    return negotiate();
  }

  void stop() override
  {
    if (!pipeline_ || std::exchange(is_ended_, true))
      return;
    feeder_.remove(pipeline_.get());
    if (!resource_.empty()) {
      const auto message = adopt_object(soup_message_new("DELETE", resource_.c_str()));
      g_bytes_unref(soup_session_send_and_read(http(), message.get(), nullptr, nullptr));
    }
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

private:
  static std::string publishing()
  {
    return std::string(kVideoFeed) +
           " ! h264parse config-interval=-1 ! rtph264pay pt=97 aggregate-mode=zero-latency ! "
           "application/x-rtp,media=video,encoding-name=H264,payload=97,clock-rate=90000 ! rtc. " +
           kAudioFeed +
           " ! rtpopuspay pt=98 ! "
           "application/x-rtp,media=audio,encoding-name=OPUS,payload=98,clock-rate=48000,"
           "encoding-params=(string)2 ! rtc.";
  }

  void tune()
  {
    GObject *ice = nullptr;
    g_object_get(rtc_.get(), "ice-agent", &ice, nullptr);
    GObject *agent = nullptr;
    g_object_get(ice, "agent", &agent, nullptr);
    g_object_set(agent, "upnp", FALSE, "ice-tcp", FALSE, nullptr);
    g_object_unref(agent);
    g_object_unref(ice);
  }

  void add_transceivers()
  {
    for (const char *text :
         {"application/x-rtp,media=audio,encoding-name=OPUS,payload=98,clock-rate=48000,"
          "encoding-params=(string)2",
          "application/x-rtp,media=video,encoding-name=H264,payload=97,clock-rate=90000,"
          "packetization-mode=(string)1,profile-level-id=(string)42e01f"}) {
      const auto caps = adopt_mini(gst_caps_from_string(text));
      GstWebRTCRTPTransceiver *made = nullptr;
      g_signal_emit_by_name(rtc_.get(), "add-transceiver",
                            GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_RECVONLY, caps.get(), &made);
      ask_for_retransmission(made);
      g_object_unref(made);
    }
  }

  static void ask_for_retransmission(GstWebRTCRTPTransceiver *of)
  {
    GstWebRTCKind kind = GST_WEBRTC_KIND_UNKNOWN;
    g_object_get(of, "kind", &kind, nullptr);
    if (kind == GST_WEBRTC_KIND_VIDEO)
      g_object_set(of, "do-nack", TRUE, nullptr);
  }

  // Caps have to be there for an offer.
  bool prepare_senders()
  {
    const int64_t limit = monotonic_ns() + static_cast<int64_t>(kCapsSeconds * 1e9);
    while (!have_caps()) {
      if (monotonic_ns() > limit) {
        fprintf(stderr, "nothing has come to webrtcbin\n");
        return false;
      }
      sleep_s(0.001);
    }
    for (gint i = 0; i < 2; i++) {
      GstWebRTCRTPTransceiver *of = nullptr;
      g_signal_emit_by_name(rtc_.get(), "get-transceiver", i, &of);
      g_object_set(of, "direction", GST_WEBRTC_RTP_TRANSCEIVER_DIRECTION_SENDONLY, nullptr);
      ask_for_retransmission(of);
      g_object_unref(of);
    }
    return true;
  }

  bool have_caps() const
  {
    int ready = 0;
    for (const char *name : {"sink_0", "sink_1"}) {
      const auto pad = adopt_object(gst_element_get_static_pad(rtc_.get(), name));
      ready += pad && adopt_mini(gst_pad_get_current_caps(pad.get()));
    }
    return ready == 2;
  }

  bool is_gathered() const
  {
    GstWebRTCICEGatheringState state = GST_WEBRTC_ICE_GATHERING_STATE_NEW;
    g_object_get(rtc_.get(), "ice-gathering-state", &state, nullptr);
    return state == GST_WEBRTC_ICE_GATHERING_STATE_COMPLETE;
  }

  bool negotiate()
  {
    const auto offered = ask(rtc_.get(), "create-offer", static_cast<GstStructure *>(nullptr));
    const GstStructure *reply = gst_promise_get_reply(offered.get());
    GstWebRTCSessionDescription *made = nullptr;
    if (reply != nullptr)
      gst_structure_get(reply, "offer", GST_TYPE_WEBRTC_SESSION_DESCRIPTION, &made, nullptr);
    if (made == nullptr) {
      fprintf(stderr, "webrtcbin makes no offer\n");
      return false;
    }
    const Description offer(made);
    ask(rtc_.get(), "set-local-description", offer.get());
    const int64_t limit = monotonic_ns() + static_cast<int64_t>(kGatherSeconds * 1e9);
    while (!is_gathered()) {
      if (monotonic_ns() > limit)
        return false;
      sleep_s(0.001);
    }
    GstWebRTCSessionDescription *local = nullptr;
    g_object_get(rtc_.get(), "local-description", &local, nullptr);
    const Description complete(local);
    return post(complete->sdp);
  }

  bool post(const GstSDPMessage *offer)
  {
    const std::string endpoint = plan_.endpoint();
    const auto message = adopt_object(soup_message_new("POST", endpoint.c_str()));
    const CStr text(gst_sdp_message_as_text(offer));
    GBytes *body = g_bytes_new(text.get(), strlen(text.get()));
    soup_message_set_request_body_from_bytes(message.get(), "application/sdp", body);
    g_bytes_unref(body);
    GBytes *answer = soup_session_send_and_read(http(), message.get(), nullptr, nullptr);
    const guint status = soup_message_get_status(message.get());
    const char *place =
        soup_message_headers_get_one(soup_message_get_response_headers(message.get()), "Location");
    if (answer == nullptr || status != 201 || place == nullptr) {
      fprintf(stderr, "the far end answers %u\n", status);
      g_bytes_unref(answer);
      return false;
    }
    resource_ = plan_.server + place;
    gsize size = 0;
    const auto *data = static_cast<const guint8 *>(g_bytes_get_data(answer, &size));
    GstSDPMessage *sdp = nullptr;
    gst_sdp_message_new(&sdp);
    gst_sdp_message_parse_buffer(data, static_cast<guint>(size), sdp);
    g_bytes_unref(answer);
    const Description description(
        gst_webrtc_session_description_new(GST_WEBRTC_SDP_TYPE_ANSWER, sdp));
    ask(rtc_.get(), "set-remote-description", description.get());
    return true;
  }

  static void on_state(GstElement *rtc, GParamSpec *, gpointer self)
  {
    GstWebRTCPeerConnectionState state = GST_WEBRTC_PEER_CONNECTION_STATE_NEW;
    g_object_get(rtc, "connection-state", &state, nullptr);
    if (state == GST_WEBRTC_PEER_CONNECTION_STATE_CONNECTED)
      static_cast<WebrtcbinSession *>(self)->note_connected();
  }

  static void on_pad(GstElement *, GstPad *pad, gpointer data)
  {
    if (GST_PAD_IS_SRC(pad))
      static_cast<WebrtcbinSession *>(data)->take_pad(pad);
  }

  void take_pad(GstPad *pad)
  {
    const auto caps = adopt_mini(gst_pad_get_current_caps(pad));
    const char *encoding =
        gst_structure_get_string(gst_caps_get_structure(caps.get(), 0), "encoding-name");
    const bool is_video = g_strcmp0(encoding, "H264") == 0;
    const bool is_encoded = plan_.show == Show::kEncoded;
    std::string line;
    if (is_video)
      line = std::string("rtph264depay ! video/x-h264,stream-format=byte-stream,alignment=au ! ") +
             (is_encoded ? "" : "avdec_h264 ! video/x-raw,format=I420 ! ") + video_sink(plan_.show);
    else
      line = std::string("rtpopusdepay ! ") + (is_encoded ? "" : "opusdec ! ") +
             audio_sink(plan_.show);
    const auto bin = sink_object(gst_parse_bin_from_description(line.c_str(), TRUE, nullptr));
    if (!bin) {
      fprintf(stderr, "%s cannot be made\n", line.c_str());
      return;
    }
    watch(bin.get(), plan_.show, slot_);
    gst_bin_add(GST_BIN(pipeline_.get()), bin.get());
    gst_element_sync_state_with_parent(bin.get());
    const auto sink = adopt_object(gst_element_get_static_pad(bin.get(), "sink"));
    gst_pad_link(pad, sink.get());
  }

  const NearPlan plan_;
  Feeder &feeder_;
  Slot &slot_;
  GObjectPtr<GstElement> rtc_;
  std::string resource_;
};

}  // namespace

std::unique_ptr<NearSession> make_webrtcbin_session(const NearPlan &plan, Feeder &feeder,
                                                    Slot &slot)
{
  return std::make_unique<WebrtcbinSession>(plan, feeder, slot);
}

}  // namespace streamlib::bench
