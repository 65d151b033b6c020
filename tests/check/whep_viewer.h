// SPDX-License-Identifier: LGPL-2.1-or-later
// A pipeline with slwhepsrc, and what comes out of it.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "bus_problem.h"
#include "gst/support/ownership.h"
#include "patience.h"
#include "webrtc_far_peer.h"

namespace fixture {

// A buffer that came out at the end of a line.
struct Seen {
  GstClockTime running = GST_CLOCK_TIME_NONE;
  bool is_key = false;
  bool is_discont = false;
  gsize size = 0;
  // Of raw pictures: the middles of the bars. Of raw sound: the greatest sample.
  guint8 y[kBars] = {};
  guint8 u[kBars] = {};
  guint8 v[kBars] = {};
  int peak = 0;
};

class Viewer {
public:
  // The launch line that a pad is linked to when it appears; empty: it stays as it is. A line
  // begins with what is linked and has no sink.
  Viewer(const std::string &endpoint, std::map<streamlib::webrtc::MediaKind, std::string> lines);
  ~Viewer();
  Viewer(const Viewer &) = delete;
  Viewer &operator=(const Viewer &) = delete;

  GstElement *src() const { return src_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }
  void play();
  // Returns how long it took, in microseconds.
  gint64 stop();

  // As the pad appearing would have done it.
  void link(streamlib::webrtc::MediaKind kind, const std::string &line);
  void unlink(streamlib::webrtc::MediaKind kind);

  std::vector<Seen> seen(streamlib::webrtc::MediaKind kind);
  size_t count(streamlib::webrtc::MediaKind kind);
  std::string caps(streamlib::webrtc::MediaKind kind);
  std::string state() const;
  guint64 pad_stat(const char *pad, const char *field) const;
  std::string stats_text() const;

  using Problem = BusProblem;
  // Waits for an error, or for a warning; an empty text where none comes.
  Problem problem(GstMessageType type, int ms = 10000)
  {
    return problem_of(pipeline_.get(), type, ms);
  }
  streamlib::support::MiniPtr<GstMessage> message(GstMessageType type, int ms = 10000)
  {
    return message_of(pipeline_.get(), type, ms);
  }

  std::atomic<int> pads_added = 0;
  std::atomic<int> pads_removed = 0;
  std::atomic<int> no_more_pads = 0;

private:
  struct Line {
    std::mutex mutex;
    std::vector<Seen> seen;
    streamlib::support::MiniPtr<GstCaps> caps;
    streamlib::support::GObjectPtr<GstElement> bin;
    streamlib::support::GObjectPtr<GstPad> pad;
  };
  Line &line_of(streamlib::webrtc::MediaKind kind) { return lines_[static_cast<size_t>(kind)]; }
  static void on_buffer(GstElement *, GstBuffer *buffer, GstPad *pad, gpointer line);
  static void on_pad(GstElement *, GstPad *pad, gpointer self);

  const std::map<streamlib::webrtc::MediaKind, std::string> texts_;
  // By MediaKind.
  std::array<Line, 2> lines_;
  streamlib::support::GObjectPtr<GstElement> pipeline_;
  streamlib::support::GObjectPtr<GstElement> src_;
};

}  // namespace fixture
