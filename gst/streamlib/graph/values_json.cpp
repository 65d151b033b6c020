// SPDX-License-Identifier: LGPL-2.1-or-later
// From GValue to JSON.
#include <charconv>
#include <cmath>

#include "gst/streamlib/graph/values.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

using support::CStr;

namespace {

// The shortest number that is the same float, not the double that a float widens to.
Json of_float(gfloat number)
{
  if (!std::isfinite(number))
    return {};
  char text[64];
  const char *end = std::to_chars(text, text + sizeof text, number).ptr;
  double wide = 0;
  std::from_chars(text, end, wide);
  return wide;
}

Json of_enum(const GValue *value)
{
  auto *klass = static_cast<GEnumClass *>(g_type_class_peek(G_VALUE_TYPE(value)));
  const gint number = g_value_get_enum(value);
  const GEnumValue *known = g_enum_get_value(klass, number);
  return known != nullptr ? Json(known->value_nick) : Json(number);
}

Json of_flags(const GValue *value)
{
  auto *klass = static_cast<GFlagsClass *>(g_type_class_peek(G_VALUE_TYPE(value)));
  const guint bits = g_value_get_flags(value);
  // A name for all of them first, then one for each.
  for (guint i = 0; i < klass->n_values; i++) {
    if (klass->values[i].value == bits)
      return klass->values[i].value_nick;
  }
  guint left = bits;
  std::string text;
  for (guint i = 0; i < klass->n_values && left != 0; i++) {
    const GFlagsValue &flag = klass->values[i];
    if (flag.value == 0 || (flag.value & left) == 0 || (flag.value & bits) != flag.value)
      continue;
    text += (text.empty() ? "" : "+") + std::string(flag.value_nick);
    left &= ~flag.value;
  }
  return left == 0 ? Json(text) : Json(static_cast<uint64_t>(bits));
}

Json of_elements(const GValue *value)
{
  const bool is_array = GST_VALUE_HOLDS_ARRAY(value);
  const guint size = is_array ? gst_value_array_get_size(value) : gst_value_list_get_size(value);
  Json::Array result;
  for (guint i = 0; i < size; i++)
    result.push_back(value_to_json(is_array ? gst_value_array_get_value(value, i)
                                            : gst_value_list_get_value(value, i)));
  return result;
}

Json of_strings(const GValue *value)
{
  auto *const *texts = static_cast<gchar **>(g_value_get_boxed(value));
  if (texts == nullptr)
    return {};
  Json::Array result;
  for (; *texts != nullptr; texts++)
    result.emplace_back(static_cast<const char *>(*texts));
  return result;
}

Json serialized(const GValue *value)
{
  const GType fundamental = G_TYPE_FUNDAMENTAL(G_VALUE_TYPE(value));
  if (fundamental == G_TYPE_OBJECT || fundamental == G_TYPE_POINTER ||
      fundamental == G_TYPE_INTERFACE)
    return {};
  if (fundamental == G_TYPE_BOXED && g_value_get_boxed(value) == nullptr)
    return {};
  // Within a structure these two stand in quotes, here they do not.
  if (GST_VALUE_HOLDS_CAPS(value))
    return static_cast<const char *>(CStr(gst_caps_to_string(gst_value_get_caps(value))).get());
  if (GST_VALUE_HOLDS_STRUCTURE(value))
    return static_cast<const char *>(
        CStr(gst_structure_to_string(gst_value_get_structure(value))).get());
  const CStr text(gst_value_serialize(value));
  return text ? Json(static_cast<const char *>(text.get())) : Json();
}

}  // namespace

Json value_to_json(const GValue *value)
{
  const GType type = G_VALUE_TYPE(value);
  if (type == GST_TYPE_BITMASK)
    return static_cast<uint64_t>(gst_value_get_bitmask(value));
  if (type == GST_TYPE_ARRAY || type == GST_TYPE_LIST)
    return of_elements(value);
  if (type == G_TYPE_STRV)
    return of_strings(value);
  switch (G_TYPE_FUNDAMENTAL(type)) {
    case G_TYPE_BOOLEAN:
      return Json(g_value_get_boolean(value) != FALSE);
    case G_TYPE_CHAR:
      return static_cast<int>(g_value_get_schar(value));
    case G_TYPE_UCHAR:
      return static_cast<int>(g_value_get_uchar(value));
    case G_TYPE_INT:
      return g_value_get_int(value);
    case G_TYPE_UINT:
      return g_value_get_uint(value);
    case G_TYPE_LONG:
      return static_cast<int64_t>(g_value_get_long(value));
    case G_TYPE_ULONG:
      return static_cast<uint64_t>(g_value_get_ulong(value));
    case G_TYPE_INT64:
      return static_cast<int64_t>(g_value_get_int64(value));
    case G_TYPE_UINT64:
      return static_cast<uint64_t>(g_value_get_uint64(value));
    case G_TYPE_FLOAT:
      return of_float(g_value_get_float(value));
    case G_TYPE_DOUBLE: {
      const gdouble number = g_value_get_double(value);
      return std::isfinite(number) ? Json(number) : Json();
    }
    case G_TYPE_STRING: {
      const gchar *text = g_value_get_string(value);
      return text != nullptr ? Json(text) : Json();
    }
    case G_TYPE_ENUM:
      return of_enum(value);
    case G_TYPE_FLAGS:
      return of_flags(value);
    default:
      return serialized(value);
  }
}

}  // namespace streamlib::graph
