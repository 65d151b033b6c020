// SPDX-License-Identifier: LGPL-2.1-or-later
#include "watch.h"

#include "../measure.h"
#include "gst/support/ownership.h"
#include "material.h"

namespace streamlib::bench {

using support::adopt_object;

namespace {

GstPadProbeReturn on_picture(GstPad *, GstPadProbeInfo *, gpointer data)
{
  auto *slot = static_cast<Slot *>(data);
  if (slot->pictures.fetch_add(1) == 0)
    slot->first_picture_ns = monotonic_ns();
  return GST_PAD_PROBE_OK;
}

GstPadProbeReturn on_sound(GstPad *, GstPadProbeInfo *, gpointer data)
{
  static_cast<Slot *>(data)->sounds++;
  return GST_PAD_PROBE_OK;
}

struct Display {
  Slot *slot;
  int last = -1;
};

// The source begins its loop again when it is asked for a keyframe.
void on_shown(GstElement *, GstBuffer *picture, GstPad *, gpointer data)
{
  const int64_t now = monotonic_ns();
  auto *display = static_cast<Display *>(data);
  const int number = number_in(picture);
  if (number < 0)
    return;
  Slot &slot = *display->slot;
  const int wanted = (display->last + 1) % static_cast<int>(kLoopPictures);
  if (display->last >= 0 && number != wanted && number != 0)
    slot.skipped++;
  display->last = number;
  const int64_t pushed = slot.pushed_ns[number];
  const uint32_t place = slot.latencies;
  if (pushed == 0 || place == kMaxLatencies)
    return;
  slot.latency_ms[place] = static_cast<float>(static_cast<double>(now - pushed) / 1e6);
  slot.latencies = place + 1;
}

void probe(GstElement *bin, const char *name, GstPadProbeCallback callback, Slot &slot)
{
  const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(bin), name));
  if (!sink)
    return;
  const auto pad = adopt_object(gst_element_get_static_pad(sink.get(), "sink"));
  gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, callback, &slot, nullptr);
}

}  // namespace

std::string video_sink(Show show)
{
  const std::string name = "fakesink name=show-video ";
  switch (show) {
    case Show::kRead:
      return name + "sync=false async=false signal-handoffs=true";
    case Show::kDisplay:
      return name + "sync=true qos=true max-lateness=20000000 signal-handoffs=true";
    default:
      return name + "sync=false async=false";
  }
}

std::string audio_sink(Show show)
{
  return show == Show::kDisplay ? "fakesink name=show-audio sync=true"
                                : "fakesink name=show-audio sync=false async=false";
}

void watch(GstElement *bin, Show show, Slot &slot)
{
  probe(bin, "show-video", on_picture, slot);
  probe(bin, "show-audio", on_sound, slot);
  const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(bin), "show-video"));
  if (sink && (show == Show::kDisplay || show == Show::kRead))
    g_signal_connect_data(
        sink.get(), "handoff", G_CALLBACK(on_shown), new Display{&slot},
        [](gpointer data, GClosure *) { delete static_cast<Display *>(data); }, GConnectFlags(0));
}

}  // namespace streamlib::bench
