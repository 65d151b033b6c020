// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/support/task.h"

namespace streamlib::support {

Deadline::Deadline(GCancellable *parent, guint ms) : parent_(share_object(parent))
{
  if (parent != nullptr) {
    // At once where it was cancelled before.
    link_ = g_cancellable_connect(parent, G_CALLBACK(+[](GCancellable *, gpointer own) {
                                    g_cancellable_cancel(static_cast<GCancellable *>(own));
                                  }),
                                  g_object_ref(own_.get()), g_object_unref);
  }
  if (ms == 0)
    return;
  timer_ = g_timeout_source_new(ms);
  g_source_set_name(timer_, "streamlib deadline");
  g_source_set_callback(
      timer_,
      [](gpointer data) {
        auto *self = static_cast<Deadline *>(data);
        self->is_over_ = !g_cancellable_is_cancelled(self->own_.get());
        // What it ends may end this object.
        const GObjectPtr<GCancellable> own = self->own_;
        g_cancellable_cancel(own.get());
        return G_SOURCE_REMOVE;
      },
      this, nullptr);
  GMainContext *context = g_main_context_ref_thread_default();
  g_source_attach(timer_, context);
  g_main_context_unref(context);
}

Deadline::~Deadline()
{
  // Not g_cancellable_disconnect(), which waits for ever where the cancellation itself leads here.
  // A handler that runs in another thread meanwhile keeps what it uses.
  if (link_ != 0)
    g_signal_handler_disconnect(parent_.get(), link_);
  if (timer_ != nullptr) {
    g_source_destroy(timer_);
    g_source_unref(timer_);
  }
}

}  // namespace streamlib::support
