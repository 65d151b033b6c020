// SPDX-License-Identifier: LGPL-2.1-or-later
#include "ext/webrtc/session/session_closer.h"

#include <utility>

#include "gst/support/guards.h"

namespace streamlib::webrtc {

using support::MutexLock;

namespace {

constexpr gint64 kPatienceUs = 500 * 1000;
constexpr gint64 kLimitUs = 1500 * 1000;

// Shared by who waits and the threads that do what may wait for a consumer.
struct Closing {
  Closing()
  {
    g_mutex_init(&mutex);
    g_cond_init(&changed);
  }
  ~Closing()
  {
    g_cond_clear(&changed);
    g_mutex_clear(&mutex);
  }
  Closing(const Closing &) = delete;
  Closing &operator=(const Closing &) = delete;

  // False when `end` came before.
  template <typename Condition>
  bool wait_until(gint64 end, Condition holds)
  {
    const MutexLock lock(mutex);
    while (!holds())
      if (!g_cond_wait_until(&changed, &mutex, end))
        return holds();
    return true;
  }

  std::shared_ptr<SessionCore> core;

  // A leaf; guards what follows.
  GMutex mutex;
  GCond changed;
  std::vector<std::shared_ptr<ReceiveOutput>> flushed;
  size_t flushes_under_way = 0;
  bool is_closed = false;
  bool is_over = false;
};

struct Flush {
  std::shared_ptr<Closing> closing;
  std::shared_ptr<ReceiveOutput> output;
};

template <typename Job>
void run_in_thread(const char *name, void (*run)(Job &), Job job)
{
  struct Call {
    void (*run)(Job &);
    Job job;
  };
  GThread *thread = g_thread_new(
      name,
      [](gpointer data) -> gpointer {
        const std::unique_ptr<Call> call(static_cast<Call *>(data));
        call->run(call->job);
        return nullptr;
      },
      new Call{run, std::move(job)});
  g_thread_unref(thread);
}

void close_and_unflush(std::shared_ptr<Closing> &closing)
{
  closing->core->close();
  closing->core.reset();
  std::vector<std::shared_ptr<ReceiveOutput>> flushed;
  {
    const MutexLock lock(closing->mutex);
    closing->is_closed = true;
    // A flush that a consumer takes its time for: its thread is ours too.
    while (closing->flushes_under_way > 0)
      g_cond_wait(&closing->changed, &closing->mutex);
    std::swap(flushed, closing->flushed);
  }
  for (const auto &output : flushed)
    output->end_flush();
  const MutexLock lock(closing->mutex);
  closing->is_over = true;
  g_cond_broadcast(&closing->changed);
}

void flush(Flush &job)
{
  job.output->begin_flush();
  const MutexLock lock(job.closing->mutex);
  job.closing->flushes_under_way--;
  g_cond_broadcast(&job.closing->changed);
}

// Those whose consumers do not return; none where the session is closed meanwhile.
std::vector<std::shared_ptr<ReceiveOutput>> flush_busy_ones(
    const std::shared_ptr<Closing> &closing,
    const std::vector<std::shared_ptr<ReceiveOutput>> &outputs)
{
  std::vector<std::shared_ptr<ReceiveOutput>> busy;
  for (const auto &output : outputs)
    if (output->is_busy())
      busy.push_back(output);
  {
    const MutexLock lock(closing->mutex);
    if (closing->is_closed)
      return {};
    for (const auto &output : busy)
      output->hold();
    closing->flushed = busy;
    closing->flushes_under_way = busy.size();
  }
  for (const auto &output : busy)
    run_in_thread<Flush>("sl-rtc-flush", flush, {closing, output});
  return busy;
}

}  // namespace

std::vector<std::shared_ptr<ReceiveOutput>> close_core(
    std::shared_ptr<SessionCore> core, std::vector<std::shared_ptr<ReceiveOutput>> outputs)
{
  const gint64 begin = g_get_monotonic_time();
  const auto closing = std::make_shared<Closing>();
  core->cut_off();
  closing->core = std::move(core);
  run_in_thread<std::shared_ptr<Closing>>("sl-rtc-close", close_and_unflush, closing);
  const auto is_over = [&] { return closing->is_over; };
  if (closing->wait_until(begin + kPatienceUs, is_over))
    return {};
  auto busy = flush_busy_ones(closing, outputs);
  if (closing->wait_until(begin + kLimitUs, is_over))
    return {};
  return busy;
}

}  // namespace streamlib::webrtc
