// SPDX-License-Identifier: LGPL-2.1-or-later
// No lock on the push and pop path, no allocation for each buffer: by counting, and with violations
// planted to see that the counting can find one.
#include <cstdio>
#include <string>

#include <gst/check/gstcheck.h>

#include "interpose.h"
#include "planted.h"
#include "task_function.h"
#include "tests/benchmarks/flow.h"

namespace {

using streamlib::bench::Exchange;

// Buffers while the window is open.
constexpr uint64_t kSaturated = 20'000;
// Few, because each of them is a millisecond; every one finds the consumer asleep.
constexpr uint64_t kPaced = 300;
constexpr int64_t kPacedPeriodNs = 1'000'000;
constexpr uint64_t kTail = 50;
constexpr uint64_t kCredit = 32;

enum class Flow {
  // As fast as it goes; the link decides who waits.
  kSaturated,
  // The same, with so few buffers on their way that an evicting link has nothing to evict.
  kMatched,
  // The consumer falls asleep before each buffer.
  kPaced,
};

SlInterposeCounts count(const std::string &subject, Flow flow)
{
  const bool is_paced = flow == Flow::kPaced;
  Exchange exchange;
  // The window opens with one buffer and closes with another: one more than there are gaps.
  exchange.buffers = (is_paced ? kPaced : kSaturated) + kTail + 1;
  exchange.period_ns = is_paced ? kPacedPeriodNs : 0;
  // A source that catches up after a break must not make an evicting link evict.
  exchange.credit = flow == Flow::kSaturated ? 0 : kCredit;
  exchange.warm_up = is_paced ? 100 : 2'000;
  exchange.tail = kTail;
  // What is saturated may drop: the window goes by what was pushed.
  exchange.source_marks = flow == Flow::kSaturated;
  exchange.on_begin = sl_interpose_open;
  exchange.on_end = sl_interpose_close;
  streamlib::bench::run_flow(subject, exchange);
  return sl_interpose_counts();
}

struct Planted {
  const char *violation;
  bool locks;
};

constexpr Planted kPlanted[] = {
    {"g-mutex", true},  {"std-mutex", true},   {"rec-mutex", true},   {"rw-lock", true},
    {"try-lock", true}, {"cond", true},        {"object-lock", true}, {"pad-query", true},
    {"message", true},  {"async-queue", true}, {"notify", true},      {"malloc", false},
    {"aligned", false}, {"new", false},        {"buffer", false},     {"structure", false},
    {"event", false},   {"list", false},       {"text", false},       {"atomic-queue", false},
};

GST_START_TEST(test_interposer_is_in_front)
{
  const char *problem = sl_interpose_problem();
  fail_unless(problem == nullptr, "%s", problem);
}
GST_END_TEST

// What GStreamer does for whoever pushes is seen, and is not called ours.
GST_START_TEST(test_clean_element)
{
  const SlInterposeCounts counts = count("planted violation=none", Flow::kSaturated);
  sl_interpose_print_places();
  fail_unless_equals_uint64(counts.ours.locks, 0);
  fail_unless_equals_uint64(counts.ours.allocations, 0);
  fail_unless(counts.floor.locks >= kSaturated, "only %lu locks of GStreamer were seen",
              counts.floor.locks);
}
GST_END_TEST

GST_START_TEST(test_planted_violation)
{
  const Planted &planted = kPlanted[__i__];
  const SlInterposeCounts counts =
      count(std::string("planted violation=") + planted.violation, Flow::kSaturated);
  const unsigned long caught = planted.locks ? counts.ours.locks : counts.ours.allocations;
  fail_unless(caught >= kSaturated, "%s was seen %lu times in %lu buffers", planted.violation,
              caught, static_cast<unsigned long>(kSaturated));
}
GST_END_TEST

// In the thread of a processor, below our own task.
GST_START_TEST(test_planted_processor)
{
  const SlInterposeCounts counts = count("plantedprocessor", Flow::kSaturated);
  fail_unless(counts.ours.locks >= kSaturated / 2, "seen %lu times", counts.ours.locks);
  fail_unless(counts.ours.allocations >= kSaturated / 2, "seen %lu times", counts.ours.allocations);
}
GST_END_TEST

// The same by an element that is not ours: nobody's fault here.
GST_START_TEST(test_foreign_element)
{
  const SlInterposeCounts counts = count("queue", Flow::kSaturated);
  fail_unless_equals_uint64(counts.ours.locks, 0);
  fail_unless_equals_uint64(counts.ours.allocations, 0);
  fail_unless(counts.other.locks >= kSaturated, "queue was seen to lock %lu times",
              counts.other.locks);
}
GST_END_TEST

struct LinkRun {
  const char *subject;
  Flow flow;
  // A gap is marked on a copy of a buffer that others share: these allocations are no fault.
  bool drops = false;
};

constexpr LinkRun kLinks[] = {
    {"sllink policy=lossless depth=64", Flow::kSaturated},
    {"sllink policy=lossless depth=64", Flow::kMatched},
    {"sllink policy=lossless depth=64", Flow::kPaced},
    {"sllink policy=lossless depth=1", Flow::kSaturated},
    {"sllink policy=lossless depth=64 scheduling=inline", Flow::kSaturated},
    {"sllink policy=in-order depth=64", Flow::kSaturated, true},
    {"sllink policy=in-order depth=64", Flow::kMatched},
    {"sllink policy=in-order depth=64", Flow::kPaced},
    {"sllink policy=in-order depth=64 max-bytes=65536 max-time=1000000000", Flow::kMatched},
    {"sllink policy=latest depth=64", Flow::kSaturated, true},
    {"sllink policy=latest depth=64", Flow::kMatched},
    {"sllink policy=latest depth=64", Flow::kPaced},
};

// Whether the consumer is awake, asleep before each buffer, or far behind: no lock, no allocation.
GST_START_TEST(test_link)
{
  const LinkRun &run = kLinks[__i__];
  const SlInterposeCounts counts = count(run.subject, run.flow);
  sl_interpose_print_places();
  fail_unless(counts.ours.locks == 0, "%s took %lu locks", run.subject, counts.ours.locks);
  fail_unless(run.drops || counts.ours.allocations == 0, "%s allocated %lu times", run.subject,
              counts.ours.allocations);
  // It went through GStreamer's pads in both threads, and the counting has seen that.
  fail_unless(counts.floor.locks > 0);
}
GST_END_TEST

Suite *interpose_suite()
{
  Suite *suite = suite_create("interpose");
  TCase *planted = tcase_create("planted");
  suite_add_tcase(suite, planted);
  tcase_add_test(planted, test_interposer_is_in_front);
  tcase_add_test(planted, test_clean_element);
  tcase_add_test(planted, test_planted_processor);
  tcase_add_test(planted, test_foreign_element);
  tcase_add_loop_test(planted, test_planted_violation, 0, G_N_ELEMENTS(kPlanted));
  TCase *links = tcase_create("links");
  suite_add_tcase(suite, links);
  tcase_add_loop_test(links, test_link, 0, G_N_ELEMENTS(kLinks));
  return suite;
}

}  // namespace

int main(int argc, char **argv)
{
  gst_check_init(&argc, &argv);
  streamlib::bench::register_endpoints();
  planted_register();
  sl_interpose_add_ours("libgststreamlib-1.0.");
  sl_interpose_add_ours("libgstsl");
  sl_interpose_add_ours("libplanted.");
  sl_interpose_set_task_function(streamlib::interpose::learn_task_function());
  return gst_check_run_suite(interpose_suite(), "interpose", __FILE__);
}
