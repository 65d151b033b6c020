// SPDX-License-Identifier: LGPL-2.1-or-later
#include "gst/streamlib/dispatch_queue.h"

#include <algorithm>
#include <cstring>

#include "gst/streamlib/activity.h"

namespace streamlib {

using support::monotonic_ns;

namespace {

// What a dispatch runs before other sources of the context have their turn, counted in what had
// come by the time each batch was taken.
constexpr int kBatchesPerDispatch = 64;

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

void DispatchCall::end_data()
{
  const GDestroyNotify notify = std::exchange(notify_, nullptr);
  if (notify != nullptr)
    notify(data_);
}

void DispatchCall::run()
{
  if (is_awaited_) {
    static_cast<AwaitedCall *>(this)->run_awaited();
    return;
  }
  if (GVariant *unwanted = call())
    g_variant_unref(g_variant_take_ref(unwanted));
  end_data();
}

void DispatchCall::drop()
{
  if (is_awaited_)
    static_cast<AwaitedCall *>(this)->unref();
  else
    delete this;
}

void AwaitedCall::run_awaited()
{
  int expected = kQueued;
  if (!state_.compare_exchange_strong(expected, kRunning))
    return;
  GVariant *answer = call();
  result = answer != nullptr ? g_variant_take_ref(answer) : nullptr;
  end_data();
  state_.store(kDone);
  parker.unpark();
}

bool AwaitedCall::give_up()
{
  int expected = kQueued;
  return state_.compare_exchange_strong(expected, kGivenUp);
}

// --- The source ---

struct DispatchQueue::Source {
  GSource source;
  std::shared_ptr<DispatchQueue> queue;

  static Source *of(GSource *source) { return reinterpret_cast<Source *>(source); }
  static gboolean prepare(GSource *source, gint *timeout)
  {
    *timeout = -1;
    DispatchQueue &queue = *of(source)->queue;
    queue.note_served();
    return !queue.is_ready_to_sleep();
  }
  static gboolean check(GSource *source)
  {
    DispatchQueue &queue = *of(source)->queue;
    queue.is_awake_.store(true, std::memory_order_relaxed);
    return queue.has_work();
  }
  static gboolean dispatch(GSource *source, GSourceFunc, gpointer)
  {
    of(source)->queue->run_batches();
    return G_SOURCE_CONTINUE;
  }
  static void finalize(GSource *source) { std::destroy_at(&of(source)->queue); }
};

namespace {

void drop_all(DispatchCall *left)
{
  while (left != nullptr)
    std::exchange(left, left->next)->drop();
}

}  // namespace

std::shared_ptr<DispatchQueue> DispatchQueue::create(GMainContext *context,
                                                     PlatformLoopFactory make_loop)
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
  if (make_loop != nullptr)
    queue->platform_ = make_loop([weak = std::weak_ptr(queue)] {
      if (const auto served = weak.lock())
        served->serve_by_platform();
    });
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

int64_t DispatchQueue::run_one(DispatchCall *call, int64_t now)
{
  const DispatchLabel label = call->label;
  show_running(label);
  call->run();
  call->drop();
  const int64_t end = monotonic_ns();
  // This thread alone counts.
  run_.store(run_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  if (end - now > longest_run_.load(std::memory_order_relaxed)) {
    longest_run_.store(end - now, std::memory_order_relaxed);
    store_label(longest_, label);
  }
  return end;
}

// --- Two loops ---

// RT: without a loop of the platform there is nobody to keep out.
bool DispatchQueue::begin_serving()
{
  if (!platform_)
    return true;
  GThread *self = g_thread_self();
  GThread *nobody = nullptr;
  if (server_.load() != self && !server_.compare_exchange_strong(nobody, self))
    return false;
  serving_depth_++;
  return true;
}

void DispatchQueue::end_serving()
{
  if (!platform_ || --serving_depth_ > 0)
    return;
  server_.store(nullptr);
  // Who was kept out has gone to sleep.
  if (list_.is_empty())
    return;
  g_main_context_wakeup(context_);
  platform_->wake();
}

// Whether there is something for a dispatch by the calling thread.
bool DispatchQueue::has_work() const
{
  GThread *server = platform_ ? server_.load() : nullptr;
  if (server != nullptr && server != g_thread_self())
    return false;
  // With two loops the batch belongs to the one that serves.
  const bool owns_batch = !platform_ || server != nullptr;
  return (owns_batch && batch_ != nullptr) || !list_.is_empty();
}

void DispatchQueue::serve_by_platform()
{
  // A GLib loop that runs in another thread has the queue for itself.
  if (was_served_.load() && bound_.load() != g_thread_self())
    return;
  note_served();
  run_batches();
}

// Announces that posts have to wake the context, and looks once more; a post publishes and looks at
// the announcement. So one of the two sees the other.
bool DispatchQueue::is_ready_to_sleep()
{
  is_awake_.store(false);
  if (!has_work())
    return true;
  is_awake_.store(true, std::memory_order_relaxed);
  return false;
}

void DispatchQueue::take_batch(int64_t now)
{
  batch_ = list_.take_all();
  if (batch_ == nullptr || batch_->posted_at == 0)
    return;
  // The first of a batch is the one that has waited longest.
  const int64_t waited = now - batch_->posted_at;
  if (waited > longest_wait_.load(std::memory_order_relaxed))
    longest_wait_.store(waited, std::memory_order_relaxed);
}

void DispatchQueue::run_batches()
{
  if (!begin_serving())
    return;
  // A closure further out may have run the loop that runs these.
  const DispatchLabel outer(running_label().c_str());
  int64_t now = monotonic_ns();
  for (int i = 0; i < kBatchesPerDispatch; i++) {
    if (batch_ == nullptr)
      take_batch(now);
    if (batch_ == nullptr)
      break;
    while (batch_ != nullptr) {
      DispatchCall *call = std::exchange(batch_, batch_->next);
      if (closed_.load(std::memory_order_relaxed))
        call->drop();
      else
        now = run_one(call, now);
    }
  }
  show_running(outer);
  end_serving();
}

// --- Calls ---

void DispatchQueue::post(DispatchCall *call)
{
  // First, because it is what fetches the cache line to write to it.
  queued_.fetch_add(1, std::memory_order_relaxed);
  if (list_.is_empty())
    call->posted_at = monotonic_ns();
  if (!list_.push(call))
    return;
  if (!is_awake_.load())
    g_main_context_wakeup(context_);
  if (platform_)
    platform_->wake();
}

DispatchQueue::Outcome DispatchQueue::reason_for_giving_up(const AwaitedCall &call) const
{
  if (call.waited_for.load())
    return Outcome::WaitsForCaller;
  if (call.cancelled.load())
    return Outcome::Cancelled;
  return was_served_.load() ? Outcome::Busy : Outcome::NeverRan;
}

DispatchQueue::Outcome DispatchQueue::wait(AwaitedCall &call, GstClockTime timeout)
{
  GThread *self = g_thread_self();
  g_mutex_lock(&mutex_);
  waiters_.push_back({self, WorkScope::current(), &call});
  call.waited_for = is_waited_for(self, WorkScope::current());
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

DispatchQueue::Outcome DispatchQueue::invoke(AwaitedCall &call, GstClockTime timeout,
                                             GCancellable *cancellable)
{
  if (g_cancellable_is_cancelled(cancellable))
    return Outcome::Cancelled;
  if (is_runtime_thread()) {
    queued_.fetch_add(1, std::memory_order_relaxed);
    const std::string outer = running_label();
    run_one(call.ref(), monotonic_ns());
    show_running(DispatchLabel(outer.c_str()));
    return Outcome::Served;
  }
  gulong handler = 0;
  if (cancellable != nullptr)
    handler = g_cancellable_connect(
        cancellable, G_CALLBACK(+[](GCancellable *, gpointer data) {
          auto *cancelled = static_cast<AwaitedCall *>(data);
          cancelled->cancelled.store(true);
          cancelled->parker.unpark();
        }),
        call.ref(), [](gpointer data) { static_cast<AwaitedCall *>(data)->unref(); });
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

namespace {

thread_local const void *works_for = nullptr;

}  // namespace

DispatchQueue::WorkScope::WorkScope(const void *whom) : before_(std::exchange(works_for, whom)) {}

DispatchQueue::WorkScope::~WorkScope()
{
  works_for = before_;
}

const void *DispatchQueue::WorkScope::current()
{
  return works_for;
}

bool DispatchQueue::is_waited_for(const void *thread, const void *whom) const
{
  return std::any_of(waited_for_.begin(), waited_for_.end(), [&](const void *waited_for) {
    return waited_for == thread || (whom != nullptr && waited_for == whom);
  });
}

DispatchQueue::WaitScope::WaitScope(DispatchQueue *queue, const void *whom)
    : queue_(whom != nullptr ? queue : nullptr), whom_(whom)
{
  if (queue_ == nullptr)
    return;
  const bool is_runtime_thread = queue_->is_runtime_thread();
  g_mutex_lock(&queue_->mutex_);
  if (!is_runtime_thread && !queue_->is_waited_for(g_thread_self(), works_for)) {
    g_mutex_unlock(&queue_->mutex_);
    queue_ = nullptr;
    return;
  }
  queue_->waited_for_.push_back(whom_);
  for (const Waiter &waiter : queue_->waiters_) {
    if (waiter.thread == whom_ || waiter.works_for == whom_) {
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
      std::find(queue_->waited_for_.begin(), queue_->waited_for_.end(), whom_));
  g_mutex_unlock(&queue_->mutex_);
}

}  // namespace streamlib
