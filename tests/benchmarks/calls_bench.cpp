// SPDX-License-Identifier: LGPL-2.1-or-later
// What a link asks of the system at saturation: futex calls and allocations, against `queue`.
//
// Both are counted for the whole process from the end of the warm-up until shortly before EOS. With
// rotating buffers, a source and a sink that allocate nothing, what is left is the link's and
// GStreamer's own.
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

#include "call_counter.h"
#include "flow.h"
#include "form_element.h"
#include "measure.h"
#include "options.h"

namespace streamlib::bench {

namespace {

constexpr unsigned kDepth = 256;
const char kQueue[] = "queue max-size-buffers=256 max-size-bytes=0 max-size-time=0";

// Figures for each buffer that was delivered.
struct PerBuffer {
  double futex_calls = 0;
  double futex_waits = 0;
  double allocations = 0;
};

PerBuffer count_calls(const std::string &element, const Options &options)
{
  Exchange exchange;
  exchange.warm_up = 5'000;
  exchange.buffers = options.is_long ? 300'000 : 100'000;
  exchange.source_cpu = kProducerCpu;
  exchange.sink_cpu = kConsumerCpu;
  exchange.on_begin = open_call_window;
  exchange.on_end = close_call_window;
  exchange.tail = 2'000;
  run_flow(element, exchange);
  const CallCounts calls = counted_calls();
  const auto buffers = static_cast<double>(exchange.buffers - exchange.tail);
  return {static_cast<double>(calls.futex_waits + calls.futex_wakes) / buffers,
          static_cast<double>(calls.futex_waits) / buffers,
          static_cast<double>(calls.allocations) / buffers};
}

void calls_row(const Options &options, const std::string &policy, bool has_budget)
{
  RowSpec spec;
  spec.id = policy + "-futex-calls";
  spec.what = "futex calls for each 1,000 buffers at saturation, " + policy;
  spec.subject = options.element + " policy=" + policy + " depth=" + std::to_string(kDepth);
  spec.baseline = kQueue;
  spec.unit = "calls/1000";
  spec.absolute = true;
  spec.has_budget = has_budget;
  spec.budget = {Better::kLower, 10};
  if (!options.wants(spec.id))
    return;
  if (options.list) {
    printf("%s\n", spec.id.c_str());
    return;
  }
  const Effort effort = has_budget ? options.effort() : options.single_effort();
  print_row(measure_row(spec, effort, [&](int, Row &row) {
    const PerBuffer baseline = count_calls(spec.baseline, options);
    const PerBuffer own = count_calls(spec.subject, options);
    row.details["subject_waits"].push_back(own.futex_waits * 1000);
    row.details["baseline_waits"].push_back(baseline.futex_waits * 1000);
    return Pair{own.futex_calls * 1000, baseline.futex_calls * 1000};
  }));
}

void allocations_row(const Options &options)
{
  RowSpec spec;
  spec.id = "lossless-allocations";
  spec.what = "allocations of the process for each 1,000 buffers in steady flow, lossless";
  spec.subject = options.element + " policy=lossless depth=" + std::to_string(kDepth);
  spec.baseline = kQueue;
  spec.unit = "calls/1000";
  spec.absolute = true;
  spec.budget = {Better::kLower, 0};
  if (!options.wants(spec.id))
    return;
  if (options.list) {
    printf("%s\n", spec.id.c_str());
    return;
  }
  print_row(measure_row(spec, options.effort(), [&](int, Row &) {
    return Pair{count_calls(spec.subject, options).allocations * 1000,
                count_calls(spec.baseline, options).allocations * 1000};
  }));
}

}  // namespace

}  // namespace streamlib::bench

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  // GLib reads this before main(); with its own caches its slices would go uncounted.
  if (getenv("G_SLICE") == nullptr) {
    setenv("G_SLICE", "always-malloc", 1);
    execv("/proc/self/exe", argv);
    perror("cannot start again with G_SLICE=always-malloc");
    return 2;
  }
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
  calls_row(options, "lossless", true);
  calls_row(options, "in-order", false);
  allocations_row(options);
  return 0;
}
