// SPDX-License-Identifier: LGPL-2.1-or-later
// The pipelines that the stress test works on and what it prints of them, and what it shares with
// the mixed load.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include <gst/gst.h>

#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace stress {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::GObjectPtr;
using streamlib::support::PadProbe;
using streamlib::support::StructurePtr;

// What takes the place of a link.
extern std::string link_element;
extern std::atomic<unsigned> faults;

bool has_our_links();
// How much slower than usual everything is.
double slowness();
// Takes GStreamer's formats too.
void fault(const char *format, ...);
std::string first_line(const std::string &file);

using Random = std::minstd_rand;
// From 0 to `limit` - 1.
unsigned below(Random &random, unsigned limit);

// The names of the threads that are there of those of runtimes and of those that `is_ours` says are
// of elements. Those of GStreamer's own pool stay for a while.
std::string threads_left(bool (*is_ours)(const std::string &name));

constexpr unsigned kPipelines = 20;

struct Sink {
  std::atomic<uint64_t> buffers = 0;
  PadProbe probe;

  static GstPadProbeReturn on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer self);
};

class Subject {
public:
  explicit Subject(unsigned index);
  Subject(const Subject &) = delete;
  Subject &operator=(const Subject &) = delete;
  ~Subject();

  GstElement *pipeline() const { return pipeline_.get(); }
  bool is_live() const { return is_live_; }
  bool has_mixer() const { return has_mixer_; }
  const std::vector<GObjectPtr<GstElement>> &links() const { return links_; }
  std::vector<std::unique_ptr<Sink>> &sinks() { return sinks_; }

  // When a link was flushed last.
  std::atomic<gint64> flushed_at = 0;
  // As in an application, one thread seeks at a time; states change whenever they like.
  std::mutex seeking;
  // Held by whoever changes the state, or must not have it changed.
  std::mutex changing;

private:
  static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer self);

  GObjectPtr<GstElement> pipeline_;
  bool is_live_ = false;
  bool has_mixer_ = false;
  std::vector<GObjectPtr<GstElement>> links_;
  std::vector<std::unique_ptr<Sink>> sinks_;
};

using Subjects = std::vector<std::unique_ptr<Subject>>;

// These ask for nothing that could hang as well.
void print_links(const Subject &subject);
void print_all(const Subjects &subjects);
// Where each thread stands, if there is a debugger.
void print_stacks();

}  // namespace stress
