// SPDX-License-Identifier: LGPL-2.1-or-later
// The instant of a commit: when the data begins to take the new way.
#include <thread>

#include "fixture.h"

using namespace graphs;

namespace {

constexpr GstClockTime kFrame = GST_SECOND / 30;

GstClockTime running_time(const TestGraph &graph)
{
  return gst_element_get_current_running_time(GST_ELEMENT(graph.get()));
}

struct Change {
  explicit Change(const TestGraph &graph) : edit(adopt_object(gst_sl_graph_begin(graph.get()))) {}
  void branch(const char *from)
  {
    gst_sl_graph_edit_add_node(edit.get(), "new", R"({"type": "fakesink",
                                                      "config": {"sync": false}})");
    gst_sl_graph_edit_link(edit.get(), from, "new", nullptr);
  }
  GObjectPtr<GstSlGraphEdit> edit;
};

// What comes first to a sink that is not there yet: a probe on its pad as soon as it is made, which
// is before anything is linked to it.
class First {
public:
  First(TestGraph &graph, std::string name) : name_(std::move(name))
  {
    added_ =
        streamlib::support::SignalHandler(graph.get(), "element-added", G_CALLBACK(on_added), this);
  }
  bool has_come() const { return has_come_; }
  bool is_delta() const { return is_delta_; }
  GstClockTime time() const { return time_; }

private:
  static void on_added(GstBin *, GstElement *element, gpointer data)
  {
    auto *self = static_cast<First *>(data);
    if (self->name_ != GST_OBJECT_NAME(element))
      return;
    const auto pad = adopt_object(gst_element_get_static_pad(element, "sink"));
    self->probe_ = PadProbe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, self);
  }
  static GstPadProbeReturn on_buffer(GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    auto *self = static_cast<First *>(data);
    if (self->has_come_)
      return GST_PAD_PROBE_OK;
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER(info);
    self->is_delta_ = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
    self->time_ = GST_BUFFER_PTS(buffer);
    self->has_come_ = true;
    return GST_PAD_PROBE_OK;
  }

  const std::string name_;
  std::atomic<bool> has_come_ = false;
  std::atomic<bool> is_delta_ = false;
  std::atomic<GstClockTime> time_ = GST_CLOCK_TIME_NONE;
  streamlib::support::SignalHandler added_;
  PadProbe probe_;
};

constexpr const char *kCamera = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true}},
  "out": {"type": "fakesink", "config": {"sync": true}}},
  "links": [{"from": "cam", "to": "out"}]})";

// An hour between two key units, unless somebody asks.
constexpr const char *kEncoded = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true}},
  "enc": {"type": "vp8enc", "config": {"keyframe-max-dist": 100000, "deadline": 1}},
  "out": {"type": "fakesink", "config": {"sync": true}}},
  "links": [{"from": "cam", "to": "enc"}, {"from": "enc", "to": "out"}]})";

}  // namespace

GST_START_TEST(test_running_time)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  First first(graph, "new");
  Change change(graph);
  change.branch("cam");
  const GstClockTime at = running_time(graph) + 700 * GST_MSECOND;
  gst_sl_graph_edit_set_instant(change.edit.get(), GST_SL_GRAPH_INSTANT_RUNNING_TIME, at);
  ck_assert(gst_sl_graph_edit_commit(change.edit.get(), nullptr));
  fail_unless(running_time(graph) >= at);
  fail_unless(eventually([&] { return first.has_come(); }));
  const auto late = static_cast<gint64>(first.time() - at) / static_cast<gint64>(GST_MSECOND);
  // A live picture is captured up to a period before it goes out.
  ck_assert_msg(first.time() + kFrame >= at, "%d ms too early", static_cast<int>(-late));
  ck_assert_msg(first.time() <= at + static_cast<GstClockTime>(4 * slowness()) * kFrame,
                "%d ms late", static_cast<int>(late));
  fail_unless_equals_int(out->gaps(), 0);
  fail_unless(graph.errors().empty());
}
GST_END_TEST;

// One that has passed is now, and so is every one of a graph that does not play.
GST_START_TEST(test_running_time_that_has_passed)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  for (const bool plays : {true, false}) {
    if (!plays)
      graph.stop();
    Change change(graph);
    if (plays)
      change.branch("cam");
    else
      gst_sl_graph_edit_remove_node(change.edit.get(), "new");
    gst_sl_graph_edit_set_instant(change.edit.get(), GST_SL_GRAPH_INSTANT_RUNNING_TIME,
                                  plays ? 0 : GST_SECOND * 3600);
    const gint64 begin = g_get_monotonic_time();
    ck_assert(gst_sl_graph_edit_commit(change.edit.get(), nullptr));
    fail_unless(g_get_monotonic_time() - begin < G_TIME_SPAN_SECOND * slowness());
  }
}
GST_END_TEST;

GST_START_TEST(test_next_key_unit)
{
  for (const bool waits : {true, false}) {
    TestGraph graph(kEncoded);
    graph.play();
    const auto out = graph.tap("out");
    fail_unless(eventually([&] { return out->buffers() > 8; }));
    struct Asked {
      std::atomic<int> times = 0;
    } asked;
    const auto pad = adopt_object(gst_element_get_static_pad(graph.node("enc").get(), "src"));
    const PadProbe probe(
        pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
        [](GstPad *, GstPadProbeInfo *info, gpointer data) {
          if (gst_event_has_name(GST_PAD_PROBE_INFO_EVENT(info), "GstForceKeyUnit"))
            static_cast<Asked *>(data)->times++;
          return GST_PAD_PROBE_OK;
        },
        &asked);
    First first(graph, "new");
    Change change(graph);
    change.branch("enc");
    gst_sl_graph_edit_set_instant(
        change.edit.get(), waits ? GST_SL_GRAPH_INSTANT_NEXT_KEY_UNIT : GST_SL_GRAPH_INSTANT_NOW,
        0);
    ck_assert(gst_sl_graph_edit_commit(change.edit.get(), nullptr));
    fail_unless(eventually([&] { return first.has_come(); }));
    ck_assert_msg(first.is_delta() != waits, "the first buffer is %s key unit", waits ? "no" : "a");
    fail_unless_equals_int(asked.times > 0, waits);
    ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
  }
}
GST_END_TEST;

// Who stops the graph does not wait for the instant, and the edit is taken back.
GST_START_TEST(test_stopped_before)
{
  TestGraph graph(kCamera);
  graph.play();
  const auto out = graph.tap("out");
  fail_unless(eventually([&] { return out->buffers() > 3; }));
  const guint64 revision = gst_sl_graph_get_revision(graph.get());
  std::atomic<int> code = -1;
  std::thread editor([&] {
    Change change(graph);
    change.branch("cam");
    gst_sl_graph_edit_set_instant(change.edit.get(), GST_SL_GRAPH_INSTANT_RUNNING_TIME,
                                  GST_SECOND * 3600);
    GError *error = nullptr;
    if (!gst_sl_graph_edit_commit(change.edit.get(), &error) && error->domain == GST_SL_GRAPH_ERROR)
      code = error->code;
    g_clear_error(&error);
  });
  fail_unless(eventually([&] { return graph.events("node-created").back().subject == "new"; }));
  g_usleep(100000);
  fail_unless_equals_int(code, -1);
  const int64_t took = graph.stop();
  editor.join();
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
  fail_unless_equals_int(code, GST_SL_GRAPH_ERROR_CANCELLED);
  fail_unless(graph.node("new").get() == nullptr);
  fail_unless_equals_uint64(gst_sl_graph_get_revision(graph.get()), revision);
  // And it plays again.
  const uint64_t seen = out->buffers();
  graph.play();
  fail_unless(eventually([&] { return out->buffers() > seen + 3; }));
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  Suite *suite = suite_create("graph instants");
  TCase *tcase = tcase_create("instants");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_running_time);
  tcase_add_test(tcase, test_running_time_that_has_passed);
  tcase_add_test(tcase, test_next_key_unit);
  tcase_add_test(tcase, test_stopped_before);
  return run(suite);
}
