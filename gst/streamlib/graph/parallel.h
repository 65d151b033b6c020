// SPDX-License-Identifier: LGPL-2.1-or-later
// Changes the states of many elements at once, and does not wait for those that never return.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/support/ownership.h"

namespace streamlib::graph {

inline constexpr unsigned kParallel = 8;

// What became of one element.
enum class StateResult {
  Reached,  // Success, NO_PREROLL, or ASYNC.
  Failed,
  Waiting,  // Not back yet, or not begun.
};

// One run over a list of elements. The threads outlive it where an element does not return.
class ParallelStates {
public:
  // Begins at once, on at most kParallel threads.
  ParallelStates(std::vector<support::GObjectPtr<GstElement>> elements, GstState target);
  ParallelStates(const ParallelStates &) = delete;
  ParallelStates &operator=(const ParallelStates &) = delete;
  // Gives up, if that was not done.
  ~ParallelStates();

  // Until all are back, the time (of the monotonic clock, in microseconds), or `cancelled`, which
  // is asked some ten times a second. True when all are back. Where all threads are held up, others
  // are added.
  bool wait(int64_t until, const std::function<bool()> &cancelled = {});
  // What became of each element, by its index. From here on those whose set-up was not begun are
  // not touched any more, those that were to stop still are stopped, and one that returns later is
  // set to NULL.
  std::vector<StateResult> give_up();

private:
  struct Shared;
  static void work(const std::shared_ptr<Shared> &shared);
  void add_thread();
  void relieve();

  std::shared_ptr<Shared> shared_;
};

// Runs it on a thread that nobody waits for. False when the system has no thread left.
bool start_background(const char *name, std::function<void()> function);

// Sets an element to NULL on a thread of its own, and holds it until then.
void retire_in_background(support::GObjectPtr<GstElement> element, std::function<void()> done);

// Gives a request pad back on a thread of its own: an element waits for whoever is in the pad.
class PadRelease {
public:
  PadRelease(support::GObjectPtr<GstElement> element, support::GObjectPtr<GstPad> pad);

  // Until the time of the monotonic clock, in microseconds. False when the pad is not back then; it
  // is given back when whoever is in it comes out.
  bool wait(int64_t until);

private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

// Set when an event has been given to its pad, or refused by it.
using EventSent = std::shared_ptr<std::atomic<bool>>;

// Sends an event into a sink pad, on a thread of its own: whoever is in the pad holds its stream
// lock.
EventSent send_in_background(support::GObjectPtr<GstPad> pad, GstEvent *event);

}  // namespace streamlib::graph
