// SPDX-License-Identifier: LGPL-2.1-or-later
// What stands behind every source pad of a graph's node: it hands the stream on to any number of
// branches, which come and go while it flows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <gst/gst.h>

#include "gst/support/histogram.h"
#include "gst/support/ownership.h"
#include "gst/support/running_mean.h"
#include "gst/support/step_timer.h"

namespace streamlib::graph {

// One source pad of a fan-out. The streaming thread writes, anyone reads.
struct Branch {
  explicit Branch(GstPad *pad) : pad(support::share_object(pad)) {}

  const support::GObjectPtr<GstPad> pad;
  // Since the last READY to PAUSED.
  std::atomic<uint64_t> buffers = 0;
  // Not given to the branch: before a key unit, or it had ended.
  std::atomic<uint64_t> dropped = 0;
  std::atomic<GstFlowReturn> flow = GST_FLOW_OK;
  // Buffers are dropped until one comes that needs no other.
  std::atomic<bool> wants_key_unit = false;
  // The next buffer's running time becomes that of the clock.
  std::atomic<bool> wants_rebase = false;
  // Of a branch that ends in a foreign element without a link: how long its pushes take, of those
  // that the fan-out measures. Set before the branch is attached.
  std::unique_ptr<support::Histogram> took;
  // The streaming thread must not enter it any more.
  std::atomic<bool> detached = false;
  // The sticky events of the stream are on the pad.
  std::atomic<bool> has_events = false;
};

}  // namespace streamlib::graph

// A branch that ends, fails or goes away does not end the others: the stream goes on while one
// takes it, and also without any. No lock on the way of a buffer; the list of branches is exchanged
// whole.
G_DECLARE_FINAL_TYPE(GstSlFanout, gst_sl_fanout, GST, SL_FANOUT, GstElement)
#define GST_TYPE_SL_FANOUT (gst_sl_fanout_get_type())

namespace streamlib::graph {

using BranchPtr = std::shared_ptr<Branch>;

GstSlFanout *new_fanout(const char *name);
GstPad *fanout_sink(GstSlFanout *self);

// Control threads, one at a time for each fan-out. The pad of a new branch is active and not
// linked; it gets the stream's sticky events before its first buffer.
BranchPtr add_branch(GstSlFanout *self);
// Takes the branch out of the stream. False when the streaming thread is still inside of it after
// the time given: then finish_branch() is not allowed. Where it is in another branch meanwhile does
// not matter.
bool detach_branch(GstSlFanout *self, const BranchPtr &branch, GstClockTime limit);
// `after`, whose pad is linked, takes the place of `before` between two buffers: each goes to one
// of the two. False as for detach_branch(): then `before` is back in its place.
bool exchange_branch(GstSlFanout *self, const BranchPtr &before, const BranchPtr &after,
                     GstClockTime limit);
// Puts back what detach_branch() has taken out.
void attach_branch(GstSlFanout *self, const BranchPtr &branch);
// Linked anew, its peer gets the beginning of the stream again, which a flush has taken away.
void relink_branch(const BranchPtr &branch);
// Removes the pad of a branch that was taken out.
void finish_branch(GstSlFanout *self, const BranchPtr &branch);

// While it holds, the streaming thread waits before the next buffer or serialized event; a flush
// and a stop end the wait.
void hold_fanout(GstSlFanout *self, bool hold);
// A held live stream must not wait: what comes is dropped and counted in `passed_nowhere`.
void drop_in_fanout(GstSlFanout *self, bool drop);

// The end of the stream is noticed, and goes no further.
void keep_eos(GstSlFanout *self, bool keep);

struct FanoutFigures {
  uint64_t buffers = 0;         // That came in.
  uint64_t passed_nowhere = 0;  // Of them: there was no branch, or the node is paused.
  // The streaming thread is on its way through the branches.
  bool is_pushing = false;
};
FanoutFigures figures_of(GstSlFanout *self);
// How long it takes to hand a buffer on to all branches, as far as the links behind them.
const support::StepTimer &timer_of(GstSlFanout *self);
// How old buffers are when they come in, in PLAYING with a clock: running time now minus theirs, in
// nanoseconds. Of the buffers that the timer measures.
const support::RunningMean &age_of(GstSlFanout *self);
// The stream has begun: its STREAM_START has come.
bool has_stream(GstSlFanout *self);
// Its last buffer or the end of its stream was seen.
bool fanout_is_eos(GstSlFanout *self);

}  // namespace streamlib::graph
