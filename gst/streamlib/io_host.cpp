// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/io_host.h"

#include <utility>

#include "gst/support/futex.h"

namespace streamlib {

using support::kNoDeadline;
using support::monotonic_ns;

namespace {

// How long one dispatch goes on to begin turns.
constexpr int64_t kShareNs = 1000 * 1000;
constexpr int64_t kNsPerUs = 1000;

}  // namespace

struct IoHost::Source {
  GSource source;
  std::shared_ptr<IoHost> host;

  static Source *of(GSource *source) { return reinterpret_cast<Source *>(source); }
  static gboolean prepare(GSource *source, gint *timeout)
  {
    *timeout = -1;
    IoHost &host = *of(source)->host;
    // Before the look: either this thread sees the job, or who brings it sees another thread here.
    host.serving_.store(g_thread_self(), std::memory_order_seq_cst);
    return host.has_jobs();
  }
  static gboolean check(GSource *source) { return of(source)->host->has_jobs(); }
  static gboolean dispatch(GSource *source, GSourceFunc, gpointer)
  {
    // A job may end the runtime, and the source with it.
    const std::shared_ptr<IoHost> host = of(source)->host;
    host->dispatch();
    return G_SOURCE_CONTINUE;
  }
  static void finalize(GSource *source) { std::destroy_at(&of(source)->host); }
};

std::shared_ptr<IoHost> IoHost::create(GMainContext *context)
{
  static GSourceFuncs functions = {Source::prepare,  Source::check, Source::dispatch,
                                   Source::finalize, nullptr,       nullptr};
  std::shared_ptr<IoHost> host(new IoHost(context));
  GSource *source = g_source_new(&functions, sizeof(Source));
  std::construct_at(&Source::of(source)->host, host);
  g_source_set_name(source, "streamlib async processors");
  g_source_attach(source, context);
  host->source_ = source;
  return host;
}

IoHost::~IoHost()
{
  g_main_context_unref(context_);
}

void IoHost::close()
{
  if (GSource *source = std::exchange(source_, nullptr)) {
    g_source_destroy(source);
    g_source_unref(source);
  }
  // Jobs hold the host, and these hold jobs.
  const auto drop_all = [](StepJob *job) {
    while (job != nullptr)
      std::exchange(job, job->next)->queued_self.reset();
  };
  drop_all(std::exchange(batch_, nullptr));
  drop_all(list_.take_all());
  wheel_.clear();
}

// RT
// The thread that serves the context looks at the list before it sleeps: what comes from a source
// of the context, such as a socket's, needs no wake-up, which would be two system calls.
void IoHost::submit(StepJob &job)
{
  if (list_.push(&job) && serving_.load(std::memory_order_seq_cst) != g_thread_self())
    g_main_context_wakeup(context_);
}

void IoHost::dispatch()
{
  const int64_t begin = monotonic_ns();
  wheel_.advance(begin, [](const std::shared_ptr<StepJob> &job) { job->wake_at_deadline(); });
  if (batch_ == nullptr)
    batch_ = list_.take_all();
  while (batch_ != nullptr) {
    // It may be queued anew by its own turn.
    std::exchange(batch_, batch_->next)->run();
    if (monotonic_ns() - begin >= kShareNs)
      break;
  }
  const int64_t next = wheel_.next_ns();
  if (source_ != nullptr)
    g_source_set_ready_time(source_, next == kNoDeadline ? -1 : next / kNsPerUs + 1);
}

}  // namespace streamlib
