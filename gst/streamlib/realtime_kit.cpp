// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/realtime_kit.h"

#include <algorithm>
#include <utility>

#ifdef __linux__
#include <sys/resource.h>
#endif
#include <unistd.h>

#include "gst/support/ownership.h"

namespace streamlib {

using support::CStr;
using support::ErrorPtr;

namespace {

const char kName[] = "org.freedesktop.RealtimeKit1";
const char kPath[] = "/org/freedesktop/RealtimeKit1";
const char kInterface[] = "org.freedesktop.RealtimeKit1";
const char kProperties[] = "org.freedesktop.DBus.Properties";

std::string take_message(GError *error)
{
  const ErrorPtr owned(error);
  g_dbus_error_strip_remote_error(error);
  return error->message;
}

// RealtimeKit gives a real-time priority only to processes that the kernel stops when they compute
// for too long without a pause. The limit is of the whole process, and it stays.
bool limit_computing(int64_t usec, std::string *reason)
{
#ifdef __linux__
  rlimit limit = {};
  const auto wanted = static_cast<rlim_t>(usec);
  if (getrlimit(RLIMIT_RTTIME, &limit) == 0 && limit.rlim_max <= wanted)
    return true;
  limit.rlim_cur = std::min(limit.rlim_cur, wanted);
  limit.rlim_max = wanted;
  if (setrlimit(RLIMIT_RTTIME, &limit) == 0)
    return true;
#endif
  *reason = "RLIMIT_RTTIME, which RealtimeKit wants to be limited, cannot be set";
  return false;
}

}  // namespace

RealtimeKit::RealtimeKit(unsigned limit_ms)
    : context_(g_main_context_new()),
      cancellable_(g_cancellable_new()),
      limit_(g_timeout_source_new(limit_ms))
{
  g_source_set_callback(
      limit_,
      [](gpointer cancellable) {
        g_cancellable_cancel(G_CANCELLABLE(cancellable));
        return G_SOURCE_REMOVE;
      },
      cancellable_, nullptr);
  g_source_attach(limit_, context_);
  g_main_context_push_thread_default(context_);
}

RealtimeKit::~RealtimeKit()
{
  if (connection_ != nullptr) {
    GAsyncResult *closed = nullptr;
    g_dbus_connection_close(connection_, cancellable_, ready, &closed);
    g_object_unref(wait(&closed));
    g_object_unref(connection_);
  }
  g_source_destroy(limit_);
  g_source_unref(limit_);
  g_main_context_pop_thread_default(context_);
  g_main_context_unref(context_);
  g_object_unref(cancellable_);
}

void RealtimeKit::ready(GObject *source, GAsyncResult *result, gpointer data)
{
  *static_cast<GAsyncResult **>(data) = G_ASYNC_RESULT(g_object_ref(result));
}

// Transfer full. The limit cancels what is under way, which then has a result as well.
GAsyncResult *RealtimeKit::wait(GAsyncResult **result)
{
  while (*result == nullptr)
    g_main_context_iteration(context_, TRUE);
  return std::exchange(*result, nullptr);
}

// Not g_bus_get(): that connection would end the process when the bus goes.
bool RealtimeKit::connect(std::string *reason)
{
  if (connection_ != nullptr)
    return true;
  GError *error = nullptr;
  const CStr address(g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, cancellable_, &error));
  if (address) {
    GAsyncResult *made = nullptr;
    g_dbus_connection_new_for_address(
        address.get(),
        static_cast<GDBusConnectionFlags>(G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION),
        nullptr, cancellable_, ready, &made);
    GAsyncResult *result = wait(&made);
    connection_ = g_dbus_connection_new_for_address_finish(result, &error);
    g_object_unref(result);
  }
  if (connection_ != nullptr)
    return true;
  *reason = "the system bus does not answer (" + take_message(error) + ")";
  return false;
}

GVariant *RealtimeKit::call(const char *interface, const char *method, GVariant *arguments,
                            std::string *reason)
{
  GError *error = nullptr;
  GAsyncResult *answered = nullptr;
  g_dbus_connection_call(connection_, kName, kPath, interface, method, arguments, nullptr,
                         G_DBUS_CALL_FLAGS_NONE, -1, cancellable_, ready, &answered);
  GAsyncResult *result = wait(&answered);
  GVariant *answer = g_dbus_connection_call_finish(connection_, result, &error);
  g_object_unref(result);
  if (answer == nullptr)
    *reason = g_cancellable_is_cancelled(cancellable_)
                  ? (g_error_free(error), std::string("RealtimeKit does not answer in time"))
                  : "RealtimeKit: " + take_message(error);
  return answer;
}

bool RealtimeKit::property(const char *name, int64_t *value, std::string *reason)
{
  GVariant *answer = call(kProperties, "Get", g_variant_new("(ss)", kInterface, name), reason);
  if (answer == nullptr)
    return false;
  GVariant *inner = nullptr;
  bool is_number = false;
  if (g_variant_is_of_type(answer, G_VARIANT_TYPE("(v)"))) {
    g_variant_get(answer, "(v)", &inner);
    is_number = true;
    if (g_variant_is_of_type(inner, G_VARIANT_TYPE_INT32))
      *value = g_variant_get_int32(inner);
    else if (g_variant_is_of_type(inner, G_VARIANT_TYPE_INT64))
      *value = g_variant_get_int64(inner);
    else
      is_number = false;
    g_variant_unref(inner);
  }
  g_variant_unref(answer);
  if (!is_number)
    *reason = std::string("RealtimeKit's property ") + name + " is no number";
  return is_number;
}

std::string RealtimeKit::make_realtime(int64_t tid, int priority)
{
  std::string reason;
  int64_t greatest = 0;
  int64_t limit_usec = 0;
  if (!connect(&reason) || !property("MaxRealtimePriority", &greatest, &reason) ||
      !property("RTTimeUSecMax", &limit_usec, &reason) || !limit_computing(limit_usec, &reason))
    return reason;
  const auto granted = static_cast<guint32>(std::clamp<int64_t>(greatest, 1, priority));
  GVariant *answer = call(
      kInterface, "MakeThreadRealtimeWithPID",
      g_variant_new("(ttu)", static_cast<guint64>(getpid()), static_cast<guint64>(tid), granted),
      &reason);
  if (answer != nullptr)
    g_variant_unref(answer);
  return reason;
}

std::string RealtimeKit::make_high_priority(int64_t tid, int nice)
{
  std::string reason;
  int64_t least = 0;
  if (!connect(&reason) || !property("MinNiceLevel", &least, &reason))
    return reason;
  const auto granted = static_cast<gint32>(std::max<int64_t>(least, nice));
  GVariant *answer = call(
      kInterface, "MakeThreadHighPriorityWithPID",
      g_variant_new("(tti)", static_cast<guint64>(getpid()), static_cast<guint64>(tid), granted),
      &reason);
  if (answer != nullptr)
    g_variant_unref(answer);
  return reason;
}

}  // namespace streamlib
