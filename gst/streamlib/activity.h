// SPDX-License-Identifier: LGPL-2.1-or-later
// What a processor is doing right now, readable from outside while it is stuck.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include <gst/gst.h>

namespace streamlib {

// One per processor. Written by the thread that works for it, read by the watchdog.
class Activity {
public:
  enum class Phase : uint32_t {
    Idle,
    Setup,
    Start,
    Process,
    Push,
    // In a wait of ours that somebody else ends, such as for space in the next link.
    Wait,
    // An operation was cancelled and does not end.
    Operation,
    Stop,
    Teardown,
  };

  // A phase for as long as it stands; the phase around it comes back.
  class Scope {
  public:
    // RT: two relaxed stores and an increment.
    Scope(Activity &activity, Phase phase, GstPad *pad = nullptr)
        : activity_(activity),
          phase_before_(activity.phase_.load(std::memory_order_relaxed)),
          pad_before_(activity.pad_.load(std::memory_order_relaxed)),
          current_before_(std::exchange(current_, &activity))
    {
      activity.enter(phase, pad);
    }
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;
    ~Scope()
    {
      activity_.enter(phase_before_, pad_before_);
      current_ = current_before_;
    }

  private:
    Activity &activity_;
    const Phase phase_before_;
    GstPad *const pad_before_;
    Activity *const current_before_;
  };

  // Marks the work of the calling thread, if it is a processor's, as a wait of ours.
  class WaitScope {
  public:
    WaitScope() : activity_(current_)
    {
      if (activity_ == nullptr)
        return;
      phase_before_ = activity_->phase_.load(std::memory_order_relaxed);
      activity_->enter(Phase::Wait, activity_->pad_.load(std::memory_order_relaxed));
    }
    WaitScope(const WaitScope &) = delete;
    WaitScope &operator=(const WaitScope &) = delete;
    ~WaitScope()
    {
      if (activity_ != nullptr)
        activity_->enter(phase_before_, activity_->pad_.load(std::memory_order_relaxed));
    }

  private:
    Activity *const activity_;
    Phase phase_before_ = Phase::Idle;
  };

  // Somebody waits for the work under way to end: it has no right to take its time any more.
  class UrgentScope {
  public:
    explicit UrgentScope(Activity &activity) : activity_(activity) { activity_.urgent_++; }
    UrgentScope(const UrgentScope &) = delete;
    UrgentScope &operator=(const UrgentScope &) = delete;
    ~UrgentScope() { activity_.urgent_--; }

  private:
    Activity &activity_;
  };

  // --- The watchdog.
  Phase phase() const { return phase_.load(std::memory_order_relaxed); }
  uint64_t entries() const { return entries_.load(std::memory_order_relaxed); }
  // To be compared only: the pad may be gone.
  GstPad *pad() const { return pad_.load(std::memory_order_relaxed); }
  bool is_urgent() const { return urgent_.load(std::memory_order_relaxed) > 0; }
  GstClockTime due() const { return due_.load(std::memory_order_relaxed); }
  int64_t thread_id() const { return thread_id_.load(std::memory_order_relaxed); }

  // The running time of the buffer that is being worked on.
  void set_due(GstClockTime running_time) { due_.store(running_time, std::memory_order_relaxed); }
  // The system's number of the calling thread.
  static int64_t own_thread_id();
  void note_thread() { thread_id_.store(own_thread_id(), std::memory_order_relaxed); }

private:
  // Looked up for each buffer: not by a call of the dynamic linker.
  [[gnu::tls_model("initial-exec")]] static constinit inline thread_local Activity *current_ =
      nullptr;

  void enter(Phase phase, GstPad *pad)
  {
    phase_.store(phase, std::memory_order_relaxed);
    pad_.store(pad, std::memory_order_relaxed);
    entries_.store(entries_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  std::atomic<Phase> phase_ = Phase::Idle;
  std::atomic<GstPad *> pad_ = nullptr;
  std::atomic<uint64_t> entries_ = 0;
  std::atomic<GstClockTime> due_ = GST_CLOCK_TIME_NONE;
  std::atomic<int64_t> thread_id_ = 0;
  std::atomic<int> urgent_ = 0;
};

}  // namespace streamlib
