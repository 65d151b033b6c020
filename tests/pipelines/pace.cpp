// SPDX-License-Identifier: LGPL-2.1-or-later
// What takes time: frames that must be shown in spite of a long latency, the time that buffers
// spend in a link, and downstream elements that do not return.
#include <atomic>
#include <cmath>

#include "tests/pipelines/pipeline.h"

namespace {

using namespace pipelines;

// Calls back for each buffer that reaches a fakesink, in its thread, before it is dropped.
class Handoff {
public:
  using Callback = void (*)(GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data);
  Handoff(GstElement *sink, Callback callback, gpointer data)
  {
    g_object_set(sink, "signal-handoffs", TRUE, nullptr);
    handler_ = streamlib::support::SignalHandler(sink, "handoff", G_CALLBACK(callback), data);
  }

private:
  streamlib::support::SignalHandler handler_;
};

guint64 rendered(GstElement *sink)
{
  GstStructure *raw = nullptr;
  g_object_get(sink, "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  guint64 count = 0;
  fail_unless(gst_structure_get_uint64(raw, "rendered", &count));
  return count;
}

// --- Latency ---

// The audio branch makes the latency of the whole pipeline 300 ms and more; the sink of the video
// waits for the clock, so each frame stands there for about ten frame times.
GST_START_TEST(test_latest_shows_what_is_in_time)
{
  Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=120 ! "
      "video/x-raw,width=64,height=48,framerate=30/1 ! sllink name=link policy=latest ! "
      "fakesink name=sink sync=true qos=true max-lateness=20000000 "
      "audiotestsrc is-live=true ! audiomixer latency=320000000 ! fakesink sync=true name=other");
  pipeline.begin(GST_STATE_PLAYING);
  const auto sink = pipeline.element("sink");
  const auto link = pipeline.element("link");
  const auto pad = pipeline.pad("sink", "sink");
  const auto has_ended = [&] {
    const streamlib::support::ObjectLock lock(pad.get());
    return GST_PAD_IS_EOS(pad.get());
  };
  fail_unless(eventually(has_ended, 10), "the video does not end");
  const auto query = adopt_mini(gst_query_new_latency());
  fail_unless(gst_element_query(pipeline.get(), query.get()));
  GstClockTime latency;
  gst_query_parse_latency(query.get(), nullptr, &latency, nullptr);
  fail_unless(latency >= 320 * GST_MSECOND, "the latency is only %u ms",
              static_cast<unsigned>(latency / GST_MSECOND));
  const auto shown = static_cast<unsigned>(rendered(sink.get()));
  fail_unless(shown >= 114, "%u of 120 frames were shown", shown);
}
GST_END_TEST;

struct SlowSink {
  GstClock *clock = nullptr;
  GstClockTime base_time = 0;
  std::atomic<unsigned> frames = 0;
  std::atomic<unsigned> old_frames = 0;

  // Three frame times for each frame.
  static void show(GstElement *sink, GstBuffer *buffer, GstPad *, gpointer data)
  {
    auto *self = static_cast<SlowSink *>(data);
    const auto clock = adopt_object(gst_element_get_clock(sink));
    const GstClockTime now = gst_clock_get_time(clock.get()) - gst_element_get_base_time(sink);
    // The newest frame is at most one frame time old, and a little for the way here.
    const GstClockTime age = now - std::min(now, GST_BUFFER_PTS(buffer));
    if (self->frames++ >= 2 && age > 34 * GST_MSECOND + 25 * GST_MSECOND)
      self->old_frames++;
    g_usleep(100000);
  }
};

GST_START_TEST(test_latest_gives_a_slow_sink_the_newest)
{
  Pipeline pipeline(
      "videotestsrc is-live=true num-buffers=90 ! video/x-raw,width=64,height=48,framerate=30/1 ! "
      "sllink name=link policy=latest ! fakesink name=sink sync=false");
  SlowSink slow;
  const Handoff handoff(pipeline.element("sink").get(), SlowSink::show, &slow);
  pipeline.run();
  fail_unless(slow.frames >= 25 && slow.frames <= 36, "%u frames in 3 s", slow.frames.load());
  // One late wake-up on a busy machine is not a fault.
  fail_unless(slow.old_frames <= slow.frames / 10, "%u of %u frames were not the newest",
              slow.old_frames.load(), slow.frames.load());
  const auto link = pipeline.element("link");
  fail_unless_equals_uint64(stat(link.get(), "pushed"), 90);
  fail_unless_equals_uint64(stat(link.get(), "dropped"), 90 - slow.frames.load());
  fail_unless_equals_uint64(stat(link.get(), "dropped-stale") + stat(link.get(), "dropped-full"),
                            stat(link.get(), "dropped"));
}
GST_END_TEST;

// --- Time in the link ---

void sleep_10_ms(GstElement *, GstBuffer *, GstPad *, gpointer)
{
  g_usleep(10000);
}

// With a depth of one the next buffer comes when the one before is taken, and waits until the sink
// has done with that one.
GST_START_TEST(test_queueing_behind_a_slow_sink)
{
  Pipeline pipeline(
      "audiotestsrc samplesperbuffer=64 num-buffers=120 ! sllink name=link policy=lossless depth=1 "
      "! fakesink name=sink sync=false");
  const Handoff handoff(pipeline.element("sink").get(), sleep_10_ms, nullptr);
  pipeline.run();
  const auto link = pipeline.element("link");
  const guint64 p50 = stat(link.get(), "queueing-p50");
  fail_unless(p50 >= 8 * GST_MSECOND && p50 <= 14 * GST_MSECOND, "p50 is %u us",
              static_cast<unsigned>(p50 / GST_USECOND));
  fail_unless_equals_uint64(stat(link.get(), "popped"), 120);
}
GST_END_TEST;

GST_START_TEST(test_queueing_before_a_fast_sink)
{
  Pipeline pipeline(
      "audiotestsrc is-live=true samplesperbuffer=48 num-buffers=2000 ! audio/x-raw,rate=48000 ! "
      "sllink name=link policy=lossless ! fakesink sync=false");
  pipeline.run();
  const auto link = pipeline.element("link");
  const guint64 p50 = stat(link.get(), "queueing-p50");
  fail_unless(p50 > 0 && p50 < GST_MSECOND, "p50 is %u us",
              static_cast<unsigned>(p50 / GST_USECOND));
  fail_unless_equals_uint64(stat(link.get(), "sampled"), 1);
}
GST_END_TEST;

// --- A downstream element that does not return ---

struct Blocker {
  std::atomic<bool> blocks = true;
  std::atomic<bool> is_in = false;

  static void wait(GstElement *, GstBuffer *, GstPad *, gpointer data)
  {
    auto *self = static_cast<Blocker *>(data);
    self->is_in = true;
    while (self->blocks)
      g_usleep(1000);
    self->is_in = false;
  }
};

GST_START_TEST(test_stall_is_named)
{
  const unsigned threads_before = thread_count();
  {
    Pipeline pipeline(
        "audiotestsrc is-live=true ! sllink name=link ! fakesink name=stuck sync=false");
    Blocker blocker;
    const auto sink = pipeline.element("stuck");
    const Handoff handoff(sink.get(), Blocker::wait, &blocker);
    pipeline.begin(GST_STATE_PLAYING);
    fail_unless(eventually([&] { return blocker.is_in.load(); }));
    const gint64 since = g_get_monotonic_time();
    const auto message = pipeline.expect_element_message("streamlib-stall", 5);
    const double took = static_cast<double>(g_get_monotonic_time() - since) / 1e6;
    fail_unless(took < 1.5 * slowness(), "it took %g s", took);

    const GstStructure *details = gst_message_get_structure(message.get());
    ck_assert_str_eq(gst_structure_get_string(details, "element"), "link");
    ck_assert_str_eq(gst_structure_get_string(details, "phase"), "push");
    ck_assert_str_eq(gst_structure_get_string(details, "peer"), "stuck");
    const gchar *pad = gst_structure_get_string(details, "pad");
    fail_unless(pad != nullptr && g_str_has_suffix(pad, "link.GstPad:src"), "pad %s", pad);
    gint64 thread = 0;
    fail_unless(gst_structure_get_int64(details, "thread", &thread));
    gchar *name = nullptr;
    const std::string comm = "/proc/self/task/" + std::to_string(thread) + "/comm";
    fail_unless(g_file_get_contents(comm.c_str(), &name, nullptr, nullptr), "no thread %d",
                static_cast<int>(thread));
    const streamlib::support::CStr owned_name(name);
    ck_assert_str_eq(name, "link\n");

    // A plain pipeline ends as soon as the foreign element returns.
    std::atomic<gint64> released = 0;
    GThread *release = g_thread_new(
        "release",
        [](gpointer data) -> gpointer {
          g_usleep(300000);
          static_cast<Blocker *>(data)->blocks = false;
          return nullptr;
        },
        &blocker);
    const gint64 stop = g_get_monotonic_time();
    gst_element_set_state(pipeline.get(), GST_STATE_NULL);
    released = g_get_monotonic_time();
    g_thread_join(release);
    fail_unless(released - stop < static_cast<gint64>(1e6 * slowness()), "NULL took %g s",
                static_cast<double>(released - stop) / 1e6);
    fail_if(blocker.is_in.load());
  }
  gst_task_cleanup_all();
  g_thread_pool_stop_unused_threads();
  // The thread with which GLib starts those of its pools stays.
  fail_unless(eventually([&] { return thread_count() <= threads_before + 1; }),
              "%u threads, %u before", thread_count(), threads_before);
}
GST_END_TEST;

GST_START_TEST(test_stall_over_is_said)
{
  Pipeline pipeline(
      "audiotestsrc is-live=true ! sllink name=link ! fakesink name=stuck sync=false");
  Blocker blocker;
  const Handoff handoff(pipeline.element("stuck").get(), Blocker::wait, &blocker);
  pipeline.begin(GST_STATE_PLAYING);
  pipeline.expect_element_message("streamlib-stall", 5);
  blocker.blocks = false;
  const auto message = pipeline.expect_element_message("streamlib-stall-over", 5);
  guint64 duration = 0;
  fail_unless(
      gst_structure_get_uint64(gst_message_get_structure(message.get()), "duration", &duration));
  fail_unless(duration >= GST_SECOND, "%u ms", static_cast<unsigned>(duration / GST_MSECOND));
}
GST_END_TEST;

// A sink that waits for the clock does what it should, also where a second lasts four.
GST_START_TEST(test_slow_motion_is_no_stall)
{
  Pipeline pipeline(
      "videotestsrc ! video/x-raw,width=64,height=48,framerate=2/1 ! sllink ! fakesink sync=true");
  pipeline.go(GST_STATE_PAUSED);
  pipeline.seek(0.25, GST_SEEK_FLAG_FLUSH, 0);
  pipeline.go(GST_STATE_PLAYING);
  const gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
  while (g_get_monotonic_time() < end) {
    const auto message = pipeline.poll(GST_MESSAGE_ELEMENT, 0.2);
    fail_if(message && gst_message_has_name(message.get(), "streamlib-stall"),
            "a sink that waits for the clock is called stuck");
  }
}
GST_END_TEST;

Suite *pace_suite()
{
  Suite *suite = suite_create("pace");
  TCase *latency = tcase_create("latency");
  suite_add_tcase(suite, latency);
  ADD_CASE(latency, test_latest_shows_what_is_in_time, "sllink", "videotestsrc", "audiomixer");
  ADD_CASE(latency, test_latest_gives_a_slow_sink_the_newest, "sllink", "videotestsrc");
  TCase *queueing = tcase_create("queueing");
  suite_add_tcase(suite, queueing);
  ADD_CASE(queueing, test_queueing_behind_a_slow_sink, "sllink", "audiotestsrc");
  ADD_CASE(queueing, test_queueing_before_a_fast_sink, "sllink", "audiotestsrc");
  TCase *stall = tcase_create("stall");
  suite_add_tcase(suite, stall);
  ADD_CASE(stall, test_stall_is_named, "sllink", "audiotestsrc");
  ADD_CASE(stall, test_stall_over_is_said, "sllink", "audiotestsrc");
  ADD_CASE(stall, test_slow_motion_is_no_stall, "sllink", "videotestsrc");
  return suite;
}

}  // namespace

PIPELINE_TEST_MAIN(pace_suite)
