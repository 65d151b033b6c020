// SPDX-License-Identifier: LGPL-2.1-or-later
// Live streams of a buffer each 10 ms on the executor, against pipelines with a `queue`: CPU,
// memory, start, lateness, threads. Each figure is of a process of its own.
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "measure.h"
#include "options.h"
#include "report.h"
#include "stream_load.h"

namespace streamlib::bench {

namespace {

const char kPooled[] =
    "sltestsrc interval=10000000 ! sllink scheduling=pooled ! fakesink name=sink";
const char kQueue[] =
    "sltestsrc interval=10000000 scheduling=dedicated ! queue ! fakesink name=sink";
// The same for pipelines with many streams: sinks that preroll wait for all others of their
// pipeline, each in a thread, which is more than the executor's spares.
const char kSharedPooled[] =
    "sltestsrc interval=10000000 ! sllink scheduling=pooled ! fakesink name=sink async=false";
const char kSharedQueue[] =
    "sltestsrc interval=10000000 scheduling=dedicated ! queue ! fakesink name=sink async=false";
// Its sources keep a thread each.
const char kForeign[] =
    "fakesrc is-live=true sync=true format=time datarate=100000 sizetype=fixed sizemax=1000 ! "
    "sllink "
    "scheduling=pooled ! fakesink name=sink";
const char kForeignQueue[] =
    "fakesrc is-live=true sync=true format=time datarate=100000 sizetype=fixed sizemax=1000 ! "
    "queue ! "
    "fakesink name=sink";

constexpr int kStreams = 500;
// The source has a thread, and so has the queue.
constexpr int kThreadsOfQueue = 2;
// Many streams in a pipeline: a bus for each would take more descriptors than a process may have.
constexpr int kStreamsPerPipeline = 100;
constexpr double kSecondsShort = 0.7;
constexpr double kSecondsLong = 3;
constexpr int kScaleRepetitions = 3;

struct Sample {
  StreamFigures subject;
  StreamFigures baseline;
};

RowSpec ratio(const char *id, const std::string &what, const char *unit, double budget)
{
  RowSpec spec;
  spec.id = id;
  spec.what = what;
  spec.subject = kPooled;
  spec.baseline = kQueue;
  spec.unit = unit;
  spec.budget = {Better::kLower, budget};
  return spec;
}

RowSpec limit(const char *id, const std::string &what, const char *unit, double budget)
{
  RowSpec spec = ratio(id, what, unit, budget);
  spec.absolute = true;
  return spec;
}

using Figure = double StreamFigures::*;

void print(RowSpec spec, const std::vector<Sample> &samples, Figure figure)
{
  Row row;
  row.spec = std::move(spec);
  for (const Sample &sample : samples) {
    row.pairs.push_back({sample.subject.*figure, sample.baseline.*figure});
    row.details["subject_delivered"].push_back(sample.subject.delivered);
    row.details["baseline_delivered"].push_back(sample.baseline.delivered);
  }
  print_row(row);
}

// Empty, with a word on standard error, where the system does not allow so many.
std::vector<Sample> measure(const char *subject, const char *baseline, const Options &options,
                            int repetitions)
{
  const double seconds = options.is_long ? kSecondsLong : kSecondsShort;
  std::vector<Sample> samples;
  for (int i = 0; i < repetitions; i++) {
    const auto queue = measure_streams({baseline, kStreams, seconds, 1, kThreadsOfQueue});
    const auto own = measure_streams({subject, kStreams, seconds});
    if (!queue || !own) {
      fprintf(stderr, "%d streams are left out: %s\n", kStreams,
              (queue ? own : queue).error().text.c_str());
      return {};
    }
    samples.push_back({*own, *queue});
  }
  return samples;
}

const char *const kIds[] = {"pooled-cpu",  "pooled-memory",  "pooled-start",
                            "pooled-late", "pooled-threads", "pooled-foreign",
                            "shared-500",  "shared-2000",    "shared-10000"};

void budget_rows(const Options &options)
{
  const auto samples = measure(kPooled, kQueue, options, options.effort().repetitions > 5 ? 7 : 5);
  if (samples.empty())
    return;
  const std::string streams = "500 live 10 ms streams, ";
  print(ratio("pooled-cpu", streams + "CPU", "%", 0.15), samples, &StreamFigures::cpu_percent);
  print(ratio("pooled-memory", streams + "memory a stream", "KiB", 0.5), samples,
        &StreamFigures::kib_per_stream);
  print(ratio("pooled-start", streams + "start to the last first buffer", "ms", 0.25), samples,
        &StreamFigures::start_ms);
  print(limit("pooled-late", streams + "lateness p99 at the sink", "ms", 2), samples,
        &StreamFigures::late_p99_ms);
  print(limit("pooled-threads", streams + "threads", "threads",
              std::thread::hardware_concurrency() + 4.0),
        samples, &StreamFigures::threads);
}

void foreign_row(const Options &options)
{
  RowSpec spec =
      ratio("pooled-foreign", "500 live streams whose sources have threads, CPU", "%", 0);
  spec.subject = kForeign;
  spec.baseline = kForeignQueue;
  spec.has_budget = false;
  const auto samples = measure(kForeign, kForeignQueue, options, options.is_long ? 5 : 2);
  if (!samples.empty())
    print(spec, samples, &StreamFigures::cpu_percent);
}

void note(Row &row, const std::string &whose, const StreamFigures &figures)
{
  row.details[whose + "_cpu"].push_back(figures.cpu_percent);
  row.details[whose + "_kib"].push_back(figures.kib_per_stream);
  row.details[whose + "_threads"].push_back(figures.threads);
  row.details[whose + "_late_p99"].push_back(figures.late_p99_ms);
  row.details[whose + "_delivered"].push_back(figures.delivered);
  row.details[whose + "_start"].push_back(figures.start_ms);
  row.details[whose + "_stop"].push_back(figures.stop_ms);
}

// How far it goes, with a hundred streams in each pipeline on both sides. The queue stands beside
// as far as the system has threads for it; then a word in the row says why it does not.
void scale_row(const Options &options, const char *id, int streams)
{
  if (!options.wants(id))
    return;
  Row row;
  row.spec = ratio(
      id, std::to_string(streams) + " live 10 ms streams, a hundred in a pipeline, CPU", "%", 0);
  row.spec.subject = kSharedPooled;
  row.spec.baseline = kSharedQueue;
  row.spec.has_budget = false;
  const double seconds = options.is_long ? kSecondsLong : kSecondsShort;
  for (int i = 0; i < kScaleRepetitions; i++) {
    StreamFigures queue;
    if (row.note.empty()) {
      const auto measured =
          measure_streams({kSharedQueue, streams, seconds, kStreamsPerPipeline, kThreadsOfQueue});
      if (measured)
        note(row, "baseline", queue = *measured);
      else
        row.note = "no queue beside it: " + measured.error().text;
    }
    const auto own = measure_streams({kSharedPooled, streams, seconds, kStreamsPerPipeline});
    if (!own) {
      fprintf(stderr, "%s is left out: %s\n", id, own.error().text.c_str());
      return;
    }
    note(row, "subject", *own);
    row.pairs.push_back({own->cpu_percent, queue.cpu_percent});
  }
  if (!row.note.empty()) {
    row.spec.baseline.clear();
    row.spec.absolute = true;
  }
  print_row(row);
}

bool wants_any(const Options &options, int first, int last)
{
  for (int i = first; i <= last; i++) {
    if (options.wants(kIds[i]))
      return true;
  }
  return false;
}

}  // namespace

}  // namespace streamlib::bench

int main(int argc, char **argv)
{
  using namespace streamlib::bench;
  int exit_code = 0;
  if (run_stream_load_child(argc, argv, &exit_code))
    return exit_code;
  const Options options = parse_options(argc, argv);
  if (options.list) {
    for (const char *id : kIds) {
      if (options.wants(id))
        printf("%s\n", id);
    }
    return 0;
  }
  if (wants_any(options, 0, 4))
    budget_rows(options);
  if (wants_any(options, 5, 5))
    foreign_row(options);
  // These take their time.
  if (!options.is_long && options.only.empty())
    return 0;
  scale_row(options, "shared-500", 500);
  scale_row(options, "shared-2000", 2000);
  scale_row(options, "shared-10000", 10000);
  return 0;
}
