// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/camerastate.h"

#include <algorithm>
#include <utility>

#include <gst/support/element_shell.h>
#include <gst/support/futex.h>

#include "sys/camera/cameraplan.h"
#include "sys/camera/capsmodes.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_camera_src_debug);
#define GST_CAT_DEFAULT gst_sl_camera_src_debug

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using support::adopt_mini;
using support::Failure;
using support::GObjectPtr;
using support::monotonic_ns;
using support::Result;
using support::Status;
using support::StructurePtr;

constexpr const char *kTestDevice = "test";
constexpr const char *kPortalDevice = "portal";
constexpr const char *kPortalPrefix = "portal:";
constexpr milliseconds kEnumerationLimit{1500};
// The news of a removal may come this long after the error that it causes.
constexpr milliseconds kDoubtLimit{500};

// What `device` names among the portal's cameras; none where it is not the portal that is meant.
std::optional<std::string> portal_part(const std::string &device)
{
  if (device == kPortalDevice || (device.empty() && in_sandbox()))
    return "";
  const std::string prefix = kPortalPrefix;
  if (device.rfind(prefix, 0) == 0)
    return device.substr(prefix.size());
  return std::nullopt;
}

CameraError error_of(const Failure &failure)
{
  int code = GST_RESOURCE_ERROR_OPEN_READ;
  if (failure.code == static_cast<int>(PortalError::Missing))
    code = GST_RESOURCE_ERROR_NOT_FOUND;
  else if (failure.code == static_cast<int>(PortalError::Denied))
    code = GST_RESOURCE_ERROR_NOT_AUTHORIZED;
  return {GST_RESOURCE_ERROR, code, failure.text, failure.debug};
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

bool CameraState::expect_eos(GstEvent *event)
{
  if (const auto now = capture()) {
    now->expect_eos();
    return true;
  }
  // In a thread that may wait: downstream may hold the event for as long as it has frames, or until
  // the pipeline plays, which the caller may have locked.
  struct Task {
    CameraState *state;
    support::MiniPtr<GstEvent> event;
  };
  gst_element_call_async(
      GST_ELEMENT(bin_),
      [](GstElement *, gpointer data) {
        auto *task = static_cast<Task *>(data);
        task->state->push_eos(task->event.get());
      },
      new Task{this, support::share_mini(event)},
      [](gpointer data) { delete static_cast<Task *>(data); });
  return false;
}

// Nobody else could.
void CameraState::push_eos(GstEvent *event)
{
  const auto begun = adopt_mini(gst_pad_get_sticky_event(ghost_, GST_EVENT_STREAM_START, 0));
  if (!begun) {
    const support::CStr id(gst_pad_create_stream_id(ghost_, GST_ELEMENT(bin_), nullptr));
    gst_pad_push_event(ghost_, gst_event_new_stream_start(id.get()));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(ghost_, gst_event_new_segment(&segment));
  }
  gst_pad_push_event(ghost_, gst_event_ref(event));
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
  SL_POST_ERROR(bin_, error.domain, error.code, error.text, error.debug);
}

void CameraState::post_message(const char *name, const std::string &text)
{
  const DeviceInfo device = current();
  support::post_element_message(
      bin_,
      gst_structure_new(name, "device", G_TYPE_STRING, device.name.c_str(), "path", G_TYPE_STRING,
                        device.paths.empty() ? "" : device.paths[0].c_str(), "mode", G_TYPE_STRING,
                        mode().c_str(), "text", G_TYPE_STRING, text.c_str(), nullptr));
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

bool CameraState::open_test()
{
  std::lock_guard lock(control_);
  test_ = true;
  device_.info.name = kTestDevice;
  return true;
}

bool CameraState::open_machine(const std::string &query)
{
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

// The question is asked here; the answer comes when the user likes.
bool CameraState::open_portal()
{
  {
    std::lock_guard lock(control_);
    asking_ = true;
    refused_ = false;
  }
  const Status asked = portal_.start(this, kEnumerationLimit);
  if (asked) {
    bool still;
    {
      std::lock_guard lock(control_);
      still = asking_;
    }
    if (still)
      post_message("camera-asking", "the desktop decides whether there is a camera");
    return true;
  }
  portal_.stop();
  {
    std::lock_guard lock(control_);
    asking_ = false;
  }
  const bool missing = asked.error().code == static_cast<int>(PortalError::Missing);
  if (missing && settings().device.empty()) {
    // A sandbox without a portal; it may have been given the devices themselves.
    std::lock_guard lock(control_);
    portal_query_.reset();
  } else {
    post_error(error_of(asked.error()));
  }
  return false;
}

bool CameraState::open()
{
  const std::string query = settings().device;
  if (query == kTestDevice)
    return open_test();
  bool portal;
  {
    std::lock_guard lock(control_);
    portal_query_ = portal_part(query);
    portal = portal_query_.has_value();
  }
  if (!portal)
    return open_machine(query);
  if (open_portal())
    return true;
  {
    std::lock_guard lock(control_);
    if (portal_query_)
      return false;
  }
  return open_machine(query);
}

void CameraState::close()
{
  portal_.stop();
  watch_.stop();
  std::lock_guard lock(control_);
  test_ = false;
  asking_ = false;
  device_ = {};
  mode_.clear();
  portal_query_.reset();
}

// ---- The portal speaks, in its thread

bool CameraState::take_portal(std::shared_ptr<PipeWireRemote> remote)
{
  std::string query;
  {
    std::lock_guard lock(control_);
    query = portal_query_.value_or("");
  }
  const auto devices = watch_.start(this, G_OBJECT(bin_), kEnumerationLimit, std::move(remote));
  if (!devices) {
    post_error({GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ, devices.error().text,
                devices.error().debug});
    return false;
  }
  return choose(*devices, query);
}

void CameraState::on_allowed(std::shared_ptr<PipeWireRemote> remote)
{
  {
    std::lock_guard lock(control_);
    asked_again_ = false;
    next_server_ = remote;
  }
  // It had been lost, and is looked for.
  if (watch_.look_at(remote))
    return;
  const bool found = take_portal(std::move(remote));
  {
    std::lock_guard lock(control_);
    asking_ = false;
    refused_ = !found;
    if (!found && phase_ != Phase::Idle)
      phase_ = Phase::Failed;
    if (found && phase_ == Phase::Waiting) {
      returned_ = device_;
      retry_at_ = Clock::now();
    }
  }
  if (!found) {
    watch_.stop();
    return;
  }
  post_message("camera-allowed", "the desktop allows the camera");
  watch_.resume();
}

void CameraState::on_refused(const Failure &failure)
{
  {
    std::lock_guard lock(control_);
    asked_again_ = false;
    // While a server that has ended is waited for, its portal may not be back yet.
    if (server_lost_ && failure.code != static_cast<int>(PortalError::Denied))
      return;
    asking_ = false;
    refused_ = true;
    if (phase_ == Phase::Failed)
      return;
    if (phase_ != Phase::Idle)
      phase_ = Phase::Failed;
  }
  post_error(error_of(failure));
}

// ---- Streams

Result<CaptureSetup> CameraState::plan()
{
  bool test;
  Device device;
  ModeWish wish;
  {
    std::lock_guard lock(control_);
    test = test_;
    device = device_;
    wish = settings_.wish;
  }
  return test ? plan_test_picture(wish, ghost_) : plan_device(device, wish, ghost_);
}

bool CameraState::attach()
{
  {
    std::lock_guard lock(control_);
    if (refused_)
      return false;
    phase_ = asking_ ? Phase::Waiting : Phase::Starting;
    doubtful_.reset();
    returned_.reset();
    stalled_ = false;
    server_lost_ = false;
    asked_again_ = false;
    next_server_.reset();
    if (asking_)
      return true;
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

}  // namespace streamlib::camera
