// SPDX-License-Identifier: LGPL-2.1-or-later
// What both kinds of sessions share, and a session of ours.
#include "near_session.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include "../measure.h"

namespace streamlib::bench {

using support::adopt_object;
using support::GObjectPtr;
using support::sink_object;

namespace {

const char *show_value(Show show)
{
  switch (show) {
    case Show::kEncoded:
      return "encoded";
    case Show::kDecoded:
      return "decoded";
    default:
      return "read";
  }
}

GstBusSyncReply on_message(GstBus *, GstMessage *message, gpointer pipeline)
{
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_LATENCY)
    gst_element_call_async(
        GST_ELEMENT(pipeline),
        [](GstElement *of, gpointer) { gst_bin_recalculate_latency(GST_BIN(of)); }, nullptr,
        nullptr);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    fprintf(stderr, "%s: %s (%s)\n", GST_MESSAGE_SRC_NAME(message), error->message, debug);
    g_error_free(error);
    g_free(debug);
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

class OurSession final : public NearSession {
public:
  OurSession(const NearPlan &plan, Feeder &feeder, Slot &slot)
      : plan_(plan), feeder_(feeder), slot_(slot)
  {}
  ~OurSession() override { stop(); }

  bool start() override
  {
    pipeline_ = make_pipeline(plan_.publishes ? publishing() : playing());
    if (!pipeline_)
      return false;
    if (plan_.runtime != nullptr)
      gst_element_set_context(pipeline_.get(), plan_.runtime);
    const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "rtc"));
    g_signal_connect(element.get(), "notify::state", G_CALLBACK(on_state), this);
    join(plan_, feeder_, slot_);
    return gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
  }

  void stop() override
  {
    if (!pipeline_ || std::exchange(is_ended_, true))
      return;
    feeder_.remove(pipeline_.get());
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  }

private:
  std::string publishing() const
  {
    return std::string("slwhipsink name=rtc whip-endpoint=\"") + plan_.endpoint() + "\" " +
           kVideoFeed + " ! rtc.video_0 " + kAudioFeed + " ! rtc.audio_0";
  }
  std::string playing() const
  {
    std::string line = "slwhepsrc name=rtc whep-endpoint=\"" + plan_.endpoint() + "\" ";
    if (plan_.latency_ms >= 0) {
      const std::string latency = std::to_string(plan_.latency_ms);
      line += "video-latency=" + latency + " audio-latency=" + latency + " ";
    }
    const bool is_encoded = plan_.show == Show::kEncoded;
    return line + "rtc.video_0 ! " + (is_encoded ? "video/x-h264" : "video/x-raw,format=I420") +
           " ! " + video_sink(plan_.show) + " rtc.audio_0 ! " +
           (is_encoded ? "audio/x-opus" : "audio/x-raw") + " ! " + audio_sink(plan_.show);
  }

  static void on_state(GstElement *element, GParamSpec *, gpointer self)
  {
    gint state = 0;
    g_object_get(element, "state", &state, nullptr);
    auto *states =
        static_cast<GEnumClass *>(g_type_class_ref(g_type_from_name("GstSlWebrtcState")));
    const GEnumValue *value = g_enum_get_value(states, state);
    if (value != nullptr && g_str_equal(value->value_nick, "connected"))
      static_cast<OurSession *>(self)->note_connected();
    g_type_class_unref(states);
  }

  const NearPlan plan_;
  Feeder &feeder_;
  Slot &slot_;
};

}  // namespace

void sleep_s(double seconds)
{
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

GObjectPtr<GstElement> make_pipeline(const std::string &line)
{
  GError *error = nullptr;
  auto pipeline = sink_object(gst_parse_launch(line.c_str(), &error));
  if (error != nullptr) {
    fprintf(stderr, "%s: %s\n", line.c_str(), error->message);
    g_error_free(error);
    return nullptr;
  }
  // A single element is no pipeline yet.
  if (!GST_IS_PIPELINE(pipeline.get())) {
    auto whole = sink_object(gst_pipeline_new(nullptr));
    gst_bin_add(GST_BIN(whole.get()), pipeline.get());
    pipeline = std::move(whole);
  }
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  gst_bus_set_sync_handler(bus.get(), on_message, pipeline.get(), nullptr);
  return pipeline;
}

std::string NearPlan::endpoint() const
{
  return server + (publishes ? "/whip?slot=" : "/whep?slot=") + std::to_string(slot_number) +
         "&show=" + show_value(show);
}

std::unique_ptr<NearSession> NearSession::make(const NearPlan &plan, Feeder &feeder, Slot &slot)
{
  slot.clear();
  return plan.subject == Subject::kOurs ? make_our_session(plan, feeder, slot)
                                        : make_webrtcbin_session(plan, feeder, slot);
}

bool NearSession::wait_connected(double seconds) const
{
  const int64_t limit = monotonic_ns() + static_cast<int64_t>(seconds * 1e9);
  while (connected_ns_ == 0 && monotonic_ns() < limit)
    sleep_s(0.001);
  return connected_ns_ != 0;
}

void NearSession::note_connected()
{
  int64_t none = 0;
  connected_ns_.compare_exchange_strong(none, monotonic_ns());
}

void NearSession::join(const NearPlan &plan, Feeder &feeder, Slot &slot)
{
  if (plan.publishes)
    feeder.add(pipeline_.get(), slot);
  else
    watch(pipeline_.get(), plan.show, slot);
}

std::unique_ptr<NearSession> make_our_session(const NearPlan &plan, Feeder &feeder, Slot &slot)
{
  return std::make_unique<OurSession>(plan, feeder, slot);
}

}  // namespace streamlib::bench
