// SPDX-License-Identifier: LGPL-2.1-or-later
// The core of a dispatcher: closures on their way to a GMainContext.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gio/gio.h>
#include <gst/gst.h>

#include "gst/streamlib/platform_loop.h"
#include "gst/support/mpsc_list.h"
#include "gst/support/parker.h"
#include "gst/support/pointer_ring.h"

namespace streamlib {

// What a closure is called in messages, cut to what fits.
struct DispatchLabel {
  static constexpr size_t kSize = 32;

  explicit DispatchLabel(const char *text = nullptr);
  std::array<char, kSize> text = {};
};

// One closure on its way.
class DispatchCall {
public:
  using Function = GVariant *(*)(gpointer data);

  DispatchCall(const char *label, Function function, gpointer data, GDestroyNotify notify)
      : DispatchCall(label, function, data, notify, false)
  {}
  DispatchCall(const DispatchCall &) = delete;
  DispatchCall &operator=(const DispatchCall &) = delete;

  // The runtime thread: runs the closure, and ends its data there too. Not when it was given up.
  void run();
  // Whoever takes it out of the queue is done with it.
  void drop();

  // For the list of the queue.
  DispatchCall *next = nullptr;
  // When it was posted, where it found nothing before it; 0 otherwise.
  int64_t posted_at = 0;
  const DispatchLabel label;

protected:
  DispatchCall(const char *label, Function function, gpointer data, GDestroyNotify notify,
               bool is_awaited)
      : label(label), is_awaited_(is_awaited), function_(function), data_(data), notify_(notify)
  {}
  ~DispatchCall() { end_data(); }

  GVariant *call() { return function_(data_); }
  void end_data();

private:
  const bool is_awaited_;
  const Function function_;
  gpointer const data_;
  GDestroyNotify notify_;
};

// One whose caller waits for it: shared by the queue and the caller.
class AwaitedCall final : public DispatchCall {
public:
  AwaitedCall(const char *label, Function function, gpointer data, GDestroyNotify notify)
      : DispatchCall(label, function, data, notify, true)
  {}

  AwaitedCall *ref()
  {
    references_.fetch_add(1, std::memory_order_relaxed);
    return this;
  }
  void unref()
  {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  void run_awaited();
  // The caller: false when it runs or has run.
  bool give_up();
  bool is_done() const { return state_.load() == kDone; }

  // What else ends the caller's wait.
  std::atomic<bool> cancelled = false;
  std::atomic<bool> waited_for = false;
  support::Parker parker;
  // After it is done; the caller takes it.
  GVariant *result = nullptr;

private:
  ~AwaitedCall()
  {
    if (result != nullptr)
      g_variant_unref(result);
  }

  enum : int { kQueued, kRunning, kDone, kGivenUp };

  std::atomic<int> references_ = 1;
  std::atomic<int> state_ = kQueued;
};

struct DispatchFigures {
  uint64_t queued = 0;
  uint64_t run = 0;
  int64_t longest_wait = 0;
  int64_t longest_run = 0;
  std::string longest_label;
};

// The source of the context holds the queue too: it may be in the middle of a closure when the
// dispatcher goes.
class DispatchQueue {
public:
  // With `make_loop` a loop of the platform serves the queue too, as long as no other thread serves
  // the context.
  static std::shared_ptr<DispatchQueue> create(GMainContext *context,
                                               PlatformLoopFactory make_loop = nullptr);
  DispatchQueue(const DispatchQueue &) = delete;
  DispatchQueue &operator=(const DispatchQueue &) = delete;
  ~DispatchQueue();

  // No closure begins any more, and those that are left are dropped. No caller waits any more.
  void close();

  GMainContext *context() const { return context_; }
  // `thread` is the runtime thread until another one serves the context. Null: nobody is.
  void bind(GThread *thread);
  bool is_runtime_thread() const;

  enum class Outcome { Served, NeverRan, Busy, WaitsForCaller, Cancelled };

  // Any thread. Takes over a reference.
  void post(DispatchCall *call);
  // Any thread: runs the call on the runtime thread and waits for it. On that thread at once.
  Outcome invoke(AwaitedCall &call, GstClockTime timeout, GCancellable *cancellable);

  DispatchFigures figures() const;
  // What runs now; empty when nothing of ours does.
  std::string running_label() const;

  // What the calling thread does in this scope is done for `whom`, a key that is only compared: who
  // waits for `whom` waits for this thread.
  class WorkScope {
  public:
    explicit WorkScope(const void *whom);
    WorkScope(const WorkScope &) = delete;
    WorkScope &operator=(const WorkScope &) = delete;
    ~WorkScope();

    // Null: for nobody.
    static const void *current();

  private:
    const void *const before_;
  };

  // Around a wait of ours for a thread, or for all that work for somebody: when it is the runtime
  // thread that waits, or one that the runtime thread waits for, calls of these threads are
  // answered at once. On other threads it does nothing. `queue` and `whom` may be null.
  class WaitScope {
  public:
    WaitScope(DispatchQueue *queue, const void *whom);
    WaitScope(const WaitScope &) = delete;
    WaitScope &operator=(const WaitScope &) = delete;
    ~WaitScope();

  private:
    DispatchQueue *queue_;
    const void *const whom_;
  };

private:
  struct Source;

  explicit DispatchQueue(GMainContext *context) : context_(g_main_context_ref(context))
  {
    g_mutex_init(&mutex_);
  }

  struct Waiter {
    GThread *thread;
    const void *works_for;
    AwaitedCall *call;
  };

  void serve_by_platform();
  bool begin_serving();
  void end_serving();
  bool has_work() const;
  bool is_ready_to_sleep();
  void note_served();
  void run_batches();
  void take_batch(int64_t now);
  // Takes over the call, and says when it ended.
  int64_t run_one(DispatchCall *call, int64_t now);
  void show_running(const DispatchLabel &label);
  Outcome wait(AwaitedCall &call, GstClockTime timeout);
  Outcome reason_for_giving_up(const AwaitedCall &call) const;
  // Under the mutex.
  bool is_waited_for(const void *thread, const void *works_for) const;

  GMainContext *const context_;
  GSource *source_ = nullptr;
  // Set once, before anybody else knows the queue. The rest is for it only: who takes from the list
  // now, and how deep in closures that run a loop.
  std::unique_ptr<PlatformLoop> platform_;
  std::atomic<GThread *> server_ = nullptr;
  int serving_depth_ = 0;
  std::atomic<bool> closed_ = false;
  std::atomic<bool> was_served_ = false;
  std::atomic<GThread *> bound_ = nullptr;

  // What callers write for each closure stands apart from what the runtime thread writes.
  alignas(support::kCacheSpan) support::MpscList<DispatchCall> list_;
  std::atomic<uint64_t> queued_ = 0;
  // The context will look at the list before it sleeps.
  alignas(support::kCacheSpan) std::atomic<bool> is_awake_ = false;

  alignas(support::kCacheSpan) std::atomic<uint64_t> run_ = 0;
  std::atomic<int64_t> longest_wait_ = 0;
  std::atomic<int64_t> longest_run_ = 0;
  // The label of what runs, as words that a reader may take while they change.
  std::array<std::atomic<uint64_t>, DispatchLabel::kSize / 8> running_ = {};
  std::array<std::atomic<uint64_t>, DispatchLabel::kSize / 8> longest_ = {};

  // The runtime thread: taken from the list and still to be run. A closure that runs a main loop of
  // its own lets the rest run inside.
  DispatchCall *batch_ = nullptr;

  // Guards what follows. Nothing is called under it.
  mutable GMutex mutex_;
  // By the runtime thread: threads, and those for whom threads work.
  std::vector<const void *> waited_for_;
  std::vector<Waiter> waiters_;
};

}  // namespace streamlib
