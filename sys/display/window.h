// SPDX-License-Identifier: LGPL-2.1-or-later
// A window with a thread of its own, which alone touches the surface.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <gst/support/ownership.h>
#include <gst/support/parker.h>
#include <gst/support/result.h>
#include <gst/video/video.h>

#include "sys/display/painter.h"
#include "sys/display/surface.h"

namespace streamlib::display {

// A buffer on its way to the screen.
struct Frame {
  support::MiniPtr<GstBuffer> buffer;
  GstVideoInfo info;
  Orientation orientation = Orientation::Identity;
  // When it was captured, as a time of the pipeline's clock; none when that is not known.
  GstClockTime capture_time = GST_CLOCK_TIME_NONE;
};

// What a window has to say, in its own thread. Points are in pixels of the frame.
class WindowEvents {
public:
  virtual void on_shown(const Frame &frame) = 0;
  virtual void on_closed() = 0;
  virtual void on_failed(const support::Failure &failure) = 0;
  virtual void on_pointer(PointerEvent event, int button, Point on_frame) = 0;
  virtual void on_key(KeyEvent event, const std::string &key) = 0;

protected:
  ~WindowEvents() = default;
};

class Window final : private SurfaceEvents {
public:
  // `events` outlives the window.
  Window(std::unique_ptr<Surface> surface, const WindowWish &wish, Scaling scaling,
         WindowEvents *events);
  Window(const Window &) = delete;
  Window &operator=(const Window &) = delete;
  // State change thread. Takes at most a second, whatever the display server does.
  ~Window();

  enum class Shown { Taken, Waits, Ended };

  // Streaming thread. Gives the frame to the window, and waits for the display's pace: until the
  // window takes it, for at most a tenth of a second. A frame that waits is shown as soon as the
  // display is ready, unless a newer one comes first.
  Shown show(std::unique_ptr<Frame> frame);

  // Any thread: while cancelled, show() does not wait.
  void set_cancelled(bool cancelled);

  // Any thread.
  void set_wish(const WindowWish &wish);
  void set_scaling(Scaling scaling);
  void expose();
  Point to_frame(Point on_surface) const;
  // Frames that a newer one replaced before the display was ready for them.
  uint64_t replaced() const { return replaced_.load(std::memory_order_relaxed); }

private:
  void run();
  void wait_for_events();
  void apply_changes();
  void create();
  void fail(const support::Failure &failure);
  bool take_next();
  void paint();
  void end();
  void wake();

  void on_exposed() override { dirty_ = true; }
  void on_close() override;
  void on_pointer(PointerEvent event, int button, Point on_surface) override;
  void on_key(KeyEvent event, const std::string &key) override;

  std::unique_ptr<Surface> surface_;
  WindowEvents *events_;
  int wake_fd_;

  // The hand-over, without a lock.
  std::atomic<Frame *> next_ = nullptr;
  support::Parker taken_;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> quit_ = false;
  std::atomic<uint64_t> replaced_ = 0;

  // What any thread may change or read, copied by the window's thread; innermost, nothing is called
  // with it held.
  mutable std::mutex control_;
  WindowWish wish_;
  Scaling scaling_;
  bool expose_asked_ = false;
  Placement placement_;
  Orientation orientation_ = Orientation::Identity;

  // The window's thread only.
  Painter painter_;
  std::unique_ptr<Frame> current_;
  // The current frame was not shown yet.
  bool fresh_ = false;
  WindowWish applied_;
  Scaling applied_scaling_ = Scaling::Letterbox;
  bool created_ = false;
  bool dirty_ = false;
  bool ending_ = false;

  std::atomic<bool> left_ = false;
  support::Parker leaving_;
  std::thread thread_;
};

}  // namespace streamlib::display
