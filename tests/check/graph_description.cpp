// SPDX-License-Identifier: LGPL-2.1-or-later
// The loader of descriptions: nodes, links, ports, templates, secrets.
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/description.h"

using namespace streamlib::graph;

namespace {

Description loaded(std::string_view text, const LoadOptions &options = {})
{
  auto result = Description::load(text, options);
  fail_unless(result.ok(), "%s", result.ok() ? "" : to_text(result.error()).c_str());
  return *result;
}

Problems refused(std::string_view text, const LoadOptions &options = {})
{
  auto result = Description::load(text, options);
  fail_if(result.ok(), "taken: %s", std::string(text).c_str());
  return result.error();
}

// Exactly one problem, there, with this in its text.
void expect_one(std::string_view text, const char *pointer, const char *part)
{
  const Problems problems = refused(text);
  const std::string all = to_text(problems);
  fail_unless(problems.size() == 1, "not one: %s", all.c_str());
  fail_unless(problems[0].pointer == pointer, "not at %s: %s", pointer, all.c_str());
  fail_unless(all.find(part) != std::string::npos, "'%s' is not in: %s", part, all.c_str());
}

constexpr const char *kHello = R"({
  "name": "hello", "comment": "kept",
  "nodes": {
    "cam": {"type": "camera", "config": {"width": 640}, "priority": "high", "x-position": [1, 2]},
    "enc": {"type": "x264enc", "scheduling": "pooled", "execution": "continuous",
            "restart": {"delay": 10, "max-delay": 100, "attempts": 3, "stall": 2000},
            "essential": true, "fallback": "cam", "on-upstream-removed": "gap"},
    "bin": {"type": {"bin": "queue ! fakesink"}, "restart": "always"}
  },
  "links": [
    {"from": "cam", "to": "enc.sink", "policy": "latest", "depth": 3, "timing": "restart"},
    {"from": "enc.src", "to": "bin"}
  ],
  "inputs": {"in": "enc.sink"}, "outputs": {"out": "enc.src"}
})";

}  // namespace

GST_START_TEST(everything_is_read)
{
  const Description description = loaded(kHello);
  const FlatGraph &graph = description.flat();
  fail_unless(graph.name == "hello");
  fail_unless(graph.nodes.size() == 3);
  const FlatNode &cam = graph.nodes[0];
  fail_unless(cam.id == "cam" && cam.factory == "slcamerasrc" && cam.pointer == "/nodes/cam");
  fail_unless(cam.priority == GST_SL_PRIORITY_HIGH && !cam.scheduling && !cam.execution);
  fail_unless(cam.restart.policy == RestartPolicy::Never && !cam.essential);
  fail_unless(cam.config.find("width")->int64() == 640);
  const FlatNode &enc = *graph.find("enc");
  fail_unless(enc.factory == "x264enc" && enc.scheduling == GST_SL_SCHEDULING_POOLED);
  fail_unless(enc.execution == GST_SL_EXECUTION_CONTINUOUS);
  fail_unless((enc.restart == Restart{RestartPolicy::OnError, 10, 100, 3, 2000}));
  fail_unless(enc.essential && enc.fallback == "cam");
  fail_unless(enc.on_upstream_removed == UpstreamRemoved::Gap);
  const FlatNode &bin = *graph.find("bin");
  fail_unless(bin.factory.empty() && bin.bin == "queue ! fakesink");
  fail_unless(bin.restart.policy == RestartPolicy::Always);
  fail_unless(graph.links.size() == 2);
  const FlatLink &link = graph.links[0];
  fail_unless((link.from == PadName{"cam", ""} && link.to == PadName{"enc", "sink"}));
  fail_unless(link.policy == GST_SL_LINK_POLICY_LATEST && link.depth == 3);
  fail_unless(link.timing == LinkTiming::Restart && link.pointer == "/links/0");
  fail_unless(!graph.links[1].policy && !graph.links[1].depth && !graph.links[1].timing);
  fail_unless(graph.inputs.size() == 1 && graph.inputs[0].pointer == "/inputs/in");
  fail_unless((graph.outputs[0].pad == PadName{"enc", "src"}));
  fail_unless(graph.find("nobody") == nullptr);
}
GST_END_TEST

GST_START_TEST(unknown_keys_come_back)
{
  const Description description = loaded(kHello);
  fail_unless(description.json() == *parse_json(kHello));
  fail_unless(description.unknown_keys().size() == 2);
  fail_unless(description.unknown_keys()[0].pointer == "/comment");
  fail_unless(description.unknown_keys()[1].pointer == "/nodes/cam/x-position");
  const Description typo = loaded(R"({"nodes":{"a":{"type":"fakesrc","prioritty":"high"}}})");
  fail_unless(typo.unknown_keys()[0].hint.find("'priority'") != std::string::npos);
  fail_unless(loaded("{}").flat() == Description().flat());
}
GST_END_TEST

GST_START_TEST(what_is_wrong_is_said)
{
  expect_one("[]", "", "object");
  expect_one("{\"a\":1,\"a\":2}", "", "line 1");
  expect_one(R"({"name":1})", "/name", "string");
  expect_one(R"({"nodes":[]})", "/nodes", "object");
  expect_one(R"({"nodes":{"a":1}})", "/nodes/a", "object");
  expect_one(R"({"nodes":{"a":{}}})", "/nodes/a", "'type'");
  expect_one(R"({"nodes":{"":{"type":"b"}}})", "/nodes/", "empty");
  expect_one(R"({"nodes":{"a.b":{"type":"b"}}})", "/nodes/a.b", "'.'");
  expect_one(R"({"nodes":{"a/b":{"type":"b"}}})", "/nodes/a~1b", "'/'");
  expect_one(R"({"nodes":{"a\nb":{"type":"b"}}})", "/nodes/a\nb", "control");
  expect_one(R"({"nodes":{"a":{"type":1}}})", "/nodes/a/type", "string");
  expect_one(R"({"nodes":{"a":{"type":""}}})", "/nodes/a/type", "empty");
  expect_one(R"({"nodes":{"a":{"type":{}}}})", "/nodes/a/type", "'bin'");
  expect_one(R"({"nodes":{"a":{"type":{"bin":" "}}}})", "/nodes/a/type/bin", "no element");
  expect_one(R"({"nodes":{"a":{"type":"b","config":[]}}})", "/nodes/a/config", "array");
  expect_one(R"({"nodes":{"a":{"type":"b","scheduling":"polled"}}})", "/nodes/a/scheduling",
             "did you mean 'pooled'?");
  expect_one(R"({"nodes":{"a":{"type":"b","execution":3}}})", "/nodes/a/execution", "integer");
  expect_one(R"({"nodes":{"a":{"type":"b","priority":"low"}}})", "/nodes/a/priority", "'realtime'");
  expect_one(R"({"nodes":{"a":{"type":"b","essential":1}}})", "/nodes/a/essential", "boolean");
  expect_one(R"({"nodes":{"a":{"type":"b","restart":"on-eror"}}})", "/nodes/a/restart",
             "'on-error'");
  expect_one(R"({"nodes":{"a":{"type":"b","restart":[]}}})", "/nodes/a/restart", "array");
  expect_one(R"({"nodes":{"a":{"type":"b","restart":{"delay":-1}}}})", "/nodes/a/restart/delay",
             "-1");
  expect_one(R"({"nodes":{"a":{"type":"b","restart":{"delay":9,"max-delay":8}}}})",
             "/nodes/a/restart/max-delay", "shorter");
  expect_one(R"({"nodes":{"a":{"type":"b","on-upstream-removed":"end"}}})",
             "/nodes/a/on-upstream-removed", "'gap'");
  expect_one(R"({"nodes":{"a":{"type":"b","fallback":"bb"},"b":{"type":"b"}}})",
             "/nodes/a/fallback", "did you mean 'b'?");
  expect_one(R"({"nodes":{"a":{"type":"b","fallback":"a"}}})", "/nodes/a/fallback", "itself");
  expect_one(R"({"links":{}})", "/links", "array");
  expect_one(R"({"links":[1]})", "/links/0", "object");
  expect_one(R"({"nodes":{"cam":{"type":"b"}},"links":[{"from":"can.src","to":"cam"}]})",
             "/links/0/from", "did you mean 'cam'?");
  expect_one(R"({"nodes":{"cam":{"type":"b"}},"links":[{"to":"cam"}]})", "/links/0", "'from'");
  expect_one(R"({"nodes":{"cam":{"type":"b"}},"links":[{"from":"cam.","to":"cam"}]})",
             "/links/0/from", "no pad");
  const std::string nodes = R"({"nodes":{"a":{"type":"b"},"b":{"type":"b"}},"links":[{"from":"a",)";
  expect_one(nodes + R"("to":"b","policy":"newest"}]})", "/links/0/policy", "'latest'");
  expect_one(nodes + R"("to":"b","depth":1.5}]})", "/links/0/depth", "integer");
  expect_one(nodes + R"("to":"b","depth":5000000000}]})", "/links/0/depth", "range");
  expect_one(nodes + R"("to":"b","timing":"x"}]})", "/links/0/timing", "'restart'");
  expect_one(R"({"nodes":{"a":{"type":"b"}},"inputs":{"i":1}})", "/inputs/i", "string");
  expect_one(R"({"nodes":{"a":{"type":"b"}},"inputs":{"i":"a.x"},"outputs":{"i":"a.y"}})",
             "/outputs/i", "same name");
}
GST_END_TEST

GST_START_TEST(all_problems_come_at_once)
{
  const Problems problems = refused(R"({"name":0,"nodes":{"a":{"type":"x","priority":"?"},"b":{}},
    "links":[{"from":"c","to":"a","depth":-1},{}],"outputs":{"o":"d"}})");
  std::vector<std::string> pointers;
  for (const Problem &problem : problems)
    pointers.push_back(problem.pointer);
  const std::vector<std::string> expected = {"/name",         "/nodes/a/priority", "/nodes/b",
                                             "/links/0/from", "/links/0/depth",    "/links/1",
                                             "/links/1",      "/outputs/o"};
  fail_unless(pointers == expected, "%s", to_text(problems).c_str());
}
GST_END_TEST

namespace {

constexpr const char *kTemplates = R"({
  "templates": {
    "source": {
      "params": {"uri": {"type": "string"}, "size": {"type": "integer", "default": 7, "minimum": 1},
                 "caps": {"type": "string", "default": "video/x-raw"}},
      "nodes": {"src": {"type": "filesrc", "config": {"location": {"param": "uri"},
                        "blocksize": {"param": "size"}, "note": "${uri}:${size}:$${size}"}},
                "filter": {"type": {"bin": "capsfilter caps=${caps}"}, "priority": "high"}},
      "links": [{"from": "src", "to": "filter", "depth": {"param": "size"}}],
      "exports": {"src": "filter.src"}
    },
    "pair": {
      "params": {"uri": {"type": "string", "default": "b"}},
      "nodes": {"a": {"type": {"template": "source", "params": {"uri": "a-${uri}"}}},
                "b": {"type": {"template": "source", "params": {"uri": {"param": "uri"}, "size": 9}}}},
      "outputs": {"one": "a", "two": "b.src"}
    }
  },
  "nodes": {
    "x": {"type": {"template": "pair", "params": {"uri": "file"}}, "priority": "realtime",
          "restart": "always", "essential": true},
    "s": {"type": {"template": "source", "params": {"uri": "s"}}},
    "out": {"type": "funnel"}
  },
  "links": [{"from": "x.one", "to": "out"}, {"from": "x.two", "to": "out"}, {"from": "s", "to": "out"}]
})";

}  // namespace

GST_START_TEST(templates_expand)
{
  const FlatGraph graph = loaded(kTemplates).flat();
  std::string ids;
  for (const FlatNode &node : graph.nodes)
    ids += node.id + " ";
  fail_unless(ids == "x/a/src x/a/filter x/b/src x/b/filter s/src s/filter out ", "%s",
              ids.c_str());
  const FlatNode &src = *graph.find("x/a/src");
  fail_unless(*src.config.find("location")->string() == "a-file");
  fail_unless(src.config.find("blocksize")->int64() == 7);
  fail_unless(*src.config.find("note")->string() == "a-file:7:${size}");
  fail_unless(src.priority == GST_SL_PRIORITY_REALTIME && src.essential);
  fail_unless(src.restart.policy == RestartPolicy::Always);
  fail_unless(src.pointer == "/templates/source/nodes/src" && src.inside.empty());
  fail_unless(graph.find("x/a/filter")->priority == GST_SL_PRIORITY_HIGH);
  fail_unless(graph.find("s/filter")->bin == "capsfilter caps=video/x-raw");
  fail_unless(!graph.find("s/src")->priority && !graph.find("s/src")->essential);
  fail_unless(graph.find("x/b/src")->config.find("blocksize")->int64() == 9);
  fail_unless(graph.links.size() == 6);
  fail_unless((graph.links[0].from == PadName{"x/a/src", ""}) && graph.links[0].depth == 7);
  fail_unless((graph.links[3].from == PadName{"x/a/filter", "src"}));
  fail_unless((graph.links[4].from == PadName{"x/b/filter", "src"}));
  fail_unless((graph.links[5].from == PadName{"s/filter", "src"}));
}
GST_END_TEST

namespace {

// A description with the template "t", which has a string "p", and one use of it.
std::string with_template(const std::string &body, const std::string &use)
{
  return R"({"templates":{"t":{"params":{"p":{"type":"string","default":"d"}},)" + body +
         R"(}},"nodes":{"i":{"type":{"template":"t")" + use + "}}}}";
}

}  // namespace

GST_START_TEST(wrong_templates_are_refused)
{
  const std::string body = R"("nodes":{"n":{"type":"fakesrc","config":{"name":{"param":"p"}}}})";
  loaded(with_template(body, ""));
  expect_one(with_template(body, R"(,"params":{"p":1})"), "/nodes/i/type/params/p", "string");
  expect_one(with_template(body, R"(,"params":{"q":""})"), "/nodes/i/type/params/q", "'q'");
  expect_one(with_template(R"("nodes":{"n":{"type":"x","config":{"a":["${q}"]}}})", ""),
             "/templates/t/nodes/n/config/a/0", "'q'");
  expect_one(with_template(R"("nodes":{"n":{"type":"x","config":{"a":"${p"}}})", ""),
             "/templates/t/nodes/n/config/a", "'}'");
  expect_one(with_template(R"("nodes":{"n":{"type":{"template":"t"}}})", ""),
             "/templates/t/nodes/n/type/template", "uses itself");
  expect_one(with_template(R"("nodes":{"n":{"type":{"template":"tt"}}})", ""),
             "/templates/t/nodes/n/type/template", "did you mean 't'?");
  expect_one(R"({"nodes":{"i":{"type":{"template":"t"},"config":{}}},"templates":{"t":{}}})",
             "/nodes/i/config", "params");
  expect_one(R"({"templates":{"t":{"params":{"p":{"type":"string"}}}},
                 "nodes":{"i":{"type":{"template":"t"}}}})",
             "/nodes/i/type/params", "must be given");
  expect_one(R"({"templates":{"t":{"params":{"p":{"type":"text"}}}}})",
             "/templates/t/params/p/type", "'string'");
  expect_one(R"({"templates":{"t":{"params":{"p":{"type":"integer","default":"1"}}}}})",
             "/templates/t/params/p/default", "integer");
  expect_one(R"({"templates":{"t":{"params":{"p":{"minimum":3}}}},
                 "nodes":{"i":{"type":{"template":"t","params":{"p":2}}}}})",
             "/nodes/i/type/params/p", "minimum");
  expect_one(R"({"templates":{"t":{"params":{"p":{"enum":["a","b"]}}}},
                 "nodes":{"i":{"type":{"template":"t","params":{"p":"c"}}}}})",
             "/nodes/i/type/params/p", "one of");
  const std::string links = R"({"templates":{"t":{"nodes":{"n":{"type":"tee"}},
      "inputs":{"in":"n.sink"},"outputs":{"a":"n.src_0","b":"n.src_1"}}},
      "nodes":{"i":{"type":{"template":"t"}},"j":{"type":"fakesink"}},"links":[)";
  loaded(links + R"({"from":"j","to":"i"},{"from":"i.a","to":"j"}]})");
  expect_one(links + R"({"from":"i","to":"j"}]})", "/links/0/from", "'a' or 'b'");
  expect_one(links + R"({"from":"i.aa","to":"j"}]})", "/links/0/from", "did you mean 'a'?");
  expect_one(links + R"({"from":"i/n.src_0","to":"j"}]})", "/links/0/from", "inside");
}
GST_END_TEST

GST_START_TEST(templates_cannot_explode)
{
  // Each level doubles the one before; the last would have 2^30 nodes, or texts of 2^30 characters.
  std::string nodes = R"({"templates":{"t0":{"nodes":{"n":{"type":"x"}}})";
  std::string texts = R"({"templates":{"t0":{"params":{"p":{}},"nodes":{"n":{"type":"x",
      "config":{"c":"${p}"}}}})";
  for (int i = 1; i <= 30; i++) {
    const std::string last = "t" + std::to_string(i - 1);
    const std::string use = R"({"type":{"template":")" + last + "\"";
    nodes += ",\"t" + std::to_string(i) + R"(":{"nodes":{"a":)" + use + R"(}},"b":)" + use + "}}}}";
    texts += ",\"t" + std::to_string(i) + R"(":{"params":{"p":{}},"nodes":{"a":)" + use +
             R"(,"params":{"p":"${p}${p}"}}}}})";
  }
  refused(nodes + R"(},"nodes":{"i":{"type":{"template":"t30"}}}})");
  refused(texts + R"(},"nodes":{"i":{"type":{"template":"t30","params":{"p":"0123456789"}}}}})");
}
GST_END_TEST

namespace {

// A folder that is gone with the test.
class Folder {
public:
  Folder() : path_(g_dir_make_tmp("graph-XXXXXX", nullptr)) {}
  ~Folder()
  {
    for (const std::string &file : files_)
      g_remove(file.c_str());
    g_rmdir(path_);
    g_free(path_);
  }
  void write(const std::string &name, std::string_view text)
  {
    files_.push_back(std::string(path_) + "/" + name);
    fail_unless(g_file_set_contents(files_.back().c_str(), text.data(),
                                    static_cast<gssize>(text.size()), nullptr));
  }
  LoadOptions options() const { return {path_}; }

private:
  gchar *path_;
  std::vector<std::string> files_;
};

}  // namespace

GST_START_TEST(templates_come_from_files)
{
  Folder folder;
  folder.write("fx.json", R"({"templates":{
    "t":{"params":{"p":{"default":1}},"nodes":{"n":{"type":"x","config":{"c":{"param":"p"}}},
         "m":{"type":{"template":"u"}}},"outputs":{"o":"n.src"}},
    "u":{"nodes":{"k":{"type":"y"}}},
    "bad":{"nodes":{"n":{"type":"x","priority":"?"}}},
    "loop":{"nodes":{"n":{"type":{"template":{"file":"./fx.json","name":"loop"}}}}}}})");
  folder.write("broken.json", "{\n?");
  const auto use = [](const char *file, const char *name) {
    return std::string(R"({"nodes":{"i":{"type":{"template":{"file":")") + file + R"(","name":")" +
           name + R"("}}}}})";
  };
  const FlatGraph graph = loaded(use("fx.json", "t"), folder.options()).flat();
  fail_unless(graph.nodes.size() == 2 && graph.nodes[0].id == "i/n" &&
              graph.nodes[1].id == "i/m/k");
  fail_unless(graph.nodes[0].pointer == "/nodes/i/type/template");
  fail_unless(graph.nodes[0].inside == "fx.json#/templates/t/nodes/n");
  const auto expect = [&](const std::string &text, const char *part) {
    const std::string all = to_text(refused(text, folder.options()));
    fail_unless(all.find(part) != std::string::npos, "'%s' is not in: %s", part, all.c_str());
    fail_unless(all.find("/nodes/i/type/template") == 0, "%s", all.c_str());
  };
  expect(use("fx.json", "bad"), "fx.json#/templates/bad/nodes/n/priority");
  expect(use("fx.json", "tt"), "did you mean 't'?");
  expect(use("fx.json", "loop"), "uses itself");
  expect(use("none.json", "t"), "there is no file");
  expect(use("/dev/zero", "t"), "there is no file");
  expect(use("broken.json", "t"), "line 2");
}
GST_END_TEST

GST_START_TEST(secrets_are_masked)
{
  for (const char *name : {"token", "auth-token", "password", "user-pw", "proxy-pw", "passphrase",
                           "secret", "client_secret", "api-key", "streamKey", "credentials",
                           "PASSWORD", "sink_0::token", "cookies", "srtp-key"})
    fail_unless(is_secret(name), "%s is no secret", name);
  for (const char *name : {"location", "key-int-max", "pass", "passthrough", "author", "user-id",
                           "public-key", "keyframe-max-dist", "bitrate", "pinned"})
    fail_if(is_secret(name), "%s is a secret", name);
  fail_unless(masked_text("rtsp://me:pw123@host/a?b=1&token=abc&c=2") ==
              "rtsp://***@host/a?b=1&token=***&c=2");
  fail_unless(masked_text("souphttpsrc user-pw=\"a b\" location=http://h/@x ! fakesink") ==
              "souphttpsrc user-pw=\"***\" location=http://h/@x ! fakesink");
  fail_unless(masked_text("headers, Authorization=(string)\"Bearer abcdefghij\";") ==
              "headers, Authorization=(string)\"***\";");
  fail_unless(masked_text("Authorization: Bearer abcdefghij.kl") == "Authorization: Bearer ***");
  fail_unless(masked_text("nothing to hide = 1") == "nothing to hide = 1");

  const Description description = loaded(R"({
    "templates": {"t": {"params": {"where": {"type": "string"}, "pw": {"default": "s3cr3t-0"}},
      "nodes": {"n": {"type": "x", "config": {"token": {"param": "where"}, "user-pw": "${pw}"}}}},
      "u": {"params": {"code": {"type": "integer"}},
        "nodes": {"n": {"type": "x", "config": {"pin": {"param": "code"}, "height": 1234}}}}},
    "x-session": {"token": "s3cr3t-1"},
    "nodes": {
      "token": {"type": "souphttpsrc", "config": {"location": "http://u:s3cr3t-2@h/", "user-pw": "s3cr3t-3",
         "proxy": "see s3cr3t-3", "extra-headers": {"Authorization": "s3cr3t-4"}, "pin": 31337}},
      "bin": {"type": {"bin": "srtsrc passphrase=s3cr3t-5 ! fakesink"}},
      "use": {"type": {"template": "t", "params": {"where": "s3cr3t-6"}}},
      "use2": {"type": {"template": "t", "params": {"where": "a", "pw": "s3cr3t-7"}}},
      "use3": {"type": {"template": "u", "params": {"code": 987654}}}}})");
  const std::string text = write_json(description.masked());
  fail_unless(text.find("s3cr3t") == std::string::npos, "%s", text.c_str());
  fail_unless(text.find("31337") == std::string::npos, "%s", text.c_str());
  fail_unless(text.find("987654") == std::string::npos, "%s", text.c_str());
  fail_unless(text.find("1234") != std::string::npos, "%s", text.c_str());
  fail_unless(text.find("souphttpsrc") != std::string::npos &&
              text.find("\"use\"") != std::string::npos);
  fail_unless(write_json(description.json()).find("s3cr3t-6") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(problems_hold_no_secret)
{
  const Problems problems = refused(R"({"nodes":{"a":{"type":"x","config":{"token":"s3cr3t-1"},
    "priority":"s3cr3t-1"}}})");
  const std::string text = to_text(problems);
  fail_unless(text.find("s3cr3t") == std::string::npos, "%s", text.c_str());
}
GST_END_TEST

GST_START_TEST(five_thousand_nodes)
{
  Json nodes{Json::Object()};
  Json links{Json::Array()};
  std::string text = R"({"nodes":{)";
  for (int i = 0; i < 5000; i++)
    text += (i > 0 ? ",\"node" : "\"node") + std::to_string(i) +
            R"(":{"type":"identity","config":{"sync":true}})";
  text += R"(},"links":[)";
  for (int i = 1; i < 5000; i++)
    text += std::string(i > 1 ? "," : "") + R"({"from":"node)" + std::to_string(i - 1) +
            R"(.src","to":"node)" + std::to_string(i) + R"(.sink"})";
  text += "]}";
  const gint64 begin = g_get_monotonic_time();
  const Description description = loaded(text);
  const double seconds = (g_get_monotonic_time() - begin) / 1e6;
  g_print("5,000 nodes were loaded in %.3f s\n", seconds);
  fail_unless(description.flat().links.size() == 4999);
  fail_unless(seconds < 5, "it took %.1f s", seconds);
}
GST_END_TEST

// What is told once is no reason to give up; what is told 200 times is.
GST_START_TEST(many_problems_end_the_search)
{
  std::string uses;
  std::string links;
  for (int i = 0; i < 300; i++) {
    uses += (i > 0 ? ",\"u" : "\"u") + std::to_string(i) + R"(":{"type":{"template":"t"}})";
    links +=
        std::string(i > 0 ? "," : "") + R"({"from":"u0","to":"nobody)" + std::to_string(i) + "\"}";
  }
  const std::string templates = R"("templates":{"t":{"nodes":{"x":{"type":""}},
    "outputs":{"out":"x"}}})";
  expect_one(R"({"nodes":{)" + uses + "}," + templates + "}", "/templates/t/nodes/x/type", "empty");
  const Problems problems =
      refused(R"({"nodes":{)" + uses + R"(},"links":[)" + links + "]," + templates + "}");
  fail_unless_equals_int(problems.size(), kMostProblems + 1);
  fail_unless(problems[1].pointer == "/links/0/to");
  fail_unless(problems.back().reason.find("there may be more") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(too_many_nodes)
{
  std::string nodes;
  for (int i = 0; i < 100001; i++)
    nodes += (i > 0 ? ",\"n" : "\"n") + std::to_string(i) + R"(":3)";
  expect_one(R"({"nodes":{)" + nodes + R"(},"links":[{"from":"n1","to":"n2"}]})", "/nodes",
             "at most 100000 nodes");
}
GST_END_TEST

GST_START_TEST(fifty_megabytes)
{
  // As many secrets as nodes, each within the text of the next node too.
  std::string text = R"({"nodes":{)";
  for (int i = 0; i < 5000; i++) {
    const std::string number = std::to_string(i);
    text += (i > 0 ? ",\"node" : "\"node") + number + R"(":{"type":"x","config":{"token":"s3cr3t)" +
            number + R"(-end","note":"s3cr3t)" + std::to_string(i + 1) + "-end" +
            std::string(10000, 'b') + "\"}}";
  }
  text += "}}";
  const gint64 begin = g_get_monotonic_time();
  const Description description = loaded(text);
  const gint64 loaded_at = g_get_monotonic_time();
  const std::string masked = write_json(description.masked());
  const gint64 end = g_get_monotonic_time();
  g_print("MEASURED %zu MB: loaded in %.2f s, masked in %.2f s\n", text.size() >> 20,
          (loaded_at - begin) / 1e6, (end - loaded_at) / 1e6);
  // That of the last node is no secret of any.
  fail_unless(masked.find("s3cr3t") == masked.rfind("s3cr3t"));
  fail_unless(masked.find("s3cr3t5000-end") != std::string::npos);
  fail_unless(end - begin < 25 * G_USEC_PER_SEC);
}
GST_END_TEST

static Suite *graph_description_suite()
{
  Suite *s = suite_create("graph-description");
  TCase *tc = tcase_create("description");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, everything_is_read);
  tcase_add_test(tc, unknown_keys_come_back);
  tcase_add_test(tc, what_is_wrong_is_said);
  tcase_add_test(tc, all_problems_come_at_once);
  tcase_add_test(tc, templates_expand);
  tcase_add_test(tc, wrong_templates_are_refused);
  tcase_add_test(tc, templates_cannot_explode);
  tcase_add_test(tc, templates_come_from_files);
  tcase_add_test(tc, secrets_are_masked);
  tcase_add_test(tc, problems_hold_no_secret);
  tcase_add_test(tc, five_thousand_nodes);
  tcase_add_test(tc, many_problems_end_the_search);
  tcase_add_test(tc, too_many_nodes);
  tcase_add_test(tc, fifty_megabytes);
  return s;
}

GST_CHECK_MAIN(graph_description)
