// SPDX-License-Identifier: LGPL-2.1-or-later
// Types, pads and properties as JSON.
#include "gst/streamlib/graph/catalogue.h"

#include <algorithm>
#include <memory>

#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/property_schema.h"
#include "gst/streamlib/graph/types.h"

namespace streamlib::graph {

using support::adopt_object;
using support::CStr;
using support::GObjectPtr;
using support::Result;
using support::sink_object;

namespace {

const char *presence_of(GstPadPresence presence)
{
  switch (presence) {
    case GST_PAD_SOMETIMES:
      return "sometimes";
    case GST_PAD_REQUEST:
      return "request";
    default:
      return "always";
  }
}

Json pad_of(const PadKind &kind)
{
  Json pad;
  pad.set("name", kind.name);
  pad.set("direction", kind.direction == GST_PAD_SRC ? "source" : "sink");
  pad.set("presence", presence_of(kind.presence));
  const CStr caps(gst_caps_to_string(kind.caps.get()));
  pad.set("caps", static_cast<const char *>(caps.get()));
  if (kind.type == G_TYPE_NONE || kind.type == GST_TYPE_PAD || kind.type == GST_TYPE_GHOST_PAD)
    return pad;
  auto *klass = G_OBJECT_CLASS(g_type_class_ref(kind.type));
  pad.set("config", config_schema(klass, nullptr));
  g_type_class_unref(klass);
  return pad;
}

// The short name of a factory, or its own.
std::string_view type_name_of(std::string_view factory)
{
  for (const auto &[name, of] : short_names()) {
    if (of == factory)
      return name;
  }
  return factory;
}

Json entry_of(GstElementFactory *factory)
{
  const char *name = GST_OBJECT_NAME(factory);
  Json entry;
  entry.set("type", type_name_of(name));
  entry.set("factory", name);
  const struct {
    const char *key;
    const char *metadata;
  } fields[] = {{"title", GST_ELEMENT_METADATA_LONGNAME},
                {"description", GST_ELEMENT_METADATA_DESCRIPTION},
                {"class", GST_ELEMENT_METADATA_KLASS}};
  for (const auto &field : fields) {
    const char *text = gst_element_factory_get_metadata(factory, field.metadata);
    if (text != nullptr)
      entry.set(field.key, text);
  }
  const char *plugin = gst_plugin_feature_get_plugin_name(GST_PLUGIN_FEATURE(factory));
  if (plugin != nullptr)
    entry.set("plugin", plugin);
  return entry;
}

}  // namespace

Result<Json> catalogue_of(const std::string &type)
{
  const std::string name = factory_of(type);
  auto found = NodeType::of_factory(name);
  if (!found)
    return found.take_error();
  const NodeType &node_type = **found;
  const auto factory = adopt_object(gst_element_factory_find(name.c_str()));
  Json entry = entry_of(factory.get());
  // Only an element knows the defaults that its instances have.
  const GObjectPtr<GstElement> element =
      sink_object(gst_element_factory_create(factory.get(), nullptr));
  entry.set("config",
            config_schema(node_type.object_class(), element ? G_OBJECT(element.get()) : nullptr));
  Json::Array pads;
  for (const PadKind &kind : node_type.pads())
    pads.push_back(pad_of(kind));
  entry.set("pads", std::move(pads));
  return entry;
}

Json catalogue()
{
  const std::unique_ptr<GList, void (*)(GList *)> features(
      gst_registry_get_feature_list(gst_registry_get(), GST_TYPE_ELEMENT_FACTORY),
      gst_plugin_feature_list_free);
  std::vector<GstElementFactory *> factories;
  for (const GList *item = features.get(); item != nullptr; item = item->next)
    factories.push_back(GST_ELEMENT_FACTORY(item->data));
  const auto is_ours = [](GstElementFactory *factory) {
    const std::string_view name = GST_OBJECT_NAME(factory);
    return type_name_of(name) != name;
  };
  std::sort(factories.begin(), factories.end(),
            [&is_ours](GstElementFactory *one, GstElementFactory *other) {
              if (is_ours(one) != is_ours(other))
                return is_ours(one);
              return std::string_view(GST_OBJECT_NAME(one)) < GST_OBJECT_NAME(other);
            });
  Json::Array entries;
  for (GstElementFactory *factory : factories) {
    Json entry = entry_of(factory);
    entry.remove("description");
    entry.remove("plugin");
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace streamlib::graph
