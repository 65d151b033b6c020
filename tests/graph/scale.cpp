// SPDX-License-Identifier: LGPL-2.1-or-later
// Graphs of thousands of nodes, and descriptions of many megabytes.
#include <cstdio>

#include "fixture.h"

using namespace graphs;

namespace {

constexpr int kChains = 1000;

double milliseconds_since(gint64 begin)
{
  return static_cast<double>(g_get_monotonic_time() - begin) / 1000;
}

// Five nodes each, and a single pooled link: no chain has a thread of its own.
std::string chains(int count)
{
  std::string nodes;
  std::string links;
  for (int i = 0; i < count; i++) {
    const std::string n = std::to_string(i);
    const std::string comma = i == 0 ? "" : ", ";
    nodes += comma + R"("src)" + n + R"(": {"type": "sltestsrc", "scheduling": "pooled",
      "config": {"interval": 500000000}}, "a)" +
             n + R"(": {"type": "identity",
      "scheduling": "pooled"}, "b)" +
             n + R"(": {"type": "identity"}, "c)" + n + R"(": {"type": "identity"}, "sink)" + n +
             R"(": {"type": "fakesink", "config": {"async": false}})";
    std::string from = "src" + n;
    for (const char *to : {"a", "b", "c", "sink"}) {
      links +=
          (links.empty() ? "" : ", ") + (R"({"from": ")" + from) + R"(", "to": ")" + to + n + "\"}";
      from = to + n;
    }
  }
  return R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}";
}

}  // namespace

GST_START_TEST(test_five_thousand_nodes)
{
  const unsigned threads_before = thread_count();
  TestGraph graph;
  gint64 begin = g_get_monotonic_time();
  check_equal(graph.apply(chains(kChains)), "");
  const double applied = milliseconds_since(begin);

  const auto first = graph.tap("sink0");
  const auto last = graph.tap("sink" + std::to_string(kChains - 1));
  begin = g_get_monotonic_time();
  graph.play();
  const double played = milliseconds_since(begin);
  fail_unless(eventually([&] { return first->buffers() > 2 && last->buffers() > 2; }, 20));
  const unsigned threads = thread_count();

  begin = g_get_monotonic_time();
  check_equal(graph.configure("b7", "silent", "false"), "");
  const double configured = milliseconds_since(begin);
  begin = g_get_monotonic_time();
  check_equal(graph.replace("b7"), "");
  const double replaced = milliseconds_since(begin);
  const uint64_t seen = last->buffers();
  fail_unless(eventually([&] { return last->buffers() > seen + 1; }, 20));
  begin = g_get_monotonic_time();
  const std::string stats = graph.stats();
  const double looked = milliseconds_since(begin);
  fail_unless(stats.find("\"sink" + std::to_string(kChains - 1) + "\"") != std::string::npos);

  const auto stopped = static_cast<double>(graph.stop());
  begin = g_get_monotonic_time();
  check_equal(graph.apply(R"({"nodes": {}, "links": []})"), "");
  const double emptied = milliseconds_since(begin);
  std::printf(
      "%d nodes: apply %.0f ms, play %.0f, configure %.0f, replace %.0f, stats %.0f, stop %.0f, "
      "remove all %.0f; %u threads\n",
      kChains * 5, applied, played, configured, replaced, looked, stopped, emptied,
      threads - threads_before);
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
  ck_assert_msg(threads - threads_before < 100, "%u threads", threads - threads_before);
  const double limit = 10000 * slowness();
  ck_assert(applied < limit && played < limit && emptied < limit);
  ck_assert(configured < limit / 4 && replaced < limit / 4 && looked < limit / 4);
  ck_assert(stopped < 2 * limit / 10);
}
GST_END_TEST;

// A value that no property has a use for, but that a description may hold.
GST_START_TEST(test_fifty_megabytes)
{
  TestGraph graph(R"({"nodes": {"src": {"type": "fakesrc"}, "out": {"type": "fakesink"}},
                      "links": [{"from": "src", "to": "out"}]})");
  const std::string before = graph.describe();
  const auto out = graph.node("out");

  // One that is taken.
  const std::string note(50 << 20, 'x');
  gint64 begin = g_get_monotonic_time();
  check_equal(graph.apply(R"({"note": ")" + note + R"(", "nodes": {"src": {"type": "fakesrc"},
    "out": {"type": "fakesink"}}, "links": [{"from": "src", "to": "out"}]})"),
              "");
  const double taken = milliseconds_since(begin);
  fail_unless(graph.node("out") == out);
  ck_assert(gst_sl_graph_undo(graph.get(), nullptr));

  // Some 800,000 nodes whose type does not exist.
  std::string nodes;
  nodes.reserve(51 << 20);
  int count = 0;
  for (; nodes.size() < (50u << 20); count++)
    nodes += (count == 0 ? "\"n" : ", \"n") + std::to_string(count) +
             R"(": {"type": "there-is-no-such-element", "config": {"a": 1}})";
  begin = g_get_monotonic_time();
  const std::string refusal = graph.apply(R"({"nodes": {)" + nodes + R"(}, "links": []})");
  const double refused = milliseconds_since(begin);
  ck_assert_msg(refusal.find("/nodes: a graph holds at most") == 0, "%s", refusal.c_str());

  // As many as it holds, each of them with another wrong type; and one with as many wrong values.
  std::string others;
  std::string config;
  for (int i = 0; i < 100000; i++) {
    const std::string comma = i == 0 ? "" : ", ";
    const std::string number = std::to_string(i);
    others += comma + "\"n" + number + R"(": {"type": "videotestsrx)" + number + "\"}";
    config += comma + "\"patern" + number + "\": 1";
  }
  begin = g_get_monotonic_time();
  const std::string types = graph.apply(R"({"nodes": {)" + others + R"(}, "links": []})");
  const double types_after = milliseconds_since(begin);
  fail_unless(types.find("/nodes/n0/type") == 0);
  fail_unless(types.find("/nodes/n199/type") != std::string::npos);
  fail_unless(types.find("there may be more") != std::string::npos);
  begin = g_get_monotonic_time();
  const std::string values =
      graph.apply(R"({"nodes": {"a": {"type": "fakesrc", "config": {)" + config + "}}}}");
  const double values_after = milliseconds_since(begin);
  fail_unless(values.find("/nodes/a/config/patern0") == 0);
  fail_unless(values.find("there may be more") != std::string::npos);

  // And one that ends in the middle.
  begin = g_get_monotonic_time();
  const std::string torn = graph.apply(R"({"nodes": {)" + nodes);
  const double torn_after = milliseconds_since(begin);
  fail_unless(!torn.empty());
  std::printf(
      "50 MB: taken in %.0f ms; %d wrong nodes refused in %.0f; torn one in %.0f; 100,000 wrong "
      "types in %.0f, wrong properties in %.0f\n",
      taken, count, refused, torn_after, types_after, values_after);
  fail_unless(graph.node("out") == out);
  const auto without_revision = [](const std::string &text) {
    return text.substr(0, text.find("\"revision\""));
  };
  check_equal(without_revision(graph.describe()), without_revision(before));
  const double limit = 5000 * slowness();
  ck_assert(taken < limit && refused < limit && torn_after < limit);
  ck_assert(types_after < limit && values_after < limit);
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  Suite *suite = suite_create("graph scale");
  TCase *tcase = tcase_create("scale");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, test_five_thousand_nodes);
  tcase_add_test(tcase, test_fifty_megabytes);
  return run(suite);
}
