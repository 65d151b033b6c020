// SPDX-License-Identifier: LGPL-2.1-or-later
// A window of OpenGL that is closed while its first frame is drawn, by a sink that stands for
// GStreamer's own.

#include <gst/video/gstvideosink.h>

#include "tests/check/displayrun.h"

using displaysink::Run;
using namespace streamlib::support;

// ---- The stand-in: its window is closed from the first frame on

struct ClosedSink {
  GstVideoSink parent;
};
struct ClosedSinkClass {
  GstVideoSinkClass parent;
};

G_DEFINE_TYPE(ClosedSink, closed_sink, GST_TYPE_VIDEO_SINK)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw(ANY)"));

static GstFlowReturn closed_sink_show_frame(GstVideoSink *sink, GstBuffer *)
{
  GST_ELEMENT_ERROR(sink, RESOURCE, NOT_FOUND, ("Output window was closed"), (nullptr));
  return GST_FLOW_ERROR;
}

static void ignore_property(GObject *, guint, const GValue *, GParamSpec *) {}

static void closed_sink_class_init(ClosedSinkClass *klass)
{
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = ignore_property;
  g_object_class_install_property(
      object, 1, g_param_spec_string("rotate-method", "", "", "", G_PARAM_WRITABLE));
  g_object_class_install_property(
      object, 2, g_param_spec_boolean("force-aspect-ratio", "", "", FALSE, G_PARAM_WRITABLE));
  const GType type = G_TYPE_FROM_CLASS(klass);
  g_signal_new("client-draw", type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr, G_TYPE_BOOLEAN,
               2, GST_TYPE_OBJECT, GST_TYPE_SAMPLE);
  g_signal_new("client-reshape", type, G_SIGNAL_RUN_LAST, 0, nullptr, nullptr, nullptr,
               G_TYPE_BOOLEAN, 3, GST_TYPE_OBJECT, G_TYPE_UINT, G_TYPE_UINT);
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &sink_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Closed sink", "Sink/Video",
                                        "A window that is closed", "The gst-streamlib developers");
  GST_VIDEO_SINK_CLASS(klass)->show_frame = closed_sink_show_frame;
}

static void closed_sink_init(ClosedSink *) {}

// Each test has a process of its own.
static void setup(void)
{
  const auto identity = sink_object(gst_element_factory_make("identity", nullptr));
  for (const char *name : {"glupload", "glcolorconvert"})
    gst_element_register(nullptr, name, GST_RANK_NONE, G_OBJECT_TYPE(identity.get()));
  gst_element_register(nullptr, "glimagesinkelement", GST_RANK_NONE, closed_sink_get_type());
}

static std::string launch(const char *live, const char *on_close)
{
  return std::string("videotestsrc is-live=") + live +
         " ! video/x-raw,width=64,height=48,framerate=30/1 ! sldisplaysink name=display backend=gl "
         "on-close=" +
         on_close;
}

// The application's connection, so that no display is needed.
static void give_display(const Run &run)
{
  auto context = adopt_mini(gst_context_new("gst.gl.GLDisplay", TRUE));
  gst_element_set_context(run.display(), context.get());
}

GST_START_TEST(test_live_ends)
{
  Run run(launch("true", "eos"));
  give_display(run);
  run.play();
  run.wait_for_eos();
}
GST_END_TEST

// Its sink has not come to PAUSED and gives no EOS: it must not hang.
GST_START_TEST(test_preroll_says_so)
{
  for (const char *on_close : {"eos", "disconnect"}) {
    Run run(launch("false", on_close));
    give_display(run);
    run.play();
    run.expect_error("closed before the pipeline had started");
  }
  Run run(launch("false", "error"));
  give_display(run);
  run.play();
  run.expect_error("on-close=eos");
}
GST_END_TEST

static Suite *displaysink_close_suite(void)
{
  Suite *suite = suite_create("sldisplaysink-close");
  TCase *tcase = tcase_create("gl");
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, setup, nullptr);
  tcase_add_test(tcase, test_live_ends);
  tcase_add_test(tcase, test_preroll_says_so);
  return suite;
}

GST_CHECK_MAIN(displaysink_close)
