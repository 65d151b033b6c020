// SPDX-License-Identifier: LGPL-2.1-or-later
#include "near.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <vector>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../measure.h"
#include "gst/streamlib/streamlib.h"
#include "gst/support/ownership.h"
#include "near_session.h"
#include "process_figures.h"

namespace streamlib::bench {

using support::adopt_mini;
using support::adopt_object;
using support::GObjectPtr;
using support::MiniPtr;

namespace {

constexpr double kConnectSeconds = 10;
constexpr double kSettleSeconds = 0.6;
constexpr double kPicturesPerSecond = 30;
// A stop may take 2 s; a process that takes longer than all of its stops together hangs.
constexpr unsigned kLimitSeconds = 60;
constexpr double kSecondsPerStart = 2.5;

void say(const std::string &name, double value)
{
  printf("%s %g\n", name.c_str(), value);
}

double ms_between(int64_t begin, int64_t end)
{
  return static_cast<double>(end - begin) / 1e6;
}

bool eventually(double seconds, const std::function<bool()> &holds)
{
  const int64_t limit = monotonic_ns() + static_cast<int64_t>(seconds * 1e9);
  while (!holds()) {
    if (monotonic_ns() > limit)
      return false;
    sleep_s(0.002);
  }
  return true;
}

struct Running {
  std::unique_ptr<NearSession> session;
  Slot *slot = nullptr;
};

class Near {
public:
  Near(const Board &board, const Material &material, NearPlan plan)
      : board_(board), feeder_(material), plan_(std::move(plan))
  {}

  bool steady(unsigned count, double seconds);
  bool times(unsigned count);
  bool latency(double seconds);
  bool crowd(unsigned count, double seconds);
  bool starts(unsigned count);

private:
  Running make(bool publishes, Show show, unsigned slot);
  bool start(Running &running, const char *what);
  bool start_more(std::vector<Running> &all, bool publishes, unsigned count);
  bool warm_up(Show show);
  void share_runtime();
  void measure_flow(const std::string &prefix, const std::vector<Running> &all, double seconds);
  static double stop(Running &running);
  static void stop_all(std::vector<Running> &all);
  static void say_threads(const char *name, const ThreadNames &before, double sessions);

  const Board &board_;
  Feeder feeder_;
  NearPlan plan_;
  GObjectPtr<GstSlRuntime> runtime_;
  MiniPtr<GstContext> context_;
};

Running Near::make(bool publishes, Show show, unsigned slot)
{
  NearPlan plan = plan_;
  plan.publishes = publishes;
  plan.show = show;
  plan.slot_number = slot;
  Running running;
  running.slot = &board_.slot(slot);
  running.session = NearSession::make(plan, feeder_, *running.slot);
  return running;
}

// Until the first picture is there.
bool Near::start(Running &running, const char *what)
{
  if (!running.session->start() || !running.session->wait_connected(kConnectSeconds)) {
    fprintf(stderr, "%s does not connect\n", what);
    return false;
  }
  if (!eventually(kConnectSeconds, [&] { return running.slot->pictures > 0; })) {
    fprintf(stderr, "%s: no picture comes\n", what);
    return false;
  }
  return true;
}

// Of what is made from here on.
void Near::share_runtime()
{
  if (plan_.subject != Subject::kOurs)
    return;
  runtime_ = adopt_object(gst_sl_runtime_new());
  context_ = adopt_mini(gst_sl_runtime_to_context(runtime_.get(), TRUE));
  plan_.runtime = context_.get();
}

bool Near::start_more(std::vector<Running> &all, bool publishes, unsigned count)
{
  for (unsigned i = 0; i < count; i++) {
    all.push_back(make(publishes, Show::kEncoded, static_cast<unsigned>(all.size())));
    if (!start(all.back(), "one of several sessions"))
      return false;
  }
  return true;
}

double Near::stop(Running &running)
{
  const int64_t begin = monotonic_ns();
  running.session->stop();
  return ms_between(begin, monotonic_ns());
}

void Near::stop_all(std::vector<Running> &all)
{
  double worst = 0;
  for (Running &running : all)
    worst = std::max(worst, stop(running));
  say("stop_worst_ms", worst);
}

// What the first session of a process loads is not of each session.
bool Near::warm_up(Show show)
{
  Running first = make(plan_.publishes, show, 0);
  const bool ok = start(first, "the first session");
  stop(first);
  first.session.reset();
  sleep_s(kSettleSeconds);
  return ok;
}

void Near::say_threads(const char *name, const ThreadNames &before, double sessions)
{
  const ThreadNames now = thread_names();
  double all = 0;
  for (const auto &[owner, count] : new_threads(before, now)) {
    say(std::string(name) + "_" + name_of(owner), count / sessions);
    if (owner != Owner::kSource)
      all += count / sessions;
  }
  say(name, all);
  fprintf(stderr, "  %s: %s\n", name, new_thread_text(before, now).c_str());
}

void Near::measure_flow(const std::string &prefix, const std::vector<Running> &all, double seconds)
{
  const auto pictures = [&] {
    uint64_t sum = 0;
    for (const Running &running : all)
      sum += running.slot->pictures;
    return static_cast<double>(sum);
  };
  const double before = pictures();
  const int64_t begin = monotonic_ns();
  const int64_t cpu = process_cpu_ns();
  rusage usage_before = {};
  getrusage(RUSAGE_SELF, &usage_before);
  sleep_s(seconds);
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const double wall_s = ms_between(begin, monotonic_ns()) / 1000;
  const auto sessions = static_cast<double>(all.size());
  say(prefix + "cpu_percent",
      static_cast<double>(process_cpu_ns() - cpu) / 1e7 / wall_s / sessions);
  say(prefix + "switches",
      static_cast<double>(usage.ru_nvcsw - usage_before.ru_nvcsw) / wall_s / sessions);
  say(prefix + "delivered", (pictures() - before) / (wall_s * kPicturesPerSecond * sessions));
}

bool Near::steady(unsigned count, double seconds)
{
  if (!warm_up(Show::kEncoded))
    return false;
  const ThreadNames before = thread_names();
  const double memory = resident_kib();
  std::vector<Running> all;
  if (!start_more(all, plan_.publishes, 1))
    return false;
  sleep_s(kSettleSeconds);
  say_threads("one", before, 1);
  measure_flow("one_", all, seconds);
  stop(all.back());
  all.clear();
  sleep_s(kSettleSeconds);
  share_runtime();
  if (!start_more(all, plan_.publishes, count))
    return false;
  sleep_s(kSettleSeconds);
  say_threads("each", before, count);
  measure_flow("each_", all, seconds);
  say("kib", (resident_kib() - memory) / count);
  stop_all(all);
  return true;
}

bool Near::times(unsigned count)
{
  if (!warm_up(Show::kDecoded))
    return false;
  std::vector<double> connected, shown, stopped;
  for (unsigned i = 0; i < count; i++) {
    Running running = make(plan_.publishes, Show::kDecoded, 0);
    const int64_t begin = monotonic_ns();
    if (!start(running, "a session"))
      return false;
    connected.push_back(ms_between(begin, running.session->connected_ns()));
    shown.push_back(ms_between(begin, running.slot->first_picture_ns));
    sleep_s(0.1);
    stopped.push_back(stop(running));
    running.session.reset();
    sleep_s(0.1);
  }
  say("connect_ms", median(connected));
  say("connect_worst_ms", *std::max_element(connected.begin(), connected.end()));
  say("first_ms", median(shown));
  say("stop_ms", median(stopped));
  return true;
}

bool Near::latency(double seconds)
{
  Running running = make(plan_.publishes, plan_.publishes ? Show::kRead : Show::kDisplay, 0);
  if (!start(running, "the session"))
    return false;
  // What comes while it begins is not what stays.
  sleep_s(1);
  Slot &slot = *running.slot;
  const uint32_t first = slot.latencies;
  const uint32_t skipped = slot.skipped;
  const uint32_t keys = slot.forced_keys;
  sleep_s(seconds);
  const std::vector<float> samples(slot.latency_ms + first, slot.latency_ms + slot.latencies);
  std::vector<double> values(samples.begin(), samples.end());
  say("pictures", static_cast<double>(values.size()) / (seconds * kPicturesPerSecond));
  say("p50_ms", percentile(values, 0.5));
  say("p99_ms", percentile(values, 0.99));
  say("skipped", slot.skipped - skipped + (slot.forced_keys - keys));
  stop(running);
  return true;
}

bool Near::crowd(unsigned count, double seconds)
{
  if (!warm_up(Show::kEncoded))
    return false;
  const ThreadNames before = thread_names();
  const double memory = resident_kib();
  std::vector<Running> all;
  share_runtime();
  const int64_t begin = monotonic_ns();
  if (!start_more(all, true, count) || !start_more(all, false, count))
    return false;
  say("start_ms", ms_between(begin, monotonic_ns()));
  sleep_s(kSettleSeconds);
  say_threads("each", before, 2.0 * count);
  say("threads", thread_count());
  measure_flow("each_", all, seconds);
  say("kib", (resident_kib() - memory) / (2.0 * count));
  stop_all(all);
  return true;
}

bool Near::starts(unsigned count)
{
  constexpr unsigned kWarmUp = 10;
  constexpr double kLongestMs = 450;
  std::mt19937 random(7);
  std::uniform_real_distribution<double> moment(0, kLongestMs);
  int threads = 0;
  int descriptors = 0;
  double memory = 0;
  double worst = 0;
  unsigned flowed = 0;
  for (unsigned i = 0; i < count + kWarmUp; i++) {
    if (i == kWarmUp) {
      sleep_s(1);
      threads = thread_count();
      descriptors = descriptor_count();
      memory = resident_kib();
    }
    Running running = make(i % 2 == 0, Show::kEncoded, i);
    if (!running.session->start())
      return false;
    sleep_s(moment(random) / 1000);
    flowed += running.slot->pictures > 0;
    worst = std::max(worst, stop(running));
  }
  // Idle threads of GLib's pools end by themselves.
  eventually(5, [&] { return thread_count() <= threads && descriptor_count() <= descriptors; });
  say("worst_ms", worst);
  say("flowed", static_cast<double>(flowed) / (count + kWarmUp));
  say("threads_left", thread_count() - threads);
  say("descriptors_left", descriptor_count() - descriptors);
  say("kib", (resident_kib() - memory) / count);
  return true;
}

Subject subject_of(const char *name)
{
  if (strcmp(name, "webrtcbin") == 0)
    return Subject::kWebrtcbin;
  return strcmp(name, "tuned") == 0 ? Subject::kWebrtcbinTuned : Subject::kOurs;
}

}  // namespace

int run_near_end(int argc, char **argv)
{
  if (argc < 9)
    return 64;
  const std::string run = argv[3];
  const auto count = static_cast<unsigned>(atoi(argv[6]));
  const double seconds = atof(argv[7]);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(kLimitSeconds + static_cast<unsigned>(run == "starts" ? count * kSecondsPerStart : 0));
  const Board board(argv[0]);
  const Material material = Material::load(argv[1]);
  NearPlan plan;
  plan.server = argv[2];
  plan.publishes = strcmp(argv[4], "publish") == 0;
  plan.subject = subject_of(argv[5]);
  plan.latency_ms = atoi(argv[8]);
  Near near(board, material, plan);
  bool ok = false;
  if (run == "steady")
    ok = near.steady(std::max(1U, count), seconds);
  else if (run == "times")
    ok = near.times(count);
  else if (run == "latency")
    ok = near.latency(seconds);
  else if (run == "crowd")
    ok = near.crowd(count, seconds);
  else if (run == "starts")
    ok = near.starts(count);
  fflush(stdout);
  return ok ? 0 : 2;
}

}  // namespace streamlib::bench
