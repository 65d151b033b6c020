// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlExecutor: steps that stand before a full link, and steps that do not come back.
#include "pooled.h"

using namespace pooled;
using streamlib::support::ErrorPtr;
using streamlib::support::sink_object;

// A pooled pusher leaves what one step gives beyond the depth, and goes on at half of it.
GST_START_TEST(full_link_suspends)
{
  const Pool pool(1);
  std::atomic<guint64> made = 0;
  Hooks source_hooks;
  source_hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    if (made.load() == 100)
      return GST_FLOW_EOS;
    *output = make_buffer(made.load() * GST_MSECOND, made.load());
    made++;
    return GST_FLOW_OK;
  };
  StoppedStream stream(pool, source_hooks, 4);
  fail_unless(
      eventually([&] { return stream.gate.has_visitor() && pool.stat("suspensions") > 0; }));
  sleep_ms(50);
  // One that the sink works on, and the depth.
  fail_unless(made.load() <= 6, "%u buffers", static_cast<unsigned>(made.load()));
  fail_unless_equals_uint64(pool.stat("blocked"), 0);

  // The worker is free for others meanwhile.
  PooledRig other(pool, Kind::Filter, {}, "other");
  other.add_recorder();
  other.add_feeder();
  other.play();
  other.feeder().open();
  other.feeder().push(0);
  fail_unless(eventually([&] { return other.out().buffers() == 1; }));

  stream.gate.open();
  fail_unless(eventually([&] { return stream.sink.out().has_eos(); }));
  fail_unless_equals_uint64(stream.sink.out().numbers().size(), 100);
}
GST_END_TEST;

// Stopped, and flushed, while it is suspended.
GST_START_TEST(suspension_ends_with_a_stop)
{
  const Pool pool(1);
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
    *output = make_buffer(0, 0);
    return GST_FLOW_OK;
  };
  for (guint64 round = 0; round < 20; round++) {
    StoppedStream stream(pool, hooks);
    fail_unless(eventually([&] { return pool.stat("suspensions") > round; }));
    const gint64 began = g_get_monotonic_time();
    stream.source.stop();
    fail_unless(g_get_monotonic_time() - began < limit_ms(1000) * 1000);
  }
}
GST_END_TEST;

// Three steps never come back: 497 others go on.
GST_START_TEST(blocked_threads_are_replaced)
{
  const Pool pool(2);
  Gate gate;
  Hooks stuck_hooks;
  stuck_hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    gate.wait();
    *output = input;
    return GST_FLOW_OK;
  };
  std::vector<std::unique_ptr<PooledRig>> rigs;
  for (int i = 0; i < 500; i++) {
    rigs.push_back(
        std::make_unique<PooledRig>(pool, Kind::Filter, i < 3 ? stuck_hooks : Hooks(), nullptr));
    rigs.back()->add_recorder();
    rigs.back()->add_feeder();
    rigs.back()->play();
    rigs.back()->feeder().open();
  }
  for (guint64 round = 0; round < 5; round++) {
    for (const auto &rig : rigs)
      rig->feeder().push(round * GST_MSECOND, round);
  }
  for (size_t i = 3; i < rigs.size(); i++)
    fail_unless(eventually([&] { return rigs[i]->out().buffers() == 5; }), "stream %zu stands", i);
  // The third one is not missed before somebody waits for its thread.
  fail_unless(pool.stat("blocked") >= 2);
  fail_unless(pool.stat("blocks") >= 2);
  fail_unless(pool.stat("threads") <= 6, "%u threads", static_cast<unsigned>(pool.stat("threads")));
  gate.open();
  for (size_t i = 0; i < 3; i++)
    fail_unless(eventually([&] { return rigs[i]->out().buffers() == 5; }));
  fail_unless(eventually([&] { return pool.stat("blocked") == 0; }));
  for (const auto &rig : rigs)
    rig->stop();
}
GST_END_TEST;

// More are blocked than may be replaced: that is counted, and work goes on when one is back.
GST_START_TEST(spares_are_limited)
{
  const Pool pool(1, 1);
  Gate gate;
  std::atomic<int> stuck = 0;
  Hooks stuck_hooks;
  stuck_hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    stuck++;
    gate.wait();
    *output = input;
    return GST_FLOW_OK;
  };
  std::vector<std::unique_ptr<PooledRig>> rigs;
  for (int i = 0; i < 3; i++) {
    rigs.push_back(
        std::make_unique<PooledRig>(pool, Kind::Filter, i < 2 ? stuck_hooks : Hooks(), nullptr));
    rigs.back()->add_recorder();
    rigs.back()->add_feeder();
    rigs.back()->play();
    rigs.back()->feeder().open();
  }
  rigs[0]->feeder().push(0);
  rigs[1]->feeder().push(0);
  fail_unless(eventually([&] { return stuck.load() == 2; }));
  rigs[2]->feeder().push(0);
  fail_unless(eventually([&] { return pool.stat("refused-spares") > 0; }));
  sleep_ms(50);
  fail_unless_equals_uint64(rigs[2]->out().buffers(), 0);
  fail_unless_equals_uint64(pool.stat("threads"), 2);
  gate.open();
  for (const auto &rig : rigs)
    fail_unless(eventually([&] { return rig->out().buffers() == 1; }));
  fail_unless(eventually([&] { return pool.stat("blocked") == 0; }));
}
GST_END_TEST;

// Six sinks that wait for each other's first buffer, and two threads: the limit is passed, and a
// warning says what to do.
GST_START_TEST(standstill_ends)
{
  constexpr int kSinks = 6;
  const Pool pool(1, 1);
  const auto pipeline = sink_object(gst_pipeline_new(nullptr));
  for (int i = 0; i < kSinks; i++) {
    GstElement *source = gst_element_factory_make("fakesrc", nullptr);
    GstElement *link = gst_element_factory_make("sllink", nullptr);
    GstElement *sink = gst_element_factory_make("fakesink", nullptr);
    gst_bin_add_many(GST_BIN(pipeline.get()), source, link, sink, nullptr);
    fail_unless(gst_element_link_many(source, link, sink, nullptr));
    pool.adopt(link);
  }
  gst_element_set_state(pipeline.get(), GST_STATE_PLAYING);
  fail_unless(gst_element_get_state(pipeline.get(), nullptr, nullptr,
                                    limit_ms(10000) * GST_MSECOND) == GST_STATE_CHANGE_SUCCESS);
  const auto bus = adopt_object(gst_element_get_bus(pipeline.get()));
  const auto message =
      adopt_mini(gst_bus_timed_pop_filtered(bus.get(), GST_SECOND, GST_MESSAGE_WARNING));
  fail_unless(message);
  GError *error = nullptr;
  gst_message_parse_warning(message.get(), &error, nullptr);
  const ErrorPtr held(error);
  fail_unless(g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS));
  fail_unless(strstr(error->message, "max-spares, which is 1") != nullptr, "%s", error->message);
  fail_unless(!adopt_mini(gst_bus_pop_filtered(bus.get(), GST_MESSAGE_WARNING)));
  gst_element_set_state(pipeline.get(), GST_STATE_NULL);
  fail_unless(pool.stat("threads") <= kSinks + 2);
}
GST_END_TEST;

// A serialized query within a step waits for another pooled processor.
GST_START_TEST(query_of_a_step_is_answered)
{
  const Pool pool(1);
  std::atomic<int> answered = 0;
  GstPad *src = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
    const auto caps = adopt_mini(gst_caps_new_empty_simple("application/x-test"));
    const auto query = adopt_mini(gst_query_new_allocation(caps.get(), FALSE));
    gst_pad_peer_query(src, query.get());
    answered++;
    return GST_FLOW_OK;
  };
  PooledRig source(pool, Kind::Source, hooks, "source");
  make_continuous(source, 20 * GST_MSECOND);
  PooledRig filter(pool, Kind::Filter, {}, "filter");
  filter.add_recorder();
  const auto out = adopt_object(gst_element_get_static_pad(source.element(), "src"));
  src = out.get();
  const auto in = adopt_object(gst_element_get_static_pad(filter.element(), "sink"));
  fail_unless(gst_pad_link(out.get(), in.get()) == GST_PAD_LINK_OK);
  filter.play();
  source.play();
  fail_unless(eventually([&] { return answered.load() >= 10; }, 5000), "%d answers",
              answered.load());
  source.stop();
  filter.stop();
  gst_pad_unlink(out.get(), in.get());
}
GST_END_TEST;

static Suite *executor_blocked_suite()
{
  Suite *suite = suite_create("executor, blocked");
  TCase *tc = tcase_create("blocked");
  suite_add_tcase(suite, tc);
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, full_link_suspends);
  tcase_add_test(tc, suspension_ends_with_a_stop);
  tcase_add_test(tc, blocked_threads_are_replaced);
  tcase_add_test(tc, spares_are_limited);
  tcase_add_test(tc, standstill_ends);
  tcase_add_test(tc, query_of_a_step_is_answered);
  return suite;
}

GST_CHECK_MAIN(executor_blocked)
