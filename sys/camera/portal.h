// SPDX-License-Identifier: LGPL-2.1-or-later
// The camera portal of the desktop (org.freedesktop.portal.Camera), which asks the user.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

#include <gst/support/result.h>

#include "sys/camera/pipewireremote.h"

namespace streamlib::camera {

enum class PortalError {
  // There is no portal, or no session bus.
  Missing,
  // The user or the desktop said no.
  Denied,
  // It has ended, or answers what it should not.
  Broken,
};

// In the portal's thread. The codes of failures are those of PortalError.
class PortalEvents {
public:
  virtual void on_allowed(std::shared_ptr<PipeWireRemote> remote) = 0;
  virtual void on_refused(const support::Failure &failure) = 0;

protected:
  ~PortalEvents() = default;
};

// Whether this process is in a sandbox (Flatpak, Snap), where cameras are the portal's.
bool in_sandbox();

// The answer may take as long as the user does: it is an event, and nothing waits for it.
class Portal {
public:
  Portal() = default;
  Portal(const Portal &) = delete;
  Portal &operator=(const Portal &) = delete;
  ~Portal() { stop(); }

  // Asks. Returns when the portal has taken up the question; what comes of it are events.
  support::Status start(PortalEvents *events, std::chrono::milliseconds limit);
  // Any thread between start() and stop(): asks once more.
  void ask_again();
  // Takes at most as long as an event. None comes afterwards.
  void stop();

private:
  struct Shared;
  std::shared_ptr<Shared> current() const;

  // Guards the one below; innermost.
  mutable std::mutex control_;
  std::shared_ptr<Shared> shared_;
  std::thread thread_;
};

}  // namespace streamlib::camera
