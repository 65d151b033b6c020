// SPDX-License-Identifier: LGPL-2.1-or-later
#include "sys/camera/capsmodes.h"

#include <algorithm>
#include <set>

namespace streamlib::camera {

namespace {

using support::adopt_mini;
using support::GObjectPtr;
using support::MiniPtr;

constexpr const char *kRaw = "video/x-raw";
constexpr int kMaxSize = 32768;
constexpr Rate kMaxRate = {1000, 1};

// ---- GValues to spans

void add_span(const GValue *value, std::vector<Span> *spans)
{
  if (value == nullptr) {
    spans->push_back({1, kMaxSize, 1});
  } else if (G_VALUE_HOLDS_INT(value)) {
    spans->push_back({g_value_get_int(value), g_value_get_int(value), 1});
  } else if (GST_VALUE_HOLDS_INT_RANGE(value)) {
    spans->push_back({gst_value_get_int_range_min(value),
                      std::min(gst_value_get_int_range_max(value), kMaxSize),
                      gst_value_get_int_range_step(value)});
  } else if (GST_VALUE_HOLDS_LIST(value)) {
    for (guint i = 0; i < gst_value_list_get_size(value); i++)
      add_span(gst_value_list_get_value(value, i), spans);
  }
}

Rate rate_of(const GValue *value)
{
  return {gst_value_get_fraction_numerator(value), gst_value_get_fraction_denominator(value)};
}

Rate at_most(const Rate &rate, const Rate &limit)
{
  return rate.per_second() > limit.per_second() ? limit : rate;
}

void add_rates(const GValue *value, std::vector<RateSpan> *rates)
{
  if (value == nullptr)
    return;
  if (GST_VALUE_HOLDS_FRACTION(value)) {
    rates->push_back({rate_of(value), rate_of(value)});
  } else if (GST_VALUE_HOLDS_FRACTION_RANGE(value)) {
    rates->push_back({rate_of(gst_value_get_fraction_range_min(value)),
                      at_most(rate_of(gst_value_get_fraction_range_max(value)), kMaxRate)});
  } else if (GST_VALUE_HOLDS_LIST(value)) {
    for (guint i = 0; i < gst_value_list_get_size(value); i++)
      add_rates(gst_value_list_get_value(value, i), rates);
  }
}

ModeSet set_of(const GstStructure *structure)
{
  ModeSet set;
  set.media = gst_structure_get_name(structure);
  add_span(gst_structure_get_value(structure, "width"), &set.widths);
  add_span(gst_structure_get_value(structure, "height"), &set.heights);
  add_rates(gst_structure_get_value(structure, "framerate"), &set.rates);
  return set;
}

// ---- Decoders

// The factory of this type with the highest rank that takes `caps`; of those that take whatever the
// caps may stand for, where there is one: vp8alphadecodebin wants a stream that says codec-alpha,
// and would fit one that says nothing.
GObjectPtr<GstElementFactory> best_factory(GstElementFactoryListType type, GstCaps *caps)
{
  GList *all = gst_element_factory_list_get_elements(
      type | GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO | GST_ELEMENT_FACTORY_TYPE_MEDIA_IMAGE,
      GST_RANK_MARGINAL);
  all = g_list_sort(all, gst_plugin_feature_rank_compare_func);
  GObjectPtr<GstElementFactory> best;
  for (const gboolean takes_all : {gboolean{TRUE}, gboolean{FALSE}}) {
    GList *fitting = gst_element_factory_list_filter(all, caps, GST_PAD_SINK, takes_all);
    if (!best && fitting != nullptr)
      best = support::share_object(GST_ELEMENT_FACTORY(fitting->data));
    gst_plugin_feature_list_free(fitting);
  }
  gst_plugin_feature_list_free(all);
  return best;
}

// What the raw form of a mode has in common with its encoded one.
MiniPtr<GstCaps> raw_form(const GstStructure *structure)
{
  GstStructure *raw = gst_structure_new_empty(kRaw);
  for (const char *field : {"width", "height", "framerate"}) {
    const GValue *value = gst_structure_get_value(structure, field);
    if (value != nullptr)
      gst_structure_set_value(raw, field, value);
  }
  GstCaps *caps = gst_caps_new_full(raw, nullptr);
  gst_caps_set_features(caps, 0, gst_caps_features_new_any());
  return adopt_mini(caps);
}

// Of a raw structure all counts, of an encoded one the raw form.
MiniPtr<GstCaps> output_of(GstCaps *device_caps, guint index)
{
  const GstStructure *structure = gst_caps_get_structure(device_caps, index);
  if (gst_structure_has_name(structure, kRaw))
    return adopt_mini(gst_caps_copy_nth(device_caps, index));
  return raw_form(structure);
}

// The sizes and rates of a structure that downstream takes, with the media type of the device.
void add_sets(GstCaps *device_caps, guint index, GstCaps *downstream, std::vector<ModeSet> *sets)
{
  const auto output = output_of(device_caps, index);
  const auto common =
      adopt_mini(gst_caps_intersect_full(output.get(), downstream, GST_CAPS_INTERSECT_FIRST));
  const char *media = gst_structure_get_name(gst_caps_get_structure(device_caps, index));
  for (guint i = 0; i < gst_caps_get_size(common.get()); i++) {
    ModeSet set = set_of(gst_caps_get_structure(common.get(), i));
    set.media = media;
    sets->push_back(std::move(set));
  }
}

}  // namespace

Decoding decoding_of(const std::string &media)
{
  Decoding decoding;
  decoding.possible = media == kRaw;
  if (decoding.possible)
    return decoding;
  const auto caps = adopt_mini(gst_caps_new_empty_simple(media.c_str()));
  if (auto parser = best_factory(GST_ELEMENT_FACTORY_TYPE_PARSER, caps.get()))
    decoding.chain.push_back(std::move(parser));
  if (auto decoder = best_factory(GST_ELEMENT_FACTORY_TYPE_DECODER, caps.get())) {
    decoding.chain.push_back(std::move(decoder));
    decoding.possible = true;
  }
  return decoding;
}

std::vector<ModeSet> modes_of(GstCaps *device_caps, GstCaps *downstream)
{
  std::vector<ModeSet> sets;
  std::set<std::string> decodable;
  std::set<std::string> seen;
  for (guint i = 0; i < gst_caps_get_size(device_caps); i++) {
    const std::string media = gst_structure_get_name(gst_caps_get_structure(device_caps, i));
    if (seen.insert(media).second && decoding_of(media).possible)
      decodable.insert(media);
    if (decodable.count(media) > 0)
      add_sets(device_caps, i, downstream, &sets);
  }
  return sets;
}

MiniPtr<GstCaps> caps_of(const Mode &mode, GstCaps *device_caps)
{
  GstStructure *wanted = gst_structure_new(mode.media.c_str(), "width", G_TYPE_INT, mode.width,
                                           "height", G_TYPE_INT, mode.height, nullptr);
  if (mode.rate)
    gst_structure_set(wanted, "framerate", GST_TYPE_FRACTION, mode.rate->numerator,
                      mode.rate->denominator, nullptr);
  GstCaps *raw = gst_caps_new_full(wanted, nullptr);
  gst_caps_set_features(raw, 0, gst_caps_features_new_any());
  const auto filter = adopt_mini(raw);
  return adopt_mini(gst_caps_intersect_full(device_caps, filter.get(), GST_CAPS_INTERSECT_FIRST));
}

std::string text_of_caps(GstCaps *device_caps)
{
  if (gst_caps_is_any(device_caps) || gst_caps_is_empty(device_caps))
    return "(it does not say which)";
  std::string text;
  std::set<std::string> seen;
  for (guint i = 0; i < gst_caps_get_size(device_caps); i++) {
    GstStructure *copy = gst_structure_copy(gst_caps_get_structure(device_caps, i));
    // One line for each size and rate, whatever the formats.
    gst_structure_remove_fields(copy, "format", "interlace-mode", "colorimetry",
                                "pixel-aspect-ratio", "parsed", "profile", "level", "stream-format",
                                "alignment", "chroma-site", "multiview-mode", nullptr);
    // The memory stands in parentheses, where it is not plain.
    const auto one = adopt_mini(gst_caps_new_full(copy, nullptr));
    gst_caps_set_features(one.get(), 0,
                          gst_caps_features_copy(gst_caps_get_features(device_caps, i)));
    const support::CStr line(gst_caps_to_string(one.get()));
    if (seen.insert(line.get()).second)
      text += (text.empty() ? "  " : "\n  ") + std::string(line.get());
  }
  return text;
}

}  // namespace streamlib::camera
