// SPDX-License-Identifier: LGPL-2.1-or-later
// That an application which links a plugin into itself has its elements.
#include <gst/check/gstcheck.h>

G_BEGIN_DECLS
GST_PLUGIN_STATIC_DECLARE(slcore);
G_END_DECLS

GST_START_TEST(test_elements_are_there_once_registered)
{
  fail_unless(gst_element_factory_find("sllink") == nullptr);
  GST_PLUGIN_STATIC_REGISTER(slcore);
  GstElement *pipeline =
      gst_parse_launch("fakesrc num-buffers=10 ! sllink ! fakesink name=sink", nullptr);
  fail_unless(pipeline != nullptr);
  fail_unless(gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE);

  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(
      bus, 10 * GST_SECOND, GstMessageType(GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  fail_unless(message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS);

  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_clear_message(&message);
  gst_clear_object(&bus);
  gst_clear_object(&pipeline);
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
