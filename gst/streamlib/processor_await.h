// SPDX-License-Identifier: LGPL-2.1-or-later
// What coroutines of an async processor await beside operations of GIO: see gst/support/task.h.
//
// `cancellable` is the one that process_async was given.
#pragma once

#include "gst/streamlib/gstslprocessor.h"
#include "gst/support/task.h"

namespace streamlib {

// Goes on in a step of the processor: with `pad` when that has a buffer or has ended, and never
// while a lossless link that the processor has filled has no space. There, and up to the next
// await, the coroutine may push.
class [[nodiscard]] StepAwait {
public:
  StepAwait(GstSlProcessor *processor, GCancellable *cancellable, GstSlLinkPad *pad)
      : processor_(processor), cancellable_(cancellable), pad_(pad)
  {}
  StepAwait(const StepAwait &) = delete;
  StepAwait &operator=(const StepAwait &) = delete;

  bool await_ready() noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> handle)
  {
    handle_ = handle;
    return gst_sl_processor_await(processor_, cancellable_, pad_, go_on, this) != FALSE;
  }
  support::Outcome<support::Done> await_resume()
  {
    if (!is_ready_)
      return support::cancelled_error();
    return support::Done{};
  }

private:
  static void go_on(gboolean ready, gpointer data)
  {
    auto *self = static_cast<StepAwait *>(data);
    self->is_ready_ = ready != FALSE;
    self->handle_.resume();
  }

  GstSlProcessor *const processor_;
  GCancellable *const cancellable_;
  GstSlLinkPad *const pad_;
  std::coroutine_handle<> handle_;
  bool is_ready_ = false;
};

// Space in the links that the processor pushes into.
inline StepAwait space(GstSlProcessor *processor, GCancellable *cancellable)
{
  return StepAwait(processor, cancellable, nullptr);
}

// The next buffer of a link pad, null at the end of its stream.
inline support::Task<support::Outcome<support::MiniPtr<GstBuffer>>> next_buffer(
    GstSlProcessor *processor, GCancellable *cancellable, GstSlLinkPad *pad)
{
  support::Outcome<support::Done> step = co_await StepAwait(processor, cancellable, pad);
  if (!step)
    co_return step.take_error();
  co_return support::adopt_mini(gst_sl_link_pad_pop_buffer(pad));
}

}  // namespace streamlib
