// SPDX-License-Identifier: LGPL-2.1-or-later
// What slcamerasrc is made of, behind its GObject.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/support/ownership.h>

#include "sys/camera/cameraerrors.h"
#include "sys/camera/capture.h"
#include "sys/camera/devicewatch.h"
#include "sys/camera/mode.h"
#include "sys/camera/portal.h"

namespace streamlib::camera {

// Values are those of the properties `fallback` and `on-device-lost`.
enum class Fallback { None, Test };
enum class OnDeviceLost { Error, Wait };

// What a user may set.
struct Settings {
  std::string device;
  ModeWish wish;
  Fallback fallback = Fallback::None;
  OnDeviceLost on_device_lost = OnDeviceLost::Error;
  guint stall_timeout_ms = 1500;
  // -1: no end.
  int num_buffers = -1;
};

class CameraState final : public WatchEvents, public CaptureEvents, public PortalEvents {
public:
  // `bin` is the element around, and outlives this.
  explicit CameraState(GstBin *bin) : bin_(bin) {}
  void set_ghost(GstPad *ghost) { ghost_ = ghost; }

  // State change thread. Those that return bool post an error before they return false.
  bool open();
  bool attach();
  void set_playing(bool playing);
  void detach();
  void close();

  // Any thread.
  Settings settings() const;
  template <typename Change>
  void change(Change change)
  {
    std::lock_guard lock(control_);
    change(settings_);
  }
  std::string mode() const;
  DeviceInfo current() const;
  support::StructurePtr stats() const;
  support::GObjectPtr<GstElement> source() const;
  // Answers the latency query for the camera (streaming and other threads).
  bool answer_latency(GstQuery *query);
  // An end of the stream is asked for. False when there is no source that could send one: then it
  // is sent in place of it (transfer none).
  bool expect_eos(GstEvent *event);

  // A message of the elements inside (transfer none); true when it is dealt with.
  bool take_message(GstMessage *message);

  void on_added(const Device &device) override;
  void on_removed(const DeviceInfo &info) override;
  std::chrono::steady_clock::time_point on_check() override;

  void on_allowed(std::shared_ptr<PipeWireRemote> remote) override;
  void on_refused(const support::Failure &failure) override;

  void on_ended() override;
  void on_mode(const std::string &mode) override;
  void on_wrong_size(gsize size, gsize expected, unsigned in_a_row) override;

private:
  using Clock = std::chrono::steady_clock;

  enum class Phase {
    // No stream is wanted.
    Idle,
    // The source is being made and started.
    Starting,
    Running,
    // The device is gone, its elements are still there.
    Lost,
    // There are no elements; waits for the device, or for the portal's answer.
    Waiting,
    // An error was posted; nothing more is said.
    Failed,
  };

  bool choose(const std::vector<Device> &devices, const std::string &query);
  bool open_test();
  bool open_machine(const std::string &query);
  bool open_portal();
  // The first answer of the portal: which of its cameras is meant.
  bool take_portal(std::shared_ptr<PipeWireRemote> remote);
  support::Result<CaptureSetup> plan();
  void post_error(const CameraError &error);
  void post_message(const char *name, const std::string &text);
  void fail(const CameraError &error);
  enum class Loss { Device, Server };
  void lose(Loss loss);
  void push_eos(GstEvent *event);
  // Watch thread.
  void judge_error();
  void leave_lost_device();
  void try_return();
  void check_stall();
  void check_server();
  void look_for_server();
  std::shared_ptr<Capture> capture() const;

  GstBin *bin_;
  GstPad *ghost_ = nullptr;
  // Not touched by the streaming thread. Calls of foreign code stand in it alone.
  DeviceWatch watch_;
  Portal portal_;

  // Guards all below. Innermost: nothing is called with it held.
  mutable std::mutex control_;
  Settings settings_;
  Phase phase_ = Phase::Idle;
  bool playing_ = false;
  bool test_ = false;
  Device device_;
  std::string mode_;
  std::shared_ptr<Capture> capture_;
  // An error of the device that may turn out to be its removal.
  std::optional<CameraError> doubtful_;
  Clock::time_point doubtful_until_;
  // The device that came back.
  std::optional<Device> returned_;
  Clock::time_point retry_at_;
  // When frames are due at the earliest; by support::monotonic_ns().
  int64_t watch_from_ns_ = 0;
  bool stalled_ = false;
  // Of what the portal is asked for; none where there is no portal in it.
  std::optional<std::string> portal_query_;
  // The user has not answered the portal yet.
  bool asking_ = false;
  // The answer was no, before a stream was wanted.
  bool refused_ = false;
  // It was asked once more, after the server had ended.
  bool asked_again_ = false;
  // The server has ended; where it is looked for again, and when.
  bool server_lost_ = false;
  std::shared_ptr<PipeWireRemote> next_server_;
  Clock::time_point server_retry_at_;
};

}  // namespace streamlib::camera
