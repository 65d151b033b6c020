// SPDX-License-Identifier: LGPL-2.1-or-later
// The elements of one opened camera: its source, its mode, its decoder.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>
#include <gst/support/guards.h>
#include <gst/support/ownership.h>
#include <gst/support/result.h>
#include <gst/video/video.h>

#include "sys/camera/captureclock.h"
#include "sys/camera/pipewireremote.h"

namespace streamlib::camera {

// What a capture says, in the streaming thread.
class CaptureEvents {
public:
  // The device ended its stream and nobody asked it to.
  virtual void on_ended() = 0;
  // The mode that runs, as text.
  virtual void on_mode(const std::string &mode) = 0;
  // A frame of another size than its format says; `in_a_row` of them so far.
  virtual void on_wrong_size(gsize size, gsize expected, unsigned in_a_row) = 0;

protected:
  ~CaptureEvents() = default;
};

// From this many frames of a wrong size in a row on, the camera is not to be used.
constexpr unsigned kWrongSizeLimit = 30;

struct CaptureSetup {
  // The device's source element.
  support::GObjectPtr<GstElement> source;
  // What the source is to deliver.
  support::MiniPtr<GstCaps> caps;
  // What makes it raw.
  std::vector<support::GObjectPtr<GstElementFactory>> decoding;
  // The backend stamps by CLOCK_MONOTONIC, less the base time (PipeWire), not by the clock of the
  // pipeline.
  bool monotonic_stamps = false;
  // The buffers are the backend's: it has few of them, stops when all are held downstream, and
  // unmaps them when it stops, whoever holds them (PipeWire).
  bool lends_buffers = false;
  // The connection that the source uses, where it is one of ours.
  std::shared_ptr<PipeWireRemote> remote;
};

class Capture {
public:
  static support::Result<std::unique_ptr<Capture>> make(const CaptureSetup &setup,
                                                        CaptureEvents *events);
  Capture(const Capture &) = delete;
  Capture &operator=(const Capture &) = delete;

  // State change or watch thread. Puts the elements into `bin`, links them and makes the last pad
  // the target of `ghost`; the states are the caller's.
  void enter(GstBin *bin, GstPad *ghost);
  // Takes them out again, in the state NULL.
  void leave(GstBin *bin, GstPad *ghost);
  // Brings them to the state of the bin.
  bool sync_state();

  GstElement *source() const { return setup_.source.get(); }
  // Any thread. Whether the server that the source takes its frames from has ended.
  bool server_is_gone() const { return setup_.remote && setup_.remote->is_gone(); }
  // Before data flows. The stream ends by itself after so many frames, unless it is -1.
  void end_after(int frames);
  // Any thread. An end of the stream is asked for and no loss.
  void expect_eos() { eos_expected_.store(true); }

  // Any thread. By support::monotonic_ns(); 0 before the first frame.
  int64_t last_arrival() const { return last_arrival_.load(std::memory_order_relaxed); }
  uint64_t frames() const { return frames_.load(std::memory_order_relaxed); }
  uint64_t estimated() const { return estimated_.load(std::memory_order_relaxed); }
  uint64_t wrong_sizes() const { return wrong_sizes_.load(std::memory_order_relaxed); }
  // The duration of a frame in nanoseconds, 0 where it is not known.
  uint64_t duration() const { return duration_.load(std::memory_order_relaxed); }

private:
  Capture(const CaptureSetup &setup, CaptureEvents *events) : setup_(setup), events_(events) {}
  bool make_decoders();
  static GstPadProbeReturn probe(GstPad *pad, GstPadProbeInfo *info, gpointer user_data);
  GstPadProbeReturn take_buffer(GstPadProbeInfo *info);
  GstPadProbeReturn take_event(GstEvent *event);
  void take_caps(GstCaps *caps);
  bool has_wrong_size(GstBuffer *buffer);
  GstBuffer *stamped(GstBuffer *buffer);
  GstBuffer *spared(GstBuffer *buffer);

  CaptureSetup setup_;
  CaptureEvents *events_;
  support::GObjectPtr<GstElement> filter_;
  std::vector<support::GObjectPtr<GstElement>> decoders_;
  support::GObjectPtr<GstPad> pad_;
  support::PadProbe probe_;

  // Streaming thread.
  CaptureClock clock_;
  GstVideoInfo info_ = {};
  bool is_raw_ = false;
  bool copyable_ = false;
  unsigned wrong_in_a_row_ = 0;
  int frames_left_ = -1;
  // Buffers of the device that are held downstream; they may outlive the capture.
  std::shared_ptr<std::atomic<int>> held_ = std::make_shared<std::atomic<int>>(0);

  std::atomic<bool> eos_expected_ = false;
  std::atomic<int64_t> last_arrival_ = 0;
  std::atomic<uint64_t> frames_ = 0;
  std::atomic<uint64_t> estimated_ = 0;
  std::atomic<uint64_t> wrong_sizes_ = 0;
  std::atomic<uint64_t> duration_ = 0;
};

}  // namespace streamlib::camera
