// SPDX-License-Identifier: LGPL-2.1-or-later
// What the catalogue says of types.
#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/catalogue.h"
#include "gst/streamlib/graph/values.h"

using namespace streamlib::graph;

namespace {

Json entry_of(const char *type)
{
  auto entry = catalogue_of(type);
  fail_unless(entry.ok(), "%s: %s", type, entry.ok() ? "" : entry.error().text.c_str());
  return *entry;
}

const Json &property(const Json &entry, const char *name)
{
  const Json *found = entry.find("config")->find("properties")->find(name);
  fail_unless(found != nullptr, "no %s", name);
  return *found;
}

void expect(const Json &object, const char *name, const Json &value)
{
  const Json *found = object.find(name);
  fail_unless(found != nullptr, "no %s in %s", name, write_json(object).c_str());
  fail_unless(*found == value, "%s is %s", name, write_json(*found).c_str());
}

}  // namespace

GST_START_TEST(a_source)
{
  const Json entry = entry_of("videotestsrc");
  expect(entry, "factory", "videotestsrc");
  expect(entry, "plugin", "videotestsrc");
  const Json &pattern = property(entry, "pattern");
  expect(pattern, "default", "smpte");
  expect(pattern, "mutable", "unknown");
  fail_unless((*pattern.find("enum")->array())[1] == Json("snow"));
  const Json &buffers = property(entry, "num-buffers");
  expect(buffers, "type", "integer");
  expect(buffers, "minimum", -1);
  expect(buffers, "maximum", G_MAXINT);
  expect(buffers, "default", -1);
  expect(property(entry, "timestamp-offset"), "unit", "ns");
  fail_unless(entry.find("config")->find("properties")->find("name") == nullptr);
  const Json::Array &pads = *entry.find("pads")->array();
  fail_unless(pads.size() == 1);
  expect(pads[0], "name", "src");
  expect(pads[0], "direction", "source");
  expect(pads[0], "presence", "always");
  fail_unless(pads[0].find("caps")->string()->find("video/x-raw") == 0);
}
GST_END_TEST

GST_START_TEST(our_own_by_short_name)
{
  const Json entry = entry_of("link");
  expect(entry, "type", "link");
  expect(entry, "factory", "sllink");
  expect(property(entry, "policy"), "enum", Json::Array{"auto", "latest", "in-order", "lossless"});
  expect(property(entry, "max-time"), "maximum", Json(G_MAXUINT64));
  fail_unless(entry_of("sllink") == entry);
}
GST_END_TEST

GST_START_TEST(pads_on_request)
{
  const Json entry = entry_of("compositor");
  const Json *sink = nullptr;
  for (const Json &pad : *entry.find("pads")->array()) {
    if (*pad.find("name") == Json("sink_%u"))
      sink = &pad;
  }
  fail_unless(sink != nullptr);
  expect(*sink, "presence", "request");
  expect(*sink->find("config")->find("properties")->find("xpos"), "type", "integer");
  expect(*sink->find("config")->find("properties")->find("alpha"), "maximum", 1.0);
}
GST_END_TEST

GST_START_TEST(when_a_property_may_change)
{
  GstElement *element = gst_element_factory_make("queue", nullptr);
  GObjectClass *klass = G_OBJECT_GET_CLASS(element);
  const auto spec = [klass](const char *name) { return g_object_class_find_property(klass, name); };
  fail_unless_equals_string(mutability_of(spec("max-size-buffers")), "playing");
  fail_unless_equals_string(mutability_of(spec("current-level-buffers")), "read-only");
  fail_unless(may_change_in(spec("max-size-buffers"), GST_STATE_PLAYING));
  fail_if(may_change_in(spec("current-level-buffers"), GST_STATE_NULL));
  gst_object_unref(element);
  element = gst_element_factory_make("filesrc", nullptr);
  GParamSpec *location = g_object_class_find_property(G_OBJECT_GET_CLASS(element), "location");
  fail_unless_equals_string(mutability_of(location), "ready");
  fail_unless(may_change_in(location, GST_STATE_READY));
  fail_if(may_change_in(location, GST_STATE_PAUSED));
  gst_object_unref(element);
}
GST_END_TEST

GST_START_TEST(unknown_types)
{
  const auto entry = catalogue_of("vidoetestsrc");
  fail_if(entry.ok());
  fail_unless(entry.error().debug.find("videotestsrc") != std::string::npos);
}
GST_END_TEST

GST_START_TEST(all_types)
{
  const Json all = catalogue();
  size_t found = 0;
  for (const Json &entry : *all.array()) {
    const std::string &type = *entry.find("type")->string();
    found += type == "test" || type == "link" || type == "videotestsrc";
    const auto one = catalogue_of(type);
    fail_unless(one.ok(), "%s", type.c_str());
    // Every default is one that the property takes.
    for (const auto &[name, schema] : *one->find("config")->find("properties")->object()) {
      fail_unless(schema.find("mutable") != nullptr && schema.find("gtype") != nullptr);
      const Json *number = schema.find("default");
      const Json *low = schema.find("minimum");
      const Json *high = schema.find("maximum");
      if (number != nullptr && low != nullptr && number->number())
        fail_unless(*number->number() >= *low->number() && *number->number() <= *high->number(),
                    "%s.%s: %s", type.c_str(), name.c_str(), write_json(schema).c_str());
    }
  }
  fail_unless(found == 3);
  fail_unless(*(*all.array())[0].find("factory") != *(*all.array())[0].find("type"));
}
GST_END_TEST

static Suite *graph_catalogue_suite()
{
  Suite *s = suite_create("graph-catalogue");
  TCase *tc = tcase_create("catalogue");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, a_source);
  tcase_add_test(tc, our_own_by_short_name);
  tcase_add_test(tc, pads_on_request);
  tcase_add_test(tc, when_a_property_may_change);
  tcase_add_test(tc, unknown_types);
  tcase_add_test(tc, all_types);
  return s;
}

GST_CHECK_MAIN(graph_catalogue)
