// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline with a camera, for tests.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gst/app/gstappsink.h>
#include <gst/check/gstcheck.h>
#include <gst/support/guards.h>
#include <gst/support/ownership.h>

namespace fakecamera {

using namespace streamlib::support;

// A pipeline "slcamerasrc ... ! appsink", ended with its scope.
class Run {
public:
  explicit Run(const std::string &properties, const std::string &between = "")
  {
    const std::string launch =
        "slcamerasrc name=cam " + properties + " ! " + between +
        " appsink name=sink sync=false wait-on-eos=false max-buffers=200 drop=true";
    GError *error = nullptr;
    pipeline_ = sink_object(gst_parse_launch(launch.c_str(), &error));
    fail_unless(error == nullptr, "%s", error != nullptr ? error->message : "");
    bus_ = adopt_object(gst_element_get_bus(pipeline_.get()));
    camera_ = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "cam"));
    sink_ = adopt_object(GST_APP_SINK(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink")));
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

  // The next frame, which must come.
  MiniPtr<GstSample> pull()
  {
    auto sample = adopt_mini(gst_app_sink_try_pull_sample(sink_.get(), 3 * GST_SECOND));
    if (!sample) {
      auto message = adopt_mini(gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR));
      fail("no frame; %s", message ? text_of(message.get()).c_str() : "and no error");
    }
    return sample;
  }

  guint8 pull_value()
  {
    auto sample = pull();
    MappedBuffer map(gst_sample_get_buffer(sample.get()), GST_MAP_READ);
    fail_unless(static_cast<bool>(map));
    // No frame is a mixture of two.
    fail_unless(memcmp(map.data(), map.data() + 1, map.size() - 1) == 0);
    return map.data()[0];
  }

  static std::string text_of(GstMessage *message)
  {
    GError *error = nullptr;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_WARNING)
      gst_message_parse_warning(message, &error, nullptr);
    else
      gst_message_parse_error(message, &error, nullptr);
    const std::string text = error->message;
    g_error_free(error);
    return text;
  }

  // A message that must come; the texts must be in it.
  void expect(GstMessageType type, GQuark domain, int code, std::vector<const char *> texts,
              GstClockTime limit = 3 * GST_SECOND)
  {
    auto message = adopt_mini(gst_bus_timed_pop_filtered(bus_.get(), limit, type));
    fail_unless(static_cast<bool>(message), "no message of the type %s",
                gst_message_type_get_name(type));
    fail_unless(GST_MESSAGE_SRC(message.get()) == GST_OBJECT_CAST(camera_.get()));
    GError *error = nullptr;
    if (type == GST_MESSAGE_WARNING)
      gst_message_parse_warning(message.get(), &error, nullptr);
    else
      gst_message_parse_error(message.get(), &error, nullptr);
    fail_unless(g_error_matches(error, domain, code), "got %s %d: %s",
                g_quark_to_string(error->domain), error->code, error->message);
    for (const char *text : texts)
      fail_unless(strstr(error->message, text) != nullptr, "“%s” is not in “%s”", text,
                  error->message);
    g_error_free(error);
  }
  void expect_error(int code, std::vector<const char *> texts)
  {
    expect(GST_MESSAGE_ERROR, GST_RESOURCE_ERROR, code, std::move(texts));
  }

  void expect_element_message(const char *name)
  {
    for (;;) {
      auto message =
          adopt_mini(gst_bus_timed_pop_filtered(bus_.get(), 3 * GST_SECOND, GST_MESSAGE_ELEMENT));
      fail_unless(static_cast<bool>(message), "no message %s", name);
      if (gst_message_has_name(message.get(), name))
        return;
    }
  }
  void expect_no_error()
  {
    auto message = adopt_mini(gst_bus_pop_filtered(bus_.get(), GST_MESSAGE_ERROR));
    fail_if(static_cast<bool>(message), "%s", message ? text_of(message.get()).c_str() : "");
  }

  void expect_text(const char *property, const char *wanted)
  {
    const std::string got = text(property);
    fail_unless_equals_string(got.c_str(), wanted);
  }

  std::string text(const char *property)
  {
    gchar *value = nullptr;
    g_object_get(camera_.get(), property, &value, nullptr);
    const CStr holder(value);
    return value;
  }

  GstElement *pipeline() const { return pipeline_.get(); }
  GstElement *camera() const { return camera_.get(); }
  GstBus *bus() const { return bus_.get(); }

private:
  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstBus> bus_;
  GObjectPtr<GstElement> camera_;
  GObjectPtr<GstAppSink> sink_;
};

}  // namespace fakecamera
