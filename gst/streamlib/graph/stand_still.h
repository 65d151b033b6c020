// SPDX-License-Identifier: LGPL-2.1-or-later
// Holds the stream of a source pad between two buffers.
#pragma once

#include <atomic>
#include <memory>

#include <gst/gst.h>

#include "gst/support/guards.h"

namespace streamlib::graph {

// What comes waits until this ends; a flush and the pad's deactivation end the wait, too.
class StandStill {
public:
  explicit StandStill(GstPad *source);
  StandStill(const StandStill &) = delete;
  StandStill &operator=(const StandStill &) = delete;
  ~StandStill();

  // Whether nothing is on its way any more behind the pad, within the time given.
  bool wait(GstClockTime limit) const;

private:
  support::GObjectPtr<GstPad> source_;
  // Shared with the probe, which may still run when it has been removed.
  std::shared_ptr<std::atomic<bool>> stands_ = std::make_shared<std::atomic<bool>>(false);
  gulong probe_;
};

}  // namespace streamlib::graph
