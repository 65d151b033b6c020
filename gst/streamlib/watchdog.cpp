// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/watchdog.h"

#include <algorithm>
#include <string>

#include "gst/streamlib/gstslruntime_private.h"
#include "gst/streamlib/processor_state.h"
#include "gst/support/futex.h"

#ifdef __linux__
#include <unistd.h>
#endif

GST_DEBUG_CATEGORY_STATIC(gst_sl_watchdog_debug);
#define GST_CAT_DEFAULT gst_sl_watchdog_debug

namespace streamlib {

using support::GObjectPtr;
using support::monotonic_ns;
using support::share_object;

namespace {

constexpr guint kTickMs = 250;
constexpr unsigned kTicksPerSecond = 1000 / kTickMs;
constexpr int64_t kLimitNs = 1000 * 1000 * 1000;

const char *name_of(Activity::Phase phase)
{
  switch (phase) {
    case Activity::Phase::Setup:
      return "setup";
    case Activity::Phase::Start:
      return "start";
    case Activity::Phase::Process:
      return "process";
    case Activity::Phase::Push:
    case Activity::Phase::Wait:
      return "push";
    case Activity::Phase::Operation:
      return "operation";
    case Activity::Phase::Stop:
      return "stop";
    case Activity::Phase::Teardown:
      return "teardown";
    default:
      return "idle";
  }
}

// The pad of `processor` that `pad` points at, if it still has it.
GObjectPtr<GstPad> find_pad(ProcessorState &processor, GstPad *pad)
{
  for (const auto &candidate : processor.src_pads()) {
    if (candidate.get() == pad)
      return candidate;
  }
  return nullptr;
}

// Whether the work under way may take its time.
bool may_take_time(ProcessorState &processor)
{
  const Activity &activity = processor.activity;
  if (activity.is_urgent() || processor.stopping.load() ||
      activity.phase() != Activity::Phase::Push)
    return false;
  // Others need the I/O thread.
  if (processor.is_async())
    return false;
  // Preroll, and a pause.
  if (!processor.clock.is_playing())
    return true;
  const GstClockTime due = activity.due();
  const GstClockTime now = processor.clock.running_time();
  if (!GST_CLOCK_TIME_IS_VALID(due) || !GST_CLOCK_TIME_IS_VALID(now))
    return false;
  const GstClockTime shown = due + processor.configured_latency();
  return now < shown + kLimitNs;
}

}  // namespace

int64_t Activity::own_thread_id()
{
#ifdef __linux__
  static thread_local const int64_t id = gettid();
  return id;
#else
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(g_thread_self()));
#endif
}

struct Watchdog::Report {
  GObjectPtr<GstElement> element;
  GObjectPtr<GstPad> pad;
  Activity::Phase phase;
  int64_t thread_id;
  int64_t still_for;
  bool over;

  void post() const;
};

void Watchdog::Report::post() const
{
  support::CStr pad_name(pad ? gst_object_get_path_string(GST_OBJECT(pad.get())) : nullptr);
  GObjectPtr<GstPad> peer = support::adopt_object(pad ? gst_pad_get_peer(pad.get()) : nullptr);
  GObjectPtr<GstElement> next =
      support::adopt_object(peer ? gst_pad_get_parent_element(peer.get()) : nullptr);
  const char *next_name = next ? GST_OBJECT_NAME(next.get()) : nullptr;
  GstStructure *details = gst_structure_new(
      over ? "streamlib-stall-over" : "streamlib-stall", "element", G_TYPE_STRING,
      GST_OBJECT_NAME(element.get()), "phase", G_TYPE_STRING, name_of(phase), "thread",
      G_TYPE_INT64, thread_id, "duration", G_TYPE_UINT64, static_cast<guint64>(still_for), nullptr);
  if (pad)
    gst_structure_set(details, "pad", G_TYPE_STRING, pad_name.get(), nullptr);
  if (next)
    gst_structure_set(details, "peer", G_TYPE_STRING, next_name, nullptr);
  if (over)
    GST_WARNING_OBJECT(element.get(), "%s has returned", name_of(phase));
  else
    GST_WARNING_OBJECT(element.get(),
                       "%s%s%s%s%s has not returned for %" G_GINT64_FORMAT
                       " ms (thread %" G_GINT64_FORMAT ")",
                       name_of(phase), pad ? " on " : "", pad ? pad_name.get() : "",
                       next ? " to " : "", next ? next_name : "", still_for / 1000000, thread_id);
  gst_element_post_message(element.get(),
                           gst_message_new_element(GST_OBJECT(element.get()), details));
}

Watchdog::Watchdog(GObject *runtime, IoThread &thread) : runtime_(runtime), thread_(thread)
{
  static gsize once = 0;
  if (g_once_init_enter(&once)) {
    GST_DEBUG_CATEGORY_INIT(gst_sl_watchdog_debug, "slwatchdog", 0, "watchdog of processors");
    g_once_init_leave(&once, 1);
  }
  g_mutex_init(&mutex_);
}

Watchdog::~Watchdog()
{
  timer_.reset();
  g_mutex_clear(&mutex_);
}

void Watchdog::add(ProcessorState *processor)
{
  GMainContext *context = thread_.context();
  g_mutex_lock(&mutex_);
  watched_.push_back({processor});
  if (!timer_) {
    GSource *timer = g_timeout_source_new(kTickMs);
    // Keeps the runtime, and so this object, also for a tick that drops the last processor.
    g_source_set_callback(timer, tick, g_object_ref(runtime_), g_object_unref);
    g_source_attach(timer, context);
    timer_ = support::SourceGuard(timer);
  }
  g_mutex_unlock(&mutex_);
}

void Watchdog::remove(ProcessorState *processor)
{
  support::SourceGuard unused;
  g_mutex_lock(&mutex_);
  std::erase_if(watched_,
                [processor](const Watched &watched) { return watched.processor == processor; });
  if (watched_.empty())
    std::swap(unused, timer_);
  g_mutex_unlock(&mutex_);
}

void Watchdog::look_at(Watched &watched, int64_t now, std::vector<Report> *reports)
{
  ProcessorState &processor = *watched.processor;
  const Activity &activity = processor.activity;
  const uint64_t entries = activity.entries();
  const Activity::Phase phase = activity.phase();
  // A wait of ours is for others to end, but not for ever when this processor is to stop.
  const bool rests =
      phase == Activity::Phase::Idle || (phase == Activity::Phase::Wait && !activity.is_urgent());
  if (entries != watched.entries || rests) {
    if (watched.reported)
      reports->push_back({share_object(processor.element()), nullptr, phase, activity.thread_id(),
                          now - watched.still_since, true});
    watched.entries = entries;
    watched.still_since = now;
    watched.reported = false;
    return;
  }
  const int64_t still_for = now - watched.still_since;
  if (watched.reported || still_for < kLimitNs || may_take_time(processor))
    return;
  watched.reported = true;
  reports->push_back({share_object(processor.element()), find_pad(processor, activity.pad()), phase,
                      activity.thread_id(), still_for, false});
}

void Watchdog::look(std::vector<Report> *reports)
{
  std::vector<GObjectPtr<GstSlProcessor>> all;
  g_mutex_lock(&mutex_);
  const int64_t now = monotonic_ns();
  for (Watched &watched : watched_)
    look_at(watched, now, reports);
  if (++ticks_ % kTicksPerSecond == 0) {
    for (Watched &watched : watched_)
      all.push_back(share_object(watched.processor->self()));
  }
  g_mutex_unlock(&mutex_);
  for (const auto &processor : all)
    ProcessorState::of(processor.get()).post_drops();
}

gboolean Watchdog::tick(gpointer data)
{
  std::vector<Report> reports;
  watchdog_of(GST_SL_RUNTIME(data)).look(&reports);
  for (const Report &report : reports)
    report.post();
  return G_SOURCE_CONTINUE;
}

}  // namespace streamlib
