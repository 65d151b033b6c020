// SPDX-License-Identifier: LGPL-2.1-or-later
// The least element that a queue form can be measured in.
#include "form_element.h"

#include <atomic>
#include <memory>
#include <string>

#include <gst/gst.h>

#include "gst/support/parker.h"
#include "queue_forms.h"

namespace streamlib::bench {

namespace {

constexpr unsigned kDefaultDepth = 256;

enum Prop { kPropForm = 1, kPropPolicy, kPropDepth };

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

struct Link {
  std::string form_name = "ring";
  std::string policy = "lossless";
  unsigned depth = kDefaultDepth;
  bool evicts = false;
  std::unique_ptr<LinkForm> form;
  support::Parker data;
  support::Parker space;
  std::atomic<bool> stopping{false};
};

struct BenchForm {
  GstElement parent;
  GstPad *sink_pad;
  GstPad *src_pad;
  Link *link;
};
struct BenchFormClass {
  GstElementClass parent_class;
};
GType bench_form_get_type();
G_DEFINE_TYPE(BenchForm, bench_form, GST_TYPE_ELEMENT)

BenchForm *self_of(gpointer object)
{
  return static_cast<BenchForm *>(object);
}

GstFlowReturn chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  Link *link = self_of(parent)->link;
  if (link->evicts) {
    if (void *evicted = link->form->push_evicting(buffer))
      gst_buffer_unref(static_cast<GstBuffer *>(evicted));
  } else {
    while (!link->form->try_push(buffer)) {
      link->space.park(
          [link] { return link->form->level() <= link->depth / 2 || link->stopping.load(); });
      if (link->stopping.load()) {
        gst_buffer_unref(buffer);
        return GST_FLOW_FLUSHING;
      }
    }
  }
  link->data.unpark();
  return GST_FLOW_OK;
}

gboolean sink_event(GstPad *, GstObject *parent, GstEvent *event)
{
  Link *link = self_of(parent)->link;
  link->form->push_event(event);
  link->data.unpark();
  return TRUE;
}

void deliver(BenchForm *self, const Taken &taken)
{
  if (taken.is_event) {
    gst_pad_push_event(self->src_pad, static_cast<GstEvent *>(taken.item));
    return;
  }
  auto *buffer = static_cast<GstBuffer *>(taken.item);
  if (taken.after_gap) {
    buffer = gst_buffer_make_writable(buffer);
    GST_BUFFER_FLAG_SET(buffer, GST_BUFFER_FLAG_DISCONT);
  }
  gst_pad_push(self->src_pad, buffer);
}

// Drains what there is, then sleeps.
void src_loop(gpointer data)
{
  auto *self = static_cast<BenchForm *>(data);
  Link *link = self->link;
  while (!link->stopping.load(std::memory_order_relaxed)) {
    Taken taken = link->form->take();
    if (taken.item == nullptr) {
      // What take() finds while parking is to be delivered all the same.
      link->data.park([link, &taken] {
        taken = link->form->take();
        return taken.item != nullptr || link->stopping.load();
      });
      if (taken.item == nullptr)
        return;
    }
    deliver(self, taken);
    if (link->space.is_parked() && link->form->level() <= link->depth / 2)
      link->space.unpark();
  }
}

gboolean src_activate_mode(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  Link *link = self_of(parent)->link;
  if (active) {
    link->form = make_form(link->form_name, link->depth);
    link->evicts = link->policy != "lossless";
    link->stopping = false;
    if (!link->form || (link->evicts && !link->form->can_evict()))
      return FALSE;
    return gst_pad_start_task(pad, src_loop, parent, nullptr);
  }
  link->stopping = true;
  link->data.unpark();
  link->space.unpark();
  return gst_pad_stop_task(pad);
}

void drop_everything(Link *link)
{
  if (!link->form)
    return;
  for (Taken taken = link->form->take(); taken.item != nullptr; taken = link->form->take())
    gst_mini_object_unref(static_cast<GstMiniObject *>(taken.item));
}

void set_property(GObject *object, guint id, const GValue *value, GParamSpec *)
{
  Link *link = self_of(object)->link;
  if (id == kPropForm)
    link->form_name = g_value_get_string(value);
  else if (id == kPropPolicy)
    link->policy = g_value_get_string(value);
  else
    link->depth = g_value_get_uint(value);
}

void bench_form_init(BenchForm *self)
{
  self->link = new Link;
  self->sink_pad = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sink_pad, chain);
  gst_pad_set_event_function(self->sink_pad, sink_event);
  gst_element_add_pad(GST_ELEMENT(self), self->sink_pad);
  self->src_pad = gst_pad_new_from_static_template(&src_template, "src");
  gst_pad_set_activatemode_function(self->src_pad, src_activate_mode);
  gst_element_add_pad(GST_ELEMENT(self), self->src_pad);
}

void finalize(GObject *object)
{
  drop_everything(self_of(object)->link);
  delete self_of(object)->link;
  G_OBJECT_CLASS(bench_form_parent_class)->finalize(object);
}

void add_string(GObjectClass *klass, guint id, const char *name, const char *blurb)
{
  g_object_class_install_property(
      klass, id,
      g_param_spec_string(name, name, blurb, nullptr,
                          static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS)));
}

void bench_form_class_init(BenchFormClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = set_property;
  object_class->finalize = finalize;
  add_string(object_class, kPropForm, "form", "pointers, lanes or ring");
  add_string(object_class, kPropPolicy, "policy", "lossless or in-order");
  g_object_class_install_property(
      object_class, kPropDepth,
      g_param_spec_uint("depth", "depth", "Buffers that it holds", 2, 1U << 16, kDefaultDepth,
                        static_cast<GParamFlags>(G_PARAM_WRITABLE | G_PARAM_STATIC_STRINGS)));
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &src_template);
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &sink_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Queue form", "Generic",
                                        "A link of one queue form", "GStreamer Streamlib");
}

}  // namespace

void register_form_element()
{
  gst_element_register(nullptr, "benchform", GST_RANK_NONE, bench_form_get_type());
}

}  // namespace streamlib::bench
