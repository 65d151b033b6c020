// SPDX-License-Identifier: LGPL-2.1-or-later
// A source for any camera.

/**
 * SECTION:element-slcamerasrc
 * @title: slcamerasrc
 *
 * Captures raw video from a camera of V4L2, libcamera, PipeWire or another device provider of
 * GStreamer. #GstSlCameraSrc:device names the camera by path, serial, name or a unique part of its
 * name; where nothing matches, the error lists what there is. #GstSlCameraSrc:width,
 * #GstSlCameraSrc:height and #GstSlCameraSrc:framerate are wishes: the nearest mode of the device
 * is taken, encoded ones are decoded, and #GstSlCameraSrc:mode says which.
 *
 * Time stamps are those of the capture. A backend that gives none (PipeWire from many sources) is
 * estimated from the arrivals: with `a` the arrival of a frame, `c` the stamp of the frame before
 * and `d` the duration of a frame, `k = max(1, round((a - c) / d))` and `p = c + k d`; the stamp is
 * `a` where `a <= p`, else `p + (a - p) / 128`. So the jitter of the way from the camera is gone,
 * and no frame is stamped after its arrival. The element message `camera-mode` tells each mode that
 * runs.
 *
 * A camera that is unplugged ends with RESOURCE/NOT_FOUND, or, with on-device-lost=wait, is a
 * warning and the element message `camera-lost`, and `camera-back` once it is there again; a
 * PipeWire server that ends is the same. With the portal, `camera-asking` and `camera-allowed` say
 * how the question stands. A camera that delivers nothing for #GstSlCameraSrc:stall-timeout is a
 * warning and the element message `camera-stalled`, then `camera-resumed`.
 *
 * #GstColorBalance and #GstPhotography (zoom, focus, flash, exposure, white balance and so on) are
 * those of the backend's own element while a camera is open. Where it has no #GstPhotography, or
 * while no camera is open, the methods of the interface answer %FALSE, the capabilities are none,
 * its properties have their defaults, and setting one is a warning.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 slcamerasrc device=test num-buffers=60 ! sldisplaysink
 * ]| Show the moving test picture on whatever there is.
 * |[
 * gst-launch-1.0 slcamerasrc fallback=test width=640 height=480 num-buffers=30 ! sldisplaysink
 * backend=headless
 * ]| Take the first camera, or the test picture where there is none.
 *
 * Since: 0.1
 */

#include "config.h"

#include "sys/camera/gstslcamerasrc.h"

#include <memory>

#include <gst/support/element_shell.h>
#include <gst/support/ownership.h>
#include <gst/video/colorbalance.h>
#include <gst/video/video.h>

#include "sys/camera/camerastate.h"
#ifdef HAVE_PHOTOGRAPHY
#include "sys/camera/photography.h"
#endif

GST_DEBUG_CATEGORY(gst_sl_camera_src_debug);
#define GST_CAT_DEFAULT gst_sl_camera_src_debug

namespace {

using namespace streamlib::camera;
using streamlib::support::GObjectPtr;
using streamlib::support::kPropertyPlaying;
using streamlib::support::kPropertyRead;
using streamlib::support::kPropertyReady;
using streamlib::support::string_of;

constexpr guint kDefaultStallTimeoutMs = 1500;

enum class Prop {
  Device = 1,
  CurrentDevice,
  Width,
  Height,
  Framerate,
  Mode,
  Fallback,
  OnDeviceLost,
  StallTimeout,
  NumBuffers,
  Stats,
  // The first of those of GstPhotography.
  Photography,
};

GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS("video/x-raw(ANY), width = " GST_VIDEO_SIZE_RANGE
                    ", height = " GST_VIDEO_SIZE_RANGE ", framerate = " GST_VIDEO_FPS_RANGE));

GType fallback_get_type()
{
  static const GEnumValue values[] = {
      {static_cast<gint>(Fallback::None), "An error that says what to do", "none"},
      {static_cast<gint>(Fallback::Test), "The moving test picture", "test"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstSlCameraFallback", values);
  return type;
}

GType on_device_lost_get_type()
{
  static const GEnumValue values[] = {
      {static_cast<gint>(OnDeviceLost::Error), "An error message", "error"},
      {static_cast<gint>(OnDeviceLost::Wait), "Wait for the device and go on", "wait"},
      {0, nullptr, nullptr},
  };
  static const GType type = g_enum_register_static("GstSlCameraOnDeviceLost", values);
  return type;
}

}  // namespace

struct _GstSlCameraSrc {
  GstBin parent;
};

struct GstSlCameraSrcPrivate {
  explicit GstSlCameraSrcPrivate(GstSlCameraSrc *self) : state(GST_BIN(self)) {}
  CameraState state;
};

static void gst_sl_camera_src_color_balance_init(GstColorBalanceInterface *iface);

#ifdef HAVE_PHOTOGRAPHY
static void gst_sl_camera_src_photography_init(gpointer iface, gpointer)
{
  init_photography(static_cast<GstPhotographyInterface *>(iface));
}
#define IMPLEMENT_PHOTOGRAPHY \
  G_IMPLEMENT_INTERFACE(GST_TYPE_PHOTOGRAPHY, gst_sl_camera_src_photography_init)
#else
#define IMPLEMENT_PHOTOGRAPHY
#endif

G_DEFINE_FINAL_TYPE_WITH_CODE(GstSlCameraSrc, gst_sl_camera_src, GST_TYPE_BIN,
                              G_ADD_PRIVATE(GstSlCameraSrc)
                                  G_IMPLEMENT_INTERFACE(GST_TYPE_COLOR_BALANCE,
                                                        gst_sl_camera_src_color_balance_init)
                                      IMPLEMENT_PHOTOGRAPHY)

namespace {

CameraState &state_of(gpointer self)
{
  return static_cast<GstSlCameraSrcPrivate *>(
             gst_sl_camera_src_get_instance_private(GST_SL_CAMERA_SRC(self)))
      ->state;
}

#ifdef HAVE_PHOTOGRAPHY
bool set_photography(GObject *object, const GValue *value, GParamSpec *pspec)
{
  return set_photography_property(GST_ELEMENT(object), value, pspec);
}

bool get_photography(GObject *object, GValue *value, GParamSpec *pspec)
{
  return get_photography_property(GST_ELEMENT(object), value, pspec);
}
#else
bool set_photography(GObject *, const GValue *, GParamSpec *)
{
  return false;
}

bool get_photography(GObject *, GValue *, GParamSpec *)
{
  return false;
}
#endif

// A camera never prerolls, whether its source is there or not.
GstStateChangeReturn live(GstStateChangeReturn result)
{
  return result == GST_STATE_CHANGE_SUCCESS ? GST_STATE_CHANGE_NO_PREROLL : result;
}

GstStateChangeReturn change_state(GstElement *element, GstStateChange transition)
{
  CameraState &state = state_of(element);
  const auto chain_up = [=] {
    return GST_ELEMENT_CLASS(gst_sl_camera_src_parent_class)->change_state(element, transition);
  };
  GstStateChangeReturn result;
  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!state.open())
        return GST_STATE_CHANGE_FAILURE;
      result = chain_up();
      if (result == GST_STATE_CHANGE_FAILURE)
        state.close();
      return result;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!state.attach())
        return GST_STATE_CHANGE_FAILURE;
      result = live(chain_up());
      if (result == GST_STATE_CHANGE_FAILURE)
        state.detach();
      return result;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      result = chain_up();
      state.set_playing(result != GST_STATE_CHANGE_FAILURE);
      return result;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      state.set_playing(false);
      return live(chain_up());
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      result = chain_up();
      state.detach();
      return result;
    case GST_STATE_CHANGE_READY_TO_NULL:
      result = chain_up();
      state.close();
      return result;
    default:
      return chain_up();
  }
}

gboolean send_event(GstElement *element, GstEvent *event)
{
  if (GST_EVENT_TYPE(event) == GST_EVENT_EOS && !state_of(element).expect_eos(event)) {
    // Waiting for a device: it is sent in place of that.
    gst_event_unref(event);
    return TRUE;
  }
  return GST_ELEMENT_CLASS(gst_sl_camera_src_parent_class)->send_event(element, event);
}

void handle_message(GstBin *bin, GstMessage *message)
{
  streamlib::support::handle_message(GST_BIN_CLASS(gst_sl_camera_src_parent_class), bin,
                                     state_of(bin), message);
}

gboolean src_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE(query) == GST_QUERY_LATENCY)
    return state_of(parent).answer_latency(query);
  return gst_pad_query_default(pad, parent, query);
}

// ---- GstColorBalance, as far as the device has it. Any thread

GstColorBalance *balance_of(const GObjectPtr<GstElement> &source)
{
  return source && GST_IS_COLOR_BALANCE(source.get()) ? GST_COLOR_BALANCE(source.get()) : nullptr;
}

const GList *balance_list_channels(GstColorBalance *balance)
{
  const auto source = state_of(balance).source();
  GstColorBalance *inner = balance_of(source);
  return inner != nullptr ? gst_color_balance_list_channels(inner) : nullptr;
}

void balance_set_value(GstColorBalance *balance, GstColorBalanceChannel *channel, gint value)
{
  const auto source = state_of(balance).source();
  GstColorBalance *inner = balance_of(source);
  if (inner == nullptr)
    return;
  gst_color_balance_set_value(inner, channel, value);
  gst_color_balance_value_changed(balance, channel, value);
}

gint balance_get_value(GstColorBalance *balance, GstColorBalanceChannel *channel)
{
  const auto source = state_of(balance).source();
  GstColorBalance *inner = balance_of(source);
  return inner != nullptr ? gst_color_balance_get_value(inner, channel) : 0;
}

GstColorBalanceType balance_get_type(GstColorBalance *balance)
{
  const auto source = state_of(balance).source();
  GstColorBalance *inner = balance_of(source);
  return inner != nullptr ? gst_color_balance_get_balance_type(inner) : GST_COLOR_BALANCE_HARDWARE;
}

// ---- Properties

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  CameraState &state = state_of(object);
  switch (static_cast<Prop>(id)) {
    case Prop::Device:
      state.change([=](Settings &s) { s.device = string_of(value); });
      break;
    case Prop::Width:
      state.change([=](Settings &s) { s.wish.width = g_value_get_int(value); });
      break;
    case Prop::Height:
      state.change([=](Settings &s) { s.wish.height = g_value_get_int(value); });
      break;
    case Prop::Framerate:
      state.change([=](Settings &s) {
        s.wish.rate = {gst_value_get_fraction_numerator(value),
                       gst_value_get_fraction_denominator(value)};
      });
      break;
    case Prop::Fallback:
      state.change(
          [=](Settings &s) { s.fallback = static_cast<Fallback>(g_value_get_enum(value)); });
      break;
    case Prop::OnDeviceLost:
      state.change([=](Settings &s) {
        s.on_device_lost = static_cast<OnDeviceLost>(g_value_get_enum(value));
      });
      break;
    case Prop::StallTimeout:
      state.change([=](Settings &s) { s.stall_timeout_ms = g_value_get_uint(value); });
      break;
    case Prop::NumBuffers:
      state.change([=](Settings &s) { s.num_buffers = g_value_get_int(value); });
      break;
    default:
      if (!set_photography(object, value, pspec))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

void get_property(GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  CameraState &state = state_of(object);
  const Settings settings = state.settings();
  switch (static_cast<Prop>(id)) {
    case Prop::Device:
      g_value_set_string(value, settings.device.c_str());
      break;
    case Prop::CurrentDevice:
      g_value_set_string(value, state.current().name.c_str());
      break;
    case Prop::Width:
      g_value_set_int(value, settings.wish.width);
      break;
    case Prop::Height:
      g_value_set_int(value, settings.wish.height);
      break;
    case Prop::Framerate:
      gst_value_set_fraction(value, settings.wish.rate.numerator, settings.wish.rate.denominator);
      break;
    case Prop::Mode:
      g_value_set_string(value, state.mode().c_str());
      break;
    case Prop::Fallback:
      g_value_set_enum(value, static_cast<gint>(settings.fallback));
      break;
    case Prop::OnDeviceLost:
      g_value_set_enum(value, static_cast<gint>(settings.on_device_lost));
      break;
    case Prop::StallTimeout:
      g_value_set_uint(value, settings.stall_timeout_ms);
      break;
    case Prop::NumBuffers:
      g_value_set_int(value, settings.num_buffers);
      break;
    case Prop::Stats:
      g_value_take_boxed(value, state.stats().release());
      break;
    default:
      if (!get_photography(object, value, pspec))
        G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, pspec);
      break;
  }
}

void finalize(GObject *object)
{
  std::destroy_at(static_cast<GstSlCameraSrcPrivate *>(
      gst_sl_camera_src_get_instance_private(GST_SL_CAMERA_SRC(object))));
  G_OBJECT_CLASS(gst_sl_camera_src_parent_class)->finalize(object);
}

}  // namespace

#ifdef HAVE_PHOTOGRAPHY
GObjectPtr<GstElement> streamlib::camera::source_of_element(gpointer element)
{
  return state_of(element).source();
}
#endif

static void gst_sl_camera_src_color_balance_init(GstColorBalanceInterface *iface)
{
  iface->list_channels = balance_list_channels;
  iface->set_value = balance_set_value;
  iface->get_value = balance_get_value;
  iface->get_balance_type = balance_get_type;
}

static void install_properties(GObjectClass *klass)
{
  const auto install = [klass](Prop id, GParamSpec *spec) {
    streamlib::support::install_property(klass, id, spec);
  };

  /**
   * GstSlCameraSrc:device:
   *
   * The camera: its path (`/dev/video0`, the node name of PipeWire), else its serial, else its
   * exact name, else a part of its name, in whatever case, that no other camera's name has. Empty
   * takes the first one, `test` the moving test picture. `portal` asks the desktop's camera portal
   * and takes the first camera that it allows, `portal:NAME` the one of them that NAME names; in a
   * sandbox (Flatpak, Snap) empty means `portal`.
   *
   * Since: 0.1
   */
  install(Prop::Device,
          g_param_spec_string("device", "Device",
                              "Path, serial, name or unique part of the name of a camera; empty = "
                              "the first, test = the test picture, portal or portal:NAME = by the "
                              "desktop's camera portal",
                              "", kPropertyReady));
  /**
   * GstSlCameraSrc:current-device:
   *
   * The name of the camera that was taken, from READY on.
   *
   * Since: 0.1
   */
  install(Prop::CurrentDevice,
          g_param_spec_string("current-device", "Current device",
                              "Name of the camera that was taken", "", kPropertyRead));
  /**
   * GstSlCameraSrc:width:
   *
   * Since: 0.1
   */
  install(Prop::Width, g_param_spec_int("width", "Width",
                                        "Wished width in pixels, the nearest is taken (0 = any)", 0,
                                        G_MAXINT16, 0, kPropertyReady));
  /**
   * GstSlCameraSrc:height:
   *
   * Since: 0.1
   */
  install(Prop::Height, g_param_spec_int("height", "Height",
                                         "Wished height in pixels, the nearest is taken (0 = any)",
                                         0, G_MAXINT16, 0, kPropertyReady));
  /**
   * GstSlCameraSrc:framerate:
   *
   * Since: 0.1
   */
  install(Prop::Framerate,
          gst_param_spec_fraction("framerate", "Frame rate",
                                  "Wished frames per second, the nearest is taken (0/1 = any)", 0,
                                  1, G_MAXINT, 1, 0, 1, kPropertyReady));
  /**
   * GstSlCameraSrc:mode:
   *
   * What the camera delivers, for example `1280x720, 30/1, image/jpeg, decoded by jpegdec`; empty
   * before the first frame.
   *
   * Since: 0.1
   */
  install(Prop::Mode,
          g_param_spec_string("mode", "Mode", "What the camera delivers now", "", kPropertyRead));
  /**
   * GstSlCameraSrc:fallback:
   *
   * What to do when the machine has no camera at all.
   *
   * Since: 0.1
   */
  install(
      Prop::Fallback,
      g_param_spec_enum("fallback", "Fallback", "What to do when there is no camera",
                        fallback_get_type(), static_cast<gint>(Fallback::None), kPropertyReady));
  /**
   * GstSlCameraSrc:on-device-lost:
   *
   * What to do when the camera is unplugged while it runs.
   *
   * Since: 0.1
   */
  install(Prop::OnDeviceLost,
          g_param_spec_enum("on-device-lost", "On device lost",
                            "What to do when the camera is unplugged", on_device_lost_get_type(),
                            static_cast<gint>(OnDeviceLost::Error), kPropertyPlaying));
  /**
   * GstSlCameraSrc:stall-timeout:
   *
   * After how long without a frame the camera is said to stall, in milliseconds.
   *
   * Since: 0.1
   */
  install(
      Prop::StallTimeout,
      g_param_spec_uint("stall-timeout", "Stall timeout",
                        "Time without a frame, in milliseconds, after which a stall is reported "
                        "(0 = never)",
                        0, G_MAXINT, kDefaultStallTimeoutMs, kPropertyPlaying));
  /**
   * GstSlCameraSrc:num-buffers:
   *
   * Since: 0.1
   */
  install(Prop::NumBuffers,
          g_param_spec_int("num-buffers", "Number of buffers",
                           "Frames to capture before the stream ends (-1 = no end)", -1, G_MAXINT,
                           -1, kPropertyReady));
  /**
   * GstSlCameraSrc:stats:
   *
   * `frames` captured; `estimated-times`, those of them whose capture time the backend did not
   * tell; `wrong-size`, frames dropped because they were smaller than their format says.
   *
   * Since: 0.1
   */
  install(Prop::Stats, g_param_spec_boxed("stats", "Statistics", "Frames captured and dropped",
                                          GST_TYPE_STRUCTURE, kPropertyRead));
#ifdef HAVE_PHOTOGRAPHY
  install_photography_properties(klass, static_cast<guint>(Prop::Photography));
#endif
}

static void gst_sl_camera_src_class_init(GstSlCameraSrcClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_camera_src_debug, "slcamerasrc", 0, "slcamerasrc element");
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = set_property;
  object->get_property = get_property;
  object->finalize = finalize;
  install_properties(object);

  auto *element = GST_ELEMENT_CLASS(klass);
  element->change_state = GST_DEBUG_FUNCPTR(change_state);
  element->send_event = GST_DEBUG_FUNCPTR(send_event);
  GST_BIN_CLASS(klass)->handle_message = GST_DEBUG_FUNCPTR(handle_message);
  gst_element_class_add_static_pad_template(element, &src_template);
  gst_element_class_set_static_metadata(
      element, "StreamLib Camera", "Source/Video/Device",
      "Captures from any camera in its nearest mode, stamped with the time of the capture",
      "The gst-streamlib developers");
  gst_type_mark_as_plugin_api(fallback_get_type(), GstPluginAPIFlags{});
  gst_type_mark_as_plugin_api(on_device_lost_get_type(), GstPluginAPIFlags{});
}

static void gst_sl_camera_src_init(GstSlCameraSrc *self)
{
  auto *memory = static_cast<GstSlCameraSrcPrivate *>(gst_sl_camera_src_get_instance_private(self));
  CameraState &state = std::construct_at(memory, self)->state;
  // A source, though the source element comes and goes; and no clock of a device: times are
  // measured against that of the pipeline.
  gst_bin_set_suppressed_flags(
      GST_BIN(self), static_cast<GstElementFlags>(GST_ELEMENT_FLAG_SOURCE | GST_ELEMENT_FLAG_SINK |
                                                  GST_ELEMENT_FLAG_PROVIDE_CLOCK));
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
  auto template_ = streamlib::support::adopt_object(gst_static_pad_template_get(&src_template));
  GstPad *ghost = gst_ghost_pad_new_no_target_from_template("src", template_.get());
  gst_pad_set_query_function(ghost, src_query);
  gst_element_add_pad(GST_ELEMENT(self), ghost);
  state.set_ghost(ghost);
}

GST_ELEMENT_REGISTER_DEFINE(slcamerasrc, "slcamerasrc", GST_RANK_NONE, GST_TYPE_SL_CAMERA_SRC)
