// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor of the test's own between pads of the test's own, for the tests of GstSlProcessor.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/streamlib.h"
#include "gst/support/ownership.h"
#include "patience.h"

namespace fixture {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::share_mini;
using streamlib::support::share_object;
using streamlib::support::StructurePtr;

// What a test processor does; what is empty is left to the base class.
struct Hooks {
  std::function<bool(GError **)> setup;
  std::function<void()> teardown;
  // Without it a buffer is passed on as it is.
  std::function<GstFlowReturn(GstSlLinkPad *, GstBuffer *, GstBuffer **)> process;
  // Of the kinds that await only.
  std::function<void(GstSlLinkPad *, GstBuffer *, GTask *)> process_async;
  std::function<GstFlowReturn(GTask *, GstBuffer **, GError **)> process_finish;
  std::function<bool(GError **)> start;
  std::function<void()> stop;
  std::function<GstFlowReturn(GstSlLinkPad *, GstBufferList *)> process_list;
  // Of the kind Caps only.
  std::function<bool(GstSlLinkPad *, GstCaps *)> set_caps;
  // True: the event was taken (transfer full).
  std::function<bool(GstSlLinkPad *, GstEvent *)> sink_event;
};

// Pads: Filter and Caps one of each, Source and Sink the one that they need, Join and JoinSink link
// pads on request, and Join a source pad. Caps is told of caps. Those with Await in their name have
// process_async in place of process, and scheduling=async.
enum class Kind {
  Filter,
  Source,
  Sink,
  Join,
  JoinSink,
  Caps,
  AwaitFilter,
  AwaitSource,
  AwaitJoin,
};

GObjectPtr<GstSlProcessor> make_processor(Kind kind, Hooks hooks, const char *name = "processor");

// A buffer with its time and, in its offset, a number by which to know it again.
GstBuffer *make_buffer(GstClockTime pts, guint64 number = GST_BUFFER_OFFSET_NONE,
                       GstClockTime duration = GST_CLOCK_TIME_NONE);

// For a process method that wants nothing of the buffer.
inline GstFlowReturn take(GstBuffer *input)
{
  gst_clear_buffer(&input);
  return GST_FLOW_OK;
}

// A pad that feeds a link pad of a processor.
class Feeder {
public:
  // `sink` is a pad's name, or the name of a request pad's template.
  Feeder(GstSlProcessor *processor, const char *sink);
  Feeder(const Feeder &) = delete;
  Feeder &operator=(const Feeder &) = delete;
  ~Feeder();

  GstPad *pad() const { return pad_.get(); }
  GstSlLinkPad *sink() const { return GST_SL_LINK_PAD(sink_.get()); }

  // STREAM_START, CAPS and a TIME segment.
  void open(GstClockTime segment_start = 0, GstClockTime base = 0,
            const char *caps = "application/x-test");
  void segment(GstClockTime start, GstClockTime base = 0);
  GstFlowReturn push(GstClockTime pts, guint64 number = GST_BUFFER_OFFSET_NONE,
                     GstClockTime duration = GST_CLOCK_TIME_NONE);
  bool event(GstEvent *event) { return gst_pad_push_event(pad_.get(), event); }
  bool eos() { return event(gst_event_new_eos()); }
  void flush();
  guint64 stat(const char *field) const;

  // What the pad answers upstream. To be set before data flows.
  std::function<bool(GstEvent *)> on_event;
  bool live = false;
  GstClockTime min_latency = 0;
  GstClockTime max_latency = GST_CLOCK_TIME_NONE;
  std::atomic<int> seeks = 0;

private:
  static gboolean handle_event(GstPad *pad, GstObject *parent, GstEvent *event);
  static gboolean handle_query(GstPad *pad, GstObject *parent, GstQuery *query);

  GObjectPtr<GstPad> pad_;
  GObjectPtr<GstPad> sink_;
};

// What came out of a processor: a buffer, or an event, of type `event`.
struct Seen {
  GstEventType event = GST_EVENT_UNKNOWN;
  MiniPtr<GstMiniObject> object;
  bool is_buffer() const { return event == GST_EVENT_UNKNOWN; }
  GstBuffer *buffer() const { return GST_BUFFER_CAST(object.get()); }
};

// A pad after a source pad of a processor, which keeps all that comes.
class Recorder {
public:
  explicit Recorder(GstSlProcessor *processor, const char *src = "src");
  Recorder(const Recorder &) = delete;
  Recorder &operator=(const Recorder &) = delete;
  ~Recorder();

  GstPad *pad() const { return pad_.get(); }
  std::vector<Seen> seen() const;
  // The offsets of the buffers.
  std::vector<guint64> numbers() const;
  size_t buffers() const;
  size_t count(GstEventType type) const;
  bool has_eos() const { return count(GST_EVENT_EOS) > 0; }
  void clear();

  // Called with each buffer, which stays the recorder's. To be set before data flows.
  std::function<GstFlowReturn(GstBuffer *)> on_buffer;

private:
  static GstFlowReturn take_buffer(GstPad *pad, GstObject *parent, GstBuffer *buffer);
  static gboolean take_event(GstPad *pad, GstObject *parent, GstEvent *event);

  GObjectPtr<GstPad> pad_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

// A processor with a bus, alone in the world. Goes to NULL with the rig.
class Rig {
public:
  Rig(Kind kind, Hooks hooks, const char *name = "processor");
  Rig(const Rig &) = delete;
  Rig &operator=(const Rig &) = delete;
  ~Rig();

  GstSlProcessor *processor() const { return processor_.get(); }
  GstElement *element() const { return GST_ELEMENT_CAST(processor_.get()); }
  GstBus *bus() const { return bus_.get(); }
  Feeder &add_feeder(const char *sink = nullptr);
  Feeder &feeder(size_t i = 0) { return *feeders_[i]; }
  Recorder &add_recorder();
  Recorder &out() { return *recorder_; }

  GstStateChangeReturn set_state(GstState state) { return gst_element_set_state(element(), state); }
  // With the clock and a base time of now.
  void play(GstClock *clock = nullptr);
  void stop();
  template <typename T>
  void set(const char *property, T value)
  {
    g_object_set(processor_.get(), property, value, nullptr);
  }
  StructurePtr stats() const;
  guint64 stat(const char *field) const;
  // The next message of `types`; null when none comes in time.
  MiniPtr<GstMessage> message(GstMessageType types, int ms = 10000);
  // The next element message with that name; others before it are dropped.
  MiniPtr<GstMessage> element_message(const char *name, int ms);

private:
  const Kind kind_;
  GObjectPtr<GstBus> bus_;
  GObjectPtr<GstSlProcessor> processor_;
  std::vector<std::unique_ptr<Feeder>> feeders_;
  std::unique_ptr<Recorder> recorder_;
};

// The text of an error or warning message.
std::string text_of(GstMessage *message);

// A gate that a test closes and opens.
class Gate {
public:
  void wait();
  void open();
  bool has_visitor() const { return visitors_.load() > 0; }

private:
  std::atomic<bool> is_open_ = false;
  std::atomic<int> visitors_ = 0;
};

}  // namespace fixture
