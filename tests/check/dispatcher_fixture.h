// SPDX-License-Identifier: LGPL-2.1-or-later
// Closures and a thread that serves them, for the tests of the dispatcher.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/streamlib.h"
#include "gst/support/ownership.h"

namespace dispatching {

using streamlib::support::adopt_object;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;

using Function = std::function<GVariant *()>;

inline GVariant *call_function(gpointer data)
{
  return (*static_cast<Function *>(data))();
}

inline void drop_function(gpointer data)
{
  delete static_cast<Function *>(data);
}

inline void post(GstSlDispatcher *dispatcher, const char *label, Function function)
{
  gst_sl_dispatcher_invoke_async(dispatcher, label, call_function,
                                 new Function(std::move(function)), drop_function);
}

struct Answer {
  bool served = false;
  std::string result;
  GQuark domain = 0;
  int code = -1;
  std::string message;
  int64_t took = 0;
};

inline Answer invoke(GstSlDispatcher *dispatcher, const char *label, Function function,
                     GstClockTime timeout = GST_SL_DISPATCHER_DEFAULT_TIMEOUT,
                     GCancellable *cancellable = nullptr)
{
  Answer answer;
  GVariant *result = nullptr;
  GError *error = nullptr;
  const int64_t begin = g_get_monotonic_time();
  answer.served =
      gst_sl_dispatcher_invoke(dispatcher, label, call_function, new Function(std::move(function)),
                               drop_function, timeout, cancellable, &result, &error);
  answer.took = g_get_monotonic_time() - begin;
  if (result != nullptr) {
    answer.result = g_variant_get_string(result, nullptr);
    g_variant_unref(result);
  }
  if (error != nullptr) {
    const ErrorPtr owned(error);
    answer.domain = error->domain;
    answer.code = error->code;
    answer.message = error->message;
  }
  fail_unless(answer.served == (error == nullptr));
  return answer;
}

// A limit in time, longer where everything is slow.
inline int64_t limit_us(int64_t us)
{
  const char *factor = g_getenv("CK_TIMEOUT_MULTIPLIER");
  return factor != nullptr ? us * atoi(factor) : us;
}

// A context that a thread of its own serves.
struct Served {
  GMainContext *context = g_main_context_new();
  GMainLoop *loop = g_main_loop_new(context, FALSE);
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  std::thread thread;

  void start()
  {
    thread = std::thread([this] { g_main_loop_run(loop); });
    // Until then the thread that made the dispatcher counts as the runtime thread.
    while (gst_sl_dispatcher_is_runtime_thread(dispatcher.get())) {
      g_main_context_wakeup(context);
      g_usleep(1000);
    }
  }
  ~Served()
  {
    if (thread.joinable()) {
      while (!g_main_loop_is_running(loop))
        g_usleep(1000);
      g_main_loop_quit(loop);
      thread.join();
    }
    dispatcher.reset();
    g_main_loop_unref(loop);
    g_main_context_unref(context);
  }
};

inline GVariant *nothing()
{
  return nullptr;
}

}  // namespace dispatching
