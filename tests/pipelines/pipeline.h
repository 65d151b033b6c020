// SPDX-License-Identifier: LGPL-2.1-or-later
// What the tests of this folder share: pipelines that end with their scope, logs of what passes a
// pad, and limits in time that know of sanitizers.
#pragma once

#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <vector>

#include <gst/check/gstcheck.h>
#include <gst/gst.h>
// Check's macro is in the way of std::ios::fail().
#undef fail

#include "gst/support/guards.h"
#include "gst/support/ownership.h"

namespace pipelines {

using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::GObjectPtr;
using streamlib::support::MiniPtr;
using streamlib::support::PadProbe;
using streamlib::support::share_mini;
using streamlib::support::share_object;
using streamlib::support::sink_object;
using streamlib::support::StructurePtr;

// How much longer things take than in a normal build.
double slowness();
// A limit for something that normally takes far less.
GstClockTime limit_s(double seconds);
// Looks again and again until `done` says true; false when the limit has passed.
bool eventually(const std::function<bool()> &done, double seconds = 5);

// Threads of this process.
unsigned thread_count();

// True when all these elements exist; says which does not, and why that matters.
bool have_elements(std::initializer_list<const char *> factories);
// Adds a case that needs elements; leaves it out, with a line that says so, where one is missing.
void add_case(TCase *tcase, const char *name, TFun test,
              std::initializer_list<const char *> factories);
#define ADD_CASE(tcase, test, ...) pipelines::add_case(tcase, #test, test, {__VA_ARGS__})

// A folder that goes with its scope.
class TempFolder {
public:
  TempFolder();
  TempFolder(const TempFolder &) = delete;
  TempFolder &operator=(const TempFolder &) = delete;
  ~TempFolder();
  std::string file(const char *name) const { return path_ + "/" + name; }

private:
  std::string path_;
};

// What passed a pad, one line for each buffer, list and event. Events that a pad sees only because
// of how it was linked (RECONFIGURE, LATENCY, QOS, which go upstream) are not part of it.
class PadLog {
public:
  enum What { Buffers = 1, Events = 2, All = 3 };

  explicit PadLog(GstPad *pad, What what = All);
  PadLog(const PadLog &) = delete;
  PadLog &operator=(const PadLog &) = delete;

  std::vector<std::string> lines() const;
  size_t count(const char *prefix) const;
  size_t buffers() const { return count("buffer"); }
  void clear();

private:
  static GstPadProbeReturn note(GstPad *pad, GstPadProbeInfo *info, gpointer self);
  void add(std::string line);

  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
  PadProbe probe_;
};

// One line about a buffer or an event, without what differs from run to run.
std::string describe(GstBuffer *buffer);
std::string describe(GstEvent *event);

class Pipeline {
public:
  // Fails the test when the description does not parse.
  explicit Pipeline(const std::string &description);
  Pipeline(const Pipeline &) = delete;
  Pipeline &operator=(const Pipeline &) = delete;
  ~Pipeline();

  GstElement *get() const { return pipeline_.get(); }
  GstBin *bin() const { return GST_BIN(pipeline_.get()); }
  GObjectPtr<GstElement> element(const char *name) const;
  // The sink or source pad of an element, or another one by its name.
  GObjectPtr<GstPad> pad(const char *element, const char *pad) const;

  // Asks for a state and waits until it is there; fails the test when it does not come.
  void go(GstState state, double seconds = 20);
  // Asks for a state and does not wait.
  void begin(GstState state);
  // The first message of these types; fails the test at an error that is none of them, and when
  // none comes.
  MiniPtr<GstMessage> expect(GstMessageType types, double seconds = 20);
  // The element message of this name.
  MiniPtr<GstMessage> expect_element_message(const char *name, double seconds);
  // Null when none came.
  MiniPtr<GstMessage> poll(GstMessageType types, double seconds);
  // PLAYING up to EOS.
  void run(double seconds = 40);
  void seek(double rate, GstSeekFlags flags, GstClockTime start,
            GstClockTime stop = GST_CLOCK_TIME_NONE);
  GstClockTime position() const;

private:
  GObjectPtr<GstElement> pipeline_;
  GObjectPtr<GstBus> bus_;
};

// Replaces each LINK in a description.
std::string with_link(std::string description, const std::string &link);

// A field of the stats of an sllink.
guint64 stat(GstElement *link, const char *field);

}  // namespace pipelines

// Main of a test program; a program of which no case can run here is skipped.
#define PIPELINE_TEST_MAIN(suite_function)                         \
  int main(int argc, char **argv)                                  \
  {                                                                \
    gst_check_init(&argc, &argv);                                  \
    Suite *suite = suite_function();                               \
    return pipelines::run_suite(suite, #suite_function, __FILE__); \
  }

namespace pipelines {
int run_suite(Suite *suite, const char *name, const char *file);
}
