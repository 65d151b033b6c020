// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph shows of itself: the states of its links, whether it is ready, who holds it up.
#include "graph_rig.h"

using namespace fixture;

namespace {

constexpr const char *kLive = R"({"nodes": {
    "src": {"type": "videotestsrc", "config": {"is-live": true}},
    "out": {"type": "fakesink"}},
  "links": [{"from": "src", "to": "out"}]})";

std::string state_of(const GraphRig &rig, const char *to)
{
  return text_at(link_to(rig.stats(), to), "state");
}

bool reaches(const GraphRig &rig, const char *to, const char *state)
{
  const bool ok = eventually([&] { return state_of(rig, to) == state; });
  if (!ok)
    GST_ERROR("the link to %s is %s, not %s", to, state_of(rig, to).c_str(), state);
  return ok;
}

std::string stalled_node(const GraphRig &rig)
{
  const Json stats = rig.stats();
  const Json &stalled = at(stats, "stalled");
  return stalled.is_null() ? "" : text_at(stalled, "node");
}

std::string stalled_why(const GraphRig &rig)
{
  const Json stats = rig.stats();
  const Json &stalled = at(stats, "stalled");
  return stalled.is_null() ? "" : text_at(stalled, "why");
}

// The next event of that name, or null.
MiniPtr<GstMessage> event(const GraphRig &rig, const char *name, int ms = 10000)
{
  const gint64 end = g_get_monotonic_time() + limit_ms(ms) * G_TIME_SPAN_MILLISECOND;
  for (;;) {
    const gint64 left = end - g_get_monotonic_time();
    auto message = adopt_mini(gst_bus_timed_pop_filtered(
        rig.bus(), left > 0 ? left * GST_USECOND : 0, GST_MESSAGE_ELEMENT));
    if (!message)
      return nullptr;
    const GstStructure *structure = gst_message_get_structure(message.get());
    if (g_strcmp0(gst_structure_get_string(structure, "event"), name) == 0)
      return message;
  }
}

std::string field(const MiniPtr<GstMessage> &message, const char *name)
{
  fail_unless(message, "the event was not sent");
  const char *text = gst_structure_get_string(gst_message_get_structure(message.get()), name);
  return text != nullptr ? text : "";
}

// How long stats() takes, in milliseconds.
int64_t duration_of_stats(const GraphRig &rig)
{
  const int64_t began = g_get_monotonic_time();
  rig.stats();
  return (g_get_monotonic_time() - began) / G_TIME_SPAN_MILLISECOND;
}

void push_into(const GraphRig &rig, const char *id, int buffers = 1)
{
  for (int i = 0; i < buffers; i++) {
    GstFlowReturn flow;
    GstBuffer *buffer = make_buffer(i * GST_MSECOND);
    g_signal_emit_by_name(rig.node(id).get(), "push-buffer", buffer, &flow);
    gst_buffer_unref(buffer);
    fail_unless_equals_int(flow, GST_FLOW_OK);
  }
}

// A source pad that comes later, or never.
struct TestLate {
  GstElement parent;
};
struct TestLateClass {
  GstElementClass parent;
};
G_DEFINE_TYPE(TestLate, test_late, GST_TYPE_ELEMENT)

void test_late_class_init(TestLateClass *klass)
{
  static GstStaticPadTemplate source =
      GST_STATIC_PAD_TEMPLATE("src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS_ANY);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_class, &source);
  gst_element_class_set_static_metadata(element_class, "Late", "Source", "For a test", "Test");
}

void test_late_init(TestLate *self)
{
  GST_OBJECT_FLAG_SET(self, GST_ELEMENT_FLAG_SOURCE);
}

Gate *setup_gate = nullptr;

// Its set-up waits at setup_gate.
struct TestSlow {
  GstElement parent;
};
struct TestSlowClass {
  GstElementClass parent;
};
G_DEFINE_TYPE(TestSlow, test_slow, GST_TYPE_ELEMENT)

GstStateChangeReturn test_slow_change_state(GstElement *element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_NULL_TO_READY)
    setup_gate->wait();
  return GST_ELEMENT_CLASS(test_slow_parent_class)->change_state(element, transition);
}

void test_slow_class_init(TestSlowClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = test_slow_change_state;
  static GstStaticPadTemplate sink =
      GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  gst_element_class_add_static_pad_template(element_class, &sink);
  gst_element_class_set_static_metadata(element_class, "Slow", "Sink", "For a test", "Test");
}

void test_slow_init(TestSlow *self)
{
  gst_element_add_pad(
      GST_ELEMENT(self),
      gst_pad_new_from_template(gst_element_get_pad_template(GST_ELEMENT(self), "sink"), "sink"));
}

}  // namespace

GST_START_TEST(test_idle_negotiating_flowing)
{
  GraphRig rig(kLive);
  expect_equal(state_of(rig, "out.sink"), "idle");
  rig.set_state(GST_STATE_PAUSED);
  // A live source settles on its caps before it plays.
  fail_unless(reaches(rig, "out.sink", "negotiating"));
  fail_if(text_at(link_to(rig.stats(), "out.sink"), "caps").empty());
  fail_if(rig.is_ready());
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  // Each change is an event.
  rig.set_state(GST_STATE_READY);
  fail_unless(reaches(rig, "out.sink", "idle"));
  for (const char *state : {"negotiating", "flowing", "idle"}) {
    const auto message = event(rig, "link-state-changed", 1000);
    fail_unless_equals_string(field(message, "detail").c_str(), state);
    expect_equal(field(message, "to"), "out.sink");
  }
}
GST_END_TEST

GST_START_TEST(test_idle_again)
{
  GraphRig rig(R"({"nodes": {"src": {"type": "appsrc"},
      "out": {"type": "fakesink", "config": {"sync": false}}},
    "links": [{"from": "src", "to": "out"}]})");
  rig.play();
  fail_unless(reaches(rig, "out.sink", "negotiating"));
  push_into(rig, "src");
  fail_unless(reaches(rig, "out.sink", "flowing"));
  fail_unless(reaches(rig, "out.sink", "idle"));
  fail_unless_equals_int(number_at(link_to(rig.stats(), "out.sink"), "taken"), 1);
}
GST_END_TEST

GST_START_TEST(test_eos)
{
  GraphRig rig(R"({"nodes": {"src": {"type": "fakesrc", "config": {"num-buffers": 5}},
      "empty": {"type": "fakesrc", "config": {"num-buffers": 0}},
      "out": {"type": "fakesink"}, "other": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out"}, {"from": "empty", "to": "other"}]})");
  rig.play();
  fail_unless(reaches(rig, "out.sink", "eos"));
  fail_unless(reaches(rig, "other.sink", "eos"));
  // A stream that ends empty is nothing to wait for.
  fail_unless(eventually([&] { return rig.is_ready(); }));
  expect_equal(stalled_node(rig), "");
}
GST_END_TEST

GST_START_TEST(test_not_negotiated)
{
  GraphRig rig(R"({"nodes": {"src": {"type": "appsrc", "config": {"caps": "video/x-raw"}},
      "only": {"type": "capsfilter", "config": {"caps": "audio/x-raw"}},
      "out": {"type": "fakesink"}, "good": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "only"}, {"from": "only", "to": "out"},
              {"from": "src", "to": "good"}]})");
  rig.play();
  push_into(rig, "src", 3);
  fail_unless(reaches(rig, "only.sink", "not-negotiated"));
  // It alone.
  fail_unless(
      eventually([&] { return number_at(link_to(rig.stats(), "good.sink"), "taken") == 3; }));
  fail_if(rig.is_ready());
  expect_equal(stalled_node(rig), "only");
  fail_unless(stalled_why(rig).find("video/x-raw") != std::string::npos, "%s",
              stalled_why(rig).c_str());
  expect_equal(field(event(rig, "node-stalled"), "node"), "only");
}
GST_END_TEST

GST_START_TEST(test_unlinked)
{
  gst_element_register(nullptr, "testlate", GST_RANK_NONE, test_late_get_type());
  GraphRig rig(R"({"nodes": {"late": {"type": "testlate"}, "out": {"type": "fakesink"},
      "src": {"type": "videotestsrc", "config": {"is-live": true}}, "other": {"type": "fakesink"}},
    "links": [{"from": "late.src_%u", "to": "out"}, {"from": "src", "to": "other"}]})");
  expect_equal(state_of(rig, "out.sink"), "unlinked");
  rig.play();
  fail_unless(reaches(rig, "other.sink", "flowing"));
  expect_equal(state_of(rig, "out.sink"), "unlinked");
  fail_if(rig.is_ready());
  GstPad *source = gst_pad_new_from_template(
      gst_element_get_pad_template(rig.node("late").get(), "src_%u"), "src_0");
  gst_pad_set_active(source, TRUE);
  gst_element_add_pad(rig.node("late").get(), source);
  fail_unless(reaches(rig, "out.sink", "idle"));
  gst_pad_push_event(source, gst_event_new_stream_start("late"));
  fail_unless(reaches(rig, "out.sink", "negotiating"));
}
GST_END_TEST

// A node that never returns from its chain: the one behind which nothing moves is named, not those
// that wait for it, and nobody who asks is held up.
GST_START_TEST(test_blocked)
{
  Gate gate;
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}},
      "first": {"type": "identity"}, "second": {"type": "identity"}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "first", "policy": "lossless"},
              {"from": "first", "to": "second", "policy": "lossless"},
              {"from": "second", "to": "out", "policy": "latest"}]})");
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  rig.hold_at("second", "src", gate);
  fail_unless(reaches(rig, "second.sink", "blocked"));
  expect_equal(stalled_node(rig), "second");
  fail_unless(stalled_why(rig).find("worked on one buffer") != std::string::npos, "%s",
              stalled_why(rig).c_str());
  const auto message = event(rig, "node-stalled");
  expect_equal(field(message, "node"), "second");
  for (int i = 0; i < 5; i++)
    fail_unless(duration_of_stats(rig) < limit_ms(200));
  // Those before it wait for it, and are blocked in the end; it is still the one.
  fail_unless(reaches(rig, "first.sink", "blocked"));
  expect_equal(stalled_node(rig), "second");
  fail_unless(number_at(link_to(rig.stats(), "second.sink"), "age-ms") < limit_ms(1000));
  gate.open();
  expect_equal(field(event(rig, "node-stall-over"), "node"), "second");
  fail_unless(reaches(rig, "out.sink", "flowing"));
}
GST_END_TEST

// An evicting link goes on to take what its consumer does not.
GST_START_TEST(test_blocked_behind_an_evicting_link)
{
  Gate gate;
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}},
      "out": {"type": "fakesink"}, "other": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out", "policy": "in-order", "depth": 4},
              {"from": "src", "to": "other"}]})");
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  rig.hold_at("out", "sink", gate);
  fail_unless(reaches(rig, "out.sink", "blocked"));
  expect_equal(state_of(rig, "other.sink"), "flowing");
  fail_unless(
      eventually([&] { return number_at(link_to(rig.stats(), "out.sink"), "dropped-full") > 0; }));
  expect_equal(stalled_node(rig), "out");
  gate.open();
}
GST_END_TEST

// Without a link of its own.
GST_START_TEST(test_blocked_in_a_fused_node)
{
  Gate gate;
  GraphRig rig(R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}},
      "out": {"type": "fakesink", "scheduling": "inline"}},
    "links": [{"from": "src", "to": "out"}]})");
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  fail_unless(at(link_to(rig.stats(), "out.sink"), "fused") == Json(true));
  rig.hold_at("out", "sink", gate);
  fail_unless(reaches(rig, "out.sink", "blocked"));
  expect_equal(stalled_node(rig), "out");
  gate.open();
}
GST_END_TEST

// A node that joins streams is not to blame for the one that does not come.
GST_START_TEST(test_a_join_waits)
{
  GraphRig rig(R"({"nodes": {
      "there": {"type": "audiotestsrc"}, "missing": {"type": "appsrc"},
      "mix": {"type": "audiomixer"}, "out": {"type": "fakesink", "config": {"async": false}}},
    "links": [{"from": "there", "to": "mix.sink_0"}, {"from": "missing", "to": "mix.sink_1"},
              {"from": "mix", "to": "out"}]})");
  rig.play();
  fail_unless(reaches(rig, "mix.sink_0", "blocked"));
  expect_equal(stalled_node(rig), "mix");
  fail_unless(stalled_why(rig).find("waits for data from missing.src") == 3, "%s",
              stalled_why(rig).c_str());
}
GST_END_TEST

GST_START_TEST(test_a_silent_source)
{
  GraphRig rig(R"({"nodes": {"src": {"type": "appsrc"}, "out": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out"}]})");
  g_object_set(rig.node("out").get(), "async", FALSE, nullptr);
  rig.play();
  fail_unless(eventually([&] { return stalled_node(rig) == "src"; }));
  // Whoever is paused on purpose holds nobody up.
  gst_sl_graph_pause_node(rig.graph(), "src", nullptr);
  fail_unless(eventually([&] { return stalled_node(rig).empty(); }));
}
GST_END_TEST

GST_START_TEST(test_a_paused_node_is_no_stall)
{
  GraphRig rig(kLive);
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  fail_unless(gst_sl_graph_pause_node(rig.graph(), "out", nullptr));
  fail_unless(reaches(rig, "out.sink", "blocked"));
  expect_equal(stalled_node(rig), "");
  fail_unless(gst_sl_graph_resume_node(rig.graph(), "out", nullptr));
  fail_unless(reaches(rig, "out.sink", "flowing"));
}
GST_END_TEST

GST_START_TEST(test_ready)
{
  GraphRig rig(R"({"nodes": {
      "src": {"type": "appsrc"}, "out": {"type": "fakesink"},
      "live": {"type": "videotestsrc", "config": {"is-live": true}}, "other": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out"}, {"from": "live", "to": "other"}]})");
  std::atomic<int> notified = 0;
  g_signal_connect(rig.graph(), "notify::ready",
                   G_CALLBACK(+[](GObject *, GParamSpec *, gpointer data) {
                     (*static_cast<std::atomic<int> *>(data))++;
                   }),
                   &notified);
  rig.play();
  fail_unless(reaches(rig, "other.sink", "flowing"));
  // One link has none yet.
  fail_if(rig.is_ready());
  push_into(rig, "src");
  fail_unless(eventually([&] { return rig.is_ready(); }));
  fail_unless(eventually([&] { return notified.load() == 1; }));
  fail_unless(event(rig, "graph-ready"));
  // A new link is one more to wait for.
  rig.apply(R"({"nodes": {
      "src": {"type": "appsrc"}, "out": {"type": "fakesink"}, "third": {"type": "fakesink"},
      "live": {"type": "videotestsrc", "config": {"is-live": true}}, "other": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "out"}, {"from": "live", "to": "other"},
              {"from": "src", "to": "third"}]})");
  fail_unless(eventually([&] { return notified.load() == 2; }));
  fail_if(rig.is_ready());
  push_into(rig, "src");
  fail_unless(eventually([&] { return rig.is_ready(); }));
  // A stop begins anew.
  rig.set_state(GST_STATE_READY);
  fail_if(rig.is_ready());
  fail_unless_equals_int(notified.load(), 4);
  rig.play();
  fail_unless(reaches(rig, "other.sink", "flowing"));
  fail_if(rig.is_ready());
}
GST_END_TEST

// While the graph is busy with an edit the figures are the last ones, and say so.
GST_START_TEST(test_figures_have_an_age)
{
  Gate gate;
  setup_gate = &gate;
  gst_element_register(nullptr, "testslow", GST_RANK_NONE, test_slow_get_type());
  GraphRig rig(kLive);
  rig.play();
  fail_unless(reaches(rig, "out.sink", "flowing"));
  gst_sl_graph_apply_async(rig.graph(), R"({"nodes": {
      "src": {"type": "videotestsrc", "config": {"is-live": true}},
      "out": {"type": "fakesink"}, "slow": {"type": "testslow"}},
    "links": [{"from": "src", "to": "out"}, {"from": "src", "to": "slow"}]})",
                           nullptr, nullptr, nullptr);
  fail_unless(eventually([&] { return gate.has_visitor(); }));
  sleep_ms(600);
  fail_unless(duration_of_stats(rig) < limit_ms(200));
  const Json stats = rig.stats();
  fail_unless(number_at(link_to(stats, "out.sink"), "age-ms") >= 500);
  fail_unless(number_at(at(at(stats, "nodes"), "out"), "age-ms") >= 500);
  gate.open();
  fail_unless(eventually([&] { return at(rig.stats(), "nodes").find("slow") != nullptr; }));
  fail_unless(number_at(link_to(rig.stats(), "out.sink"), "age-ms") < limit_ms(400));
}
GST_END_TEST

static Suite *observe_suite()
{
  Suite *suite = suite_create("graph-observe");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_idle_negotiating_flowing);
  tcase_add_test(tcase, test_idle_again);
  tcase_add_test(tcase, test_eos);
  tcase_add_test(tcase, test_not_negotiated);
  tcase_add_test(tcase, test_unlinked);
  tcase_add_test(tcase, test_blocked);
  tcase_add_test(tcase, test_blocked_behind_an_evicting_link);
  tcase_add_test(tcase, test_blocked_in_a_fused_node);
  tcase_add_test(tcase, test_a_join_waits);
  tcase_add_test(tcase, test_a_silent_source);
  tcase_add_test(tcase, test_a_paused_node_is_no_stall);
  tcase_add_test(tcase, test_ready);
  tcase_add_test(tcase, test_figures_have_an_age);
  return suite;
}

GST_CHECK_MAIN(observe)
