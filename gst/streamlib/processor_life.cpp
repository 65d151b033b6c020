// SPDX-License-Identifier: LGPL-2.1-or-later
// A processor from set-up to teardown, and its pads.
#include <algorithm>

#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"
#include "gst/support/guards.h"

GST_DEBUG_CATEGORY_EXTERN(gst_sl_processor_debug);
#define GST_CAT_DEFAULT gst_sl_processor_debug

namespace streamlib {

using support::ErrorPtr;
using support::GObjectPtr;
using support::ObjectLock;
using support::share_object;

ProcessorState::ProcessorState(GstSlProcessor *element)
    : self_(element),
      task_(
          GST_ELEMENT_CAST(element), [this] { iterate(); }, [this] { kick(); })
{
  gst_segment_init(&own_segment_, GST_FORMAT_TIME);
}

ProcessorState::~ProcessorState() = default;

// --- READY to PAUSED ---

bool ProcessorState::setup()
{
  klass_ = GST_SL_PROCESSOR_GET_CLASS(self_);
  stopping.store(false);
  g_cancellable_reset(stop_cancellable_.get());
  error_reported_.store(false);
  end_asked_.store(false);
  kicked_.store(false);
  own_flow_ = GST_FLOW_OK;
  own_stream_ended_ = sink_stream_noted_ = gap_forwarded_ = false;
  own_stream_flushed_.store(false);
  gst_segment_init(&own_segment_, GST_FORMAT_TIME);
  seen_cookie_ = seen_links_cookie_ = 0;
  next_tick_ = 0;
  latency_.store(GST_CLOCK_TIME_NONE);
  for (auto *counter : {&steps_, &pushes_, &missed_ticks_, &late_joins_, &held_})
    counter->store(0);
  held_max_.store(0);
  timer_.clear();
  operation_began_ = 0;
  held_said_at_ = 0;
  watchdog_of(runtime()).add(this);

  GError *error = nullptr;
  activity.note_thread();
  Activity::Scope scope(activity, Activity::Phase::Setup);
  is_set_up_ = klass()->setup == nullptr || klass()->setup(self_, &error);
  if (is_set_up_)
    return true;
  const ErrorPtr owned(error);
  if (!error_reported_.load())
    report_error(error != nullptr ? error->domain : GST_LIBRARY_ERROR,
                 error != nullptr ? error->code : GST_LIBRARY_ERROR_INIT,
                 error != nullptr ? error->message : "The processor could not be set up.",
                 "setup failed");
  stopping.store(true);
  watchdog_of(runtime()).remove(this);
  return false;
}

bool ProcessorState::start()
{
  if (priority.load() != GST_SL_PRIORITY_NORMAL &&
      (execution.load() == GST_SL_EXECUTION_MANUAL ||
       scheduling.load() != GST_SL_SCHEDULING_DEDICATED))
    report_priority(
        element(), priority.load(),
        {GST_SL_PRIORITY_NORMAL, "only scheduling=dedicated has a thread to give it to"});
  if (execution.load() == GST_SL_EXECUTION_MANUAL) {
    GError *error = nullptr;
    Activity::Scope scope(activity, Activity::Phase::Start);
    if (klass()->start == nullptr || klass()->start(self_, &error))
      return true;
    const ErrorPtr owned(error);
    if (!error_reported_.load())
      report_error(error != nullptr ? error->domain : GST_LIBRARY_ERROR,
                   error != nullptr ? error->code : GST_LIBRARY_ERROR_INIT,
                   error != nullptr ? error->message : "The processor could not be started.",
                   "start failed");
    return false;
  }
  if (!check_awaits())
    return false;
  if (is_inline() || start_runner())
    return true;
  report_error(GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT,
               "No thread could be started for the processor. Look at the limits of the system; a "
               "process that was forked has none of the threads of the first one.",
               "the runner did not start");
  return false;
}

bool ProcessorState::start_runner()
{
  switch (scheduling.load()) {
    case GST_SL_SCHEDULING_POOLED: {
      std::shared_ptr<JobHost> executor = executor_of(runtime())->join();
      return executor != nullptr && start_job(std::move(executor));
    }
    case GST_SL_SCHEDULING_ASYNC: {
      const std::shared_ptr<IoHost> host = io_host_of(runtime());
      if (host == nullptr)
        return false;
      io_context_ = host->context();
      return start_job(host);
    }
    default:
      runner_.store(&task_);
      task_.set_priority(priority.load());
      return task_.start();
  }
}

bool ProcessorState::start_job(std::shared_ptr<JobHost> host)
{
  if (job_ == nullptr || job_->host() != host.get()) {
    auto job = std::make_shared<StepJob>(*this, parker, std::move(host));
    ObjectLock lock(self_);
    // A flush may still be at work with the one before, which it holds.
    std::swap(job_, job);
  }
  runner_.store(job_.get());
  return job_->start();
}

std::shared_ptr<StepRunner> ProcessorState::shared_runner()
{
  ObjectLock lock(self_);
  // The task lives as long as the element.
  if (runner_.load() == &task_)
    return {std::shared_ptr<void>(), &task_};
  return job_;
}

GObjectPtr<GstSlRuntime> ProcessorState::shared_runtime() const
{
  ObjectLock lock(self_);
  return runtime_;
}

void ProcessorState::set_runtime(GObjectPtr<GstSlRuntime> runtime)
{
  // What was there before ends outside of the lock.
  ObjectLock lock(self_);
  std::swap(runtime_, runtime);
}

// --- PAUSED to READY ---

void ProcessorState::begin_stop()
{
  stopping.store(true);
  g_cancellable_cancel(stop_cancellable_.get());
  for (const auto &link : link_pads())
    LinkPadState::of(link.get()).link().close();
  runner_.load()->request_stop();
}

void ProcessorState::finish_stop()
{
  {
    Activity::UrgentScope urgent(activity);
    StepRunner *runner = runner_.load();
    if (execution.load() == GST_SL_EXECUTION_MANUAL && klass()->stop != nullptr && is_set_up_) {
      Activity::Scope scope(activity, Activity::Phase::Stop);
      klass()->stop(self_);
    }
    {
      const DispatchQueue::WaitScope waiting(dispatch_queue_of(runtime()), runner->thread());
      runner->finish();
    }
    end_operation();
    if (is_set_up_ && klass()->teardown != nullptr) {
      Activity::Scope scope(activity, Activity::Phase::Teardown);
      klass()->teardown(self_);
    }
  }
  if (is_set_up_)
    watchdog_of(runtime()).remove(this);
  is_set_up_ = false;
  links_.clear();
  outs_.clear();
  seen_cookie_ = seen_links_cookie_ = 0;
}

void ProcessorState::set_playing(bool playing)
{
  clock.set_playing(playing, gst_element_get_base_time(element()));
  kick();
}

void ProcessorState::set_paused(bool paused)
{
  paused_.store(paused);
  for (const auto &link : link_pads())
    LinkPadState::of(link.get()).set_paused(paused);
  kick();
}

// --- Pads ---

void ProcessorState::pad_added(GstPad *pad)
{
  if (GST_IS_SL_LINK_PAD(pad)) {
    LinkPadState::of(GST_SL_LINK_PAD(pad)).set_processor(this);
    link_count_++;
  }
  news_cookie_++;
  kick();
}

void ProcessorState::pad_removed(GstPad *pad)
{
  if (GST_IS_SL_LINK_PAD(pad)) {
    LinkPadState::of(GST_SL_LINK_PAD(pad)).link().close();
    link_count_--;
  }
  news_cookie_++;
  kick();
}

std::vector<GObjectPtr<GstSlLinkPad>> ProcessorState::link_pads() const
{
  std::vector<GObjectPtr<GstSlLinkPad>> pads;
  ObjectLock lock(self_);
  for (GList *item = element()->sinkpads; item != nullptr; item = item->next) {
    if (GST_IS_SL_LINK_PAD(item->data))
      pads.push_back(share_object(GST_SL_LINK_PAD(item->data)));
  }
  return pads;
}

std::vector<GObjectPtr<GstPad>> ProcessorState::src_pads() const
{
  std::vector<GObjectPtr<GstPad>> pads;
  ObjectLock lock(self_);
  for (GList *item = element()->srcpads; item != nullptr; item = item->next)
    pads.push_back(share_object(GST_PAD(item->data)));
  return pads;
}

void ProcessorState::reload_links()
{
  seen_links_cookie_ = news_cookie_.load(std::memory_order_acquire);
  links_ = link_pads();
}

void ProcessorState::refresh_outs()
{
  seen_cookie_ = news_cookie_.load(std::memory_order_acquire);
  std::vector<OutPad> outs;
  for (auto &pad : src_pads()) {
    const auto known = std::find_if(outs_.begin(), outs_.end(),
                                    [&pad](const OutPad &out) { return out.pad == pad; });
    outs.push_back({pad, known != outs_.end() && known->is_open});
  }
  outs_ = std::move(outs);
  if (own_stream_flushed_.exchange(false)) {
    own_stream_ended_ = sink_stream_noted_ = false;
    own_flow_ = GST_FLOW_OK;
    for (OutPad &out : outs_)
      out.is_open = false;
  }
  if (own_flow_forgiven_.exchange(false) && own_flow_ == GST_FLOW_NOT_LINKED)
    own_flow_ = GST_FLOW_OK;
}

// --- Messages ---

void ProcessorState::report_error(GQuark domain, int code, const char *text, const char *debug)
{
  error_reported_.store(true);
  gst_element_message_full(element(), GST_MESSAGE_ERROR, domain, code, g_strdup(text),
                           g_strdup(debug), __FILE__, GST_FUNCTION, __LINE__);
}

support::StructurePtr ProcessorState::stats() const
{
  const auto links = link_pads();
  const bool is_single = !has_own_stream() && links.size() == 1;
  support::StructurePtr stats(
      is_single ? LinkPadState::of(links[0].get()).stats().release()
                : gst_structure_new_empty("application/x-streamlib-processor-stats"));
  if (!is_single) {
    for (const auto &link : links) {
      const support::StructurePtr figures = LinkPadState::of(link.get()).stats();
      gst_structure_set(stats.get(), GST_OBJECT_NAME(link.get()), GST_TYPE_STRUCTURE, figures.get(),
                        nullptr);
    }
  }
  const int64_t measured_at = timer_.measured_at();
  const guint64 measured_ago = measured_at != 0
                                   ? static_cast<guint64>(support::monotonic_ns() - measured_at)
                                   : GST_CLOCK_TIME_NONE;
  gst_structure_set(stats.get(), "processing-p50", G_TYPE_UINT64, timer_.took().quantile(0.5),
                    "processing-p99", G_TYPE_UINT64, timer_.took().quantile(0.99), "processing-max",
                    G_TYPE_UINT64, timer_.took().max(), "processing-sampled", G_TYPE_UINT,
                    timer_.every(), "processing-measured-ago", G_TYPE_UINT64, measured_ago,
                    "thread-id", G_TYPE_INT64, activity.thread_id(), nullptr);
  gst_structure_set(stats.get(), "steps", G_TYPE_UINT64, steps_.load(), "missed-ticks",
                    G_TYPE_UINT64, missed_ticks_.load(), "late-joins", G_TYPE_UINT64,
                    late_joins_.load(), "io-held", G_TYPE_UINT64, held_.load(), "io-held-max",
                    G_TYPE_UINT64, static_cast<guint64>(held_max_.load()), "priority",
                    GST_TYPE_SL_PRIORITY, priority.load(), "priority-granted", GST_TYPE_SL_PRIORITY,
                    task_.granted_priority(), nullptr);
  return stats;
}

void ProcessorState::post_drops()
{
  for (const auto &link : link_pads())
    LinkPadState::of(link.get()).post_drops(element());
}

}  // namespace streamlib
