// SPDX-License-Identifier: LGPL-2.1-or-later
// The life of sllinks in a pipeline: states at any moment, blocks, pads that come and go, what is
// shared between elements, and that nothing is left.
#include <random>
#include <thread>

#include <gst/streamlib/streamlib.h>

#include "tests/pipelines/between.h"

namespace {

using namespace pipelines;

// --- States ---

GST_START_TEST(test_state_cycles_at_random_moments)
{
  Pipeline pipeline(
      "audiotestsrc samplesperbuffer=100 ! sllink ! tee name=t t. ! sllink depth=2 ! fakesink "
      "sync=true name=out t. ! sllink policy=latest ! sllink ! fakesink async=false");
  PadLog log(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  std::minstd_rand random(7);
  const GstState states[] = {GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING};
  for (int i = 0; i < 150; i++) {
    pipeline.begin(states[random() % 4]);
    g_usleep(random() % 5000);
  }
  pipeline.go(GST_STATE_PLAYING);
  log.clear();
  fail_unless(eventually([&] { return log.buffers() > 5; }), "nothing flows any more");
}
GST_END_TEST;

// A flush that ends while the element is being stopped must not start its thread again.
GST_START_TEST(test_flush_while_stopping)
{
  Between between(kLossless);
  const auto pad = adopt_object(gst_element_get_static_pad(between.element(), "sink"));
  std::atomic<bool> ends = false;
  std::thread flusher([&] {
    while (!ends) {
      gst_pad_send_event(pad.get(), gst_event_new_flush_start());
      gst_pad_send_event(pad.get(), gst_event_new_flush_stop(TRUE));
    }
  });
  std::atomic<int> cycles = 0;
  std::thread cycler([&] {
    for (; cycles < 400; cycles++) {
      gst_element_set_state(between.element(), GST_STATE_READY);
      gst_element_set_state(between.element(), GST_STATE_PLAYING);
    }
  });
  fail_unless(eventually([&] { return cycles == 400; }, 15), "stuck after %d cycles",
              cycles.load());
  cycler.join();
  ends = true;
  flusher.join();
  between.open();
  fail_unless_equals_int(between.push(0), GST_FLOW_OK);
  fail_unless(eventually([&] {
    const auto lines = between.lines_now();
    return !lines.empty() && lines.back().rfind("buffer", 0) == 0;
  }));
}
GST_END_TEST;

// --- Blocks ---

GST_START_TEST(test_blocked_pads)
{
  for (const char *pad_name : {"sink", "src"}) {
    Between between(kLossless);
    between.open();
    between.push(0);
    between.lines(4);
    const auto pad = adopt_object(gst_element_get_static_pad(between.element(), pad_name));
    struct Block {
      std::atomic<int> calls = 0;
    } block;
    const bool is_src = g_str_equal(pad_name, "src");
    {
      const PadProbe probe(
          pad.get(), GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
          [](GstPad *, GstPadProbeInfo *, gpointer data) -> GstPadProbeReturn {
            static_cast<Block *>(data)->calls++;
            return GST_PAD_PROBE_OK;
          },
          &block);
      std::thread pusher([&] {
        between.push(1);
        between.push(2);
      });
      fail_unless(eventually([&] { return block.calls > 0; }), "%s is not blocked", pad_name);
      // Behind a blocked source pad the link still takes what fits.
      if (is_src)
        pusher.join();
      g_usleep(20000);
      fail_unless_equals_int(static_cast<int>(between.lines_now().size()), 4);
      if (!is_src)
        pusher.detach();
    }
    between.lines(6);
  }
}
GST_END_TEST;

GST_START_TEST(test_idle_probe)
{
  Between between(kLossless);
  between.open();
  between.push(0);
  between.lines(4);
  std::atomic<int> calls = 0;
  const auto pad = adopt_object(gst_element_get_static_pad(between.element(), "src"));
  gst_pad_add_probe(
      pad.get(), GST_PAD_PROBE_TYPE_IDLE,
      [](GstPad *, GstPadProbeInfo *, gpointer data) -> GstPadProbeReturn {
        (*static_cast<std::atomic<int> *>(data))++;
        return GST_PAD_PROBE_REMOVE;
      },
      &calls, nullptr);
  fail_unless(eventually([&] { return calls == 1; }));
  between.push(1);
  between.lines(5);
}
GST_END_TEST;

// --- Branches that come and go ---

// Adds a branch to a tee of a pipeline that plays, waits for data there, and takes it out again.
GST_START_TEST(test_branches_come_and_go)
{
  Pipeline pipeline(
      "audiotestsrc is-live=true samplesperbuffer=100 ! tee name=tee ! sllink ! fakesink "
      "name=main");
  PadLog main_log(pipeline.pad("main", "sink").get(), PadLog::Buffers);
  pipeline.begin(GST_STATE_PLAYING);
  const auto tee = pipeline.element("tee");
  for (int i = 0; i < 10; i++) {
    GstElement *link = gst_element_factory_make("sllink", nullptr);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    g_object_set(sink, "async", FALSE, nullptr);
    const auto keep_link = share_object(link);
    const auto keep_sink = share_object(sink);
    gst_bin_add_many(pipeline.bin(), link, sink, nullptr);
    fail_unless(gst_element_link(link, sink));
    fail_unless(gst_element_sync_state_with_parent(sink));
    fail_unless(gst_element_sync_state_with_parent(link));
    const auto branch = adopt_object(gst_element_request_pad_simple(tee.get(), "src_%u"));
    const auto in = adopt_object(gst_element_get_static_pad(link, "sink"));
    const auto end = adopt_object(gst_element_get_static_pad(sink, "sink"));
    PadLog log(end.get(), PadLog::Buffers);
    fail_unless(gst_pad_link(branch.get(), in.get()) == GST_PAD_LINK_OK);
    fail_unless(eventually([&] { return log.buffers() >= 3; }), "nothing in branch %d", i);

    std::atomic<bool> unlinked = false;
    struct Unlink {
      GstPad *branch;
      GstPad *in;
      std::atomic<bool> *done;
    } unlink{branch.get(), in.get(), &unlinked};
    gst_pad_add_probe(
        branch.get(), GST_PAD_PROBE_TYPE_IDLE,
        [](GstPad *, GstPadProbeInfo *, gpointer data) -> GstPadProbeReturn {
          auto *self = static_cast<Unlink *>(data);
          gst_pad_unlink(self->branch, self->in);
          *self->done = true;
          return GST_PAD_PROBE_REMOVE;
        },
        &unlink, nullptr);
    fail_unless(eventually([&] { return unlinked.load(); }));
    gst_element_release_request_pad(tee.get(), branch.get());
    gst_bin_remove_many(pipeline.bin(), link, sink, nullptr);
    gst_element_set_state(link, GST_STATE_NULL);
    gst_element_set_state(sink, GST_STATE_NULL);
  }
  const size_t before = main_log.buffers();
  fail_unless(eventually([&] { return main_log.buffers() > before + 3; }));
}
GST_END_TEST;

// --- Settings while running ---

GST_START_TEST(test_settings_that_a_running_link_keeps)
{
  Pipeline pipeline("audiotestsrc ! sllink name=link ! fakesink sync=true");
  const auto link = pipeline.element("link");
  pipeline.go(GST_STATE_PLAYING);
  int scheduling = -1, before = -1;
  g_object_get(link.get(), "scheduling", &before, nullptr);
  gst_util_set_object_arg(G_OBJECT(link.get()), "scheduling", "inline");
  const auto message = pipeline.expect(GST_MESSAGE_WARNING, 2);
  fail_unless(GST_MESSAGE_SRC(message.get()) == GST_OBJECT_CAST(link.get()));
  GError *error = nullptr;
  gchar *debug = nullptr;
  gst_message_parse_warning(message.get(), &error, &debug);
  const streamlib::support::ErrorPtr owned(error);
  const streamlib::support::CStr owned_debug(debug);
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless(strstr(error->message, "scheduling") != nullptr, "%s", error->message);
  g_object_get(link.get(), "scheduling", &scheduling, nullptr);
  fail_unless_equals_int(scheduling, before);

  pipeline.go(GST_STATE_READY);
  gst_util_set_object_arg(G_OBJECT(link.get()), "scheduling", "inline");
  g_object_get(link.get(), "scheduling", &scheduling, nullptr);
  fail_unless_equals_int(scheduling, GST_SL_SCHEDULING_INLINE);
}
GST_END_TEST;

// Depth and policy may change at any time, and take effect at once.
GST_START_TEST(test_settings_that_a_running_link_follows)
{
  Between between("sllink policy=lossless depth=2");
  between.open();
  between.close_gate();
  between.push(0);
  fail_unless(eventually([&] { return between.is_at_gate(); }));
  between.push(1);
  between.push(2);
  std::atomic<bool> done = false;
  std::thread pusher([&] {
    between.push(3);
    done = true;
  });
  g_usleep(30000);
  fail_if(done.load(), "the link is deeper than its depth");
  g_object_set(between.element(), "depth", 5, nullptr);
  fail_unless(eventually([&] { return done.load(); }), "the new depth is not seen");
  pusher.join();
  fail_unless_equals_uint64(stat(between.element(), "depth"), 5);
  fail_unless_equals_uint64(stat(between.element(), "level"), 3);
  between.open_gate();
  between.lines(3 + 4);
}
GST_END_TEST;

// --- Runtimes ---

GstSlRuntime *runtime_of(Pipeline &pipeline, const char *link)
{
  return gst_sl_processor_get_runtime(GST_SL_PROCESSOR(pipeline.element(link).get()));
}

GST_START_TEST(test_a_pipeline_has_one_runtime)
{
  const char *description =
      "fakesrc ! sllink name=a ! sllink name=b ! fakesink audiotestsrc ! sllink name=c ! fakesink";
  Pipeline first(description);
  Pipeline second(description);
  first.begin(GST_STATE_READY);
  second.begin(GST_STATE_READY);
  fail_unless(runtime_of(first, "a") != nullptr);
  fail_unless(runtime_of(first, "a") == runtime_of(first, "b"));
  fail_unless(runtime_of(first, "a") == runtime_of(first, "c"));
  fail_unless(runtime_of(second, "a") == runtime_of(second, "c"));
  fail_unless(runtime_of(first, "a") != runtime_of(second, "a"));
}
GST_END_TEST;

GST_START_TEST(test_an_application_shares_a_runtime)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  Pipeline first("fakesrc ! sllink name=a ! fakesink");
  Pipeline second("fakesrc ! sllink name=a ! sllink name=b ! fakesink");
  gst_element_set_context(first.get(), context.get());
  gst_element_set_context(second.get(), context.get());
  first.begin(GST_STATE_READY);
  second.begin(GST_STATE_READY);
  fail_unless(runtime_of(first, "a") == runtime.get());
  fail_unless(runtime_of(second, "a") == runtime.get());
  fail_unless(runtime_of(second, "b") == runtime.get());
}
GST_END_TEST;

GST_START_TEST(test_two_that_go_up_at_once)
{
  for (int i = 0; i < 100; i++) {
    Pipeline pipeline("fakesrc ! sllink name=a ! fakesink fakesrc ! sllink name=b ! fakesink");
    const auto a = pipeline.element("a");
    const auto b = pipeline.element("b");
    std::atomic<int> waiting = 2;
    auto raise = [&waiting](GstElement *element) {
      waiting--;
      while (waiting > 0) {
      }
      gst_element_set_state(element, GST_STATE_READY);
    };
    std::thread other(raise, a.get());
    raise(b.get());
    other.join();
    fail_unless(runtime_of(pipeline, "a") == runtime_of(pipeline, "b"), "two runtimes in round %d",
                i);
  }
}
GST_END_TEST;

// --- Nothing is left ---

// What GStreamer's leaks tracer says at the end of a pipeline that gst-launch-1.0 has run.
std::string leaks_of(const std::string &description)
{
  const std::string command =
      "GST_TRACERS=leaks GST_DEBUG=GST_TRACER:7 GST_DEBUG_NO_COLOR=1 gst-launch-1.0 -q " +
      description;
  const gchar *argv[] = {"/bin/sh", "-c", command.c_str(), nullptr};
  gchar *errors = nullptr;
  gint status = -1;
  fail_unless(g_spawn_sync(nullptr, const_cast<gchar **>(argv), nullptr, G_SPAWN_STDOUT_TO_DEV_NULL,
                           nullptr, nullptr, nullptr, &errors, &status, nullptr));
  const streamlib::support::CStr owned(errors);
  fail_unless_equals_int(status, 0);
  std::string alive;
  for (const char *line = errors;
       (line = strstr(line, "object-alive, type-name=(string)Gst")) != nullptr; line++)
    alive += std::string(line, strcspn(line, "\n")) + "\n";
  return alive;
}

GST_START_TEST(test_nothing_is_left)
{
  const std::string alive = leaks_of(
      "audiotestsrc num-buffers=50 ! sllink ! tee name=t t. ! sllink policy=latest ! fakesink t. ! "
      "sllink depth=1 ! audioconvert ! sllink ! fakesink videotestsrc num-buffers=20 ! sllink "
      "policy=in-order depth=2 ! fakesink");
  fail_unless(alive.empty(), "%s", alive.c_str());
}
GST_END_TEST;

Suite *life_suite()
{
  Suite *suite = suite_create("life");
  TCase *states = tcase_create("states");
  suite_add_tcase(suite, states);
  ADD_CASE(states, test_state_cycles_at_random_moments, "sllink", "audiotestsrc");
  ADD_CASE(states, test_flush_while_stopping, "sllink");
  TCase *pads = tcase_create("pads");
  suite_add_tcase(suite, pads);
  ADD_CASE(pads, test_blocked_pads, "sllink");
  ADD_CASE(pads, test_idle_probe, "sllink");
  ADD_CASE(pads, test_branches_come_and_go, "sllink", "audiotestsrc");
  TCase *settings = tcase_create("settings");
  suite_add_tcase(suite, settings);
  ADD_CASE(settings, test_settings_that_a_running_link_keeps, "sllink", "audiotestsrc");
  ADD_CASE(settings, test_settings_that_a_running_link_follows, "sllink");
  TCase *runtimes = tcase_create("runtimes");
  suite_add_tcase(suite, runtimes);
  ADD_CASE(runtimes, test_a_pipeline_has_one_runtime, "sllink", "audiotestsrc");
  ADD_CASE(runtimes, test_an_application_shares_a_runtime, "sllink");
  ADD_CASE(runtimes, test_two_that_go_up_at_once, "sllink");
  TCase *leaks = tcase_create("leaks");
  suite_add_tcase(suite, leaks);
  // A sanitized element cannot be loaded into a program that is not.
  if (slowness() == 1)
    ADD_CASE(leaks, test_nothing_is_left, "sllink", "audiotestsrc", "videotestsrc", "audioconvert");
  return suite;
}

}  // namespace

PIPELINE_TEST_MAIN(life_suite)
