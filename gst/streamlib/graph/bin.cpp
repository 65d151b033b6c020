// SPDX-License-Identifier: LGPL-2.1-or-later
// Bins of launch syntax, and their ports.
#include "gst/streamlib/graph/secrets.h"
#include "gst/streamlib/graph/types.h"
#include "gst/support/guards.h"

namespace streamlib::graph {

using support::adopt_object;
using support::CStr;
using support::Failure;
using support::GObjectPtr;
using support::Result;
using support::share_object;
using support::sink_object;

namespace {

std::vector<GObjectPtr<GstElement>> children_of(GstBin *bin)
{
  std::vector<GObjectPtr<GstElement>> children;
  const support::ObjectLock lock(bin);
  // The bin's list begins with the last one.
  for (const GList *item = g_list_last(bin->children); item != nullptr; item = item->prev)
    children.push_back(share_object(GST_ELEMENT_CAST(item->data)));
  return children;
}

std::vector<GObjectPtr<GstPad>> unlinked_pads(GstElement *element, GstPadDirection direction)
{
  std::vector<GObjectPtr<GstPad>> pads;
  const support::ObjectLock lock(element);
  for (const GList *item = element->pads; item != nullptr; item = item->next) {
    auto *pad = GST_PAD_CAST(item->data);
    if (GST_PAD_DIRECTION(pad) == direction && GST_PAD_PEER(pad) == nullptr)
      pads.push_back(share_object(pad));
  }
  return pads;
}

void add_ports(GstElement *bin, GstPadDirection direction)
{
  std::vector<GObjectPtr<GstPad>> pads;
  for (const auto &child : children_of(GST_BIN(bin))) {
    for (auto &pad : unlinked_pads(child.get(), direction))
      pads.push_back(std::move(pad));
  }
  for (const auto &pad : pads) {
    const auto parent = adopt_object(gst_pad_get_parent_element(pad.get()));
    const std::string name =
        pads.size() == 1
            ? std::string(direction == GST_PAD_SINK ? "sink" : "src")
            : std::string(GST_OBJECT_NAME(parent.get())) + "_" + GST_PAD_NAME(pad.get());
    gst_element_add_pad(bin, gst_ghost_pad_new(name.c_str(), pad.get()));
  }
}

}  // namespace

Result<GObjectPtr<GstElement>> make_bin(const std::string &launch, const std::string &name)
{
  GError *error = nullptr;
  // Within parentheses even a single element is in a bin, so that its ports have these names.
  const std::string text = "bin.( " + launch + " )";
  auto element = sink_object(gst_parse_launch_full(
      text.c_str(), nullptr, static_cast<GstParseFlags>(GST_PARSE_FLAG_FATAL_ERRORS), &error));
  if (error != nullptr || !element) {
    // The parser quotes values that were refused.
    Secrets secrets;
    secrets.add_text(launch);
    const std::string reason = error != nullptr ? error->message : "it cannot be parsed";
    g_clear_error(&error);
    return Failure{0, secrets.masked(reason), {}};
  }
  if (!GST_IS_BIN(element.get()))
    return Failure{0, "it is no bin", {}};
  if (!name.empty())
    gst_object_set_name(GST_OBJECT(element.get()), name.c_str());
  add_ports(element.get(), GST_PAD_SINK);
  add_ports(element.get(), GST_PAD_SRC);
  return element;
}

}  // namespace streamlib::graph
