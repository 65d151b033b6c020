// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/opus_patience.h"

#include <atomic>
#include <memory>

#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace streamlib::webrtc {

using support::adopt_object;
using support::MappedBuffer;

namespace {

// What nearly everybody sends.
constexpr GstClockTime kUsualPacket = 20 * GST_MSECOND;
constexpr GstClockTime kLongestPacket = 120 * GST_MSECOND;

// Both pads of the decoder have it, and may outlast the decoder.
struct Wait {
  std::atomic<GstClockTime> longest = kUsualPacket;
};

// Of the probe on the pad `src`.
struct Question {
  std::shared_ptr<Wait> wait;
  support::GObjectPtr<GstPad> sink;
};

bool has_property(GstElement *element, const char *name)
{
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name) != nullptr;
}

GstPadProbeReturn on_packet(GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  const auto &wait = *static_cast<std::shared_ptr<Wait> *>(data);
  const MappedBuffer map(GST_PAD_PROBE_INFO_BUFFER(info), GST_MAP_READ);
  const GstClockTime duration = map ? opus_packet_duration(map.data(), map.size()) : 0;
  if (duration <= wait->longest)
    return GST_PAD_PROBE_OK;
  wait->longest = duration;
  const auto decoder = adopt_object(gst_pad_get_parent_element(pad));
  if (decoder)
    gst_element_post_message(decoder.get(), gst_message_new_latency(GST_OBJECT(decoder.get())));
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn on_query(GstPad *, GstPadProbeInfo *info, gpointer data)
{
  const auto *question = static_cast<const Question *>(data);
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY(info);
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY ||
      !gst_pad_peer_query(question->sink.get(), query))
    return GST_PAD_PROBE_OK;
  gboolean is_live = FALSE;
  GstClockTime least = 0;
  GstClockTime most = GST_CLOCK_TIME_NONE;
  gst_query_parse_latency(query, &is_live, &least, &most);
  const GstClockTime own = question->wait->longest;
  gst_query_set_latency(query, is_live, least + own,
                        GST_CLOCK_TIME_IS_VALID(most) ? most + own : most);
  return GST_PAD_PROBE_HANDLED;
}

}  // namespace

GstClockTime opus_packet_duration(const guint8 *data, size_t size)
{
  if (size == 0)
    return 0;
  constexpr GstClockTime kUnit = GST_MSECOND / 2;
  constexpr guint kSilk[] = {20, 40, 80, 120};
  constexpr guint kHybrid[] = {20, 40};
  constexpr guint kCelt[] = {5, 10, 20, 40};
  const guint config = data[0] >> 3;
  const guint frame = config < 12   ? kSilk[config & 3]
                      : config < 16 ? kHybrid[config & 1]
                                    : kCelt[config & 3];
  const guint code = data[0] & 3;
  if (code == 3 && size < 2)
    return 0;
  const guint frames = code == 0 ? 1 : code == 3 ? data[1] & 63 : 2;
  const GstClockTime duration = kUnit * frame * frames;
  return duration <= kLongestPacket ? duration : 0;
}

void make_opus_patient(GstElement *decoder, GstClockTime latency)
{
  if (has_property(decoder, "plc"))
    g_object_set(decoder, "plc", TRUE, nullptr);
  if (!has_property(decoder, "use-inband-fec") || latency < kUsualPacket)
    return;
  g_object_set(decoder, "use-inband-fec", TRUE, nullptr);
  const auto sink = adopt_object(gst_element_get_static_pad(decoder, "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(decoder, "src"));
  const auto wait = std::make_shared<Wait>();
  gst_pad_add_probe(sink.get(), GST_PAD_PROBE_TYPE_BUFFER, on_packet,
                    new std::shared_ptr<Wait>(wait),
                    [](gpointer data) { delete static_cast<std::shared_ptr<Wait> *>(data); });
  gst_pad_add_probe(
      src.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_QUERY_UPSTREAM | GST_PAD_PROBE_TYPE_PUSH),
      on_query, new Question{wait, sink},
      [](gpointer data) { delete static_cast<Question *>(data); });
}

}  // namespace streamlib::webrtc
