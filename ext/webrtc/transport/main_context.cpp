// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/transport/main_context.h"

#include <utility>

namespace streamlib::webrtc {

using support::SourceGuard;

SourceGuard call_after(GMainContext *context, guint ms, std::function<void()> function)
{
  GSource *source = g_timeout_source_new(ms);
  g_source_set_name(source, "streamlib WebRTC timer");
  g_source_set_callback(
      source,
      [](gpointer data) -> gboolean {
        // The call may destroy the guard, and with it the function.
        const auto call = *static_cast<std::function<void()> *>(data);
        call();
        return G_SOURCE_REMOVE;
      },
      new std::function<void()>(std::move(function)),
      [](gpointer data) { delete static_cast<std::function<void()> *>(data); });
  g_source_attach(source, context);
  return SourceGuard(source);
}

namespace {

struct DeferredSource {
  GSource source;
  Deferred *owner;
};

}  // namespace

Deferred::Deferred(GMainContext *context)
{
  static GSourceFuncs functions = {nullptr, nullptr, &Deferred::dispatch,
                                   nullptr, nullptr, nullptr};
  source_ = g_source_new(&functions, sizeof(DeferredSource));
  reinterpret_cast<DeferredSource *>(source_)->owner = this;
  g_source_set_name(source_, "streamlib WebRTC events");
  g_source_attach(source_, context);
}

Deferred::~Deferred()
{
  queue_->is_alive = false;
  g_source_destroy(source_);
  g_source_unref(source_);
}

void Deferred::post(std::function<void()> function)
{
  queue_->calls.push_back(std::move(function));
  g_source_set_ready_time(source_, 0);
}

gboolean Deferred::dispatch(GSource *source, GSourceFunc, gpointer)
{
  g_source_set_ready_time(source, -1);
  const std::shared_ptr<Queue> queue = reinterpret_cast<DeferredSource *>(source)->owner->queue_;
  const auto calls = std::exchange(queue->calls, {});
  for (const auto &call : calls) {
    if (!queue->is_alive)
      break;
    call();
  }
  return G_SOURCE_CONTINUE;
}

}  // namespace streamlib::webrtc
