// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/dispatch_queue.h"

#include <algorithm>
#include <cstring>

#include "gst/streamlib/activity.h"

namespace streamlib {

using support::monotonic_ns;

namespace {

using LabelWords = std::array<std::atomic<uint64_t>, DispatchLabel::kSize / 8>;

void store_label(LabelWords &words, const DispatchLabel &label)
{
  for (size_t i = 0; i < words.size(); i++) {
    uint64_t word;
    std::memcpy(&word, label.text.data() + i * 8, 8);
    words[i].store(word, std::memory_order_relaxed);
  }
}

std::string load_label(const LabelWords &words)
{
  char text[DispatchLabel::kSize + 1] = {};
  for (size_t i = 0; i < words.size(); i++) {
    const uint64_t word = words[i].load(std::memory_order_relaxed);
    std::memcpy(text + i * 8, &word, 8);
  }
  return text;
}

}  // namespace

// --- One closure ---

DispatchLabel::DispatchLabel(const char *label)
{
  if (label != nullptr)
    std::strncpy(text.data(), label, kSize - 1);
}

DispatchCall::~DispatchCall()
{
  end_data();
  if (result != nullptr)
    g_variant_unref(result);
}

void DispatchCall::end_data()
{
  const GDestroyNotify notify = std::exchange(notify_, nullptr);
  if (notify != nullptr)
    notify(data_);
}

void DispatchCall::run()
{
  int expected = kQueued;
  if (!state_.compare_exchange_strong(expected, kRunning))
    return;
  GVariant *answer = function_(data_);
  result = answer != nullptr ? g_variant_take_ref(answer) : nullptr;
  end_data();
  state_.store(kDone);
  parker.unpark();
}

bool DispatchCall::give_up()
{
  int expected = kQueued;
  return state_.compare_exchange_strong(expected, kGivenUp);
}

// --- The source ---

struct DispatchQueue::Source {
  GSource source;
  std::shared_ptr<DispatchQueue> queue;

  static Source *of(GSource *source) { return reinterpret_cast<Source *>(source); }
  static bool is_ready(GSource *source)
  {
    DispatchQueue &queue = *of(source)->queue;
    queue.note_served();
    return queue.batch_ != nullptr || !queue.list_.is_empty();
  }
  static gboolean prepare(GSource *source, gint *timeout)
  {
    *timeout = -1;
    return is_ready(source);
  }
  static gboolean check(GSource *source) { return is_ready(source); }
  static gboolean dispatch(GSource *source, GSourceFunc, gpointer)
  {
    of(source)->queue->run_batch();
    return G_SOURCE_CONTINUE;
  }
  static void finalize(GSource *source) { std::destroy_at(&of(source)->queue); }
};

namespace {

void drop_all(DispatchCall *left)
{
  while (left != nullptr)
    std::exchange(left, left->next)->unref();
}

}  // namespace

std::shared_ptr<DispatchQueue> DispatchQueue::create(GMainContext *context)
{
  static GSourceFuncs functions = {Source::prepare,  Source::check, Source::dispatch,
                                   Source::finalize, nullptr,       nullptr};
  std::shared_ptr<DispatchQueue> queue(new DispatchQueue(context));
  GSource *source = g_source_new(&functions, sizeof(Source));
  std::construct_at(&Source::of(source)->queue, queue);
  g_source_set_can_recurse(source, TRUE);
  g_source_set_name(source, "streamlib dispatcher");
  g_source_attach(source, context);
  queue->source_ = source;
  return queue;
}

void DispatchQueue::close()
{
  closed_.store(true);
  drop_all(list_.take_all());
  GSource *source = std::exchange(source_, nullptr);
  g_source_destroy(source);
  g_source_unref(source);
}

DispatchQueue::~DispatchQueue()
{
  drop_all(batch_);
  if (GThread *bound = bound_.load())
    g_thread_unref(bound);
  g_main_context_unref(context_);
  g_mutex_clear(&mutex_);
}

bool DispatchQueue::is_runtime_thread() const
{
  // A loop that has been quit has no owner any more, and may well be run again by the same thread.
  return bound_.load() == g_thread_self() || g_main_context_is_owner(context_);
}

void DispatchQueue::bind(GThread *thread)
{
  // Kept, so that no later thread is taken for this one: it could get the same address.
  GThread *before = bound_.exchange(thread != nullptr ? g_thread_ref(thread) : nullptr);
  if (before != nullptr)
    g_thread_unref(before);
}

void DispatchQueue::note_served()
{
  if (!was_served_.load(std::memory_order_relaxed))
    was_served_.store(true);
  GThread *self = g_thread_self();
  if (bound_.load(std::memory_order_relaxed) != self)
    bind(self);
}

void DispatchQueue::show_running(const DispatchLabel &label)
{
  store_label(running_, label);
}

void DispatchQueue::run_one(DispatchCall *call)
{
  const DispatchLabel label = call->label;
  show_running(label);
  const int64_t begin = monotonic_ns();
  call->run();
  call->unref();
  const int64_t took = monotonic_ns() - begin;
  show_running(DispatchLabel());
  run_.fetch_add(1, std::memory_order_relaxed);
  if (took > longest_run_.load(std::memory_order_relaxed)) {
    longest_run_.store(took, std::memory_order_relaxed);
    store_label(longest_, label);
  }
}

void DispatchQueue::run_batch()
{
  if (batch_ == nullptr) {
    // The first of a batch is the one that has waited longest.
    const int64_t began = batch_began_.exchange(0);
    batch_ = list_.take_all();
    const int64_t waited = began != 0 ? monotonic_ns() - began : 0;
    if (waited > longest_wait_.load(std::memory_order_relaxed))
      longest_wait_.store(waited, std::memory_order_relaxed);
  }
  while (batch_ != nullptr) {
    DispatchCall *call = std::exchange(batch_, batch_->next);
    if (closed_.load(std::memory_order_relaxed))
      call->unref();
    else
      run_one(call);
  }
}

// --- Calls ---

void DispatchQueue::post(DispatchCall *call)
{
  queued_.fetch_add(1, std::memory_order_relaxed);
  if (!list_.push(call))
    return;
  batch_began_.store(monotonic_ns());
  g_main_context_wakeup(context_);
}

DispatchQueue::Outcome DispatchQueue::reason_for_giving_up(const DispatchCall &call) const
{
  if (call.waited_for.load())
    return Outcome::WaitsForCaller;
  if (call.cancelled.load())
    return Outcome::Cancelled;
  return was_served_.load() ? Outcome::Busy : Outcome::NeverRan;
}

DispatchQueue::Outcome DispatchQueue::wait(DispatchCall &call, GstClockTime timeout)
{
  GThread *self = g_thread_self();
  g_mutex_lock(&mutex_);
  waiters_.push_back({self, &call});
  call.waited_for = std::find(waited_for_.begin(), waited_for_.end(), self) != waited_for_.end();
  g_mutex_unlock(&mutex_);

  const int64_t deadline = timeout == GST_CLOCK_TIME_NONE
                               ? support::kNoDeadline
                               : monotonic_ns() + static_cast<int64_t>(timeout);
  {
    const Activity::WaitScope waiting;
    call.parker.park(
        [&call] { return call.is_done() || call.cancelled.load() || call.waited_for.load(); },
        deadline);
  }

  g_mutex_lock(&mutex_);
  std::erase_if(waiters_, [&call](const Waiter &waiter) { return waiter.call == &call; });
  g_mutex_unlock(&mutex_);
  if (call.is_done())
    return Outcome::Served;
  // One that runs already goes on; its result is dropped.
  call.give_up();
  return call.is_done() ? Outcome::Served : reason_for_giving_up(call);
}

DispatchQueue::Outcome DispatchQueue::invoke(DispatchCall &call, GstClockTime timeout,
                                             GCancellable *cancellable)
{
  if (g_cancellable_is_cancelled(cancellable))
    return Outcome::Cancelled;
  if (is_runtime_thread()) {
    queued_.fetch_add(1, std::memory_order_relaxed);
    const std::string outer = running_label();
    run_one(call.ref());
    show_running(DispatchLabel(outer.c_str()));
    return Outcome::Served;
  }
  gulong handler = 0;
  if (cancellable != nullptr)
    handler = g_cancellable_connect(
        cancellable, G_CALLBACK(+[](GCancellable *, gpointer data) {
          auto *cancelled = static_cast<DispatchCall *>(data);
          cancelled->cancelled.store(true);
          cancelled->parker.unpark();
        }),
        call.ref(), [](gpointer data) { static_cast<DispatchCall *>(data)->unref(); });
  post(call.ref());
  const Outcome outcome = wait(call, timeout);
  g_cancellable_disconnect(cancellable, handler);
  return outcome;
}

DispatchFigures DispatchQueue::figures() const
{
  DispatchFigures figures;
  figures.run = run_.load();
  figures.queued = queued_.load();
  figures.longest_wait = longest_wait_.load();
  figures.longest_run = longest_run_.load();
  figures.longest_label = load_label(longest_);
  return figures;
}

std::string DispatchQueue::running_label() const
{
  return load_label(running_);
}

// --- Waits of the runtime thread ---

DispatchQueue::WaitScope::WaitScope(DispatchQueue *queue, GThread *thread)
    : queue_(queue != nullptr && thread != nullptr && queue->is_runtime_thread() ? queue : nullptr),
      thread_(thread)
{
  if (queue_ == nullptr)
    return;
  g_mutex_lock(&queue_->mutex_);
  queue_->waited_for_.push_back(thread_);
  for (const Waiter &waiter : queue_->waiters_) {
    if (waiter.thread == thread_) {
      waiter.call->waited_for.store(true);
      waiter.call->parker.unpark();
    }
  }
  g_mutex_unlock(&queue_->mutex_);
}

DispatchQueue::WaitScope::~WaitScope()
{
  if (queue_ == nullptr)
    return;
  g_mutex_lock(&queue_->mutex_);
  queue_->waited_for_.erase(
      std::find(queue_->waited_for_.begin(), queue_->waited_for_.end(), thread_));
  g_mutex_unlock(&queue_->mutex_);
}

}  // namespace streamlib
