// SPDX-License-Identifier: LGPL-2.1-or-later
// What stands behind a GstSlProcessor.
//
// "Worker" is the thread that runs the steps: the processor's own task or, with inline scheduling,
// the pushing thread. The element's object lock guards the lists of pads, never across a call.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include <gio/gio.h>
#include <gst/gst.h>

#include "gst/streamlib/activity.h"
#include "gst/streamlib/async_operation.h"
#include "gst/streamlib/gstslprocessor.h"
#include "gst/streamlib/link_pad_state.h"
#include "gst/streamlib/processor_clock.h"
#include "gst/streamlib/step_job.h"
#include "gst/streamlib/step_task.h"
#include "gst/support/ownership.h"
#include "gst/support/parker.h"
#include "gst/support/pointer_ring.h"
#include "gst/support/step_timer.h"

namespace streamlib {

// A source pad as the worker knows it.
struct OutPad {
  support::GObjectPtr<GstPad> pad;
  // The events that open a stream of the processor's own are out.
  bool is_open = false;
};

class ProcessorState final : public Steps {
public:
  explicit ProcessorState(GstSlProcessor *element);
  ProcessorState(const ProcessorState &) = delete;
  ProcessorState &operator=(const ProcessorState &) = delete;
  ~ProcessorState();

  static ProcessorState &of(GstSlProcessor *element);

  GstSlProcessor *self() const { return self_; }
  GstElement *element() const { return GST_ELEMENT_CAST(self_); }
  // From setup() on. RT: the element's own pointer to it stands beside the reference count, which
  // every push from upstream changes.
  GstSlProcessorClass *klass() const { return klass_; }

  // --- Settings. Any thread.
  std::atomic<GstSlExecution> execution = GST_SL_EXECUTION_REACTIVE;
  std::atomic<GstSlScheduling> scheduling = GST_SL_SCHEDULING_DEDICATED;
  std::atomic<GstSlPriority> priority = GST_SL_PRIORITY_NORMAL;
  std::atomic<GstClockTime> interval = 10 * GST_MSECOND;
  std::atomic<bool> live = false;
  std::atomic<GstClockTime> own_latency = 0;
  bool is_inline() const { return scheduling.load() == GST_SL_SCHEDULING_INLINE; }
  bool is_async() const { return scheduling.load() == GST_SL_SCHEDULING_ASYNC; }
  bool is_paused() const { return paused_.load(); }
  void set_paused(bool paused);

  // --- The life of the element. The state-changing thread (processor_life.cpp).
  bool setup();
  bool start();
  void begin_stop();
  void finish_stop();
  void set_playing(bool playing);
  bool is_worker_thread() const { return runner_.load()->is_own_thread(); }
  std::atomic<bool> stopping = true;
  // Cancelled while the element is not in PAUSED or PLAYING. For as long as the element lives.
  GCancellable *stop_cancellable() const { return stop_cancellable_.get(); }

  // --- Pads. Any thread.
  void pad_added(GstPad *pad);
  void pad_removed(GstPad *pad);
  unsigned link_count() const { return link_count_.load(std::memory_order_relaxed); }
  // With one link pad the stream of that pad goes on; with none or several the processor opens and
  // ends a stream of its own. Which of these it is does not change while pads come and go.
  bool has_own_stream() const { return joins_ || link_count() != 1; }
  // Said once, before there are pads.
  void set_joins() { joins_ = true; }
  bool takes_lists() const
  {
    return !has_own_stream() && execution.load() == GST_SL_EXECUTION_REACTIVE && !awaits();
  }
  std::vector<support::GObjectPtr<GstSlLinkPad>> link_pads() const;
  std::vector<support::GObjectPtr<GstPad>> src_pads() const;

  // --- Steps. Worker (processor_step.cpp, processor_join.cpp).
  GstSlStep step(int64_t *wait_until);
  GstSlStep take_step(int64_t *wait_until) override;
  void note_standstill(unsigned blocked, unsigned max_spares) override;
  bool has_work() override
  {
    // What comes into the links has to wait for an operation that is under way.
    return kicked_.load() ||
           ((!is_awaiting_.load(std::memory_order_relaxed) || awaits_pad()) && has_news());
  }
  // Handles the events and queries at the head; false when there were none.
  bool serve_head(LinkPadState &pad);
  // The process method for one buffer, and the push of what it gives back.
  GstFlowReturn call_process(GstSlLinkPad *pad, GstBuffer *input);
  // Pushes what process gave back, and says how the step went.
  GstFlowReturn give_output(GstFlowReturn flow, GstBuffer *output);
  GstFlowReturn chain_inline(LinkPadState &pad, GstMiniObject *data);
  bool handle_event(LinkPadState &pad, GstEvent *event);
  bool handle_query(LinkPadState &pad, GstQuery *query);
  bool default_sink_event(LinkPadState &pad, GstEvent *event);
  bool default_set_caps(GstCaps *caps);
  void note_pop() { pops_++; }
  // The step under way is one of those that are measured.
  bool is_measuring() const { return timer_.is_measuring(); }

  // --- Steps that await (processor_async.cpp).
  // Whether process_async takes the place of process; from setup() on.
  bool awaits() const { return awaits_.load(std::memory_order_relaxed); }
  // The thread of the I/O context.
  bool await(GCancellable *cancellable, GstSlLinkPad *pad, GstSlAwaitFunc function, gpointer data);

  // --- Output. Worker, or whoever drives a manual processor (processor_output.cpp).
  GstFlowReturn push(GstPad *pad, GstMiniObject *data);
  bool push_event(GstPad *pad, support::MiniPtr<GstEvent> event);
  bool set_src_caps(GstPad *pad, GstCaps *caps);

  // --- Events and queries from outside. The thread that sends them (processor_control.cpp).
  bool flush_start(LinkPadState &pad, GstEvent *event);
  bool flush_stop(LinkPadState &pad, GstEvent *event);
  bool src_event(GstPad *pad, GstEvent *event);
  bool src_query(GstPad *pad, GstQuery *query);
  // Both answer false when they leave the event or the query to the base class.
  bool send_event(GstEvent *event, bool *result);
  bool query(GstQuery *query, bool *result);
  bool answer_context(GstQuery *query);

  // --- Any thread.
  // What the pipeline has configured; 0 before it has.
  GstClockTime configured_latency() const
  {
    const GstClockTime latency = latency_.load(std::memory_order_relaxed);
    return GST_CLOCK_TIME_IS_VALID(latency) ? latency : 0;
  }
  // Makes the worker take a step.
  void kick();
  support::StructurePtr stats() const;
  // How long the steps with data took: process and the push of what it gave, with whatever that
  // waits for.
  const support::StepTimer &timer() const { return timer_; }
  uint64_t steps() const { return steps_.load(std::memory_order_relaxed); }
  GstSlPriority granted_priority() const { return task_.granted_priority(); }
  void report_error(GQuark domain, int code, const char *text, const char *debug);
  // Says on the bus what links have dropped since the last call.
  void post_drops();

  ProcessorClock clock;
  // Between setup() and finish_stop().
  GstSlRuntime *runtime() const { return runtime_.get(); }
  // For threads that know nothing of the element's state; null in NULL.
  support::GObjectPtr<GstSlRuntime> shared_runtime() const;
  void set_runtime(support::GObjectPtr<GstSlRuntime> runtime);

private:
  // Without a thread of the processor's own. A new host gets a new job, because the one before may
  // still have the old one in its queue. Changed under the object lock.
  std::shared_ptr<StepJob> job_;
  // For threads that know nothing of the element's state.
  std::shared_ptr<StepRunner> shared_runner();

public:
  // Where the processor waits, whoever runs it. Its links keep it as long as they may wake it.
  const std::shared_ptr<support::Parker> parker = std::make_shared<support::Parker>();

private:
  // What the worker writes for each buffer stands apart from what the pushing thread reads.
  [[maybe_unused]] char apart_[support::kCacheSpan] = {};

public:
  Activity activity;

private:
  // The thread that sends an event or a query.
  void note_upstream_event(GstEvent *event);
  template <typename Forward>
  bool forward_seek(GstEvent *event, Forward forward);
  bool push_upstream(GstEvent *event);
  void flush_stop_downstream(GstEvent *event);
  bool answer_latency(GstQuery *query);

  // Worker.
  void iterate();
  // Looks whether source pads came or went, or the own stream was flushed.
  void refresh()
  {
    if (G_UNLIKELY(news_cookie_.load(std::memory_order_acquire) != seen_cookie_))
      refresh_outs();
  }
  void refresh_outs();
  // Looks whether link pads came or went. Between steps only: a step works with those it began
  // with.
  void refresh_links()
  {
    if (G_UNLIKELY(news_cookie_.load(std::memory_order_acquire) != seen_links_cookie_))
      reload_links();
  }
  void reload_links();
  bool has_news();
  GstSlStep step_single(LinkPadState &pad);
  GstSlStep step_joined(int64_t *wait_until);
  GstSlStep step_continuous(int64_t *wait_until);
  bool check_awaits();
  GstFlowReturn begin_operation(GstSlLinkPad *pad, GstBuffer *input);
  GstSlStep step_operation();
  GstSlStep finish_operation();
  bool awaits_pad() const;
  static bool is_eos_next(LinkPadState &pad);
  // Who has made sure that no step is taken.
  void end_operation();
  GstSlStep take_measured_step(int64_t *wait_until);
  void note_held(int64_t took);
  GstSlStep rest(LinkPadState &pad);
  GstClockTime head_time(LinkPadState &pad);
  GstFlowReturn process_data(LinkPadState &pad, LinkItem item);
  void after_manual_flow(GstFlowReturn flow);
  GstSlStep after_own_flow(GstFlowReturn flow);
  void after_link_flow(LinkPadState &pad, GstFlowReturn flow);
  void note_sink_stream(GstEvent *stream_start);
  void end_own_stream();
  OutPad *out_pad(GstPad *pad);
  void open_own_stream(OutPad &out);
  void place_own_stream(OutPad &out);
  void forward_own_gap();
  bool holds_back() const;
  void forward_gap(LinkPadState &pad, GstBuffer *held);
  void note_due(LinkPadState &pad, GstMiniObject *data);

  GstSlProcessor *const self_;
  GstSlProcessorClass *klass_ = nullptr;
  // Changed under the object lock.
  support::GObjectPtr<GstSlRuntime> runtime_;
  // Link pads are made on request: there are several, though it may be one right now.
  bool joins_ = false;
  StepTask task_;
  std::atomic<StepRunner *> runner_ = &task_;
  bool start_runner();
  bool start_job(std::shared_ptr<JobHost> host);
  std::atomic<bool> paused_ = false;
  std::atomic<bool> kicked_ = false;
  std::atomic<bool> error_reported_ = false;
  std::atomic<bool> end_asked_ = false;
  bool is_set_up_ = false;
  const support::GObjectPtr<GCancellable> stop_cancellable_ =
      support::adopt_object(g_cancellable_new());

  // Pads come and go under the object lock; the worker notices by the cookie, as it does the
  // requests of other threads below.
  std::atomic<unsigned> news_cookie_ = 1;
  std::atomic<unsigned> link_count_ = 0;

  // Worker.
  unsigned seen_cookie_ = 0;
  unsigned seen_links_cookie_ = 0;
  std::vector<support::GObjectPtr<GstSlLinkPad>> links_;
  std::vector<OutPad> outs_;
  GstFlowReturn own_flow_ = GST_FLOW_OK;
  bool own_stream_ended_ = false;
  bool sink_stream_noted_ = false;
  bool gap_forwarded_ = false;
  GstFlowReturn push_flow_ = GST_FLOW_OK;
  uint64_t pops_ = 0;
  int64_t next_tick_ = 0;
  int64_t tick_period_ = 0;
  std::shared_ptr<AsyncOperation> operation_;
  // When the step began that the operation belongs to, where it is measured.
  int64_t operation_began_ = 0;
  support::StepTimer timer_;
  GMainContext *io_context_ = nullptr;
  // Of the step under way.
  int64_t pushing_ns_ = 0;
  int64_t held_said_at_ = 0;
  std::atomic<bool> is_awaiting_ = false;
  std::atomic<bool> awaits_ = false;
  std::atomic<uint64_t> held_ = 0;
  std::atomic<int64_t> held_max_ = 0;
  std::atomic<uint64_t> steps_ = 0;
  std::atomic<uint64_t> pushes_ = 0;
  std::atomic<uint64_t> missed_ticks_ = 0;
  std::atomic<uint64_t> late_joins_ = 0;

  // Flushes of a processor with several link pads. Guarded by the object lock.
  unsigned flushing_pads_ = 0;
  unsigned seeks_under_way_ = 0;
  bool seek_flushes_ = false;
  bool flush_forwarded_ = false;
  // The end of a forwarded flush, kept back until the seek has reached every pad.
  support::MiniPtr<GstEvent> flush_stop_;
  // Asks the worker to forget its own stream and to open it again.
  std::atomic<bool> own_stream_flushed_ = false;
  // A new peer may take what the one before did not.
  std::atomic<bool> own_flow_forgiven_ = false;
  GstSegment own_segment_;

  std::atomic<bool> upstream_live_ = false;
  std::atomic<GstClockTime> latency_ = GST_CLOCK_TIME_NONE;

  // The element itself follows in memory, with its reference count.
  [[maybe_unused]] char apart_from_element_[support::kCacheSpan] = {};
};

}  // namespace streamlib
