// SPDX-License-Identifier: LGPL-2.1-or-later
// An element that breaks the rules on purpose. It is an object of its own, so that the interposer
// can be told that it is one of ours.
#include "planted.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "planted_processor.h"

namespace {

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

enum { kPropViolation = 1 };

struct Planted;
using Violation = void (*)(Planted *);

struct Planted {
  GstElement parent;
  GstPad *src_pad;
  Violation violation;
  GMutex g_mutex;
  GRecMutex rec_mutex;
  GRWLock rw_lock;
  GCond cond;
  GAsyncQueue *async_queue;
  std::mutex *std_mutex;
};
struct PlantedClass {
  GstElementClass parent_class;
};
GType planted_get_type();
G_DEFINE_TYPE(Planted, planted, GST_TYPE_ELEMENT)

// Keeps the compiler from leaving out an allocation that nobody uses.
void use(void *memory)
{
  asm volatile("" : : "r"(memory) : "memory");
}

void nothing(Planted *) {}

void g_mutex(Planted *self)
{
  g_mutex_lock(&self->g_mutex);
  g_mutex_unlock(&self->g_mutex);
}

void std_mutex(Planted *self)
{
  const std::lock_guard<std::mutex> lock(*self->std_mutex);
}

void rec_mutex(Planted *self)
{
  g_rec_mutex_lock(&self->rec_mutex);
  g_rec_mutex_unlock(&self->rec_mutex);
}

void rw_lock(Planted *self)
{
  g_rw_lock_reader_lock(&self->rw_lock);
  g_rw_lock_reader_unlock(&self->rw_lock);
}

void try_lock(Planted *self)
{
  if (g_mutex_trylock(&self->g_mutex))
    g_mutex_unlock(&self->g_mutex);
}

void cond(Planted *self)
{
  g_cond_signal(&self->cond);
}

void object_lock(Planted *self)
{
  GST_OBJECT_LOCK(self);
  GST_OBJECT_UNLOCK(self);
}

void pad_query(Planted *self)
{
  if (GstCaps *caps = gst_pad_get_current_caps(self->src_pad))
    gst_caps_unref(caps);
}

void message(Planted *self)
{
  gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
}

void async_queue(Planted *self)
{
  g_async_queue_push(self->async_queue, self);
  g_async_queue_try_pop(self->async_queue);
}

void notify(Planted *self)
{
  g_object_notify(G_OBJECT(self), "violation");
}

void c_malloc(Planted *)
{
  void *memory = malloc(32);
  use(memory);
  free(memory);
}

void aligned(Planted *)
{
  void *memory = nullptr;
  if (posix_memalign(&memory, 64, 64) == 0)
    use(memory);
  free(memory);
}

void cxx_new(Planted *)
{
  int *memory = new int;
  use(memory);
  delete memory;
}

void buffer(Planted *)
{
  gst_buffer_unref(gst_buffer_new());
}

void structure(Planted *)
{
  gst_structure_free(gst_structure_new_empty("planted"));
}

void event(Planted *)
{
  gst_event_unref(gst_event_new_gap(0, 0));
}

void list(Planted *self)
{
  g_list_free(g_list_prepend(nullptr, self));
}

void text(Planted *)
{
  g_free(g_strdup("planted"));
}

void atomic_queue(Planted *)
{
  gst_atomic_queue_unref(gst_atomic_queue_new(4));
}

struct Named {
  const char *name;
  Violation violation;
};

constexpr Named kViolations[] = {
    {"none", nothing},        {"g-mutex", g_mutex},     {"std-mutex", std_mutex},
    {"rec-mutex", rec_mutex}, {"rw-lock", rw_lock},     {"try-lock", try_lock},
    {"cond", cond},           {"notify", notify},       {"object-lock", object_lock},
    {"pad-query", pad_query}, {"message", message},     {"async-queue", async_queue},
    {"malloc", c_malloc},     {"aligned", aligned},     {"new", cxx_new},
    {"buffer", buffer},       {"structure", structure}, {"event", event},
    {"list", list},           {"text", text},           {"atomic-queue", atomic_queue},
};

GstFlowReturn chain(GstPad *, GstObject *parent, GstBuffer *input)
{
  auto *self = reinterpret_cast<Planted *>(parent);
  self->violation(self);
  return gst_pad_push(self->src_pad, input);
}

void set_property(GObject *object, guint, const GValue *value, GParamSpec *)
{
  const char *name = g_value_get_string(value);
  for (const Named &named : kViolations) {
    if (strcmp(name, named.name) == 0) {
      reinterpret_cast<Planted *>(object)->violation = named.violation;
      return;
    }
  }
  g_error("planted knows no violation \"%s\"", name);
}

void planted_init(Planted *self)
{
  self->violation = nothing;
  g_mutex_init(&self->g_mutex);
  g_rec_mutex_init(&self->rec_mutex);
  g_rw_lock_init(&self->rw_lock);
  g_cond_init(&self->cond);
  self->async_queue = g_async_queue_new();
  self->std_mutex = new std::mutex;
  GstPad *sink_pad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(sink_pad, chain);
  gst_element_add_pad(GST_ELEMENT(self), sink_pad);
  self->src_pad = gst_pad_new_from_static_template(&src_template, "src");
  gst_element_add_pad(GST_ELEMENT(self), self->src_pad);
}

void finalize(GObject *object)
{
  auto *self = reinterpret_cast<Planted *>(object);
  g_mutex_clear(&self->g_mutex);
  g_rec_mutex_clear(&self->rec_mutex);
  g_rw_lock_clear(&self->rw_lock);
  g_cond_clear(&self->cond);
  g_async_queue_unref(self->async_queue);
  delete self->std_mutex;
  G_OBJECT_CLASS(planted_parent_class)->finalize(object);
}

void planted_class_init(PlantedClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  g_object_class_install_property(
      object_class, kPropViolation,
      g_param_spec_string("violation", "violation", "What is done for each buffer", "none",
                          static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS)));
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &src_template);
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &sink_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Planted", "Generic",
                                        "Breaks rules", "GStreamer Streamlib");
}

}  // namespace

void planted_register(void)
{
  gst_element_register(nullptr, "planted", GST_RANK_NONE, planted_get_type());
  gst_element_register(nullptr, "plantedprocessor", GST_RANK_NONE, planted_processor_get_type());
}
