// SPDX-License-Identifier: LGPL-2.1-or-later
// What a graph does under gst-launch-1.0, told to files: an element that notes its teardown, and a
// tracer that writes what gst_sl_graph_describe() answers at the end.
#include "config.h"

#include <cstdio>
#include <cstdlib>

#include <gst/gst.h>
#include <gst/gsttracer.h>
#include <gst/streamlib/streamlib.h>

namespace {

void append_to(const char *variable, const char *text)
{
  const char *path = std::getenv(variable);
  std::FILE *file = path != nullptr ? std::fopen(path, "a") : nullptr;
  if (file == nullptr)
    return;
  std::fprintf(file, "%s\n", text);
  std::fclose(file);
}

}  // namespace

// ---- The element: passes on, and adds its name to the file TEST_TEARDOWNS when it is torn down

struct Noted {
  GstSlProcessor parent;
};
struct NotedClass {
  GstSlProcessorClass parent_class;
};

G_DEFINE_TYPE(Noted, noted, GST_TYPE_SL_PROCESSOR)

static GstFlowReturn noted_process(GstSlProcessor *, GstSlLinkPad *, GstBuffer *input,
                                   GstBuffer **output)
{
  *output = input;
  return GST_FLOW_OK;
}

static void noted_teardown(GstSlProcessor *processor)
{
  append_to("TEST_TEARDOWNS", GST_OBJECT_NAME(processor));
}

static void noted_class_init(NotedClass *klass)
{
  static GstStaticPadTemplate src =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  auto *element = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element, &src);
  GstCaps *any = gst_caps_new_any();
  gst_element_class_add_pad_template(
      element, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS, any,
                                               GST_TYPE_SL_LINK_PAD));
  gst_caps_unref(any);
  gst_element_class_set_static_metadata(element, "Noted", "Generic", "Notes its teardown",
                                        "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = noted_process;
  GST_SL_PROCESSOR_CLASS(klass)->teardown = noted_teardown;
}

static void noted_init(Noted *) {}

// ---- The tracer: before a graph leaves PAUSED its description goes to the file TEST_DESCRIPTION

struct Describer {
  GstTracer parent;
};
struct DescriberClass {
  GstTracerClass parent_class;
};

G_DEFINE_TYPE(Describer, describer, GST_TYPE_TRACER)

static void on_change_state(GObject *, GstClockTime, GstElement *element, GstStateChange transition)
{
  if (transition != GST_STATE_CHANGE_PAUSED_TO_READY || !GST_IS_SL_GRAPH(element))
    return;
  gchar *text = gst_sl_graph_describe(GST_SL_GRAPH(element));
  append_to("TEST_DESCRIPTION", text);
  g_free(text);
}

static void describer_class_init(DescriberClass *) {}

static void describer_init(Describer *self)
{
  gst_tracing_register_hook(GST_TRACER(self), "element-change-state-pre",
                            G_CALLBACK(on_change_state));
}

static gboolean plugin_init(GstPlugin *plugin)
{
  return gst_element_register(plugin, "sltestnoted", GST_RANK_NONE, noted_get_type()) &&
         gst_tracer_register(plugin, "sltestdescriber", describer_get_type());
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, sltestgraph, "For a test", plugin_init,
                  PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
