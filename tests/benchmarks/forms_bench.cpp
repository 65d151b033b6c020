// SPDX-License-Identifier: LGPL-2.1-or-later
// The queue forms against each other: alone between two threads, and inside the least element.
//
// A row compares the ring with one other form under one policy; the ring is worth its code where
// the ratio exceeds 1.3. `in-order` is measured in flow, with a producer that never runs further
// ahead than half of the capacity; `overload` evicts with nearly every push.
#include <atomic>
#include <cstdio>
#include <thread>

#include "flow.h"
#include "form_element.h"
#include "measure.h"
#include "options.h"
#include "queue_forms.h"

namespace streamlib::bench {

namespace {

constexpr unsigned kCapacity = 256;
constexpr double kWorthIt = 1.3;

enum class Policy { kLossless, kInOrder, kOverload };

const char *name_of(Policy policy)
{
  switch (policy) {
    case Policy::kLossless:
      return "lossless";
    case Policy::kInOrder:
      return "in-order";
    default:
      return "overload";
  }
}

struct RawRun {
  LinkForm &form;
  Policy policy;
  uint64_t items;
  // What the items point to; they are never looked at.
  alignas(16) char target[16] = {};
  alignas(128) std::atomic<uint64_t> taken{0};
  alignas(128) std::atomic<bool> pushed_all{false};
  std::atomic<bool> consumer_is_up{false};
};

void push_lossless(RawRun &run)
{
  for (uint64_t i = 0; i < run.items; i++) {
    while (!run.form.try_push(run.target))
      spin_pause();
  }
}

void push_matched(RawRun &run)
{
  uint64_t seen = 0;
  for (uint64_t i = 0; i < run.items; i++) {
    while (i - seen >= kCapacity / 2) {
      seen = run.taken.load(std::memory_order_acquire);
      if (i - seen >= kCapacity / 2)
        spin_pause();
    }
    run.form.push_evicting(run.target);
  }
}

void push_overload(RawRun &run)
{
  for (uint64_t i = 0; i < run.items; i++)
    run.form.push_evicting(run.target);
}

void consume(RawRun &run)
{
  pin_thread(kConsumerCpu);
  run.consumer_is_up = true;
  uint64_t taken = 0;
  for (;;) {
    // Read before the queue: when it is set, an empty queue stays empty.
    const bool is_last_look = run.pushed_all.load(std::memory_order_acquire);
    if (run.form.take().item != nullptr)
      run.taken.store(++taken, std::memory_order_release);
    else if (is_last_look)
      return;
    else
      spin_pause();
  }
}

// Pushed items per second until the last one was taken.
double raw_rate(const std::string &form_name, Policy policy, uint64_t items)
{
  const std::unique_ptr<LinkForm> form = make_form(form_name, kCapacity);
  RawRun run = {*form, policy, items};
  std::thread consumer([&] { consume(run); });
  double seconds = 0;
  std::thread producer([&] {
    pin_thread(kProducerCpu);
    while (!run.consumer_is_up)
      spin_pause();
    const int64_t start = monotonic_ns();
    if (policy == Policy::kLossless)
      push_lossless(run);
    else if (policy == Policy::kInOrder)
      push_matched(run);
    else
      push_overload(run);
    run.pushed_all.store(true, std::memory_order_release);
    consumer.join();
    seconds = static_cast<double>(monotonic_ns() - start) / 1e9;
  });
  producer.join();
  return static_cast<double>(items) / seconds;
}

double element_rate(const std::string &element, Policy policy, bool is_long)
{
  Exchange exchange;
  exchange.credit = policy == Policy::kInOrder ? kCapacity / 2 : 0;
  exchange.warm_up = 5'000;
  exchange.duration_ns = is_long ? 250'000'000 : 120'000'000;
  exchange.source_cpu = kProducerCpu;
  exchange.sink_cpu = kConsumerCpu;
  return run_flow(element, exchange).rate;
}

std::string element_of(const std::string &form, Policy policy)
{
  return "benchform form=" + form + " policy=" + name_of(policy) +
         " depth=" + std::to_string(kCapacity);
}

class FormsBench {
public:
  explicit FormsBench(const Options &options) : options_(options) {}

  void run()
  {
    raw_row(Policy::kLossless, "pointers");
    raw_row(Policy::kLossless, "lanes");
    raw_row(Policy::kInOrder, "lanes");
    raw_row(Policy::kOverload, "lanes");
    element_row(Policy::kLossless, "pointers");
    element_row(Policy::kLossless, "lanes");
    element_row(Policy::kInOrder, "lanes");
  }

private:
  void row(const std::string &level, Policy policy, const std::string &other,
           const std::string &subject, const std::string &baseline,
           const std::function<double(const std::string &form)> &rate)
  {
    RowSpec spec;
    spec.id = level + "-" + name_of(policy) + "-" + other;
    spec.what = std::string("ring against ") + other + ", " + name_of(policy) + ", " + level;
    spec.subject = subject;
    spec.baseline = baseline;
    spec.unit = level == "raw" ? "items/s" : "buffers/s";
    spec.has_budget = false;
    spec.has_goal = true;
    spec.goal = {Better::kHigher, kWorthIt};
    if (!options_.wants(spec.id))
      return;
    if (options_.list) {
      printf("%s\n", spec.id.c_str());
      return;
    }
    print_row(measure_row(spec, options_.single_effort(), [&](int, Row &) {
      const double baseline_rate = rate(other);
      return Pair{rate("ring"), baseline_rate};
    }));
  }

  void raw_row(Policy policy, const std::string &other)
  {
    const uint64_t items = options_.is_long ? 1'500'000 : 400'000;
    row("raw", policy, other, "ring", other,
        [&](const std::string &form) { return raw_rate(form, policy, items); });
  }

  void element_row(Policy policy, const std::string &other)
  {
    row("element", policy, other, element_of("ring", policy), element_of(other, policy),
        [&](const std::string &form) {
          return element_rate(element_of(form, policy), policy, options_.is_long);
        });
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
  if (!options.list && usable_cpus() < 2) {
    fprintf(stderr, "two CPUs are needed: one for each end of a queue\n");
    return 77;
  }
  FormsBench(options).run();
  return 0;
}
