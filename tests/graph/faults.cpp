// SPDX-License-Identifier: LGPL-2.1-or-later
// Faults that systems of this kind have, and that are not here: what is read waits for nobody who
// edits, nothing is taken in silence, and what is told is what is.
#include <thread>

#include "fixture.h"

using namespace graphs;

namespace {

constexpr const char *kCamera = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true}},
  "out": {"type": "fakesink", "config": {"sync": true}}},
  "links": [{"from": "cam", "to": "out", "policy": "lossless", "depth": 4}]})";

guint depth_at(const TestGraph &graph, const char *node)
{
  const auto sink = adopt_object(gst_element_get_static_pad(graph.node(node).get(), "sink"));
  const auto source = adopt_object(gst_pad_get_peer(sink.get()));
  const auto link = adopt_object(gst_pad_get_parent_element(source.get()));
  guint depth = 0;
  g_object_get(link.get(), "depth", &depth, nullptr);
  return depth;
}

}  // namespace

// An edit whose set-up takes its time holds up nobody who only reads.
GST_START_TEST(test_reading_beside_an_edit)
{
  TestGraph graph(kCamera);
  graph.play();
  std::atomic<bool> is_over = false;
  std::thread editor([&] {
    check_equal(graph.replace("out", R"({"type": "fakesink"})"), "");
    GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
    gst_sl_graph_edit_add_node(edit, "slow",
                               R"({"type": "troublefilter", "config": {"setup-ms": 1500}})");
    gst_sl_graph_edit_add_node(edit, "end", R"({"type": "fakesink"})");
    gst_sl_graph_edit_link(edit, "cam", "slow", nullptr);
    gst_sl_graph_edit_link(edit, "slow", "end", nullptr);
    ck_assert(gst_sl_graph_edit_commit(edit, nullptr));
    g_object_unref(edit);
    is_over = true;
  });
  fail_unless(eventually([&] { return graph.events("node-created").back().subject == "end"; }));
  gint64 longest = 0;
  int reads = 0;
  while (!is_over && reads < 8) {
    const gint64 begin = g_get_monotonic_time();
    fail_unless(graph.describe().find("\"slow\"") == std::string::npos || is_over);
    fail_unless(graph.stats().find("\"cam\"") != std::string::npos);
    fail_unless(graph.node("cam").get() != nullptr);
    longest = std::max(longest, g_get_monotonic_time() - begin);
    reads++;
  }
  editor.join();
  ck_assert_msg(reads >= 3, "%d reads", reads);
  ck_assert_msg(longest < 600 * slowness() * G_TIME_SPAN_MILLISECOND, "%d ms",
                static_cast<int>(longest / 1000));
}
GST_END_TEST;

GST_START_TEST(test_second_link_on_an_input)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  const std::string before = graph.describe();
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_add_node(edit, "other", R"({"type": "videotestsrc"})");
  gst_sl_graph_edit_link(edit, "other", "out", nullptr);
  GError *error = nullptr;
  ck_assert(!gst_sl_graph_edit_commit(edit, &error));
  g_object_unref(edit);
  ck_assert_msg(strstr(error->message, "/links/1/to: 'out.sink' has an input already") != nullptr,
                "%s", error->message);
  g_error_free(error);
  check_equal(graph.describe(), before);
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  fail_unless_equals_int(out->gaps(), 0);
}
GST_END_TEST;

// A link's depth changes where it is, and the figures tell that of the link and not of the wish.
GST_START_TEST(test_depth)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  fail_unless_equals_int(depth_at(graph, "out"), 4);
  fail_unless(graph.stats().find("\"depth\": 4") != std::string::npos, "%s", graph.stats().c_str());
  std::string deeper = kCamera;
  deeper.replace(deeper.find("\"depth\": 4"), 10, "\"depth\": 9");
  const auto sink = graph.node("out");
  check_equal(graph.apply(deeper), "");
  fail_unless(graph.node("out") == sink);
  fail_unless_equals_int(depth_at(graph, "out"), 9);
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  fail_unless_equals_int(out->gaps(), 0);
  fail_unless_equals_int(out->threads(), 1);
}
GST_END_TEST;

// A value is checked before it is set, and the element learns of one that is.
GST_START_TEST(test_configure_is_checked_and_told)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto cam = graph.node("cam");
  std::atomic<int> told = 0;
  const streamlib::support::SignalHandler handler(
      cam.get(), "notify::pattern", G_CALLBACK(+[](GObject *, GParamSpec *, gpointer count) {
        (*static_cast<std::atomic<int> *>(count))++;
      }),
      &told);
  for (const char *wrong : {"\"no such pattern\"", "4711", "{}", "[1]"}) {
    const std::string refusal = graph.configure("cam", "pattern", wrong);
    ck_assert_msg(refusal.find("/nodes/cam/config/pattern: ") == 0, "%s: %s", wrong,
                  refusal.c_str());
  }
  fail_unless_equals_int(told, 0);
  check_equal(graph.configure("cam", "pattern", "\"snow\""), "");
  fail_unless_equals_int(told, 1);
  fail_unless(graph.describe().find("\"pattern\": \"snow\"") != std::string::npos);
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  register_trouble();
  Suite *suite = suite_create("graph faults");
  TCase *tcase = tcase_create("faults");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_reading_beside_an_edit);
  tcase_add_test(tcase, test_second_link_on_an_input);
  tcase_add_test(tcase, test_depth);
  tcase_add_test(tcase, test_configure_is_checked_and_told);
  return run(suite);
}
