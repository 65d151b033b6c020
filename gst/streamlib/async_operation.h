// SPDX-License-Identifier: LGPL-2.1-or-later
// One asynchronous operation of a processor, from process_async to process_finish.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <gio/gio.h>

#include "gst/streamlib/gstslprocessor.h"
#include "gst/support/ownership.h"

namespace streamlib {

// Shared by the processor and by the callback that is still to come. What ends it, the result or
// that it is given up, is decided once; what comes after that is dropped.
class AsyncOperation : public std::enable_shared_from_this<AsyncOperation> {
public:
  AsyncOperation(GstSlProcessor *processor, GMainContext *context);
  AsyncOperation(const AsyncOperation &) = delete;
  AsyncOperation &operator=(const AsyncOperation &) = delete;
  ~AsyncOperation();

  // What process_async is given. The callback comes once, in whatever thread.
  GCancellable *cancellable() const { return cancellable_.get(); }
  static void callback(GObject *source, GAsyncResult *result, gpointer data);
  // For `data`: keeps the operation until the callback has come.
  gpointer callback_data() { return new std::shared_ptr<AsyncOperation>(shared_from_this()); }

  bool is_done() const { return state_.load() == kDone; }
  // Once it is done.
  GAsyncResult *result() const { return result_.get(); }

  // Any thread: cancels it in the thread of the context.
  void cancel();
  // A thread other than that of the context, after cancel(): waits for the end, for a limited time.
  // False when it was given up; the processor is not touched any more then.
  bool wait();
  // The same without a wait.
  bool give_up();

  // --- The thread of the context. What the operation wants to be called for.
  static AsyncOperation *of(GCancellable *cancellable);
  bool is_under_way() const { return state_.load() == kPending; }
  // False when it is no use any more: the operation was cancelled.
  bool set_waiter(GstSlLinkPad *pad, GstSlAwaitFunc function, gpointer data);
  bool has_waiter() const { return waiter_.function != nullptr; }
  GstSlLinkPad *awaited_pad() const { return waiter_.pad.get(); }
  void call_waiter(bool is_ready);

  // Of the step that began it: how much had been taken and pushed before.
  uint64_t pops = 0;
  uint64_t pushes = 0;

private:
  enum State : uint32_t { kPending, kDone, kGivenUp };
  struct Waiter {
    support::GObjectPtr<GstSlLinkPad> pad;
    GstSlAwaitFunc function = nullptr;
    gpointer data = nullptr;
  };

  void finish(GAsyncResult *result);
  void cancel_here();

  support::GObjectPtr<GstSlProcessor> processor_;
  GMainContext *const context_;
  const support::GObjectPtr<GCancellable> cancellable_ = support::adopt_object(g_cancellable_new());
  std::atomic<uint32_t> state_ = kPending;
  // Published by state_.
  support::GObjectPtr<GAsyncResult> result_;
  Waiter waiter_;
};

}  // namespace streamlib
