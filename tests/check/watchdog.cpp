// SPDX-License-Identifier: LGPL-2.1-or-later
// The watchdog: who does not return to a processor is named, in each phase, within 1.5 s.
#include <thread>

#include <sys/syscall.h>
#include <unistd.h>

#include "processor_fixture.h"

using namespace fixture;

namespace {

constexpr int kLimitMs = 1500;

struct Stall {
  std::string element, phase, peer, pad;
  gint64 thread = 0;
  guint64 duration = 0;
};

std::string field(const GstStructure *details, const char *name)
{
  const gchar *text = gst_structure_get_string(details, name);
  return text != nullptr ? text : "";
}

// The report of a stall that began just now.
Stall wait_for_stall(Rig &rig)
{
  const gint64 began = g_get_monotonic_time();
  const auto message = rig.element_message("streamlib-stall", 10000);
  fail_unless(message);
  const gint64 took = g_get_monotonic_time() - began;
  fail_unless(took < limit_ms(kLimitMs) * 1000 + 500 * 1000, "said after %ld us",
              static_cast<long>(took));
  const GstStructure *details = gst_message_get_structure(message.get());
  Stall stall;
  stall.element = field(details, "element");
  stall.phase = field(details, "phase");
  stall.peer = field(details, "peer");
  stall.pad = field(details, "pad");
  fail_unless(gst_structure_get_int64(details, "thread", &stall.thread));
  fail_unless(gst_structure_get_uint64(details, "duration", &stall.duration));
  fail_unless(stall.duration >= GST_SECOND);
  return stall;
}

gint64 this_thread()
{
  return syscall(SYS_gettid);
}

}  // namespace

GST_START_TEST(stall_in_process_is_named)
{
  Gate gate;
  std::atomic<gint64> worker = 0;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    worker = this_thread();
    gate.wait();
    *output = input;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks, "slow-one");
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0);
  const Stall stall = wait_for_stall(rig);
  gate.open();
  fail_unless(stall.element == "slow-one");
  fail_unless(stall.phase == "process");
  fail_unless_equals_int64(stall.thread, worker.load());
  // Said once, and once more when it is over.
  const auto over = rig.element_message("streamlib-stall-over", 5000);
  fail_unless(over);
  fail_unless(field(gst_message_get_structure(over.get()), "element") == "slow-one");
  fail_unless(!rig.element_message("streamlib-stall", 300));
}
GST_END_TEST;

GST_START_TEST(stall_in_push_names_pad_and_peer)
{
  Gate gate;
  Rig rig(Kind::Filter, {}, "filter");
  const auto identity =
      streamlib::support::sink_object(gst_element_factory_make("identity", "the-culprit"));
  g_object_set(identity.get(), "signal-handoffs", TRUE, nullptr);
  g_signal_connect(identity.get(), "handoff",
                   G_CALLBACK(+[](GstElement *, GstBuffer *, gpointer data) {
                     static_cast<Gate *>(data)->wait();
                   }),
                   &gate);
  fail_unless(gst_element_link_pads(rig.element(), "src", identity.get(), "sink"));
  Feeder &in = rig.add_feeder();
  gst_element_set_state(identity.get(), GST_STATE_PLAYING);
  rig.play();
  in.open();
  in.push(0);
  const Stall stall = wait_for_stall(rig);
  fail_unless(stall.phase == "push");
  fail_unless(stall.peer == "the-culprit");
  fail_unless(stall.pad.find("filter") != std::string::npos &&
              stall.pad.find("src") != std::string::npos);
  gate.open();
  fail_unless(rig.element_message("streamlib-stall-over", 5000));
  rig.stop();
  gst_element_set_state(identity.get(), GST_STATE_NULL);
  gst_element_unlink(rig.element(), identity.get());
}
GST_END_TEST;

// The state change waits for it, so the report comes while it does.
GST_START_TEST(stall_in_setup_is_named)
{
  Gate gate;
  Hooks hooks;
  hooks.setup = [&](GError **) {
    gate.wait();
    return true;
  };
  Rig rig(Kind::Filter, hooks, "needs-long");
  rig.add_recorder();
  std::atomic<gint64> changer = 0;
  std::thread thread([&] {
    changer = this_thread();
    rig.set_state(GST_STATE_PAUSED);
  });
  const Stall stall = wait_for_stall(rig);
  gate.open();
  thread.join();
  fail_unless(stall.element == "needs-long");
  fail_unless(stall.phase == "setup");
  fail_unless_equals_int64(stall.thread, changer.load());
}
GST_END_TEST;

GST_START_TEST(stall_in_start_stop_and_teardown_is_named)
{
  Gate start, stop, teardown;
  Hooks hooks;
  hooks.start = [&](GError **) {
    start.wait();
    return true;
  };
  hooks.stop = [&] { stop.wait(); };
  hooks.teardown = [&] { teardown.wait(); };
  Rig rig(Kind::Source, hooks);
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_MANUAL);
  std::thread up([&] { rig.set_state(GST_STATE_PLAYING); });
  fail_unless(wait_for_stall(rig).phase == "start");
  start.open();
  up.join();
  std::thread down([&] { rig.set_state(GST_STATE_NULL); });
  fail_unless(wait_for_stall(rig).phase == "stop");
  stop.open();
  fail_unless(eventually([&] { return teardown.has_visitor(); }));
  fail_unless(wait_for_stall(rig).phase == "teardown");
  teardown.open();
  down.join();
}
GST_END_TEST;

// A processor that is to stop while downstream does not return: said, and over as soon as
// downstream returns.
GST_START_TEST(stop_behind_a_stuck_push)
{
  Gate gate;
  Rig rig(Kind::Filter, {});
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  // In PAUSED a push may take its time; a stop ends that right.
  rig.set_state(GST_STATE_PAUSED);
  in.open();
  in.push(0);
  fail_unless(eventually([&] { return gate.has_visitor(); }));
  std::atomic<bool> is_down = false;
  std::thread down([&] {
    rig.set_state(GST_STATE_NULL);
    is_down = true;
  });
  fail_unless(wait_for_stall(rig).phase == "push");
  fail_unless(!is_down);
  gate.open();
  down.join();
}
GST_END_TEST;

// What may take long is not reported: preroll, a wait for the clock, a wait of ours.
GST_START_TEST(rightful_waits_are_not_reported)
{
  Gate preroll;
  Rig paused(Kind::Filter, {}, "in-preroll");
  paused.add_recorder().on_buffer = [&](GstBuffer *) {
    preroll.wait();
    return GST_FLOW_OK;
  };
  Feeder &in_paused = paused.add_feeder();
  paused.set_state(GST_STATE_PAUSED);
  in_paused.open();
  in_paused.push(0);

  Gate clock;
  Rig early(Kind::Filter, {}, "before-its-time");
  early.add_recorder().on_buffer = [&](GstBuffer *) {
    clock.wait();
    return GST_FLOW_OK;
  };
  Feeder &in_early = early.add_feeder();
  early.play();
  in_early.open();
  in_early.push(3600 * GST_SECOND);

  // A full link after a processor is a wait of ours, which the paused one ends.
  Rig first(Kind::Filter, {}, "first"), second(Kind::Filter, {}, "second");
  fail_unless(gst_element_link_pads(first.element(), "src", second.element(), "sink"));
  second.add_recorder();
  Feeder &in_first = first.add_feeder();
  second.set("paused", TRUE);
  second.play();
  first.play();
  in_first.open();
  for (int i = 0; i < 20; i++)
    in_first.push(0);

  fail_unless(eventually([&] { return preroll.has_visitor() && clock.has_visitor(); }));
  sleep_ms(limit_ms(1800));
  for (Rig *rig : {&paused, &early, &first, &second})
    fail_unless(!rig->element_message("streamlib-stall", 20));
  preroll.open();
  clock.open();
  // As a pipeline does it: downstream first, which ends the wait.
  second.stop();
  first.stop();
  gst_element_unlink(first.element(), second.element());
}
GST_END_TEST;

// A processor that is stopped alone, in front of a full link that nobody empties.
GST_START_TEST(stop_before_a_full_link)
{
  Rig first(Kind::Filter, {}, "first"), second(Kind::Filter, {}, "second");
  fail_unless(gst_element_link_pads(first.element(), "src", second.element(), "sink"));
  second.add_recorder();
  Feeder &in = first.add_feeder();
  second.set("paused", TRUE);
  second.play();
  first.play();
  in.open();
  for (int i = 0; i < 20; i++)
    in.push(0);
  fail_unless(eventually([&] { return first.stat("popped") == 17; }));
  std::thread down([&] { first.set_state(GST_STATE_NULL); });
  const Stall stall = wait_for_stall(first);
  fail_unless(stall.phase == "push");
  fail_unless(stall.peer == "second");
  second.set("paused", FALSE);
  down.join();
  second.stop();
  gst_element_unlink(first.element(), second.element());
}
GST_END_TEST;

// A push that began before its time is reported once that is over.
GST_START_TEST(overdue_push_is_reported)
{
  Gate gate;
  Rig rig(Kind::Filter, {});
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  const gint64 began = g_get_monotonic_time();
  rig.play();
  in.open();
  in.push(GST_SECOND);
  const bool said = bool(rig.element_message("streamlib-stall", 10000));
  const gint64 took = g_get_monotonic_time() - began;
  gate.open();
  fail_unless(said);
  fail_unless(took > 1900 * 1000, "said after %ld us", static_cast<long>(took));
}
GST_END_TEST;

static Suite *watchdog_suite()
{
  Suite *suite = suite_create("watchdog");
  TCase *tc = tcase_create("watchdog");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, stall_in_process_is_named);
  tcase_add_test(tc, stall_in_push_names_pad_and_peer);
  tcase_add_test(tc, stall_in_setup_is_named);
  tcase_add_test(tc, stall_in_start_stop_and_teardown_is_named);
  tcase_add_test(tc, stop_behind_a_stuck_push);
  tcase_add_test(tc, rightful_waits_are_not_reported);
  tcase_add_test(tc, stop_before_a_full_link);
  tcase_add_test(tc, overdue_push_is_reported);
  return suite;
}

GST_CHECK_MAIN(watchdog)
