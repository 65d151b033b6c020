// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON values as values of properties, and back.
#include <memory>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/values.h"
#include "gst/streamlib/gstslenums.h"

using namespace streamlib::graph;

namespace {

using Spec = std::unique_ptr<GParamSpec, void (*)(GParamSpec *)>;

constexpr GParamFlags kFlags = G_PARAM_READWRITE;

Spec owned(GParamSpec *spec)
{
  return {g_param_spec_ref_sink(spec), g_param_spec_unref};
}

Json parsed(const char *text)
{
  auto result = parse_json(text);
  fail_unless(result.ok(), "%s", text);
  return *result;
}

// Taken, and back the same, or what is given.
void expect_taken(const Spec &spec, const char *text, const char *back = nullptr)
{
  PropertyValue value;
  const auto status = set_value(value.get(), spec.get(), parsed(text));
  fail_unless(status.ok(), "%s: %s", text, status.ok() ? "" : status.error().text.c_str());
  const std::string result = write_json(value_to_json(value.get()));
  fail_unless(result == (back != nullptr ? back : text), "%s came back as %s", text,
              result.c_str());
  PropertyValue again;
  fail_unless(set_value(again.get(), spec.get(), *parse_json(result)).ok());
  fail_unless(write_json(value_to_json(again.get())) == result);
}

void expect_refused(const Spec &spec, const char *text, ValueError code, const char *part = "")
{
  PropertyValue value;
  const auto status = set_value(value.get(), spec.get(), parsed(text));
  fail_if(status.ok(), "%s was taken", text);
  fail_unless(status.error().code == static_cast<int>(code), "%s: %d, %s", text,
              status.error().code, status.error().text.c_str());
  const std::string all = status.error().text + status.error().debug;
  fail_unless(all.find(part) != std::string::npos, "'%s' is not in: %s", part, all.c_str());
  fail_if(G_IS_VALUE(value.get()));
}

}  // namespace

GST_START_TEST(integers_of_all_widths)
{
  const auto small = owned(g_param_spec_char("n", "n", "n", -5, 5, 0, kFlags));
  expect_taken(small, "-5");
  expect_taken(small, "5");
  expect_refused(small, "6", ValueError::OutOfRange, "from -5 to 5");
  expect_refused(small, "-6", ValueError::OutOfRange);
  expect_refused(small, "261", ValueError::OutOfRange);
  expect_refused(owned(g_param_spec_uchar("n", "n", "n", 2, 9, 3, kFlags)), "1",
                 ValueError::OutOfRange, "from 2 to 9");
  const auto signed_32 = owned(g_param_spec_int("n", "n", "n", G_MININT, G_MAXINT, 0, kFlags));
  expect_taken(signed_32, "-2147483648");
  expect_taken(signed_32, "2147483647");
  expect_refused(signed_32, "2147483648", ValueError::OutOfRange);
  expect_refused(signed_32, "18446744073709551615", ValueError::OutOfRange);
  const auto unsigned_32 = owned(g_param_spec_uint("n", "n", "n", 0, G_MAXUINT, 0, kFlags));
  expect_taken(unsigned_32, "4294967295");
  expect_refused(unsigned_32, "4294967296", ValueError::OutOfRange);
  expect_refused(unsigned_32, "-1", ValueError::OutOfRange);
  expect_taken(owned(g_param_spec_long("n", "n", "n", G_MINLONG, G_MAXLONG, 0, kFlags)), "-7");
  expect_taken(owned(g_param_spec_ulong("n", "n", "n", 0, G_MAXULONG, 0, kFlags)),
               "18446744073709551615");
  const auto signed_64 =
      owned(g_param_spec_int64("n", "n", "n", G_MININT64, G_MAXINT64, 0, kFlags));
  expect_taken(signed_64, "-9223372036854775808");
  expect_taken(signed_64, "9007199254740993");
  expect_refused(signed_64, "9223372036854775808", ValueError::OutOfRange);
  const auto positive = owned(g_param_spec_int64("n", "n", "n", 10, 20, 10, kFlags));
  expect_refused(positive, "9", ValueError::OutOfRange);
  expect_refused(positive, "-10", ValueError::OutOfRange);
  const auto negative = owned(g_param_spec_int("n", "n", "n", -20, -10, -10, kFlags));
  expect_taken(negative, "-15");
  expect_refused(negative, "0", ValueError::OutOfRange);
  expect_refused(negative, "-9", ValueError::OutOfRange);
  const auto unsigned_64 = owned(g_param_spec_uint64("n", "n", "n", 1, G_MAXUINT64, 1, kFlags));
  expect_taken(unsigned_64, "18446744073709551615");
  expect_refused(unsigned_64, "0", ValueError::OutOfRange);
  for (const char *text : {"1.0", "\"1\"", "true", "null", "[1]", "{}"})
    expect_refused(unsigned_64, text, ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(real_numbers)
{
  const auto wide = owned(g_param_spec_double("n", "n", "n", -1, 1, 0, kFlags));
  expect_taken(wide, "0.1");
  expect_taken(wide, "1", "1.0");
  expect_refused(wide, "1.0000001", ValueError::OutOfRange, "from -1.0 to 1.0");
  expect_refused(wide, "\"0.5\"", ValueError::WrongType);
  const auto narrow = owned(g_param_spec_float("n", "n", "n", 0, 10, 0, kFlags));
  expect_taken(narrow, "0.1");
  expect_taken(narrow, "3.14", "3.14");
  expect_refused(narrow, "-0.5", ValueError::OutOfRange);
}
GST_END_TEST

GST_START_TEST(booleans_and_strings)
{
  const auto boolean = owned(g_param_spec_boolean("n", "n", "n", FALSE, kFlags));
  expect_taken(boolean, "true");
  expect_taken(boolean, "false");
  expect_refused(boolean, "1", ValueError::WrongType, "integer");
  expect_refused(boolean, "\"true\"", ValueError::WrongType);
  const auto string = owned(g_param_spec_string("n", "n", "n", nullptr, kFlags));
  expect_taken(string, "\"a \\\"b\\\" ä\"");
  expect_taken(string, "\"\"");
  expect_taken(string, "null");
  expect_refused(string, "1", ValueError::WrongType);
  expect_refused(string, "\"a\\u0000b\"", ValueError::WrongType, "zero");
  const auto strings = owned(g_param_spec_boxed("n", "n", "n", G_TYPE_STRV, kFlags));
  expect_taken(strings, "[\"a\",\"b c\"]");
  expect_taken(strings, "[]");
  expect_refused(strings, "[\"a\",1]", ValueError::WrongType);
  expect_refused(strings, "\"a\"", ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(enumerations)
{
  const auto policy = owned(
      g_param_spec_enum("n", "n", "n", GST_TYPE_SL_LINK_POLICY, GST_SL_LINK_POLICY_AUTO, kFlags));
  expect_taken(policy, "\"in-order\"");
  expect_taken(owned(g_param_spec_enum("n", "n", "n", GST_TYPE_FORMAT, GST_FORMAT_BYTES, kFlags)),
               "\"GST_FORMAT_TIME\"", "\"time\"");
  expect_taken(policy, "3", "\"lossless\"");
  expect_refused(policy, "\"lossles\"", ValueError::UnknownName, "did you mean 'lossless'?");
  expect_refused(policy, "\"\"", ValueError::UnknownName);
  expect_refused(policy, "4", ValueError::UnknownName);
  expect_refused(policy, "-1", ValueError::UnknownName);
  expect_refused(policy, "4294967296", ValueError::UnknownName);
  expect_refused(policy, "1.5", ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(flags)
{
  const auto seek = owned(g_param_spec_flags("n", "n", "n", GST_TYPE_SEEK_FLAGS, 0, kFlags));
  expect_taken(seek, "\"flush+key-unit\"");
  expect_taken(seek, "[\"flush\",\"accurate\"]", "\"flush+accurate\"");
  expect_taken(seek, "1", "\"flush\"");
  expect_taken(seek, "0", "\"none\"");
  expect_taken(seek, "\"\"", "\"none\"");
  expect_refused(seek, "\"flush+accurat\"", ValueError::UnknownName, "did you mean 'accurate'?");
  expect_refused(seek, "\"flush+\"", ValueError::UnknownName);
  expect_refused(seek, "1073741824", ValueError::OutOfRange);
  expect_refused(seek, "true", ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(fractions_and_bit_masks)
{
  const auto rate = owned(gst_param_spec_fraction("n", "n", "n", 1, 1, 60, 1, 30, 1, kFlags));
  expect_taken(rate, "\"30/1\"");
  expect_taken(rate, "[30000,1001]", "\"30000/1001\"");
  expect_taken(rate, "25", "\"25/1\"");
  expect_refused(rate, "\"61/1\"", ValueError::OutOfRange, "from 1/1 to 60/1");
  expect_refused(rate, "\"1/2\"", ValueError::OutOfRange);
  expect_refused(rate, "[1,0]", ValueError::WrongType, "30/1");
  expect_refused(rate, "[1]", ValueError::WrongType);
  expect_refused(rate, "[5000000000,1]", ValueError::WrongType);
  expect_refused(rate, "\"x\"", ValueError::WrongType);
  expect_refused(rate, "29.97", ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(arrays)
{
  const auto matrix = owned(gst_param_spec_array(
      "n", "n", "n",
      gst_param_spec_array("r", "r", "r", g_param_spec_float("e", "e", "e", -1, 1, 0, kFlags),
                           kFlags),
      kFlags));
  expect_taken(matrix, "[[0.5,0.1],[1.0,-1.0]]");
  expect_taken(matrix, "[]");
  expect_refused(matrix, "[[0.5],[2]]", ValueError::OutOfRange, "element 1: element 0");
  expect_refused(matrix, "[0.5]", ValueError::WrongType, "element 0");
  expect_refused(matrix, "1", ValueError::WrongType);
}
GST_END_TEST

GST_START_TEST(what_gstreamer_reads)
{
  const auto caps = owned(g_param_spec_boxed("n", "n", "n", GST_TYPE_CAPS, kFlags));
  expect_taken(caps, "\"video/x-raw, width=(int)640, framerate=(fraction)30/1\"");
  expect_taken(caps, "null");
  expect_refused(caps, "\"video/x-raw, width=(int)\"", ValueError::WrongType, "GstCaps");
  expect_refused(caps, "640", ValueError::WrongType);
  const auto structure = owned(g_param_spec_boxed("n", "n", "n", GST_TYPE_STRUCTURE, kFlags));
  expect_taken(structure, "\"headers, a=(string)b;\"");
  expect_refused(structure, "\"= =\"", ValueError::WrongType);
  const auto pointer = owned(g_param_spec_pointer("n", "n", "n", kFlags));
  expect_refused(pointer, "1", ValueError::NoText);
  const auto object = owned(g_param_spec_object("n", "n", "n", GST_TYPE_ELEMENT, kFlags));
  expect_refused(object, "\"fakesink\"", ValueError::NoText);
}
GST_END_TEST

GST_START_TEST(secrets_stay_hidden)
{
  const auto pin = owned(g_param_spec_int("pin", "n", "n", 0, 10, 0, kFlags));
  for (const auto &[spec, text] : {std::pair(&pin, "31337")}) {
    PropertyValue value;
    const auto status = set_value(value.get(), spec->get(), parsed(text));
    fail_if(status.ok());
    const auto all = status.error().text + status.error().debug;
    fail_unless(all.find("31337") == std::string::npos, "%s", all.c_str());
  }
  const auto caps = owned(g_param_spec_boxed("auth-token", "n", "n", GST_TYPE_CAPS, kFlags));
  PropertyValue value;
  const auto status = set_value(value.get(), caps.get(), "s3cr3t,,");
  fail_if(status.ok());
  fail_unless(status.error().text.find("s3cr3t") == std::string::npos);
}
GST_END_TEST

GST_START_TEST(a_value_may_have_its_type_already)
{
  const auto spec = owned(g_param_spec_int("n", "n", "n", 0, 10, 0, kFlags));
  PropertyValue value(G_TYPE_INT);
  fail_unless(set_value(value.get(), spec.get(), 3).ok());
  fail_unless(g_value_get_int(value.get()) == 3);
}
GST_END_TEST

namespace {

// The default of every property of an element comes back the same through JSON.
void defaults_survive(const char *factory)
{
  GstElement *element = gst_element_factory_make(factory, nullptr);
  fail_unless(element != nullptr, "%s is missing", factory);
  guint count = 0;
  GParamSpec **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  for (guint i = 0; i < count; i++) {
    if ((specs[i]->flags & kFlags) != kFlags || G_IS_PARAM_SPEC_OBJECT(specs[i]) ||
        G_IS_PARAM_SPEC_POINTER(specs[i]))
      continue;
    PropertyValue value(specs[i]->value_type);
    g_object_get_property(G_OBJECT(element), specs[i]->name, value.get());
    const Json json = value_to_json(value.get());
    if (json.is_null())
      continue;
    PropertyValue back;
    const auto status = set_value(back.get(), specs[i], json);
    fail_unless(status.ok(), "%s.%s = %s: %s", factory, specs[i]->name, write_json(json).c_str(),
                status.ok() ? "" : status.error().text.c_str());
    fail_unless(value_to_json(back.get()) == json, "%s.%s", factory, specs[i]->name);
  }
  g_free(specs);
  gst_object_unref(element);
}

}  // namespace

GST_START_TEST(defaults_of_elements_survive)
{
  for (const char *factory :
       {"videotestsrc", "audiotestsrc", "identity", "queue",      "capsfilter",
        "fakesink",     "tee",          "volume",   "audiomixer", "compositor",
        "audioconvert", "videoconvert", "opusenc",  "theoraenc",  "rtpbin",
        "multifilesrc", "matroskamux",  "mp4mux",   "level",      "sltestsrc",
        "sllink"})
    defaults_survive(factory);
}
GST_END_TEST

static Suite *graph_values_suite()
{
  Suite *s = suite_create("graph-values");
  TCase *tc = tcase_create("values");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, integers_of_all_widths);
  tcase_add_test(tc, real_numbers);
  tcase_add_test(tc, booleans_and_strings);
  tcase_add_test(tc, enumerations);
  tcase_add_test(tc, flags);
  tcase_add_test(tc, fractions_and_bit_masks);
  tcase_add_test(tc, arrays);
  tcase_add_test(tc, what_gstreamer_reads);
  tcase_add_test(tc, secrets_stay_hidden);
  tcase_add_test(tc, a_value_may_have_its_type_already);
  tcase_add_test(tc, defaults_of_elements_survive);
  return s;
}

GST_CHECK_MAIN(graph_values)
