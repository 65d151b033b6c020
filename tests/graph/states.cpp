// SPDX-License-Identifier: LGPL-2.1-or-later
// States of nodes that others wait for: set-ups that call, first buffers that never come, ways down
// that fail.
#include "fixture.h"

using namespace graphs;

// Whoever sets a node up calls the main thread, which waits for that: it is told so at once.
GST_START_TEST(test_setup_calls_who_waits)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto dispatcher = adopt_object(gst_sl_dispatcher_new(nullptr));
  gst_sl_runtime_set_dispatcher(runtime.get(), dispatcher.get());
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc"}, "bad": {"type": "troublefilter",
    "config": {"setup-calls": true}}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "bad"}, {"from": "bad", "to": "out"}]})");
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  gst_element_set_context(graph.pipeline(), context.get());
  const auto check_answer = [](const char *when) {
    const CallAnswer answer = call_answer();
    ck_assert_msg(answer.code == GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER, "%s: %d, '%s'", when,
                  answer.code, answer.error.c_str());
    ck_assert_msg(answer.took_ms < 300 * slowness(), "%s: %d ms", when,
                  static_cast<int>(answer.took_ms));
  };
  graph.play();
  check_answer("at the start");
  check_equal(graph.replace("bad"), "");
  check_answer("at an edit");
  // Nobody waits for this one.
  bool is_done = false;
  const std::string description = R"({"nodes": {"src": {"type": "fakesrc"}, "bad2": {
    "type": "troublefilter", "config": {"setup-calls": true}}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "bad2"}, {"from": "bad2", "to": "out"}]})";
  gst_sl_graph_apply_async(
      graph.get(), description.c_str(), nullptr,
      [](GObject *, GAsyncResult *, gpointer done) { *static_cast<bool *>(done) = true; },
      &is_done);
  while (!is_done)
    g_main_context_iteration(nullptr, TRUE);
  const CallAnswer answer = call_answer();
  ck_assert_msg(answer.code == -1 && answer.took_ms >= 0, "%s", answer.error.c_str());
}
GST_END_TEST;

// An element that says on its way down that it failed is let go all the same.
GST_START_TEST(test_failure_on_the_way_down)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc"}, "bad": {"type": "troublefilter",
    "config": {"stop-fails": true}}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "bad"}, {"from": "bad", "to": "out"}]})");
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 2; }));
  auto bad = graph.node("bad");
  check_equal(graph.replace("bad", R"({"type": "identity"})"), "");
  fail_unless(eventually([&] { return GST_STATE(bad.get()) == GST_STATE_NULL; }));
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 2; }));
}
GST_END_TEST;

// A branch that stands still before its first buffer: the others play.
GST_START_TEST(test_stuck_before_the_first_buffer)
{
  const char *bad[] = {
      R"("bad": {"type": "troublefilter", "config": {"stuck": true}}, "end": {"type": "fakesink"}},
         "links": [{"from": "bad", "to": "end"}, )",
      R"("bad": {"type": {"bin": "troublefilter stuck=true ! fakesink"}}}, "links": [)"};
  for (const char *live : {"true", "false"}) {
    for (const char *branch : bad) {
      TestGraph graph(std::string(R"({"nodes": {
        "cam": {"type": "videotestsrc", "config": {"is-live": )") +
                      live + R"(}},
        "other": {"type": "videotestsrc", "config": {"is-live": )" +
                      live + R"(}},
        "one": {"type": "fakesink", "config": {"sync": true}}, )" +
                      branch + R"({"from": "cam", "to": "one"}, {"from": "other", "to": "bad"}]})");
      graph.play();
      const auto one = graph.tap("one");
      ck_assert_msg(eventually([&] { return one->buffers() > 10; }), "live %s: %d buffers", live,
                    static_cast<int>(one->buffers()));
      ck_assert_int_eq(gst_element_get_state(graph.pipeline(), nullptr, nullptr, 3 * GST_SECOND),
                       GST_STATE_CHANGE_SUCCESS);
      // And what was stuck follows.
      const bool is_bin = branch == bad[1];
      const auto sink = graph.node(is_bin ? "bad" : "end");
      if (is_bin)
        g_object_set(GST_BIN(sink.get())->children->next->data, "stuck", FALSE, nullptr);
      else
        g_object_set(graph.node("bad").get(), "stuck", FALSE, nullptr);
      let_go();
      ck_assert_msg(eventually([&] { return GST_STATE(sink.get()) == GST_STATE_PLAYING; }),
                    "live %s, %s", live, branch);
      fail_unless(graph.stop() < 2000 * slowness());
    }
  }
}
GST_END_TEST;

// The worker comes to the error when the graph has stopped: the element stays where it is.
GST_START_TEST(test_error_before_a_stop)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc", "config": {"is-live": true}},
    "out": {"type": "fakesink"}}, "links": [{"from": "src", "to": "out"}]})");
  graph.play();
  const auto src = graph.node("src");
  // More edits than the stop has steps, between which the worker may take one.
  int left = 6;
  for (int i = left; i > 0; i--)
    gst_sl_graph_apply_async(
        graph.get(), R"({"nodes": {"src": {"type": "fakesrc", "config": {"is-live": true}},
          "slow": {"type": "troublefilter", "config": {"setup-ms": 300}},
          "out": {"type": "fakesink"}},
          "links": [{"from": "src", "to": "slow"}, {"from": "slow", "to": "out"}]})",
        nullptr, [](GObject *, GAsyncResult *, gpointer count) { (*static_cast<int *>(count))--; },
        &left);
  GST_ELEMENT_ERROR(src.get(), STREAM, FAILED, ("Just now."), (nullptr));
  graph.stop();
  while (left > 0)
    g_main_context_iteration(nullptr, TRUE);
  // It stands behind the error in the queue.
  fail_if(gst_sl_graph_pause_node(graph.get(), "nobody", nullptr));
  ck_assert_int_eq(GST_STATE(src.get()), GST_STATE_NULL);
  fail_if(gst_element_is_locked_state(src.get()));
}
GST_END_TEST;

// A set-up that ends at the very time at which nobody waits for it any more: its element is either
// part of the graph, or stopped. One that is dropped in another state is a fault of its own.
GST_START_TEST(test_setup_at_its_limit)
{
  for (int i = 0; i < 150; i++) {
    TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc"}, "mid": {"type": "troublefilter",
      "config": {"setup-ms": 5}}, "out": {"type": "fakesink"}},
      "links": [{"from": "src", "to": "mid"}, {"from": "mid", "to": "out"}]})");
    g_object_set(graph.get(), "setup-timeout", 5 + i % 3, nullptr);
    const auto mid = graph.node("mid");
    gst_element_set_state(graph.pipeline(), GST_STATE_PAUSED);
    gst_element_set_state(graph.pipeline(), GST_STATE_NULL);
    ck_assert_msg(eventually([&] { return GST_STATE(mid.get()) == GST_STATE_NULL; }),
                  "round %d: %s", i, gst_element_state_get_name(GST_STATE(mid.get())));
  }
}
GST_END_TEST;

// The time is over before the threads of the set-ups have come to run, or while they do.
GST_START_TEST(test_set_up_without_time)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc", "config": {"is-live": true}},
    "out": {"type": "fakesink"}}, "links": [{"from": "src", "to": "out"}]})");
  std::vector<GObjectPtr<GstElement>> elements;
  for (int round = 0; round < 60; round++) {
    g_object_set(graph.get(), "setup-timeout", 1, nullptr);
    gst_element_set_state(graph.pipeline(), GST_STATE_READY);
    elements.push_back(graph.node("src"));
    elements.push_back(graph.node("out"));
    gst_element_set_state(graph.pipeline(), GST_STATE_PLAYING);
    graph.stop();
  }
  for (const auto &element : elements)
    ck_assert_msg(eventually([&] { return GST_STATE(element.get()) == GST_STATE_NULL; }),
                  "%s in %s", GST_OBJECT_NAME(element.get()),
                  gst_element_state_get_name(GST_STATE(element.get())));
  g_object_set(graph.get(), "setup-timeout", 5000, nullptr);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 2; }));
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  register_trouble();
  Suite *suite = suite_create("graph states");
  TCase *tcase = tcase_create("states");
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_setup_calls_who_waits);
  tcase_add_test(tcase, test_failure_on_the_way_down);
  tcase_add_test(tcase, test_stuck_before_the_first_buffer);
  tcase_add_test(tcase, test_error_before_a_stop);
  tcase_add_test(tcase, test_setup_at_its_limit);
  tcase_add_test(tcase, test_set_up_without_time);
  return run(suite);
}
