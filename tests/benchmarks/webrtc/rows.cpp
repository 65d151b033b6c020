// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rows.h"

#include <cstdio>
#include <vector>

#include "../options.h"
#include "../report.h"
#include "pair_run.h"

namespace streamlib::bench {

namespace {

constexpr int kSkipped = 77;
constexpr double kMostStopMs = 2000;
constexpr int kSteadySessions = 4;
constexpr int kCrowd = 20;
// The lowest of these that plays clean is looked for.
constexpr int kLatenciesMs[] = {0, 5, 10, 20, 40, 80, 160};
constexpr double kCleanShare = 0.97;
// Of latencies that are the same but for what a measurement varies by.
constexpr double kNoWorse = 1.05;

const char *element_of(const std::string &direction)
{
  return direction == "publish" ? "slwhipsink" : "slwhepsrc";
}

struct Sample {
  Figures ours;
  Figures theirs;
  std::string note;  // Why there are none of theirs.
};

class Bench {
public:
  explicit Bench(const Options &options) : options_(options) {}

  support::Status prepare() { return runs_.prepare(); }
  void steady(const std::string &direction);
  void times(const std::string &direction);
  void latency(const std::string &direction);
  void lowest_latency();
  void crowd();
  void starts();

private:
  bool wants(const std::string &direction, std::initializer_list<const char *> rows) const;
  std::vector<Sample> measure(PairPlan plan, int repetitions) const;
  RowSpec spec(const std::string &id, const std::string &what, const std::string &direction,
               const char *unit) const;
  void print(RowSpec spec, const std::vector<Sample> &samples, const std::string &figure,
             const std::vector<std::string> &details = {}) const;
  // Of one subject; the lowest latency that plays clean, and its figures.
  int find_lowest(const std::string &subject, Figures *figures) const;

  const Options &options_;
  PairRuns runs_;
};

Limit at_most(double value)
{
  return {Better::kLower, value};
}

bool Bench::wants(const std::string &direction, std::initializer_list<const char *> rows) const
{
  for (const char *row : rows)
    if (options_.wants("webrtc-" + direction + "-" + row))
      return true;
  return false;
}

// Interleaved. Ends, with a word on standard error, where ours cannot be measured.
std::vector<Sample> Bench::measure(PairPlan plan, int repetitions) const
{
  std::vector<Sample> samples;
  for (int i = 0; i < repetitions; i++) {
    Sample sample;
    for (const char *subject : {"webrtcbin", "ours"}) {
      plan.subject = subject;
      auto figures = runs_.run(plan);
      if (figures) {
        (plan.subject == "ours" ? sample.ours : sample.theirs) = *figures;
        continue;
      }
      const std::string why = figures.error().text;
      fprintf(stderr, "%s %s %s: %s\n", plan.run.c_str(), plan.direction.c_str(), subject,
              why.c_str());
      if (plan.subject == "ours")
        return samples;
      sample.note = "no webrtcbin beside it: " + why;
    }
    samples.push_back(std::move(sample));
  }
  return samples;
}

RowSpec Bench::spec(const std::string &id, const std::string &what, const std::string &direction,
                    const char *unit) const
{
  RowSpec spec;
  spec.id = "webrtc-" + direction + "-" + id;
  spec.what = what;
  spec.subject = direction == "crowd" ? "slwhipsink, slwhepsrc" : element_of(direction);
  spec.baseline = "webrtcbin";
  spec.unit = unit;
  spec.has_budget = false;
  return spec;
}

void Bench::print(RowSpec spec, const std::vector<Sample> &samples, const std::string &figure,
                  const std::vector<std::string> &details) const
{
  if (samples.empty() || !options_.wants(spec.id))
    return;
  Row row;
  row.spec = std::move(spec);
  for (const Sample &sample : samples) {
    if (!sample.note.empty())
      row.note = sample.note;
    const auto value = [](const Figures &of, const std::string &name) {
      const auto found = of.find(name);
      return found == of.end() ? 0 : found->second;
    };
    row.pairs.push_back({value(sample.ours, figure), value(sample.theirs, figure)});
    for (const std::string &name : details) {
      row.details["subject_" + name].push_back(value(sample.ours, name));
      row.details["baseline_" + name].push_back(value(sample.theirs, name));
    }
  }
  if (!row.note.empty()) {
    row.spec.baseline.clear();
    row.spec.has_budget = row.spec.has_budget && row.spec.absolute;
    row.spec.absolute = true;
  }
  print_row(row);
}

RowSpec with_budget(RowSpec spec, double most)
{
  spec.has_budget = true;
  spec.budget = at_most(most);
  return spec;
}

void Bench::steady(const std::string &direction)
{
  if (!wants(direction, {"threads", "threads-more", "cpu", "cpu-more", "memory"}))
    return;
  PairPlan plan = {"steady", direction, "", kSteadySessions, options_.is_long ? 5.0 : 1.5};
  const auto samples = measure(plan, options_.is_long ? 7 : 3);
  print(with_budget(spec("threads", "threads of the only session", direction, "threads"), 0.5),
        samples, "one", {"one_element", "one_rtpbin", "one_library"});
  print(with_budget(spec("threads-more", "threads of each of four sessions", direction, "threads"),
                    0.5),
        samples, "each", {"each_element", "each_rtpbin", "each_library"});
  const std::string what = "720p30 H.264 and Opus as they are: CPU of ";
  print(with_budget(spec("cpu", what + "the only session", direction, "%"), 1), samples,
        "one_cpu_percent", {"one_switches", "one_delivered"});
  print(with_budget(spec("cpu-more", what + "each of four", direction, "%"), 1), samples,
        "each_cpu_percent", {"each_switches", "each_delivered"});
  print(spec("memory", "resident memory of a session", direction, "KiB"), samples, "kib");
}

void Bench::times(const std::string &direction)
{
  if (!wants(direction, {"connect", "first-picture", "stop"}))
    return;
  const auto samples =
      measure({"times", direction, "", options_.is_long ? 20 : 6}, options_.is_long ? 5 : 2);
  print(with_budget(spec("connect", "start to connected", direction, "ms"), 1), samples,
        "connect_ms", {"connect_worst_ms"});
  print(
      with_budget(spec("first-picture", "start to the first decoded picture", direction, "ms"), 1),
      samples, "first_ms");
  print(spec("stop", "stop of a session that flows", direction, "ms"), samples, "stop_ms");
}

void Bench::latency(const std::string &direction)
{
  if (!wants(direction, {"latency"}))
    return;
  const auto samples = measure({"latency", direction, "", 1, options_.is_long ? 10.0 : 3.0},
                               options_.is_long ? 5 : 1);
  print(with_budget(
            spec("latency", "picture handed over to shown, as set by default", direction, "ms"),
            kNoWorse),
        samples, "p50_ms", {"p99_ms", "skipped", "pictures"});
}

int Bench::find_lowest(const std::string &subject, Figures *figures) const
{
  for (const int latency_ms : kLatenciesMs) {
    const auto found =
        runs_.run({"latency", "play", subject, 1, options_.is_long ? 10.0 : 2.5, latency_ms});
    if (!found)
      return -1;
    *figures = *found;
    if ((*figures)["skipped"] == 0 && (*figures)["pictures"] > kCleanShare)
      return latency_ms;
  }
  return -1;
}

void Bench::lowest_latency()
{
  if (!wants("play", {"latency-lowest"}))
    return;
  Sample sample;
  const int theirs = find_lowest("webrtcbin", &sample.theirs);
  const int ours = find_lowest("ours", &sample.ours);
  if (ours < 0 || theirs < 0) {
    fprintf(stderr, "no latency plays clean: ours %d ms, webrtcbin %d ms\n", ours, theirs);
    return;
  }
  sample.ours["setting_ms"] = ours;
  sample.theirs["setting_ms"] = theirs;
  print(with_budget(spec("latency-lowest", "the same, at the lowest setting that plays clean",
                         "play", "ms"),
                    kNoWorse),
        {sample}, "p50_ms", {"setting_ms", "p99_ms", "skipped", "pictures"});
}

void Bench::crowd()
{
  if (!wants("crowd", {"threads", "cpu", "memory", "delivered", "stop"}))
    return;
  const auto samples = measure({"crowd", "publish", "", kCrowd, options_.is_long ? 10.0 : 3.0},
                               options_.is_long ? 3 : 1);
  const std::string what = "20 publish and 20 play in one process: ";
  print(with_budget(spec("threads", what + "threads of each session", "crowd", "threads"), 0.5),
        samples, "each", {"each_element", "each_rtpbin", "each_library", "threads"});
  print(with_budget(spec("cpu", what + "CPU of each session", "crowd", "%"), 1), samples,
        "each_cpu_percent", {"each_switches", "start_ms"});
  print(spec("memory", what + "resident memory of each", "crowd", "KiB"), samples, "kib");
  print(spec("delivered", what + "share of the pictures that come", "crowd", "of 1"), samples,
        "each_delivered");
  RowSpec stop = spec("stop", what + "the longest stop", "crowd", "ms");
  stop.absolute = true;
  print(with_budget(stop, kMostStopMs), samples, "stop_worst_ms");
}

void Bench::starts()
{
  if (!options_.wants("webrtc-starts"))
    return;
  const int count = options_.is_long ? 300 : 30;
  const auto figures = runs_.run({"starts", "publish", "ours", count});
  if (!figures) {
    fprintf(stderr, "starts and stops: %s\n", figures.error().text.c_str());
    return;
  }
  Row row;
  row.spec = spec("stop", std::to_string(count) + " starts and stops at any time: the longest stop",
                  "starts", "ms");
  row.spec.id = "webrtc-starts";
  row.spec.subject = "slwhipsink, slwhepsrc";
  row.spec.baseline.clear();
  row.spec.absolute = true;
  row.spec = with_budget(row.spec, kMostStopMs);
  Figures found = *figures;
  row.pairs.push_back({found["worst_ms"], 0});
  for (const auto &[name, value] : found)
    row.details[name].push_back(value);
  print_row(row);
}

const char *const kIds[] = {"webrtc-publish-threads",
                            "webrtc-publish-threads-more",
                            "webrtc-publish-cpu",
                            "webrtc-publish-cpu-more",
                            "webrtc-publish-memory",
                            "webrtc-play-threads",
                            "webrtc-play-threads-more",
                            "webrtc-play-cpu",
                            "webrtc-play-cpu-more",
                            "webrtc-play-memory",
                            "webrtc-publish-connect",
                            "webrtc-publish-stop",
                            "webrtc-publish-first-picture",
                            "webrtc-play-connect",
                            "webrtc-play-stop",
                            "webrtc-play-first-picture",
                            "webrtc-publish-latency",
                            "webrtc-play-latency",
                            "webrtc-play-latency-lowest",
                            "webrtc-crowd-threads",
                            "webrtc-crowd-cpu",
                            "webrtc-crowd-memory",
                            "webrtc-crowd-delivered",
                            "webrtc-crowd-stop",
                            "webrtc-starts"};

}  // namespace

int measure_webrtc(int argc, char **argv)
{
  const Options options = parse_options(argc, argv);
  if (options.list) {
    for (const char *id : kIds)
      if (options.wants(id))
        printf("%s\n", id);
    return 0;
  }
  if (options.only.rfind("webrtc", 0) != 0 && !options.wants(kIds[0]))
    return 0;
  Bench bench(options);
  if (const auto status = bench.prepare(); !status) {
    fprintf(stderr, "%s\n", status.error().text.c_str());
    return kSkipped;
  }
  for (const char *direction : {"publish", "play"})
    bench.steady(direction);
  for (const char *direction : {"publish", "play"})
    bench.times(direction);
  for (const char *direction : {"publish", "play"})
    bench.latency(direction);
  bench.lowest_latency();
  bench.crowd();
  bench.starts();
  return 0;
}

int check_starts(int count)
{
  PairRuns runs;
  if (const auto status = runs.prepare(); !status) {
    fprintf(stderr, "%s\n", status.error().text.c_str());
    return kSkipped;
  }
  auto figures = runs.run({"starts", "publish", "ours", count});
  if (!figures) {
    fprintf(stderr, "%d starts and stops: %s\n", count, figures.error().text.c_str());
    return 1;
  }
  Figures &found = *figures;
  printf(
      "%d starts and stops: the longest stop took %.0f ms, media flowed in %.0f %%; left: %.0f "
      "threads, %.0f descriptors, %.1f KiB a session\n",
      count, found["worst_ms"], 100 * found["flowed"], found["threads_left"],
      found["descriptors_left"], found["kib"]);
  const bool ok = found["worst_ms"] < kMostStopMs && found["threads_left"] <= 0 &&
                  found["descriptors_left"] <= 0 && found["flowed"] > 0 && found["flowed"] < 1;
  return ok ? 0 : 1;
}

}  // namespace streamlib::bench
