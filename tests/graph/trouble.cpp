// SPDX-License-Identifier: LGPL-2.1-or-later
// What goes wrong in an edit or in a node, and that nothing else suffers from it.
#include <atomic>
#include <thread>

#include "fixture.h"
#include "gst/streamlib/gstslgraph_private.h"

using namespace graphs;

namespace {

constexpr const char *kBefore = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true}},
  "mid": {"type": "identity", "config": {"silent": true}},
  "mix": {"type": "compositor"},
  "out": {"type": "fakesink", "config": {"sync": true}},
  "two": {"type": "fakesink", "config": {"sync": true}}},
  "links": [{"from": "cam", "to": "mid", "policy": "lossless"},
            {"from": "mid", "to": "mix.sink_%u"}, {"from": "mix", "to": "out"},
            {"from": "cam", "to": "two", "policy": "lossless"}]})";

// A new node, one that goes, one that is exchanged, one that gets another value, and links of all.
constexpr const char *kAfter = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true, "pattern": "ball"}},
  "mid": {"type": "videoconvert"},
  "mix": {"type": "compositor"},
  "other": {"type": "videotestsrc", "config": {"is-live": true}},
  "flip": {"type": "identity"},
  "out": {"type": "fakesink", "config": {"sync": true}},
  "new": {"type": "fakesink"}},
  "links": [{"from": "cam", "to": "mid", "policy": "lossless", "depth": 8},
            {"from": "mid", "to": "mix.sink_%u"}, {"from": "mix", "to": "out"},
            {"from": "other", "to": "mix.sink_%u"},
            {"from": "cam", "to": "flip"}, {"from": "flip", "to": "new"}]})";

std::string without_figures(const std::string &description)
{
  return description.substr(0, description.find("\"revision\""));
}

}  // namespace

// At each single step of a plan in turn: what ran before runs afterwards.
GST_START_TEST(test_fault_at_each_step)
{
  TestGraph graph(kBefore);
  graph.play();
  const auto out = graph.tap("out");
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return out->buffers() > 2 && two->buffers() > 2; }));
  const std::string before = without_figures(graph.describe());
  const auto cam = graph.node("cam");
  const auto mid = graph.node("mid");
  int step = 0;
  for (;; step++) {
    streamlib::graph::make_up_fault(graph.get(), step);
    const std::string result = graph.apply(kAfter);
    if (result.empty())
      break;
    ck_assert_msg(result.find("made up") != std::string::npos, "step %d: %s", step, result.c_str());
    check_equal(without_figures(graph.describe()).c_str(), before.c_str());
    fail_unless(graph.node("cam") == cam && graph.node("mid") == mid);
    const uint64_t seen = out->buffers();
    ck_assert_msg(eventually([&] { return out->buffers() > seen + 2; }), "nothing flows after %d",
                  step);
    const uint64_t seen_two = two->buffers();
    ck_assert_msg(eventually([&] { return two->buffers() > seen_two + 2; }),
                  "the other branch stands after %d", step);
  }
  ck_assert_msg(step > 12, "%d steps", step);
  const auto fresh = graph.tap("new");
  fail_unless(eventually([&] { return fresh->buffers() > 2; }));
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 2; }));
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
  fail_unless(!graph.events("compile-failed").empty());
}
GST_END_TEST;

// The link that is made anew with other options is the one that was there.
GST_START_TEST(test_fault_after_other_options)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc"}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out", "policy": "in-order", "depth": 7}]})");
  const auto link = adopt_object(gst_bin_get_by_name(GST_BIN(graph.get()), "sink@out"));
  fail_unless(link);
  int step = 0;
  for (;; step++) {
    streamlib::graph::make_up_fault(graph.get(), step);
    const auto edit = adopt_object(gst_sl_graph_begin(graph.get()));
    gst_sl_graph_edit_add_node(edit.get(), "mid", R"({"type": "identity"})");
    gst_sl_graph_edit_unlink(edit.get(), "src", "out");
    gst_sl_graph_edit_link(edit.get(), "src", "mid", nullptr);
    gst_sl_graph_edit_link(edit.get(), "mid", "out", R"({"policy": "latest", "depth": 3})");
    if (gst_sl_graph_edit_commit(edit.get(), nullptr))
      break;
    guint depth = 0;
    gint policy = 0;
    g_object_get(link.get(), "depth", &depth, "policy", &policy, nullptr);
    ck_assert_msg(depth == 7 && policy == GST_SL_LINK_POLICY_IN_ORDER, "step %d", step);
  }
  ck_assert_msg(step > 3, "%d steps", step);
  guint depth = 0;
  g_object_get(link.get(), "depth", &depth, nullptr);
  fail_unless_equals_int(depth, 3);
}
GST_END_TEST;

GST_START_TEST(test_setup_fails)
{
  TestGraph graph(kBefore);
  graph.play();
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return two->buffers() > 2; }));
  const std::string result =
      graph.replace("mid", R"({"type": "troublefilter", "config": {"setup-fails": true}})");
  ck_assert_msg(result.find("/nodes/mid") == 0 && result.find("asked for") != std::string::npos,
                "%s", result.c_str());
  // One that takes too long, and one that takes its time.
  g_object_set(graph.get(), "setup-timeout", 300, nullptr);
  const gint64 begin = g_get_monotonic_time();
  const std::string late =
      graph.replace("mid", R"({"type": "troublefilter", "config": {"setup-ms": 3000}})");
  ck_assert_msg(late.find("300 ms") != std::string::npos, "%s", late.c_str());
  fail_unless(g_get_monotonic_time() - begin < 2 * G_TIME_SPAN_SECOND);
  check_equal(graph.replace("mid", R"({"type": "troublefilter", "config": {"setup-ms": 50}})"), "");
  fail_unless_equals_int(two->gaps(), 0);
  fail_unless(graph.errors().empty());
}
GST_END_TEST;

// Eight slow set-ups take the time of one.
GST_START_TEST(test_parallel_setup)
{
  std::string nodes = R"("src": {"type": "videotestsrc", "config": {"is-live": true}},
                         "out": {"type": "fakesink"})";
  std::string links = R"({"from": "f7", "to": "out"})";
  std::string from = "src";
  for (int i = 0; i < 8; i++) {
    const std::string id = "f" + std::to_string(i);
    nodes += ", \"" + id + R"(": {"type": "troublefilter", "config": {"setup-ms": 200}})";
    links += R"(, {"from": ")" + from + R"(", "to": ")" + id + R"("})";
    from = id;
  }
  TestGraph graph(R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}");
  const gint64 begin = g_get_monotonic_time();
  graph.play();
  const gint64 took = g_get_monotonic_time() - begin;
  ck_assert_msg(took < 1000 * G_TIME_SPAN_MILLISECOND, "%d ms", static_cast<int>(took / 1000));
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 2; }));
}
GST_END_TEST;

GST_START_TEST(test_start_fails)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "videotestsrc"},
    "bad": {"type": "troublefilter", "config": {"setup-fails": true}}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "bad"}, {"from": "bad", "to": "out"}]})");
  ck_assert_int_eq(gst_element_set_state(graph.pipeline(), GST_STATE_PLAYING),
                   GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int(graph.errors().size(), 1);
  fail_unless(graph.errors().front().find("/nodes/bad") == 0, "%s", graph.errors().front().c_str());
  fail_unless(graph.stop() < 2000);
  check_equal(graph.configure("bad", "setup-fails", "false"), "");
  const auto out = graph.tap("out");
  graph.play();
  fail_unless(eventually([&] { return out->buffers() > 2; }));
}
GST_END_TEST;

// A node whose code does not return: the rest plays on, it can be removed, and the graph stops in
// time.
GST_START_TEST(test_stuck_node)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "troublefilter"},
    "one": {"type": "fakesink"}, "two": {"type": "fakesink", "config": {"sync": true}}},
    "links": [{"from": "cam", "to": "bad", "policy": "latest"}, {"from": "bad", "to": "one"},
              {"from": "cam", "to": "two", "policy": "lossless"}]})");
  graph.play();
  const auto two = graph.tap("two");
  const auto one = graph.tap("one");
  fail_unless(eventually([&] { return one->buffers() > 2; }));
  check_equal(graph.configure("bad", "stuck", "true"), "");
  const uint64_t seen = two->buffers();
  fail_unless(eventually([&] { return two->buffers() > seen + 10; }));
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_remove_node(edit, "bad");
  gst_sl_graph_edit_remove_node(edit, "one");
  gint64 begin = g_get_monotonic_time();
  GError *error = nullptr;
  ck_assert_msg(gst_sl_graph_edit_commit(edit, &error), "%s", error ? error->message : "");
  g_object_unref(edit);
  const gint64 took = (g_get_monotonic_time() - begin) / 1000;
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
  fail_unless(eventually([&] { return !graph.events("node-quarantined").empty(); }));
  fail_unless(graph.stats().find("\"bad\"") != std::string::npos);
  fail_unless_equals_int(two->gaps(), 0);
  fail_unless(graph.stop() < 2000 * slowness());
}
GST_END_TEST;

// Also where the stream waits for the node: its place is taken by another element.
GST_START_TEST(test_replace_stuck_node)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "troublefilter"}, "one": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "bad", "policy": "lossless", "depth": 2},
              {"from": "bad", "to": "one"}]})");
  graph.play();
  const auto one = graph.tap("one");
  fail_unless(eventually([&] { return one->buffers() > 2; }));
  g_object_set(graph.node("bad").get(), "stuck", TRUE, nullptr);
  g_usleep(500000);
  check_equal(graph.replace("bad", R"({"type": "identity"})"), "");
  const uint64_t seen = one->buffers();
  fail_unless(eventually([&] { return one->buffers() > seen + 5; }));
  const int64_t took = graph.stop();
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
}
GST_END_TEST;

// The first of two inputs has gone to the new element, whose link is full when the second one is
// found stuck: what waits there goes back too.
GST_START_TEST(test_replacement_taken_back_with_full_link)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "other": {"type": "videotestsrc", "config": {"is-live": true}},
    "light": {"type": "videoconvert"},
    "sum": {"type": "funnel"},
    "bad": {"type": "troublefilter", "scheduling": "inline"},
    "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "sum.sink_%u", "policy": "lossless", "depth": 2},
              {"from": "other", "to": "light"}, {"from": "light", "to": "sum.sink_%u"},
              {"from": "sum", "to": "bad"},
              {"from": "bad", "to": "one"}, {"from": "cam", "to": "two", "policy": "lossless"}]})");
  graph.play();
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return one->buffers() > 4 && two->buffers() > 2; }));
  const auto sum = graph.node("sum");
  const auto bad = graph.node("bad");
  for (int round = 0; round < 3; round++) {
    g_object_set(bad.get(), "stuck", TRUE, nullptr);
    g_usleep(300000);
    const std::string result = graph.replace("sum", R"({"type": "funnel"})");
    ck_assert_msg(result.find("does not let its stream go") != std::string::npos, "%s",
                  result.c_str());
    fail_unless(graph.node("sum") == sum);
    g_object_set(bad.get(), "stuck", FALSE, nullptr);
    let_go();
    const uint64_t seen_one = one->buffers();
    const uint64_t seen_two = two->buffers();
    ck_assert_msg(
        eventually([&] { return one->buffers() > seen_one + 4 && two->buffers() > seen_two + 4; }),
        "nothing flows after round %d", round);
  }
  check_equal(graph.replace("sum", R"({"type": "funnel"})"), "");
  const uint64_t seen = one->buffers();
  fail_unless(eventually([&] { return one->buffers() > seen + 4; }));
  fail_unless_equals_int(two->gaps(), 0);
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

// A full link in front of a stuck node holds the source up, and with it the other branch.
GST_START_TEST(test_remove_stuck_node_that_holds_up)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "troublefilter"}, "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "bad", "policy": "lossless", "depth": 2},
              {"from": "bad", "to": "one"}, {"from": "cam", "to": "two", "policy": "lossless"}]})");
  const std::string without = R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "two", "policy": "lossless"}]})";
  graph.play();
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return two->buffers() > 2; }));
  g_object_set(graph.node("bad").get(), "stuck", TRUE, nullptr);
  g_usleep(500000);
  const gint64 begin = g_get_monotonic_time();
  check_equal(graph.apply(without), "");
  const gint64 took = (g_get_monotonic_time() - begin) / 1000;
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
  const uint64_t seen = two->buffers();
  fail_unless(eventually([&] { return two->buffers() > seen + 5; }));
  fail_unless_equals_int(two->gaps(), 0);
  fail_unless(graph.stop() < 2000 * slowness());
}
GST_END_TEST;

// What a full link holds when it goes away, and what waits behind it, still comes.
GST_START_TEST(test_unlink_in_front_of_stuck_node)
{
  TestGraph graph(R"({"nodes": {
    "src": {"type": "videotestsrc"}, "mid": {"type": "identity"}, "bad": {"type": "troublefilter"},
    "out": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "mid", "policy": "lossless", "depth": 2},
              {"from": "mid", "to": "bad", "policy": "lossless", "depth": 4},
              {"from": "bad", "to": "out"}, {"from": "src", "to": "two"}]})");
  graph.play();
  const auto out = graph.tap("out");
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return out->buffers() > 2; }));
  g_object_set(graph.node("bad").get(), "stuck", TRUE, nullptr);
  g_usleep(500000);
  const uint64_t went_in = two->buffers();
  check_equal(graph.apply(R"({"nodes": {
    "src": {"type": "videotestsrc"}, "new": {"type": "videotestsrc"}, "mid": {"type": "identity"},
    "bad": {"type": "troublefilter", "config": {"stuck": true}},
    "out": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "new", "to": "mid", "policy": "lossless", "depth": 2},
              {"from": "mid", "to": "bad", "policy": "lossless", "depth": 4},
              {"from": "bad", "to": "out"}, {"from": "src", "to": "two"}]})"),
              "");
  fail_unless(eventually([&] { return two->buffers() > went_in + 5; }));
  fail_unless_equals_int(two->gaps(), 0);
  g_object_set(graph.node("bad").get(), "stuck", FALSE, nullptr);
  let_go();
  ck_assert_msg(eventually([&] { return out->buffers() > went_in + 10; }), "%d of %d",
                static_cast<int>(out->buffers()), static_cast<int>(went_in));
  // The new stream begins at 0 again.
  fail_unless(out->gaps() <= 1);
}
GST_END_TEST;

GST_START_TEST(test_stop_with_stuck_node)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "troublefilter"}, "one": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "bad"}, {"from": "bad", "to": "one"}]})");
  graph.play();
  const auto one = graph.tap("one");
  fail_unless(eventually([&] { return one->buffers() > 2; }));
  g_object_set(graph.node("bad").get(), "stuck", TRUE, nullptr);
  g_usleep(100000);
  const int64_t took = graph.stop();
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
  fail_unless(!graph.events("node-quarantined").empty());
  let_go();
  // The next start is with a new element.
  graph.play();
  const auto again = graph.tap("one");
  fail_unless(eventually([&] { return again->buffers() > 2; }));
}
GST_END_TEST;

GST_START_TEST(test_edits_from_eight_threads)
{
  TestGraph graph(kBefore);
  graph.play();
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return two->buffers() > 2; }));
  std::atomic<int> done = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; i++) {
    threads.emplace_back([&graph, &done, i] {
      const std::string id = "sink" + std::to_string(i);
      for (int n = 0; n < 12; n++) {
        GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
        gst_sl_graph_edit_add_node(edit, id.c_str(), R"({"type": "fakesink"})");
        gst_sl_graph_edit_link(edit, "cam", id.c_str(), nullptr);
        if (gst_sl_graph_edit_commit(edit, nullptr))
          done++;
        gst_sl_graph_edit_remove_node(edit, id.c_str());
        if (gst_sl_graph_edit_commit(edit, nullptr))
          done++;
        g_object_unref(edit);
      }
    });
  }
  for (auto &thread : threads)
    thread.join();
  fail_unless_equals_int(done.load(), 8 * 12 * 2);
  fail_unless_equals_int(two->gaps(), 0);
  uint64_t last = 0;
  for (const Event &event : graph.events()) {
    ck_assert_msg(event.sequence == last + 1, "%s: %d after %d", event.name.c_str(),
                  static_cast<int>(event.sequence), static_cast<int>(last));
    last = event.sequence;
  }
}
GST_END_TEST;

// Edits beside changes of state, the end of the stream and the end of the graph.
GST_START_TEST(test_edits_during_state_changes)
{
  for (int round = 0; round < 10; round++) {
    auto graph = std::make_unique<TestGraph>(kBefore);
    std::atomic<bool> over = false;
    std::thread editor([&] {
      while (!over) {
        graph->apply(kAfter);
        graph->apply(kBefore);
      }
    });
    for (int i = 0; i < 5; i++) {
      gst_element_set_state(graph->pipeline(), GST_STATE_PLAYING);
      g_usleep(20000 + 7000 * i);
      const int64_t took = graph->stop();
      ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
    }
    gst_element_set_state(graph->pipeline(), GST_STATE_PLAYING);
    gst_element_send_event(graph->pipeline(), gst_event_new_eos());
    g_usleep(20000);
    over = true;
    editor.join();
    ck_assert_msg(graph->errors().empty(), "%s", graph->errors().front().c_str());
  }
}
GST_END_TEST;

// The asynchronous form is for everybody, the waiting one not for a thread of the graph.
// A source that waits for a sink to play cannot take an EOS before; whoever sends it does not wait.
GST_START_TEST(test_eos_before_playing)
{
  for (const bool plays : {true, false}) {
    TestGraph graph(R"({"nodes": {"src": {"type": "videotestsrc"}, "out": {"type": "fakesink"}},
      "links": [{"from": "src", "to": "out", "policy": "lossless", "depth": 2}]})");
    const auto out = graph.tap("out");
    gst_element_set_state(graph.pipeline(), GST_STATE_PAUSED);
    fail_unless_equals_int(
        gst_element_get_state(graph.pipeline(), nullptr, nullptr, 5 * GST_SECOND),
        GST_STATE_CHANGE_SUCCESS);
    g_usleep(100000);  // The link is full.
    const gint64 begin = g_get_monotonic_time();
    fail_unless(gst_element_send_event(graph.pipeline(), gst_event_new_eos()));
    const gint64 took = (g_get_monotonic_time() - begin) / 1000;
    ck_assert_msg(took < 500 * slowness(), "%d ms", static_cast<int>(took));
    if (plays) {
      gst_element_set_state(graph.pipeline(), GST_STATE_PLAYING);
      fail_unless(eventually([&] { return out->has_eos() && graph.has_eos(); }));
    }
    fail_unless(graph.stop() < 2000 * slowness());
  }
}
GST_END_TEST;

GST_START_TEST(test_edit_from_stream)
{
  TestGraph graph(kBefore);
  graph.play();
  struct Seen {
    GstSlGraph *graph;
    std::atomic<bool> refused = false;
    std::atomic<bool> asked = false;
  } seen{graph.get()};
  const auto pad = adopt_object(gst_element_get_static_pad(graph.node("two").get(), "sink"));
  const PadProbe probe(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *, gpointer data) {
        auto *seen = static_cast<Seen *>(data);
        if (seen->asked.exchange(true))
          return GST_PAD_PROBE_OK;
        GError *error = nullptr;
        seen->refused = !gst_sl_graph_configure(seen->graph, "cam", "pattern", "1", &error) &&
                        error->code == GST_SL_GRAPH_ERROR_WRONG_THREAD;
        g_clear_error(&error);
        gst_sl_graph_apply_async(seen->graph, kAfter, nullptr, nullptr, nullptr);
        return GST_PAD_PROBE_OK;
      },
      &seen);
  fail_unless(eventually([&] { return gst_sl_graph_get_revision(graph.get()) == 2; }));
  fail_unless(seen.refused.load());
}
GST_END_TEST;

// --- Supervision ---

GST_START_TEST(test_restart)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "identity", "config": {"error-after": 10},
            "restart": {"policy": "on-error", "delay": 50}},
    "one": {"type": "fakesink"}, "two": {"type": "fakesink", "config": {"sync": true}}},
    "links": [{"from": "cam", "to": "bad"}, {"from": "bad", "to": "one"},
              {"from": "cam", "to": "two", "policy": "lossless"}]})");
  graph.play();
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return graph.events("node-restarted").size() >= 3; }, 15));
  fail_unless(one->buffers() > 20);
  fail_unless_equals_int(two->gaps(), 0);
  fail_unless(graph.errors().empty());
  fail_unless(!graph.warnings().empty());
}
GST_END_TEST;

GST_START_TEST(test_fallback)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": {"bin": "videotestsrc is-live=true ! identity error-after=15"},
            "restart": {"policy": "on-error", "delay": 600}, "fallback": "slate"},
    "slate": {"type": "videotestsrc", "config": {"is-live": true, "pattern": "black"}},
    "out": {"type": "fakesink", "config": {"sync": true}}},
    "links": [{"from": "cam", "to": "out"}]})");
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return !graph.events("node-fallback").empty(); }));
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 5; }));
  fail_unless(eventually([&] { return !graph.events("node-fallback-over").empty(); }, 10));
  const uint64_t back = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > back + 3; }));
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

GST_START_TEST(test_essential)
{
  for (const bool essential : {true, false}) {
    TestGraph graph(std::string(R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}},
      "bad": {"type": "identity", "config": {"error-after": 5}, "essential": )") +
                    (essential ? "true" : "false") + R"(},
      "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
      "links": [{"from": "cam", "to": "bad"}, {"from": "bad", "to": "one"},
                {"from": "cam", "to": "two"}]})");
    graph.play();
    fail_unless(eventually([&] { return !graph.events("node-error").empty(); }));
    check_equal(graph.events("node-error").front().subject, "bad");
    g_usleep(100000);
    fail_unless_equals_int(graph.errors().size(), essential ? 1 : 0);
    fail_unless(graph.describe().find("\"failed\"") != std::string::npos || essential);
  }
}
GST_END_TEST;

GST_START_TEST(test_stall)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "gate": {"type": "valve", "restart": {"policy": "on-error", "delay": 100, "stall": 500}},
    "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "gate"}, {"from": "gate", "to": "one"},
              {"from": "cam", "to": "two"}]})");
  graph.play();
  const auto one = graph.tap("one");
  fail_unless(eventually([&] { return one->buffers() > 2; }));
  fail_unless(graph.events("node-error").empty());
  g_object_set(graph.node("gate").get(), "drop", TRUE, nullptr);
  fail_unless(eventually([&] { return !graph.events("node-error").empty(); }));
  fail_unless(graph.events("node-error").front().detail.find("500 ms") != std::string::npos);
}
GST_END_TEST;

// The whole has failed when no source is left.
GST_START_TEST(test_last_source)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": {"bin": "videotestsrc is-live=true ! identity error-after=5"}},
    "one": {"type": "fakesink"}}, "links": [{"from": "cam", "to": "one"}]})");
  graph.play();
  fail_unless(eventually([&] { return !graph.errors().empty(); }));
  fail_unless(graph.errors().front().find("cam") != std::string::npos);
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  register_trouble();
  Suite *suite = suite_create("graph trouble");
  TCase *tcase = tcase_create("trouble");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_fault_at_each_step);
  tcase_add_test(tcase, test_fault_after_other_options);
  tcase_add_test(tcase, test_setup_fails);
  tcase_add_test(tcase, test_parallel_setup);
  tcase_add_test(tcase, test_start_fails);
  tcase_add_test(tcase, test_stuck_node);
  tcase_add_test(tcase, test_replace_stuck_node);
  tcase_add_test(tcase, test_replacement_taken_back_with_full_link);
  tcase_add_test(tcase, test_remove_stuck_node_that_holds_up);
  tcase_add_test(tcase, test_unlink_in_front_of_stuck_node);
  tcase_add_test(tcase, test_stop_with_stuck_node);
  tcase_add_test(tcase, test_edits_from_eight_threads);
  tcase_add_test(tcase, test_edits_during_state_changes);
  tcase_add_test(tcase, test_eos_before_playing);
  tcase_add_test(tcase, test_edit_from_stream);
  tcase_add_test(tcase, test_restart);
  tcase_add_test(tcase, test_fallback);
  tcase_add_test(tcase, test_essential);
  tcase_add_test(tcase, test_stall);
  tcase_add_test(tcase, test_last_source);
  return run(suite);
}
