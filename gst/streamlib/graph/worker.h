// SPDX-License-Identifier: LGPL-2.1-or-later
// The one thread that changes a graph: jobs in order, and timers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

#include <gst/gst.h>

namespace streamlib::graph {

class Worker {
public:
  using Job = std::function<void()>;

  // `whom` is told to the dispatchers that the worker's jobs call.
  explicit Worker(const void *whom) : whom_(whom) {}
  Worker(const Worker &) = delete;
  Worker &operator=(const Worker &) = delete;
  // Runs what is queued no more.
  ~Worker() { end(); }

  // Any thread. False when the worker has ended: the job is dropped.
  bool post(Job job);
  // Any thread: a job at a time of the monotonic clock, in microseconds.
  void post_at(int64_t time, Job job);
  // Whether the caller is the worker.
  bool is_current() const { return g_thread_self() == id_.load(); }

  // From begin to end no job runs; it waits for the one that runs, which `cancels` asks to give up.
  void begin_pause(bool cancels);
  void end_pause();
  // Job: whether it should give up, because somebody waits who stops the graph.
  bool is_cancelled() const { return cancelled_.load(); }
  // Job: until a time of the monotonic clock, in microseconds, or a cancellation.
  void sleep_until(int64_t time);

  void end();

private:
  void run();

  const void *const whom_;
  // Guards all of the following but the atomics. No job and no callback runs under it.
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::multimap<int64_t, Job> timers_;
  GThread *thread_ = nullptr;
  std::atomic<GThread *> id_ = nullptr;
  std::atomic<bool> cancelled_ = false;
  unsigned pauses_ = 0;
  bool is_running_job_ = false;
  bool ended_ = false;
};

}  // namespace streamlib::graph
