// SPDX-License-Identifier: LGPL-2.1-or-later
// That an application which links a plugin into itself has its elements.
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

G_BEGIN_DECLS
GST_PLUGIN_STATIC_DECLARE(slcore);
G_END_DECLS

GST_START_TEST(test_elements_are_there_once_registered)
{
  fail_unless(gst_element_factory_find("sllink") == nullptr);
  GST_PLUGIN_STATIC_REGISTER(slcore);
  GstHarness *harness = gst_harness_new("sllink");
  gst_harness_set_src_caps_str(harness, "application/x-test");
  GstBuffer *buffer = gst_buffer_new();
  fail_unless_equals_int(gst_harness_push(harness, buffer), GST_FLOW_OK);
  GstBuffer *pulled = gst_harness_pull(harness);
  fail_unless(pulled == buffer);
  gst_buffer_unref(pulled);
  gst_harness_teardown(harness);
}
GST_END_TEST

static Suite *static_suite(void)
{
  Suite *suite = suite_create("static");
  TCase *registration = tcase_create("registration");
  suite_add_tcase(suite, registration);
  tcase_add_test(registration, test_elements_are_there_once_registered);
  return suite;
}

GST_CHECK_MAIN(static);
