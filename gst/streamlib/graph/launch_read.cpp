// SPDX-License-Identifier: LGPL-2.1-or-later
// From launch syntax to a description: what GStreamer's parser makes of the text is read back.
#include <algorithm>
#include <memory>
#include <set>

#include "gst/streamlib/graph/launch.h"
#include "gst/streamlib/graph/secrets.h"
#include "gst/streamlib/graph/types.h"
#include "gst/streamlib/graph/values.h"
#include "gst/support/guards.h"

namespace streamlib::graph {

using support::adopt_object;
using support::GObjectPtr;
using support::Result;
using support::share_object;
using support::sink_object;

namespace {

// More pads than these are not tried for a template whose pads come later.
constexpr int kMostLatePads = 64;

struct ReadNode {
  std::string id;
  GObjectPtr<GstElement> element;
  Json json;
};

struct ReadLink {
  PadName from;
  PadName to;
  Json options;  // Policy and depth.
};

std::string factory_name(GstElement *element)
{
  GstElementFactory *factory = gst_element_get_factory(element);
  return factory != nullptr ? GST_OBJECT_NAME(factory) : "";
}

// A bin of parentheses, whose elements are elements of the graph.
bool is_plain_bin(GstElement *element)
{
  return G_OBJECT_TYPE(element) == GST_TYPE_BIN || G_OBJECT_TYPE(element) == GST_TYPE_PIPELINE;
}

void collect(GstElement *element, std::vector<GObjectPtr<GstElement>> &elements)
{
  if (!is_plain_bin(element)) {
    elements.push_back(share_object(element));
    return;
  }
  std::vector<GObjectPtr<GstElement>> children;
  {
    const support::ObjectLock lock(element);
    for (const GList *item = g_list_last(GST_BIN(element)->children); item != nullptr;
         item = item->prev)
      children.push_back(share_object(GST_ELEMENT_CAST(item->data)));
  }
  for (const auto &child : children)
    collect(child.get(), elements);
}

std::vector<GObjectPtr<GstPad>> pads_of(GstElement *element)
{
  std::vector<GObjectPtr<GstPad>> pads;
  const support::ObjectLock lock(element);
  for (const GList *item = element->pads; item != nullptr; item = item->next)
    pads.push_back(share_object(GST_PAD_CAST(item->data)));
  return pads;
}

// "src_%u" with a number.
std::string numbered(const std::string &name, int number)
{
  const size_t percent = name.find('%');
  if (percent == std::string::npos)
    return name;
  size_t end = percent + 1;
  while (end < name.size() && g_ascii_isdigit(name[end]))
    end++;
  return numbered(name.substr(0, percent) + std::to_string(number) + name.substr(end + 1), number);
}

// Shows the parser pads that would come while the pipeline runs, as long as it links them.
void link_late_pads(GstElement *element)
{
  for (const GList *item = gst_element_class_get_pad_template_list(GST_ELEMENT_GET_CLASS(element));
       item != nullptr; item = item->next) {
    auto *pad_template = GST_PAD_TEMPLATE(item->data);
    if (GST_PAD_TEMPLATE_PRESENCE(pad_template) != GST_PAD_SOMETIMES ||
        GST_PAD_TEMPLATE_DIRECTION(pad_template) != GST_PAD_SRC)
      continue;
    for (int number = 0; number < kMostLatePads; number++) {
      const std::string name = numbered(GST_PAD_TEMPLATE_NAME_TEMPLATE(pad_template), number);
      const auto known = adopt_object(gst_element_get_static_pad(element, name.c_str()));
      if (known)
        break;
      const auto pad = sink_object(gst_pad_new_from_template(pad_template, name.c_str()));
      gst_element_add_pad(element, pad.get());
      if (gst_pad_is_linked(pad.get()))
        continue;
      gst_element_remove_pad(element, pad.get());
      break;
    }
  }
}

// The pad of an element that a link leads to, through the ghost pads of plain bins.
GObjectPtr<GstPad> end_of(GstPad *source)
{
  auto peer = adopt_object(gst_pad_get_peer(source));
  while (peer) {
    const auto parent = adopt_object(gst_object_get_parent(GST_OBJECT(peer.get())));
    if (GST_IS_GHOST_PAD(peer.get()) && GST_IS_ELEMENT(parent.get()) &&
        is_plain_bin(GST_ELEMENT(parent.get())))
      peer = adopt_object(gst_ghost_pad_get_target(GST_GHOST_PAD(peer.get())));
    else if (GST_IS_GHOST_PAD(parent.get()))
      peer = adopt_object(gst_pad_get_peer(GST_PAD(parent.get())));
    else
      break;
  }
  return peer;
}

// The properties that differ from those of the other object, or from the defaults without one.
void read_properties(GObject *object, GObject *fresh, const std::string &prefix, Json &config,
                     Problems &problems)
{
  guint count = 0;
  const std::unique_ptr<GParamSpec *, void (*)(gpointer)> specs(
      g_object_class_list_properties(G_OBJECT_GET_CLASS(object), &count), g_free);
  constexpr int kBoth = G_PARAM_READWRITE;
  for (guint i = 0; i < count; i++) {
    GParamSpec *spec = specs.get()[i];
    const std::string name = spec->name;
    if ((spec->flags & kBoth) != kBoth || name == "name" || name == "parent" ||
        (spec->flags & G_PARAM_CONSTRUCT_ONLY) != 0)
      continue;
    PropertyValue now(spec->value_type);
    PropertyValue before(spec->value_type);
    g_object_get_property(object, spec->name, now.get());
    if (fresh != nullptr)
      g_object_get_property(fresh, spec->name, before.get());
    else
      g_param_value_set_default(spec, before.get());
    const Json json = value_to_json(now.get());
    if (json != value_to_json(before.get()))
      config.set(prefix + name, json);
    else if (G_VALUE_HOLDS_OBJECT(now.get()) &&
             !GST_IS_PAD_TEMPLATE(g_value_get_object(now.get())) &&
             (g_value_get_object(now.get()) != nullptr) !=
                 (g_value_get_object(before.get()) != nullptr))
      problems.push_back({"",
                          "the property '" + prefix + name + "' of '" + G_OBJECT_TYPE_NAME(object) +
                              "' holds an object, which no "
                              "description can say",
                          "leave it out"});
  }
}

// The pad of the same name of a fresh element, which is asked for it like the other one was: some
// elements give each pad that they are asked for other properties.
GObjectPtr<GstPad> same_pad(GstElement *fresh, GstPad *pad)
{
  if (fresh == nullptr)
    return {};
  auto same = adopt_object(gst_element_get_static_pad(fresh, GST_PAD_NAME(pad)));
  GstPadTemplate *pad_template = GST_PAD_PAD_TEMPLATE(pad);
  if (!same && pad_template != nullptr &&
      GST_PAD_TEMPLATE_PRESENCE(pad_template) == GST_PAD_REQUEST)
    same = adopt_object(gst_element_request_pad_simple(fresh, GST_PAD_NAME(pad)));
  return same;
}

class Reader {
public:
  Result<Json, Problems> read(const std::string &text);

private:
  bool parse(const std::string &text);
  void read_node(GObjectPtr<GstElement> element);
  void read_links(const ReadNode &node);
  std::string pad_name(GstPad *pad);
  void collapse();
  std::vector<size_t> links_at(const std::string &id, bool incoming) const;

  GObjectPtr<GstElement> top_;
  std::vector<ReadNode> nodes_;
  std::vector<ReadLink> links_;
  std::set<std::string> ids_;
  Problems problems_;
};

bool Reader::parse(const std::string &text)
{
  GError *error = nullptr;
  top_ = sink_object(
      gst_parse_launch_full(text.c_str(), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error));
  if (error == nullptr && top_)
    return true;
  Secrets secrets;
  secrets.add_text(text);
  problems_.push_back({"", secrets.masked(error != nullptr ? error->message : "nothing was made"),
                       "gst-launch-1.0 takes the same text"});
  g_clear_error(&error);
  return false;
}

void Reader::read_node(GObjectPtr<GstElement> element)
{
  ReadNode node;
  node.id = GST_OBJECT_NAME(element.get());
  const std::string factory = factory_name(element.get());
  if (node.id.find_first_of("./") != std::string::npos)
    problems_.push_back({"", "the name '" + node.id + "' cannot be the id of a node",
                         "choose one without '.' and '/'"});
  if (!ids_.insert(node.id).second)
    problems_.push_back({"", "two elements have the name '" + node.id + "'", "choose another one"});
  node.json.set("type", factory);
  const auto fresh = sink_object(gst_element_factory_make(factory.c_str(), nullptr));
  Json config{Json::Object()};
  read_properties(G_OBJECT(element.get()), fresh ? G_OBJECT(fresh.get()) : nullptr, "", config,
                  problems_);
  for (const auto &pad : pads_of(element.get())) {
    const auto same = same_pad(fresh.get(), pad.get());
    read_properties(G_OBJECT(pad.get()), same ? G_OBJECT(same.get()) : nullptr,
                    std::string(GST_PAD_NAME(pad.get())) + "::", config, problems_);
  }
  if (!config.object()->empty())
    node.json.set("config", std::move(config));
  node.element = std::move(element);
  nodes_.push_back(std::move(node));
}

std::string Reader::pad_name(GstPad *pad)
{
  GstPadTemplate *pad_template = GST_PAD_PAD_TEMPLATE(pad);
  if (pad_template == nullptr)
    return GST_PAD_NAME(pad);
  PadKind kind;
  kind.name = GST_PAD_TEMPLATE_NAME_TEMPLATE(pad_template);
  // Some elements give names that their own templates do not allow.
  if (GST_PAD_TEMPLATE_PRESENCE(pad_template) == GST_PAD_SOMETIMES ||
      !kind.takes(GST_PAD_NAME(pad)))
    return kind.name;
  return GST_PAD_NAME(pad);
}

void Reader::read_links(const ReadNode &node)
{
  for (const auto &pad : pads_of(node.element.get())) {
    if (GST_PAD_DIRECTION(pad.get()) != GST_PAD_SRC)
      continue;
    const auto end = end_of(pad.get());
    const auto parent =
        end ? adopt_object(gst_pad_get_parent_element(end.get())) : GObjectPtr<GstElement>();
    if (parent)
      links_.push_back({{node.id, pad_name(pad.get())},
                        {GST_OBJECT_NAME(parent.get()), pad_name(end.get())},
                        Json(Json::Object())});
  }
}

std::vector<size_t> Reader::links_at(const std::string &id, bool incoming) const
{
  std::vector<size_t> result;
  for (size_t i = 0; i < links_.size(); i++) {
    if ((incoming ? links_[i].to : links_[i].from).node == id)
      result.push_back(i);
  }
  return result;
}

// What to_launch() puts in to say a link or a fan-out becomes these again.
void Reader::collapse()
{
  const auto is_ours = [](const ReadNode &node, const char *prefix, const char *type) {
    return node.id.starts_with(prefix) && *node.json.find("type")->string() == type;
  };
  std::erase_if(nodes_, [&](const ReadNode &node) {
    const bool is_link = is_ours(node, "link-", "sllink");
    if (!is_link && !is_ours(node, "fan-out-", "tee"))
      return false;
    const std::vector<size_t> in = links_at(node.id, true);
    const std::vector<size_t> out = links_at(node.id, false);
    if (in.size() != 1 || (is_link && out.size() != 1))
      return false;
    const Json *config = node.json.find("config");
    for (const size_t branch : out) {
      links_[branch].from = links_[in[0]].from;
      if (is_link && config != nullptr) {
        for (const auto &[name, value] : *config->object())
          links_[branch].options.set(name, value);
      }
    }
    links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(in[0]));
    return true;
  });
}

Result<Json, Problems> Reader::read(const std::string &text)
{
  if (!parse(text))
    return std::move(problems_);
  std::vector<GObjectPtr<GstElement>> elements;
  collect(top_.get(), elements);
  for (const auto &element : elements)
    link_late_pads(element.get());
  // Among them are caps filters now that stand behind such pads.
  elements.clear();
  collect(top_.get(), elements);
  for (auto &element : elements)
    read_node(std::move(element));
  for (const ReadNode &node : nodes_)
    read_links(node);
  collapse();
  if (!problems_.empty())
    return std::move(problems_);

  Json nodes{Json::Object()};
  for (ReadNode &node : nodes_)
    nodes.object()->emplace_back(node.id, std::move(node.json));
  Json links{Json::Array()};
  for (ReadLink &link : links_) {
    Json json;
    json.set("from", to_text(link.from));
    json.set("to", to_text(link.to));
    for (auto &[name, value] : *link.options.object())
      json.set(name, std::move(value));
    links.append(std::move(json));
  }
  Json result;
  result.set("nodes", std::move(nodes));
  result.set("links", std::move(links));
  return result;
}

}  // namespace

Result<Json, Problems> from_launch(const std::string &text)
{
  return Reader().read(text);
}

}  // namespace streamlib::graph
