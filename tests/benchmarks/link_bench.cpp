// SPDX-License-Identifier: LGPL-2.1-or-later
// A link against `queue`: throughput, CPU time and hand-off.
//
// Every pipeline is `benchsrc ! X ! benchsink`, X holding 256 buffers, with the source's thread on
// one CPU and the thread that X drains by on another. A row is a ratio of two runs that follow each
// other, repeated; what is compared with the budget is the median of the ratios.
//
// What is counted is what arrives. For the evicting policies the source keeps no more than half of
// the depth on its way (it reads what the sink has counted), and every timestamp lies in the
// future: nothing is evicted and nothing is stale, so the figure is the cost of the flow and not of
// the drops. The baseline runs with the very same source.
#include <cmath>
#include <cstdio>

#include "flow.h"
#include "form_element.h"
#include "handoff.h"
#include "measure.h"
#include "options.h"

namespace streamlib::bench {

namespace {

constexpr unsigned kDepth = 256;
constexpr unsigned kHogs = 4;
constexpr uint64_t kWarmUp = 5'000;
constexpr int64_t kShortRunNs = 120'000'000;
constexpr int64_t kLongRunNs = 250'000'000;
const char kQueue[] = "queue max-size-buffers=256 max-size-bytes=0 max-size-time=0";
const char kLeakyQueue[] =
    "queue max-size-buffers=256 max-size-bytes=0 max-size-time=0 leaky=downstream";

struct Throughput {
  std::string id;
  std::string what;
  std::string policy;
  bool fresh = false;
  unsigned list_size = 1;
  bool matched = false;
  std::string baseline = kQueue;
};

class LinkBench {
public:
  explicit LinkBench(const Options &options) : options_(options) {}

  void run()
  {
    throughput_rows();
    cpu_row();
    handoff_rows();
    priority_row();
  }

private:
  std::string subject(const std::string &policy) const
  {
    return options_.element + " policy=" + policy + " depth=" + std::to_string(kDepth);
  }

  // Whether to go on with this row.
  bool wanted(const std::string &id) const
  {
    if (!options_.wants(id))
      return false;
    if (options_.list)
      printf("%s\n", id.c_str());
    return !options_.list;
  }

  FlowResult flow(const std::string &element, const Throughput &plan) const
  {
    Exchange exchange;
    exchange.fresh = plan.fresh;
    exchange.list_size = plan.list_size;
    exchange.credit = plan.matched ? kDepth / 2 : 0;
    exchange.warm_up = kWarmUp * plan.list_size;
    exchange.duration_ns = options_.is_long ? kLongRunNs : kShortRunNs;
    exchange.source_cpu = kProducerCpu;
    exchange.sink_cpu = kConsumerCpu;
    return run_flow(element, exchange);
  }

  void rate_row(const Throughput &plan, double budget, double goal)
  {
    if (!wanted(plan.id))
      return;
    RowSpec spec;
    spec.id = plan.id;
    spec.what = plan.what;
    spec.subject = subject(plan.policy);
    spec.baseline = plan.baseline;
    spec.unit = "buffers/s";
    spec.has_budget = budget > 0;
    spec.budget = {Better::kHigher, budget};
    spec.has_goal = goal > 0;
    spec.goal = {Better::kHigher, goal};
    const Effort effort = spec.has_budget ? options_.effort() : options_.single_effort();
    print_row(measure_row(spec, effort, [&](int, Row &row) {
      const FlowResult baseline = flow(spec.baseline, plan);
      const FlowResult own = flow(spec.subject, plan);
      row.details["subject_cpu_ns"].push_back(own.cpu_ns);
      row.details["baseline_cpu_ns"].push_back(baseline.cpu_ns);
      row.details["subject_dropped"].push_back(static_cast<double>(own.pushed - own.delivered));
      row.details["baseline_dropped"].push_back(
          static_cast<double>(baseline.pushed - baseline.delivered));
      return Pair{own.rate, baseline.rate};
    }));
  }

  void throughput_rows()
  {
    rate_row({"lossless-reused", "lossless, 1,024 rotating buffers", "lossless"}, 3, 4);
    rate_row({"lossless-fresh", "lossless, a new buffer each time", "lossless", true}, 2.2, 3);
    rate_row({"lossless-lists", "lossless, buffer lists of 16", "lossless", false, 16}, 0, 0);
    rate_row({"in-order-reused", "in-order, rotating buffers", "in-order", false, 1, true}, 2, 0);
    rate_row({"in-order-fresh", "in-order, new buffers", "in-order", true, 1, true}, 2, 0);
    rate_row({"latest-reused", "latest, rotating buffers", "latest", false, 1, true}, 2, 0);
    rate_row({"latest-fresh", "latest, new buffers", "latest", true, 1, true}, 2, 0);
    rate_row({"in-order-reused-leaky", "in-order against a leaky queue", "in-order", false, 1, true,
              kLeakyQueue},
             0, 0);
    overload_row();
  }

  // The source does not wait for anybody: how fast can it get rid of its buffers?
  void overload_row()
  {
    const Throughput plan = {"in-order-overload", "in-order, source without pause: pushes/s",
                             "in-order"};
    if (!wanted(plan.id))
      return;
    RowSpec spec;
    spec.id = plan.id;
    spec.what = plan.what;
    spec.subject = subject(plan.policy);
    spec.baseline = kLeakyQueue;
    spec.unit = "pushes/s";
    spec.has_budget = false;
    print_row(measure_row(spec, options_.single_effort(), [&](int, Row &row) {
      const FlowResult baseline = flow(spec.baseline, plan);
      const FlowResult own = flow(spec.subject, plan);
      row.details["subject_delivered_part"].push_back(static_cast<double>(own.delivered) /
                                                      static_cast<double>(own.pushed));
      row.details["baseline_delivered_part"].push_back(static_cast<double>(baseline.delivered) /
                                                       static_cast<double>(baseline.pushed));
      return Pair{own.push_rate, baseline.push_rate};
    }));
  }

  void cpu_row()
  {
    if (!wanted("lossless-cpu"))
      return;
    RowSpec spec;
    spec.id = "lossless-cpu";
    spec.what = "CPU time of the process for each buffer, lossless, rotating buffers";
    spec.subject = subject("lossless");
    spec.baseline = kQueue;
    spec.unit = "ns";
    spec.budget = {Better::kLower, 0.4};
    spec.has_goal = true;
    spec.goal = {Better::kLower, 0.25};
    const Throughput plan = {spec.id, spec.what, "lossless"};
    print_row(measure_row(spec, options_.effort(), [&](int, Row &row) {
      const FlowResult baseline = flow(spec.baseline, plan);
      const FlowResult own = flow(spec.subject, plan);
      // Source and sink in one thread, without a link: what no link can save.
      Throughput floor_plan = plan;
      row.details["floor_ns"].push_back(flow("", floor_plan).cpu_ns);
      return Pair{own.cpu_ns, baseline.cpu_ns};
    }));
  }

  HandoffPlan handoff_plan(int consumer_cpu) const
  {
    HandoffPlan plan;
    plan.buffers = options_.is_long ? 2000 : 350;
    plan.producer_cpu = kProducerCpu;
    plan.consumer_cpu = consumer_cpu;
    return plan;
  }

  void handoff_rows()
  {
    if (wanted("handoff-other-cpu")) {
      RowSpec spec;
      spec.id = "handoff-other-cpu";
      spec.what = "p50 from the push to the consumer that slept on the other CPU, 1 kHz";
      spec.subject = subject("lossless");
      spec.baseline = "futex";
      spec.unit = "us";
      spec.budget = {Better::kLower, 1.15};
      // The idle states of a virtual CPU would drown the difference.
      IdleSpinners spinners;
      print_row(measure_row(spec, options_.effort(), [&](int, Row &row) {
        const HandoffPlan plan = handoff_plan(kConsumerCpu);
        const HandoffResult bare = futex_handoff(plan);
        const HandoffResult own = element_handoff(spec.subject, plan);
        row.details["queue_p50_us"].push_back(element_handoff(kQueue, plan).p50_us);
        row.details["subject_p99_us"].push_back(own.p99_us);
        row.details["baseline_p99_us"].push_back(bare.p99_us);
        return Pair{own.p50_us, bare.p50_us};
      }));
    }
    if (wanted("handoff-same-cpu")) {
      RowSpec spec;
      spec.id = "handoff-same-cpu";
      spec.what = "p50 from the push to the consumer that slept on the same CPU, 1 kHz";
      spec.subject = subject("lossless");
      spec.baseline = kQueue;
      spec.unit = "us";
      spec.budget = {Better::kLower, 0.6};
      print_row(measure_row(spec, options_.effort(), [&](int, Row &row) {
        const HandoffPlan plan = handoff_plan(kProducerCpu);
        const HandoffResult baseline = element_handoff(kQueue, plan);
        const HandoffResult own = element_handoff(spec.subject, plan);
        row.details["subject_p99_us"].push_back(own.p99_us);
        row.details["baseline_p99_us"].push_back(baseline.p99_us);
        return Pair{own.p50_us, baseline.p50_us};
      }));
    }
  }

  // What a real-time thread is for: everybody else wants the CPUs as well.
  void priority_row()
  {
    if (!wanted("priority-hogs"))
      return;
    RowSpec spec;
    spec.id = "priority-hogs";
    spec.what = "p99.9 from the push to the consumer that slept, under 4 CPU hogs, 1 kHz";
    spec.subject = subject("lossless") + " priority=realtime";
    spec.baseline = kQueue;
    spec.unit = "us";
    spec.budget = {Better::kLower, 0.1};
    Hogs hogs(kHogs);
    print_row(measure_row(spec, options_.effort(), [&](int, Row &row) {
      HandoffPlan plan = handoff_plan(kConsumerCpu);
      plan.buffers = options_.is_long ? 5000 : 1000;
      const HandoffResult baseline = element_handoff(kQueue, plan);
      const HandoffResult own = element_handoff(spec.subject, plan);
      row.details["subject_p50_us"].push_back(own.p50_us);
      row.details["baseline_p50_us"].push_back(baseline.p50_us);
      row.details["subject_p99_us"].push_back(own.p99_us);
      row.details["baseline_p99_us"].push_back(baseline.p99_us);
      return Pair{own.p999_us, baseline.p999_us};
    }));
  }

  const Options options_;
};

}  // namespace

}  // namespace streamlib::bench

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  const Options options = parse_options(argc, argv);
  gst_init(nullptr, nullptr);
  register_endpoints();
  register_form_element();
  if (!options.list && !available(options.element)) {
    fprintf(stderr, "there is no element \"%s\": run this inside `meson devenv`\n",
            options.element.c_str());
    return 2;
  }
  if (!options.list && usable_cpus() < 2) {
    fprintf(stderr, "two CPUs are needed: one for each end of a link\n");
    return 77;
  }
  LinkBench(options).run();
  return 0;
}
