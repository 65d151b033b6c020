// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/parallel.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "gst/streamlib/dispatch_queue.h"

namespace streamlib::graph {

using support::GObjectPtr;

bool start_background(const char *name, std::function<void()> function)
{
  // It works for whom its maker works for.
  auto *own = new std::function<void()>(
      [whom = DispatchQueue::WorkScope::current(), function = std::move(function)] {
        const DispatchQueue::WorkScope works(whom);
        function();
      });
  const auto run = [](gpointer data) -> gpointer {
    const std::unique_ptr<std::function<void()>> own(static_cast<std::function<void()> *>(data));
    (*own)();
    return nullptr;
  };
  GThread *thread = g_thread_try_new(name, run, own, nullptr);
  if (thread == nullptr) {
    delete own;
    return false;
  }
  g_thread_unref(thread);
  return true;
}

namespace {

// Some say on the way down that they failed, and are on their way all the same: the second attempt
// takes them the rest of it.
GstStateChangeReturn change_state(GstElement *element, GstState target)
{
  const GstStateChangeReturn result = gst_element_set_state(element, target);
  if (result != GST_STATE_CHANGE_FAILURE || GST_STATE(element) <= target)
    return result;
  return gst_element_set_state(element, target);
}

}  // namespace

struct ParallelStates::Shared {
  std::vector<GObjectPtr<GstElement>> elements;
  GstState target;
  // Guards the rest. No element is touched under it.
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<StateResult> results;
  size_t next = 0;
  size_t done = 0;
  unsigned threads = 0;  // Only touched by the thread that owns the run.
  int64_t last_progress = 0;
  bool abandoned = false;
};

ParallelStates::ParallelStates(std::vector<GObjectPtr<GstElement>> elements, GstState target)
    : shared_(std::make_shared<Shared>())
{
  shared_->elements = std::move(elements);
  shared_->target = target;
  shared_->results.assign(shared_->elements.size(), StateResult::Waiting);
  shared_->last_progress = g_get_monotonic_time();
  const size_t number = std::min<size_t>(kParallel, shared_->elements.size());
  for (size_t i = 0; i < number; i++)
    add_thread();
}

ParallelStates::~ParallelStates()
{
  give_up();
}

bool ParallelStates::wait(int64_t until, const std::function<bool()> &cancelled)
{
  for (;;) {
    {
      std::unique_lock lock(shared_->mutex);
      if (shared_->done == shared_->elements.size())
        return true;
      const int64_t left = until - g_get_monotonic_time();
      if (left <= 0)
        return false;
      const size_t before = shared_->done;
      shared_->changed.wait_for(lock, std::chrono::microseconds(std::min<int64_t>(left, 100000)),
                                [&] { return shared_->done != before; });
    }
    if (cancelled && cancelled())
      return false;
    relieve();
  }
}

std::vector<StateResult> ParallelStates::give_up()
{
  std::lock_guard lock(shared_->mutex);
  shared_->abandoned = true;
  return shared_->results;
}

void ParallelStates::relieve()
{
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->next == shared_->elements.size() ||
        g_get_monotonic_time() - shared_->last_progress < 200 * G_TIME_SPAN_MILLISECOND)
      return;
    shared_->last_progress = g_get_monotonic_time();
  }
  add_thread();
}

void ParallelStates::add_thread()
{
  if (start_background("sl-graph-state", [shared = shared_] { work(shared); }))
    shared_->threads++;
  else if (shared_->threads == 0)
    work(shared_);
}

void ParallelStates::work(const std::shared_ptr<Shared> &shared)
{
  for (;;) {
    size_t index;
    bool abandoned;
    {
      std::lock_guard lock(shared->mutex);
      if (shared->next == shared->elements.size())
        return;
      index = shared->next++;
      abandoned = shared->abandoned;
    }
    GstElement *element = shared->elements[index].get();
    // What was to be set up is not touched any more; what was to stop is not left running.
    if (abandoned && GST_STATE(element) <= shared->target)
      continue;
    const GstStateChangeReturn result = change_state(element, shared->target);
    {
      std::lock_guard lock(shared->mutex);
      abandoned = shared->abandoned;
      shared->results[index] =
          result == GST_STATE_CHANGE_FAILURE ? StateResult::Failed : StateResult::Reached;
      shared->done++;
      shared->last_progress = g_get_monotonic_time();
      shared->changed.notify_all();
    }
    // It was given up long ago: nobody else ends it.
    if (abandoned)
      change_state(element, GST_STATE_NULL);
  }
}

void retire_in_background(GObjectPtr<GstElement> element, std::function<void()> done)
{
  const auto retire = [element = std::move(element), done = std::move(done)] {
    change_state(element.get(), GST_STATE_NULL);
    done();
  };
  if (!start_background("sl-graph-retire", retire))
    retire();
}

struct PadRelease::Shared {
  std::mutex mutex;
  std::condition_variable changed;
  bool is_done = false;
};

PadRelease::PadRelease(GObjectPtr<GstElement> element, GObjectPtr<GstPad> pad)
    : shared_(std::make_shared<Shared>())
{
  const auto release = [element = std::move(element), pad = std::move(pad), shared = shared_] {
    gst_element_release_request_pad(element.get(), pad.get());
    const std::lock_guard lock(shared->mutex);
    shared->is_done = true;
    shared->changed.notify_all();
  };
  if (!start_background("sl-graph-pad", release))
    release();
}

bool PadRelease::wait(int64_t until)
{
  std::unique_lock lock(shared_->mutex);
  const std::chrono::microseconds limit(std::max<int64_t>(0, until - g_get_monotonic_time()));
  return shared_->changed.wait_for(lock, limit, [this] { return shared_->is_done; });
}

EventSent send_in_background(GObjectPtr<GstPad> pad, GstEvent *event)
{
  auto sent = std::make_shared<std::atomic<bool>>(false);
  const auto send = [pad = std::move(pad), event, sent] {
    gst_pad_send_event(pad.get(), event);
    sent->store(true);
  };
  if (!start_background("sl-graph-event", send))
    send();
  return sent;
}

}  // namespace streamlib::graph
