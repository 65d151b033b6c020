// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/events.h"

#include "gst/streamlib/graph/clock.h"

namespace streamlib::graph {

using support::StructurePtr;

namespace {

StructurePtr new_event(const char *event)
{
  return StructurePtr(gst_structure_new("streamlib-graph", "event", G_TYPE_STRING, event, nullptr));
}

void add_text(GstStructure *structure, const char *field, const std::string &text)
{
  if (!text.empty())
    gst_structure_set(structure, field, G_TYPE_STRING, text.c_str(), nullptr);
}

}  // namespace

void Events::node(const char *event, const std::string &id, const std::string &detail)
{
  auto structure = new_event(event);
  add_text(structure.get(), "node", id);
  add_text(structure.get(), "detail", detail);
  post(std::move(structure));
}

void Events::link(const char *event, const std::string &from, const std::string &to,
                  const std::string &detail)
{
  auto structure = new_event(event);
  add_text(structure.get(), "from", from);
  add_text(structure.get(), "to", to);
  add_text(structure.get(), "detail", detail);
  post(std::move(structure));
}

void Events::graph(const char *event, uint64_t revision, const std::string &detail)
{
  auto structure = new_event(event);
  gst_structure_set(structure.get(), "revision", G_TYPE_UINT64, revision, nullptr);
  add_text(structure.get(), "detail", detail);
  post(std::move(structure));
}

void Events::drops(const std::string &from, const std::string &to, uint64_t dropped)
{
  auto structure = new_event("link-dropping");
  add_text(structure.get(), "from", from);
  add_text(structure.get(), "to", to);
  gst_structure_set(structure.get(), "dropped", G_TYPE_UINT64, dropped, nullptr);
  post(std::move(structure));
}

void Events::post(StructurePtr structure)
{
  gst_structure_set(structure.get(), "running-time", GST_TYPE_CLOCK_TIME, running_time_of(graph_),
                    nullptr);
  {
    std::lock_guard lock(mutex_);
    gst_structure_set(structure.get(), "sequence", G_TYPE_UINT64, ++sequence_, nullptr);
    waiting_.push_back(std::move(structure));
    if (is_posting_)
      return;
    is_posting_ = true;
  }
  while (auto next = take_next())
    gst_element_post_message(graph_, gst_message_new_element(GST_OBJECT(graph_), next.release()));
}

StructurePtr Events::take_next()
{
  std::lock_guard lock(mutex_);
  if (waiting_.empty()) {
    is_posting_ = false;
    return nullptr;
  }
  StructurePtr next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

}  // namespace streamlib::graph
