// SPDX-License-Identifier: LGPL-2.1-or-later
// What a fan-out keeps, and how its streaming thread and its control threads share it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "gst/streamlib/graph/fanout.h"
#include "gst/support/guards.h"

namespace streamlib::graph {

using BranchList = std::vector<BranchPtr>;
using ListPtr = std::shared_ptr<const BranchList>;

// The list of branches as the streaming thread reads it: control threads exchange it whole, and
// keep an old one as long as the streaming thread may be inside.
class PublishedList {
public:
  PublishedList() : current_(std::make_shared<const BranchList>()), raw_(current_.get()) {}

  // Streaming thread only; until leave().
  const BranchList &enter()
  {
    const BranchList *list = raw_.load();
    for (;;) {
      reading_.store(list);
      const BranchList *again = raw_.load();
      if (again == list)
        return *list;
      list = again;
    }
  }
  void leave() { reading_.store(nullptr); }
  // Any thread.
  bool is_inside() const { return reading_.load(std::memory_order_relaxed) != nullptr; }

  // Any thread: the streaming thread does not stand in a list that was current before.
  bool is_left() const
  {
    const BranchList *reading = reading_.load();
    return reading == nullptr || reading == raw_.load();
  }

  // Control threads, one at a time.
  const ListPtr &current() const { return current_; }
  void publish(BranchList list)
  {
    old_.push_back(current_);
    current_ = std::make_shared<const BranchList>(std::move(list));
    raw_.store(current_.get());
    forget();
  }

private:
  void forget()
  {
    const BranchList *inside = reading_.load();
    std::erase_if(old_, [&](const ListPtr &list) { return list.get() != inside; });
  }

  ListPtr current_;
  std::vector<ListPtr> old_;
  std::atomic<const BranchList *> raw_;
  std::atomic<const BranchList *> reading_ = nullptr;
};

struct Fanout {
  PublishedList list;
  // Guards the control side of `list`, and next_pad. Not taken by the streaming thread.
  std::mutex control;
  unsigned next_pad = 0;

  // What the streaming thread is in; it looks at Branch::detached after it has set this.
  std::atomic<const Branch *> inside = nullptr;
  std::atomic<uint64_t> buffers = 0;
  std::atomic<uint64_t> passed_nowhere = 0;
  std::atomic<bool> drops = false;
  std::atomic<bool> eos = false;
  std::atomic<bool> keeps_eos = false;
  std::atomic<guint32> last_seek = GST_SEQNUM_INVALID;
  std::atomic<bool> has_stream = false;

  // Filled by the streaming thread.
  support::StepTimer timer;
  support::RunningMean age;
  GstSegment segment;

  std::atomic<bool> holds = false;
  std::atomic<bool> flushing = true;
  GMutex hold_mutex;  // Guards the wait for `holds` alone.
  GCond hold_cond;

  Fanout()
  {
    g_mutex_init(&hold_mutex);
    g_cond_init(&hold_cond);
    gst_segment_init(&segment, GST_FORMAT_UNDEFINED);
  }
  ~Fanout()
  {
    g_cond_clear(&hold_cond);
    g_mutex_clear(&hold_mutex);
  }

  void set_holds(bool value)
  {
    support::MutexLock lock(hold_mutex);
    holds.store(value);
    g_cond_broadcast(&hold_cond);
  }
  void set_flushing(bool value)
  {
    support::MutexLock lock(hold_mutex);
    flushing.store(value);
    g_cond_broadcast(&hold_cond);
  }
  // False when it is flushing.
  bool wait_while_held()
  {
    if (holds.load(std::memory_order_relaxed)) {
      support::MutexLock lock(hold_mutex);
      while (holds.load() && !flushing.load())
        g_cond_wait(&hold_cond, &hold_mutex);
    }
    return !flushing.load(std::memory_order_relaxed);
  }
};

// The flow of all branches as one: the stream ends when every branch has ended.
class CombinedFlow {
public:
  void add(GstFlowReturn flow)
  {
    all_eos_ = (is_empty_ || all_eos_) && flow == GST_FLOW_EOS;
    is_empty_ = false;
  }
  GstFlowReturn value() const { return all_eos_ ? GST_FLOW_EOS : GST_FLOW_OK; }

private:
  bool is_empty_ = true;
  bool all_eos_ = false;
};

}  // namespace streamlib::graph

struct _GstSlFanout {
  GstElement parent;
  GstPad *sink;
  streamlib::graph::Fanout *core;
};
