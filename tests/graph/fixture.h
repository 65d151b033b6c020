// SPDX-License-Identifier: LGPL-2.1-or-later
// A graph in a pipeline, what its bus says, what reaches its sinks, and an element that can be made
// slow, stuck or broken.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>
#include <gst/streamlib/streamlib.h>
#undef fail

#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace graphs {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::PadProbe;
using streamlib::support::share_object;
using streamlib::support::sink_object;

double slowness();
bool eventually(const std::function<bool()> &done, double seconds = 5);
unsigned thread_count();
unsigned descriptor_count();
// In KiB.
size_t resident_memory();

// What the dispatcher said to a set-up that called the runtime thread, and how long that took.
struct CallAnswer {
  std::string error;
  int code = -1;
  int64_t took_ms = -1;
};
CallAnswer call_answer();

// Registers `troublefilter`, a filter that passes on. Its properties: setup-ms (sleeps on the way
// to PAUSED), setup-fails, setup-calls (the runtime thread, see
// call_answer()), stop-fails (once, on the way back to READY), and stuck (a buffer does not
// come back before let_go()).
void register_trouble();
void let_go();

struct Event {
  std::string name;
  std::string subject;  // A node's id, or "from -> to".
  std::string detail;
  uint64_t sequence = 0;
};

// What one sink pad saw.
class Tap {
public:
  explicit Tap(GstPad *pad);

  uint64_t buffers() const { return buffers_.load(); }
  // Buffers whose offset does not follow the one before.
  uint64_t gaps() const { return gaps_.load(); }
  // The longest time between two buffers, in microseconds.
  int64_t longest_pause() const { return longest_pause_.load(); }
  uint64_t threads() const { return threads_.load(); }
  bool has_eos() const { return eos_.load(); }

private:
  static GstPadProbeReturn on_data(GstPad *pad, GstPadProbeInfo *info, gpointer self);

  std::atomic<uint64_t> buffers_ = 0;
  std::atomic<uint64_t> gaps_ = 0;
  std::atomic<int64_t> longest_pause_ = 0;
  std::atomic<uint64_t> threads_ = 0;
  std::atomic<bool> eos_ = false;
  // The streaming thread's.
  guint64 last_offset_ = GST_BUFFER_OFFSET_NONE;
  gint64 last_time_ = 0;
  GThread *thread_ = nullptr;
  PadProbe probe_;
};

class TestGraph {
public:
  // Fails the test when the description is refused.
  explicit TestGraph(const std::string &description = {});
  TestGraph(const TestGraph &) = delete;
  TestGraph &operator=(const TestGraph &) = delete;
  ~TestGraph();

  GstSlGraph *get() const { return graph_.get(); }
  GstElement *pipeline() const { return pipeline_.get(); }

  void play();
  // How long it took, in milliseconds.
  int64_t stop();

  // The error's text; empty where all went well.
  std::string apply(const std::string &description);
  std::string add(const std::string &id, const std::string &node);
  std::string remove(const std::string &id);
  std::string replace(const std::string &id, const char *node = nullptr);
  std::string link(const std::string &from, const std::string &to, const char *options = nullptr);
  std::string unlink(const std::string &from, const std::string &to);
  std::string configure(const std::string &id, const std::string &property, const char *value);

  GObjectPtr<GstElement> node(const std::string &id) const;
  std::unique_ptr<Tap> tap(const std::string &id, const char *pad = "sink") const;
  std::string describe() const;
  std::string stats() const;

  std::vector<Event> events(const std::string &name = {}) const;
  // Texts of the errors and warnings of the bus.
  std::vector<std::string> errors() const;
  std::vector<std::string> warnings() const;
  bool has_eos() const { return eos_.load(); }

private:
  static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer self);

  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstSlGraph> graph_;
  std::atomic<bool> eos_ = false;
  mutable std::mutex mutex_;  // Guards the following.
  std::vector<Event> events_;
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

// Check's own macro keeps a pointer into a temporary.
void check_equal(const std::string &found, const std::string &expected);

// Runs a suite as each program here does.
int run(Suite *suite);

}  // namespace graphs
