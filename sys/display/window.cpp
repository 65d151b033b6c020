// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/display/window.h"

#include <array>
#include <csignal>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gst/support/futex.h>

namespace streamlib::display {

namespace {

using support::Failure;
using support::monotonic_ns;

constexpr int64_t kShowLimitNs = 100'000'000;
constexpr int64_t kLeaveLimitNs = 500'000'000;

// A display server that dies must not end the process by a signal.
void block_broken_pipe_signal()
{
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

Window::Window(std::unique_ptr<Surface> surface, const WindowWish &wish, Scaling scaling,
               WindowEvents *events)
    : surface_(std::move(surface)),
      events_(events),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      wish_(wish),
      scaling_(scaling)
{
  thread_ = std::thread([this] { run(); });
}

Window::~Window()
{
  const int connection = surface_->fd();
  quit_.store(true);
  set_cancelled(true);
  wake();
  const auto left = [this] { return left_.load(); };
  // A server that has stopped reading may hold the thread in a write: without its connection the
  // call returns.
  if (!leaving_.park(left, monotonic_ns() + kLeaveLimitNs))
    shutdown(connection, SHUT_RDWR);
  thread_.join();
  delete next_.exchange(nullptr);
  close(wake_fd_);
}

void Window::wake()
{
  const uint64_t one = 1;
  // The counter cannot overflow in practice, and a full one wakes as well.
  [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof one);
}

Window::Shown Window::show(std::unique_ptr<Frame> frame)
{
  if (ended_.load())
    return Shown::Ended;
  std::unique_ptr<Frame> older(next_.exchange(frame.release()));
  if (older)
    replaced_.fetch_add(1, std::memory_order_relaxed);
  wake();
  const bool taken =
      taken_.park([this] { return next_.load() == nullptr || cancelled_.load() || ended_.load(); },
                  monotonic_ns() + kShowLimitNs);
  if (ended_.load())
    return Shown::Ended;
  return taken ? Shown::Taken : Shown::Waits;
}

void Window::set_cancelled(bool cancelled)
{
  cancelled_.store(cancelled);
  taken_.unpark();
}

void Window::set_wish(const WindowWish &wish)
{
  {
    std::lock_guard lock(control_);
    wish_ = wish;
  }
  wake();
}

void Window::set_scaling(Scaling scaling)
{
  {
    std::lock_guard lock(control_);
    scaling_ = scaling;
  }
  wake();
}

void Window::expose()
{
  {
    std::lock_guard lock(control_);
    expose_asked_ = true;
  }
  wake();
}

Point Window::to_frame(Point on_surface) const
{
  Placement placement;
  Orientation orientation;
  {
    std::lock_guard lock(control_);
    placement = placement_;
    orientation = orientation_;
  }
  if (placement.target.size().empty())
    return on_surface;
  return display::to_frame(placement, orientation, on_surface);
}

void Window::apply_changes()
{
  WindowWish wish;
  {
    std::lock_guard lock(control_);
    wish = wish_;
    dirty_ = dirty_ || std::exchange(expose_asked_, false) || scaling_ != applied_scaling_;
    applied_scaling_ = scaling_;
  }
  if (created_ && wish.handle != applied_.handle) {
    surface_->destroy();
    created_ = false;
    dirty_ = true;
  } else if (created_) {
    surface_->configure(wish);
  }
  applied_ = wish;
}

void Window::create()
{
  const Picture picture =
      Painter::picture_of(current_->buffer.get(), current_->info, current_->orientation);
  const support::Status status = surface_->create(applied_, natural_size(picture));
  created_ = status.ok();
  if (!created_)
    fail(status.error());
}

void Window::fail(const Failure &failure)
{
  ending_ = true;
  events_->on_failed(failure);
}

// True when there was a new frame.
bool Window::take_next()
{
  std::unique_ptr<Frame> frame(next_.exchange(nullptr));
  if (!frame)
    return false;
  current_ = std::move(frame);
  fresh_ = true;
  taken_.unpark();
  return true;
}

void Window::paint()
{
  // The first frame says how large the window is to be.
  if (!created_ && (take_next() || current_))
    create();
  if (!created_ || ending_ || (next_.load() == nullptr && !fresh_ && !dirty_))
    return;
  const std::optional<Canvas> canvas = surface_->canvas();
  if (!canvas)
    return;
  take_next();
  dirty_ = false;
  Placement placement;
  if (!painter_.paint(current_->buffer.get(), current_->info, current_->orientation,
                      applied_scaling_, *canvas, &placement)) {
    fail({0,
          "A frame cannot be shown: its memory cannot be read, or is smaller than its format says.",
          std::to_string(gst_buffer_get_size(current_->buffer.get())) + " bytes"});
    return;
  }
  surface_->present();
  {
    std::lock_guard lock(control_);
    placement_ = placement;
    orientation_ = current_->orientation;
  }
  if (std::exchange(fresh_, false))
    events_->on_shown(*current_);
}

void Window::wait_for_events()
{
  const bool polls = surface_->prepare_poll();
  std::array<pollfd, 2> waits = {pollfd{surface_->fd(), POLLIN, 0}, pollfd{wake_fd_, POLLIN, 0}};
  if (polls)
    poll(waits.data(), waits.size(), -1);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wake_fd_, &count, sizeof count);
  if (!surface_->dispatch(waits[0].revents != 0, *this) && !quit_.load() && !ending_)
    fail({0,
          "The connection to the " + surface_->name() +
              " has broken. Start it again, or take backend=headless.",
          "the display server ended or closed the connection"});
}

void Window::end()
{
  ended_.store(true);
  surface_->destroy();
  current_.reset();
  taken_.unpark();
}

void Window::run()
{
  pthread_setname_np(pthread_self(), "sldisplay");
  block_broken_pipe_signal();
  while (!quit_.load() && !ending_) {
    apply_changes();
    paint();
    if (!ending_)
      wait_for_events();
  }
  end();
  // Its destruction may wait for the server as well: in this thread, where the connection can still
  // be cut.
  left_.store(true);
  leaving_.unpark();
}

void Window::on_close()
{
  ending_ = true;
  events_->on_closed();
}

void Window::on_pointer(PointerEvent event, int button, Point on_surface)
{
  events_->on_pointer(event, button, to_frame(on_surface));
}

void Window::on_key(KeyEvent event, const std::string &key)
{
  events_->on_key(event, key);
}

}  // namespace streamlib::display
