// SPDX-License-Identifier: LGPL-2.1-or-later
// One run of `benchsrc ! X ! benchsink`.
#include "flow.h"

#include <cstdio>
#include <cstdlib>

namespace streamlib::bench {

namespace {

constexpr GstClockTime kTimeLimit = 60 * GST_SECOND;

[[noreturn]] void give_up(const std::string &subject, const char *why)
{
  fprintf(stderr, "benchsrc ! %s ! benchsink: %s\n", subject.c_str(), why);
  exit(2);
}

// The element that `subject` describes, floating; null for the direct connection.
GstElement *make_subject(const std::string &subject)
{
  if (subject.empty())
    return nullptr;
  GError *error = nullptr;
  GstElement *element = gst_parse_launch(subject.c_str(), &error);
  if (element == nullptr || error != nullptr)
    give_up(subject, error != nullptr ? error->message : "cannot be made");
  return element;
}

GstElement *make_pipeline(const std::string &subject, Exchange &exchange)
{
  GstElement *pipeline = gst_pipeline_new(nullptr);
  GstElement *source = gst_element_factory_make("benchsrc", nullptr);
  GstElement *sink = gst_element_factory_make("benchsink", nullptr);
  set_exchange(source, &exchange);
  set_exchange(sink, &exchange);
  gst_bin_add_many(GST_BIN(pipeline), source, sink, nullptr);
  bool linked = false;
  if (GstElement *element = make_subject(subject)) {
    gst_bin_add(GST_BIN(pipeline), element);
    linked = gst_element_link_many(source, element, sink, nullptr);
  } else {
    linked = gst_element_link(source, sink);
  }
  if (!linked)
    give_up(subject, "cannot be linked");
  return pipeline;
}

void await_done(const std::string &subject, GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(
      bus, kTimeLimit, static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION));
  if (message == nullptr)
    give_up(subject, "did not end within a minute");
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    fprintf(stderr, "%s\n", debug != nullptr ? debug : "");
    give_up(subject, error->message);
  }
  gst_message_unref(message);
  gst_object_unref(bus);
}

}  // namespace

FlowResult run_flow(const std::string &subject, Exchange &exchange)
{
  GstElement *pipeline = make_pipeline(subject, exchange);
  if (gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    give_up(subject, "cannot be set to PLAYING");
  gst_element_get_state(pipeline, nullptr, nullptr, kTimeLimit);
  exchange.go.store(true, std::memory_order_release);
  await_done(subject, pipeline);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);

  FlowResult result;
  result.pushed = exchange.pushed;
  result.delivered = exchange.delivered;
  if (result.delivered == 0)
    give_up(subject, "delivered nothing");
  result.push_rate = static_cast<double>(result.pushed - exchange.warm_up) * 1e9 /
                     static_cast<double>(exchange.push_end_ns - exchange.push_start_ns);
  if (exchange.start_ns == 0)
    return result;
  const auto buffers = static_cast<double>(result.delivered - exchange.warm_up);
  result.rate = buffers * 1e9 / static_cast<double>(exchange.end_ns - exchange.start_ns);
  result.cpu_ns = static_cast<double>(exchange.end_cpu_ns - exchange.start_cpu_ns) / buffers;
  return result;
}

bool available(const std::string &subject)
{
  const std::string name = subject.substr(0, subject.find(' '));
  GstElementFactory *factory = gst_element_factory_find(name.c_str());
  if (factory == nullptr)
    return false;
  gst_object_unref(factory);
  return true;
}

}  // namespace streamlib::bench
