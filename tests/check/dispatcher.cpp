// SPDX-License-Identifier: LGPL-2.1-or-later
// The way to the runtime thread, with each of its ends.
#include "dispatcher_fixture.h"

using namespace dispatching;

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

// Posts that come just when the context goes to sleep, or is about to look.
GST_START_TEST(test_no_wakeup_is_lost)
{
  Served served;
  served.start();
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; t++)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 3000; i++) {
        for (unsigned pause = (i * 37 + t * 101) % 400; pause > 0; pause--)
          std::atomic_signal_fence(std::memory_order_seq_cst);
        fail_unless(invoke(served.dispatcher.get(), "call", nothing, 20 * GST_SECOND).served);
      }
    });
  for (auto &thread : threads)
    thread.join();
}
GST_END_TEST

// A closure that runs a loop of its own: the rest of its batch runs inside, and it is still the one
// that is named.
GST_START_TEST(test_loop_inside_a_closure)
{
  GMainContext *context = g_main_context_new();
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  std::string order;
  post(dispatcher.get(), "outer", [&] {
    while (g_main_context_iteration(context, FALSE))
      ;
    order += "outer ";
    std::thread([&] {
      const Answer answer = invoke(dispatcher.get(), "other", nothing, 20 * GST_MSECOND);
      fail_unless(answer.message.find("\"outer\"") != std::string::npos, "%s",
                  answer.message.c_str());
    }).join();
    return nothing();
  });
  post(dispatcher.get(), "next", [&] {
    order += "next ";
    return nothing();
  });
  g_main_context_iteration(context, FALSE);
  fail_unless_equals_string(order.c_str(), "next outer ");
  dispatcher.reset();
  g_main_context_unref(context);
}
GST_END_TEST

// Another source of the context has its turn, though closures never end.
GST_START_TEST(test_other_sources_have_their_turn)
{
  GMainContext *context = g_main_context_new();
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  int runs = 0;
  Function again = [&] {
    runs++;
    post(dispatcher.get(), "again", again);
    return nothing();
  };
  post(dispatcher.get(), "again", again);
  bool had_its_turn = false;
  GSource *other = g_timeout_source_new(0);
  g_source_set_callback(
      other,
      [](gpointer data) {
        *static_cast<bool *>(data) = true;
        return G_SOURCE_REMOVE;
      },
      &had_its_turn, nullptr);
  g_source_attach(other, context);
  g_source_unref(other);
  for (int i = 0; i < 3; i++)
    g_main_context_iteration(context, FALSE);
  fail_unless(had_its_turn);
  fail_unless(runs > 0);
  dispatcher.reset();
  g_main_context_unref(context);
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

// The caller goes on at once. The closure ends, and with it what it uses.
GST_START_TEST(test_cancelled_while_it_runs)
{
  Served served;
  GstSlDispatcher *dispatcher = served.dispatcher.get();
  served.start();
  GObjectPtr<GCancellable> cancellable = adopt_object(g_cancellable_new());
  std::atomic<bool> release = false;
  std::atomic<bool> ended = false;
  auto alive = std::make_shared<int>(1);
  const Answer answer = invoke(
      dispatcher, "running",
      [&, alive] {
        g_cancellable_cancel(cancellable.get());
        while (!release)
          g_usleep(1000);
        ended = true;
        return g_variant_new_string("too late");
      },
      20 * GST_SECOND, cancellable.get());
  fail_unless(answer.domain == G_IO_ERROR && answer.code == G_IO_ERROR_CANCELLED);
  fail_if(ended);
  fail_unless_equals_int(alive.use_count(), 2);
  release = true;
  fail_unless(invoke(dispatcher, "after", nothing, 20 * GST_SECOND).served);
  fail_unless(ended);
  fail_unless_equals_int(alive.use_count(), 1);
}
GST_END_TEST

GST_START_TEST(test_cancelled_when_it_has_run)
{
  Served served;
  served.start();
  GObjectPtr<GCancellable> cancellable = adopt_object(g_cancellable_new());
  const Answer answer = invoke(
      served.dispatcher.get(), "done", [] { return g_variant_new_string("done"); }, GST_SECOND,
      cancellable.get());
  g_cancellable_cancel(cancellable.get());
  fail_unless_equals_string(answer.result.c_str(), "done");
  fail_unless(invoke(served.dispatcher.get(), "other", nothing).served);
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
static std::atomic<int64_t> answered_at;
static int64_t call_delay_us;

static GstFlowReturn calling_src_process(GstSlProcessor *self, GstSlLinkPad *, GstBuffer *,
                                         GstBuffer **)
{
  calls_begun++;
  g_usleep(static_cast<gulong>(call_delay_us));
  GstSlDispatcher *dispatcher = gst_sl_runtime_get_dispatcher(gst_sl_processor_get_runtime(self));
  last_answer = invoke(dispatcher, "from process", nothing, 10 * GST_SECOND);
  answered_at = g_get_monotonic_time();
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
  fail_unless(g_get_monotonic_time() - begin < limit_us(1000000));
  fail_unless(answered_at - begin < limit_us(50000), "answered after %d us",
              static_cast<int>(answered_at - begin));
  fail_unless(last_answer.domain == GST_SL_DISPATCHER_ERROR);
  fail_unless_equals_int(last_answer.code, GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER);
  gst_object_unref(source);
  dispatcher.reset();
  runtime.reset();
  g_main_context_unref(context);
}
GST_END_TEST

// Nobody has asked for the dispatcher when the wait begins.
GST_START_TEST(test_the_caller_comes_when_the_wait_is_under_way)
{
  auto *source = GST_ELEMENT(g_object_new(calling_src_get_type(), nullptr));
  gst_object_ref_sink(source);
  calls_begun = 0;
  call_delay_us = 100000;
  gst_element_set_state(source, GST_STATE_PLAYING);
  while (calls_begun == 0)
    g_usleep(1000);
  gst_element_set_state(source, GST_STATE_NULL);
  fail_unless(last_answer.domain == GST_SL_DISPATCHER_ERROR);
  fail_unless_equals_string(g_quark_to_string(last_answer.domain), "gst-sl-dispatcher-error-quark");
  fail_unless_equals_int(last_answer.code, GST_SL_DISPATCHER_ERROR_WAITS_FOR_CALLER);
  fail_unless(last_answer.took < limit_us(50000));
  gst_object_unref(source);
}
GST_END_TEST

static Suite *dispatcher_suite(void)
{
  Suite *suite = suite_create("dispatcher");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_first_in_first_out);
  tcase_add_test(tcase, test_no_wakeup_is_lost);
  tcase_add_test(tcase, test_loop_inside_a_closure);
  tcase_add_test(tcase, test_other_sources_have_their_turn);
  tcase_add_test(tcase, test_results_and_the_runtime_thread);
  tcase_add_test(tcase, test_bound_thread_before_the_loop);
  tcase_add_test(tcase, test_no_loop_runs);
  tcase_add_test(tcase, test_busy_says_with_what);
  tcase_add_test(tcase, test_cancelled);
  tcase_add_test(tcase, test_cancelled_while_it_runs);
  tcase_add_test(tcase, test_cancelled_when_it_has_run);
  tcase_add_test(tcase, test_dispose_drops_what_is_left);
  tcase_add_test(tcase, test_own_thread);
  tcase_add_test(tcase, test_the_runtime_thread_waits_for_the_caller);
  tcase_add_test(tcase, test_the_caller_comes_when_the_wait_is_under_way);
  return suite;
}

GST_CHECK_MAIN(dispatcher)
