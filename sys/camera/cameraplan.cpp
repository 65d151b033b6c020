// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/cameraplan.h"

#include <string>

#include "sys/camera/cameraerrors.h"
#include "sys/camera/capsmodes.h"

namespace streamlib::camera {

namespace {

using support::adopt_mini;
using support::CStr;
using support::Failure;
using support::MiniPtr;
using support::Result;
using support::StructurePtr;

MiniPtr<GstCaps> downstream_caps(GstPad *ghost)
{
  return adopt_mini(gst_pad_peer_query_caps(ghost, nullptr));
}

std::string text_of_gst_caps(GstCaps *caps)
{
  const CStr text(gst_caps_to_string(caps));
  return text.get();
}

MiniPtr<GstCaps> raw_caps(const ModeWish &wish)
{
  GstStructure *structure = gst_structure_new_empty("video/x-raw");
  if (wish.width > 0)
    gst_structure_set(structure, "width", G_TYPE_INT, wish.width, nullptr);
  if (wish.height > 0)
    gst_structure_set(structure, "height", G_TYPE_INT, wish.height, nullptr);
  if (wish.rate.numerator > 0)
    gst_structure_set(structure, "framerate", GST_TYPE_FRACTION, wish.rate.numerator,
                      wish.rate.denominator, nullptr);
  return adopt_mini(gst_caps_new_full(structure, nullptr));
}

bool has_property(GstElement *element, const char *name)
{
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name) != nullptr;
}

void configure_pipewire(GstElement *source, const PipeWireRemote *remote)
{
  if (remote != nullptr && has_property(source, "fd"))
    g_object_set(source, "fd", remote->fd(), nullptr);
  if (!has_property(source, "stream-properties"))
    return;
  // The session manager must not link the stream to another camera when this one goes.
  const StructurePtr properties(
      gst_structure_new("properties", "node.dont-reconnect", G_TYPE_STRING, "true", nullptr));
  g_object_set(source, "stream-properties", properties.get(), nullptr);
}

}  // namespace

Result<CaptureSetup> plan_test_picture(const ModeWish &wish, GstPad *ghost)
{
  const auto downstream = downstream_caps(ghost);
  // Any size and rate, so the nearest mode is the wish, or what downstream has left of it.
  const auto any = adopt_mini(gst_caps_from_string(
      "video/x-raw(ANY), width=[1,32767], height=[1,32767], framerate=[1/1,1000/1]"));
  CaptureSetup setup;
  setup.source = support::sink_object(gst_element_factory_make("videotestsrc", nullptr));
  if (!setup.source)
    return Failure{GST_STREAM_ERROR_FORMAT,
                   "The test picture needs the element videotestsrc. Install "
                   "gst-plugins-base.",
                   "videotestsrc"};
  g_object_set(setup.source.get(), "is-live", TRUE, nullptr);
  gst_util_set_object_arg(G_OBJECT(setup.source.get()), "pattern", "smpte");
  // Moves, so that one sees that it is live.
  g_object_set(setup.source.get(), "horizontal-speed", 2, nullptr);
  const auto mode = nearest_mode(modes_of(any.get(), downstream.get()), wish);
  // What costs least to make first, for a downstream that takes all.
  const auto system = adopt_mini(
      gst_caps_from_string("video/x-raw, format={I420, NV12, YUY2, BGRx, RGBx}; video/x-raw"));
  setup.caps = mode ? caps_of(*mode, system.get()) : raw_caps(wish);
  return setup;
}

Result<CaptureSetup> plan_device(const Device &device, const ModeWish &wish, GstPad *ghost)
{
  CaptureSetup setup;
  const auto caps = adopt_mini(gst_device_get_caps(device.device.get()));
  if (!caps || gst_caps_is_any(caps.get()) || gst_caps_is_empty(caps.get())) {
    // The backend tells at run time only.
    setup.caps = raw_caps(wish);
  } else {
    const auto downstream = downstream_caps(ghost);
    const auto mode = nearest_mode(modes_of(caps.get(), downstream.get()), wish);
    if (!mode) {
      const CameraError error =
          no_mode_error(device.info, text_of_caps(caps.get()), text_of_gst_caps(downstream.get()));
      return Failure{error.code, error.text, error.debug};
    }
    setup.caps = caps_of(*mode, caps.get());
    setup.decoding = decoding_of(mode->media).chain;
  }
  GstElement *source = gst_device_create_element(device.device.get(), nullptr);
  if (source == nullptr)
    return Failure{GST_STREAM_ERROR_FORMAT,
                   "The camera " + label_of(device.info) +
                       " cannot be opened: its GStreamer plugin makes no element. Reinstall it.",
                   device.info.api};
  setup.source = support::sink_object(source);
  setup.monotonic_stamps = setup.lends_buffers = device.info.api == "pipewire";
  if (setup.monotonic_stamps) {
    // A connection of its own shows when the server ends.
    setup.remote = device.remote ? device.remote : PipeWireRemote::connect();
    configure_pipewire(source, setup.remote.get());
  }
  return setup;
}

}  // namespace streamlib::camera
