// SPDX-License-Identifier: LGPL-2.1-or-later
// The figures of a graph: times by node, link, path and join, threads and their priorities, and the
// messages that ask for a new latency.
#include "graph_rig.h"

using namespace fixture;

namespace {

const Json &node_of(const Json &stats, const char *id)
{
  return at(at(stats, "nodes"), id);
}

int64_t taken_at(const GraphRig &rig, const char *to)
{
  return number_at(link_to(rig.stats(), to), "taken");
}

Json path_to(const Json &stats, std::string_view to)
{
  for (const Json &path : *at(stats, "paths").array()) {
    if (text_at(path, "to") == to)
      return path;
  }
  fail("no path to %s", std::string(to).c_str());
  return {};
}

// The hop of a path that is about that node or link.
Json hop_of(const Json &path, const char *kind, std::string_view name)
{
  for (const Json &hop : *at(path, "hops").array()) {
    const Json *what = hop.find(kind);
    if (what != nullptr && *what == Json(name))
      return hop;
  }
  fail("no hop %s", std::string(name).c_str());
  return {};
}

}  // namespace

// A foreign element works in the step of the link in front of it, or in its producer's push.
GST_START_TEST(test_processing_of_foreign_nodes)
{
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}},
      "slow": {"type": "identity", "config": {"sleep-time": 10000}},
      "fused": {"type": "identity", "config": {"sleep-time": 3000}, "scheduling": "inline"},
      "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "slow"}, {"from": "slow", "to": "fused"},
              {"from": "fused", "to": "out"}]})");
  rig.play();
  fail_unless(eventually([&] { return taken_at(rig, "out.sink") > 20; }));
  const Json stats = rig.stats();
  const Json slow = node_of(stats, "slow");
  // With all that its push leads through, up to the next link.
  fail_unless(number_at(slow, "processing-p50-ns") >= 12 * GST_MSECOND, "%s",
              write_json(slow).c_str());
  fail_unless(number_at(slow, "processing-max-ns") >= number_at(slow, "processing-p99-ns"));
  fail_unless(number_at(slow, "processing-age-ms") < limit_ms(2000));
  const Json fused = node_of(stats, "fused");
  fail_unless(number_at(fused, "processing-p50-ns") >= 28 * GST_MSECOND / 10);
  fail_unless(number_at(fused, "processing-p50-ns") < number_at(slow, "processing-p50-ns"));
  // A source's own time is not known, that of its pushes is.
  fail_unless(node_of(stats, "src").find("processing-p50-ns") == nullptr);
  fail_unless(number_at(node_of(stats, "src"), "push-max-ns") > 0);
}
GST_END_TEST

GST_START_TEST(test_paths)
{
  GraphRig rig(R"({"nodes": {
      "src": {"type": "audiotestsrc", "config": {"is-live": true}},
      "late": {"type": "identity", "config": {"sleep-time": 5000}},
      "mix": {"type": "audiomixer", "config": {"latency": 50000000}},
      "out": {"type": "fakesink", "config": {"sync": true}}, "aside": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "mix.sink_0"}, {"from": "src", "to": "late"},
              {"from": "late", "to": "mix.sink_1"}, {"from": "mix", "to": "out"},
              {"from": "src", "to": "aside"}]})");
  rig.play();
  fail_unless(eventually([&] { return taken_at(rig, "out.sink") > 20; }));
  const Json stats = rig.stats();
  fail_unless_equals_int(static_cast<int>(at(stats, "paths").array()->size()), 3);
  fail_unless(at(stats, "paths-cut") == Json(false));

  // Elements are asked once a second at most, and a sink answers after its first buffer.
  Json path;
  fail_unless(eventually([&] {
    path = path_to(rig.stats(), "out");
    return hop_of(path, "node", "out").find("declared-min-ns") != nullptr;
  }));
  expect_equal(text_at(path, "from"), "src");
  // What the elements say: the mixer adds its own to that of the source, and nobody else does.
  const int64_t source = number_at(hop_of(path, "node", "src"), "declared-min-ns");
  const Json mixed = hop_of(path, "node", "mix");
  fail_unless(number_at(mixed, "declared-min-ns") >= source + 50 * GST_MSECOND);
  fail_unless(number_at(mixed, "declared-own-ns") >= 50 * GST_MSECOND);
  fail_unless_equals_int64(number_at(path, "declared-min-ns"),
                           number_at(hop_of(path, "node", "out"), "declared-min-ns"));
  fail_unless(at(path, "live") == Json(true));
  // What was measured adds up hop by hop.
  int64_t sum = 0;
  for (const Json &hop : *at(path, "hops").array()) {
    const Json *queueing = hop.find("queueing-p50-ns");
    const Json *processing = hop.find("processing-p50-ns");
    sum += queueing != nullptr ? *queueing->int64() : 0;
    sum += processing != nullptr ? *processing->int64() : 0;
    fail_unless_equals_int64(number_at(hop, "measured-p50-ns"), sum);
  }
  fail_unless_equals_int64(number_at(path, "measured-p50-ns"), sum);
  // A buffer is as old at the end as the latency that was agreed on makes it.
  fail_unless(number_at(link_to(stats, "out.sink"), "buffer-age-ns") > 0);

  // One input of the mixer comes 5 ms later than the other one.
  const Json::Array &joins = *at(stats, "joins").array();
  fail_unless_equals_int(static_cast<int>(joins.size()), 1);
  expect_equal(text_at(joins[0], "node"), "mix");
  fail_unless_equals_int(static_cast<int>(at(joins[0], "inputs").array()->size()), 2);
  const int64_t skew = number_at(joins[0], "skew-ns");
  fail_unless(skew >= 4 * GST_MSECOND && skew < limit_ms(500) * GST_MSECOND,
              "skew %" G_GINT64_FORMAT, skew);
}
GST_END_TEST

// There may be more paths than anybody wants to see.
GST_START_TEST(test_many_paths)
{
  std::string nodes = R"("src": {"type": "fakesrc"}, "out": {"type": "fakesink"})";
  std::string links;
  std::string before = "src";
  for (int i = 0; i < 10; i++) {
    const std::string n = std::to_string(i);
    nodes += ", \"a" + n + "\": {\"type\": \"identity\"}, \"b" + n +
             "\": {\"type\": \"identity\"}, \"f" + n + "\": {\"type\": \"funnel\"}";
    for (const char *side : {"a", "b"})
      links += "{\"from\": \"" + before + "\", \"to\": \"" + side + n + "\"}, {\"from\": \"" +
               side + n + "\", \"to\": \"f" + n + ".sink_" + (*side == 'a' ? "0" : "1") + "\"}, ";
    before = "f" + n;
  }
  links += "{\"from\": \"" + before + "\", \"to\": \"out\"}";
  const GraphRig rig(("{\"nodes\": {" + nodes + "}, \"links\": [" + links + "]}").c_str());
  const Json stats = rig.stats();
  fail_unless_equals_int(static_cast<int>(at(stats, "paths").array()->size()), 64);
  fail_unless(at(stats, "paths-cut") == Json(true));
}
GST_END_TEST

namespace {

std::string priority_of(const Json &thread)
{
  return text_at(thread, "priority") + "/" + text_at(thread, "priority-granted");
}

// The thread of that name among those of a node; null when there is none.
Json thread_of(const Json &stats, const char *node, const char *name)
{
  for (const Json &thread : *at(node_of(stats, node), "threads").array()) {
    if (text_at(thread, "name") == name)
      return thread;
  }
  return {};
}

int nice_of(int64_t thread)
{
  const CStr path(g_strdup_printf("/proc/self/task/%" G_GINT64_FORMAT "/stat", thread));
  gchar *text = nullptr;
  fail_unless(g_file_get_contents(path.get(), &text, nullptr, nullptr), "no thread %s", path.get());
  const CStr held(text);
  // Behind the name, which may hold anything: state, and then the numbers from the fourth on.
  const char *rest = strrchr(text, ')');
  gchar **fields = g_strsplit(rest + 2, " ", -1);
  const int nice = atoi(fields[16]);
  g_strfreev(fields);
  return nice;
}

}  // namespace

// Also the threads that a foreign element starts by itself.
GST_START_TEST(test_priority_of_foreign_threads)
{
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}, "priority": "high"},
      "plain": {"type": "queue"}, "own": {"type": "queue", "priority": "high"},
      "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "plain"}, {"from": "plain", "to": "own"},
              {"from": "own", "to": "out"}]})");
  rig.play();
  fail_unless(eventually([&] { return taken_at(rig, "out.sink") > 2; }));
  const Json stats = rig.stats();
  fail_if(thread_of(stats, "plain", "plain:src").is_null(), "%s", write_json(stats).c_str());
  fail_unless_equals_string(priority_of(thread_of(stats, "plain", "plain:src")).c_str(),
                            "normal/normal");
  for (const char *node : {"own", "src"}) {
    const Json thread = thread_of(stats, node, (std::string(node) + ":src").c_str());
    fail_if(thread.is_null(), "%s", write_json(node_of(stats, node)).c_str());
    expect_equal(text_at(thread, "priority"), "high");
    // As the system says it; who may not have it is told so.
    if (text_at(thread, "priority-granted") == "high") {
      fail_unless(nice_of(number_at(thread, "id")) < 0);
    } else {
      const auto warning = adopt_mini(gst_bus_pop_filtered(rig.bus(), GST_MESSAGE_WARNING));
      fail_unless(warning);
    }
  }
  fail_unless_equals_int(nice_of(number_at(thread_of(stats, "plain", "plain:src"), "id")), 0);
  // With the threads go the entries.
  rig.set_state(GST_STATE_READY);
  fail_unless(at(node_of(rig.stats(), "own"), "threads").array()->empty());
}
GST_END_TEST

// A thousand elements may want a new latency at once: the pipeline asks a few times.
GST_START_TEST(test_latency_is_asked_for_once)
{
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out"}]})");
  rig.play();
  fail_unless(eventually([&] { return taken_at(rig, "out.sink") > 2; }));
  sleep_ms(200);
  std::atomic<int> recalculations = 0;
  gst_pad_add_probe(
      rig.pad("out", "sink").get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        if (GST_EVENT_TYPE(gst_pad_probe_info_get_event(info)) == GST_EVENT_LATENCY)
          (*static_cast<std::atomic<int> *>(data))++;
        return GST_PAD_PROBE_OK;
      },
      &recalculations, nullptr);
  const auto source = rig.node("src");
  for (int i = 0; i < 1000; i++)
    gst_element_post_message(source.get(), gst_message_new_latency(GST_OBJECT(source.get())));
  fail_unless(eventually([&] { return recalculations.load() > 0; }));
  sleep_ms(300);
  fail_unless(recalculations.load() <= 10, "%d recalculations", recalculations.load());
  // None goes on to the application, which would do the same again.
  fail_if(adopt_mini(gst_bus_pop_filtered(rig.bus(), GST_MESSAGE_LATENCY)));
}
GST_END_TEST

static Suite *figures_suite()
{
  Suite *suite = suite_create("graph-figures");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_processing_of_foreign_nodes);
  tcase_add_test(tcase, test_paths);
  tcase_add_test(tcase, test_many_paths);
  tcase_add_test(tcase, test_priority_of_foreign_threads);
  tcase_add_test(tcase, test_latency_is_asked_for_once);
  return suite;
}

GST_CHECK_MAIN(figures)
