// SPDX-License-Identifier: LGPL-2.1-or-later
// JSON values and their text.
#include <cmath>
#include <cstdint>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/graph/json.h"

using namespace streamlib::graph;

namespace {

Json parsed(std::string_view text)
{
  auto result = parse_json(text);
  fail_unless(result.ok(), "%s: %s", std::string(text).c_str(),
              result.ok() ? "" : result.error().text.c_str());
  return *result;
}

std::string refused(std::string_view text)
{
  const auto result = parse_json(text);
  fail_if(result.ok(), "'%s' was taken", std::string(text).c_str());
  return result.error().text;
}

void expect_begin(const std::string &text, const char *begin)
{
  fail_unless(g_str_has_prefix(text.c_str(), begin), "'%s' does not begin with '%s'", text.c_str(),
              begin);
}

void expect_within(const std::string &text, const char *part)
{
  fail_unless(text.find(part) != std::string::npos, "'%s' does not hold '%s'", text.c_str(), part);
}

}  // namespace

GST_START_TEST(integers_keep_64_bits)
{
  fail_unless(parsed("18446744073709551615").uint64() == UINT64_MAX);
  fail_if(parsed("18446744073709551615").int64().has_value());
  fail_unless(parsed("9223372036854775807").int64() == INT64_MAX);
  fail_unless(parsed("-9223372036854775808").int64() == INT64_MIN);
  fail_if(parsed("-1").uint64().has_value());
  // Neighbours that are one double.
  fail_if(parsed("9007199254740993") == parsed("9007199254740992"));
  fail_unless(write_json(parsed("[18446744073709551615,-9223372036854775808]")) ==
              "[18446744073709551615,-9223372036854775808]");
  expect_within(refused("18446744073709551616"), "64 bits");
  expect_within(refused("[-9223372036854775809]"), "64 bits");
}
GST_END_TEST

GST_START_TEST(numbers_stay_what_they_are)
{
  fail_unless(parsed("1.0").type_name() == std::string("number"));
  fail_unless(parsed("1").type_name() == std::string("integer"));
  fail_if(parsed("1.0") == parsed("1"));
  for (const char *text :
       {"1.0", "0.1", "-2.5e-08", "1e+300", "5e-324", "1.7976931348623157e+308"}) {
    const Json value = parsed(text);
    fail_unless(parsed(write_json(value)) == value, "%s became %s", text,
                write_json(value).c_str());
    fail_unless(parsed(write_json(value)).type_name() == std::string("number"));
  }
  fail_unless(write_json(Json(std::nan(""))) == "null");
  expect_within(refused("1e400"), "double");
}
GST_END_TEST

GST_START_TEST(members_keep_their_order)
{
  const std::string text = R"({"z":1,"a":{"y":[true,null,"x"],"b":2},"m":-3})";
  fail_unless(write_json(parsed(text)) == text);
  fail_unless(parsed(R"({"a":1,"b":2})") == parsed(R"({"b":2,"a":1})"));
  fail_if(parsed(R"({"a":1,"b":2})") == parsed(R"({"b":2})"));
  fail_if(parsed(R"({"a":1,"b":2})") == parsed(R"({"a":1,"c":2})"));
  fail_unless(parsed(write_json(parsed(text), JsonStyle::Pretty)) == parsed(text));
}
GST_END_TEST

GST_START_TEST(large_objects_compare)
{
  Json one, other;
  for (int i = 0; i < 100; i++) {
    one.set("m" + std::to_string(i), i);
    other.set("m" + std::to_string(99 - i), 99 - i);
  }
  fail_unless(one == other);
  other.set("m50", -1);
  fail_if(one == other);
}
GST_END_TEST

GST_START_TEST(a_second_member_is_refused)
{
  const std::string error = refused("{\n  \"a\": 1,\n  \"b\": {\"c\": 1,\n  \"c\": 2}}");
  expect_begin(error, "line 4, column ");
  expect_within(error, "\"c\"");
  // The same text written another way is the same name.
  refused(R"({"a":1,"\u0061":2})");
  std::string many = "{";
  for (int i = 0; i < 100; i++)
    many += "\"m" + std::to_string(i) + "\":0,";
  parsed(many + "\"n\":0}");
  expect_within(refused(many + "\"m3\":0}"), "\"m3\"");
  expect_within(refused(many + "\"m99\":0}"), "\"m99\"");
  // In different objects it is no second one.
  parsed(R"([{"a":1},{"a":1},{"a":{"a":1}}])");
}
GST_END_TEST

GST_START_TEST(errors_say_where)
{
  expect_begin(refused("{\"a\": }"), "line 1, column 7:");
  expect_begin(refused("[1,\n2,\n  x]"), "line 3, column 3:");
  // A column counts characters.
  expect_begin(refused("[\"\xc3\xa4\xc3\xb6\", x]"), "line 1, column 8:");
  for (const char *text : {"",           " ",           "{",           "[1,]",
                           "{\"a\":1,}", "nul",         "01",          "1.",
                           ".5",         "+1",          "'a'",         "\"a",
                           "\"\\x\"",    "\"\\ud800\"", "\"\\udc00\"", "{\"\\udefault\":1}",
                           "[1] 2",      "// c\n1",     "NaN",         "\"\t\""})
    refused(text);
  refused(std::string_view("1\0", 2));
  refused(std::string_view("\"a\0b\"", 5));
  refused("\"\xff\"");
  refused("\"\xc0\x80\"");
  parsed("\xef\xbb\xbf{}");
}
GST_END_TEST

GST_START_TEST(nesting_has_a_limit)
{
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  parsed(nested(128));
  expect_within(refused(nested(129)), "128");
  refused(std::string(5000000, '['));
}
GST_END_TEST

GST_START_TEST(strings_come_back)
{
  const Json value = parsed(R"("a\u0000\n\"\\\/\ud83d\ude00é")");
  fail_unless(value.string()->size() == 12);
  fail_unless(parsed(write_json(value)) == value);
}
GST_END_TEST

GST_START_TEST(members_are_set_and_removed)
{
  Json value;
  value.set("a", 1);
  value.set("b", "x").append(2);
  fail_unless(write_json(value) == R"({"a":1,"b":[2]})");
  value.set("a", nullptr);
  fail_unless(value.find("a")->is_null());
  fail_unless(value.remove("a"));
  fail_if(value.remove("a"));
  fail_unless(value.find("a") == nullptr);
  fail_unless(pointer_step("a/b~c") == "/a~1b~0c");
  fail_unless(pointer_step(size_t(12)) == "/12");
}
GST_END_TEST

GST_START_TEST(fifty_megabytes_take_seconds)
{
  std::string text = "{";
  while (text.size() < 50 * 1024 * 1024) {
    const std::string number = std::to_string(text.size());
    text += "\"node" + number + R"(":{"type":"videotestsrc","config":{"x":)" + number +
            R"(,"y":[1,2.5,"some text that is longer than a short one"]}},)";
  }
  text += "\"end\":0}";
  const gint64 begin = g_get_monotonic_time();
  const Json value = parsed(text);
  const double seconds = (g_get_monotonic_time() - begin) / 1e6;
  g_print("50 MB were read in %.2f s\n", seconds);
  fail_unless(value.object()->size() > 100000);
  fail_unless(seconds < 20, "50 MB took %.1f s", seconds);
}
GST_END_TEST

static Suite *graph_json_suite()
{
  Suite *s = suite_create("graph-json");
  TCase *tc = tcase_create("json");
  suite_add_tcase(s, tc);
  tcase_add_test(tc, integers_keep_64_bits);
  tcase_add_test(tc, numbers_stay_what_they_are);
  tcase_add_test(tc, members_keep_their_order);
  tcase_add_test(tc, large_objects_compare);
  tcase_add_test(tc, a_second_member_is_refused);
  tcase_add_test(tc, errors_say_where);
  tcase_add_test(tc, nesting_has_a_limit);
  tcase_add_test(tc, strings_come_back);
  tcase_add_test(tc, members_are_set_and_removed);
  tcase_add_test(tc, fifty_megabytes_take_seconds);
  return s;
}

GST_CHECK_MAIN(graph_json)
