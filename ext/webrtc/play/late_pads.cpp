// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/play/late_pads.h"

#include <algorithm>

#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::CStr;
using support::GObjectPtr;
using support::MutexLock;
using support::sink_object;

namespace {

// Nothing comes out of them that anybody could wait for.
gboolean on_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return gst_pad_query_default(pad, parent, query);
  gst_query_set_latency(query, TRUE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

}  // namespace

LatePads::LatePads(GstElement *element) : element_(element)
{
  g_mutex_init(&mutex_);
}

LatePads::~LatePads()
{
  g_mutex_clear(&mutex_);
}

guint LatePads::run() const
{
  const MutexLock lock(mutex_);
  return run_;
}

void LatePads::add(guint run, const std::string &name, GstPadTemplate *pad_template, guint group_id)
{
  const auto pad = sink_object(gst_pad_new_from_template(pad_template, name.c_str()));
  gst_pad_set_query_function(pad.get(), on_query);
  gst_pad_set_active(pad.get(), TRUE);
  const CStr id(gst_pad_create_stream_id(pad.get(), element_, name.c_str()));
  GstEvent *start = gst_event_new_stream_start(id.get());
  gst_event_set_group_id(start, group_id);
  gst_pad_push_event(pad.get(), start);
  {
    const MutexLock lock(mutex_);
    const bool is_there = std::any_of(entries_.begin(), entries_.end(), [&](const Entry &entry) {
      return name == GST_PAD_NAME(entry.pad.get());
    });
    if (run != run_ || is_there)
      return;
    entries_.push_back({pad, false});
  }
  gst_element_add_pad(element_, pad.get());
  {
    const MutexLock lock(mutex_);
    for (Entry &entry : entries_) {
      if (entry.pad.get() != pad.get())
        continue;
      entry.is_added = true;
      return;
    }
  }
  gst_element_remove_pad(element_, pad.get());
}

void LatePads::end(guint run)
{
  const MutexLock lock(mutex_);
  if (run != run_)
    return;
  for (const Entry &entry : entries_)
    gst_element_call_async(
        element_,
        [](GstElement *, gpointer data) {
          auto *pad = static_cast<GstPad *>(data);
          GstSegment segment;
          gst_segment_init(&segment, GST_FORMAT_TIME);
          gst_pad_push_event(pad, gst_event_new_segment(&segment));
          gst_pad_push_event(pad, gst_event_new_eos());
        },
        gst_object_ref(entry.pad.get()), gst_object_unref);
}

void LatePads::clear()
{
  std::vector<Entry> entries;
  {
    const MutexLock lock(mutex_);
    run_++;
    entries.swap(entries_);
  }
  for (const Entry &entry : entries) {
    gst_pad_set_active(entry.pad.get(), FALSE);
    if (entry.is_added)
      gst_element_remove_pad(element_, entry.pad.get());
  }
}

}  // namespace streamlib::webrtc
