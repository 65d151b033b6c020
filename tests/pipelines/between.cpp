// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/pipelines/between.h"

namespace pipelines {

MiniPtr<GstBuffer> numbered_buffer(guint number)
{
  auto buffer = adopt_mini(gst_buffer_new_allocate(nullptr, 32, nullptr));
  gst_buffer_memset(buffer.get(), 0, static_cast<guint8>(number), 32);
  GST_BUFFER_PTS(buffer.get()) = number * 20 * GST_MSECOND;
  GST_BUFFER_DURATION(buffer.get()) = 20 * GST_MSECOND;
  return buffer;
}

namespace {

// Pads without a template accept only the caps that they have.
GstStaticPadTemplate near_template =
    GST_STATIC_PAD_TEMPLATE("near", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate far_template =
    GST_STATIC_PAD_TEMPLATE("far", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

}  // namespace

Between::Between(const std::string &element)
{
  GError *error = nullptr;
  element_ = sink_object(gst_parse_launch(element.c_str(), &error));
  fail_unless(element_ && error == nullptr, "%s cannot be made", element.c_str());
  src_ = sink_object(gst_pad_new_from_static_template(&near_template, "near"));
  sink_ = sink_object(gst_pad_new_from_static_template(&far_template, "far"));
  for (GstPad *pad : {src(), sink()})
    GST_PAD_ELEMENT_PRIVATE(pad) = this;
  gst_pad_set_chain_function(sink(), chain);
  gst_pad_set_chain_list_function(sink(), chain_list);
  gst_pad_set_event_function(sink(), sink_event);
  gst_pad_set_query_function(sink(), sink_query);
  gst_pad_set_event_function(src(), src_event);
  gst_pad_set_query_function(src(), src_query);
  const auto in = adopt_object(gst_element_get_static_pad(element_.get(), "sink"));
  const auto out = adopt_object(gst_element_get_static_pad(element_.get(), "src"));
  fail_unless(gst_pad_link(src(), in.get()) == GST_PAD_LINK_OK);
  fail_unless(gst_pad_link(out.get(), sink()) == GST_PAD_LINK_OK);
  gst_pad_set_active(src(), TRUE);
  gst_pad_set_active(sink(), TRUE);
  fail_unless(gst_element_set_state(element_.get(), GST_STATE_PLAYING) == GST_STATE_CHANGE_SUCCESS);
}

Between::~Between()
{
  open_gate();
  gst_pad_set_active(sink(), FALSE);
  gst_element_set_state(element_.get(), GST_STATE_NULL);
  gst_pad_set_active(src(), FALSE);
}

void Between::open(const char *caps)
{
  event(gst_event_new_stream_start("test"));
  const auto wanted = adopt_mini(gst_caps_from_string(caps));
  event(gst_event_new_caps(wanted.get()));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  event(gst_event_new_segment(&segment));
}

GstFlowReturn Between::push(guint number, int flags)
{
  auto buffer = numbered_buffer(number);
  GST_BUFFER_FLAG_SET(buffer.get(), flags);
  return push_buffer(buffer.release());
}

std::vector<std::string> Between::lines(size_t count)
{
  const bool came = eventually([&] { return lines_now().size() >= count; });
  const auto now = lines_now();
  fail_unless(came, "%u of %u lines came", static_cast<unsigned>(now.size()),
              static_cast<unsigned>(count));
  return now;
}

std::vector<std::string> Between::lines_now() const
{
  const std::lock_guard<std::mutex> lock(mutex_);
  return lines_;
}

std::vector<MiniPtr<GstMiniObject>> Between::data(size_t count)
{
  auto size = [this] {
    const std::lock_guard<std::mutex> lock(mutex_);
    return data_.size();
  };
  fail_unless(eventually([&] { return size() >= count; }), "%u of %u came",
              static_cast<unsigned>(size()), static_cast<unsigned>(count));
  const std::lock_guard<std::mutex> lock(mutex_);
  return data_;
}

void Between::close_gate()
{
  gate_closed_.store(true);
}

void Between::open_gate()
{
  gate_closed_.store(false);
}

void Between::note(std::string line)
{
  const std::lock_guard<std::mutex> lock(mutex_);
  lines_.push_back(std::move(line));
}

bool Between::is_flushing()
{
  const streamlib::support::ObjectLock lock(sink());
  return GST_PAD_IS_FLUSHING(sink());
}

GstFlowReturn Between::take(GstMiniObject *object)
{
  auto owned = adopt_mini(object);
  if (GST_IS_BUFFER(object)) {
    note(describe(GST_BUFFER_CAST(object)));
  } else {
    GstBufferList *list = GST_BUFFER_LIST_CAST(object);
    note("list of " + std::to_string(gst_buffer_list_length(list)));
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    data_.push_back(owned);
  }
  at_gate_.store(true);
  while (gate_closed_.load() && !is_flushing())
    g_usleep(500);
  at_gate_.store(false);
  return is_flushing() ? GST_FLOW_FLUSHING : answer.load();
}

GstFlowReturn Between::chain(GstPad *pad, GstObject *, GstBuffer *buffer)
{
  return of(pad)->take(GST_MINI_OBJECT_CAST(buffer));
}

GstFlowReturn Between::chain_list(GstPad *pad, GstObject *, GstBufferList *list)
{
  return of(pad)->take(GST_MINI_OBJECT_CAST(list));
}

gboolean Between::sink_event(GstPad *pad, GstObject *, GstEvent *event)
{
  const auto owned = adopt_mini(event);
  of(pad)->note(describe(event));
  return TRUE;
}

gboolean Between::sink_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  Between *self = of(pad);
  if (GST_QUERY_IS_SERIALIZED(query))
    self->note(std::string("query ") + GST_QUERY_TYPE_NAME(query));
  if (self->on_query && self->on_query(query))
    return TRUE;
  return gst_pad_query_default(pad, parent, query);
}

gboolean Between::src_event(GstPad *pad, GstObject *, GstEvent *event)
{
  const auto owned = adopt_mini(event);
  if (GST_EVENT_TYPE(event) == GST_EVENT_RECONFIGURE)
    of(pad)->reconfigures++;
  return TRUE;
}

gboolean Between::src_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  Between *self = of(pad);
  if (self->on_upstream_query && self->on_upstream_query(query))
    return TRUE;
  return gst_pad_query_default(pad, parent, query);
}

}  // namespace pipelines
