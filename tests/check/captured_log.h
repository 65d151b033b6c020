// SPDX-License-Identifier: LGPL-2.1-or-later
// Everything that any category of GStreamer logs in this process, up to a level, instead of on the
// terminal.
#pragma once

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gst/gst.h>

namespace fixture {

class CapturedLog {
public:
  explicit CapturedLog(GstDebugLevel level = GST_LEVEL_LOG)
  {
    gst_debug_remove_log_function(gst_debug_log_default);
    gst_debug_set_active(TRUE);
    gst_debug_set_default_threshold(level);
    gst_debug_add_log_function(take, this, nullptr);
  }
  CapturedLog(const CapturedLog &) = delete;
  CapturedLog &operator=(const CapturedLog &) = delete;
  ~CapturedLog()
  {
    gst_debug_remove_log_function(take);
    gst_debug_set_default_threshold(GST_LEVEL_NONE);
  }

  std::vector<std::pair<GstDebugLevel, std::string>> lines() const
  {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

private:
  static void take(GstDebugCategory *, GstDebugLevel level, const gchar *, const gchar *, gint,
                   GObject *, GstDebugMessage *message, gpointer data)
  {
    auto *self = static_cast<CapturedLog *>(data);
    const std::string text = gst_debug_message_get(message);
    const std::lock_guard lock(self->mutex_);
    self->lines_.emplace_back(level, text);
  }

  mutable std::mutex mutex_;
  std::vector<std::pair<GstDebugLevel, std::string>> lines_;
};

}  // namespace fixture
