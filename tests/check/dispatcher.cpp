// SPDX-License-Identifier: LGPL-2.1-or-later
// The way to the runtime thread, with each of its ends.
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gst/check/gstcheck.h>

#include "gst/streamlib/streamlib.h"
#include "gst/support/ownership.h"

using streamlib::support::adopt_object;
using streamlib::support::ErrorPtr;
using streamlib::support::GObjectPtr;

namespace {

using Function = std::function<GVariant *()>;

GVariant *call_function(gpointer data)
{
  return (*static_cast<Function *>(data))();
}

void drop_function(gpointer data)
{
  delete static_cast<Function *>(data);
}

void post(GstSlDispatcher *dispatcher, const char *label, Function function)
{
  gst_sl_dispatcher_invoke_async(dispatcher, label, call_function,
                                 new Function(std::move(function)), drop_function);
}

struct Answer {
  bool served = false;
  std::string result;
  GQuark domain = 0;
  int code = -1;
  std::string message;
  int64_t took = 0;
};

Answer invoke(GstSlDispatcher *dispatcher, const char *label, Function function,
              GstClockTime timeout = GST_SL_DISPATCHER_DEFAULT_TIMEOUT,
              GCancellable *cancellable = nullptr)
{
  Answer answer;
  GVariant *result = nullptr;
  GError *error = nullptr;
  const int64_t begin = g_get_monotonic_time();
  answer.served =
      gst_sl_dispatcher_invoke(dispatcher, label, call_function, new Function(std::move(function)),
                               drop_function, timeout, cancellable, &result, &error);
  answer.took = g_get_monotonic_time() - begin;
  if (result != nullptr) {
    answer.result = g_variant_get_string(result, nullptr);
    g_variant_unref(result);
  }
  if (error != nullptr) {
    const ErrorPtr owned(error);
    answer.domain = error->domain;
    answer.code = error->code;
    answer.message = error->message;
  }
  fail_unless(answer.served == (error == nullptr));
  return answer;
}

// A context that a thread of its own serves.
struct Served {
  GMainContext *context = g_main_context_new();
  GMainLoop *loop = g_main_loop_new(context, FALSE);
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  std::thread thread;

  void start()
  {
    thread = std::thread([this] { g_main_loop_run(loop); });
    // Until then the thread that made the dispatcher counts as the runtime thread.
    while (gst_sl_dispatcher_is_runtime_thread(dispatcher.get())) {
      g_main_context_wakeup(context);
      g_usleep(1000);
    }
  }
  ~Served()
  {
    if (thread.joinable()) {
      while (!g_main_loop_is_running(loop))
        g_usleep(1000);
      g_main_loop_quit(loop);
      thread.join();
    }
    dispatcher.reset();
    g_main_loop_unref(loop);
    g_main_context_unref(context);
  }
};

GVariant *nothing()
{
  return nullptr;
}

}  // namespace

GST_START_TEST(test_first_in_first_out)
{
  Served served;
  constexpr int kThreads = 8;
  constexpr int kPosts = 2000;
  std::vector<std::vector<int>> seen(kThreads);
  std::vector<std::thread> threads;
  // The first ones are there before the loop.
  for (int i = 0; i < 10; i++)
    post(served.dispatcher.get(), "early", [&seen, i] {
      seen[0].push_back(i);
      return nothing();
    });
  served.start();
  for (int t = 0; t < kThreads; t++)
    threads.emplace_back([&, t] {
      for (int i = t == 0 ? 10 : 0; i < kPosts; i++)
        post(served.dispatcher.get(), nullptr, [&seen, t, i] {
          seen[t].push_back(i);
          return nothing();
        });
    });
  for (auto &thread : threads)
    thread.join();
  fail_unless(invoke(served.dispatcher.get(), "last", nothing, 20 * GST_SECOND).served);
  for (const auto &numbers : seen) {
    fail_unless_equals_int(numbers.size(), kPosts);
    for (int i = 0; i < kPosts; i++)
      fail_unless_equals_int(numbers[i], i);
  }
  GstStructure *stats = gst_sl_dispatcher_get_stats(served.dispatcher.get());
  guint64 queued, run;
  fail_unless(gst_structure_get(stats, "queued", G_TYPE_UINT64, &queued, "run", G_TYPE_UINT64, &run,
                                nullptr));
  fail_unless_equals_uint64(queued, kThreads * kPosts + 1);
  gst_structure_free(stats);
}
GST_END_TEST

GST_START_TEST(test_results_and_the_runtime_thread)
{
  Served served;
  GstSlDispatcher *dispatcher = served.dispatcher.get();
  served.start();
  fail_unless(invoke(dispatcher, "wake", nothing).served);
  fail_if(gst_sl_dispatcher_is_runtime_thread(dispatcher));
  // A call from the runtime thread runs at once, ahead of what is queued, also inside another one.
  std::string order;
  const Answer answer = invoke(dispatcher, "outer", [&] {
    fail_unless(gst_sl_dispatcher_is_runtime_thread(dispatcher));
    post(dispatcher, "queued", [&] {
      order += "queued";
      return nothing();
    });
    const Answer inner = invoke(dispatcher, "inner", [&] {
      order += "inner ";
      return g_variant_new_string("from inside");
    });
    fail_unless_equals_string(inner.result.c_str(), "from inside");
    return g_variant_new_string(inner.result.c_str());
  });
  fail_unless_equals_string(answer.result.c_str(), "from inside");
  fail_unless(invoke(dispatcher, "after", nothing).served);
  fail_unless_equals_string(order.c_str(), "inner queued");
}
GST_END_TEST

GST_START_TEST(test_bound_thread_before_the_loop)
{
  GMainContext *context = g_main_context_new();
  GstSlDispatcher *dispatcher = gst_sl_dispatcher_new(context);
  fail_unless(gst_sl_dispatcher_is_runtime_thread(dispatcher));
  fail_unless(invoke(dispatcher, "own", nothing).served);
  gst_object_unref(dispatcher);
  g_main_context_unref(context);
}
GST_END_TEST

GST_START_TEST(test_no_loop_runs)
{
  Served served;
  std::thread caller([&] {
    const Answer answer = invoke(served.dispatcher.get(), "open", nothing, 100 * GST_MSECOND);
    fail_unless(answer.domain == GST_SL_DISPATCHER_ERROR);
    fail_unless_equals_int(answer.code, GST_SL_DISPATCHER_ERROR_NEVER_RAN);
    fail_unless(answer.took >= 100000);
  });
  caller.join();
}
GST_END_TEST

GST_START_TEST(test_busy_says_with_what)
{
  Served served;
  GstSlDispatcher *dispatcher = served.dispatcher.get();
  served.start();
  std::atomic<bool> entered = false;
  std::atomic<bool> release = false;
  post(dispatcher, "long work", [&] {
    entered = true;
    while (!release)
      g_usleep(1000);
    return nothing();
  });
  while (!entered)
    g_usleep(1000);
  std::atomic<bool> ran = false;
  const Answer answer = invoke(
      dispatcher, "short",
      [&] {
        ran = true;
        return nothing();
      },
      50 * GST_MSECOND);
  fail_unless_equals_int(answer.code, GST_SL_DISPATCHER_ERROR_BUSY);
  fail_unless(answer.message.find("long work") != std::string::npos, "%s", answer.message.c_str());
  release = true;
  fail_unless(invoke(dispatcher, "after", nothing, 10 * GST_SECOND).served);
  // One that was given up is not run later.
  fail_if(ran);
}
GST_END_TEST

GST_START_TEST(test_cancelled)
{
  Served served;
  GstSlDispatcher *dispatcher = served.dispatcher.get();
  served.start();
  GObjectPtr<GCancellable> cancellable = adopt_object(g_cancellable_new());
  fail_unless(invoke(dispatcher, "a", nothing, GST_SECOND, cancellable.get()).served);
  std::atomic<bool> release = false;
  post(dispatcher, "long", [&] {
    while (!release)
      g_usleep(1000);
    return nothing();
  });
  std::thread canceller([&] {
    g_usleep(20000);
    g_cancellable_cancel(cancellable.get());
  });
  Answer answer = invoke(dispatcher, "b", nothing, 20 * GST_SECOND, cancellable.get());
  fail_unless(answer.domain == G_IO_ERROR && answer.code == G_IO_ERROR_CANCELLED);
  fail_unless(answer.took < 2000000);
  canceller.join();
  answer = invoke(dispatcher, "c", nothing, 20 * GST_SECOND, cancellable.get());
  fail_unless_equals_int(answer.code, G_IO_ERROR_CANCELLED);
  release = true;
}
GST_END_TEST

GST_START_TEST(test_dispose_drops_what_is_left)
{
  GMainContext *context = g_main_context_new();
  GstSlDispatcher *dispatcher = gst_sl_dispatcher_new(context);
  auto alive = std::make_shared<int>(1);
  for (int i = 0; i < 5; i++)
    post(dispatcher, "never", [alive] {
      fail("must not run");
      return nothing();
    });
  fail_unless_equals_int(alive.use_count(), 6);
  gst_object_unref(dispatcher);
  fail_unless_equals_int(alive.use_count(), 1);
  g_main_context_unref(context);
}
GST_END_TEST

GST_START_TEST(test_own_thread)
{
  GstSlDispatcher *dispatcher = gst_sl_dispatcher_new_with_thread();
  GThread *thread = nullptr;
  fail_unless(invoke(dispatcher, "who", [&] {
                thread = g_thread_self();
                return nothing();
              }).served);
  fail_unless(thread != nullptr && thread != g_thread_self());
  // The last reference may go in a closure.
  gst_object_ref(dispatcher);
  post(dispatcher, "last", [dispatcher] {
    gst_object_unref(dispatcher);
    return nothing();
  });
  gst_object_unref(dispatcher);
}
GST_END_TEST

// --- A processor that calls the thread which stops it ---

typedef struct {
  GstSlProcessor parent;
} CallingSrc;
typedef struct {
  GstSlProcessorClass parent_class;
} CallingSrcClass;

static GType calling_src_get_type(void);
G_DEFINE_TYPE(CallingSrc, calling_src, GST_TYPE_SL_PROCESSOR)

static std::atomic<int> calls_begun;
static Answer last_answer;

static GstFlowReturn calling_src_process(GstSlProcessor *self, GstSlLinkPad *, GstBuffer *,
                                         GstBuffer **)
{
  GstSlDispatcher *dispatcher = gst_sl_runtime_get_dispatcher(gst_sl_processor_get_runtime(self));
  calls_begun++;
  last_answer = invoke(dispatcher, "from process", nothing, 10 * GST_SECOND);
  return last_answer.served ? GST_FLOW_OK : GST_FLOW_EOS;
}

static void calling_src_class_init(CallingSrcClass *klass)
{
  static GstStaticPadTemplate src =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &src);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Calling source", "Source",
                                        "Calls the runtime thread", "The gst-streamlib authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = calling_src_process;
}

static void calling_src_init(CallingSrc *self)
{
  gst_sl_processor_set_execution(GST_SL_PROCESSOR(self), GST_SL_EXECUTION_CONTINUOUS);
}

GST_START_TEST(test_the_runtime_thread_waits_for_the_caller)
{
  GObjectPtr<GstSlRuntime> runtime = adopt_object(gst_sl_runtime_new());
  GMainContext *context = g_main_context_new();
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  gst_sl_runtime_set_dispatcher(runtime.get(), dispatcher.get());
  fail_unless(gst_sl_runtime_get_dispatcher(runtime.get()) == dispatcher.get());

  auto *source = GST_ELEMENT(g_object_new(calling_src_get_type(), nullptr));
  gst_object_ref_sink(source);
  GstContext *shared = gst_sl_runtime_to_context(runtime.get(), TRUE);
  gst_element_set_context(source, shared);
  gst_context_unref(shared);
  calls_begun = 0;
  gst_element_set_state(source, GST_STATE_PLAYING);
  while (calls_begun == 0)
    g_usleep(1000);
  // This thread is bound, and now waits for the one that calls it.
  const int64_t begin = g_get_monotonic_time();
  gst_element_set_state(source, GST_STATE_NULL);
  fail_unless(g_get_monotonic_time() - begin < 1000000);
  fail_unless(last_answer.domain == GST_SL_DISPATCHER_ERROR);
  fail_unless_equals_int(last_answer.code, GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER);
  gst_object_unref(source);
  dispatcher.reset();
  runtime.reset();
  g_main_context_unref(context);
}
GST_END_TEST

static Suite *dispatcher_suite(void)
{
  Suite *suite = suite_create("dispatcher");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_first_in_first_out);
  tcase_add_test(tcase, test_results_and_the_runtime_thread);
  tcase_add_test(tcase, test_bound_thread_before_the_loop);
  tcase_add_test(tcase, test_no_loop_runs);
  tcase_add_test(tcase, test_busy_says_with_what);
  tcase_add_test(tcase, test_cancelled);
  tcase_add_test(tcase, test_dispose_drops_what_is_left);
  tcase_add_test(tcase, test_own_thread);
  tcase_add_test(tcase, test_the_runtime_thread_waits_for_the_caller);
  return suite;
}

GST_CHECK_MAIN(dispatcher)
