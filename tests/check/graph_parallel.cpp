// SPDX-License-Identifier: LGPL-2.1-or-later
// State changes of many elements, some of which return late.
#include "gst/streamlib/graph/parallel.h"

// Behind what includes <functional>, whose members its macros would replace.
#include <gst/check/gstcheck.h>

using streamlib::graph::ParallelStates;
using streamlib::graph::StateResult;
using streamlib::support::GObjectPtr;
using streamlib::support::sink_object;

namespace {

// Takes its time on each way into READY.
struct Slow {
  GstElement parent;
  gint must_wait;
};

gpointer slow_parent = nullptr;

GstStateChangeReturn slow_change_state(GstElement *element, GstStateChange transition)
{
  auto *self = reinterpret_cast<Slow *>(element);
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    while (g_atomic_int_get(&self->must_wait))
      g_usleep(1000);
  }
  return GST_ELEMENT_CLASS(slow_parent)->change_state(element, transition);
}

void slow_class_init(gpointer klass, gpointer)
{
  slow_parent = g_type_class_peek_parent(klass);
  GST_ELEMENT_CLASS(klass)->change_state = slow_change_state;
}

GObjectPtr<GstElement> new_slow(bool must_wait)
{
  static const GType type = g_type_register_static_simple(
      GST_TYPE_ELEMENT, "TestSlowElement", sizeof(GstElementClass), slow_class_init, sizeof(Slow),
      nullptr, static_cast<GTypeFlags>(0));
  auto element = sink_object(GST_ELEMENT(g_object_new(type, nullptr)));
  g_atomic_int_set(&reinterpret_cast<Slow *>(element.get())->must_wait, must_wait);
  return element;
}

void let_go(const GObjectPtr<GstElement> &element)
{
  g_atomic_int_set(&reinterpret_cast<Slow *>(element.get())->must_wait, FALSE);
}

int64_t in_ms(int64_t ms)
{
  return g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;
}

bool comes_to(const GObjectPtr<GstElement> &element, GstState state, int64_t until)
{
  while (GST_STATE(element.get()) != state && g_get_monotonic_time() < until)
    g_usleep(1000);
  return GST_STATE(element.get()) == state;
}

}  // namespace

GST_START_TEST(test_all_in_time)
{
  const auto one = new_slow(false);
  const auto other = new_slow(false);
  ParallelStates states({one, other}, GST_STATE_READY);
  fail_unless(states.wait(in_ms(10000)));
  for (const StateResult result : states.give_up())
    fail_unless(result == StateResult::Reached);
  fail_unless_equals_int(GST_STATE(one.get()), GST_STATE_READY);
  fail_unless_equals_int(GST_STATE(other.get()), GST_STATE_READY);
  gst_element_set_state(one.get(), GST_STATE_NULL);
  gst_element_set_state(other.get(), GST_STATE_NULL);
}
GST_END_TEST

// It returns when it was counted as not there, and the run still stands.
GST_START_TEST(test_one_that_returns_right_after)
{
  const auto slow = new_slow(true);
  const auto other = new_slow(false);
  ParallelStates states({slow, other}, GST_STATE_READY);
  fail_if(states.wait(in_ms(100)));
  const auto results = states.give_up();
  fail_unless(results[0] == StateResult::Waiting);
  fail_unless(results[1] == StateResult::Reached);
  let_go(slow);
  // Its first step ends in READY, and nobody else knows of it any more.
  g_usleep(50000);
  fail_unless(comes_to(slow, GST_STATE_NULL, in_ms(10000)));
  gst_element_set_state(other.get(), GST_STATE_NULL);
}
GST_END_TEST

// Without a word.
GST_START_TEST(test_one_that_returns_after_the_run)
{
  const auto slow = new_slow(true);
  {
    ParallelStates states({slow}, GST_STATE_READY);
    fail_if(states.wait(in_ms(50)));
  }
  let_go(slow);
  g_usleep(50000);
  fail_unless(comes_to(slow, GST_STATE_NULL, in_ms(10000)));
}
GST_END_TEST

static Suite *graph_parallel_suite()
{
  Suite *suite = suite_create("graph-parallel");
  TCase *tcase = tcase_create("states");
  tcase_add_test(tcase, test_all_in_time);
  tcase_add_test(tcase, test_one_that_returns_right_after);
  tcase_add_test(tcase, test_one_that_returns_after_the_run);
  suite_add_tcase(suite, tcase);
  return suite;
}

GST_CHECK_MAIN(graph_parallel)
