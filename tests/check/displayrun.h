// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline with a display, for tests.
#pragma once

#include <memory>
#include <string>

#include <gst/check/gstcheck.h>
#include <gst/support/ownership.h>

namespace displaysink {

using namespace streamlib::support;

// A pipeline with a sink named "display", ended with its scope.
class Run {
public:
  explicit Run(const std::string &launch)
  {
    GError *error = nullptr;
    pipeline_ = sink_object(gst_parse_launch(launch.c_str(), &error));
    fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
    bus_ = adopt_object(gst_element_get_bus(pipeline_.get()));
    display_ = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "display"));
  }
  ~Run() { stop(); }

  void stop()
  {
    const gint64 begin = g_get_monotonic_time();
    gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
    fail_unless(g_get_monotonic_time() - begin < 2 * G_USEC_PER_SEC, "NULL took too long");
  }
  GstStateChangeReturn play()
  {
    const gint64 begin = g_get_monotonic_time();
    const auto result = gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING);
    fail_unless(g_get_monotonic_time() - begin < 2 * G_USEC_PER_SEC, "PLAYING took too long");
    return result;
  }

  MiniPtr<GstMessage> wait_for(int types, GstClockTime limit = 5 * GST_SECOND)
  {
    return adopt_mini(
        gst_bus_timed_pop_filtered(bus_.get(), limit, static_cast<GstMessageType>(types)));
  }
  void wait_for_eos(GstClockTime limit = 5 * GST_SECOND)
  {
    auto message = wait_for(GST_MESSAGE_EOS | GST_MESSAGE_ERROR, limit);
    fail_unless(static_cast<bool>(message), "neither an end nor an error");
    fail_unless(GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS, "%s",
                text_of(message.get()).c_str());
  }
  static std::string text_of(GstMessage *message)
  {
    GError *error = nullptr;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
      gst_message_parse_warning(message, &error, nullptr);
    else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_INFO)
      gst_message_parse_info(message, &error, nullptr);
    else
      gst_message_parse_error(message, &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    return text;
  }
  void expect_error(const char *text)
  {
    auto message = wait_for(GST_MESSAGE_ERROR);
    fail_unless(static_cast<bool>(message));
    fail_unless(GST_MESSAGE_SRC(message.get()) == GST_OBJECT_CAST(display_.get()));
    const std::string got = text_of(message.get());
    fail_unless(got.find(text) != std::string::npos, "“%s” is not in “%s”", text, got.c_str());
  }

  guint64 figure(const char *name, const char *within = nullptr)
  {
    GstStructure *raw = nullptr;
    g_object_get(display_.get(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    const GstStructure *structure = stats.get();
    if (within != nullptr)
      structure = gst_value_get_structure(gst_structure_get_value(structure, within));
    guint64 value = 0;
    fail_unless(gst_structure_get_uint64(structure, name, &value), "no %s", name);
    return value;
  }

  bool snapshot(const char *path)
  {
    gboolean done = FALSE;
    g_signal_emit_by_name(display_.get(), "snapshot", path, &done);
    return done;
  }

  GstElement *pipeline() const { return pipeline_.get(); }
  GstElement *display() const { return display_.get(); }

private:
  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstBus> bus_;
  GObjectPtr<GstElement> display_;
};

}  // namespace displaysink
