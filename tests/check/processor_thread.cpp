// SPDX-License-Identifier: LGPL-2.1-or-later
// GstSlProcessor: in which thread its steps are taken.
#include <thread>

#include <pthread.h>
#include <sched.h>

#include "processor_fixture.h"

using namespace fixture;

namespace {

// Threads that GStreamer's tasks ask for.
struct CountingPool {
  GstTaskPool parent;
  std::atomic<int> pushes;
};
struct CountingPoolClass {
  GstTaskPoolClass parent;
};

G_DEFINE_TYPE(CountingPool, counting_pool, GST_TYPE_TASK_POOL)

gpointer counting_pool_push(GstTaskPool *pool, GstTaskPoolFunction function, gpointer data,
                            GError **error)
{
  reinterpret_cast<CountingPool *>(pool)->pushes++;
  return GST_TASK_POOL_CLASS(counting_pool_parent_class)->push(pool, function, data, error);
}

void counting_pool_class_init(CountingPoolClass *klass)
{
  GST_TASK_POOL_CLASS(klass)->push = counting_pool_push;
}

void counting_pool_init(CountingPool *) {}

struct StatusMessage {
  GstStreamStatusType type;
  GThread *thread;
  bool has_task;
  bool owner_is_processor;
};

// Notes what STREAM_STATUS says, in the thread that says it, and gives the task a pool.
struct StatusLog {
  GstElement *processor = nullptr;
  GstTaskPool *pool = nullptr;
  std::mutex mutex;
  std::vector<StatusMessage> messages;

  static GstBusSyncReply handle(GstBus *, GstMessage *message, gpointer data)
  {
    if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_STREAM_STATUS)
      return GST_BUS_PASS;
    auto *self = static_cast<StatusLog *>(data);
    GstStreamStatusType type;
    GstElement *owner;
    gst_message_parse_stream_status(message, &type, &owner);
    const GValue *object = gst_message_get_stream_status_object(message);
    const bool has_task = G_VALUE_HOLDS(object, GST_TYPE_TASK) && g_value_get_object(object);
    if (type == GST_STREAM_STATUS_TYPE_CREATE && has_task && self->pool != nullptr)
      gst_task_set_pool(GST_TASK(g_value_get_object(object)), self->pool);
    const std::lock_guard lock(self->mutex);
    self->messages.push_back({type, g_thread_self(), has_task, owner == self->processor});
    return GST_BUS_PASS;
  }
};

int policy_of_this_thread()
{
  return sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
}

}  // namespace

GST_START_TEST(inline_runs_in_the_pushing_thread)
{
  std::atomic<GThread *> worker = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
    worker = g_thread_self();
    *output = input;
    return GST_FLOW_OK;
  };
  Rig rig(Kind::Filter, hooks);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  // To and fro, in READY.
  for (const bool is_inline : {true, false, true}) {
    rig.out().clear();
    rig.set("scheduling", is_inline ? GST_SL_SCHEDULING_INLINE : GST_SL_SCHEDULING_DEDICATED);
    rig.play();
    in.open();
    fail_unless_equals_int(in.push(0, 1), GST_FLOW_OK);
    fail_unless(eventually([&] { return rig.out().buffers() == 1; }));
    fail_unless((worker.load() == g_thread_self()) == is_inline);
    in.eos();
    fail_unless(eventually([&] { return rig.out().has_eos(); }));
    rig.set_state(GST_STATE_READY);
    gst_pad_set_active(in.pad(), FALSE);
    gst_pad_set_active(in.pad(), TRUE);
  }
}
GST_END_TEST;

GST_START_TEST(inline_needs_one_link_pad)
{
  const auto is_refused = [](Rig &rig) {
    rig.set("scheduling", GST_SL_SCHEDULING_INLINE);
    GstSlScheduling scheduling;
    g_object_get(rig.processor(), "scheduling", &scheduling, nullptr);
    return rig.message(GST_MESSAGE_WARNING) && scheduling == GST_SL_SCHEDULING_DEDICATED;
  };
  Rig two(Kind::Join, {});
  two.add_feeder();
  two.add_feeder();
  fail_unless(is_refused(two));
  Rig none(Kind::Source, {});
  fail_unless(is_refused(none));
  Rig continuous(Kind::Filter, {});
  continuous.set("execution", GST_SL_EXECUTION_CONTINUOUS);
  fail_unless(is_refused(continuous));

  // Pads on request are several, also while there is just one.
  Rig one(Kind::Join, {});
  one.add_feeder();
  fail_unless(is_refused(one));
}
GST_END_TEST;

GST_START_TEST(task_is_announced)
{
  StatusLog log;
  std::atomic<GThread *> worker = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    worker = g_thread_self();
    return take(input);
  };
  Rig rig(Kind::Filter, hooks);
  log.processor = rig.element();
  auto *pool = static_cast<CountingPool *>(g_object_new(counting_pool_get_type(), nullptr));
  gst_object_ref_sink(pool);
  log.pool = GST_TASK_POOL(pool);
  gst_task_pool_prepare(log.pool, nullptr);
  gst_bus_set_sync_handler(rig.bus(), StatusLog::handle, &log, nullptr);
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0);
  fail_unless(eventually([&] { return worker.load() != nullptr; }));
  rig.stop();

  const GstStreamStatusType expected[] = {
      GST_STREAM_STATUS_TYPE_CREATE, GST_STREAM_STATUS_TYPE_ENTER, GST_STREAM_STATUS_TYPE_LEAVE};
  fail_unless_equals_int(log.messages.size(), 3);
  for (size_t i = 0; i < 3; i++) {
    const StatusMessage &message = log.messages[i];
    fail_unless_equals_int(message.type, expected[i]);
    fail_unless(message.has_task && message.owner_is_processor);
    fail_unless(message.thread == (i == 0 ? g_thread_self() : worker.load()));
  }
  fail_unless_equals_int(pool->pushes, 1);
  gst_bus_set_sync_handler(rig.bus(), nullptr, nullptr, nullptr);
  gst_task_pool_cleanup(log.pool);
  gst_object_unref(pool);
}
GST_END_TEST;

GST_START_TEST(thread_is_named_after_the_element)
{
  char name[16] = "";
  std::atomic<bool> is_known = false;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    pthread_getname_np(pthread_self(), name, sizeof name);
    is_known = true;
    return take(input);
  };
  Rig rig(Kind::Filter, hooks, "blur-the-faces");
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0);
  fail_unless(eventually([&] { return is_known.load(); }));
  fail_unless(g_str_has_prefix("blur-the-faces", name) && strlen(name) > 3, "named %s", name);
}
GST_END_TEST;

// A thread that some element has made SCHED_BATCH ends with its pipeline; GStreamer's own pool
// would hand it on.
GST_START_TEST(scheduling_policy_ends_with_its_pipeline)
{
  for (int round = 0; round < 4; round++) {
    std::atomic<int> policy = -1;
    Hooks hooks;
    hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
      policy = policy_of_this_thread();
      const sched_param param = {};
      if (round == 0)
        fail_unless_equals_int(sched_setscheduler(0, SCHED_BATCH, &param), 0);
      return take(input);
    };
    Rig rig(Kind::Filter, hooks);
    rig.add_recorder();
    Feeder &in = rig.add_feeder();
    rig.play();
    in.open();
    in.push(0);
    fail_unless(eventually([&] { return policy != -1; }));
    fail_unless_equals_int(policy, SCHED_OTHER);
    rig.stop();
  }
}
GST_END_TEST;

GST_START_TEST(own_thread_cannot_stop_the_processor)
{
  std::atomic<int> answer = -1;
  GstElement *element = nullptr;
  Hooks hooks;
  hooks.process = [&](GstSlLinkPad *, GstBuffer *input, GstBuffer **) {
    if (answer == -1)
      answer = gst_element_set_state(element, GST_STATE_NULL);
    return take(input);
  };
  Rig rig(Kind::Filter, hooks);
  element = rig.element();
  rig.add_recorder();
  Feeder &in = rig.add_feeder();
  rig.play();
  in.open();
  in.push(0);
  fail_unless(eventually([&] { return answer != -1; }));
  fail_unless_equals_int(answer, GST_STATE_CHANGE_FAILURE);
  const auto warning = rig.message(GST_MESSAGE_WARNING);
  fail_unless(warning);
  fail_unless(text_of(warning.get()).find("gst_element_call_async") != std::string::npos);
  // It works on, and another thread stops it.
  rig.play();
  fail_unless_equals_int(in.push(0), GST_FLOW_OK);
  fail_unless(eventually([&] { return rig.stat("popped") == 2; }));
}
GST_END_TEST;

static Suite *processor_thread_suite()
{
  Suite *suite = suite_create("processor threads");
  TCase *tc = tcase_create("threads");
  suite_add_tcase(suite, tc);
  tcase_add_test(tc, inline_runs_in_the_pushing_thread);
  tcase_add_test(tc, inline_needs_one_link_pad);
  tcase_add_test(tc, task_is_announced);
  tcase_add_test(tc, thread_is_named_after_the_element);
  tcase_add_test(tc, scheduling_policy_ends_with_its_pipeline);
  tcase_add_test(tc, own_thread_cannot_stop_the_processor);
  return suite;
}

GST_CHECK_MAIN(processor_thread)
