// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/camerastate.h"

#include <algorithm>
#include <utility>

#include <gst/support/futex.h>

#include "sys/camera/capsmodes.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_camera_src_debug);
#define GST_CAT_DEFAULT gst_sl_camera_src_debug

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using support::adopt_mini;
using support::CStr;
using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::monotonic_ns;
using support::Result;
using support::StructurePtr;

constexpr const char *kTestDevice = "test";
constexpr milliseconds kEnumerationLimit{1500};
// The news of a removal may come this long after the error that it causes.
constexpr milliseconds kDoubtLimit{500};
// The application is changing the state: soon again.
constexpr milliseconds kStateRetry{10};
// A device that is back may need a moment until it opens.
constexpr milliseconds kOpenRetry{500};
constexpr milliseconds kIdleCheck{3600'000};
constexpr int64_t kNsPerMs = 1'000'000;

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

// The session manager must not link the stream to another camera when this one goes.
void configure_pipewire(GstElement *source)
{
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(source), "stream-properties") == nullptr)
    return;
  const StructurePtr properties(
      gst_structure_new("properties", "node.dont-reconnect", G_TYPE_STRING, "true", nullptr));
  g_object_set(source, "stream-properties", properties.get(), nullptr);
}

}  // namespace

// ---- What is to be read

Settings CameraState::settings() const
{
  std::lock_guard lock(control_);
  return settings_;
}

std::string CameraState::mode() const
{
  std::lock_guard lock(control_);
  return mode_;
}

DeviceInfo CameraState::current() const
{
  std::lock_guard lock(control_);
  return device_.info;
}

std::shared_ptr<Capture> CameraState::capture() const
{
  std::lock_guard lock(control_);
  return capture_;
}

GObjectPtr<GstElement> CameraState::source() const
{
  const auto now = capture();
  return now ? support::share_object(now->source()) : nullptr;
}

StructurePtr CameraState::stats() const
{
  const auto now = capture();
  return StructurePtr(gst_structure_new("slcamerasrc-stats", "frames", G_TYPE_UINT64,
                                        now ? now->frames() : 0, "estimated-times", G_TYPE_UINT64,
                                        now ? now->estimated() : 0, "wrong-size", G_TYPE_UINT64,
                                        now ? now->wrong_sizes() : 0, nullptr));
}

bool CameraState::expect_eos()
{
  const auto now = capture();
  if (now)
    now->expect_eos();
  return now != nullptr;
}

bool CameraState::answer_latency(GstQuery *query)
{
  gboolean live = TRUE;
  GstClockTime min = 0;
  GstClockTime max = GST_CLOCK_TIME_NONE;
  const auto now = capture();
  const auto target = support::adopt_object(gst_ghost_pad_get_target(GST_GHOST_PAD(ghost_)));
  if (target && gst_pad_query(target.get(), query))
    gst_query_parse_latency(query, &live, &min, &max);
  // A frame can be stamped by its beginning and be there a frame later.
  const GstClockTime frame = now ? now->duration() : 0;
  min = std::max(min, frame);
  if (GST_CLOCK_TIME_IS_VALID(max))
    max = std::max(max, min);
  gst_query_set_latency(query, TRUE, min, max);
  return true;
}

// ---- Messages

void CameraState::post_error(const CameraError &error)
{
  gst_element_message_full(GST_ELEMENT(bin_), GST_MESSAGE_ERROR, error.domain, error.code,
                           g_strdup(error.text.c_str()), g_strdup(error.debug.c_str()), __FILE__,
                           GST_FUNCTION, __LINE__);
}

void CameraState::post_message(const char *name, const std::string &text)
{
  const DeviceInfo device = current();
  gst_element_post_message(
      GST_ELEMENT(bin_),
      gst_message_new_element(
          GST_OBJECT(bin_),
          gst_structure_new(name, "device", G_TYPE_STRING, device.name.c_str(), "path",
                            G_TYPE_STRING, device.paths.empty() ? "" : device.paths[0].c_str(),
                            "mode", G_TYPE_STRING, mode().c_str(), "text", G_TYPE_STRING,
                            text.c_str(), nullptr)));
}

void CameraState::fail(const CameraError &error)
{
  {
    std::lock_guard lock(control_);
    if (phase_ == Phase::Failed || phase_ == Phase::Idle)
      return;
    phase_ = Phase::Failed;
  }
  post_error(error);
}

// ---- State changes

bool CameraState::choose(const std::vector<Device> &devices, const std::string &query)
{
  const Fallback fallback = settings().fallback;
  const Result<size_t> index = match(infos_of(devices), query);
  if (index) {
    std::lock_guard lock(control_);
    device_ = devices[*index];
    return true;
  }
  const Failure &failure = index.error();
  if (failure.code == static_cast<int>(MatchError::NoDevice) && fallback == Fallback::Test) {
    GST_ELEMENT_INFO(bin_, RESOURCE, NOT_FOUND,
                     ("There is no camera: this is the test picture (fallback=test)."),
                     ("%s", failure.debug.c_str()));
    std::lock_guard lock(control_);
    test_ = true;
    device_.info.name = kTestDevice;
    return true;
  }
  post_error({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, failure.text, failure.debug});
  return false;
}

bool CameraState::open()
{
  const std::string query = settings().device;
  if (query == kTestDevice) {
    std::lock_guard lock(control_);
    test_ = true;
    device_.info.name = kTestDevice;
    return true;
  }
  auto devices = watch_.start(this, G_OBJECT(bin_), kEnumerationLimit);
  if (!devices) {
    post_error({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, devices.error().text,
                devices.error().debug});
    watch_.stop();
    return false;
  }
  if (!choose(*devices, query)) {
    watch_.stop();
    return false;
  }
  watch_.resume();
  return true;
}

void CameraState::close()
{
  watch_.stop();
  std::lock_guard lock(control_);
  test_ = false;
  device_ = {};
  mode_.clear();
}

Result<CaptureSetup> CameraState::plan_test()
{
  const auto downstream = downstream_caps(ghost_);
  const ModeWish wish = settings().wish;
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

Result<CaptureSetup> CameraState::plan_device()
{
  Device device;
  ModeWish wish;
  {
    std::lock_guard lock(control_);
    device = device_;
    wish = settings_.wish;
  }
  CaptureSetup setup;
  const auto caps = adopt_mini(gst_device_get_caps(device.device.get()));
  if (!caps || gst_caps_is_any(caps.get()) || gst_caps_is_empty(caps.get())) {
    // The backend tells at run time only.
    setup.caps = raw_caps(wish);
  } else {
    const auto downstream = downstream_caps(ghost_);
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
  if (setup.monotonic_stamps)
    configure_pipewire(source);
  return setup;
}

Result<CaptureSetup> CameraState::plan()
{
  bool test;
  {
    std::lock_guard lock(control_);
    test = test_;
  }
  return test ? plan_test() : plan_device();
}

bool CameraState::attach()
{
  {
    std::lock_guard lock(control_);
    phase_ = Phase::Starting;
    doubtful_.reset();
    returned_.reset();
    stalled_ = false;
  }
  const auto setup = plan();
  auto made = setup ? Capture::make(*setup, this) : Result<std::unique_ptr<Capture>>(setup.error());
  if (!made) {
    fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, made.error().text, made.error().debug});
    return false;
  }
  std::shared_ptr<Capture> capture = std::move(*made);
  capture->end_after(settings().num_buffers);
  {
    std::lock_guard lock(control_);
    capture_ = capture;
  }
  capture->enter(bin_, ghost_);
  return true;
}

void CameraState::set_playing(bool playing)
{
  {
    std::lock_guard lock(control_);
    playing_ = playing;
    watch_from_ns_ = monotonic_ns();
    if (phase_ == Phase::Starting)
      phase_ = Phase::Running;
  }
  watch_.wake();
}

void CameraState::detach()
{
  std::shared_ptr<Capture> capture;
  {
    std::lock_guard lock(control_);
    phase_ = Phase::Idle;
    playing_ = false;
    capture.swap(capture_);
    mode_.clear();
  }
  if (capture)
    capture->leave(bin_, ghost_);
}

// ---- The streaming thread speaks

void CameraState::on_mode(const std::string &mode)
{
  {
    std::lock_guard lock(control_);
    if (mode_ == mode)
      return;
    mode_ = mode;
  }
  post_message("camera-mode", mode);
}

void CameraState::on_ended()
{
  {
    std::lock_guard lock(control_);
    if (phase_ != Phase::Running && phase_ != Phase::Starting)
      return;
    if (!doubtful_) {
      doubtful_ = CameraError{GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ,
                              "The camera " + label_of(device_.info) +
                                  " ended its stream by itself. Plug it in again and restart, or "
                                  "set on-device-lost=wait.",
                              "end of stream from the device"};
      doubtful_until_ = Clock::now() + kDoubtLimit;
    }
  }
  watch_.wake();
}

void CameraState::on_wrong_size(gsize size, gsize expected, unsigned in_a_row)
{
  const std::string facts = "a frame of " + std::to_string(size) + " bytes where " +
                            std::to_string(expected) + " are due";
  const std::string camera = "The camera " + label_of(current());
  if (in_a_row == 1)
    GST_ELEMENT_WARNING(bin_, STREAM, FORMAT,
                        ("%s delivers frames of a wrong size; they are dropped.", camera.c_str()),
                        ("%s", facts.c_str()));
  else if (in_a_row == kWrongSizeLimit)
    fail({GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
          camera +
              " delivers nothing but frames of a wrong size. Ask for another mode by width, height "
              "or framerate, or take another camera.",
          facts});
}

bool CameraState::take_message(GstMessage *message)
{
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR)
    return false;
  DeviceInfo device;
  GObjectPtr<GstDevice> handle;
  {
    std::lock_guard lock(control_);
    if (test_)
      return false;
    if (phase_ == Phase::Lost || phase_ == Phase::Waiting || phase_ == Phase::Failed)
      return true;
    device = device_.info;
    handle = device_.device;
  }
  const auto caps = adopt_mini(handle ? gst_device_get_caps(handle.get()) : nullptr);
  const CameraError error = translate(message, device, caps ? text_of_caps(caps.get()) : "");
  {
    std::lock_guard lock(control_);
    // What the source says after an error of its own adds nothing to it.
    if (error.foreign)
      return doubtful_.has_value();
    if (error.may_be_lost && phase_ == Phase::Running) {
      if (!doubtful_) {
        doubtful_ = error;
        doubtful_until_ = Clock::now() + kDoubtLimit;
      }
      watch_.wake();
      return true;
    }
  }
  fail(error);
  return true;
}

// ---- The watch speaks, in its thread

void CameraState::on_added(const Device &device)
{
  std::lock_guard lock(control_);
  if ((phase_ != Phase::Lost && phase_ != Phase::Waiting) ||
      !same_device(device.info, device_.info) || device.info.api != device_.info.api)
    return;
  returned_ = device;
  retry_at_ = Clock::now();
}

void CameraState::on_removed(const DeviceInfo &info)
{
  {
    std::lock_guard lock(control_);
    if (!same_device(info, device_.info) || info.api != device_.info.api)
      return;
    returned_.reset();
    if (phase_ != Phase::Running && phase_ != Phase::Starting)
      return;
  }
  lose();
}

void CameraState::lose()
{
  bool wait;
  DeviceInfo device;
  {
    std::lock_guard lock(control_);
    wait = settings_.on_device_lost == OnDeviceLost::Wait;
    doubtful_.reset();
    device = device_.info;
    if (wait)
      phase_ = Phase::Lost;
  }
  if (!wait) {
    fail(lost_error(device));
    return;
  }
  GST_ELEMENT_WARNING(
      bin_, RESOURCE, NOT_FOUND,
      ("The camera %s is gone. Plug it in again: it goes on then.", label_of(device).c_str()),
      ("on-device-lost=wait"));
  post_message("camera-lost", "waiting for the device");
}

void CameraState::judge_error()
{
  CameraError error;
  bool wait;
  {
    std::lock_guard lock(control_);
    if (!doubtful_ || Clock::now() < doubtful_until_ || phase_ != Phase::Running)
      return;
    error = *std::exchange(doubtful_, std::nullopt);
    wait = settings_.on_device_lost == OnDeviceLost::Wait;
  }
  if (!wait) {
    fail(error);
    return;
  }
  // It is still listed: so it is tried again at once.
  lose();
  std::lock_guard lock(control_);
  returned_ = device_;
  retry_at_ = Clock::now() + kOpenRetry;
}

void CameraState::leave_lost_device()
{
  {
    std::lock_guard lock(control_);
    if (phase_ != Phase::Lost)
      return;
  }
  // The state change thread may be waiting for this one.
  if (!GST_STATE_TRYLOCK(bin_))
    return;
  std::shared_ptr<Capture> capture;
  {
    std::lock_guard lock(control_);
    if (phase_ == Phase::Lost) {
      phase_ = Phase::Waiting;
      capture.swap(capture_);
    }
  }
  if (capture)
    capture->leave(bin_, ghost_);
  GST_STATE_UNLOCK(bin_);
}

void CameraState::try_return()
{
  {
    std::lock_guard lock(control_);
    if (phase_ != Phase::Waiting || !returned_ || Clock::now() < retry_at_)
      return;
  }
  if (!GST_STATE_TRYLOCK(bin_))
    return;
  {
    std::lock_guard lock(control_);
    device_ = *returned_;
    retry_at_ = Clock::now() + kOpenRetry;
  }
  const auto setup = plan();
  auto made = setup ? Capture::make(*setup, this) : Result<std::unique_ptr<Capture>>(setup.error());
  bool back = false;
  if (made) {
    std::shared_ptr<Capture> capture = std::move(*made);
    capture->enter(bin_, ghost_);
    back = capture->sync_state();
    if (!back)
      capture->leave(bin_, ghost_);
    std::lock_guard lock(control_);
    if (back) {
      capture_ = capture;
      phase_ = Phase::Running;
      returned_.reset();
      stalled_ = false;
      watch_from_ns_ = monotonic_ns();
    }
  }
  GST_STATE_UNLOCK(bin_);
  if (!back)
    return;
  post_message("camera-back", "the device is there again");
  gst_element_post_message(GST_ELEMENT(bin_), gst_message_new_latency(GST_OBJECT(bin_)));
}

void CameraState::check_stall()
{
  const auto now = capture();
  bool stalls;
  DeviceInfo device;
  guint limit_ms;
  {
    std::lock_guard lock(control_);
    limit_ms = settings_.stall_timeout_ms;
    if (phase_ != Phase::Running || !playing_ || !now || limit_ms == 0)
      return;
    const int64_t last = std::max(now->last_arrival(), watch_from_ns_);
    stalls = monotonic_ns() - last >= limit_ms * kNsPerMs;
    if (stalls == stalled_)
      return;
    stalled_ = stalls;
    device = device_.info;
  }
  if (stalls)
    GST_ELEMENT_WARNING(bin_, RESOURCE, READ,
                        ("The camera %s delivers no frames. See whether it is covered, asleep or "
                         "held by another program, or plug it in again.",
                         label_of(device).c_str()),
                        ("nothing for %u ms", limit_ms));
  post_message(stalls ? "camera-stalled" : "camera-resumed", stalls ? "no frames" : "frames again");
}

CameraState::Clock::time_point CameraState::on_check()
{
  judge_error();
  leave_lost_device();
  try_return();
  check_stall();

  const auto now = Clock::now();
  const auto running = capture();
  std::lock_guard lock(control_);
  auto next = now + kIdleCheck;
  if (doubtful_)
    next = std::min(next, doubtful_until_);
  if (phase_ == Phase::Lost)
    next = std::min(next, now + kStateRetry);
  if (phase_ == Phase::Waiting && returned_)
    next = std::min(next, std::max(retry_at_, now + kStateRetry));
  if (phase_ == Phase::Running && playing_ && running && settings_.stall_timeout_ms > 0) {
    const milliseconds limit(settings_.stall_timeout_ms);
    const int64_t last = std::max(running->last_arrival(), watch_from_ns_);
    const auto quiet = milliseconds((monotonic_ns() - last) / kNsPerMs);
    // Once it stalls: looks whether frames come again.
    next = std::min(next, now + (stalled_ ? limit : std::max(limit - quiet, kStateRetry)));
  }
  return next;
}

}  // namespace streamlib::camera
