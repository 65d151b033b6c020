// SPDX-License-Identifier: LGPL-2.1-or-later
// The main queue of macOS, which NSApplication's loop serves, and dispatch_main().
#include <utility>

#include <dispatch/dispatch.h>

#include "gst/streamlib/platform_loop.h"

namespace streamlib {

namespace {

class MainQueue final : public PlatformLoop {
public:
  explicit MainQueue(Serve serve) : serve_(std::make_shared<Serve>(std::move(serve))) {}

  void wake() override
  {
    // What is in the queue may come after this object has gone.
    auto *weak = new std::weak_ptr<Serve>(serve_);
    dispatch_async_f(dispatch_get_main_queue(), weak, [](void *data) {
      const std::unique_ptr<std::weak_ptr<Serve>> owned(static_cast<std::weak_ptr<Serve> *>(data));
      if (const std::shared_ptr<Serve> serve = owned->lock())
        (*serve)();
    });
  }

private:
  const std::shared_ptr<Serve> serve_;
};

}  // namespace

std::unique_ptr<PlatformLoop> make_platform_loop(PlatformLoop::Serve serve)
{
  return std::make_unique<MainQueue>(std::move(serve));
}

}  // namespace streamlib
