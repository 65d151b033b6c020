// SPDX-License-Identifier: LGPL-2.1-or-later
// From GParamSpec to JSON Schema.
#include "gst/streamlib/graph/property_schema.h"

#include <array>
#include <memory>

#include "gst/streamlib/graph/catalogue.h"
#include "gst/streamlib/graph/description.h"
#include "gst/streamlib/graph/values.h"

namespace streamlib::graph {

namespace {

template <typename T>
void set_range(Json &schema, T low, T high)
{
  schema.set("minimum", Json(low));
  schema.set("maximum", Json(high));
}

// Words in a description, in parentheses or at its end, that are a unit.
std::string unit_of(std::string_view name, std::string_view blurb)
{
  struct Unit {
    std::string_view word;
    std::string_view unit;
  };
  static constexpr std::array<Unit, 25> kUnits = {{{"nanoseconds", "ns"},
                                                   {"nanosecond", "ns"},
                                                   {"nsec", "ns"},
                                                   {"ns", "ns"},
                                                   {"microseconds", "us"},
                                                   {"usec", "us"},
                                                   {"us", "us"},
                                                   {"milliseconds", "ms"},
                                                   {"millisecond", "ms"},
                                                   {"msec", "ms"},
                                                   {"ms", "ms"},
                                                   {"seconds", "s"},
                                                   {"sec", "s"},
                                                   {"hz", "Hz"},
                                                   {"hertz", "Hz"},
                                                   {"bytes", "bytes"},
                                                   {"byte", "bytes"},
                                                   {"kbps", "kbit/s"},
                                                   {"kbit/sec", "kbit/s"},
                                                   {"kbit/s", "kbit/s"},
                                                   {"bps", "bit/s"},
                                                   {"bits/sec", "bit/s"},
                                                   {"bit/s", "bit/s"},
                                                   {"pixels", "pixels"},
                                                   {"db", "dB"}}};
  std::string word;
  for (size_t i = 0; i <= blurb.size(); i++) {
    const char c = i < blurb.size() ? blurb[i] : ' ';
    if (g_ascii_isalpha(c) || c == '/') {
      word += g_ascii_tolower(c);
      continue;
    }
    for (const Unit &unit : kUnits) {
      if (word == unit.word)
        return std::string(unit.unit);
    }
    word.clear();
  }
  if (name.ends_with("-ns"))
    return "ns";
  return name.ends_with("-ms") ? "ms" : "";
}

void describe_enum(GType type, Json &schema)
{
  auto *klass = static_cast<GEnumClass *>(g_type_class_ref(type));
  Json::Array nicks;
  Json::Object texts;
  for (guint i = 0; i < klass->n_values; i++) {
    nicks.emplace_back(klass->values[i].value_nick);
    texts.emplace_back(klass->values[i].value_nick, klass->values[i].value_name);
  }
  schema.set("enum", std::move(nicks));
  schema.set("enumDescriptions", std::move(texts));
  g_type_class_unref(klass);
}

void describe_flags(GType type, Json &schema)
{
  auto *klass = static_cast<GFlagsClass *>(g_type_class_ref(type));
  Json::Array nicks;
  std::string one;
  for (guint i = 0; i < klass->n_values; i++) {
    const char *nick = klass->values[i].value_nick;
    nicks.emplace_back(nick);
    one += (one.empty() ? "" : "|") + std::string(nick);
  }
  schema.set("type", "string");
  if (!one.empty())
    schema.set("pattern", "^((" + one + ")(\\+(" + one + "))*)?$");
  schema.set("flags", std::move(nicks));
  g_type_class_unref(klass);
}

void describe_type(GParamSpec *spec, Json &schema);

void describe_elements(GParamSpec *spec, Json &schema)
{
  schema.set("type", "array");
  GParamSpec *element =
      GST_IS_PARAM_SPEC_ARRAY_LIST(spec) ? GST_PARAM_SPEC_ARRAY_LIST(spec)->element_spec : nullptr;
  if (element == nullptr)
    return;
  Json items{Json::Object()};
  describe_type(element, items);
  schema.set("items", std::move(items));
}

void describe_boxed(GType type, Json &schema)
{
  if (type == G_TYPE_STRV) {
    schema.set("type", "array");
    schema.set("items", Json::Object{{"type", "string"}});
    return;
  }
  schema.set("type", "string");
  if (type == GST_TYPE_CAPS || type == GST_TYPE_STRUCTURE)
    schema.set("format", type == GST_TYPE_CAPS ? "gst-caps" : "gst-structure");
}

void describe_type(GParamSpec *spec, Json &schema)
{
  const GType type = spec->value_type;
  if (GST_IS_PARAM_SPEC_FRACTION(spec)) {
    schema.set("type", "string");
    schema.set("pattern", "^-?[0-9]+(/[0-9]+)?$");
    return;
  }
  if (type == GST_TYPE_ARRAY || type == GST_TYPE_LIST)
    return describe_elements(spec, schema);
  if (type == GST_TYPE_BITMASK) {
    schema.set("type", Json::Array{"integer", "string"});
    return;
  }
#define INTEGER(TYPE)                                                                          \
  schema.set("type", "integer");                                                               \
  if (G_IS_PARAM_SPEC_##TYPE(spec))                                                            \
    set_range(schema, G_PARAM_SPEC_##TYPE(spec)->minimum, G_PARAM_SPEC_##TYPE(spec)->maximum); \
  break
#define REAL(TYPE)                                                             \
  schema.set("type", "number");                                                \
  if (G_IS_PARAM_SPEC_##TYPE(spec))                                            \
    set_range(schema, static_cast<double>(G_PARAM_SPEC_##TYPE(spec)->minimum), \
              static_cast<double>(G_PARAM_SPEC_##TYPE(spec)->maximum));        \
  break
  switch (G_TYPE_FUNDAMENTAL(type)) {
    case G_TYPE_BOOLEAN:
      schema.set("type", "boolean");
      break;
    case G_TYPE_CHAR:
      INTEGER(CHAR);
    case G_TYPE_UCHAR:
      INTEGER(UCHAR);
    case G_TYPE_INT:
      INTEGER(INT);
    case G_TYPE_UINT:
      INTEGER(UINT);
    case G_TYPE_LONG:
      INTEGER(LONG);
    case G_TYPE_ULONG:
      INTEGER(ULONG);
    case G_TYPE_INT64:
      INTEGER(INT64);
    case G_TYPE_UINT64:
      INTEGER(UINT64);
    case G_TYPE_FLOAT:
      REAL(FLOAT);
    case G_TYPE_DOUBLE:
      REAL(DOUBLE);
    case G_TYPE_STRING:
      schema.set("type", Json::Array{"string", "null"});
      break;
    case G_TYPE_ENUM:
      describe_enum(type, schema);
      break;
    case G_TYPE_FLAGS:
      describe_flags(type, schema);
      break;
    default:
      describe_boxed(type, schema);
  }
#undef INTEGER
#undef REAL
}

Json default_of(GParamSpec *spec, GObject *instance)
{
  PropertyValue value(spec->value_type);
  if (instance != nullptr && (spec->flags & G_PARAM_READABLE) != 0) {
    g_object_get_property(instance, spec->name, value.get());
    // Some begin with a value that they do not take.
    PropertyValue copy(spec->value_type);
    g_value_copy(value.get(), copy.get());
    if (!g_param_value_validate(spec, copy.get()))
      return value_to_json(value.get());
  }
  g_param_value_set_default(spec, value.get());
  return value_to_json(value.get());
}

bool has_text(const GParamSpec *spec)
{
  const GType fundamental = G_TYPE_FUNDAMENTAL(spec->value_type);
  return fundamental != G_TYPE_OBJECT && fundamental != G_TYPE_POINTER &&
         fundamental != G_TYPE_INTERFACE;
}

Json property_schema(GParamSpec *spec, GObject *instance)
{
  Json schema{Json::Object()};
  describe_type(spec, schema);
  const Json by_default = default_of(spec, instance);
  if (!by_default.is_null())
    schema.set("default", is_secret(spec->name) ? Json(kMask) : by_default);
  const char *blurb = g_param_spec_get_blurb(spec);
  if (const char *nick = g_param_spec_get_nick(spec))
    schema.set("title", nick);
  if (blurb != nullptr)
    schema.set("description", blurb);
  if (const Json *type = schema.find("type");
      type != nullptr && (*type == Json("integer") || *type == Json("number"))) {
    const std::string unit = unit_of(spec->name, blurb != nullptr ? blurb : "");
    if (!unit.empty())
      schema.set("unit", unit);
  }
  schema.set("mutable", mutability_of(spec));
  schema.set("gtype", g_type_name(spec->value_type));
  if ((spec->flags & G_PARAM_DEPRECATED) != 0)
    schema.set("deprecated", true);
  if (is_secret(spec->name))
    schema.set("writeOnly", true);
  return schema;
}

}  // namespace

const char *mutability_of(const GParamSpec *spec)
{
  if ((spec->flags & G_PARAM_WRITABLE) == 0)
    return "read-only";
  if ((spec->flags & G_PARAM_CONSTRUCT_ONLY) != 0)
    return "construct";
  if ((spec->flags & GST_PARAM_MUTABLE_PLAYING) != 0)
    return "playing";
  if ((spec->flags & GST_PARAM_MUTABLE_PAUSED) != 0)
    return "paused";
  if ((spec->flags & GST_PARAM_MUTABLE_READY) != 0)
    return "ready";
  return "unknown";
}

bool may_change_in(const GParamSpec *spec, GstState state)
{
  if ((spec->flags & G_PARAM_WRITABLE) == 0 || (spec->flags & G_PARAM_CONSTRUCT_ONLY) != 0)
    return false;
  if ((spec->flags & GST_PARAM_MUTABLE_PLAYING) != 0)
    return true;
  if ((spec->flags & GST_PARAM_MUTABLE_PAUSED) != 0)
    return state <= GST_STATE_PAUSED;
  if ((spec->flags & GST_PARAM_MUTABLE_READY) != 0)
    return state <= GST_STATE_READY;
  return true;
}

Json config_schema(GObjectClass *klass, GObject *instance)
{
  guint count = 0;
  const std::unique_ptr<GParamSpec *, void (*)(gpointer)> specs(
      g_object_class_list_properties(klass, &count), g_free);
  Json::Object properties;
  for (guint i = 0; i < count; i++) {
    GParamSpec *spec = specs.get()[i];
    const std::string_view name = spec->name;
    if ((spec->flags & G_PARAM_WRITABLE) == 0 || (spec->flags & G_PARAM_CONSTRUCT_ONLY) != 0 ||
        !has_text(spec) || name == "name" || name == "parent")
      continue;
    properties.emplace_back(spec->name, property_schema(spec, instance));
  }
  Json schema;
  schema.set("type", "object");
  schema.set("properties", std::move(properties));
  schema.set("patternProperties", Json::Object{{"::", Json(true)}});
  schema.set("additionalProperties", false);
  return schema;
}

}  // namespace streamlib::graph
