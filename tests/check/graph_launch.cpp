// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptions as launch syntax, and back.
#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/launch.h"

using namespace streamlib::graph;

namespace {

Json read(const std::string &text)
{
  auto json = from_launch(text);
  fail_unless(json.ok(), "%s: %s", text.c_str(), json.ok() ? "" : to_text(json.error()).c_str());
  return *json;
}

FlatGraph valid(const Json &json)
{
  auto description = Description::from_json(json);
  fail_unless(description.ok(), "%s", description.ok() ? "" : to_text(description.error()).c_str());
  FlatGraph graph = description->flat();
  const Problems problems = validate(graph);
  fail_unless(problems.empty(), "%s in %s", to_text(problems).c_str(), write_json(json).c_str());
  return graph;
}

FlatGraph valid(const char *text)
{
  return valid(*parse_json(text));
}

std::string written(const FlatGraph &graph)
{
  auto text = to_launch(graph);
  fail_unless(text.ok(), "%s", text.ok() ? "" : to_text(text.error()).c_str());
  return *text;
}

std::string links_of(const FlatGraph &graph)
{
  std::string text;
  for (const FlatLink &link : graph.links)
    text += to_text(link.from) + ">" + to_text(link.to) + " ";
  return text;
}

// The same nodes and links after a way through launch syntax.
void expect_same(const char *text)
{
  const FlatGraph graph = valid(text);
  const std::string launch = written(graph);
  const FlatGraph back = valid(read(launch));
  fail_unless(back.nodes.size() == graph.nodes.size(), "%s", launch.c_str());
  for (const FlatNode &node : graph.nodes) {
    const FlatNode *same = back.find(node.id);
    fail_unless(same != nullptr && same->factory == node.factory, "%s", launch.c_str());
    fail_unless(same->config == node.config, "%s became %s", write_json(node.config).c_str(),
                write_json(same->config).c_str());
  }
  fail_unless(back.links.size() == graph.links.size());
  for (const FlatLink &link : graph.links) {
    bool found = false;
    for (const FlatLink &same : back.links)
      found = found || (same.from == link.from && same.to == link.to &&
                        same.policy == link.policy && same.depth == link.depth);
    fail_unless(found, "no %s > %s in %s from %s", to_text(link.from).c_str(),
                to_text(link.to).c_str(), links_of(back).c_str(), launch.c_str());
  }
}

}  // namespace

GST_START_TEST(a_text_is_read)
{
  const Json json = read(
      "videotestsrc name=v pattern=ball num-buffers=3 ! video/x-raw,width=64 ! "
      "queue name=q max-size-time=18446744073709551615 ! fakesink name=f sync=true");
  const FlatGraph graph = valid(json);
  fail_unless(write_json(graph.find("v")->config) == R"({"num-buffers":3,"pattern":"ball"})", "%s",
              write_json(json).c_str());
  fail_unless(graph.find("q")->config.find("max-size-time")->uint64() == G_MAXUINT64);
  fail_unless(graph.nodes.size() == 4 && graph.links.size() == 3);
  const FlatNode *filter = nullptr;
  for (const FlatNode &node : graph.nodes)
    filter = node.factory == "capsfilter" ? &node : filter;
  fail_unless(filter != nullptr);
  fail_unless(*filter->config.find("caps")->string() == "video/x-raw, width=(int)64");
}
GST_END_TEST

GST_START_TEST(several_links_between_two)
{
  const FlatGraph graph =
      valid(read("videotestsrc name=v ! tee name=t funnel name=m ! fakesink name=f "
                 "t.src_0 ! m.sink_0 t.src_1 ! m.sink_1 t. ! queue name=q ! m."));
  const std::string links = links_of(graph);
  for (const char *link : {"v.src>t.sink ", "t.src_0>m.sink_0 ", "t.src_1>m.sink_1 ",
                           "t.src_2>q.sink ", "q.src>m.sink_%u ", "m.src>f.sink "})
    fail_unless(links.find(link) != std::string::npos, "no %s in %s", link, links.c_str());
  fail_unless(graph.links.size() == 6);
}
GST_END_TEST

GST_START_TEST(pads_that_come_later)
{
  const FlatGraph graph = valid(read(
      "filesrc location=x name=s ! decodebin name=d d. ! audioconvert name=a ! fakesink name=f "
      "d. ! video/x-raw,width=64 ! videoconvert name=v ! fakesink name=g"));
  const std::string links = links_of(graph);
  fail_unless(links.find("d.src_%u>a.sink ") != std::string::npos, "%s", links.c_str());
  fail_unless(links.find(">v.sink ") != std::string::npos, "%s", links.c_str());
  fail_unless(graph.links.size() == 6, "%s", links.c_str());
}
GST_END_TEST

GST_START_TEST(parentheses_are_taken_away)
{
  const FlatGraph graph =
      valid(read("videotestsrc name=v ! ( identity name=i ! queue name=q ) ! "
                 "fakesink name=f"));
  fail_unless(links_of(graph).find("v.src>i.sink ") != std::string::npos, "%s",
              links_of(graph).c_str());
  fail_unless(links_of(graph).find("q.src>f.sink ") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(properties_of_pads)
{
  const FlatGraph graph = valid(
      read("compositor name=c sink_1::xpos=5 ! fakesink videotestsrc ! c.sink_0 videotestsrc ! "
           "c.sink_1"));
  fail_unless(write_json(graph.find("c")->config) == R"({"sink_1::xpos":5})", "%s",
              write_json(graph.find("c")->config).c_str());
}
GST_END_TEST

GST_START_TEST(there_and_back)
{
  expect_same(R"({"nodes":{"v":{"type":"videotestsrc","config":{"num-buffers":7,"pattern":"snow"}},
      "f":{"type":"capsfilter","config":{"caps":"video/x-raw, width=(int)64, framerate=(fraction)30/1"}},
      "a":{"type":"fakesink","config":{"sync":true}},"b":{"type":"fakesink"},"c":{"type":"fakesink"}},
      "links":[{"from":"v","to":"f"},{"from":"f","to":"a"},{"from":"f","to":"b","policy":"latest"},
               {"from":"f","to":"c","policy":"in-order","depth":9}]})");
  expect_same(R"({"nodes":{"v":{"type":"test","config":{"num-buffers":7}},"s":{"type":"filesink",
      "config":{"location":"/tmp/a \"b\" \\c ä!"}}},"links":[{"from":"v","to":"s","depth":3}]})");
  expect_same(R"({"nodes":{"v":{"type":"videotestsrc"},"t":{"type":"tee"},"m":{"type":"compositor",
      "config":{"sink_0::alpha":0.5,"background":"black"}},"s":{"type":"fakesink"}},
      "links":[{"from":"v","to":"t"},{"from":"t.src_0","to":"m.sink_0"},
               {"from":"t.src_1","to":"m.sink_1"},{"from":"m","to":"s"}]})");
  expect_same(R"({"nodes":{"a":{"type":"audiotestsrc"},"c":{"type":"audioconvert",
      "config":{"mix-matrix":[[0.5,0.5]],"dithering":"none"}},
      "s":{"type":"fakesink"}},"links":[{"from":"a","to":"c"},{"from":"c","to":"s"}]})");
}
GST_END_TEST

GST_START_TEST(what_cannot_be_said)
{
  const auto refused = [](const char *text, const char *pointer) {
    const auto launch = to_launch(valid(text));
    fail_if(launch.ok(), "%s", text);
    fail_unless(launch.error()[0].pointer == pointer, "%s", to_text(launch.error()).c_str());
  };
  refused(R"({"nodes":{"v":{"type":"videotestsrc","restart":"always"}}})", "/nodes/v/restart");
  refused(R"({"nodes":{"v":{"type":"videotestsrc","fallback":"w"},"w":{"type":"videotestsrc"}}})",
          "/nodes/v/fallback");
  refused(R"({"nodes":{"v":{"type":"videotestsrc"}},"outputs":{"o":"v"}})", "/outputs/o");
  refused(R"({"nodes":{"ä b":{"type":"videotestsrc"}}})", "/nodes/ä b");
  refused(R"({"nodes":{"v":{"type":"videotestsrc","priority":"high"}}})", "/nodes/v/priority");
  refused(R"({"nodes":{"v":{"type":"videotestsrc"},"b":{"type":{"bin":"queue ! fakesink"}}},
      "links":[{"from":"v","to":"b"}]})",
          "/links/0");
  refused(R"({"nodes":{"v":{"type":"videotestsrc"},"s":{"type":"fakesink"}},
      "links":[{"from":"v","to":"s","timing":"restart"}]})",
          "/links/0/timing");
}
GST_END_TEST

GST_START_TEST(wrong_texts)
{
  for (const char *text :
       {"", "nothinglikeit ! fakesink", "videotestsrc ! ", "videotestsrc pattern=x",
        "videotestsrc ! audioconvert ! fakesink", "videotestsrc name=a.b ! fakesink"})
    fail_if(from_launch(text).ok(), "%s", text);
  const auto secret = from_launch("fakesrc token=s3cr3t-value ! fakesink");
  fail_if(secret.ok());
  fail_unless(to_text(secret.error()).find("s3cr3t") == std::string::npos);
}
GST_END_TEST

GST_START_TEST(what_is_written_runs)
{
  const std::string text = written(valid(R"({"nodes":{"v":{"type":"videotestsrc",
      "config":{"num-buffers":5}},"a":{"type":"fakesink"},"b":{"type":"fakesink"}},
      "links":[{"from":"v","to":"a"},{"from":"v","to":"b","policy":"lossless"}]})"));
  GstElement *pipeline = gst_parse_launch(text.c_str(), nullptr);
  fail_unless(pipeline != nullptr, "%s", text.c_str());
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND, static_cast<GstMessageType>(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message != nullptr && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS, "%s",
              text.c_str());
  gst_message_unref(message);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
}
GST_END_TEST

static Suite *graph_launch_suite()
{
  Suite *s = suite_create("graph-launch");
  TCase *tc = tcase_create("launch");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, a_text_is_read);
  tcase_add_test(tc, several_links_between_two);
  tcase_add_test(tc, pads_that_come_later);
  tcase_add_test(tc, parentheses_are_taken_away);
  tcase_add_test(tc, properties_of_pads);
  tcase_add_test(tc, there_and_back);
  tcase_add_test(tc, what_cannot_be_said);
  tcase_add_test(tc, wrong_texts);
  tcase_add_test(tc, what_is_written_runs);
  return s;
}

GST_CHECK_MAIN(graph_launch)
