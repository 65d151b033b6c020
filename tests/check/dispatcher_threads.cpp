// SPDX-License-Identifier: LGPL-2.1-or-later
// Which thread is the runtime thread: after a loop, in a process with two of them, after a fork.
#include <sys/wait.h>
#include <unistd.h>

#include "dispatcher_fixture.h"

using namespace dispatching;

// --- Who the runtime thread is ---

// An application stops its pipeline when its loop has been quit.
GST_START_TEST(test_loop_is_quit_and_run_again)
{
  GMainContext *context = g_main_context_new();
  GMainLoop *loop = g_main_loop_new(context, FALSE);
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  for (int round = 0; round < 3; round++) {
    bool ran = false;
    post(dispatcher.get(), "quit", [&] {
      ran = true;
      g_main_loop_quit(loop);
      return nothing();
    });
    g_main_loop_run(loop);
    fail_unless(ran);
    // The thread is the same, so there is nobody to wait for.
    fail_unless(gst_sl_dispatcher_is_runtime_thread(dispatcher.get()));
    const Answer own = invoke(dispatcher.get(), "own", nothing);
    fail_unless(own.served);
    fail_unless(own.took < limit_us(500000));
    std::thread caller([&] {
      const Answer other = invoke(dispatcher.get(), "other", nothing, 50 * GST_MSECOND);
      fail_unless_equals_int(other.code, GST_SL_DISPATCHER_ERROR_BUSY);
      fail_unless(other.message.find("has ended") != std::string::npos, "%s",
                  other.message.c_str());
    });
    caller.join();
  }
  dispatcher.reset();
  g_main_loop_unref(loop);
  g_main_context_unref(context);
}
GST_END_TEST

// A thread that served the context is gone; a later one may have its address.
GST_START_TEST(test_no_later_thread_is_taken_for_it)
{
  GMainContext *context = g_main_context_new();
  GObjectPtr<GstSlDispatcher> dispatcher = adopt_object(gst_sl_dispatcher_new(context));
  auto in_thread = [&](auto function) {
    GThread *thread = g_thread_new(
        "test",
        [](gpointer data) -> gpointer {
          (*static_cast<decltype(function) *>(data))();
          return nullptr;
        },
        &function);
    g_thread_join(thread);
  };
  bool ran = false;
  post(dispatcher.get(), "served", [&] {
    ran = true;
    return nothing();
  });
  in_thread([&] { g_main_context_iteration(context, FALSE); });
  fail_unless(ran);
  fail_if(gst_sl_dispatcher_is_runtime_thread(dispatcher.get()));
  for (int i = 0; i < 50; i++)
    in_thread([&] { fail_if(gst_sl_dispatcher_is_runtime_thread(dispatcher.get())); });
  dispatcher.reset();
  g_main_context_unref(context);
}
GST_END_TEST

// The one that asks for it first may be a streaming thread.
GST_START_TEST(test_runtimes_dispatcher_is_of_the_main_thread)
{
  GObjectPtr<GstSlRuntime> runtime = adopt_object(gst_sl_runtime_new());
  GstSlDispatcher *dispatcher = nullptr;
  std::thread([&] {
    dispatcher = gst_sl_runtime_get_dispatcher(runtime.get());
    fail_if(gst_sl_dispatcher_is_runtime_thread(dispatcher));
    const Answer answer = invoke(dispatcher, "early", nothing, 20 * GST_MSECOND);
    fail_unless_equals_int(answer.code, GST_SL_DISPATCHER_ERROR_NEVER_RAN);
  }).join();
  fail_unless(gst_sl_dispatcher_is_runtime_thread(dispatcher));
  fail_unless(gst_sl_dispatcher_get_context(dispatcher) == g_main_context_default());
  // Made elsewhere it is of nobody until a loop runs.
  std::thread([&] {
    GObjectPtr<GstSlRuntime> other = adopt_object(gst_sl_runtime_new());
    fail_if(gst_sl_dispatcher_is_runtime_thread(gst_sl_runtime_get_dispatcher(other.get())));
  }).join();
}
GST_END_TEST

// --- More than one ---

GST_START_TEST(test_two_in_one_process)
{
  GObjectPtr<GstSlRuntime> runtimes[2];
  GstSlDispatcher *dispatchers[2];
  for (int i = 0; i < 2; i++) {
    runtimes[i] = adopt_object(gst_sl_runtime_new());
    GObjectPtr<GstSlDispatcher> own = adopt_object(gst_sl_dispatcher_new_with_thread());
    gst_sl_runtime_set_dispatcher(runtimes[i].get(), own.get());
    dispatchers[i] = gst_sl_runtime_get_dispatcher(runtimes[i].get());
  }
  GThread *threads[2];
  for (int i = 0; i < 2; i++)
    fail_unless(invoke(dispatchers[i], "who", [&, i] {
                  threads[i] = g_thread_self();
                  return nothing();
                }).served);
  fail_unless(threads[0] != threads[1]);
  // From one to the other, and back: the first one waits, and is told so at the limit.
  Answer back;
  const Answer there = invoke(
      dispatchers[0], "there",
      [&] {
        invoke(
            dispatchers[1], "across",
            [&] {
              back = invoke(dispatchers[0], "back", nothing, 50 * GST_MSECOND);
              return nothing();
            },
            20 * GST_SECOND);
        return g_variant_new_string("done");
      },
      20 * GST_SECOND);
  fail_unless_equals_string(there.result.c_str(), "done");
  fail_unless_equals_int(back.code, GST_SL_DISPATCHER_ERROR_BUSY);
  fail_unless(back.message.find("there") != std::string::npos, "%s", back.message.c_str());
  // One goes, the other stays.
  runtimes[0].reset();
  fail_unless(invoke(dispatchers[1], "left", nothing).served);
}
GST_END_TEST

// The child has its own copy of what was queued, and none of the threads.
GST_START_TEST(test_process_forks)
{
  Served served;
  served.start();
  GMainContext *context = g_main_context_new();
  GObjectPtr<GstSlDispatcher> own = adopt_object(gst_sl_dispatcher_new(context));
  int runs = 0;
  post(own.get(), "queued", [&] {
    runs++;
    return nothing();
  });
  const pid_t child = fork();
  if (child == 0) {
    const bool runs_at_once = invoke(own.get(), "own", nothing).served;
    while (g_main_context_iteration(context, FALSE))
      ;
    const Answer answer = invoke(served.dispatcher.get(), "gone", nothing, 100 * GST_MSECOND);
    _exit(runs_at_once && runs == 1 && answer.code == GST_SL_DISPATCHER_ERROR_BUSY ? 0 : 1);
  }
  int status = -1;
  fail_unless(waitpid(child, &status, 0) == child);
  fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", status);
  // The parent does not notice.
  fail_unless(invoke(served.dispatcher.get(), "still", nothing, 20 * GST_SECOND).served);
  fail_unless_equals_int(runs, 0);
  while (g_main_context_iteration(context, FALSE))
    ;
  fail_unless_equals_int(runs, 1);
  own.reset();
  g_main_context_unref(context);
}
GST_END_TEST

static Suite *dispatcher_threads_suite(void)
{
  Suite *suite = suite_create("dispatcher-threads");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_loop_is_quit_and_run_again);
  tcase_add_test(tcase, test_no_later_thread_is_taken_for_it);
  tcase_add_test(tcase, test_runtimes_dispatcher_is_of_the_main_thread);
  tcase_add_test(tcase, test_two_in_one_process);
  tcase_add_test(tcase, test_process_forks);
  return suite;
}

GST_CHECK_MAIN(dispatcher_threads)
