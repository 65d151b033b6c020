// SPDX-License-Identifier: LGPL-2.1-or-later
// The pads of a graph, and what is linked to them from outside, beside edits that name them.
#include <atomic>

#include "fixture.h"
#include "gst/streamlib/gstslgraph_private.h"

using namespace graphs;

namespace {

// An element beside the graph, in the same pipeline, and what the graph says of its pads.
class Outside {
public:
  Outside(TestGraph &graph, const char *factory, const char *port) : graph_(graph), port_(port)
  {
    element_ = share_object(gst_element_factory_make(factory, nullptr));
    gst_bin_add(GST_BIN(graph.pipeline()), element_.get());
    link();
    added_ = SignalHandler(graph.get(), "pad-added", G_CALLBACK(count), &came_);
    removed_ = SignalHandler(graph.get(), "pad-removed", G_CALLBACK(count), &went_);
  }

  void link()
  {
    ghost_ = adopt_object(gst_element_get_static_pad(GST_ELEMENT(graph_.get()), port_));
    ck_assert(ghost_);
    const bool is_source = GST_PAD_IS_SRC(ghost_.get());
    pad_ = adopt_object(gst_element_get_static_pad(element_.get(), is_source ? "sink" : "src"));
    ck_assert_int_eq(
        is_source ? gst_pad_link(ghost_.get(), pad_.get()) : gst_pad_link(pad_.get(), ghost_.get()),
        GST_PAD_LINK_OK);
  }

  // The pad of the graph is the one that it was, and linked as it was.
  bool is_the_same() const
  {
    const auto now = adopt_object(gst_element_get_static_pad(GST_ELEMENT(graph_.get()), port_));
    const auto peer = adopt_object(gst_pad_get_peer(pad_.get()));
    return now == ghost_ && peer == ghost_;
  }
  GstElement *element() const { return element_.get(); }
  GstPad *pad() const { return pad_.get(); }
  unsigned came() const { return came_.load(); }
  unsigned went() const { return went_.load(); }

private:
  using SignalHandler = streamlib::support::SignalHandler;

  static void count(GstElement *, GstPad *, gpointer counter)
  {
    (*static_cast<std::atomic<unsigned> *>(counter))++;
  }

  TestGraph &graph_;
  const char *port_;
  GObjectPtr<GstElement> element_;
  GObjectPtr<GstPad> ghost_;
  GObjectPtr<GstPad> pad_;
  std::atomic<unsigned> came_ = 0;
  std::atomic<unsigned> went_ = 0;
  SignalHandler added_;
  SignalHandler removed_;
};

// Each step in turn fails, until none is left; `check` looks after each.
int fail_each_step(TestGraph &graph, const std::string &description,
                   const std::function<void(int)> &check)
{
  for (int step = 0;; step++) {
    streamlib::graph::make_up_fault(graph.get(), step);
    const std::string result = graph.apply(description);
    if (result.empty()) {
      streamlib::graph::make_up_fault(graph.get(), -1);
      return step;
    }
    ck_assert_msg(result.find("made up") != std::string::npos, "step %d: %s", step, result.c_str());
    check(step);
  }
}

void check_flow(const Tap &tap, int step)
{
  const uint64_t seen = tap.buffers();
  ck_assert_msg(eventually([&] { return tap.buffers() > seen + 2; }), "nothing flows after %d",
                step);
}

std::string caps_of(GstPad *pad)
{
  const auto caps = adopt_mini(gst_pad_get_current_caps(pad));
  const CStr text(caps ? gst_caps_to_string(caps.get()) : g_strdup("none"));
  return text.get();
}

unsigned pads_of(GstElement *element)
{
  const streamlib::support::ObjectLock lock(element);
  return element->numpads;
}

constexpr const char *kOutput = R"({"nodes": {
  "cam": {"type": "videotestsrc", "config": {"is-live": true}},
  "two": {"type": "fakesink"}},
  "links": [{"from": "cam", "to": "two", "policy": "lossless"}], "outputs": {"out": "cam"}})";

// The sink keeps time, so that the source outside needs not be live: of its stream the links may
// drop nothing.
constexpr const char *kInput = R"({"nodes": {"mid": {"type": "identity"},
  "one": {"type": "fakesink", "config": {"sync": true}}}, "links": [{"from": "mid", "to": "one", "policy": "lossless"}],
  "inputs": {"in": "mid"}})";

}  // namespace

// The stream of the port does not notice that it was closed.
GST_START_TEST(test_closed_output_taken_back)
{
  TestGraph graph(kOutput);
  Outside outside(graph, "fakesink", "out");
  const Tap tap(outside.pad());
  graph.play();
  check_flow(tap, -1);
  const int steps = fail_each_step(graph, R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}},
      "two": {"type": "fakesink"}, "three": {"type": "fakesink"}},
      "links": [{"from": "cam", "to": "three"}, {"from": "cam", "to": "two",
        "policy": "in-order"}]})",
                                   [&](int step) {
                                     ck_assert_msg(outside.is_the_same(), "step %d", step);
                                     check_flow(tap, step);
                                   });
  ck_assert_msg(steps > 5, "%d steps", steps);
  fail_unless_equals_int(tap.gaps(), 0);
  fail_unless_equals_int(outside.came(), 0);
  fail_unless_equals_int(outside.went(), 1);
  fail_unless(!outside.is_the_same());
  const auto two = graph.tap("two");
  check_flow(*two, steps);
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

// What comes from outside waits, also where another source has the input meanwhile.
GST_START_TEST(test_closed_input_taken_back)
{
  TestGraph graph(kInput);
  Outside outside(graph, "videotestsrc", "in");
  const auto one = graph.tap("one");
  graph.play();
  check_flow(*one, -1);
  const int steps = fail_each_step(graph, R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}},
      "mid": {"type": "identity", "config": {"silent": false}}, "one": {"type": "fakesink", "config": {"sync": true}}},
      "links": [{"from": "cam", "to": "mid"}, {"from": "mid", "to": "one", "policy": "lossless"}]})",
                                   [&](int step) {
                                     ck_assert_msg(outside.is_the_same(), "step %d", step);
                                     check_flow(*one, step);
                                   });
  ck_assert_msg(steps > 5, "%d steps", steps);
  ck_assert_msg(one->gaps() <= 1, "%d gaps", static_cast<int>(one->gaps()));
  fail_unless_equals_int(outside.came(), 0);
  fail_unless_equals_int(outside.went(), 1);
  check_flow(*one, steps);
  // The source outside may say that nobody takes its stream any more.
  for (const std::string &error : graph.errors())
    ck_assert_msg(error.find("Internal data stream error") == 0, "%s", error.c_str());
}
GST_END_TEST;

// An opened one is never seen when the edit is taken back, and leaves no pad behind.
GST_START_TEST(test_opened_port_taken_back)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "tee": {"type": "tee"},
    "mix": {"type": "compositor"}, "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "tee"}, {"from": "tee.src_0", "to": "one"},
              {"from": "tee.src_1", "to": "mix.sink_0"}, {"from": "mix", "to": "two"}],
    "outputs": {"first": "cam"}})");
  Outside outside(graph, "fakesink", "first");
  const auto two = graph.tap("two");
  graph.play();
  check_flow(*two, -1);
  const auto tee = graph.node("tee");
  const auto mix = graph.node("mix");
  const unsigned tee_pads = pads_of(tee.get());
  const unsigned mix_pads = pads_of(mix.get());
  const int steps = fail_each_step(graph, R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "tee": {"type": "tee"},
    "mix": {"type": "compositor"}, "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "tee"}, {"from": "tee.src_0", "to": "one"},
              {"from": "tee.src_1", "to": "mix.sink_0"}, {"from": "mix", "to": "two"}],
    "inputs": {"in": "mix.sink_%u"}, "outputs": {"first": "cam", "out": "tee.src_%u"}})",
                                   [&](int step) {
                                     ck_assert_msg(pads_of(tee.get()) == tee_pads, "step %d", step);
                                     ck_assert_msg(pads_of(mix.get()) == mix_pads, "step %d", step);
                                     check_flow(*two, step);
                                   });
  ck_assert_msg(steps >= 2, "%d steps", steps);
  fail_unless_equals_int(outside.came(), 2);
  fail_unless_equals_int(outside.went(), 0);
  fail_unless_equals_int(pads_of(tee.get()), tee_pads + 1);
  fail_unless_equals_int(pads_of(mix.get()), mix_pads + 1);
  Outside next(graph, "fakesink", "out");
  const Tap tap(next.pad());
  gst_element_sync_state_with_parent(next.element());
  check_flow(tap, steps);
}
GST_END_TEST;

// Ports of pads that are made on request: the pad goes when the port does, and not before.
GST_START_TEST(test_ports_of_request_pads)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "tee": {"type": "tee"},
    "mix": {"type": "compositor"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "tee"}, {"from": "tee.src_0", "to": "mix.sink_0"},
              {"from": "mix", "to": "two"}],
    "inputs": {"in": "mix.sink_%u"}, "outputs": {"out": "tee.src_%u"}})");
  Outside in(graph, "videotestsrc", "in");
  g_object_set(in.element(), "is-live", TRUE, nullptr);
  Outside out(graph, "fakesink", "out");
  const Tap tap(out.pad());
  const auto two = graph.tap("two");
  graph.play();
  check_flow(*two, -1);
  const auto mix = graph.node("mix");
  const unsigned mix_pads = pads_of(mix.get());
  fail_each_step(graph, R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "tee": {"type": "tee"},
    "mix": {"type": "compositor"}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "tee"}, {"from": "tee.src_0", "to": "mix.sink_0"},
              {"from": "mix", "to": "two"}]})",
                 [&](int step) {
                   fail_unless(in.is_the_same() && out.is_the_same());
                   ck_assert_msg(pads_of(mix.get()) == mix_pads, "step %d", step);
                   check_flow(*two, step);
                   check_flow(tap, step);
                 });
  fail_unless_equals_int(tap.gaps(), 0);
  // A pad that nothing feeds would hold the mixer up.
  fail_unless(eventually([&] { return pads_of(mix.get()) == mix_pads - 1; }));
  check_flow(*two, 100);
}
GST_END_TEST;

// The same name for another pad of the graph: whoever is linked to it gets the other stream.
GST_START_TEST(test_moved_output)
{
  const auto text = [](const char *node) {
    return std::string(R"({"nodes": {
      "a": {"type": {"bin": "videotestsrc is-live=true ! capsfilter caps=video/x-raw,width=64,height=64"}},
      "b": {"type": {"bin": "videotestsrc is-live=true ! capsfilter caps=video/x-raw,width=96,height=96"}},
      "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
      "links": [{"from": "a", "to": "one"}, {"from": "b", "to": "two"}],
      "outputs": {"out": ")") +
           node + "\"}}";
  };
  TestGraph graph(text("a"));
  Outside outside(graph, "fakesink", "out");
  const Tap tap(outside.pad());
  graph.play();
  check_flow(tap, -1);
  const int steps = fail_each_step(graph, text("b"), [&](int step) {
    fail_unless(outside.is_the_same());
    check_flow(tap, step);
    fail_unless(caps_of(outside.pad()).find("width=(int)64") != std::string::npos);
  });
  fail_unless(steps >= 2);
  fail_unless_equals_int(tap.gaps(), 0);
  for (const char *node : {"b", "a", "b"}) {
    check_equal(graph.apply(text(node)), "");
    fail_unless(outside.is_the_same());
    check_flow(tap, 100);
    const bool is_a = *node == 'a';
    ck_assert_msg(
        caps_of(outside.pad()).find(is_a ? "width=(int)64" : "width=(int)96") != std::string::npos,
        "%s", caps_of(outside.pad()).c_str());
  }
  fail_unless_equals_int(outside.came() + outside.went(), 0);
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

GST_START_TEST(test_moved_input)
{
  const auto text = [](const char *node, const char *other) {
    return std::string(R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}},
      "one": {"type": "fakesink"}, "two": {"type": "fakesink"}},
      "links": [{"from": "cam", "to": ")") +
           other + R"("}], "inputs": {"in": ")" + node + "\"}}";
  };
  TestGraph graph(text("one", "two"));
  Outside outside(graph, "videotestsrc", "in");
  g_object_set(outside.element(), "is-live", TRUE, "num-buffers", -1, nullptr);
  const Tap tap(outside.pad());
  const auto one = graph.tap("one");
  const auto two = graph.tap("two");
  graph.play();
  check_flow(*one, -1);
  fail_each_step(graph, text("two", "one"), [&](int step) {
    fail_unless(outside.is_the_same());
    check_flow(*one, step);
    check_flow(*two, step);
  });
  for (int i = 0; i < 4; i++) {
    fail_unless(outside.is_the_same());
    check_flow(*one, 100 + i);
    check_flow(*two, 100 + i);
    check_flow(tap, 100 + i);
    check_equal(graph.apply(i % 2 == 0 ? text("one", "two") : text("two", "one")), "");
  }
  fail_unless_equals_int(tap.gaps(), 0);
  fail_unless_equals_int(outside.came() + outside.went(), 0);
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

// What was an input cannot stay linked as an output.
GST_START_TEST(test_other_direction)
{
  TestGraph graph(R"({"nodes": {"mid": {"type": "identity"}, "one": {"type": "fakesink"}},
    "links": [{"from": "mid", "to": "one"}], "inputs": {"port": "mid"}})");
  Outside outside(graph, "fakesrc", "port");
  const std::string turned = R"({"nodes": {"mid": {"type": "videotestsrc"},
    "one": {"type": "fakesink"}}, "links": [{"from": "mid", "to": "one"}],
    "outputs": {"port": "mid"}})";
  fail_each_step(graph, turned, [&](int) {
    fail_unless(outside.is_the_same());
    fail_unless_equals_int(outside.came() + outside.went(), 0);
  });
  fail_unless_equals_int(outside.came(), 1);
  fail_unless_equals_int(outside.went(), 1);
  const auto port = adopt_object(gst_element_get_static_pad(GST_ELEMENT(graph.get()), "port"));
  fail_unless(port && GST_PAD_IS_SRC(port.get()));
}
GST_END_TEST;

// The node behind an input is exchanged: its stream goes on in the new element.
GST_START_TEST(test_replaced_behind_an_input)
{
  TestGraph graph(kInput);
  Outside outside(graph, "videotestsrc", "in");
  const auto one = graph.tap("one");
  graph.play();
  check_flow(*one, -1);
  fail_each_step(graph, R"({"nodes": {"mid": {"type": "videoconvert"},
      "one": {"type": "fakesink", "config": {"sync": true}}}, "links": [{"from": "mid", "to": "one", "policy": "lossless"}],
      "inputs": {"in": "mid"}})",
                 [&](int step) { check_flow(*one, step); });
  check_flow(*one, 100);
  for (int i = 0; i < 5; i++) {
    check_equal(graph.replace("mid"), "");
    check_flow(*one, 101 + i);
  }
  // Neither with the port closed in the same edit.
  fail_each_step(graph, R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "mid": {"type": "identity"},
      "one": {"type": "fakesink", "config": {"sync": true}}}, "links": [{"from": "cam", "to": "mid"},
      {"from": "mid", "to": "one", "policy": "lossless"}]})",
                 [&](int step) {
                   fail_unless(outside.is_the_same());
                   check_flow(*one, 200 + step);
                 });
  ck_assert_msg(one->gaps() <= 1, "%d gaps", static_cast<int>(one->gaps()));
  check_flow(*one, 300);
  fail_unless_equals_int(outside.went(), 1);
}
GST_END_TEST;

// What is linked to the port and does not return is the reason why it cannot be closed.
GST_START_TEST(test_close_with_stuck_peer)
{
  TestGraph graph(kOutput);
  Outside outside(graph, "troublefilter", "out");
  GObjectPtr<GstElement> sink = share_object(gst_element_factory_make("fakesink", nullptr));
  gst_bin_add(GST_BIN(graph.pipeline()), sink.get());
  fail_unless(gst_element_link(outside.element(), sink.get()));
  const Tap tap(outside.pad());
  graph.play();
  check_flow(tap, -1);
  g_object_set(outside.element(), "stuck", TRUE, nullptr);
  g_usleep(100000);
  const std::string without = R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "two", "policy": "lossless"}]})";
  const gint64 begin = g_get_monotonic_time();
  const std::string result = graph.apply(without);
  const gint64 took = (g_get_monotonic_time() - begin) / 1000;
  ck_assert_msg(result.find("'out'") != std::string::npos, "%s", result.c_str());
  ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
  fail_unless(outside.is_the_same());
  g_object_set(outside.element(), "stuck", FALSE, nullptr);
  let_go();
  check_flow(tap, 0);
  fail_unless_equals_int(tap.gaps(), 0);
  check_equal(graph.apply(without), "");
  fail_unless_equals_int(outside.went(), 1);
}
GST_END_TEST;

// A node that takes nothing any more does not keep its input, unless it works in the thread that
// comes from outside.
GST_START_TEST(test_close_in_front_of_stuck_node)
{
  const std::string without = R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "two": {"type": "fakesink"}},
    "links": [{"from": "cam", "to": "two"}]})";
  for (const bool is_inline : {false, true}) {
    TestGraph graph(std::string(R"({"nodes": {
      "cam": {"type": "videotestsrc", "config": {"is-live": true}}, "two": {"type": "fakesink"},
      "bad": {"type": "troublefilter", "scheduling": ")") +
                    (is_inline ? "inline" : "dedicated") + R"("}, "one": {"type": "fakesink"}},
      "links": [{"from": "cam", "to": "two"}, {"from": "bad", "to": "one"}],
      "inputs": {"in": "bad"}})");
    Outside outside(graph, "videotestsrc", "in");
    const auto one = graph.tap("one");
    graph.play();
    check_flow(*one, -1);
    g_object_set(graph.node("bad").get(), "stuck", TRUE, nullptr);
    g_usleep(300000);
    const gint64 begin = g_get_monotonic_time();
    const std::string result = graph.apply(without);
    const gint64 took = (g_get_monotonic_time() - begin) / 1000;
    ck_assert_msg(took < 2000 * slowness(), "%d ms", static_cast<int>(took));
    ck_assert_msg((result.find("stuck") != std::string::npos) == is_inline, "%s", result.c_str());
    fail_unless(outside.is_the_same() == is_inline);
    const auto two = graph.tap("two");
    check_flow(*two, 0);
    if (is_inline) {
      g_object_set(graph.node("bad").get(), "stuck", FALSE, nullptr);
      let_go();
      check_flow(*one, 1);
      check_equal(graph.apply(without), "");
    }
    fail_unless_equals_int(outside.went(), 1);
    fail_unless(graph.stop() < 2000 * slowness());
  }
}
GST_END_TEST;

// A stop that a node does not survive makes it anew; its port is the one that was.
GST_START_TEST(test_port_of_a_lost_node)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": "videotestsrc", "config": {"is-live": true}},
    "bad": {"type": "troublefilter"}}, "links": [{"from": "cam", "to": "bad"}],
    "outputs": {"out": "bad"}})");
  Outside outside(graph, "fakesink", "out");
  const Tap tap(outside.pad());
  graph.play();
  check_flow(tap, -1);
  const auto bad = graph.node("bad");
  g_object_set(bad.get(), "stuck", TRUE, nullptr);
  g_usleep(100000);
  fail_unless(graph.stop() < 2000 * slowness());
  let_go();
  graph.play();
  fail_unless(graph.node("bad") != bad);
  fail_unless(outside.is_the_same());
  check_flow(tap, 0);
  fail_unless_equals_int(outside.came() + outside.went(), 0);
}
GST_END_TEST;

// A node that fails behind an input does not end what comes from outside.
GST_START_TEST(test_restart_behind_an_input)
{
  TestGraph graph(R"({"nodes": {"bad": {"type": "identity", "config": {"error-after": 10},
    "restart": {"policy": "on-error", "delay": 50}}, "one": {"type": "fakesink"}},
    "links": [{"from": "bad", "to": "one"}], "inputs": {"in": "bad"}})");
  Outside outside(graph, "videotestsrc", "in");
  g_object_set(outside.element(), "is-live", TRUE, nullptr);
  const auto one = graph.tap("one");
  graph.play();
  fail_unless(eventually([&] { return graph.events("node-restarted").size() >= 3; }, 15));
  fail_unless(one->buffers() > 20);
  fail_unless(outside.is_the_same());
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

// An output shows the fallback of its node, and the node again.
GST_START_TEST(test_fallback_of_an_output)
{
  TestGraph graph(R"({"nodes": {
    "cam": {"type": {"bin": "videotestsrc is-live=true ! identity error-after=15"},
            "restart": {"policy": "on-error", "delay": 600}, "fallback": "slate"},
    "slate": {"type": "videotestsrc", "config": {"is-live": true}},
    "two": {"type": "fakesink"}},
    "links": [{"from": "slate", "to": "two"}], "outputs": {"out": "cam"}})");
  Outside outside(graph, "fakesink", "out");
  const Tap tap(outside.pad());
  graph.play();
  fail_unless(eventually([&] { return !graph.events("node-fallback").empty(); }));
  check_flow(tap, 0);
  fail_unless(eventually([&] { return !graph.events("node-fallback-over").empty(); }, 10));
  check_flow(tap, 1);
  fail_unless(outside.is_the_same());
  ck_assert_msg(graph.errors().empty(), "%s", graph.errors().front().c_str());
}
GST_END_TEST;

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  register_trouble();
  Suite *suite = suite_create("graph ports");
  TCase *tcase = tcase_create("ports");
  suite_add_tcase(suite, tcase);
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, test_closed_output_taken_back);
  tcase_add_test(tcase, test_closed_input_taken_back);
  tcase_add_test(tcase, test_opened_port_taken_back);
  tcase_add_test(tcase, test_ports_of_request_pads);
  tcase_add_test(tcase, test_moved_output);
  tcase_add_test(tcase, test_moved_input);
  tcase_add_test(tcase, test_other_direction);
  tcase_add_test(tcase, test_replaced_behind_an_input);
  tcase_add_test(tcase, test_close_with_stuck_peer);
  tcase_add_test(tcase, test_close_in_front_of_stuck_node);
  tcase_add_test(tcase, test_port_of_a_lost_node);
  tcase_add_test(tcase, test_restart_behind_an_input);
  tcase_add_test(tcase, test_fallback_of_an_output);
  return run(suite);
}
