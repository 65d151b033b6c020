// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/pad_table.h"

#include "gst/streamlib/graph/elements.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_mini;
using support::CStr;

namespace {

// An exact name, a template's name, or nothing: then the caps decide.
int fitness(const std::string &wanted, GstPad *pad)
{
  const CStr name(gst_pad_get_name(pad));
  if (wanted == name.get())
    return 3;
  GstPadTemplate *pad_template = GST_PAD_PAD_TEMPLATE(pad);
  if (pad_template != nullptr && wanted == GST_PAD_TEMPLATE_NAME_TEMPLATE(pad_template))
    return 2;
  return wanted.empty() ? 1 : 0;
}

bool caps_fit(GstPad *pad, GstSlFanout *fanout)
{
  const auto offered = adopt_mini(gst_pad_query_caps(pad, nullptr));
  const auto taken = adopt_mini(gst_pad_query_caps(fanout_sink(fanout), nullptr));
  return gst_caps_can_intersect(offered.get(), taken.get());
}

}  // namespace

void PadTable::watch(Node &node)
{
  GstElement *element = node.element.get();
  {
    std::lock_guard lock(mutex_);
    const auto before = elements_.find(node.spec.id);
    if (before != elements_.end() && before->second != element)
      wanted_.erase(before->second);
    elements_[node.spec.id] = element;
    auto &wanted = wanted_[element];
    wanted.clear();
    for (const auto &output : node.outputs)
      wanted.push_back({output->pad, output->fanout});
  }
  node.pad_added = support::SignalHandler(element, "pad-added", G_CALLBACK(pad_added), this);
  for (const auto &pad : source_pads(element))
    take(element, pad.get());
}

void PadTable::forget(const std::string &id)
{
  std::lock_guard lock(mutex_);
  const auto found = elements_.find(id);
  if (found == elements_.end())
    return;
  wanted_.erase(found->second);
  elements_.erase(found);
}

void PadTable::keep_eos_of(GstElement *element)
{
  std::lock_guard lock(mutex_);
  const auto found = wanted_.find(element);
  if (found == wanted_.end())
    return;
  for (const Wanted &wanted : found->second)
    keep_eos(wanted.fanout.get(), true);
}

void PadTable::pad_added(GstElement *element, GstPad *pad, gpointer data)
{
  if (GST_PAD_DIRECTION(pad) == GST_PAD_SRC)
    static_cast<PadTable *>(data)->take(element, pad);
}

void PadTable::take(GstElement *element, GstPad *pad)
{
  if (gst_pad_is_linked(pad))
    return;
  std::vector<Wanted> wanted;
  {
    std::lock_guard lock(mutex_);
    const auto found = wanted_.find(element);
    if (found != wanted_.end())
      wanted = found->second;
  }
  for (int needed = 3; needed >= 1; needed--) {
    for (const Wanted &candidate : wanted) {
      GstPad *sink = fanout_sink(candidate.fanout.get());
      const int fits = fitness(candidate.pad, pad);
      if (fits != needed || gst_pad_is_linked(sink) ||
          (fits < 3 && !caps_fit(pad, candidate.fanout.get())))
        continue;
      if (gst_pad_link_full(pad, sink, GST_PAD_LINK_CHECK_HIERARCHY) == GST_PAD_LINK_OK)
        return;
    }
  }
  GST_DEBUG_OBJECT(pad, "no link of the graph wants this pad");
}

}  // namespace streamlib::graph
