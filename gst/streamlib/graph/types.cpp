// SPDX-License-Identifier: LGPL-2.1-or-later
// Introspection of element factories and bins.
#include "gst/streamlib/graph/types.h"

#include <algorithm>

#include "gst/streamlib/graph/loader.h"
#include "gst/streamlib/graph/nearest.h"
#include "gst/support/guards.h"

namespace streamlib::graph {

using support::adopt_mini;
using support::adopt_object;
using support::Failure;
using support::GObjectPtr;
using support::MiniPtr;
using support::Result;
using support::share_mini;
using support::share_object;
using support::sink_object;

namespace {

// The hint for a type that is not there; short names and all element factories are candidates.
std::string nearest_type(const std::string &factory)
{
  const std::unique_ptr<GList, void (*)(GList *)> features(
      gst_registry_get_feature_list(gst_registry_get(), GST_TYPE_ELEMENT_FACTORY),
      gst_plugin_feature_list_free);
  std::vector<std::string_view> names;
  for (const auto &[name, of] : short_names())
    names.push_back(name);
  for (const GList *item = features.get(); item != nullptr; item = item->next)
    names.emplace_back(GST_OBJECT_NAME(item->data));
  const std::string hint = did_you_mean(factory, names);
  return hint.empty() ? "install the GStreamer plugin that has it" : hint;
}

std::vector<std::string_view> property_names(GObjectClass *klass)
{
  guint count = 0;
  const std::unique_ptr<GParamSpec *, void (*)(gpointer)> specs(
      g_object_class_list_properties(klass, &count), g_free);
  std::vector<std::string_view> names;
  for (guint i = 0; i < count; i++)
    names.emplace_back(specs.get()[i]->name);
  return names;
}

Result<GParamSpec *> property_of(GObjectClass *klass, const std::string &whose,
                                 const std::string &name)
{
  if (GParamSpec *spec = g_object_class_find_property(klass, name.c_str()))
    return spec;
  return Failure{0, whose + " has no property '" + name + "'",
                 did_you_mean(name, property_names(klass))};
}

}  // namespace

bool PadKind::takes(std::string_view pad) const
{
  if (pad == name)
    return true;
  // "%u", "%d" and "%08x" stand for a number, "%s" for anything.
  size_t at = 0;
  for (size_t i = 0; i < name.size(); i++) {
    if (name[i] != '%') {
      if (at >= pad.size() || pad[at] != name[i])
        return false;
      at++;
      continue;
    }
    do
      i++;
    while (i < name.size() && g_ascii_isdigit(name[i]));
    if (i == name.size())
      return false;
    if (name[i] == 's')
      return at < pad.size();
    const size_t begin = at;
    while (at < pad.size() &&
           (name[i] == 'x' ? g_ascii_isxdigit(pad[at]) : g_ascii_isdigit(pad[at])))
      at++;
    if (at == begin)
      return false;
  }
  return at == pad.size();
}

NodeType::~NodeType()
{
  if (!element_ && class_ != nullptr)
    g_type_class_unref(class_);
}

Result<std::shared_ptr<const NodeType>> NodeType::of_factory(const std::string &factory)
{
  const auto found = adopt_object(gst_element_factory_find(factory.c_str()));
  if (!found)
    return Failure{0, "there is no element '" + factory + "'", nearest_type(factory)};
  const auto plugin_feature =
      adopt_object(gst_plugin_feature_load(GST_PLUGIN_FEATURE(found.get())));
  if (!plugin_feature)
    return Failure{0, "the plugin of the element '" + factory + "' cannot be loaded",
                   "GST_DEBUG=GST_PLUGIN_LOADING:4 says why"};
  std::shared_ptr<NodeType> type(new NodeType);
  const GType gtype =
      gst_element_factory_get_element_type(GST_ELEMENT_FACTORY(plugin_feature.get()));
  type->class_ = G_OBJECT_CLASS(g_type_class_ref(gtype));
  type->bin_ = g_type_is_a(gtype, GST_TYPE_BIN);
  // GStreamer prepends.
  for (const GList *item =
           g_list_last(gst_element_class_get_pad_template_list(GST_ELEMENT_CLASS(type->class_)));
       item != nullptr; item = item->prev) {
    auto *pad_template = GST_PAD_TEMPLATE(item->data);
    type->pads_.push_back({GST_PAD_TEMPLATE_NAME_TEMPLATE(pad_template),
                           GST_PAD_TEMPLATE_DIRECTION(pad_template),
                           GST_PAD_TEMPLATE_PRESENCE(pad_template),
                           adopt_mini(gst_pad_template_get_caps(pad_template)),
                           GST_PAD_TEMPLATE_GTYPE(pad_template)});
  }
  return std::shared_ptr<const NodeType>(std::move(type));
}

Result<std::shared_ptr<const NodeType>> NodeType::of_bin(const std::string &launch)
{
  Result<GObjectPtr<GstElement>> made = make_bin(launch);
  if (!made)
    return made.take_error();
  std::shared_ptr<NodeType> type(new NodeType);
  type->element_ = std::move(*made);
  type->class_ = G_OBJECT_GET_CLASS(type->element_.get());
  type->bin_ = true;
  std::vector<GObjectPtr<GstPad>> pads;
  {
    const support::ObjectLock lock(type->element_.get());
    for (const GList *item = type->element_->pads; item != nullptr; item = item->next)
      pads.push_back(share_object(GST_PAD_CAST(item->data)));
  }
  for (const auto &pad : pads)
    type->pads_.push_back({GST_PAD_NAME(pad.get()), GST_PAD_DIRECTION(pad.get()), GST_PAD_ALWAYS,
                           adopt_mini(gst_pad_query_caps(pad.get(), nullptr)),
                           G_OBJECT_TYPE(pad.get())});
  return std::shared_ptr<const NodeType>(std::move(type));
}

const PadKind *NodeType::pad(std::string_view name, GstPadDirection direction) const
{
  // The exact name first: "src_0" may be a pad of its own beside "src_%u".
  for (const bool exact : {true, false}) {
    for (const PadKind &kind : pads_) {
      if (kind.direction == direction && (exact ? kind.name == name : kind.takes(name)))
        return &kind;
    }
  }
  return nullptr;
}

std::vector<const PadKind *> NodeType::pads(GstPadDirection direction) const
{
  std::vector<const PadKind *> result;
  for (const PadKind &kind : pads_) {
    if (kind.direction == direction)
      result.push_back(&kind);
  }
  return result;
}

bool NodeType::has(GstPadDirection direction, GstPadPresence presence) const
{
  return std::any_of(pads_.begin(), pads_.end(), [&](const PadKind &kind) {
    return kind.direction == direction && kind.presence == presence;
  });
}

Result<GParamSpec *> find_property(const NodeType &type, const std::string &factory,
                                   const std::string &name)
{
  const size_t colons = name.rfind("::");
  if (colons == std::string::npos)
    return property_of(type.object_class(), factory.empty() ? "the bin" : "'" + factory + "'",
                       name);

  const std::string owner = name.substr(0, colons);
  for (const PadKind &kind : type.pads()) {
    if (!kind.takes(owner))
      continue;
    const GType pad_type = kind.type == G_TYPE_NONE ? GST_TYPE_PAD : kind.type;
    auto *klass = G_OBJECT_CLASS(g_type_class_ref(pad_type));
    Result<GParamSpec *> spec =
        property_of(klass, "the pad '" + owner + "'", name.substr(colons + 2));
    // Types of pads are static, and their properties stay.
    g_type_class_unref(klass);
    return spec;
  }
  if (g_type_is_a(type.type(), GST_TYPE_CHILD_PROXY)) {
    // Children exist only in an instance.
    const GObjectPtr<GstElement> element =
        type.element() != nullptr ? share_object(type.element())
                                  : sink_object(gst_element_factory_make(factory.c_str(), nullptr));
    GObject *raw_target = nullptr;
    GParamSpec *spec = nullptr;
    if (element &&
        gst_child_proxy_lookup(GST_CHILD_PROXY(element.get()), name.c_str(), &raw_target, &spec)) {
      const auto target = adopt_object(raw_target);
      return spec;
    }
  }
  std::vector<std::string_view> names;
  for (const PadKind &kind : type.pads())
    names.emplace_back(kind.name);
  return Failure{0, "there is no pad or child '" + owner + "' with this property",
                 did_you_mean(owner, names)};
}

}  // namespace streamlib::graph
