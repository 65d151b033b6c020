// SPDX-License-Identifier: LGPL-2.1-or-later
// What CameraState does when the watch speaks: devices that go and come back, stalls.
#include <algorithm>
#include <utility>

#include <gst/support/futex.h>

#include "sys/camera/cameraplan.h"
#include "sys/camera/camerastate.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_camera_src_debug);
#define GST_CAT_DEFAULT gst_sl_camera_src_debug

namespace streamlib::camera {

namespace {

using std::chrono::milliseconds;
using support::monotonic_ns;
using support::Result;

// The application is changing the state: soon again.
constexpr milliseconds kStateRetry{10};
// A device that is back may need a moment until it opens.
constexpr milliseconds kOpenRetry{500};
// How often a PipeWire that has ended is looked for.
constexpr milliseconds kServerRetry{500};
constexpr milliseconds kIdleCheck{3600'000};
constexpr int64_t kNsPerMs = 1'000'000;

}  // namespace

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
  lose(Loss::Device);
}

void CameraState::lose(Loss loss)
{
  bool wait;
  DeviceInfo device;
  const bool server = loss == Loss::Server;
  {
    std::lock_guard lock(control_);
    wait = settings_.on_device_lost == OnDeviceLost::Wait;
    doubtful_.reset();
    device = device_.info;
    if (wait) {
      phase_ = Phase::Lost;
      server_lost_ = server;
      server_retry_at_ = Clock::now() + kServerRetry;
    }
  }
  if (!wait) {
    fail(server ? server_lost_error(device) : lost_error(device));
    return;
  }
  const std::string label = label_of(device);
  if (server)
    GST_ELEMENT_WARNING(bin_, RESOURCE, NOT_FOUND,
                        ("PipeWire has ended, and the camera %s is gone with it. Start it again "
                         "(systemctl --user restart pipewire wireplumber): it goes on then.",
                         label.c_str()),
                        ("on-device-lost=wait"));
  else
    GST_ELEMENT_WARNING(
        bin_, RESOURCE, NOT_FOUND,
        ("The camera %s is gone. Plug it in again: it goes on then.", label.c_str()),
        ("on-device-lost=wait"));
  post_message("camera-lost", server ? "waiting for PipeWire" : "waiting for the device");
}

// What PipeWire's elements keep to themselves.
void CameraState::check_server()
{
  const auto now = capture();
  if (!now || !now->server_is_gone())
    return;
  {
    std::lock_guard lock(control_);
    if (phase_ != Phase::Running && phase_ != Phase::Starting)
      return;
  }
  lose(Loss::Server);
}

void CameraState::look_for_server()
{
  bool portal;
  {
    std::lock_guard lock(control_);
    if (phase_ != Phase::Waiting || !server_lost_ || returned_ || Clock::now() < server_retry_at_ ||
        (next_server_ && !next_server_->is_gone()))
      return;
    server_retry_at_ = Clock::now() + kServerRetry;
    portal = asked_again_ = portal_query_.has_value();
  }
  if (portal) {
    // It hands out a connection, which the watch then looks at.
    portal_.ask_again();
    return;
  }
  auto server = PipeWireRemote::connect();
  if (!server)
    return;
  {
    std::lock_guard lock(control_);
    next_server_ = server;
  }
  watch_.look_at(std::move(server));
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
  lose(Loss::Device);
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
      server_lost_ = false;
      next_server_.reset();
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
  check_server();
  judge_error();
  leave_lost_device();
  look_for_server();
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
