// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/elements.h"

#include <cstring>

#include "gst/streamlib/graph/types.h"
#include "gst/streamlib/graph/values.h"
#include "gst/streamlib/gstslprocessor.h"

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;
using support::CStr;
using support::Done;
using support::Failure;
using support::share_object;
using support::sink_object;

namespace {

class Value {
public:
  Value() = default;
  Value(const Value &) = delete;
  Value &operator=(const Value &) = delete;
  ~Value()
  {
    if (G_IS_VALUE(&value))
      g_value_unset(&value);
  }
  GValue value = G_VALUE_INIT;
};

// "pad::property" and "child::property" lead to another object.
GObjectPtr<GObject> object_of(GstElement *element, const std::string &name, std::string *property)
{
  const size_t colon = name.rfind("::");
  if (colon == std::string::npos) {
    *property = name;
    return share_object(G_OBJECT(element));
  }
  *property = name.substr(colon + 2);
  std::string path = name.substr(0, colon);
  auto object = share_object(G_OBJECT(element));
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find("::", begin), path.size());
    const std::string step = path.substr(begin, end - begin);
    GObjectPtr<GObject> child;
    if (GST_IS_ELEMENT(object.get()))
      child = adopt_object(reinterpret_cast<GObject *>(
          gst_element_get_static_pad(GST_ELEMENT(object.get()), step.c_str())));
    if (!child && GST_IS_CHILD_PROXY(object.get()))
      child = adopt_object(
          gst_child_proxy_get_child_by_name(GST_CHILD_PROXY(object.get()), step.c_str()));
    if (!child)
      return {};
    object = std::move(child);
    begin = end + 2;
  }
  return object;
}

Failure refusal(GObject *object, const std::string &name, const char *what)
{
  Failure failure;
  failure.text = "property '" + name + "' of " + G_OBJECT_TYPE_NAME(object) + " " + what;
  return failure;
}

bool is_same(const GValue &one, const GValue &other)
{
  if (gst_value_compare(&one, &other) == GST_VALUE_EQUAL)
    return true;
  const CStr first(gst_value_serialize(&one));
  const CStr second(gst_value_serialize(&other));
  // Values of types that know neither comparison nor text: taken as said.
  return first == nullptr || second == nullptr || g_str_equal(first.get(), second.get());
}

void forgo_alone(GstElement *sink)
{
  if (GST_OBJECT_FLAG_IS_SET(sink, GST_ELEMENT_FLAG_SINK) && !GST_IS_BIN(sink) &&
      g_object_class_find_property(G_OBJECT_GET_CLASS(sink), "async") != nullptr)
    g_object_set(sink, "async", FALSE, nullptr);
}

template <typename Enum>
Status set_enum(GObject *object, const char *property, const std::optional<Enum> &value)
{
  if (!value)
    return Done{};
  if (g_object_class_find_property(G_OBJECT_GET_CLASS(object), property) == nullptr)
    return refusal(object, property, "does not exist");
  g_object_set(object, property, static_cast<int>(*value), nullptr);
  return Done{};
}

}  // namespace

Status set_config(GstElement *element, const std::string &name, const Json &json, Json *old_value)
{
  std::string property;
  const auto object = object_of(element, name, &property);
  if (!object)
    return Failure{0, "there is no pad or child '" + name.substr(0, name.rfind("::")) + "'", {}};
  GParamSpec *spec =
      g_object_class_find_property(G_OBJECT_GET_CLASS(object.get()), property.c_str());
  if (spec == nullptr)
    return refusal(object.get(), property, "does not exist");
  if ((spec->flags & G_PARAM_WRITABLE) == 0)
    return refusal(object.get(), property, "cannot be written");
  const bool is_readable = (spec->flags & G_PARAM_READABLE) != 0;
  if (old_value != nullptr && is_readable) {
    Value old;
    g_value_init(&old.value, spec->value_type);
    g_object_get_property(object.get(), spec->name, &old.value);
    *old_value = value_to_json(&old.value);
  }
  Value wanted;
  g_value_init(&wanted.value, spec->value_type);
  if (json.is_null()) {
    g_param_value_set_default(spec, &wanted.value);
  } else {
    Status status = set_value(&wanted.value, spec, json);
    if (!status)
      return status;
  }
  g_object_set_property(object.get(), spec->name, &wanted.value);
  if (!is_readable)
    return Done{};
  Value now;
  g_value_init(&now.value, spec->value_type);
  g_object_get_property(object.get(), spec->name, &now.value);
  if (!json.is_null() && !is_same(wanted.value, now.value))
    return refusal(object.get(), property, "was not taken by the element");
  return Done{};
}

namespace {

// What the application itself has registered is made without the factory: elements in Python do not
// float when they come, which the factory reports as a fault.
GObjectPtr<GstElement> make_of_factory(const char *factory_name, const char *name)
{
  auto factory = adopt_object(gst_element_factory_find(factory_name));
  if (!factory)
    return {};
  if (const auto plugin =
          adopt_object(gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(factory.get()))))
    return sink_object(gst_element_factory_create(factory.get(), name));
  auto element = sink_object(GST_ELEMENT(
      g_object_new(gst_element_factory_get_element_type(factory.get()), "name", name, nullptr)));
  // As the factory does it: a class that is older than its registration does not know its factory.
  // It keeps it for ever.
  if (g_atomic_pointer_compare_and_exchange(&GST_ELEMENT_GET_CLASS(element.get())->elementfactory,
                                            static_cast<GstElementFactory *>(nullptr),
                                            factory.get())) {
    GST_OBJECT_FLAG_SET(factory.get(), GST_OBJECT_FLAG_MAY_BE_LEAKED);
    (void)factory.release();
  }
  return element;
}

}  // namespace

Result<GObjectPtr<GstElement>> make_element(const FlatNode &node, const std::string &name)
{
  GObjectPtr<GstElement> element;
  if (node.factory.empty()) {
    auto bin = make_bin(node.bin, name);
    if (!bin)
      return bin.take_error();
    element = std::move(*bin);
  } else {
    element = make_of_factory(node.factory.c_str(), name.c_str());
    if (!element)
      return Failure{0, "there is no element '" + node.factory + "', or it cannot be made", {}};
  }
  if (GST_IS_SL_PROCESSOR(element.get())) {
    for (const Status &status : {set_enum(G_OBJECT(element.get()), "scheduling", node.scheduling),
                                 set_enum(G_OBJECT(element.get()), "execution", node.execution),
                                 set_enum(G_OBJECT(element.get()), "priority", node.priority)}) {
      if (!status)
        return status.error();
    }
  }
  if (const Json::Object *members = node.config.object()) {
    for (const auto &[key, value] : *members) {
      std::string property;
      // One of a pad that is requested later.
      if (!object_of(element.get(), key, &property))
        continue;
      Status status = set_config(element.get(), key, value, nullptr);
      if (!status)
        return status.take_error();
    }
  }
  return element;
}

void configure_pad(const FlatNode &node, GstPad *pad)
{
  const auto element = adopt_object(gst_pad_get_parent_element(pad));
  const CStr pad_name(gst_pad_get_name(pad));
  const std::string prefix = std::string(pad_name.get()) + "::";
  const Json::Object *members = node.config.object();
  if (members == nullptr || !element)
    return;
  for (const auto &[key, value] : *members) {
    if (key.compare(0, prefix.size(), prefix) != 0)
      continue;
    const Status status = set_config(element.get(), key, value, nullptr);
    if (!status)
      GST_ELEMENT_WARNING(element.get(), RESOURCE, SETTINGS, ("%s", status.error().text.c_str()),
                          (nullptr));
  }
}

std::vector<GObjectPtr<GstPad>> source_pads(GstElement *element)
{
  std::vector<GObjectPtr<GstPad>> result;
  const support::ObjectLock lock(element);
  for (GList *item = element->srcpads; item != nullptr; item = item->next)
    result.push_back(share_object(GST_PAD(item->data)));
  return result;
}

bool has_always_pad(GstElement *element, const std::string &pad, GstPadDirection direction)
{
  const auto found = adopt_object(gst_element_get_static_pad(element, pad.c_str()));
  return found && GST_PAD_DIRECTION(found.get()) == direction;
}

GObjectPtr<GstPad> take_pad(GstElement *element, const std::string &name, GstPadDirection direction,
                            bool *requested)
{
  *requested = false;
  auto pad = adopt_object(gst_element_get_static_pad(element, name.c_str()));
  if (pad && GST_PAD_DIRECTION(pad.get()) == direction)
    return pad;
  pad = adopt_object(gst_element_request_pad_simple(element, name.c_str()));
  if (pad && GST_PAD_DIRECTION(pad.get()) != direction) {
    gst_element_release_request_pad(element, pad.get());
    pad.reset();
  }
  *requested = static_cast<bool>(pad);
  return pad;
}

void forgo_preroll(GstElement *element)
{
  forgo_alone(element);
  if (!GST_IS_BIN(element))
    return;
  GstIterator *sinks = gst_bin_iterate_recurse(GST_BIN(element));
  gst_iterator_foreach(
      sinks,
      [](const GValue *item, gpointer) { forgo_alone(GST_ELEMENT(g_value_get_object(item))); },
      nullptr);
  gst_iterator_free(sinks);
}

bool is_source(GstElement *element)
{
  const support::ObjectLock lock(element);
  return element->sinkpads == nullptr;
}

bool is_live(GstElement *element)
{
  const auto query = support::adopt_mini(gst_query_new_latency());
  gboolean live = FALSE;
  if (gst_element_query(element, query.get()))
    gst_query_parse_latency(query.get(), &live, nullptr, nullptr);
  return live;
}

}  // namespace streamlib::graph
