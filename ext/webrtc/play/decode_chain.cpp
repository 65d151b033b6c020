// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/decode_chain.h"

#include <string>

#include "ext/webrtc/play/opus_patience.h"

namespace streamlib::webrtc {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::sink_object;

namespace {

bool is_of(GstCaps *caps, const char *type)
{
  return gst_structure_has_name(gst_caps_get_structure(caps, 0), type);
}

void set_where_known(GstElement *element, const char *property, const char *value)
{
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(element), property) != nullptr)
    gst_util_set_object_arg(G_OBJECT(element), property, value);
}

// A stream from a network has faults: none of them is the end.
void make_patient(GstElement *decoder)
{
  set_where_known(decoder, "max-errors", "-1");
  // Video: what cannot be decoded any more is asked for.
  set_where_known(decoder, "automatic-request-sync-points", "true");
}

// The best of a list that can be opened: hardware may be busy, or not there.
GObjectPtr<GstElement> open_one_of(GList *factories)
{
  const auto raw = adopt_mini(gst_caps_from_string("video/x-raw; audio/x-raw"));
  GObjectPtr<GstElement> result;
  for (GList *node = factories; node != nullptr && !result; node = node->next) {
    auto *factory = GST_ELEMENT_FACTORY(node->data);
    if (!gst_element_factory_can_src_any_caps(factory, raw.get()))
      continue;
    auto decoder = sink_object(gst_element_factory_create(factory, nullptr));
    if (!decoder)
      continue;
    make_patient(decoder.get());
    if (gst_element_set_state(decoder.get(), GST_STATE_READY) != GST_STATE_CHANGE_FAILURE)
      result = decoder;
    else
      gst_element_set_state(decoder.get(), GST_STATE_NULL);
  }
  return result;
}

// Those that take whatever the caps may stand for come first: vp8alphadecodebin, which has a high
// rank, wants a stream that says codec-alpha, and would fit one that says nothing.
GObjectPtr<GstElement> open_decoder(GstCaps *encoded)
{
  GList *all =
      gst_element_factory_list_get_elements(GST_ELEMENT_FACTORY_TYPE_DECODER, GST_RANK_MARGINAL);
  all = g_list_sort(all, gst_plugin_feature_rank_compare_func);
  GObjectPtr<GstElement> result;
  for (const gboolean takes_all : {gboolean{TRUE}, gboolean{FALSE}}) {
    GList *fitting = gst_element_factory_list_filter(all, encoded, GST_PAD_SINK, takes_all);
    if (!result)
      result = open_one_of(fitting);
    gst_plugin_feature_list_free(fitting);
  }
  gst_plugin_feature_list_free(all);
  return result;
}

}  // namespace

Result<GObjectPtr<GstElement>> make_decode_chain(GstCaps *encoded, GstClockTime latency)
{
  GObjectPtr<GstElement> decoder = open_decoder(encoded);
  if (!decoder) {
    const CStr caps(gst_caps_to_string(encoded));
    return Failure{GST_STREAM_ERROR_CODEC_NOT_FOUND,
                   std::string("No decoder for ") +
                       gst_structure_get_name(gst_caps_get_structure(encoded, 0)) +
                       " can be opened. Install gstreamer1.0-libav or gstreamer1.0-plugins-good, "
                       "or link to what takes the encoded stream.",
                   caps.get()};
  }
  auto bin = sink_object(gst_bin_new(nullptr));
  gst_bin_add(GST_BIN(bin.get()), decoder.get());
  GstElement *first = decoder.get();
  if (is_of(encoded, "audio/x-opus"))
    make_opus_patient(decoder.get(), latency);
  // It finds the size, which the description does not tell.
  if (is_of(encoded, "video/x-h264")) {
    const auto parser = sink_object(gst_element_factory_make("h264parse", nullptr));
    if (parser) {
      gst_bin_add(GST_BIN(bin.get()), parser.get());
      gst_element_link(parser.get(), decoder.get());
      first = parser.get();
    }
  }
  const auto sink = adopt_object(gst_element_get_static_pad(first, "sink"));
  const auto src = adopt_object(gst_element_get_static_pad(decoder.get(), "src"));
  gst_element_add_pad(bin.get(), gst_ghost_pad_new("sink", sink.get()));
  gst_element_add_pad(bin.get(), gst_ghost_pad_new("src", src.get()));
  return bin;
}

}  // namespace streamlib::webrtc
