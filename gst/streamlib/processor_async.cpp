// SPDX-License-Identifier: LGPL-2.1-or-later
// Steps that await.
//
// A step begins an operation, and no other is taken before that has ended; it is a step again that
// takes its result. Steps, the operation's own code and its callback run on the I/O thread.
#include <algorithm>

#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

using support::adopt_mini;
using support::ErrorPtr;
using support::monotonic_ns;

namespace {

// A step that takes longer keeps all others of the I/O thread waiting.
constexpr int64_t kHeldNs = 20 * 1000 * 1000;
constexpr int64_t kHeldMessagesNs = INT64_C(1000) * 1000 * 1000;

}  // namespace

// --- Before the first step ---

bool ProcessorState::check_awaits()
{
  awaits_.store(is_async() && klass()->process_async != nullptr);
  if (awaits() && klass()->process_finish == nullptr) {
    report_error(
        GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT,
        "The processor begins asynchronous operations and cannot end them: its class needs "
        "process_finish beside process_async.",
        "no process_finish");
    return false;
  }
  const bool needs_async = klass()->process_async != nullptr && klass()->process == nullptr;
  if (!needs_async || awaits())
    return true;
  report_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS,
               "The processor works by asynchronous operations only: set scheduling=async.",
               "process_async without process, and scheduling is not async");
  return false;
}

// --- Steps ---

GstFlowReturn ProcessorState::begin_operation(GstSlLinkPad *pad, GstBuffer *input)
{
  operation_ = std::make_shared<AsyncOperation>(self_, io_context_);
  is_awaiting_.store(true);
  operation_began_ = timer_.hand_over();
  operation_->pops = pops_;
  operation_->pushes = pushes_.load();
  // It may have ended when this returns.
  const std::shared_ptr<AsyncOperation> operation = operation_;
  Activity::Scope scope(activity, Activity::Phase::Process);
  klass()->process_async(self_, pad, input, operation->cancellable(), AsyncOperation::callback,
                         operation->callback_data());
  return GST_FLOW_OK;
}

GstSlStep ProcessorState::step_operation()
{
  if (operation_->is_done())
    return finish_operation();
  if (end_asked_.load(std::memory_order_relaxed) && links_.empty())
    operation_->cancel();
  const std::shared_ptr<AsyncOperation> operation = operation_;
  if (!operation->has_waiter())
    return GST_SL_STEP_IDLE;
  if (GstSlLinkPad *awaited = operation->awaited_pad()) {
    LinkPadState &pad = LinkPadState::of(awaited);
    pad.note_seen();
    if (!pad.peek_buffer() && !pad.eos && !is_eos_next(pad))
      return GST_SL_STEP_IDLE;
  }
  Activity::Scope scope(activity, Activity::Phase::Process);
  operation->call_waiter(true);
  return GST_SL_STEP_AGAIN;
}

// Whether data at an awaited pad is a reason for a step.
bool ProcessorState::awaits_pad() const
{
  return operation_ != nullptr && operation_->has_waiter() && operation_->awaited_pad() != nullptr;
}

GstSlStep ProcessorState::finish_operation()
{
  const std::shared_ptr<AsyncOperation> operation = std::move(operation_);
  is_awaiting_.store(false);
  GstBuffer *output = nullptr;
  GError *failure = nullptr;
  GstFlowReturn flow;
  push_flow_ = GST_FLOW_OK;
  {
    Activity::Scope scope(activity, Activity::Phase::Process);
    flow = klass()->process_finish(self_, operation->result(), &output, &failure);
  }
  const ErrorPtr error(failure);
  auto owned = adopt_mini(output);
  const bool is_cancelled = g_cancellable_is_cancelled(operation->cancellable());
  // The stream is asked to end, which the next step does.
  if (is_cancelled)
    return GST_SL_STEP_AGAIN;
  if (error) {
    report_error(error->domain, error->code, error->message, "the asynchronous operation failed");
    flow = flow == GST_FLOW_OK ? GST_FLOW_ERROR : flow;
  }
  flow = give_output(flow, owned.release());
  timer_.end(std::exchange(operation_began_, 0));
  if (!has_own_stream() && !links_.empty()) {
    after_link_flow(LinkPadState::of(links_[0].get()), flow);
    return GST_SL_STEP_AGAIN;
  }
  const bool did_nothing = operation->pops == pops_ && operation->pushes == pushes_.load();
  const GstSlStep result = after_own_flow(flow);
  const bool waits_for_data = execution.load() == GST_SL_EXECUTION_REACTIVE;
  return result == GST_SL_STEP_AGAIN && did_nothing && waits_for_data ? GST_SL_STEP_IDLE : result;
}

bool ProcessorState::await(GCancellable *cancellable, GstSlLinkPad *pad, GstSlAwaitFunc function,
                           gpointer data)
{
  AsyncOperation *operation = AsyncOperation::of(cancellable);
  if (operation == nullptr || !operation->set_waiter(pad, function, data))
    return false;
  kick();
  return true;
}

// --- The end ---

// No step is under way, and none begins meanwhile.
void ProcessorState::end_operation()
{
  const std::shared_ptr<AsyncOperation> operation = std::exchange(operation_, nullptr);
  is_awaiting_.store(false);
  if (operation == nullptr)
    return;
  operation->cancel();
  // Here nothing can end while this waits.
  if (g_main_context_is_owner(io_context_)) {
    operation->give_up();
    return;
  }
  Activity::Scope scope(activity, Activity::Phase::Operation);
  if (!operation->wait())
    GST_WARNING_OBJECT(self_,
                       "the asynchronous operation under way ignores its cancellation; it is left "
                       "behind, and what it comes to is dropped");
}

// --- Who holds the I/O thread ---

GstSlStep ProcessorState::take_measured_step(int64_t *wait_until)
{
  pushing_ns_ = 0;
  const int64_t began = monotonic_ns();
  const GstSlStep result = step(wait_until);
  const int64_t took = monotonic_ns() - began;
  if (G_UNLIKELY(took > kHeldNs))
    note_held(took);
  return result;
}

void ProcessorState::note_held(int64_t took)
{
  held_.store(held_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  held_max_.store(std::max(held_max_.load(std::memory_order_relaxed), took),
                  std::memory_order_relaxed);
  const int64_t now = monotonic_ns();
  if (held_said_at_ != 0 && now - held_said_at_ < kHeldMessagesNs)
    return;
  held_said_at_ = now;
  const char *phase = pushing_ns_ > took / 2 ? "push" : "process";
  GST_WARNING_OBJECT(self_,
                     "%s has held the I/O thread for %" G_GINT64_FORMAT
                     " ms; give it another scheduling, or put an sllink after it",
                     phase, took / 1000000);
  gst_element_post_message(
      element(), gst_message_new_element(
                     GST_OBJECT_CAST(self_),
                     gst_structure_new("streamlib-io-held", "element", G_TYPE_STRING,
                                       GST_OBJECT_NAME(self_), "phase", G_TYPE_STRING, phase,
                                       "duration", G_TYPE_UINT64, static_cast<guint64>(took),
                                       "count", G_TYPE_UINT64, held_.load(), nullptr)));
}

}  // namespace streamlib
