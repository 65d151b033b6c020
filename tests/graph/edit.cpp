// SPDX-License-Identifier: LGPL-2.1-or-later
// Edits of a graph, stopped and playing: what they change, and what they leave alone.
#include <thread>

#include "fixture.h"
#include "gst/streamlib/gstslgraph_private.h"

using namespace graphs;

namespace {

constexpr const char *kTwoBranches = R"({
  "name": "two", "a-key-of-mine": [1, 2.5, "x"],
  "nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "conv": {"type": "videoconvert", "note": "mine"},
    "one": {"type": "fakesink", "config": {"sync": true}},
    "two": {"type": "fakesink", "config": {"sync": true}}},
  "links": [
    {"from": "cam", "to": "conv"},
    {"from": "conv.src", "to": "one.sink", "policy": "lossless", "depth": 4},
    {"from": "cam", "to": "two", "policy": "lossless"}]})";

}  // namespace

GST_START_TEST(test_plays)
{
  TestGraph graph(kTwoBranches);
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  graph.play();
  fail_unless(eventually([&] { return one->buffers() > 10 && two->buffers() > 10; }));
  fail_unless(eventually([&] { return !graph.events("graph-ready").empty(); }));
  fail_unless(graph.errors().empty());
  fail_unless(graph.stop() < 2000);
  // As often as one likes.
  for (int i = 0; i < 5; i++) {
    const uint64_t before = one->buffers();
    graph.play();
    fail_unless(eventually([&] { return one->buffers() > before + 3; }));
    fail_unless(graph.stop() < 2000);
  }
}
GST_END_TEST;

GST_START_TEST(test_description_comes_back)
{
  TestGraph graph(kTwoBranches);
  const std::string text = graph.describe();
  for (const char *part : {"a-key-of-mine", "\"note\": \"mine\"", "2.5", "\"is-live\": true"})
    ck_assert_msg(text.find(part) != std::string::npos, "%s is missing in %s", part, text.c_str());
  fail_unless(gst_sl_graph_get_revision(graph.get()) == 1);
}
GST_END_TEST;

// An end of a stream is the graph's when every sink that is fed has it; one that is not fed counts
// no more than one that was never there.
GST_START_TEST(test_eos)
{
  TestGraph graph(R"({"nodes": {
    "src": {"type": "videotestsrc", "config": {"num-buffers": 20}},
    "out": {"type": "fakesink"}, "idle": {"type": "fakesink"}, "rare": {"type": "valve",
    "config": {"drop": true, "drop-mode": "forward-sticky-events"}}},
    "links": [{"from": "src", "to": "out"}, {"from": "src", "to": "rare"},
              {"from": "rare", "to": "idle"}]})");
  const auto out = graph.tap("out");
  // The one without data does not keep the other from playing.
  graph.play();
  fail_unless(eventually([&] { return graph.has_eos(); }));
  fail_unless_equals_int(out->buffers(), 20);
}
GST_END_TEST;

GST_START_TEST(test_add_and_remove_branch)
{
  // By itself the link of a live source drops what is late, which a busy machine makes it.
  std::string text = kTwoBranches;
  const std::string link = R"("from": "cam", "to": "conv")";
  text.replace(text.find(link), link.size(), link + R"(, "policy": "lossless")");
  TestGraph graph(text);
  graph.play();
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  const auto cam = graph.node("cam");
  const auto sink = graph.node("two");
  fail_unless(eventually([&] { return two->buffers() > 3; }));
  for (int i = 0; i < 10; i++) {
    const std::string unfed = graph.add("extra", R"({"type": "fakesink"})");
    ck_assert_msg(unfed.find("/nodes/extra") == 0, "%s", unfed.c_str());
    GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
    gst_sl_graph_edit_add_node(edit, "extra", R"({"type": "fakesink"})");
    gst_sl_graph_edit_link(edit, "cam", "extra", nullptr);
    GError *error = nullptr;
    ck_assert_msg(gst_sl_graph_edit_commit(edit, &error), "%s", error ? error->message : "");
    g_object_unref(edit);
    const auto extra = graph.tap("extra");
    fail_unless(eventually([&] { return extra->buffers() > 2; }));
    check_equal(graph.remove("extra"), "");
    fail_unless(graph.node("extra").get() == nullptr);
  }
  fail_unless(graph.node("cam") == cam);
  fail_unless(graph.node("two") == sink);
  fail_unless_equals_int(two->gaps(), 0);
  fail_unless_equals_int(one->gaps(), 0);
  fail_unless_equals_int(two->threads(), 1);
  fail_unless(graph.errors().empty() && graph.warnings().empty());
}
GST_END_TEST;

// A filter is exchanged without a lost frame, by hand and because a property asks for it.
GST_START_TEST(test_replace)
{
  TestGraph graph(R"({"nodes": {
    "src": {"type": "videotestsrc", "config": {"is-live": true}},
    "mid": {"type": "identity"}, "out": {"type": "fakesink", "config": {"sync": true}}},
    "links": [{"from": "src", "to": "mid", "policy": "lossless"},
              {"from": "mid", "to": "out", "policy": "lossless"}]})");
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  const auto before = graph.node("mid");
  for (int i = 0; i < 5; i++) {
    check_equal(graph.replace("mid"), "");
    const uint64_t seen = out->buffers();
    fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  }
  fail_unless(graph.node("mid").get() != before.get());
  fail_unless_equals_int(out->gaps(), 0);
  check_equal(graph.replace("mid", R"({"type": "videoconvert"})"), "");
  const uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  fail_unless_equals_int(out->gaps(), 0);
  // A processor of ours takes the link over with its own pad.
  check_equal(graph.replace("mid", R"({"type": "sllink"})"), "");
  fail_unless(eventually([&] { return out->buffers() > seen + 8; }));
  fail_unless_equals_int(out->gaps(), 0);
  fail_unless(graph.errors().empty());
}
GST_END_TEST;

GST_START_TEST(test_replace_source_and_sink)
{
  TestGraph graph(kTwoBranches);
  graph.play();
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return two->buffers() > 3; }));
  check_equal(graph.replace("cam", R"({"type": "test", "config": {"media": "video"}})"), "");
  uint64_t seen = two->buffers();
  fail_unless(eventually([&] { return two->buffers() > seen + 3; }));
  // One that gives data as soon as it is started.
  for (int i = 0; i < 5; i++) {
    check_equal(graph.replace("cam", R"({"type": "videotestsrc"})"), "");
    seen = two->buffers();
    fail_unless(eventually([&] { return two->buffers() > seen + 3; }));
  }
  check_equal(graph.replace("two"), "");
  const auto next = graph.tap("two");
  fail_unless(eventually([&] { return next->buffers() > 3; }));
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

GST_START_TEST(test_configure)
{
  TestGraph graph(kTwoBranches);
  graph.play();
  const auto cam = graph.node("cam");
  check_equal(graph.configure("cam", "pattern", "\"ball\""), "");
  int pattern = 0;
  g_object_get(cam.get(), "pattern", &pattern, nullptr);
  fail_unless_equals_int(pattern, 18);
  fail_unless(graph.node("cam") == cam);
  check_equal(graph.configure("cam", "pattern", nullptr), "");
  g_object_get(cam.get(), "pattern", &pattern, nullptr);
  fail_unless_equals_int(pattern, 0);
  // The child proxy reaches the same element.
  gst_child_proxy_set(GST_CHILD_PROXY(graph.get()), "cam::pattern", 1, nullptr);
  g_object_get(cam.get(), "pattern", &pattern, nullptr);
  fail_unless_equals_int(pattern, 1);
  const std::string wrong = graph.configure("cam", "patern", "1");
  fail_unless(wrong.find("/nodes/cam/config/patern") == 0, "%s", wrong.c_str());
  fail_unless(wrong.find("pattern") != std::string::npos, "%s", wrong.c_str());
}
GST_END_TEST;

GST_START_TEST(test_relink_and_undo)
{
  TestGraph graph(R"({"nodes": {
    "a": {"type": "videotestsrc", "config": {"is-live": true, "pattern": "black"}},
    "b": {"type": "videotestsrc", "config": {"is-live": true, "pattern": "white"}},
    "other": {"type": "fakesink"}, "out": {"type": "fakesink", "config": {"sync": true}}},
    "links": [{"from": "a", "to": "out"}, {"from": "b", "to": "other"}]})");
  graph.play();
  const auto out = graph.tap("out");
  const auto other = graph.tap("other");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_unlink(edit, "a", "out");
  gst_sl_graph_edit_link(edit, "b", "out", nullptr);
  gchar *plan = gst_sl_graph_edit_plan(edit, nullptr);
  fail_unless(strstr(plan, "unlink") != nullptr && strstr(plan, "\"untouched\": 4") != nullptr,
              "%s", plan);
  g_free(plan);
  GError *error = nullptr;
  ck_assert_msg(gst_sl_graph_edit_commit(edit, &error), "%s", error ? error->message : "");
  g_object_unref(edit);
  uint64_t seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  fail_unless(!out->has_eos());
  ck_assert(gst_sl_graph_undo(graph.get(), nullptr));
  seen = out->buffers();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
  fail_unless_equals_int(other->gaps(), 0);
  fail_unless(graph.errors().empty());
}
GST_END_TEST;

// The branch of a source that goes ends properly, and another source may feed it later.
GST_START_TEST(test_removed_source)
{
  TestGraph graph(kTwoBranches);
  graph.play();
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return two->buffers() > 3; }));
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_add_node(edit, "next", R"({"type": "videotestsrc",
                                              "config": {"is-live": true}})");
  gst_sl_graph_edit_unlink(edit, "cam", "two");
  gst_sl_graph_edit_link(edit, "next", "two", nullptr);
  ck_assert(gst_sl_graph_edit_commit(edit, nullptr));
  fail_unless(!two->has_eos());
  uint64_t seen = two->buffers();
  fail_unless(eventually([&] { return two->buffers() > seen + 3; }));
  // Now its own end is seen.
  gst_sl_graph_edit_unlink(edit, "next", "two");
  gst_sl_graph_edit_remove_node(edit, "next");
  gst_sl_graph_edit_remove_node(edit, "two");
  gst_sl_graph_edit_add_node(edit, "mix", R"({"type": "compositor"})");
  gst_sl_graph_edit_add_node(edit, "two", R"({"type": "fakesink"})");
  gst_sl_graph_edit_link(edit, "mix", "two", nullptr);
  gst_sl_graph_edit_link(edit, "cam", "mix.sink_%u", nullptr);
  GError *error = nullptr;
  ck_assert_msg(gst_sl_graph_edit_commit(edit, &error), "%s", error ? error->message : "");
  g_object_unref(edit);
  const auto next = graph.tap("two");
  fail_unless(eventually([&] { return next->buffers() > 3; }));
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

// A source that begins at zero, ten seconds late as the graph sees it.
GST_START_TEST(test_timing_restart)
{
  TestGraph graph(kTwoBranches);
  graph.play();
  gst_element_set_base_time(graph.pipeline(), gst_element_get_base_time(graph.pipeline()));
  g_usleep(1200000);
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_add_node(edit, "file", R"({"type": "videotestsrc"})");
  gst_sl_graph_edit_add_node(edit, "out", R"({"type": "fakesink", "config": {"sync": true,
                                              "max-lateness": 20000000, "qos": true}})");
  gst_sl_graph_edit_link(edit, "file", "out", R"({"timing": "restart", "policy": "lossless"})");
  GError *error = nullptr;
  ck_assert_msg(gst_sl_graph_edit_commit(edit, &error), "%s", error ? error->message : "");
  g_object_unref(edit);
  const auto out = graph.tap("out");
  g_usleep(1000000);
  // In time, it shows some thirty a second; late, as many as it can make.
  ck_assert_msg(out->buffers() > 10 && out->buffers() < 60, "%d", static_cast<int>(out->buffers()));
}
GST_END_TEST;

GST_START_TEST(test_old_revision)
{
  TestGraph graph(kTwoBranches);
  GstSlGraphEdit *edit = gst_sl_graph_begin(graph.get());
  gst_sl_graph_edit_set_base_revision(edit, gst_sl_graph_get_revision(graph.get()));
  check_equal(graph.configure("cam", "pattern", "1"), "");
  gst_sl_graph_edit_configure(edit, "cam", "pattern", "2");
  GError *error = nullptr;
  ck_assert(!gst_sl_graph_edit_commit(edit, &error));
  ck_assert(g_error_matches(error, GST_SL_GRAPH_ERROR, GST_SL_GRAPH_ERROR_CONFLICT));
  g_error_free(error);
  g_object_unref(edit);
}
GST_END_TEST;

GST_START_TEST(test_pause_node)
{
  TestGraph graph(kTwoBranches);
  graph.play();
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  fail_unless(eventually([&] { return one->buffers() > 3; }));
  ck_assert(gst_sl_graph_pause_node(graph.get(), "conv", nullptr));
  g_usleep(200000);
  const uint64_t stood = one->buffers();
  const uint64_t went = two->buffers();
  g_usleep(500000);
  ck_assert_msg(one->buffers() <= stood + 1, "%d", static_cast<int>(one->buffers() - stood));
  fail_unless(two->buffers() > went + 5);
  ck_assert(gst_sl_graph_resume_node(graph.get(), "conv", nullptr));
  fail_unless(eventually([&] { return one->buffers() > stood + 5; }));
  fail_unless_equals_int(two->gaps(), 0);
}
GST_END_TEST;

// Pads that come with the stream, named exactly, by their template, or not at all.
GST_START_TEST(test_late_pads)
{
  for (const char *pad : {"demux.video_0", "demux.video_%u"}) {
    TestGraph graph(std::string(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"num-buffers": 30}},
      "mux": {"type": {"bin": "jpegenc ! matroskamux"}},
      "demux": {"type": "matroskademux"}, "dec": {"type": "jpegdec"},
      "out": {"type": "fakesink"}},
      "links": [{"from": "src", "to": "mux"}, {"from": "mux", "to": "demux"},
                {"from": ")") +
                    pad + R"(", "to": "dec"}, {"from": "dec", "to": "out"}]})");
    const auto out = graph.tap("out");
    graph.play();
    fail_unless(eventually([&] { return graph.has_eos(); }));
    fail_unless_equals_int(out->buffers(), 30);
  }
}
GST_END_TEST;

// An edit takes the node away that stands in for another.
GST_START_TEST(test_fallback_taken_away)
{
  const auto text = [](const char *fallback) {
    return std::string(R"({"nodes": {
      "cam": {"type": {"bin": "videotestsrc is-live=true ! identity error-after=10"},
              "restart": {"policy": "on-error", "delay": 60000, "max-delay": 60000},
              "fallback": ")") +
           fallback + R"("}, ")" + fallback +
           R"(": {"type": "videotestsrc", "config": {"is-live": true}},
      "out": {"type": "fakesink", "config": {"sync": true}}},
      "links": [{"from": "cam", "to": "out"}]})";
  };
  TestGraph graph(text("slate"));
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return !graph.events("node-fallback").empty(); }));
  for (const char *fallback : {"other", "slate"}) {
    streamlib::graph::make_up_fault(graph.get(), 3);
    fail_unless(graph.apply(text(fallback)).find("made up") != std::string::npos);
    uint64_t seen = out->buffers();
    fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
    check_equal(graph.apply(text(fallback)), "");
    check_equal(graph.events("node-fallback").back().detail, fallback);
    seen = out->buffers();
    fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
    graph.stats();
  }
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  register_trouble();
  Suite *suite = suite_create("graph edits");
  TCase *tcase = tcase_create("edits");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_plays);
  tcase_add_test(tcase, test_description_comes_back);
  tcase_add_test(tcase, test_eos);
  tcase_add_test(tcase, test_add_and_remove_branch);
  tcase_add_test(tcase, test_replace);
  tcase_add_test(tcase, test_replace_source_and_sink);
  tcase_add_test(tcase, test_configure);
  tcase_add_test(tcase, test_relink_and_undo);
  tcase_add_test(tcase, test_removed_source);
  tcase_add_test(tcase, test_timing_restart);
  tcase_add_test(tcase, test_old_revision);
  tcase_add_test(tcase, test_pause_node);
  tcase_add_test(tcase, test_late_pads);
  tcase_add_test(tcase, test_fallback_taken_away);
  return run(suite);
}
