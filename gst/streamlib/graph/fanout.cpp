// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/fanout.h"

#include <algorithm>
#include <mutex>

#include "gst/streamlib/graph/clock.h"
#include "gst/streamlib/graph/fanout_core.h"
#include "gst/support/futex.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_STATIC(gst_sl_fanout_debug);
#define GST_CAT_DEFAULT gst_sl_fanout_debug

using streamlib::graph::Branch;
using streamlib::graph::BranchList;
using streamlib::graph::BranchPtr;
using streamlib::graph::CombinedFlow;
using streamlib::graph::Fanout;
using streamlib::graph::ListPtr;
using streamlib::support::adopt_mini;
using streamlib::support::adopt_object;
using streamlib::support::MiniPtr;
using streamlib::support::ObjectLock;

namespace {

GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src_%u", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS_ANY);

bool has_ended(GstFlowReturn flow)
{
  return flow == GST_FLOW_EOS || flow == GST_FLOW_ERROR || flow == GST_FLOW_NOT_NEGOTIATED;
}

gboolean copy_sticky(GstPad *, GstEvent **event, gpointer pad)
{
  if (GST_EVENT_TYPE(*event) != GST_EVENT_EOS)
    gst_pad_store_sticky_event(GST_PAD(pad), *event);
  return TRUE;
}

}  // namespace

G_DEFINE_FINAL_TYPE(GstSlFanout, gst_sl_fanout, GST_TYPE_ELEMENT)

namespace {

GstSlFanout *fanout_of(GstObject *parent)
{
  return reinterpret_cast<GstSlFanout *>(parent);
}

// The stream's running time from now on is the clock's.
void rebase(GstSlFanout *self, Branch &branch, GstBuffer *buffer)
{
  const MiniPtr<GstEvent> event =
      adopt_mini(gst_pad_get_sticky_event(self->sink, GST_EVENT_SEGMENT, 0));
  const auto clock = adopt_object(gst_element_get_clock(GST_ELEMENT(self)));
  const GstSegment *segment = nullptr;
  if (event)
    gst_event_parse_segment(event.get(), &segment);
  const GstClockTime stamp = GST_BUFFER_DTS_OR_PTS(buffer);
  if (!clock || segment == nullptr || segment->format != GST_FORMAT_TIME ||
      !GST_CLOCK_TIME_IS_VALID(stamp))
    return;
  guint64 running_time = 0;
  const int sign = gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, stamp, &running_time);
  const GstClockTime now =
      gst_clock_get_time(clock.get()) - gst_element_get_base_time(GST_ELEMENT(self));
  const auto offset =
      static_cast<gint64>(now) - (sign < 0 ? -1 : 1) * static_cast<gint64>(running_time);
  gst_pad_set_offset(branch.pad.get(), offset);
  branch.wants_rebase.store(false);
  GST_DEBUG_OBJECT(branch.pad.get(), "running time moved by %" GST_STIME_FORMAT,
                   GST_STIME_ARGS(offset));
}

// Streaming thread.
void greet(GstSlFanout *self, Branch &branch)
{
  if (branch.has_events.load(std::memory_order_relaxed))
    return;
  branch.has_events.store(true, std::memory_order_relaxed);
  gst_pad_sticky_events_foreach(self->sink, copy_sticky, branch.pad.get());
}

void note_age(GstSlFanout *self, GstBuffer *buffer)
{
  const GstSegment &segment = self->core->segment;
  if (segment.format != GST_FORMAT_TIME)
    return;
  const GstClockTime due =
      gst_segment_to_running_time(&segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  const GstClockTime now = streamlib::graph::running_time_of(GST_ELEMENT(self));
  if (GST_CLOCK_TIME_IS_VALID(due) && GST_CLOCK_TIME_IS_VALID(now))
    self->core->age.add(GST_CLOCK_DIFF(due, now));
}

// Where the step is measured, also how long one branch takes.
template <typename Push>
GstFlowReturn push_timed(Fanout &core, Branch &branch, Push push)
{
  if (!core.timer.is_measuring() || !branch.took)
    return push();
  const int64_t began = streamlib::support::monotonic_ns();
  const GstFlowReturn flow = push();
  branch.took->add(static_cast<uint64_t>(streamlib::support::monotonic_ns() - began));
  return flow;
}

bool passes(Branch &branch, GstBuffer *buffer)
{
  if (has_ended(branch.flow.load(std::memory_order_relaxed)))
    return false;
  if (branch.wants_key_unit.load(std::memory_order_relaxed)) {
    if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT))
      return false;
    branch.wants_key_unit.store(false);
  }
  return true;
}

void count(std::atomic<uint64_t> &counter, uint64_t by = 1)
{
  counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

template <typename Push>
GstFlowReturn push_to_all(GstSlFanout *self, GstBuffer *first, uint64_t number, Push push)
{
  Fanout &core = *self->core;
  if (!core.wait_while_held())
    return GST_FLOW_FLUSHING;
  count(core.buffers, number);
  const streamlib::support::StepTimer::Scope timed(core.timer);
  if (G_UNLIKELY(core.timer.is_measuring()))
    note_age(self, first);
  CombinedFlow combined;
  const BranchList &branches = core.list.enter();
  const bool drops = core.drops.load(std::memory_order_relaxed);
  if (branches.empty() || drops)
    count(core.passed_nowhere, number);
  for (const BranchPtr &branch : branches) {
    core.inside.store(branch.get());
    if (branch->detached.load())
      continue;
    greet(self, *branch);
    if (drops || !passes(*branch, first)) {
      count(branch->dropped, number);
      combined.add(branch->flow.load(std::memory_order_relaxed));
      continue;
    }
    if (branch->wants_rebase.load(std::memory_order_relaxed))
      rebase(self, *branch, first);
    const GstFlowReturn flow = push_timed(
        core, *branch, [&] { return push(branch->pad.get(), branch == branches.back()); });
    branch->flow.store(flow, std::memory_order_relaxed);
    if (flow == GST_FLOW_OK)
      count(branch->buffers, number);
    combined.add(flow);
  }
  core.inside.store(nullptr);
  core.list.leave();
  return combined.value();
}

GstFlowReturn chain(GstPad *, GstObject *parent, GstBuffer *buffer)
{
  MiniPtr<GstBuffer> owned = adopt_mini(buffer);
  // The last one gets the reference itself, or nobody could write into the buffer.
  return push_to_all(fanout_of(parent), buffer, 1, [&](GstPad *pad, bool is_last) {
    return gst_pad_push(pad, is_last ? owned.release() : gst_buffer_ref(owned.get()));
  });
}

GstFlowReturn chain_list(GstPad *, GstObject *parent, GstBufferList *list)
{
  MiniPtr<GstBufferList> owned = adopt_mini(list);
  const guint number = gst_buffer_list_length(list);
  if (number == 0)
    return GST_FLOW_OK;
  const auto push = [&](GstPad *pad, bool is_last) {
    return gst_pad_push_list(pad, is_last ? owned.release() : gst_buffer_list_ref(owned.get()));
  };
  return push_to_all(fanout_of(parent), gst_buffer_list_get(list, 0), number, push);
}

// A new stream is a new chance for a branch that had ended.
void forgive(const BranchList &branches)
{
  for (const BranchPtr &branch : branches)
    branch->flow.store(GST_FLOW_OK);
}

gboolean serialized_event(GstSlFanout *self, GstEvent *event)
{
  const MiniPtr<GstEvent> owned = adopt_mini(event);
  Fanout &core = *self->core;
  if (!core.wait_while_held())
    return FALSE;
  const BranchList &branches = core.list.enter();
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_STREAM_START:
      core.has_stream.store(true);
      core.eos.store(false);
      [[fallthrough]];
    case GST_EVENT_CAPS:
      forgive(branches);
      break;
    case GST_EVENT_SEGMENT:
      gst_event_copy_segment(event, &core.segment);
      break;
    case GST_EVENT_EOS:
      core.eos.store(true);
      if (core.keeps_eos.load()) {
        core.list.leave();
        return TRUE;
      }
      break;
    default:
      break;
  }
  for (const BranchPtr &branch : branches) {
    core.inside.store(branch.get());
    if (branch->detached.load())
      continue;
    greet(self, *branch);
    gst_pad_push_event(branch->pad.get(), gst_event_ref(owned.get()));
  }
  core.inside.store(nullptr);
  core.list.leave();
  return TRUE;
}

// Flushes come from other threads than the stream.
void push_to_pads(GstSlFanout *self, GstEvent *event)
{
  ListPtr list;
  {
    std::lock_guard lock(self->core->control);
    list = self->core->list.current();
  }
  for (const BranchPtr &branch : *list)
    gst_pad_push_event(branch->pad.get(), gst_event_ref(event));
}

gboolean sink_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSlFanout *self = fanout_of(parent);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_FLUSH_START:
    case GST_EVENT_FLUSH_STOP: {
      const MiniPtr<GstEvent> owned = adopt_mini(event);
      const bool starts = GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START;
      self->core->set_flushing(starts);
      if (!starts) {
        std::lock_guard lock(self->core->control);
        forgive(*self->core->list.current());
      }
      push_to_pads(self, event);
      return TRUE;
    }
    default:
      if (GST_EVENT_IS_SERIALIZED(event))
        return serialized_event(self, event);
      return gst_pad_event_default(pad, parent, event);
  }
}

ListPtr list_of(GstSlFanout *self)
{
  std::lock_guard lock(self->core->control);
  return self->core->list.current();
}

// All branches together. One that could take nothing of what the others take is left out: it alone
// fails then.
bool answer_caps(GstSlFanout *self, GstQuery *query)
{
  GstCaps *filter;
  gst_query_parse_caps(query, &filter);
  MiniPtr<GstCaps> common =
      filter != nullptr ? streamlib::support::share_mini(filter) : adopt_mini(gst_caps_new_any());
  const ListPtr branches = list_of(self);
  for (const BranchPtr &branch : *branches) {
    if (!gst_pad_is_linked(branch->pad.get()))
      continue;
    const auto wanted = adopt_mini(gst_pad_peer_query_caps(branch->pad.get(), common.get()));
    auto both =
        adopt_mini(gst_caps_intersect_full(wanted.get(), common.get(), GST_CAPS_INTERSECT_FIRST));
    if (!gst_caps_is_empty(both.get()))
      common = std::move(both);
  }
  gst_query_set_caps_result(query, common.get());
  return true;
}

// One branch answers for itself. With several the producer uses its own memory, as many buffers as
// all of them hold.
bool answer_allocation(GstSlFanout *self, GstQuery *query)
{
  const ListPtr branches = list_of(self);
  if (branches->size() == 1)
    return gst_pad_peer_query(branches->front()->pad.get(), query);
  GstCaps *caps;
  gboolean need_pool;
  gst_query_parse_allocation(query, &caps, &need_pool);
  guint size = 0;
  guint number = 0;
  for (const BranchPtr &branch : *branches) {
    const auto own = adopt_mini(gst_query_new_allocation(caps, FALSE));
    if (!gst_pad_peer_query(branch->pad.get(), own.get()) ||
        gst_query_get_n_allocation_pools(own.get()) == 0)
      continue;
    guint own_size = 0;
    guint own_number = 0;
    gst_query_parse_nth_allocation_pool(own.get(), 0, nullptr, &own_size, &own_number, nullptr);
    size = std::max(size, own_size);
    number += own_number;
  }
  if (number == 0)
    return false;
  gst_query_add_allocation_pool(query, nullptr, size, number, 0);
  return true;
}

gboolean sink_query(GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstSlFanout *self = fanout_of(parent);
  switch (GST_QUERY_TYPE(query)) {
    case GST_QUERY_CAPS:
      return answer_caps(self, query);
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result(query, TRUE);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      return answer_allocation(self, query);
    default:
      return gst_pad_query_default(pad, parent, query);
  }
}

// A new branch that takes the stream as it is wants nothing of the others.
bool concerns_the_stream(GstSlFanout *self, GstPad *pad)
{
  const auto caps = adopt_mini(gst_pad_get_current_caps(self->sink));
  return caps && !gst_pad_peer_query_accept_caps(pad, caps.get());
}

void forgive_branch(GstSlFanout *self, const GstPad *pad)
{
  const ListPtr branches = list_of(self);
  for (const BranchPtr &branch : *branches) {
    if (branch->pad.get() == pad)
      branch->flow.store(GST_FLOW_OK);
  }
}

gboolean src_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstSlFanout *self = fanout_of(parent);
  MiniPtr<GstEvent> owned = adopt_mini(event);
  switch (GST_EVENT_TYPE(event)) {
    case GST_EVENT_RECONFIGURE:
      forgive_branch(self, pad);
      if (!concerns_the_stream(self, pad))
        return TRUE;
      break;
    case GST_EVENT_QOS:
      // A late branch must not thin the others out.
      if (list_of(self)->size() > 1)
        return TRUE;
      break;
    case GST_EVENT_SEEK:
      if (self->core->last_seek.exchange(gst_event_get_seqnum(event)) ==
          gst_event_get_seqnum(event))
        return TRUE;
      break;
    default:
      break;
  }
  return gst_pad_push_event(self->sink, owned.release());
}

gboolean activate_mode(GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  Fanout &core = *fanout_of(parent)->core;
  core.set_flushing(!active);
  if (active) {
    core.eos.store(false);
    core.has_stream.store(false);
  }
  return TRUE;
}

}  // namespace

static GstStateChangeReturn gst_sl_fanout_change_state(GstElement *element,
                                                       GstStateChange transition)
{
  auto *self = reinterpret_cast<GstSlFanout *>(element);
  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    const ListPtr branches = list_of(self);
    for (const BranchPtr &branch : *branches) {
      branch->flow.store(GST_FLOW_OK);
      branch->has_events = false;
      branch->buffers.store(0);
      branch->dropped.store(0);
      if (branch->took)
        branch->took->clear();
    }
    Fanout &core = *self->core;
    core.buffers.store(0);
    core.passed_nowhere.store(0);
    core.timer.clear();
    core.age.clear();
    gst_segment_init(&core.segment, GST_FORMAT_UNDEFINED);
  }
  return GST_ELEMENT_CLASS(gst_sl_fanout_parent_class)->change_state(element, transition);
}

static void gst_sl_fanout_finalize(GObject *object)
{
  delete reinterpret_cast<GstSlFanout *>(object)->core;
  G_OBJECT_CLASS(gst_sl_fanout_parent_class)->finalize(object);
}

static void gst_sl_fanout_class_init(GstSlFanoutClass *klass)
{
  GST_DEBUG_CATEGORY_INIT(gst_sl_fanout_debug, "slfanout", 0, "streamlib: fan-out of a graph");
  G_OBJECT_CLASS(klass)->finalize = gst_sl_fanout_finalize;
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  element_class->change_state = gst_sl_fanout_change_state;
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  gst_element_class_set_static_metadata(element_class, "Graph Fan-out", "Generic/Connector",
                                        "Hands a stream on to the branches of a graph",
                                        "The gst-streamlib authors");
}

static void gst_sl_fanout_init(GstSlFanout *self)
{
  self->core = new Fanout;
  self->sink = gst_pad_new_from_static_template(&sink_template, "sink");
  gst_pad_set_chain_function(self->sink, chain);
  gst_pad_set_chain_list_function(self->sink, chain_list);
  gst_pad_set_event_function(self->sink, sink_event);
  gst_pad_set_query_function(self->sink, sink_query);
  gst_pad_set_activatemode_function(self->sink, activate_mode);
  gst_element_add_pad(GST_ELEMENT(self), self->sink);
}

namespace streamlib::graph {

GstSlFanout *new_fanout(const char *name)
{
  return static_cast<GstSlFanout *>(g_object_new(GST_TYPE_SL_FANOUT, "name", name, nullptr));
}

GstPad *fanout_sink(GstSlFanout *self)
{
  return self->sink;
}

BranchPtr add_branch(GstSlFanout *self)
{
  unsigned number;
  {
    std::lock_guard lock(self->core->control);
    number = self->core->next_pad++;
  }
  const support::CStr name(g_strdup_printf("src_%u", number));
  GstPad *pad = gst_pad_new_from_static_template(&src_template, name.get());
  gst_pad_set_event_function(pad, src_event);
  auto branch = std::make_shared<Branch>(pad);
  gst_pad_set_active(pad, TRUE);
  gst_element_add_pad(GST_ELEMENT(self), pad);
  return branch;
}

void hold_fanout(GstSlFanout *self, bool hold)
{
  self->core->set_holds(hold);
}

void drop_in_fanout(GstSlFanout *self, bool drop)
{
  self->core->drops.store(drop);
}

void keep_eos(GstSlFanout *self, bool keep)
{
  self->core->keeps_eos.store(keep);
}

FanoutFigures figures_of(GstSlFanout *self)
{
  const Fanout &core = *self->core;
  return {core.buffers.load(), core.passed_nowhere.load(), core.list.is_inside()};
}

const support::StepTimer &timer_of(GstSlFanout *self)
{
  return self->core->timer;
}

const support::RunningMean &age_of(GstSlFanout *self)
{
  return self->core->age;
}

bool has_stream(GstSlFanout *self)
{
  return self->core->has_stream.load();
}

bool fanout_is_eos(GstSlFanout *self)
{
  return self->core->eos.load();
}

}  // namespace streamlib::graph
