/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A processor in C: one stream in, one stream out. It halves the volume of 16-bit sound, in place,
 * in a thread of its own behind a lock-free link. Run it: it plays two seconds of a tone through
 * itself and says how loud that came out.
 */
#include <math.h>

#include <gst/streamlib/streamlib.h>

#define MY_TYPE_GAIN (my_gain_get_type())
G_DECLARE_FINAL_TYPE(MyGain, my_gain, MY, GAIN, GstSlProcessor)

struct _MyGain {
  GstSlProcessor parent;
  gint16 loudest;
};

G_DEFINE_FINAL_TYPE(MyGain, my_gain, GST_TYPE_SL_PROCESSOR)

/* One buffer, in the thread of the processor. What is put into *output is pushed. */
static GstFlowReturn my_gain_process(GstSlProcessor *processor, GstSlLinkPad *pad, GstBuffer *input,
                                     GstBuffer **output)
{
  MyGain *self = MY_GAIN(processor);
  GstBuffer *buffer = gst_buffer_make_writable(input);
  GstMapInfo map;

  if (!gst_buffer_map(buffer, &map, GST_MAP_READWRITE)) {
    gst_buffer_unref(buffer);
    gst_sl_processor_report_error(
        processor, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "The sound cannot be read: use a source with memory that can be mapped.", NULL);
    return GST_FLOW_ERROR;
  }
  gint16 *samples = (gint16 *)map.data;
  for (gsize i = 0; i < map.size / sizeof(gint16); i++) {
    samples[i] /= 2;
    self->loudest = MAX(self->loudest, samples[i]);
  }
  gst_buffer_unmap(buffer, &map);
  *output = buffer;
  return GST_FLOW_OK;
}

static void my_gain_class_init(MyGainClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstCaps *caps = gst_caps_from_string(
      "audio/x-raw, format="
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
      "S16LE"
#else
      "S16BE"
#endif
  );

  /* The type of the sink pad is what makes it a link. */
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps,
                                                     GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_element_class_set_static_metadata(element_class, "Half volume", "Filter/Audio",
                                        "Halves the volume", "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = my_gain_process;
  gst_caps_unref(caps);
}

static void my_gain_init(MyGain *self) {}

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  gst_element_register(NULL, "mygain", GST_RANK_NONE, MY_TYPE_GAIN);

  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch(
      "audiotestsrc num-buffers=100 volume=0.8 "
      "! audioconvert ! mygain name=gain ! fakesink",
      &error);
  if (pipeline == NULL) {
    gst_printerrln("%s", error->message);
    return 1;
  }
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message =
      gst_bus_timed_pop_filtered(bus, 30 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gboolean worked = message != NULL && GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;

  GstElement *gain = gst_bin_get_by_name(GST_BIN(pipeline), "gain");
  GstStructure *stats = NULL;
  guint64 popped = 0;
  g_object_get(gain, "stats", &stats, NULL);
  gst_structure_get_uint64(stats, "popped", &popped);
  const double peak = MY_GAIN(gain)->loudest / 32768.0;
  gst_println("%" G_GUINT64_FORMAT " buffers, peak %.2f", popped, peak);
  worked = worked && popped == 100 && fabs(peak - 0.4) < 0.01;

  gst_structure_free(stats);
  gst_object_unref(gain);
  g_clear_pointer(&message, gst_message_unref);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return worked ? 0 : 1;
}
