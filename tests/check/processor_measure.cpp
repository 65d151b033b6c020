// SPDX-License-Identifier: LGPL-2.1-or-later
// How long the steps of a processor take, and how old the buffers are that it gets.
#include <vector>

#include "gst/support/running_mean.h"
#include "gst/support/step_timer.h"
#include "processor_fixture.h"

using namespace fixture;
using streamlib::support::RunningMean;
using streamlib::support::StepTimer;

namespace {

constexpr int kStepMs = 20;
constexpr guint64 kStep = kStepMs * GST_MSECOND;

gint64 signed_stat(const Rig &rig, const char *field)
{
  gint64 value = 0;
  const StructurePtr stats = rig.stats();
  fail_unless(gst_structure_get_int64(stats.get(), field, &value), "no %s", field);
  return value;
}

guint sampled(const Rig &rig)
{
  guint value = 0;
  const StructurePtr stats = rig.stats();
  fail_unless(gst_structure_get_uint(stats.get(), "processing-sampled", &value));
  return value;
}

// All three stand for steps of at least kStep, and of no more than a loaded machine makes of it.
void check_steps(const Rig &rig)
{
  fail_unless(eventually([&] { return rig.stat("processing-max") >= kStep; }));
  const guint64 p50 = rig.stat("processing-p50");
  fail_unless(p50 >= kStep * 93 / 100, "p50 %" G_GUINT64_FORMAT, p50);
  fail_unless(p50 <= rig.stat("processing-p99"));
  fail_unless(rig.stat("processing-p99") <= rig.stat("processing-max"));
  fail_unless(rig.stat("processing-max") < 100 * kStep);
  fail_unless(rig.stat("processing-measured-ago") < 10 * GST_SECOND);
}

}  // namespace

GST_START_TEST(test_work_is_measured)
{
  Rig rig(Kind::Filter, {.process = [](GstSlLinkPad *, GstBuffer *input, GstBuffer **output) {
            sleep_ms(kStepMs);
            *output = input;
            return GST_FLOW_OK;
          }});
  rig.add_feeder();
  rig.add_recorder();
  rig.play();
  fail_unless_equals_uint64(rig.stat("processing-max"), 0);
  fail_unless(rig.stat("processing-measured-ago") == GST_CLOCK_TIME_NONE);
  rig.feeder().open();
  for (int i = 0; i < 5; i++)
    fail_unless_equals_int(rig.feeder().push(i * kStep), GST_FLOW_OK);
  fail_unless(eventually([&] { return rig.out().buffers() == 5; }));
  check_steps(rig);
  fail_unless_equals_int(sampled(rig), 1);
  fail_unless(signed_stat(rig, "thread-id") > 0);
  // A new start begins anew.
  rig.set_state(GST_STATE_READY);
  rig.set_state(GST_STATE_PAUSED);
  fail_unless_equals_uint64(rig.stat("processing-max"), 0);
}
GST_END_TEST

// What stands behind an sllink works in its push.
GST_START_TEST(test_the_push_counts)
{
  for (const char *scheduling : {"dedicated", "inline", "pooled"}) {
    Rig rig(Kind::Filter, {}, scheduling);
    gst_util_set_object_arg(G_OBJECT(rig.processor()), "scheduling", scheduling);
    rig.add_feeder();
    rig.add_recorder().on_buffer = [](GstBuffer *) {
      sleep_ms(kStepMs);
      return GST_FLOW_OK;
    };
    rig.play();
    rig.feeder().open();
    for (int i = 0; i < 3; i++)
      fail_unless_equals_int(rig.feeder().push(i * kStep), GST_FLOW_OK);
    fail_unless(eventually([&] { return rig.out().buffers() == 3; }));
    check_steps(rig);
  }
}
GST_END_TEST

GST_START_TEST(test_steps_without_a_link)
{
  Rig rig(Kind::Source, {.process = [](GstSlLinkPad *, GstBuffer *, GstBuffer **output) {
            sleep_ms(kStepMs);
            *output = make_buffer(0);
            return GST_FLOW_OK;
          }});
  gst_util_set_object_arg(G_OBJECT(rig.processor()), "execution", "continuous");
  rig.add_recorder();
  rig.play();
  fail_unless(eventually([&] { return rig.out().buffers() >= 3; }));
  check_steps(rig);
}
GST_END_TEST

GST_START_TEST(test_steps_of_a_join)
{
  Rig *joining = nullptr;
  Rig rig(Kind::JoinSink, {.process = [&](GstSlLinkPad *, GstBuffer *, GstBuffer **) {
            for (int i = 0; i < 2; i++)
              take(gst_sl_link_pad_pop_buffer(joining->feeder(i).sink()));
            sleep_ms(kStepMs);
            return GST_FLOW_OK;
          }});
  joining = &rig;
  rig.add_feeder("sink_%u").open();
  rig.add_feeder("sink_%u").open();
  rig.play();
  for (int i = 0; i < 3; i++) {
    rig.feeder(0).push(i * kStep);
    rig.feeder(1).push(i * kStep);
  }
  fail_unless(eventually([&] { return rig.feeder(1).stat("popped") == 3; }));
  check_steps(rig);
  // Each pad has ages of its own.
  fail_unless(rig.feeder(0).stat("age-samples") == 3 && rig.feeder(1).stat("age-samples") == 3);
}
GST_END_TEST

// From the beginning of the operation to the push of what it came to.
GST_START_TEST(test_steps_that_await)
{
  Rig rig(Kind::AwaitFilter,
          {.process_async =
               [](GstSlLinkPad *, GstBuffer *input, GTask *task) {
                 g_object_ref(task);
                 GSource *timer = g_timeout_source_new(kStepMs);
                 g_task_attach_source(task, timer, [](gpointer data) -> gboolean {
                   g_task_return_boolean(G_TASK(data), TRUE);
                   g_object_unref(data);
                   return G_SOURCE_REMOVE;
                 });
                 g_source_unref(timer);
                 gst_clear_buffer(&input);
               },
           .process_finish =
               [](GTask *task, GstBuffer **output, GError **error) {
                 *output = make_buffer(0);
                 return g_task_propagate_boolean(task, error) ? GST_FLOW_OK : GST_FLOW_ERROR;
               }});
  rig.add_feeder();
  rig.add_recorder();
  rig.play();
  rig.feeder().open();
  for (int i = 0; i < 3; i++)
    fail_unless_equals_int(rig.feeder().push(i * kStep), GST_FLOW_OK);
  fail_unless(eventually([&] { return rig.out().buffers() == 3; }));
  // The timer has milliseconds, and may be one early.
  fail_unless(eventually([&] { return rig.stat("processing-max") >= kStep - GST_MSECOND; }));
}
GST_END_TEST

GST_START_TEST(test_age_of_buffers)
{
  Rig rig(Kind::Sink,
          {.process = [](GstSlLinkPad *, GstBuffer *input, GstBuffer **) { return take(input); }});
  rig.add_feeder();
  rig.play();
  rig.feeder().open();
  sleep_ms(300);
  rig.feeder().push(0);
  fail_unless(eventually([&] { return rig.stat("age-samples") == 1; }));
  const gint64 old = signed_stat(rig, "age");
  fail_unless(old >= 300 * GST_MSECOND && old < 20 * GST_SECOND, "age %" G_GINT64_FORMAT, old);
  // One that comes early has a negative age.
  for (int i = 0; i < 60; i++)
    rig.feeder().push(1000 * GST_SECOND);
  fail_unless(eventually([&] { return rig.stat("age-samples") == 61; }));
  fail_unless(signed_stat(rig, "age") < -900 * GST_SECOND);
  fail_unless_equals_int64(signed_stat(rig, "age-max"), old);
}
GST_END_TEST

// At high rates one step of 64 is measured, and each one again when the rate has fallen.
GST_START_TEST(test_sampling)
{
  StepTimer timer;
  const auto run = [&](int steps) {
    int measured = 0;
    for (int i = 0; i < steps; i++) {
      const StepTimer::Scope scope(timer);
      measured += timer.is_measuring();
    }
    return measured;
  };
  fail_unless_equals_int(timer.measured_at(), 0);
  int few = 6400;
  // The machine may take this thread away for a while.
  for (int i = 0; i < 100 && few > 6400 / 64 + 1; i++)
    few = run(6400);
  fail_unless(few <= 6400 / 64 + 1, "%d of 6400", few);
  fail_unless_equals_int(timer.every(), 64);
  fail_unless(timer.measured_at() > 0);
  for (int i = 0; i < 128; i++) {
    run(1);
    g_usleep(1000);
  }
  fail_unless_equals_int(timer.every(), 1);
  fail_unless_equals_int(run(3), 3);
  // A step that ends elsewhere is measured to there.
  timer.clear();
  timer.begin();
  const int64_t began = timer.hand_over();
  fail_if(timer.is_measuring());
  sleep_ms(5);
  timer.end(began);
  fail_unless(timer.took().max() >= 5 * GST_MSECOND);
}
GST_END_TEST

GST_START_TEST(test_running_mean)
{
  RunningMean mean;
  fail_unless(mean.mean() == 0 && mean.count() == 0);
  mean.add(-100);
  fail_unless(mean.mean() == -100 && mean.max() == -100);
  mean.add(100);
  fail_unless_equals_int64(mean.mean(), 0);
  for (int i = 0; i < 500; i++)
    mean.add(1000);
  fail_unless(mean.mean() > 950 && mean.mean() <= 1000);
  fail_unless(mean.max() == 1000 && mean.count() == 502);
  mean.clear();
  fail_unless(mean.mean() == 0 && mean.max() == 0 && mean.count() == 0);
}
GST_END_TEST

static Suite *measure_suite()
{
  Suite *suite = suite_create("processor-measure");
  TCase *tcase = tcase_create("general");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, test_work_is_measured);
  tcase_add_test(tcase, test_the_push_counts);
  tcase_add_test(tcase, test_steps_without_a_link);
  tcase_add_test(tcase, test_steps_of_a_join);
  tcase_add_test(tcase, test_steps_that_await);
  tcase_add_test(tcase, test_age_of_buffers);
  tcase_add_test(tcase, test_sampling);
  tcase_add_test(tcase, test_running_mean);
  return suite;
}

GST_CHECK_MAIN(measure)
