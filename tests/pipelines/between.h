// SPDX-License-Identifier: LGPL-2.1-or-later
// One element between a pad that the test pushes into and a pad that keeps a log.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "tests/pipelines/pipeline.h"

namespace pipelines {

// The element in its plainest form, and the one whose behaviour counts.
inline constexpr const char *kLossless = "sllink policy=lossless";
inline constexpr const char *kQueue = "queue max-size-buffers=16 max-size-bytes=0 max-size-time=0";

class Between {
public:
  explicit Between(const std::string &element);
  Between(const Between &) = delete;
  Between &operator=(const Between &) = delete;
  ~Between();

  GstElement *element() const { return element_.get(); }
  GstPad *src() const { return src_.get(); }
  GstPad *sink() const { return sink_.get(); }

  // STREAM_START, CAPS and a TIME segment.
  void open(const char *caps = "application/x-test");
  bool event(GstEvent *event) { return gst_pad_push_event(src_.get(), event); }
  GstFlowReturn push(guint number, int flags = 0);
  GstFlowReturn push_buffer(GstBuffer *buffer) { return gst_pad_push(src_.get(), buffer); }

  // What arrived, one line each; waits until `count` lines are there.
  std::vector<std::string> lines(size_t count);
  std::vector<std::string> lines_now() const;
  // The buffers and lists that arrived, as they are.
  std::vector<MiniPtr<GstMiniObject>> data(size_t count);

  // What the far pad answers to data.
  std::atomic<GstFlowReturn> answer = GST_FLOW_OK;
  // While closed the far pad does not return from its chain function.
  void close_gate();
  void open_gate();
  bool is_at_gate() const { return at_gate_.load(); }
  // Answers queries in place of the default.
  std::function<bool(GstQuery *)> on_query;
  std::function<bool(GstQuery *)> on_upstream_query;
  // Upstream events that arrived at the near pad.
  std::atomic<int> reconfigures = 0;

private:
  static GstFlowReturn chain(GstPad *pad, GstObject *parent, GstBuffer *buffer);
  static GstFlowReturn chain_list(GstPad *pad, GstObject *parent, GstBufferList *list);
  static gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean sink_query(GstPad *pad, GstObject *parent, GstQuery *query);
  static gboolean src_event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean src_query(GstPad *pad, GstObject *parent, GstQuery *query);
  static Between *of(GstPad *pad) { return static_cast<Between *>(GST_PAD_ELEMENT_PRIVATE(pad)); }
  bool is_flushing();
  GstFlowReturn take(GstMiniObject *data);
  void note(std::string line);

  GObjectPtr<GstElement> element_;
  GObjectPtr<GstPad> src_;
  GObjectPtr<GstPad> sink_;
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  std::vector<MiniPtr<GstMiniObject>> data_;
  std::atomic<bool> gate_closed_ = false;
  std::atomic<bool> at_gate_ = false;
};

MiniPtr<GstBuffer> numbered_buffer(guint number);

}  // namespace pipelines
