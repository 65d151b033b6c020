// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/graph/worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "gst/streamlib/dispatch_queue.h"

namespace streamlib::graph {

namespace {

std::chrono::microseconds left_until(int64_t time)
{
  return std::chrono::microseconds(std::max<int64_t>(time - g_get_monotonic_time(), 0));
}

}  // namespace

bool Worker::post(Job job)
{
  std::lock_guard lock(mutex_);
  if (ended_)
    return false;
  jobs_.push_back(std::move(job));
  // A graph that nobody edits has no thread.
  const auto run = [](gpointer self) -> gpointer {
    static_cast<Worker *>(self)->run();
    return nullptr;
  };
  if (thread_ == nullptr)
    thread_ = g_thread_try_new("sl-graph", run, this, nullptr);
  if (thread_ == nullptr) {
    jobs_.pop_back();
    return false;
  }
  changed_.notify_all();
  return true;
}

void Worker::post_at(int64_t time, Job job)
{
  {
    std::lock_guard lock(mutex_);
    if (ended_)
      return;
    timers_.emplace(time, std::move(job));
    changed_.notify_all();
  }
  post([] {});
}

void Worker::begin_pause(bool cancels)
{
  std::unique_lock lock(mutex_);
  pauses_++;
  if (cancels)
    cancelled_.store(true);
  changed_.notify_all();
  if (!is_current())
    changed_.wait(lock, [this] { return !is_running_job_; });
}

void Worker::end_pause()
{
  std::lock_guard lock(mutex_);
  if (--pauses_ == 0)
    cancelled_.store(false);
  changed_.notify_all();
}

void Worker::sleep_until(int64_t time)
{
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, left_until(time), [this] { return cancelled_.load(); });
}

void Worker::end()
{
  std::deque<Job> jobs;
  std::multimap<int64_t, Job> timers;
  GThread *thread;
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
    cancelled_.store(true);
    jobs.swap(jobs_);
    timers.swap(timers_);
    thread = std::exchange(thread_, nullptr);
    changed_.notify_all();
  }
  if (thread != nullptr && thread != g_thread_self())
    g_thread_join(thread);
  else if (thread != nullptr)
    g_thread_unref(thread);
}

void Worker::run()
{
  id_.store(g_thread_self());
  const DispatchQueue::WorkScope works(whom_);
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (pauses_ == 0 && !timers_.empty() && timers_.begin()->first <= g_get_monotonic_time()) {
      jobs_.push_back(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
    if (pauses_ > 0 || jobs_.empty()) {
      if (pauses_ == 0 && !timers_.empty())
        changed_.wait_for(lock, left_until(timers_.begin()->first));
      else
        changed_.wait(lock);
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    is_running_job_ = true;
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
    is_running_job_ = false;
    changed_.notify_all();
  }
}

}  // namespace streamlib::graph
