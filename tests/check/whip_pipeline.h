// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline with slwhipsink, as a user has it.
#pragma once

#include <string>

#include "bus_problem.h"
#include "ext/webrtc/gstslwhipsink.h"
#include "whip_server.h"

namespace fixture {

inline constexpr char kVideo[] =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=30/1";
inline constexpr char kAudio[] =
    "audiotestsrc is-live=true samplesperbuffer=480 ! audio/x-raw,rate=48000,channels=2";

class Publisher {
public:
  Publisher(const WhipServer &server, const std::string &properties, const std::string &sources)
      : Publisher(server.endpoint(), properties, sources)
  {}
  Publisher(const std::string &endpoint, const std::string &properties, const std::string &sources)
  {
    GError *error = nullptr;
    const std::string line =
        "slwhipsink name=whip whip-endpoint=" + endpoint + " " + properties + " " + sources;
    pipeline_ = adopt_object(gst_parse_launch(line.c_str(), &error));
    ck_assert_msg(error == nullptr, "%s", error != nullptr ? error->message : "");
    sink_ = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "whip"));
  }
  Publisher(const Publisher &) = delete;
  Publisher &operator=(const Publisher &) = delete;
  ~Publisher() { stop(); }

  GstElement *sink() const { return sink_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }
  GstStateChangeReturn set(GstState state) { return gst_element_set_state(pipeline_.get(), state); }
  void play() { ck_assert_int_ne(set(GST_STATE_PLAYING), GST_STATE_CHANGE_FAILURE); }
  // In milliseconds.
  int stop()
  {
    const gint64 begin = g_get_monotonic_time();
    set(GST_STATE_NULL);
    return static_cast<int>((g_get_monotonic_time() - begin) / 1000);
  }
  std::string state() const
  {
    const StructurePtr all = stats();
    const char *text = gst_structure_get_string(all.get(), "state");
    return text != nullptr ? text : "";
  }
  StructurePtr stats() const
  {
    GstStructure *stats = nullptr;
    g_object_get(sink_.get(), "stats", &stats, nullptr);
    return StructurePtr(stats);
  }
  std::string stats_text() const
  {
    const streamlib::support::CStr text(gst_structure_to_string(stats().get()));
    return text.get();
  }
  using Problem = BusProblem;
  MiniPtr<GstMessage> message(GstMessageType type, int ms)
  {
    return message_of(pipeline_.get(), type, ms);
  }
  Problem problem(GstMessageType type, int ms) { return problem_of(pipeline_.get(), type, ms); }
  Problem error(int ms = 10000) { return problem(GST_MESSAGE_ERROR, ms); }

private:
  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstElement> sink_;
};

inline std::string to(const char *pad, const std::string &line)
{
  return line + " ! whip." + pad + " ";
}

inline void check_flows(Publisher &publisher, const WhipServer &server, MediaKind kind,
                        size_t count)
{
  const bool flowed = eventually([&] { return server.buffers_of_last(kind) >= count; });
  ck_assert_msg(flowed, "%s | %s", publisher.stats_text().c_str(), publisher.error(0).text.c_str());
}

// A figure of `stats`.
inline guint stat(const Publisher &publisher, const char *field)
{
  const StructurePtr stats = publisher.stats();
  guint value = 0;
  ck_assert(gst_structure_get_uint(stats.get(), field, &value));
  return value;
}

}  // namespace fixture
