// SPDX-License-Identifier: LGPL-2.1-or-later
// What the elements of a graph say, and what goes on to the application.
#include <algorithm>

#include "gst/streamlib/graph/engine.h"
#include "gst/streamlib/gstslprocessor.h"
#include "gst/streamlib/processor_state.h"
#include "gst/streamlib/thread_priority.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_graph_debug);
#define GST_CAT_DEFAULT gst_sl_graph_debug

namespace streamlib::graph {

using support::adopt_object;
using support::CStr;
using support::ErrorPtr;
using support::share_object;

namespace {

const char *name_of(GstSlPriority priority)
{
  switch (priority) {
    case GST_SL_PRIORITY_REALTIME:
      return "realtime";
    case GST_SL_PRIORITY_HIGH:
      return "high";
    default:
      return "normal";
  }
}

}  // namespace

// The node that an object inside of the bin belongs to; `child` is the bin's own child.
std::string Engine::owner_of(GstObject *object, GstElement **child) const
{
  GObjectPtr<GstObject> item = share_object(object);
  while (item) {
    {
      std::lock_guard lock(index_mutex_);
      const auto found = owners_.find(item.get());
      if (found != owners_.end()) {
        if (child != nullptr)
          *child = GST_ELEMENT(item.get());
        return found->second;
      }
    }
    item = adopt_object(gst_object_get_parent(item.get()));
  }
  return {};
}

bool Engine::take_message(GstMessage *message)
{
  switch (GST_MESSAGE_TYPE(message)) {
    case GST_MESSAGE_ERROR:
      return take_error(message);
    case GST_MESSAGE_WARNING:
    case GST_MESSAGE_INFO:
      if (auto shown = masked_message(message)) {
        gst_element_post_message(GST_ELEMENT(bin_), shown.release());
        return true;
      }
      return false;
    case GST_MESSAGE_EOS: {
      GstElement *child = nullptr;
      if (owner_of(GST_MESSAGE_SRC(message), &child).empty())
        return false;
      {
        std::lock_guard lock(index_mutex_);
        ended_sinks_.insert(child);
        eos_seqnum_ = gst_message_get_seqnum(message);
      }
      worker_.post([this] { check_eos(); });
      return true;
    }
    case GST_MESSAGE_STREAM_START: {
      GstElement *child = nullptr;
      if (!owner_of(GST_MESSAGE_SRC(message), &child).empty()) {
        std::lock_guard lock(index_mutex_);
        ended_sinks_.erase(child);
      }
      return false;
    }
    // A graph keeps the clock that it has: the clock of a node would go with the node.
    case GST_MESSAGE_CLOCK_PROVIDE:
    case GST_MESSAGE_CLOCK_LOST:
      return true;
    case GST_MESSAGE_LATENCY:
      note_latency();
      return true;
    case GST_MESSAGE_STATE_CHANGED: {
      GstElement *child = nullptr;
      const std::string id = owner_of(GST_MESSAGE_SRC(message), &child);
      if (id.empty() || GST_MESSAGE_SRC(message) != GST_OBJECT(child) || element(id).get() != child)
        return false;
      GstState state;
      gst_message_parse_state_changed(message, nullptr, &state, nullptr);
      events_.node("node-state-changed", id, gst_element_state_get_name(state));
      return false;
    }
    case GST_MESSAGE_STREAM_STATUS:
      take_stream_status(message);
      return false;
    default:
      return false;
  }
}

bool Engine::take_error(GstMessage *message)
{
  GstElement *child = nullptr;
  const std::string id = owner_of(GST_MESSAGE_SRC(message), &child);
  if (id.empty())
    return false;
  GError *error = nullptr;
  gchar *debug = nullptr;
  gst_message_parse_error(message, &error, &debug);
  const ErrorPtr held_error(error);
  const CStr held_debug(debug);
  const std::string why = masked(error->message);
  bool is_fresh;
  {
    std::lock_guard lock(index_mutex_);
    // The first one is the cause.
    auto &last = last_errors_[child];
    if (last.empty())
      last = why;
    is_fresh = fresh_.find(child) != fresh_.end() || hushed_.find(child) != hushed_.end();
  }
  GST_DEBUG_OBJECT(bin_, "%s: %s (%s)", id.c_str(), why.c_str(),
                   debug != nullptr ? masked(debug).c_str() : "no details");
  if (is_fresh || is_raising_.load())
    return true;
  pads_.keep_eos_of(child);
  worker_.post([this, id, child, why] {
    Node *node = running_.find(id);
    if (node != nullptr)
      node_failed(id, node->generation, why);
    std::lock_guard lock(index_mutex_);
    last_errors_.erase(child);
  });
  return true;
}

// In the thread that begins or ends: who is a stream of ours may not wait for us, and the threads
// of a node have its priority, also those that a foreign element starts.
void Engine::take_stream_status(GstMessage *message)
{
  GstStreamStatusType type;
  GstElement *owner = nullptr;
  gst_message_parse_stream_status(message, &type, &owner);
  GThread *thread = g_thread_self();
  if (type == GST_STREAM_STATUS_TYPE_LEAVE) {
    std::shared_ptr<ThreadPriority> held;
    {
      std::lock_guard lock(index_mutex_);
      const auto found = stream_threads_.find(thread);
      if (found != stream_threads_.end())
        held = std::move(found->second.priority);
      stream_threads_.erase(thread);
    }
    // The thread may belong to a pool.
    if (held)
      held->give_back();
    return;
  }
  if (type != GST_STREAM_STATUS_TYPE_ENTER)
    return;
  const std::string id = owner_of(GST_MESSAGE_SRC(message));
  GstSlPriority priority = GST_SL_PRIORITY_NORMAL;
  {
    std::lock_guard lock(index_mutex_);
    const auto found = priorities_.find(id);
    if (found != priorities_.end())
      priority = found->second;
  }
  StreamThread entry;
  entry.node = id;
  // As the thread itself is called.
  entry.figures.name = GST_OBJECT_NAME(owner);
  if (GST_IS_PAD(GST_MESSAGE_SRC(message)))
    entry.figures.name += std::string(":") + GST_OBJECT_NAME(GST_MESSAGE_SRC(message));
  entry.figures.id = Activity::own_thread_id();
  GstSlPriority granted = GST_SL_PRIORITY_NORMAL;
  // Processors see to their own.
  if (GST_IS_SL_PROCESSOR(owner)) {
    const ProcessorState &processor = ProcessorState::of(GST_SL_PROCESSOR(owner));
    priority = processor.priority.load();
    granted = processor.granted_priority();
  } else if (priority != GST_SL_PRIORITY_NORMAL) {
    entry.priority = std::make_shared<ThreadPriority>();
    const PriorityAnswer answer = entry.priority->ask(priority);
    granted = answer.granted;
    report_priority(owner, priority, answer);
  }
  entry.figures.priority_asked = name_of(priority);
  entry.figures.priority_granted = name_of(granted);
  std::lock_guard lock(index_mutex_);
  stream_threads_[thread] = std::move(entry);
}

NodeThreads Engine::threads() const
{
  NodeThreads result;
  std::lock_guard lock(index_mutex_);
  for (const auto &[thread, entry] : stream_threads_)
    result[entry.node].push_back(entry.figures);
  return result;
}

namespace {

void answer_latency(GstElement *bin, gpointer data)
{
  std::atomic<unsigned> &requests = **static_cast<std::shared_ptr<std::atomic<unsigned>> *>(data);
  unsigned seen = requests.load();
  do {
    gst_bin_recalculate_latency(GST_BIN(bin));
  } while (!requests.compare_exchange_strong(seen, 0));
}

}  // namespace

// Many elements ask at once: one answer for all.
void Engine::note_latency()
{
  if (latency_asked_.exchange(true))
    return;
  worker_.post_at(g_get_monotonic_time() + 20 * G_TIME_SPAN_MILLISECOND, [this] {
    latency_asked_.store(false);
    if (level_ < GST_STATE_PAUSED)
      return;
    GObjectPtr<GstObject> top = share_object(GST_OBJECT(bin_));
    while (auto parent = adopt_object(gst_object_get_parent(top.get())))
      top = std::move(parent);
    if (!GST_IS_BIN(top.get()))
      return;
    // It takes the state locks of all bins, and who holds those may be waiting for the worker, or
    // for long: then one thread waits, for all requests.
    if (latency_requests_->fetch_add(1) != 0)
      return;
    gst_element_call_async(
        GST_ELEMENT(top.get()), answer_latency, new std::shared_ptr(latency_requests_),
        [](gpointer data) { delete static_cast<std::shared_ptr<std::atomic<unsigned>> *>(data); });
  });
}

// The graph has ended when every sink that gets data has. One that is fed by nothing is not waited
// for.
void Engine::check_eos()
{
  if (level_ != GST_STATE_PLAYING)
    return;
  bool has_sink = false;
  std::vector<const void *> sinks;
  for (const auto &[id, node] : running_.nodes) {
    GstElement *element = node->element.get();
    if (!GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SINK) ||
        node->state == NodeState::Failed || node->state == NodeState::Quarantined)
      continue;
    if (running_.is_fed(*node))
      sinks.push_back(element);
  }
  guint32 seqnum;
  {
    std::lock_guard lock(index_mutex_);
    for (const void *sink : sinks) {
      if (ended_sinks_.find(sink) == ended_sinks_.end())
        return;
      has_sink = true;
    }
    // Sinks that were unlinked at their end count as well.
    if (!has_sink && ended_sinks_.empty())
      return;
    seqnum = eos_seqnum_;
    ended_sinks_.clear();
  }
  GstMessage *message = gst_message_new_eos(GST_OBJECT(bin_));
  if (seqnum != GST_SEQNUM_INVALID)
    gst_message_set_seqnum(message, seqnum);
  gst_element_post_message(GST_ELEMENT(bin_), message);
}

}  // namespace streamlib::graph
