/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A whole processor in C: it lights a lamp while its sound is loud. Lamps are fragile: only the
 * thread that opened one may touch it, as it is with windows on many platforms. Run it: it plays a
 * tone, holds it back for a moment, and then tries a lamp that is not there.
 */
#include <gst/streamlib/streamlib.h>

/* --- The platform's lamp. It insists on its thread. --- */

typedef struct {
  GThread *owner;
  gboolean lit;
  int switched;
} Lamp;

static Lamp *lamp_open(const char *device)
{
  if (!g_str_equal(device, "desk"))
    return NULL;
  Lamp *lamp = g_new0(Lamp, 1);
  lamp->owner = g_thread_self();
  return lamp;
}

static void lamp_switch(Lamp *lamp, gboolean lit)
{
  g_assert(lamp->owner == g_thread_self());
  lamp->switched += lit != lamp->lit;
  lamp->lit = lit;
}

static int lamp_close(Lamp *lamp)
{
  g_assert(lamp->owner == g_thread_self());
  const int switched = lamp->switched;
  g_free(lamp);
  return switched;
}

/* --- The processor --- */

#define MY_TYPE_LAMP (my_lamp_get_type())
G_DECLARE_FINAL_TYPE(MyLamp, my_lamp, MY, LAMP, GstSlProcessor)

struct _MyLamp {
  GstSlProcessor parent;
  gchar *device;
  Lamp *lamp;
  gboolean loud;
  int switched;
};

G_DEFINE_FINAL_TYPE(MyLamp, my_lamp, GST_TYPE_SL_PROCESSOR)

enum { PROP_DEVICE = 1 };

static GVariant *open_lamp(gpointer data)
{
  MyLamp *self = data;
  self->lamp = lamp_open(self->device);
  return NULL;
}

static GVariant *switch_lamp(gpointer data)
{
  MyLamp *self = data;
  lamp_switch(self->lamp, self->loud);
  return g_variant_new_boolean(self->lamp->lit);
}

static GVariant *close_lamp(gpointer data)
{
  MyLamp *self = data;
  lamp_switch(self->lamp, FALSE);
  self->switched = lamp_close(self->lamp);
  self->lamp = NULL;
  return NULL;
}

/* Before the first buffer. What goes wrong here ends the state change. */
static gboolean my_lamp_setup(GstSlProcessor *processor, GError **error)
{
  MyLamp *self = MY_LAMP(processor);
  if (!gst_sl_processor_invoke(processor, "open the lamp", open_lamp, gst_object_ref(self),
                               gst_object_unref, NULL, error))
    return FALSE;
  if (self->lamp == NULL) {
    g_set_error(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND,
                "There is no lamp \"%s\". Set device=desk.", self->device);
    return FALSE;
  }
  return TRUE;
}

/* One buffer, in the thread of the processor. */
static GstFlowReturn my_lamp_process(GstSlProcessor *processor, GstSlLinkPad *pad, GstBuffer *input,
                                     GstBuffer **output)
{
  MyLamp *self = MY_LAMP(processor);
  GstMapInfo map;
  GError *error = NULL;
  gint16 peak = 0;

  if (!gst_buffer_map(input, &map, GST_MAP_READ)) {
    gst_buffer_unref(input);
    gst_sl_processor_report_error(
        processor, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT,
        "The sound cannot be read: use a source with memory that can be mapped.", NULL);
    return GST_FLOW_ERROR;
  }
  for (gsize i = 0; i < map.size / sizeof(gint16); i++)
    peak = MAX(peak, ((const gint16 *)map.data)[i]);
  gst_buffer_unmap(input, &map);
  *output = input;

  const gboolean loud = peak > G_MAXINT16 / 4;
  if (loud == self->loud)
    return GST_FLOW_OK;
  self->loud = loud;
  /* At a change only: it waits for the application. */
  if (!gst_sl_processor_invoke(processor, "switch the lamp", switch_lamp, gst_object_ref(self),
                               gst_object_unref, NULL, &error)) {
    const gboolean stopped = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    if (!stopped)
      gst_sl_processor_report_error(processor, error->domain, error->code, error->message, NULL);
    g_clear_error(&error);
    return stopped ? GST_FLOW_FLUSHING : GST_FLOW_ERROR;
  }
  gst_element_post_message(
      GST_ELEMENT(self),
      gst_message_new_element(GST_OBJECT(self),
                              gst_structure_new("lamp", "lit", G_TYPE_BOOLEAN, loud, NULL)));
  return GST_FLOW_OK;
}

/* After the last buffer. It waits until the lamp is closed. */
static void my_lamp_teardown(GstSlProcessor *processor)
{
  GstSlDispatcher *dispatcher =
      gst_sl_runtime_get_dispatcher(gst_sl_processor_get_runtime(processor));
  GError *error = NULL;
  if (MY_LAMP(processor)->lamp == NULL)
    return;
  if (!gst_sl_dispatcher_invoke(dispatcher, "close the lamp", close_lamp, gst_object_ref(processor),
                                gst_object_unref, GST_SL_DISPATCHER_DEFAULT_TIMEOUT, NULL, NULL,
                                &error)) {
    gst_sl_processor_report_error(processor, error->domain, error->code, error->message, NULL);
    g_clear_error(&error);
  }
}

static void my_lamp_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
  g_free(MY_LAMP(object)->device);
  MY_LAMP(object)->device = g_value_dup_string(value);
}

static void my_lamp_finalize(GObject *object)
{
  g_free(MY_LAMP(object)->device);
  G_OBJECT_CLASS(my_lamp_parent_class)->finalize(object);
}

static void my_lamp_class_init(MyLampClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstSlProcessorClass *processor_class = GST_SL_PROCESSOR_CLASS(klass);
  GstCaps *caps = gst_caps_from_string("audio/x-raw, format=S16LE");

  /* The type of the sink pad is what makes it a link. */
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS, caps,
                                                     GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, caps));
  gst_caps_unref(caps);
  gst_element_class_set_static_metadata(element_class, "Lamp", "Filter/Audio",
                                        "Lights a lamp while its sound is loud",
                                        "The gst-streamlib authors");
  processor_class->setup = my_lamp_setup;
  processor_class->process = my_lamp_process;
  processor_class->teardown = my_lamp_teardown;
  G_OBJECT_CLASS(klass)->set_property = my_lamp_set_property;
  G_OBJECT_CLASS(klass)->finalize = my_lamp_finalize;
  g_object_class_install_property(
      G_OBJECT_CLASS(klass), PROP_DEVICE,
      g_param_spec_string("device", "Device", "The name of the lamp", "desk",
                          G_PARAM_WRITABLE | G_PARAM_CONSTRUCT | G_PARAM_STATIC_STRINGS));
}

static void my_lamp_init(MyLamp *self) {}

/* --- The application --- */

enum { BUFFERS = 50, PAUSE_MS = 200 };

typedef struct {
  GMainLoop *loop;
  GstElement *lamp;
  guint64 before_pause;
  guint64 after_pause;
  gboolean ended;
} Application;

static guint64 count_processed(GstElement *lamp)
{
  GstStructure *stats = NULL;
  guint64 popped = 0;
  g_object_get(lamp, "stats", &stats, NULL);
  gst_structure_get_uint64(stats, "popped", &popped);
  gst_structure_free(stats);
  return popped;
}

static gboolean go_on(gpointer data)
{
  Application *application = data;
  application->after_pause = count_processed(application->lamp);
  g_object_set(application->lamp, "paused", FALSE, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data)
{
  Application *application = data;
  if (gst_message_has_name(message, "lamp") && application->before_pause == 0) {
    /* The lamp is lit: hold the sound back for a moment. */
    g_object_set(application->lamp, "paused", TRUE, NULL);
    application->before_pause = count_processed(application->lamp);
    g_timeout_add(PAUSE_MS, go_on, application);
  }
  application->ended = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
  if (application->ended || GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
    g_main_loop_quit(application->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean play(void)
{
  GstElement *pipeline = gst_parse_launch(
      "audiotestsrc num-buffers=50 samplesperbuffer=441 ! audio/x-raw,format=S16LE,rate=44100 ! "
      "mylamp name=lamp ! fakesink sync=true",
      NULL);
  Application application = {g_main_loop_new(NULL, FALSE),
                             gst_bin_get_by_name(GST_BIN(pipeline), "lamp"), 0, 0, FALSE};
  GstBus *bus = gst_element_get_bus(pipeline);
  const guint watch = gst_bus_add_watch(bus, on_message, &application);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_main_loop_run(application.loop);
  const guint64 processed = count_processed(application.lamp);
  gst_element_set_state(pipeline, GST_STATE_NULL);

  const int switched = MY_LAMP(application.lamp)->switched;
  gst_println("%" G_GUINT64_FORMAT " buffers, %" G_GUINT64_FORMAT
              " of them while paused; the lamp was switched %d times",
              processed, application.after_pause - application.before_pause, switched);
  g_source_remove(watch);
  gst_object_unref(bus);
  gst_object_unref(application.lamp);
  g_main_loop_unref(application.loop);
  gst_object_unref(pipeline);
  /* A buffer that was under way when the pause began is not held back. */
  return application.ended && processed == BUFFERS &&
         application.after_pause - application.before_pause <= 1 && switched == 2;
}

/* What a user sees when the set-up fails. */
static gboolean fail(void)
{
  GstElement *pipeline = gst_parse_launch("audiotestsrc ! mylamp device=street ! fakesink", NULL);
  const gboolean failed =
      gst_element_set_state(pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE;
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  GError *error = NULL;
  if (message != NULL)
    gst_message_parse_error(message, &error, NULL);
  const gboolean told = g_error_matches(error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND);
  gst_println("%s", error != NULL ? error->message : "no error");
  g_clear_error(&error);
  g_clear_pointer(&message, gst_message_unref);
  gst_object_unref(bus);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  return failed && told;
}

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  gst_element_register(NULL, "mylamp", GST_RANK_NONE, MY_TYPE_LAMP);
  return play() && fail() ? 0 : 1;
}
