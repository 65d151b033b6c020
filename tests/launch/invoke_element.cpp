// SPDX-License-Identifier: LGPL-2.1-or-later
// An element that calls the runtime thread for each buffer, and insists that it is the main thread.
#include "config.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <gst/streamlib/streamlib.h>

struct Invoke {
  GstSlProcessor parent;
};
struct InvokeClass {
  GstSlProcessorClass parent_class;
};

G_DEFINE_TYPE(Invoke, invoke, GST_TYPE_SL_PROCESSOR)

static GVariant *is_main_thread(gpointer)
{
  return g_variant_new_boolean(syscall(SYS_gettid) == getpid());
}

static GstFlowReturn invoke_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *input,
                                    GstBuffer **output)
{
  *output = input;
  GVariant *result = nullptr;
  GError *error = nullptr;
  if (!gst_sl_processor_invoke(processor, "who are you", is_main_thread, nullptr, nullptr, &result,
                               &error)) {
    gst_sl_processor_report_error(processor, error->domain, error->code, error->message, nullptr);
    g_error_free(error);
    return GST_FLOW_ERROR;
  }
  const bool is_main = g_variant_get_boolean(result) != FALSE;
  g_variant_unref(result);
  gst_element_post_message(
      GST_ELEMENT(processor),
      gst_message_new_element(
          GST_OBJECT(processor),
          gst_structure_new("invoked", "main", G_TYPE_BOOLEAN, is_main, nullptr)));
  return GST_FLOW_OK;
}

static void invoke_class_init(InvokeClass *klass)
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
  gst_element_class_set_static_metadata(element, "Invoke", "Generic", "Calls the runtime thread",
                                        "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = invoke_process;
}

static void invoke_init(Invoke *) {}

static gboolean plugin_init(GstPlugin *plugin)
{
  return gst_element_register(plugin, "sltestinvoke", GST_RANK_NONE, invoke_get_type());
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, sltestinvoke, "For a test", plugin_init,
                  PACKAGE_VERSION, "LGPL", PACKAGE_NAME, GST_PACKAGE_ORIGIN)
