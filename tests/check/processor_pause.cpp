// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor:paused.
#include <numeric>
#include <thread>

#include "processor_fixture.h"

using namespace fixture;

namespace {

std::vector<guint64> range(guint64 from, guint64 to)
{
  std::vector<guint64> numbers(to - from);
  std::iota(numbers.begin(), numbers.end(), from);
  return numbers;
}

// Gives the worker time to do what it should not.
void let_it_go_wrong()
{
  sleep_ms(50);
}

// A processor that takes one buffer of each link pad, and counts.
struct Taker {
  std::vector<GstSlLinkPad *> links;
  std::atomic<int> steps = 0;

  GstFlowReturn take(GstBuffer **output)
  {
    for (GstSlLinkPad *link : links) {
      auto buffer = adopt_mini(gst_sl_link_pad_pop_buffer(link));
      if (buffer && *output == nullptr)
        *output = buffer.release();
    }
    steps++;
    return GST_FLOW_OK;
  }
  Hooks hooks()
  {
    Hooks hooks;
    hooks.process = [this](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
      return take(output);
    };
    return hooks;
  }
};

}  // namespace

// Events at the head pass, buffers stay, and nothing is lost.
GST_START_TEST(lossless_holds_back_and_makes_the_pusher_wait)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 4, nullptr);
  rig.play();
  rig.set("paused", TRUE);
  in.open();
  fail_unless(eventually([&] { return rig.out().count(GST_EVENT_SEGMENT) == 1; }));
  std::atomic<guint64> pushed = 0;
  std::thread pusher([&] {
    for (guint64 i = 0; i < 10; i++) {
      fail_unless_equals_int(in.push(i * GST_MSECOND, i), GST_FLOW_OK);
      pushed++;
    }
  });
  fail_unless(eventually([&] { return pushed == 4; }));
  let_it_go_wrong();
  fail_unless_equals_uint64(pushed, 4);
  fail_unless_equals_int(rig.out().buffers(), 0);
  fail_unless_equals_uint64(in.stat("level"), 4);
  rig.set("paused", FALSE);
  pusher.join();
  fail_unless(eventually([&] { return rig.out().buffers() == 10; }));
  fail_unless(rig.out().numbers() == range(0, 10));
  fail_unless_equals_uint64(in.stat("dropped"), 0);
}
GST_END_TEST;

// An event behind a buffer that is held back waits with it.
GST_START_TEST(order_is_kept)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  rig.set("paused", TRUE);
  const auto custom = [&in] {
    in.event(gst_event_new_custom(GST_EVENT_CUSTOM_DOWNSTREAM, gst_structure_new_empty("mark")));
  };
  custom();
  fail_unless(eventually([&] { return rig.out().count(GST_EVENT_CUSTOM_DOWNSTREAM) == 1; }));
  in.push(0, 1);
  custom();
  let_it_go_wrong();
  fail_unless_equals_int(rig.out().count(GST_EVENT_CUSTOM_DOWNSTREAM), 1);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return rig.out().count(GST_EVENT_CUSTOM_DOWNSTREAM) == 2; }));
  fail_unless_equals_int(rig.out().buffers(), 1);
  fail_unless_equals_int(rig.out().seen().back().event, GST_EVENT_CUSTOM_DOWNSTREAM);
}
GST_END_TEST;

GST_START_TEST(latest_keeps_the_newest)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LATEST, nullptr);
  rig.play();
  rig.set("paused", TRUE);
  in.open();
  for (guint64 i = 0; i < 50; i++)
    fail_unless_equals_int(in.push(i * GST_SECOND, i), GST_FLOW_OK);
  let_it_go_wrong();
  fail_unless_equals_int(rig.out().buffers(), 0);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
  let_it_go_wrong();
  fail_unless(rig.out().numbers() == std::vector<guint64>{49});
  const Seen last = rig.out().seen().back();
  fail_unless(GST_BUFFER_FLAG_IS_SET(last.buffer(), GST_BUFFER_FLAG_DISCONT));
  fail_unless_equals_uint64(in.stat("dropped-full") + in.stat("dropped-stale"), 49);
}
GST_END_TEST;

// A pause that is over before the processor looks is a pause nevertheless.
GST_START_TEST(short_pause_counts)
{
  Gate gate;
  Rig rig(Kind::Filter, {});
  rig.add_recorder().on_buffer = [&](GstBuffer *) {
    gate.wait();
    return GST_FLOW_OK;
  };
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LATEST, "depth", 8, nullptr);
  rig.play();
  in.open();
  in.push(0, 100);
  fail_unless(eventually([&] { return gate.has_visitor(); }));
  rig.set("paused", TRUE);
  for (guint64 i = 0; i < 8; i++)
    in.push((3600 + i) * GST_SECOND, i);
  rig.set("paused", FALSE);
  gate.open();
  fail_unless(eventually([&] { return in.stat("level") == 0; }));
  fail_unless(eventually([&] { return rig.out().buffers() == 2; }));
  fail_unless(rig.out().numbers() == std::vector<guint64>({100, 7}));
}
GST_END_TEST;

// Audio of 10 ms a buffer, paused for 300 ms: when the pause ends, what is over is dropped and what
// is not due yet is kept. Nothing of the pause stands in the link afterwards.
GST_START_TEST(in_order_drops_by_age)
{
  constexpr GstClockTime kDuration = 10 * GST_MSECOND;
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_IN_ORDER, "depth", 100, nullptr);
  rig.play();
  rig.set("paused", TRUE);
  in.open();
  const auto running_time = [&] {
    const auto clock = adopt_object(gst_element_get_clock(rig.element()));
    return gst_clock_get_time(clock.get()) - gst_element_get_base_time(rig.element());
  };
  for (guint64 i = 0; i < 30; i++) {
    in.push(i * kDuration, i, kDuration);
    sleep_ms(10);
  }
  // Of a minute later: not old.
  for (guint64 i = 30; i < 35; i++)
    in.push(GST_SECOND * 60 + i * kDuration, i, kDuration);
  fail_unless(running_time() >= 30 * kDuration);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return in.stat("level") == 0; }));
  fail_unless(eventually([&] { return rig.out().buffers() == 5; }));
  fail_unless(rig.out().numbers() == range(30, 35));
  fail_unless_equals_uint64(in.stat("dropped-stale"), 30);
  // The catching up is over: a late buffer is passed on, as in-order promises.
  in.push(0, 100, kDuration);
  in.push(1, 101, kDuration);
  fail_unless(eventually([&] { return rig.out().buffers() == 7; }));
}
GST_END_TEST;

GST_START_TEST(eos_ends_a_pause)
{
  for (const GstSlLinkPolicy policy :
       {GST_SL_LINK_POLICY_LOSSLESS, GST_SL_LINK_POLICY_IN_ORDER, GST_SL_LINK_POLICY_LATEST}) {
    Rig rig(Kind::Filter, {});
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    g_object_set(in.sink(), "policy", policy, nullptr);
    rig.play();
    rig.set("paused", TRUE);
    in.open();
    for (guint64 i = 0; i < 5; i++)
      in.push(i * GST_MSECOND, i);
    let_it_go_wrong();
    fail_unless_equals_int(rig.out().buffers(), 0);
    in.eos();
    fail_unless(eventually([&] { return rig.out().has_eos(); }));
    // The last one is always delivered.
    fail_unless_equals_uint64(rig.out().numbers().back(), 4);
    if (policy == GST_SL_LINK_POLICY_LOSSLESS)
      fail_unless(rig.out().numbers() == range(0, 5));
  }
}
GST_END_TEST;

// The sink of a pipeline gets a GAP in place of the buffer, and so the pipeline gets to PAUSED.
GST_START_TEST(preroll_ends_by_a_gap)
{
  const auto pipeline = streamlib::support::sink_object(gst_pipeline_new(nullptr));
  const auto processor = make_processor(Kind::Filter, {});
  GstElement *source = gst_element_factory_make("fakesrc", nullptr);
  GstElement *sink = gst_element_factory_make("fakesink", nullptr);
  g_object_set(source, "num-buffers", 5, "format", GST_FORMAT_TIME, "datarate", 1000, "sizetype", 2,
               nullptr);
  g_object_set(processor.get(), "paused", TRUE, nullptr);
  gst_bin_add_many(GST_BIN(pipeline.get()), source, GST_ELEMENT(processor.get()), sink, nullptr);
  fail_unless(gst_element_link_many(source, GST_ELEMENT(processor.get()), sink, nullptr));
  gst_element_set_state(pipeline.get(), GST_STATE_PAUSED);
  fail_unless_equals_int(
      gst_element_get_state(pipeline.get(), nullptr, nullptr, limit_ms(10000) * GST_MSECOND),
      GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
}
GST_END_TEST;

GST_START_TEST(flush_of_a_paused_link_drops_what_is_held)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  rig.set("paused", TRUE);
  in.open();
  for (guint64 i = 0; i < 5; i++)
    in.push(i * GST_MSECOND, i);
  in.flush();
  in.segment(0);
  in.push(0, 10);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
  fail_unless(rig.out().numbers() == std::vector<guint64>{10});
  fail_unless_equals_uint64(in.stat("dropped-flush"), 5);
}
GST_END_TEST;

GST_START_TEST(stop_ends_a_pause)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LOSSLESS, "depth", 1, nullptr);
  rig.play();
  rig.set("paused", TRUE);
  in.open();
  std::atomic<int> last = GST_FLOW_OK;
  std::thread pusher([&] {
    while (last == GST_FLOW_OK)
      last = in.push(0);
  });
  fail_unless(eventually([&] { return in.stat("level") == 1; }));
  rig.stop();
  pusher.join();
  fail_unless_equals_int(last, GST_FLOW_FLUSHING);
}
GST_END_TEST;

GST_START_TEST(toggling_under_load_loses_nothing)
{
  Rig rig(Kind::Filter, {});
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  g_object_set(in.sink(), "policy", GST_SL_LINK_POLICY_LOSSLESS, nullptr);
  rig.play();
  in.open();
  std::atomic<bool> is_over = false;
  std::thread toggler([&] {
    for (gboolean paused = TRUE; !is_over; paused = !paused) {
      rig.set("paused", paused);
      g_usleep(200);
    }
    rig.set("paused", FALSE);
  });
  for (guint64 i = 0; i < 5000; i++)
    fail_unless_equals_int(in.push(i, i), GST_FLOW_OK);
  in.eos();
  const bool ended = eventually([&] { return rig.out().has_eos(); });
  is_over = true;
  toggler.join();
  fail_unless(ended);
  fail_unless(rig.out().numbers() == range(0, 5000));
}
GST_END_TEST;

// --- Processors with a stream of their own ---

GST_START_TEST(joined_holds_back)
{
  Taker taker;
  Rig rig(Kind::Join, taker.hooks());
  rig.add_recorder();
  for (size_t i = 0; i < 2; i++)
    taker.links.push_back(rig.add_feeder().sink());
  rig.set("paused", TRUE);
  rig.play();
  for (size_t i = 0; i < 2; i++) {
    rig.feeder(i).open();
    rig.feeder(i).push(0, i);
  }
  let_it_go_wrong();
  fail_unless_equals_int(taker.steps, 0);
  // But sinks are not kept from prerolling.
  fail_unless(eventually([&] { return rig.out().count(GST_EVENT_GAP) == 1; }));
  fail_unless_equals_int(rig.out().count(GST_EVENT_SEGMENT), 1);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
  fail_unless_equals_int(rig.out().count(GST_EVENT_SEGMENT), 1);
}
GST_END_TEST;

GST_START_TEST(eos_of_all_ends_the_pause_of_a_joined_processor)
{
  for (const bool is_continuous : {false, true}) {
    Taker taker;
    Rig rig(Kind::Join, taker.hooks());
    rig.add_recorder();
    for (size_t i = 0; i < 2; i++)
      taker.links.push_back(rig.add_feeder().sink());
    rig.set("paused", TRUE);
    if (is_continuous) {
      rig.set("execution", GST_SL_EXECUTION_CONTINUOUS);
      rig.set("interval", guint64{GST_MSECOND});
    }
    rig.play();
    for (size_t i = 0; i < 2; i++) {
      rig.feeder(i).open();
      for (guint64 k = 0; k < 3; k++)
        rig.feeder(i).push(k, k);
    }
    rig.feeder(0).eos();
    let_it_go_wrong();
    fail_unless_equals_int(rig.out().buffers(), 0);
    rig.feeder(1).eos();
    fail_unless(eventually([&] { return rig.out().has_eos(); }));
    fail_unless_equals_int(rig.out().buffers(), 3);
  }
}
GST_END_TEST;

GST_START_TEST(paused_source_makes_nothing)
{
  Taker taker;
  Rig rig(Kind::Source, taker.hooks());
  rig.add_recorder();
  gst_sl_processor_set_execution(rig.processor(), GST_SL_EXECUTION_CONTINUOUS);
  rig.set("interval", guint64{GST_MSECOND});
  rig.set("paused", TRUE);
  rig.play();
  let_it_go_wrong();
  fail_unless_equals_int(taker.steps, 0);
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return taker.steps > 3; }));
  rig.set("paused", TRUE);
  sleep_ms(20);
  const int at_pause = taker.steps;
  let_it_go_wrong();
  fail_unless_equals_int(taker.steps, at_pause);
  // The time of the pause is no time of missed ticks.
  const guint64 missed = rig.stat("missed-ticks");
  rig.set("paused", FALSE);
  fail_unless(eventually([&] { return taker.steps > at_pause; }));
  fail_unless(rig.stat("missed-ticks") < missed + 40);
  // And a paused source can be asked to end.
  rig.set("paused", TRUE);
  gst_element_send_event(rig.element(), gst_event_new_eos());
  fail_unless(eventually([&] { return rig.out().has_eos(); }));
}
GST_END_TEST;

// Inline there is no link that could hold anything back, which is said.
GST_START_TEST(inline_cannot_be_paused)
{
  const auto is_paused = [](Rig &rig) {
    gboolean paused;
    g_object_get(rig.processor(), "paused", &paused, nullptr);
    return paused != FALSE;
  };
  Rig rig(Kind::Filter, {});
  rig.add_feeder();
  rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
  rig.set("paused", TRUE);
  fail_unless(rig.message(GST_MESSAGE_WARNING));
  fail_unless(!is_paused(rig));
  rig.set("scheduling", GST_SL_SCHEDULING_DEDICATED);
  rig.set("paused", TRUE);
  fail_unless(!rig.message(GST_MESSAGE_WARNING, 0));
  fail_unless(is_paused(rig));
  rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
  fail_unless(rig.message(GST_MESSAGE_WARNING));
  GstSlScheduling scheduling;
  g_object_get(rig.processor(), "scheduling", &scheduling, nullptr);
  fail_unless_equals_int(scheduling, GST_SL_SCHEDULING_DEDICATED);
}
GST_END_TEST;

static Suite *processor_pause_suite()
{
  Suite *suite = suite_create("paused processors");
  TCase *tc = tcase_create("paused");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, lossless_holds_back_and_makes_the_pusher_wait);
  tcase_add_test(tc, order_is_kept);
  tcase_add_test(tc, latest_keeps_the_newest);
  tcase_add_test(tc, short_pause_counts);
  tcase_add_test(tc, in_order_drops_by_age);
  tcase_add_test(tc, eos_ends_a_pause);
  tcase_add_test(tc, preroll_ends_by_a_gap);
  tcase_add_test(tc, flush_of_a_paused_link_drops_what_is_held);
  tcase_add_test(tc, stop_ends_a_pause);
  tcase_add_test(tc, toggling_under_load_loses_nothing);
  tcase_add_test(tc, joined_holds_back);
  tcase_add_test(tc, eos_of_all_ends_the_pause_of_a_joined_processor);
  tcase_add_test(tc, paused_source_makes_nothing);
  tcase_add_test(tc, inline_cannot_be_paused);
  return suite;
}

GST_CHECK_MAIN(processor_pause)
