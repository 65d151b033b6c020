// SPDX-License-Identifier: LGPL-2.1-or-later
#include "graph_snapshot.h"

#include <algorithm>
#include <set>
#include <vector>

#include "gst/streamlib/graph/description.h"

namespace fuzz {

using streamlib::graph::Description;
using streamlib::graph::FlatGraph;
using streamlib::graph::FlatLink;
using streamlib::graph::FlatNode;
using streamlib::graph::Json;
using streamlib::support::adopt_object;
using streamlib::support::CStr;
using streamlib::support::GObjectPtr;
using streamlib::support::share_object;

namespace {

std::vector<GObjectPtr<GstElement>> children_of(GstSlGraph *graph)
{
  std::vector<GObjectPtr<GstElement>> children;
  GST_OBJECT_LOCK(graph);
  for (const GList *item = GST_BIN_CHILDREN(graph); item != nullptr; item = item->next)
    children.push_back(share_object(GST_ELEMENT(item->data)));
  GST_OBJECT_UNLOCK(graph);
  return children;
}

std::vector<GObjectPtr<GstPad>> pads_of(GstElement *element)
{
  std::vector<GObjectPtr<GstPad>> pads;
  GST_OBJECT_LOCK(element);
  for (const GList *item = element->pads; item != nullptr; item = item->next)
    pads.push_back(share_object(GST_PAD(item->data)));
  GST_OBJECT_UNLOCK(element);
  return pads;
}

std::string path_of(gpointer object)
{
  const CStr path(gst_object_get_path_string(GST_OBJECT(object)));
  return path.get();
}

// Those that tests change.
std::string values_of(GstElement *element)
{
  std::string text;
  for (const char *name : {"fails", "even", "silent", "sleep-time", "depth", "policy"}) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name);
    if (spec == nullptr)
      continue;
    GValue value = G_VALUE_INIT;
    g_value_init(&value, spec->value_type);
    g_object_get_property(G_OBJECT(element), name, &value);
    const CStr shown(gst_value_serialize(&value));
    text += std::string(" ") + name + "=" + (shown ? shown.get() : "?");
    g_value_unset(&value);
  }
  return text;
}

std::string inside_of(GstSlGraph *graph)
{
  std::vector<std::string> lines;
  const auto add_pads = [&](GstElement *element) {
    for (const auto &pad : pads_of(element)) {
      const auto peer = adopt_object(gst_pad_get_peer(pad.get()));
      lines.push_back(path_of(pad.get()) + " > " + (peer ? path_of(peer.get()) : "nothing"));
    }
  };
  for (const auto &child : children_of(graph)) {
    lines.push_back(path_of(child.get()) +
                    (gst_element_is_locked_state(child.get()) ? " locked" : "") +
                    values_of(child.get()));
    add_pads(child.get());
  }
  add_pads(GST_ELEMENT(graph));
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string &line : lines)
    text += line + "\n";
  return text;
}

using Edge = std::pair<std::string, std::string>;
using Edges = std::multiset<Edge>;

// Where the pads lead, past fan-outs and links.
class Walker {
public:
  explicit Walker(const std::map<std::string, GObjectPtr<GstElement>> &nodes)
  {
    for (const auto &[id, element] : nodes)
      ids_[element.get()] = id;
  }

  Edges walk()
  {
    Edges edges;
    for (const auto &[element, id] : ids_) {
      for (const auto &pad : pads_of(element)) {
        if (GST_PAD_IS_SRC(pad.get()))
          follow(id, pad.get(), &edges);
      }
    }
    return edges;
  }

private:
  void follow(const std::string &from, GstPad *pad, Edges *edges)
  {
    const auto peer = adopt_object(gst_pad_get_peer(pad));
    if (!peer)
      return;
    const auto parent = adopt_object(gst_pad_get_parent(peer.get()));
    if (GST_IS_GHOST_PAD(parent.get())) {
      edges->emplace(from, "");
      return;
    }
    const auto found = ids_.find(GST_ELEMENT(parent.get()));
    if (found != ids_.end()) {
      edges->emplace(from, found->second);
      return;
    }
    for (const auto &next : pads_of(GST_ELEMENT(parent.get()))) {
      if (GST_PAD_IS_SRC(next.get()))
        follow(from, next.get(), edges);
    }
  }

  std::map<GstElement *, std::string> ids_;
};

Edges edges_of(const FlatGraph &flat)
{
  Edges edges;
  for (const FlatLink &link : flat.links)
    edges.emplace(link.from.node, link.to.node);
  for (const auto &port : flat.outputs)
    edges.emplace(port.pad.node, "");
  return edges;
}

std::string text_of(const Edges &edges)
{
  std::string text;
  for (const auto &[from, to] : edges)
    text += " " + from + ">" + to;
  return text;
}

// Integers and booleans of the config, as the element has them.
std::string wrong_value(const FlatNode &node, GstElement *element)
{
  const Json::Object *config = node.config.object();
  if (config == nullptr)
    return {};
  for (const auto &[name, value] : *config) {
    GParamSpec *spec = g_object_class_find_property(G_OBJECT_GET_CLASS(element), name.c_str());
    gint64 found = 0;
    if (spec == nullptr)
      continue;
    if (value.int64() && spec->value_type == G_TYPE_INT) {
      gint number = 0;
      g_object_get(element, name.c_str(), &number, nullptr);
      found = number;
    } else if (value.boolean() && spec->value_type == G_TYPE_BOOLEAN) {
      gboolean truth = FALSE;
      g_object_get(element, name.c_str(), &truth, nullptr);
      found = truth;
    } else {
      continue;
    }
    // A new sink of a graph that runs waits for no first buffer.
    if (name != "async" && found != (value.int64() ? *value.int64() : *value.boolean()))
      return node.id + "." + name;
  }
  return {};
}

}  // namespace

Supervision::Supervision(GstBus *bus) : bus_(share_object(bus))
{
  gst_bus_set_sync_handler(bus, on_message, this, nullptr);
}

Supervision::~Supervision()
{
  gst_bus_set_sync_handler(bus_.get(), nullptr, nullptr, nullptr);
}

GstBusSyncReply Supervision::on_message(GstBus *, GstMessage *message, gpointer self)
{
  static const std::set<std::string> kOwn = {"node-error", "node-restarted", "node-fallback",
                                             "node-fallback-over", "node-quarantined"};
  const GstStructure *structure = gst_message_get_structure(message);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ELEMENT &&
      gst_structure_has_name(structure, "streamlib-graph") &&
      kOwn.count(gst_structure_get_string(structure, "event")) != 0)
    static_cast<Supervision *>(self)->count_.fetch_add(1);
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void settle(GstSlGraph *graph)
{
  // What is refused stands in the same queue as everything else.
  gst_sl_graph_pause_node(graph, "there is no such node", nullptr);
}

Snapshot take_snapshot(GstSlGraph *graph)
{
  Snapshot snapshot;
  const CStr text(gst_sl_graph_describe(graph));
  auto json = *streamlib::graph::parse_json(text.get());
  snapshot.revision = json.find("revision")->uint64().value();
  snapshot.running_revision = json.find("running-revision")->uint64().value();
  json.remove("revision");
  json.remove("running-revision");
  json.remove("drift");
  snapshot.description = write_json(json, streamlib::graph::JsonStyle::Pretty);
  gchar **ids = gst_sl_graph_list_nodes(graph);
  for (gchar **id = ids; *id != nullptr; id++)
    snapshot.nodes[*id] = adopt_object(gst_sl_graph_get_node(graph, *id));
  g_strfreev(ids);
  snapshot.inside = inside_of(graph);
  return snapshot;
}

std::string difference(const Snapshot &one, const Snapshot &other)
{
  if (one.description != other.description)
    return "the description: " + one.description + "\nis now " + other.description;
  if (one.revision != other.revision || one.running_revision != other.running_revision)
    return "the revision";
  if (one.nodes != other.nodes)
    return "the elements";
  if (one.inside != other.inside)
    return "what runs:\n" + one.inside + "\nis now\n" + other.inside;
  return {};
}

std::string drift_of(GstSlGraph *graph)
{
  const Snapshot now = take_snapshot(graph);
  if (now.revision != now.running_revision)
    return "the running revision is another one";
  const auto loaded = Description::load(now.description);
  if (!loaded)
    return "the description cannot be loaded again: " + to_text(loaded.error());
  const FlatGraph &flat = loaded->flat();
  if (flat.nodes.size() != now.nodes.size())
    return "another number of nodes";
  for (const FlatNode &node : flat.nodes) {
    const auto found = now.nodes.find(node.id);
    if (found == now.nodes.end() || !found->second)
      return "there is no element for " + node.id;
    GstElement *element = found->second.get();
    if (GST_OBJECT_PARENT(element) != GST_OBJECT(graph))
      return node.id + " is not in the bin";
    GstElementFactory *factory = gst_element_get_factory(element);
    if (!node.factory.empty() && (factory == nullptr || node.factory != GST_OBJECT_NAME(factory)))
      return node.id + " is of another type";
    if (gst_element_is_locked_state(element))
      return "the state of " + node.id + " is locked";
    if (const std::string wrong = wrong_value(node, element); !wrong.empty())
      return wrong + " has another value";
  }
  const Edges wanted = edges_of(flat);
  const Edges found = Walker(now.nodes).walk();
  if (wanted != found)
    return "the links:" + text_of(wanted) + "\nare" + text_of(found) + "\n" + now.inside;
  return {};
}

}  // namespace fuzz
