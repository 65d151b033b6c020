// SPDX-License-Identifier: LGPL-2.1-or-later
// RealtimeKit: the service on the system bus that gives priorities to threads of users.
#pragma once

#include <cstdint>
#include <string>

#include <gio/gio.h>

namespace streamlib {

// A connection of its own for a few calls. The thread that made it; each wait ends at the limit.
class RealtimeKit {
public:
  // The time for everything together.
  explicit RealtimeKit(unsigned limit_ms);
  RealtimeKit(const RealtimeKit &) = delete;
  RealtimeKit &operator=(const RealtimeKit &) = delete;
  ~RealtimeKit();

  // For the thread `tid` of this process. An empty string when it was granted, else why not.
  // The priority and the nice level are cut to what RealtimeKit allows.
  std::string make_realtime(int64_t tid, int priority);
  std::string make_high_priority(int64_t tid, int nice);

private:
  bool connect(std::string *reason);
  GVariant *call(const char *interface, const char *method, GVariant *arguments,
                 std::string *reason);
  bool property(const char *name, int64_t *value, std::string *reason);
  GAsyncResult *wait(GAsyncResult **result);
  static void ready(GObject *source, GAsyncResult *result, gpointer data);

  GMainContext *const context_;
  GCancellable *const cancellable_;
  GSource *const limit_;
  GDBusConnection *connection_ = nullptr;
};

}  // namespace streamlib
