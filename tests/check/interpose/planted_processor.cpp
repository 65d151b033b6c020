// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor that breaks the rules on purpose.
#include "planted_processor.h"

#include <gst/streamlib/streamlib.h>

struct PlantedProcessor {
  GstSlProcessor parent;
};
struct PlantedProcessorClass {
  GstSlProcessorClass parent_class;
};
G_DEFINE_TYPE(PlantedProcessor, planted_processor, GST_TYPE_SL_PROCESSOR)

namespace {

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

GstFlowReturn process(GstSlProcessor *self, GstSlLinkPad *, GstBuffer *input, GstBuffer **output)
{
  GST_OBJECT_LOCK(self);
  GST_OBJECT_UNLOCK(self);
  gst_structure_free(gst_structure_new_empty("planted"));
  *output = input;
  return GST_FLOW_OK;
}

}  // namespace

static void planted_processor_init(PlantedProcessor *) {}

static void planted_processor_class_init(PlantedProcessorClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstCaps *any = gst_caps_new_any();
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS, any,
                                                     GST_TYPE_SL_LINK_PAD));
  gst_caps_unref(any);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Planted processor", "Generic",
                                        "Breaks rules in its own thread", "GStreamer Streamlib");
  GST_SL_PROCESSOR_CLASS(klass)->process = process;
}
