// SPDX-License-Identifier: LGPL-2.1-or-later
// Random edits of a graph of thirty nodes that plays, beside four branches that none of them names.
// Usage: test-graph-storm [EDITS]
#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <random>

#include "fixture.h"

using namespace graphs;

namespace {

unsigned edits = 100;

using Random = std::minstd_rand;

unsigned below(Random &random, unsigned limit)
{
  return std::uniform_int_distribution<unsigned>(0, limit - 1)(random);
}

// Four branches of a source, two filters and a sink; in the middle of it the edited part: a source
// and what comes and goes behind it.
std::string description()
{
  std::string nodes = R"("base": {"type": "videotestsrc", "config": {"is-live": true}},
    "keep": {"type": "fakesink"})";
  std::string links = R"({"from": "base", "to": "keep"})";
  for (int i = 0; i < 4; i++) {
    const std::string n = std::to_string(i);
    nodes += R"(, "src)" + n + R"(": {"type": "videotestsrc", "config": {"is-live": true}})";
    nodes += R"(, "id)" + n + R"(": {"type": "identity"})";
    nodes += R"(, "conv)" + n + R"(": {"type": "videoconvert"})";
    nodes += R"(, "sink)" + n + R"(": {"type": "fakesink", "config": {"sync": true}})";
    links += R"(, {"from": "src)" + n + R"(", "to": "id)" + n + R"(", "policy": "lossless"})";
    links += R"(, {"from": "id)" + n + R"(", "to": "conv)" + n + R"(", "policy": "lossless"})";
    links += R"(, {"from": "conv)" + n + R"(", "to": "sink)" + n + R"(", "policy": "lossless"})";
  }
  for (int i = 0; i < 6; i++) {
    const std::string n = std::to_string(i);
    nodes += R"(, "f)" + n + R"(": {"type": "identity"}, "s)" + n + R"(": {"type": "fakesink"})";
    links += R"(, {"from": "base", "to": "f)" + n + R"("}, {"from": "f)" + n + R"(", "to": "s)" +
             n + R"("})";
  }
  return R"({"nodes": {)" + nodes + R"(}, "links": [)" + links + "]}";
}

class Storm {
public:
  explicit Storm(TestGraph &graph) : graph_(graph) {}

  void edit()
  {
    const unsigned which = below(random_, 6);
    const std::string n = std::to_string(which);
    Branch &branch = branches_[which];
    GstSlGraphEdit *edit = gst_sl_graph_begin(graph_.get());
    const std::string filter = "f" + n;
    const std::string sink = "s" + n;
    if (!branch.is_there) {
      gst_sl_graph_edit_add_node(edit, filter.c_str(), R"({"type": "identity"})");
      gst_sl_graph_edit_add_node(edit, sink.c_str(), R"({"type": "fakesink"})");
      gst_sl_graph_edit_link(edit, "base", filter.c_str(), nullptr);
      gst_sl_graph_edit_link(edit, filter.c_str(), sink.c_str(), nullptr);
      branch = {true, false};
    } else {
      switch (below(random_, 4)) {
        case 0:
          if (!branch.is_direct)
            gst_sl_graph_edit_remove_node(edit, filter.c_str());
          gst_sl_graph_edit_remove_node(edit, sink.c_str());
          branch.is_there = false;
          break;
        case 1:
          if (branch.is_direct)
            gst_sl_graph_edit_replace_node(edit, sink.c_str(), nullptr);
          else
            gst_sl_graph_edit_replace_node(
                edit, filter.c_str(),
                below(random_, 2) == 0 ? R"({"type": "videoconvert"})" : R"({"type": "identity"})");
          break;
        case 2:
          // The sink is fed past the filter, or through it again.
          if (branch.is_direct) {
            gst_sl_graph_edit_unlink(edit, "base", sink.c_str());
            gst_sl_graph_edit_add_node(edit, filter.c_str(), R"({"type": "identity"})");
            gst_sl_graph_edit_link(edit, "base", filter.c_str(), nullptr);
            gst_sl_graph_edit_link(edit, filter.c_str(), sink.c_str(), nullptr);
          } else {
            gst_sl_graph_edit_remove_node(edit, filter.c_str());
            gst_sl_graph_edit_link(edit, "base", sink.c_str(), nullptr);
          }
          branch.is_direct = !branch.is_direct;
          break;
        default:
          gst_sl_graph_edit_configure(edit, sink.c_str(), "silent",
                                      below(random_, 2) == 0 ? "true" : "false");
          break;
      }
    }
    const gint64 begin = g_get_monotonic_time();
    GError *error = nullptr;
    const gboolean ok = gst_sl_graph_edit_commit(edit, &error);
    times_.push_back(g_get_monotonic_time() - begin);
    ck_assert_msg(ok, "%s", error ? error->message : "");
    g_object_unref(edit);
  }

  double percentile(double fraction)
  {
    std::sort(times_.begin(), times_.end());
    return static_cast<double>(
               times_[static_cast<size_t>(fraction * static_cast<double>(times_.size() - 1))]) /
           1000;
  }

private:
  struct Branch {
    bool is_there = true;
    bool is_direct = false;
  };

  TestGraph &graph_;
  Random random_{7};
  Branch branches_[6];
  std::vector<gint64> times_;
};

struct Watched {
  GObjectPtr<GstElement> elements[4];
  std::unique_ptr<Tap> tap;
};

int64_t longest_pause(const std::vector<Watched> &branches)
{
  int64_t longest = 0;
  for (const Watched &branch : branches)
    longest = std::max(longest, branch.tap->longest_pause());
  return longest;
}

std::vector<Watched> watch(const TestGraph &graph)
{
  std::vector<Watched> branches(4);
  for (int i = 0; i < 4; i++) {
    const std::string n = std::to_string(i);
    int number = 0;
    for (const char *name : {"src", "id", "conv", "sink"})
      branches[i].elements[number++] = graph.node(name + n);
    branches[i].tap = graph.tap("sink" + n);
  }
  return branches;
}

}  // namespace

GST_START_TEST(test_storm)
{
  TestGraph graph(description());
  graph.play();
  int64_t quiet_pause;
  {
    const auto quiet = watch(graph);
    g_usleep(1500000);
    quiet_pause = longest_pause(quiet);
  }
  auto branches = watch(graph);
  fail_unless(eventually([&] { return branches[3].tap->buffers() > 3; }));
  Storm storm(graph);
  for (unsigned i = 0; i < edits / 4; i++)
    storm.edit();
  g_usleep(300000);
  const unsigned threads = thread_count();
  const unsigned descriptors = descriptor_count();
  const size_t memory = resident_memory();
  for (unsigned i = edits / 4; i < edits; i++)
    storm.edit();
  g_usleep(300000);
  const unsigned threads_after = thread_count();
  const size_t memory_after = resident_memory();
  std::printf(
      "%u edits: p50 %.1f ms, p99 %.1f ms; longest pause elsewhere %.1f ms, "
      "without edits %.1f ms; threads %u to %u, memory %zu to %zu KiB\n",
      edits, storm.percentile(0.5), storm.percentile(0.99),
      static_cast<double>(longest_pause(branches)) / 1000, static_cast<double>(quiet_pause) / 1000,
      threads, threads_after, memory, memory_after);
  for (int i = 0; i < 4; i++) {
    const std::string n = std::to_string(i);
    int number = 0;
    for (const char *name : {"src", "id", "conv", "sink"})
      ck_assert(graph.node(name + n) == branches[i].elements[number++]);
    const Tap &tap = *branches[i].tap;
    ck_assert_msg(tap.gaps() == 0, "branch %d lost buffers %" PRIu64 " times", i, tap.gaps());
    ck_assert_int_eq(tap.threads(), 1);
  }
  // One period of the source later than without edits.
  if (slowness() == 1)
    ck_assert_msg(longest_pause(branches) <= quiet_pause + 33400, "%d us against %d us",
                  static_cast<int>(longest_pause(branches)), static_cast<int>(quiet_pause));
  ck_assert_msg(threads_after <= threads + 14, "%u threads, then %u", threads, threads_after);
  ck_assert_msg(descriptor_count() <= descriptors + 4, "%u descriptors, then %u", descriptors,
                descriptor_count());
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
  ck_assert_msg(graph.warnings().empty(), "%s", graph.warnings().front().c_str());
  const int64_t took = graph.stop();
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  if (argc > 1)
    edits = static_cast<unsigned>(std::atoi(argv[1]));
  Suite *suite = suite_create("graph storm");
  TCase *tcase = tcase_create("storm");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 300);
  tcase_add_test(tcase, test_storm);
  return run(suite);
}
