// SPDX-License-Identifier: LGPL-2.1-or-later
// From JSON to GValue.
#include "gst/streamlib/graph/values.h"

#include <cmath>

#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/nearest.h"
#include "gst/support/ownership.h"

namespace streamlib::graph {

using support::Done;
using support::Failure;
using support::MiniPtr;
using support::Status;

namespace {

Failure failure(ValueError code, std::string text, std::string hint = {})
{
  return {static_cast<int>(code), std::move(text), std::move(hint)};
}

// Makes one value; knows the property only for its range and its name.
class Setter {
public:
  Setter(GValue *value, GParamSpec *spec, bool secret) : value_(value), spec_(spec), secret_(secret)
  {}

  Status set(const Json &json);

private:
  Failure wrong_type(const Json &json, const char *wanted) const
  {
    return failure(ValueError::WrongType, std::string("it must be ") + wanted +
                                              ", and is of the type " + json.type_name());
  }
  std::string shown(const Json &json) const { return secret_ ? kMask : write_json(json); }
  std::string shown(const std::string &text) const { return secret_ ? kMask : "'" + text + "'"; }

  template <typename T>
  Status integer(const Json &json, void (*set)(GValue *, T), T low, T high);
  template <typename T>
  Status real(const Json &json, void (*set)(GValue *, T), double low, double high);
  Status boolean(const Json &json);
  Status string(const Json &json);
  Status enumeration(const Json &json);
  Status flags(const Json &json);
  Status flags_of(const std::vector<std::string> &names, GFlagsClass *klass);
  Status fraction(const Json &json);
  Status bitmask(const Json &json);
  Status strings(const Json &json);
  Status elements(const Json &json);
  Status element(GValue *element, const Json &json, const GParamSpec *spec, size_t index);
  Status deserialized(const Json &json);
  Status fundamental(const Json &json);

  GValue *const value_;
  GParamSpec *const spec_;  // Null for the elements of an array that says nothing about them.
  const bool secret_;
};

template <typename T>
Status Setter::integer(const Json &json, void (*set)(GValue *, T), T low, T high)
{
  if (!json.is_integer())
    return json.number()
               ? failure(ValueError::WrongType, "it must be an integer, and is " + shown(json),
                         "write it without a fraction")
               : wrong_type(json, "an integer");
  const std::optional<int64_t> small = json.int64();
  const std::optional<uint64_t> big = json.uint64();
  const bool negative = small && *small < 0;
  bool inside = false;
  if (negative)
    inside = std::is_signed_v<T> && *small >= static_cast<int64_t>(low);
  else
    inside = (low <= 0 || *big >= static_cast<uint64_t>(low)) && high >= 0 &&
             *big <= static_cast<uint64_t>(high);
  if (!inside)
    return failure(ValueError::OutOfRange, shown(json) + " is out of the range from " +
                                               std::to_string(low) + " to " + std::to_string(high));
  set(value_, negative ? static_cast<T>(*small) : static_cast<T>(*big));
  return Done{};
}

template <typename T>
Status Setter::real(const Json &json, void (*set)(GValue *, T), double low, double high)
{
  const std::optional<double> number = json.number();
  if (!number)
    return wrong_type(json, "a number");
  if (!(*number >= low && *number <= high))
    return failure(ValueError::OutOfRange, shown(json) + " is out of the range from " +
                                               write_json(low) + " to " + write_json(high));
  set(value_, static_cast<T>(*number));
  return Done{};
}

Status Setter::boolean(const Json &json)
{
  if (!json.boolean())
    return wrong_type(json, "true or false");
  g_value_set_boolean(value_, *json.boolean());
  return Done{};
}

Status Setter::string(const Json &json)
{
  if (json.is_null())
    return Done{};
  if (!json.is_string())
    return wrong_type(json, "a string");
  if (json.string()->find('\0') != std::string::npos)
    return failure(ValueError::WrongType, "a text cannot hold a zero byte");
  g_value_set_string(value_, json.string()->c_str());
  return Done{};
}

Status Setter::enumeration(const Json &json)
{
  auto *klass = static_cast<GEnumClass *>(g_type_class_peek(G_VALUE_TYPE(value_)));
  if (const std::optional<int64_t> number = json.int64()) {
    for (guint i = 0; i < klass->n_values; i++) {
      if (klass->values[i].value == *number) {
        g_value_set_enum(value_, klass->values[i].value);
        return Done{};
      }
    }
  }
  std::vector<std::string_view> nicks;
  for (guint i = 0; i < klass->n_values; i++)
    nicks.emplace_back(klass->values[i].value_nick);
  if (const std::string *name = json.string()) {
    for (guint i = 0; i < klass->n_values; i++) {
      const GEnumValue &known = klass->values[i];
      if (*name == known.value_nick || *name == known.value_name) {
        g_value_set_enum(value_, known.value);
        return Done{};
      }
    }
    return failure(ValueError::UnknownName, shown(*name) + " is not one of " + list_of(nicks),
                   did_you_mean(*name, nicks));
  }
  if (json.is_integer())
    return failure(ValueError::UnknownName,
                   shown(json) + " is the number of none of " + list_of(nicks));
  return wrong_type(json, "one of the names of the enumeration, as a string");
}

Status Setter::flags(const Json &json)
{
  auto *klass = static_cast<GFlagsClass *>(g_type_class_peek(G_VALUE_TYPE(value_)));
  if (json.is_integer()) {
    const std::optional<uint64_t> number = json.uint64();
    if (!number || (*number & ~static_cast<uint64_t>(klass->mask)) != 0)
      return failure(ValueError::OutOfRange, shown(json) + " has bits that no flag has");
    g_value_set_flags(value_, static_cast<guint>(*number));
    return Done{};
  }
  std::vector<std::string> names;
  if (const std::string *text = json.string()) {
    for (size_t begin = 0; begin <= text->size();) {
      const size_t end = std::min(text->find('+', begin), text->size());
      names.push_back(text->substr(begin, end - begin));
      begin = end + 1;
    }
    if (text->empty())
      names.clear();
  } else if (const Json::Array *array = json.array()) {
    for (const Json &name : *array) {
      if (!name.is_string())
        return wrong_type(name, "an array of names");
      names.push_back(*name.string());
    }
  } else {
    return wrong_type(json, "the names of flags, as \"a+b\"");
  }
  return flags_of(names, klass);
}

Status Setter::flags_of(const std::vector<std::string> &names, GFlagsClass *klass)
{
  guint bits = 0;
  for (const std::string &name : names) {
    const GFlagsValue *found = g_flags_get_value_by_nick(klass, name.c_str());
    if (found == nullptr)
      found = g_flags_get_value_by_name(klass, name.c_str());
    if (found == nullptr) {
      std::vector<std::string_view> nicks;
      for (guint i = 0; i < klass->n_values; i++)
        nicks.emplace_back(klass->values[i].value_nick);
      return failure(ValueError::UnknownName, shown(name) + " is not one of " + list_of(nicks),
                     did_you_mean(name, nicks));
    }
    bits |= found->value;
  }
  g_value_set_flags(value_, bits);
  return Done{};
}

Status Setter::fraction(const Json &json)
{
  std::optional<int64_t> numerator = json.int64();
  std::optional<int64_t> denominator = 1;
  if (const Json::Array *parts = json.array(); parts != nullptr && parts->size() == 2) {
    numerator = (*parts)[0].int64();
    denominator = (*parts)[1].int64();
  } else if (json.is_string()) {
    const Status read = deserialized(json);
    if (!read)
      return read;
    numerator = gst_value_get_fraction_numerator(value_);
    denominator = gst_value_get_fraction_denominator(value_);
  }
  const auto fits = [](const std::optional<int64_t> &part) {
    return part && *part >= -G_MAXINT && *part <= G_MAXINT;
  };
  if (!fits(numerator) || !fits(denominator) || *denominator == 0)
    return failure(ValueError::WrongType, shown(json) + " is no fraction", "write \"30/1\"");
  gst_value_set_fraction(value_, static_cast<gint>(*numerator), static_cast<gint>(*denominator));
  return Done{};
}

Status Setter::bitmask(const Json &json)
{
  if (!json.is_integer())
    return deserialized(json);
  if (!json.uint64())
    return failure(ValueError::OutOfRange, shown(json) + " is no bit mask of 64 bits");
  gst_value_set_bitmask(value_, *json.uint64());
  return Done{};
}

Status Setter::strings(const Json &json)
{
  if (json.is_null())
    return Done{};
  const Json::Array *array = json.array();
  if (array == nullptr)
    return wrong_type(json, "an array of strings");
  auto **texts = g_new0(gchar *, array->size() + 1);
  g_value_take_boxed(value_, texts);
  for (size_t i = 0; i < array->size(); i++) {
    const std::string *text = (*array)[i].string();
    if (text == nullptr || text->find('\0') != std::string::npos)
      return wrong_type((*array)[i], "an array of strings without zero bytes");
    texts[i] = g_strdup(text->c_str());
  }
  return Done{};
}

Status Setter::element(GValue *element, const Json &json, const GParamSpec *spec, size_t index)
{
  Status made = Done{};
  if (spec != nullptr) {
    made = set_value(element, const_cast<GParamSpec *>(spec), json);
  } else {
    GType type = G_TYPE_INVALID;
    if (json.is_bool())
      type = G_TYPE_BOOLEAN;
    else if (json.is_string())
      type = G_TYPE_STRING;
    else if (json.is_integer())
      type = json.int64() && *json.int64() >= G_MININT && *json.int64() <= G_MAXINT ? G_TYPE_INT
             : json.int64()                                                         ? G_TYPE_INT64
                                                                                    : G_TYPE_UINT64;
    else if (json.is_number())
      type = G_TYPE_DOUBLE;
    else if (json.is_array())
      type = G_VALUE_TYPE(value_);
    if (type == G_TYPE_INVALID)
      return wrong_type(json, "an array of booleans, numbers, strings and arrays");
    g_value_init(element, type);
    made = Setter(element, nullptr, secret_).set(json);
  }
  if (made)
    return Done{};
  Failure inner = made.take_error();
  inner.text = "element " + std::to_string(index) + ": " + inner.text;
  return inner;
}

Status Setter::elements(const Json &json)
{
  const Json::Array *array = json.array();
  if (array == nullptr)
    return json.is_string() ? deserialized(json) : wrong_type(json, "an array");
  const GParamSpec *element_spec = spec_ != nullptr && GST_IS_PARAM_SPEC_ARRAY_LIST(spec_)
                                       ? GST_PARAM_SPEC_ARRAY_LIST(spec_)->element_spec
                                       : nullptr;
  for (size_t i = 0; i < array->size(); i++) {
    GValue one = G_VALUE_INIT;
    Status made = element(&one, (*array)[i], element_spec, i);
    if (!made) {
      if (G_IS_VALUE(&one))
        g_value_unset(&one);
      return made;
    }
    if (GST_VALUE_HOLDS_ARRAY(value_))
      gst_value_array_append_and_take_value(value_, &one);
    else
      gst_value_list_append_and_take_value(value_, &one);
  }
  return Done{};
}

Status Setter::deserialized(const Json &json)
{
  const GType type = G_VALUE_TYPE(value_);
  if (json.is_null() && (g_type_is_a(type, G_TYPE_BOXED) || g_type_is_a(type, G_TYPE_OBJECT)))
    return Done{};
  if (g_type_is_a(type, G_TYPE_OBJECT) || g_type_is_a(type, G_TYPE_POINTER) ||
      g_type_is_a(type, G_TYPE_INTERFACE))
    return failure(ValueError::NoText,
                   std::string("a value of the type ") + g_type_name(type) + " cannot be described",
                   "leave it out, and set it by the application");
  const std::string *text = json.string();
  if (text == nullptr)
    return wrong_type(json, (std::string("the text of a ") + g_type_name(type)).c_str());
  if (text->find('\0') == std::string::npos && gst_value_deserialize(value_, text->c_str()))
    return Done{};
  return failure(ValueError::WrongType,
                 shown(*text) + " does not read as a value of the type " + g_type_name(type));
}

Status Setter::fundamental(const Json &json)
{
  // The type's own range where the property says nothing.
#define RANGE(TYPE, type, low, high)                                                              \
  spec_ != nullptr &&G_IS_PARAM_SPEC_##TYPE(spec_) ? G_PARAM_SPEC_##TYPE(spec_)->minimum : (low), \
      spec_ != nullptr &&G_IS_PARAM_SPEC_##TYPE(spec_) ? G_PARAM_SPEC_##TYPE(spec_)->maximum      \
                                                       : (high)
  switch (G_TYPE_FUNDAMENTAL(G_VALUE_TYPE(value_))) {
    case G_TYPE_BOOLEAN:
      return boolean(json);
    case G_TYPE_CHAR:
      return integer<gint8>(json, g_value_set_schar, RANGE(CHAR, gint8, G_MININT8, G_MAXINT8));
    case G_TYPE_UCHAR:
      return integer<guchar>(json, g_value_set_uchar, RANGE(UCHAR, guchar, 0, G_MAXUINT8));
    case G_TYPE_INT:
      return integer<gint>(json, g_value_set_int, RANGE(INT, gint, G_MININT, G_MAXINT));
    case G_TYPE_UINT:
      return integer<guint>(json, g_value_set_uint, RANGE(UINT, guint, 0, G_MAXUINT));
    case G_TYPE_LONG:
      return integer<glong>(json, g_value_set_long, RANGE(LONG, glong, G_MINLONG, G_MAXLONG));
    case G_TYPE_ULONG:
      return integer<gulong>(json, g_value_set_ulong, RANGE(ULONG, gulong, 0, G_MAXULONG));
    case G_TYPE_INT64:
      return integer<gint64>(json, g_value_set_int64, RANGE(INT64, gint64, G_MININT64, G_MAXINT64));
    case G_TYPE_UINT64:
      return integer<guint64>(json, g_value_set_uint64, RANGE(UINT64, guint64, 0, G_MAXUINT64));
    case G_TYPE_FLOAT:
      return real<gfloat>(json, g_value_set_float, RANGE(FLOAT, gfloat, -G_MAXFLOAT, G_MAXFLOAT));
    case G_TYPE_DOUBLE:
      return real<gdouble>(json, g_value_set_double,
                           RANGE(DOUBLE, gdouble, -G_MAXDOUBLE, G_MAXDOUBLE));
    case G_TYPE_STRING:
      return string(json);
    case G_TYPE_ENUM:
      return enumeration(json);
    case G_TYPE_FLAGS:
      return flags(json);
    default:
      return deserialized(json);
  }
#undef RANGE
}

Status Setter::set(const Json &json)
{
  const GType type = G_VALUE_TYPE(value_);
  if (type == GST_TYPE_FRACTION)
    return fraction(json);
  if (type == GST_TYPE_BITMASK)
    return bitmask(json);
  if (type == GST_TYPE_ARRAY || type == GST_TYPE_LIST)
    return elements(json);
  if (type == G_TYPE_STRV)
    return strings(json);
  return fundamental(json);
}

// Whether the property takes the value as it is; what GObject would do is to change it in silence.
bool taken_as_it_is(GParamSpec *spec, const GValue *value)
{
  if ((spec->flags & G_PARAM_LAX_VALIDATION) != 0)
    return true;
  PropertyValue copy(G_VALUE_TYPE(value));
  g_value_copy(value, copy.get());
  return !g_param_value_validate(spec, copy.get());
}

std::string range_of(GParamSpec *spec)
{
  if (!GST_IS_PARAM_SPEC_FRACTION(spec))
    return {};
  const GstParamSpecFraction *fraction = GST_PARAM_SPEC_FRACTION(spec);
  return " from " + std::to_string(fraction->min_num) + "/" + std::to_string(fraction->min_den) +
         " to " + std::to_string(fraction->max_num) + "/" + std::to_string(fraction->max_den);
}

}  // namespace

Status set_value(GValue *value, GParamSpec *spec, const Json &json)
{
  const bool secret = is_secret(spec->name);
  if (!G_IS_VALUE(value))
    g_value_init(value, G_PARAM_SPEC_VALUE_TYPE(spec));
  Status made = Setter(value, spec, secret).set(json);
  if (made && !taken_as_it_is(spec, value)) {
    const std::string range = range_of(spec);
    made =
        failure(ValueError::OutOfRange, (secret ? std::string(kMask) : write_json(json)) +
                                            (range.empty() ? " is no value that the property takes"
                                                           : " is out of the range" + range));
  }
  if (!made)
    g_value_unset(value);
  return made;
}

}  // namespace streamlib::graph
