// SPDX-License-Identifier: LGPL-2.1-or-later
// Descriptions against the elements that are installed.
#include <memory>
#include <string>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/types.h"

using namespace streamlib::graph;

namespace {

FlatGraph flat_of(std::string_view text)
{
  auto result = Description::load(text);
  fail_unless(result.ok(), "%s", result.ok() ? "" : to_text(result.error()).c_str());
  return result->flat();
}

FlatGraph valid(std::string_view text)
{
  FlatGraph graph = flat_of(text);
  const Problems problems = validate(graph);
  fail_unless(problems.empty(), "%s", to_text(problems).c_str());
  return graph;
}

Problems problems_of(std::string_view text)
{
  FlatGraph graph = flat_of(text);
  return validate(graph);
}

void expect_one(std::string_view text, const char *pointer, const char *part)
{
  const Problems problems = problems_of(text);
  const std::string all = to_text(problems);
  fail_unless(problems.size() == 1, "not one: '%s' of %s", all.c_str(), std::string(text).c_str());
  fail_unless(problems[0].pointer == pointer, "not at %s: %s", pointer, all.c_str());
  fail_unless(all.find(part) != std::string::npos, "'%s' is not in: %s", part, all.c_str());
}

// A node of the type with this config.
std::string node(const char *type, const char *config)
{
  return std::string(R"({"nodes":{"n":{"type":")") + type + R"(","config":)" + config + "}}}";
}

}  // namespace

GST_START_TEST(a_right_graph_is_resolved)
{
  const FlatGraph graph = valid(R"({
    "nodes": {"src": {"type": "test", "config": {"num-buffers": 3}},
              "tee": {"type": "tee"}, "mix": {"type": "compositor", "config": {"sink_1::xpos": 5}},
              "dec": {"type": "decodebin"}, "file": {"type": "filesrc", "config": {"location": "x"}},
              "bin": {"type": {"bin": "queue name=q ! identity ! fakesink"}}, "link": {"type": "link"},
              "a": {"type": "fakesink"}, "b": {"type": "fakesink"}},
    "links": [{"from": "src", "to": "tee"}, {"from": "tee", "to": "mix"},
              {"from": "tee.src_3", "to": "mix.sink_1"}, {"from": "mix", "to": "bin"},
              {"from": "file", "to": "dec"}, {"from": "dec", "to": "link"}, {"from": "link", "to": "a"},
              {"from": "tee.src_%u", "to": "b"}]
  })");
  std::string ends;
  for (const FlatLink &link : graph.links)
    ends += to_text(link.from) + ">" + to_text(link.to) + " ";
  fail_unless(ends ==
                  "src.src>tee.sink tee.src_%u>mix.sink_%u tee.src_3>mix.sink_1 mix.src>bin.sink "
                  "file.src>dec.sink dec.src_%u>link.sink link.src>a.sink tee.src_%u>b.sink ",
              "%s", ends.c_str());
}
GST_END_TEST

GST_START_TEST(types)
{
  expect_one(node("vidoetestsrc", "{}"), "/nodes/n/type", "did you mean 'videotestsrc'?");
  expect_one(node("tset", "{}"), "/nodes/n/type", "did you mean 'test'?");
  expect_one(node("nothinglikeit", "{}"), "/nodes/n/type", "install");
  expect_one(R"({"nodes":{"n":{"type":{"bin":"videotestsrc ! nothinglikeit"}}}})",
             "/nodes/n/type/bin", "nothinglikeit");
  // An unknown type says nothing of its config, its pads and its feeds.
  expect_one(R"({"nodes":{"n":{"type":"nothinglikeit","config":{"a":1}},"s":{"type":"fakesink"}},
                 "links":[{"from":"n.out","to":"s"}]})",
             "/nodes/n/type", "nothinglikeit");
}
GST_END_TEST

GST_START_TEST(properties)
{
  expect_one(node("videotestsrc", R"({"pattrn":"ball"})"), "/nodes/n/config/pattrn",
             "did you mean 'pattern'?");
  expect_one(node("videotestsrc", R"({"pattern":"bal"})"), "/nodes/n/config/pattern",
             "did you mean 'ball'?");
  expect_one(node("videotestsrc", R"({"num-buffers":"3"})"), "/nodes/n/config/num-buffers",
             "string");
  expect_one(node("videotestsrc", R"({"num-buffers":-2})"), "/nodes/n/config/num-buffers", "range");
  expect_one(node("videotestsrc", R"({"name":"x"})"), "/nodes/n/config/name", "id");
  expect_one(node("videotestsrc", R"({"src::nothing":1})"), "/nodes/n/config/src::nothing",
             "'nothing'");
  expect_one(node("videotestsrc", R"({"scr::offset":1})"), "/nodes/n/config/scr::offset",
             "did you mean 'src'?");
  valid(node("videotestsrc", R"({"src::offset":5,"pattern":null,"foreground-color":255})"));
  expect_one(R"({"nodes":{"s":{"type":"videotestsrc"},"n":{"type":"fakesink",
                 "config":{"last-sample":null}}},"links":[{"from":"s","to":"n"}]})",
             "/nodes/n/config/last-sample", "read");
  valid(R"({"nodes":{"b":{"type":{"bin":"videotestsrc name=t ! fakesink"},
            "config":{"t::pattern":"ball"}}}})");
  expect_one(R"({"nodes":{"b":{"type":{"bin":"videotestsrc name=t ! fakesink"},
                 "config":{"t::pattern":"bal"}}}})",
             "/nodes/b/config/t::pattern", "did you mean 'ball'?");
}
GST_END_TEST

namespace {

// Sources, filters and sinks with these links.
std::string linked(const std::string &links)
{
  return R"({"nodes":{"v":{"type":"videotestsrc"},"a":{"type":"audiotestsrc"},
    "c":{"type":"videoconvert"},"f":{"type":"fakesink"}},"links":[)" +
         links + "]}";
}

}  // namespace

GST_START_TEST(pads)
{
  const std::string rest = R"(,{"from":"c","to":"f"})";
  expect_one(linked(R"({"from":"v.soorce","to":"c"})" + rest), "/links/0/from", "'src'");
  expect_one(linked(R"({"from":"v.scr","to":"c"})" + rest), "/links/0/from", "did you mean 'src'?");
  expect_one(linked(R"({"from":"v","to":"c.src"})" + rest), "/links/0/to", "no sink pad");
  expect_one(linked(R"({"from":"f","to":"c"},{"from":"v","to":"f"})"), "/links/0/from",
             "no source pads");
  expect_one(R"({"nodes":{"v":{"type":"videotestsrc"},"m":{"type":"compositor"}},
                 "links":[{"from":"v","to":"m.sink_x"}]})",
             "/links/0/to", "sink_%u");
  // The caps decide between the pads of a muxer; several that fit must be named.
  const FlatGraph graph =
      valid(R"({"nodes":{"a":{"type":"audiotestsrc"},"m":{"type":"matroskamux"}},
      "links":[{"from":"a","to":"m"}]})");
  fail_unless(graph.links[0].to.pad == "audio_%u", "%s", graph.links[0].to.pad.c_str());
  expect_one(R"({"nodes":{"s":{"type":"filesrc"},"m":{"type":"matroskamux"}},
      "links":[{"from":"s","to":"m"}]})",
             "/links/0/to", "must be named");
}
GST_END_TEST

GST_START_TEST(names_of_pads_fit_templates)
{
  const auto takes = [](const char *kind, const char *pad) {
    PadKind pads;
    pads.name = kind;
    return pads.takes(pad);
  };
  fail_unless(takes("src_%u", "src_12") && takes("src_%u", "src_%u") && takes("src", "src"));
  fail_unless(takes("src_%08x", "src_0000001f") && takes("video_%01x_%05x", "video_0_00041"));
  fail_unless(takes("%s", "any.thing") && takes("recv_rtp_src_%u_%u_%u", "recv_rtp_src_0_1_96"));
  for (const char *pad : {"src_", "src", "src_x", "src_1x", "rc_1", "", "src_-1"})
    fail_if(takes("src_%u", pad), "%s", pad);
  fail_if(takes("src", "src_1") || takes("src_%08x", "src_g") || takes("video_%u_%u", "video_1"));
}
GST_END_TEST

GST_START_TEST(one_link_for_an_input)
{
  expect_one(linked(R"({"from":"v","to":"c"},{"from":"v","to":"c.sink"},{"from":"c","to":"f"})"),
             "/links/1/to", "/links/0");
  expect_one(R"({"nodes":{"v":{"type":"videotestsrc"},"f":{"type":"fakesink"}},
      "links":[{"from":"v","to":"f"}],"inputs":{"in":"f"}})",
             "/inputs/in", "/links/0");
  expect_one(R"({"nodes":{"v":{"type":"videotestsrc"}},"outputs":{"a":"v","b":"v.src"}})",
             "/outputs/b", "'a'");
  expect_one(R"({"nodes":{"v":{"type":"videotestsrc"},"m":{"type":"funnel"}},
      "links":[{"from":"v","to":"m.sink_1"},{"from":"v","to":"m.sink_1"}]})",
             "/links/1/to", "m.sink_1");
  // A fan-out, and as many requests as one likes.
  valid(R"({"nodes":{"v":{"type":"videotestsrc"},"m":{"type":"funnel"}},
      "links":[{"from":"v","to":"m"},{"from":"v","to":"m"},{"from":"v","to":"m"}],
      "outputs":{"out":"v","mixed":"m"}})");
}
GST_END_TEST

GST_START_TEST(cycles)
{
  expect_one(R"({"nodes":{"i":{"type":"identity"}},"links":[{"from":"i","to":"i"}]})", "/links/0",
             "itself");
  expect_one(R"({"nodes":{"a":{"type":"identity"},"b":{"type":"identity"},"c":{"type":"identity"},
      "d":{"type":"fakesink"}},"links":[{"from":"a","to":"b"},{"from":"b","to":"c"},
      {"from":"c","to":"a"},{"from":"c","to":"d"}]})",
             "/links/2", "'a' → 'b' → 'c' → 'a'");
  const Problems two = problems_of(R"({"nodes":{"a":{"type":"identity"},"b":{"type":"identity"},
      "c":{"type":"identity"},"d":{"type":"identity"}},"links":[{"from":"a","to":"b"},
      {"from":"b","to":"a"},{"from":"c","to":"d"},{"from":"d","to":"c"}]})");
  fail_unless(two.size() == 2, "%s", to_text(two).c_str());
}
GST_END_TEST

GST_START_TEST(caps)
{
  expect_one(linked(R"({"from":"a","to":"c"},{"from":"c","to":"f"})"), "/links/0", "never meet");
  const auto filtered = [](const char *one, const char *other) {
    return std::string(R"({"nodes":{"s":{"type":"videotestsrc"},
        "f":{"type":"capsfilter","config":{"caps":")") +
           one +
           R"("}},"q":{"type":"queue"},"l":{"type":"link"},"g":{"type":"capsfilter","config":{"caps":")" +
           other +
           R"("}},"k":{"type":"fakesink"}},"links":[{"from":"s","to":"f"},{"from":"f","to":"q"},
        {"from":"q","to":"l"},{"from":"l","to":"g"},{"from":"g","to":"k"}]})";
  };
  valid(filtered("video/x-raw,width=640", "video/x-raw,height=480"));
  expect_one(filtered("video/x-raw,width=640", "video/x-raw,width=320"), "/links/3",
             "width=(int)640");
  expect_one(filtered("audio/x-raw", "ANY"), "/links/0", "never meet");
  expect_one(R"({"nodes":{"s":{"type":"audiotestsrc"},
      "b":{"type":{"bin":"capsfilter caps=video/x-raw ! fakesink"}}},"links":[{"from":"s","to":"b"}]})",
             "/links/0", "never meet");
}
GST_END_TEST

GST_START_TEST(feeds)
{
  expect_one(R"({"nodes":{"c":{"type":"identity"},"f":{"type":"fakesink"}},
                 "links":[{"from":"c","to":"f"}]})",
             "/nodes/c", "no link brings data");
  expect_one(R"({"nodes":{"m":{"type":"audiomixer"}}})", "/nodes/m", "no link brings data");
  expect_one(R"({"nodes":{"b":{"type":{"bin":"queue ! fakesink"}}}})", "/nodes/b", "no link");
  valid(R"({"nodes":{"f":{"type":"fakesink"}},"inputs":{"in":"f"}})");
  valid(R"({"nodes":{"b":{"type":{"bin":"videotestsrc ! fakesink"}},"r":{"type":"rtpbin"}}})");
  valid(R"({"nodes":{"v":{"type":"videotestsrc"},"f":{"type":"fakesink","fallback":"g"},
            "g":{"type":"fakesink"}},"links":[{"from":"v","to":"f"}]})");
}
GST_END_TEST

GST_START_TEST(all_problems_come_at_once)
{
  const Problems problems = problems_of(R"({"templates":{"t":{"nodes":{"x":{"type":"identity",
        "config":{"synk":true}}},"inputs":{"in":"x"},"outputs":{"out":"x"}}},
      "nodes":{"a":{"type":"videotestsrc","config":{"pattern":"bal","num-buffers":1.5}},
               "b":{"type":"nothinglikeit"},"c":{"type":{"template":"t"}},"d":{"type":"fakesink"}},
      "links":[{"from":"a.scr","to":"c"}]})");
  std::string pointers;
  for (const Problem &problem : problems)
    pointers += problem.pointer + " ";
  fail_unless(pointers ==
                  "/nodes/a/config/pattern /nodes/a/config/num-buffers /nodes/b/type "
                  "/templates/t/nodes/x/config/synk /links/0/from /nodes/d ",
              "%s", to_text(problems).c_str());
}
GST_END_TEST

GST_START_TEST(many_problems_end_the_search)
{
  std::string nodes;
  for (int i = 0; i < 300; i++)
    nodes += (i > 0 ? ",\"n" : "\"n") + std::to_string(i) + R"(":{"type":"nothinglikeit"})";
  const Problems problems = problems_of(R"({"nodes":{)" + nodes + "}}");
  fail_unless_equals_int(problems.size(), kMostProblems + 1);
  fail_unless(problems[kMostProblems - 1].pointer == "/nodes/n199/type");
  fail_unless(problems.back().reason.find("there may be more") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(no_secret_in_a_problem)
{
  const char *texts[] = {
      R"({"nodes":{"n":{"type":{"bin":"fakesrc token=s3cr3t-value"}}}})",
      R"({"nodes":{"n":{"type":{"bin":"fakesrc name=\"rtsp://u:s3cr3t-value@h\" nothing=1"}}}})",
      R"({"nodes":{"n":{"type":"fakesrc","config":{"token":"s3cr3t-value","num-buffers":"s3cr3t-value",
         "format":"s3cr3t-value"}}}})"};
  for (const char *text : texts) {
    const Problems problems = problems_of(text);
    fail_if(problems.empty());
    fail_unless(to_text(problems).find("s3cr3t") == std::string::npos, "%s",
                to_text(problems).c_str());
  }
}
GST_END_TEST

GST_START_TEST(ports_of_bins)
{
  const auto names = [](const char *launch) {
    auto made = make_bin(launch, "mine");
    fail_unless(made.ok(), "%s", made.ok() ? "" : made.error().text.c_str());
    fail_unless(std::string(GST_OBJECT_NAME(made->get())) == "mine");
    std::string text;
    for (const GList *pad = made->get()->pads; pad != nullptr; pad = pad->next)
      text += std::string(GST_PAD_NAME(pad->data)) + " ";
    return text;
  };
  fail_unless(names("identity") == "sink src ");
  fail_unless(names("queue ! identity ! fakesink") == "sink ");
  fail_unless(names("videotestsrc ! fakesink").empty());
  fail_unless(names("videotestsrc name=v audiotestsrc name=a") == "v_src a_src ");
  fail_unless(names("identity name=i fakesink name=f") == "i_sink f_sink src ", "%s",
              names("identity name=i fakesink name=f").c_str());
  fail_if(make_bin("nothinglikeit").ok());
  fail_if(make_bin("identity ) ! (").ok());
}
GST_END_TEST

GST_START_TEST(five_thousand_nodes)
{
  std::string text = R"({"nodes":{"s":{"type":"videotestsrc"})";
  for (int i = 0; i < 5000; i++)
    text += ",\"n" + std::to_string(i) + R"(":{"type":"identity","config":{"sync":true}})";
  text += R"(},"links":[{"from":"s","to":"n0"})";
  for (int i = 1; i < 5000; i++)
    text += R"(,{"from":"n)" + std::to_string(i - 1) + R"(","to":"n)" + std::to_string(i) + "\"}";
  const std::string good = text + "]}";
  const std::string bad = text + R"(,{"from":"n4999","to":"n0"}]})";
  const gint64 begin = g_get_monotonic_time();
  valid(good);
  const double seconds = (g_get_monotonic_time() - begin) / 1e6;
  g_print("MEASURED 5,000 nodes were loaded and validated in %.3f s\n", seconds);
  fail_unless(seconds < 5, "it took %.1f s", seconds);
  // A second link on an input, and a cycle of all.
  fail_unless(problems_of(bad).size() == 2);
}
GST_END_TEST

static Suite *graph_validate_suite()
{
  Suite *s = suite_create("graph-validate");
  TCase *tc = tcase_create("validate");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, a_right_graph_is_resolved);
  tcase_add_test(tc, types);
  tcase_add_test(tc, properties);
  tcase_add_test(tc, pads);
  tcase_add_test(tc, names_of_pads_fit_templates);
  tcase_add_test(tc, one_link_for_an_input);
  tcase_add_test(tc, cycles);
  tcase_add_test(tc, caps);
  tcase_add_test(tc, feeds);
  tcase_add_test(tc, all_problems_come_at_once);
  tcase_add_test(tc, many_problems_end_the_search);
  tcase_add_test(tc, no_secret_in_a_problem);
  tcase_add_test(tc, ports_of_bins);
  tcase_add_test(tc, five_thousand_nodes);
  return s;
}

GST_CHECK_MAIN(graph_validate)
