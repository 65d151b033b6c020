// SPDX-License-Identifier: LGPL-2.1-or-later
// Coroutines: code that waits without a thread, written as if it had one.
//
//   Task<Outcome<GBytesPtr>> fetch(GFile *file)
//   {
//     auto opened = co_await gio_call(...);
//     if (!opened)
//       co_return opened.take_error();
//     ...
//   }
//
// A task does nothing before it is awaited or run. It goes on in the main context in which it
// waits, always the same one: all of a task runs in one thread, and needs no lock.
//
// The cancellable that run() gets reaches every await of the task and of the tasks that it awaits;
// once it is cancelled they end with G_IO_ERROR_CANCELLED, and the task comes to its end in its own
// way. So no frame is ever destroyed in the middle, and everything local to it is freed where it
// would be in a function. Without exceptions: an error is an Outcome.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

#include <gio/gio.h>

#include "gst/support/ownership.h"
#include "gst/support/result.h"

namespace streamlib::support {

// What an asynchronous operation came to.
template <typename T>
using Outcome = Result<T, ErrorPtr>;

inline ErrorPtr make_error(GQuark domain, int code, const char *text)
{
  return ErrorPtr(g_error_new_literal(domain, code, text));
}
inline ErrorPtr cancelled_error()
{
  return make_error(G_IO_ERROR, G_IO_ERROR_CANCELLED, "The operation was cancelled");
}
inline bool is_cancelled(const ErrorPtr &error)
{
  return g_error_matches(error.get(), G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

namespace detail {

class PromiseBase {
public:
  GCancellable *cancellable() const { return cancellable_.get(); }
  void set_cancellable(GObjectPtr<GCancellable> cancellable)
  {
    cancellable_ = std::move(cancellable);
  }
  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

  std::suspend_always initial_suspend() noexcept { return {}; }
  // Whoever waits goes on, in place of this coroutine.
  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept
    {
      return self.promise().continuation_;
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::abort(); }

private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  GObjectPtr<GCancellable> cancellable_;
};

}  // namespace detail

// One that has been awaited ends before whoever awaits it; one that never was is destroyed with
// this object.
template <typename T>
class [[nodiscard]] Task {
public:
  class promise_type : public detail::PromiseBase {
  public:
    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    template <typename U>
    void return_value(U &&value)
    {
      value_.emplace(std::forward<U>(value));
    }
    T take() { return std::move(*value_); }

  private:
    std::optional<T> value_;
  };
  using Handle = std::coroutine_handle<promise_type>;

  Task(Task &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task &operator=(Task &&other) noexcept
  {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task()
  {
    if (handle_)
      handle_.destroy();
  }

  // A cancellable of its own, instead of that of the task which awaits it.
  Task under(GCancellable *cancellable) &&
  {
    handle_.promise().set_cancellable(share_object(cancellable));
    return std::move(*this);
  }

  class Awaiter {
  public:
    explicit Awaiter(Handle handle) : handle_(handle) {}
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent)
    {
      promise_type &promise = handle_.promise();
      if (promise.cancellable() == nullptr)
        promise.set_cancellable(share_object(parent.promise().cancellable()));
      promise.set_continuation(parent);
      return handle_;
    }
    T await_resume() { return handle_.promise().take(); }

  private:
    const Handle handle_;
  };
  Awaiter operator co_await() { return Awaiter(handle_); }

private:
  explicit Task(Handle handle) : handle_(handle) {}
  Handle handle_;
};

namespace detail {

// The outermost coroutine: nobody owns it, and its frame goes when it is done.
struct Root {
  struct promise_type : PromiseBase {
    Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
  };
  std::coroutine_handle<promise_type> handle;
};

template <typename T>
Root make_root(Task<T> task, std::function<void(T)> done)
{
  T value = co_await task;
  if (done)
    done(std::move(value));
}

}  // namespace detail

// Runs a task until it waits for the first time; the rest follows in the thread default main
// context of the calling thread, which must be iterated until `done` was called.
template <typename T>
void run(Task<T> task, GCancellable *cancellable, std::function<void(T)> done = nullptr)
{
  detail::Root root = detail::make_root<T>(std::move(task), std::move(done));
  root.handle.promise().set_cancellable(share_object(cancellable));
  root.handle.resume();
}

// --- Awaitables ---

// The cancellable of the task that awaits this: `auto *c = co_await CurrentCancellable();`
class CurrentCancellable {
public:
  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle)
  {
    cancellable_ = handle.promise().cancellable();
    return false;
  }
  GCancellable *await_resume() { return cancellable_; }

private:
  GCancellable *cancellable_ = nullptr;
};

// One operation of the usual form. The callback must come in the thread that began it.
template <typename Start, typename Finish>
class [[nodiscard]] GioCall {
public:
  using Value = std::invoke_result_t<Finish, GObject *, GAsyncResult *, GError **>;

  GioCall(Start start, Finish finish) : start_(std::move(start)), finish_(std::move(finish)) {}
  GioCall(const GioCall &) = delete;
  GioCall &operator=(const GioCall &) = delete;

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle)
  {
    handle_ = handle;
    start_(handle.promise().cancellable(), &GioCall::ready, this);
    // An operation may end before its start returns, and only then this object is still there for
    // certain; so the callback does not go on by itself in that case.
    is_starting_ = false;
    return !outcome_.has_value();
  }
  Outcome<Value> await_resume() { return std::move(*outcome_); }

private:
  static void ready(GObject *source, GAsyncResult *result, gpointer data)
  {
    auto *self = static_cast<GioCall *>(data);
    GError *error = nullptr;
    Value value = self->finish_(source, result, &error);
    if (error != nullptr)
      self->outcome_.emplace(ErrorPtr(error));
    else
      self->outcome_.emplace(std::move(value));
    if (!self->is_starting_)
      self->handle_.resume();
  }

  Start start_;
  Finish finish_;
  std::coroutine_handle<> handle_;
  std::optional<Outcome<Value>> outcome_;
  bool is_starting_ = true;
};

// start(GCancellable *, GAsyncReadyCallback, gpointer) begins the operation, finish(GObject
// *source, GAsyncResult *, GError **) takes its result, as a type that owns it. What they capture
// must live as long as the operation: as what is local to the awaiting coroutine does.
template <typename Start, typename Finish>
GioCall<Start, Finish> gio_call(Start start, Finish finish)
{
  return GioCall<Start, Finish>(std::move(start), std::move(finish));
}

// A time, on the thread default main context.
class [[nodiscard]] Sleep {
public:
  explicit Sleep(guint ms) : ms_(ms) {}
  Sleep(const Sleep &) = delete;
  Sleep &operator=(const Sleep &) = delete;

  bool await_ready() noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> handle)
  {
    handle_ = handle;
    cancellable_ = handle.promise().cancellable();
    if (g_cancellable_is_cancelled(cancellable_))
      return false;
    arm();
    return true;
  }
  Outcome<Done> await_resume()
  {
    // The context may have gone, and the timer with it.
    if (!has_fired_ || g_cancellable_is_cancelled(cancellable_))
      return cancelled_error();
    return Done{};
  }

private:
  void arm()
  {
    GSource *timer = g_timeout_source_new(ms_);
    g_source_set_name(timer, "streamlib sleep");
    if (cancellable_ != nullptr) {
      GSource *cancelled = g_cancellable_source_new(cancellable_);
      g_source_set_dummy_callback(cancelled);
      g_source_add_child_source(timer, cancelled);
      g_source_unref(cancelled);
    }
    g_source_set_callback(
        timer,
        [](gpointer data) {
          static_cast<Sleep *>(data)->has_fired_ = true;
          return G_SOURCE_REMOVE;
        },
        this, [](gpointer data) { static_cast<Sleep *>(data)->handle_.resume(); });
    GMainContext *context = g_main_context_ref_thread_default();
    g_source_attach(timer, context);
    g_main_context_unref(context);
    // The context holds it until it has fired.
    g_source_unref(timer);
  }

  const guint ms_;
  std::coroutine_handle<> handle_;
  GCancellable *cancellable_ = nullptr;
  bool has_fired_ = false;
};

inline Sleep sleep_for(guint ms)
{
  return Sleep(ms);
}

// A cancellable that is cancelled with another one, or when a time is over. For
// `co_await some_task().under(deadline.cancellable())`.
class Deadline {
public:
  // 0 is no limit.
  Deadline(GCancellable *parent, guint ms);
  Deadline(const Deadline &) = delete;
  Deadline &operator=(const Deadline &) = delete;
  ~Deadline();

  GCancellable *cancellable() const { return own_.get(); }
  // It was the time that cancelled it.
  bool is_over() const { return is_over_; }

private:
  const GObjectPtr<GCancellable> parent_;
  const GObjectPtr<GCancellable> own_ = adopt_object(g_cancellable_new());
  gulong link_ = 0;
  GSource *timer_ = nullptr;
  bool is_over_ = false;
};

}  // namespace streamlib::support
