// SPDX-License-Identifier: LGPL-2.1-or-later
#include "faulty_filter.h"

#include <initializer_list>
#include <utility>

#define FUZZ_TYPE_FAULTY_FILTER (fuzz_faulty_filter_get_type())
G_DECLARE_FINAL_TYPE(FuzzFaultyFilter, fuzz_faulty_filter, FUZZ, FAULTY_FILTER, GstElement)

using fuzz::Fault;

struct _FuzzFaultyFilter {
  GstElement parent;
  GstPad *src;
  GstPad *sink;
  gint fails;
  gint even;
  gint buffers;
  bool has_failed;
};

G_DEFINE_FINAL_TYPE(FuzzFaultyFilter, fuzz_faulty_filter, GST_TYPE_ELEMENT)

namespace {

constexpr guint kFails = 1;
constexpr guint kEven = 2;

bool fails_at(FuzzFaultyFilter *self, Fault fault)
{
  return g_atomic_int_get(&self->fails) == static_cast<gint>(fault);
}

GstFlowReturn chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  auto *self = FUZZ_FAULTY_FILTER(parent);
  if (g_atomic_int_add(&self->buffers, 1) % 3 == 2 &&
      (fails_at(self, Fault::Buffer) || fails_at(self, Fault::Refusal))) {
    if (fails_at(self, Fault::Buffer))
      GST_ELEMENT_ERROR(self, STREAM, FAILED, ("A third buffer."), (nullptr));
    gst_buffer_unref(buffer);
    return GST_FLOW_ERROR;
  }
  return gst_pad_push(self->src, buffer);
}

}  // namespace

static GstStateChangeReturn fuzz_faulty_filter_change_state(GstElement *element,
                                                            GstStateChange transition)
{
  auto *self = FUZZ_FAULTY_FILTER(element);
  if ((transition == GST_STATE_CHANGE_NULL_TO_READY && fails_at(self, Fault::Ready)) ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED && fails_at(self, Fault::Paused)) ||
      (transition == GST_STATE_CHANGE_PAUSED_TO_PLAYING && fails_at(self, Fault::Playing))) {
    GST_ELEMENT_ERROR(element, RESOURCE, OPEN_READ, ("The fault was asked for."), (nullptr));
    return GST_STATE_CHANGE_FAILURE;
  }
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED && fails_at(self, Fault::SlowSetup))
    g_usleep(fuzz::kSlowSetup);
  const auto result =
      GST_ELEMENT_CLASS(fuzz_faulty_filter_parent_class)->change_state(element, transition);
  // Once: what never comes down cannot be let go by anyone.
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY && fails_at(self, Fault::Down) &&
      !std::exchange(self->has_failed, true))
    return GST_STATE_CHANGE_FAILURE;
  return result;
}

static void fuzz_faulty_filter_set_property(GObject *object, guint id, const GValue *value,
                                            GParamSpec *)
{
  auto *self = FUZZ_FAULTY_FILTER(object);
  const gint number = g_value_get_int(value);
  if (id == kFails)
    g_atomic_int_set(&self->fails, number);
  else if (number % 2 == 0)
    g_atomic_int_set(&self->even, number);
}

static void fuzz_faulty_filter_get_property(GObject *object, guint id, GValue *value, GParamSpec *)
{
  auto *self = FUZZ_FAULTY_FILTER(object);
  g_value_set_int(value, g_atomic_int_get(id == kFails ? &self->fails : &self->even));
}

static void fuzz_faulty_filter_class_init(FuzzFaultyFilterClass *klass)
{
  auto *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = fuzz_faulty_filter_set_property;
  object_class->get_property = fuzz_faulty_filter_get_property;
  constexpr auto kFlags = static_cast<GParamFlags>(G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS);
  g_object_class_install_property(
      object_class, kFails,
      g_param_spec_int("fails", "Fails", "When it fails", 0, static_cast<gint>(Fault::Last) - 1, 0,
                       static_cast<GParamFlags>(kFlags | GST_PARAM_MUTABLE_READY)));
  g_object_class_install_property(
      object_class, kEven,
      g_param_spec_int("even", "Even", "An even number", 0, G_MAXINT, 0,
                       static_cast<GParamFlags>(kFlags | GST_PARAM_MUTABLE_PLAYING)));
  auto *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = fuzz_faulty_filter_change_state;
  for (const auto direction : {GST_PAD_SRC, GST_PAD_SINK})
    gst_element_class_add_pad_template(
        element_class, gst_pad_template_new(direction == GST_PAD_SRC ? "src" : "sink", direction,
                                            GST_PAD_ALWAYS, gst_caps_new_any()));
  gst_element_class_set_static_metadata(element_class, "Faulty filter", "Filter/Test",
                                        "Passes on, and fails where it is asked to", "-");
}

static void fuzz_faulty_filter_init(FuzzFaultyFilter *self)
{
  auto *element_class = GST_ELEMENT_GET_CLASS(self);
  self->sink =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "sink"), "sink");
  self->src =
      gst_pad_new_from_template(gst_element_class_get_pad_template(element_class, "src"), "src");
  gst_pad_set_chain_function(self->sink, chain);
  GST_PAD_SET_PROXY_CAPS(self->sink);
  GST_PAD_SET_PROXY_ALLOCATION(self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
  gst_element_add_pad(GST_ELEMENT(self), self->src);
}

namespace fuzz {

void register_faulty_filter()
{
  gst_element_register(nullptr, "faultyfilter", GST_RANK_NONE, FUZZ_TYPE_FAULTY_FILTER);
}

}  // namespace fuzz
