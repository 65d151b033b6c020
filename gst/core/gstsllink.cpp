// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * SECTION:element-sllink
 * @title: sllink
 * @see_also: queue, GstSlProcessor
 *
 * What one takes instead of a queue: a thread border with a bounded link without locks. What comes
 * in leaves in the same order in a thread of the element's own. When the link is full its policy
 * says whether the pushing thread waits (lossless), the oldest buffer goes (in-order), or a buffer
 * goes as soon as a newer one is there and its own time has passed (latest). By default (auto) live
 * raw video is latest, live raw audio in-order, and everything else lossless.
 *
 * Every buffer that is dropped is counted by its reason in #GstSlLink:stats, said in QOS messages,
 * and the next one carries a DISCONT flag. Encoded video is dropped up to the next key unit.
 *
 * ## Example launch lines
 * |[
 * gst-launch-1.0 videotestsrc is-live=true num-buffers=60 ! sllink ! videoconvert ! fakevideosink
 * ]|
 * The newest picture, whatever the sink takes for one.
 * |[
 * gst-launch-1.0 audiotestsrc num-buffers=100 ! sllink policy=lossless depth=4 ! fakesink sync=true
 * ]|
 * No buffer is lost, and no more than four wait.
 *
 * Since: 0.1
 */
#include "gst/core/gstsllink.h"

#include "gst/streamlib/link_properties.h"
#include "gst/support/ownership.h"

namespace {

enum class Prop : guint { Policy = 1, Depth, MaxTime, MaxBytes, Level };

GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

}  // namespace

struct _GstSlLink {
  GstSlProcessor parent;
};

G_DEFINE_FINAL_TYPE(GstSlLink, gst_sl_link, GST_TYPE_SL_PROCESSOR)

// The properties of the link are those of its pad.
static streamlib::support::GObjectPtr<GstPad> gst_sl_link_get_sink(GObject *object)
{
  return streamlib::support::adopt_object(gst_element_get_static_pad(GST_ELEMENT(object), "sink"));
}

static void gst_sl_link_set_property(GObject *object, guint id, const GValue *value,
                                     GParamSpec *spec)
{
  g_object_set_property(G_OBJECT(gst_sl_link_get_sink(object).get()), spec->name, value);
}

static void gst_sl_link_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
  g_object_get_property(G_OBJECT(gst_sl_link_get_sink(object).get()), spec->name, value);
}

static void gst_sl_link_class_init(GstSlLinkClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  object_class->set_property = gst_sl_link_set_property;
  object_class->get_property = gst_sl_link_get_property;
  streamlib::install_link_properties(
      object_class, {static_cast<guint>(Prop::Policy), static_cast<guint>(Prop::Depth),
                     static_cast<guint>(Prop::MaxTime), static_cast<guint>(Prop::MaxBytes),
                     static_cast<guint>(Prop::Level)});

  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const auto any = streamlib::support::adopt_mini(gst_caps_new_any());
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                     any.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(
      element_class, "Lock-free Link", "Generic/Connector",
      "Passes data on to a thread of its own through a bounded lock-free link",
      "The gst-streamlib authors");
  gst_type_mark_as_plugin_api(GST_TYPE_SL_LINK_POLICY, static_cast<GstPluginAPIFlags>(0));
}

static void gst_sl_link_init(GstSlLink *self) {}

GST_ELEMENT_REGISTER_DEFINE(sllink, "sllink", GST_RANK_NONE, GST_TYPE_SL_LINK)
