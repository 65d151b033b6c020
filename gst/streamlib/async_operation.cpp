// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/async_operation.h"

#include <utility>

#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"

namespace streamlib {

using support::monotonic_ns;
using support::share_object;

namespace {

// Long enough for the watchdog to name an operation that does not end, and short enough for a stop.
constexpr int64_t kEndLimitNs = INT64_C(1750) * 1000 * 1000;

GQuark operation_quark()
{
  return g_quark_from_static_string("streamlib-operation");
}

}  // namespace

AsyncOperation::AsyncOperation(GstSlProcessor *processor, GMainContext *context)
    : processor_(share_object(processor)), context_(g_main_context_ref(context))
{
  g_object_set_qdata(G_OBJECT(cancellable_.get()), operation_quark(), this);
}

AsyncOperation::~AsyncOperation()
{
  g_object_set_qdata(G_OBJECT(cancellable_.get()), operation_quark(), nullptr);
  g_main_context_unref(context_);
}

AsyncOperation *AsyncOperation::of(GCancellable *cancellable)
{
  return static_cast<AsyncOperation *>(
      g_object_get_qdata(G_OBJECT(cancellable), operation_quark()));
}

// --- The end ---

void AsyncOperation::callback(GObject *, GAsyncResult *result, gpointer data)
{
  const std::unique_ptr<std::shared_ptr<AsyncOperation>> self(
      static_cast<std::shared_ptr<AsyncOperation> *>(data));
  (*self)->finish(result);
}

void AsyncOperation::finish(GAsyncResult *result)
{
  result_ = share_object(result);
  uint32_t expected = kPending;
  if (!state_.compare_exchange_strong(expected, kDone)) {
    result_.reset();
    return;
  }
  support::futex_wake_all(state_);
  ProcessorState::of(processor_.get()).kick();
}

bool AsyncOperation::wait()
{
  const int64_t end = monotonic_ns() + kEndLimitNs;
  while (state_.load() == kPending && monotonic_ns() < end)
    support::futex_wait(state_, kPending, end);
  return give_up();
}

bool AsyncOperation::give_up()
{
  uint32_t expected = kPending;
  if (!state_.compare_exchange_strong(expected, kGivenUp))
    return true;
  // An operation that never ends must not keep the element.
  processor_.reset();
  return false;
}

// --- Cancellation ---

void AsyncOperation::cancel()
{
  if (g_main_context_is_owner(context_)) {
    cancel_here();
    return;
  }
  // In the thread in which the operation goes on, so that it is in the middle of nothing.
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_HIGH);
  g_source_set_callback(
      source,
      [](gpointer data) {
        (*static_cast<std::shared_ptr<AsyncOperation> *>(data))->cancel_here();
        return G_SOURCE_REMOVE;
      },
      callback_data(),
      [](gpointer data) { delete static_cast<std::shared_ptr<AsyncOperation> *>(data); });
  g_source_attach(source, context_);
  g_source_unref(source);
}

void AsyncOperation::cancel_here()
{
  g_cancellable_cancel(cancellable_.get());
  if (has_waiter())
    call_waiter(false);
}

// --- The waiter ---

bool AsyncOperation::set_waiter(GstSlLinkPad *pad, GstSlAwaitFunc function, gpointer data)
{
  if (!is_under_way() || has_waiter() || g_cancellable_is_cancelled(cancellable_.get()))
    return false;
  waiter_ = {share_object(pad), function, data};
  return true;
}

void AsyncOperation::call_waiter(bool is_ready)
{
  const Waiter waiter = std::exchange(waiter_, Waiter());
  waiter.function(is_ready, waiter.data);
}

}  // namespace streamlib
