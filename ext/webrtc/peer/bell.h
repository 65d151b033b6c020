// SPDX-License-Identifier: LGPL-2.1-or-later
// Waits of coroutines for a change, and for work that must not stand in the way of the I/O context.
#pragma once

#include <functional>
#include <utility>

#include <gio/gio.h>

#include "gst/support/ownership.h"
#include "gst/support/task.h"

namespace streamlib::webrtc {

inline support::Task<support::Done> nap(guint ms)
{
  (void)co_await support::sleep_for(ms);
  co_return support::Done{};
}

// Who changes something rings; who waits looks again. I/O context.
class Bell {
public:
  void ring()
  {
    const auto round =
        std::exchange(round_, support::adopt_object<GCancellable>(g_cancellable_new()));
    g_cancellable_cancel(round.get());
  }
  // Until the next ring, or the time is over.
  support::Task<support::Done> wait(guint ms)
  {
    const support::GObjectPtr<GCancellable> round = round_;
    co_await nap(ms).under(round.get());
    co_return support::Done{};
  }
  // Until it holds; false when the time is over before.
  support::Task<bool> until(std::function<bool()> holds, guint ms)
  {
    const gint64 end = g_get_monotonic_time() + gint64{ms} * 1000;
    while (!holds()) {
      const gint64 left = (end - g_get_monotonic_time() + 999) / 1000;
      if (left <= 0)
        co_return false;
      co_await wait(static_cast<guint>(left));
    }
    co_return true;
  }

private:
  support::GObjectPtr<GCancellable> round_ = support::adopt_object(g_cancellable_new());
};

// What may wait for other threads runs in one of GLib's pool.
inline support::Task<support::Done> in_thread(std::function<void()> work)
{
  auto start = [&](GCancellable *, GAsyncReadyCallback callback, gpointer data) {
    const auto task = support::adopt_object(g_task_new(nullptr, nullptr, callback, data));
    g_task_set_task_data(task.get(), &work, nullptr);
    g_task_run_in_thread(task.get(), [](GTask *self, gpointer, gpointer function, GCancellable *) {
      (*static_cast<std::function<void()> *>(function))();
      g_task_return_boolean(self, TRUE);
    });
  };
  auto finish = [](GObject *, GAsyncResult *result, GError **error) {
    return g_task_propagate_boolean(G_TASK(result), error);
  };
  (void)co_await support::gio_call(start, finish);
  co_return support::Done{};
}

}  // namespace streamlib::webrtc
