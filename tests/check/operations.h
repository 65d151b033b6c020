// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor whose steps begin operations that the test ends.
#pragma once

#include "processor_fixture.h"

namespace operations {

using namespace fixture;

// The operations that a processor has begun and nobody has ended. Those that are cancelled end,
// unless they are deaf.
class Operations {
public:
  explicit Operations(bool are_deaf = false) : are_deaf_(are_deaf) {}

  struct Begun {
    GObjectPtr<GTask> task;
    MiniPtr<GstBuffer> input;
  };

  Hooks hooks()
  {
    Hooks hooks;
    hooks.process_async = [this](GstSlLinkPad *, GstBuffer *input, GTask *task) {
      const std::lock_guard lock(mutex_);
      begun_.push_back({adopt_object(task), adopt_mini(input)});
      count_++;
      if (!are_deaf_)
        g_signal_connect(g_task_get_cancellable(task), "cancelled", G_CALLBACK(end_cancelled),
                         this);
    };
    return hooks;
  }
  int count() const { return count_.load(); }
  bool come(int count)
  {
    return eventually([&] { return this->count() >= count; });
  }
  Begun take()
  {
    const std::lock_guard lock(mutex_);
    fail_unless(!begun_.empty());
    Begun first = std::move(begun_.front());
    begun_.erase(begun_.begin());
    return first;
  }
  // Gives back what came in.
  void pass()
  {
    Begun begun = take();
    give(begun, begun.input.release());
  }
  static void give(const Begun &begun, GstBuffer *output)
  {
    g_task_return_pointer(begun.task.get(), output,
                          [](gpointer buffer) { gst_buffer_unref(GST_BUFFER_CAST(buffer)); });
  }

private:
  static void end_cancelled(GCancellable *cancellable, gpointer data)
  {
    auto *self = static_cast<Operations *>(data);
    const std::lock_guard lock(self->mutex_);
    for (const Begun &begun : self->begun_) {
      if (g_task_get_cancellable(begun.task.get()) == cancellable)
        g_task_return_error_if_cancelled(begun.task.get());
    }
    std::erase_if(self->begun_, [=](const Begun &begun) {
      return g_task_get_cancellable(begun.task.get()) == cancellable;
    });
  }

  const bool are_deaf_;
  std::mutex mutex_;
  std::vector<Begun> begun_;
  std::atomic<int> count_ = 0;
};

// Operations of a filter that plays, and whose stream is open.
struct OpenFilter {
  OpenFilter()
  {
    rig.add_recorder();
    rig.play();
    in.open();
  }
  Operations operations;
  Rig rig{Kind::AwaitFilter, operations.hooks()};
  Feeder &in = rig.add_feeder();
};

}  // namespace operations
