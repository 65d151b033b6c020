// SPDX-License-Identifier: LGPL-2.1-or-later
// The loop that a platform has of its own, beside GLib's: the main queue of macOS, the messages of
// Windows. A dispatcher for the application's default context is served by it, too.
//
// Nothing of GLib's here: sys/dispatch is to compile without it.
#pragma once

#include <functional>
#include <memory>

namespace streamlib {

class PlatformLoop {
public:
  using Serve = std::function<void()>;

  PlatformLoop() = default;
  PlatformLoop(const PlatformLoop &) = delete;
  PlatformLoop &operator=(const PlatformLoop &) = delete;
  // Any thread. No call of the serve function begins after it has returned, unless one is about to
  // in the loop's own thread: the function has to look whether there is still something to serve.
  virtual ~PlatformLoop() = default;

  // Any thread. Has the serve function called in the loop's thread, soon after its loop runs.
  virtual void wake() = 0;
};

using PlatformLoopFactory = std::unique_ptr<PlatformLoop> (*)(PlatformLoop::Serve serve);

// In sys/dispatch, on platforms that have one. On Windows in the thread that handles the messages.
std::unique_ptr<PlatformLoop> make_platform_loop(PlatformLoop::Serve serve);

}  // namespace streamlib
