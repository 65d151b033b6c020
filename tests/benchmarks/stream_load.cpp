// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stream_load.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gst/gst.h>

#include "gst/streamlib/streamlib.h"
#include "gst/support/ownership.h"
#include "measure.h"

namespace streamlib::bench {

using support::adopt_mini;
using support::adopt_object;
using support::GObjectPtr;

namespace {

const char kChildFlag[] = "--measure-streams";
constexpr double kPeriodMs = 10;
constexpr double kSettleSeconds = 0.3;
// Threads that want more CPU time than there is keep the one that starts the streams from its
// work, which then does not end.
constexpr double kStartLimitSeconds = 15;
// Beside the start: everything that makes, stops and frees the streams.
constexpr double kRestLimitSeconds = 10;
// The lateness has a window of its own, because a clock is read for it at each buffer.
constexpr double kLatePart = 0.6;
// A process that takes more of what all share could keep the others from working.
constexpr double kShareOfThreads = 0.5;

class Stream {
public:
  Stream(const std::string &description, GstBin *pipeline, double seconds)
  {
    GError *error = nullptr;
    bin_ = support::sink_object(gst_parse_bin_from_description(description.c_str(), FALSE, &error));
    if (error != nullptr) {
      fprintf(stderr, "%s: %s\n", description.c_str(), error->message);
      exit(2);
    }
    gst_bin_add(pipeline, bin_.get());
    const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(bin_.get()), "sink"));
    const auto pad = adopt_object(gst_element_get_static_pad(sink.get(), "sink"));
    late_.reserve(static_cast<size_t>(seconds * 1000 / kPeriodMs * 2) + 100);
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  bool has_begun() const { return buffers_.load() > 0; }
  uint64_t buffers() const { return buffers_.load(); }
  void measure_lateness(bool measures) { measures_.store(measures); }
  // After the stream has stopped.
  const std::vector<double> &late_ms() const { return late_; }

private:
  static GstPadProbeReturn on_buffer(GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    static_cast<Stream *>(data)->note(GST_PAD_PROBE_INFO_BUFFER(info));
    return GST_PAD_PROBE_OK;
  }
  void note(GstBuffer *buffer)
  {
    buffers_.fetch_add(1);
    if (!measures_.load() || late_.size() == late_.capacity())
      return;
    const GstClockTime now = gst_element_get_current_running_time(bin_.get());
    late_.push_back(static_cast<double>(GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), now)) / 1e6);
  }

  GObjectPtr<GstElement> bin_;
  std::atomic<uint64_t> buffers_ = 0;
  std::atomic<bool> measures_ = false;
  std::vector<double> late_;
};

void sleep_s(double seconds)
{
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

double ms_since(int64_t begin)
{
  return static_cast<double>(monotonic_ns() - begin) / 1e6;
}

// Each pipeline's bus has descriptors of its own.
void allow_descriptors()
{
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

using Streams = std::vector<std::unique_ptr<Stream>>;

struct Streaming {
  std::vector<GObjectPtr<GstElement>> pipelines;
  Streams streams;

  void set_state(GstState state) const
  {
    for (const auto &pipeline : pipelines)
      gst_element_set_state(pipeline.get(), state);
  }
};

Streaming make_streams(const StreamLoad &load, int count, GstContext *context)
{
  Streaming made;
  for (int i = 0; i < count; i++) {
    if (i % load.per_pipeline == 0) {
      made.pipelines.push_back(support::sink_object(gst_pipeline_new(nullptr)));
      gst_element_set_context(made.pipelines.back().get(), context);
    }
    GstBin *pipeline = GST_BIN(made.pipelines.back().get());
    made.streams.push_back(std::make_unique<Stream>(load.description, pipeline, load.seconds));
  }
  return made;
}

bool wait_for_first_buffers(const Streams &streams)
{
  const int64_t begin = monotonic_ns();
  for (const auto &stream : streams) {
    while (!stream->has_begun()) {
      if (ms_since(begin) > kStartLimitSeconds * 1000)
        return false;
      sleep_s(0.001);
    }
  }
  return true;
}

void measure_window(const Streams &streams, double seconds, StreamFigures *figures)
{
  std::vector<uint64_t> before;
  for (const auto &stream : streams)
    before.push_back(stream->buffers());
  const int64_t begin = monotonic_ns();
  const int64_t cpu = process_cpu_ns();
  sleep_s(seconds);
  const double wall_ms = ms_since(begin);
  figures->cpu_percent = static_cast<double>(process_cpu_ns() - cpu) / 1e4 / wall_ms;
  uint64_t delivered = 0;
  for (size_t i = 0; i < streams.size(); i++)
    delivered += streams[i]->buffers() - before[i];
  figures->delivered =
      static_cast<double>(delivered) / (wall_ms / kPeriodMs * static_cast<double>(streams.size()));
}

void measure_lateness(const Streams &streams, double seconds)
{
  for (const auto &stream : streams)
    stream->measure_lateness(true);
  sleep_s(seconds);
  for (const auto &stream : streams)
    stream->measure_lateness(false);
}

// Each stream against its own earliest buffers: its first time may be up to a period off.
void note_lateness(const Streams &streams, StreamFigures *figures)
{
  std::vector<double> all;
  for (const auto &stream : streams) {
    const std::vector<double> &late = stream->late_ms();
    if (late.empty())
      continue;
    const double earliest = *std::min_element(late.begin(), late.end());
    for (const double value : late)
      all.push_back(value - earliest);
  }
  figures->late_p50_ms = percentile(all, 0.5);
  figures->late_p99_ms = percentile(all, 0.99);
  figures->late_max_ms = percentile(all, 1);
}

double step_lateness_ms(GstSlRuntime *runtime)
{
  GstStructure *raw = nullptr;
  g_object_get(gst_sl_runtime_get_executor(runtime), "stats", &raw, nullptr);
  const support::StructurePtr stats(raw);
  guint64 late = 0;
  gst_structure_get_uint64(raw, "late-p99", &late);
  return static_cast<double>(late) / 1e6;
}

bool measure(const StreamLoad &load, StreamFigures *figures)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  {
    // What every first pipeline of a process costs.
    const Streaming first = make_streams(load, 1, context.get());
    first.set_state(GST_STATE_PLAYING);
    sleep_s(0.1);
    first.set_state(GST_STATE_NULL);
  }
  const double memory = resident_kib();
  const Streaming all = make_streams(load, load.streams, context.get());
  int64_t begin = monotonic_ns();
  all.set_state(GST_STATE_PLAYING);
  if (!wait_for_first_buffers(all.streams))
    return false;
  figures->start_ms = ms_since(begin);
  sleep_s(kSettleSeconds);
  measure_window(all.streams, load.seconds, figures);
  measure_lateness(all.streams, load.seconds * kLatePart);
  figures->threads = thread_count();
  figures->kib_per_stream = (resident_kib() - memory) / load.streams;
  begin = monotonic_ns();
  all.set_state(GST_STATE_NULL);
  figures->stop_ms = ms_since(begin);
  note_lateness(all.streams, figures);
  figures->step_late_p99_ms = step_lateness_ms(runtime.get());
  return true;
}

// --- What the system allows ---

double number_in(const char *file)
{
  std::ifstream stream(file);
  double number = 0;
  return stream >> number ? number : 0;
}

// Empty when there are enough threads. They are counted first because half of a load that does not
// fit would take the system's last ones from everybody.
std::string too_many_threads(const StreamLoad &load)
{
  rlimit user = {};
  getrlimit(RLIMIT_NPROC, &user);
  const struct {
    const char *name;
    double threads;
  } limits[] = {
      {"ulimit -u", user.rlim_cur == RLIM_INFINITY ? 0 : static_cast<double>(user.rlim_cur)},
      {"kernel.threads-max", number_in("/proc/sys/kernel/threads-max")},
      {"kernel.pid_max", number_in("/proc/sys/kernel/pid_max")},
      // A stack, and the guard below it.
      {"half of vm.max_map_count", number_in("/proc/sys/vm/max_map_count") / 2},
  };
  const double needed = static_cast<double>(load.streams) * load.threads_per_stream;
  for (const auto &limit : limits) {
    if (limit.threads > 0 && needed > limit.threads * kShareOfThreads) {
      char text[160];
      snprintf(text, sizeof text,
               "%.0f threads are needed, and %s is %.0f, of which a benchmark takes half at most",
               needed, limit.name, limit.threads);
      return text;
    }
  }
  return "";
}

unsigned time_limit_s(const StreamLoad &load)
{
  return static_cast<unsigned>(kStartLimitSeconds + kRestLimitSeconds + 2 * load.seconds);
}

std::string why_it_ended(int status, const StreamLoad &load)
{
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    return "the streams did not start and end within " + std::to_string(time_limit_s(load)) +
           " s, as where there is less CPU time than they want";
  return "the process of the streams failed: look at the limits of the system (ulimit -n -u)";
}

}  // namespace

bool run_stream_load_child(int argc, char **argv, int *exit_code)
{
  if (argc < 5 || argc > 6 || strcmp(argv[1], kChildFlag) != 0)
    return false;
  StreamLoad load = {argv[2], atoi(argv[3]), atof(argv[4])};
  load.per_pipeline = argc > 5 ? std::max(1, atoi(argv[5])) : 1;
  alarm(time_limit_s(load));
  allow_descriptors();
  gst_init(nullptr, nullptr);
  StreamFigures figures;
  const bool ok = load.streams > 0 && measure(load, &figures);
  if (!ok)
    fprintf(stderr, "not all of the %d streams began within %g s\n", load.streams,
            kStartLimitSeconds);
  printf("%g %g %g %g %g %g %g %g %g %g\n", figures.cpu_percent, figures.kib_per_stream,
         figures.start_ms, figures.stop_ms, figures.late_p50_ms, figures.late_p99_ms,
         figures.late_max_ms, figures.step_late_p99_ms, figures.threads, figures.delivered);
  fflush(stdout);
  *exit_code = ok ? 0 : 2;
  return true;
}

support::Result<StreamFigures> measure_streams(const StreamLoad &load)
{
  if (std::string reason = too_many_threads(load); !reason.empty())
    return support::Failure{0, std::move(reason), load.description};
  // The shell is replaced, so that its status is the child's own.
  const std::string command = "exec /proc/" + std::to_string(getpid()) + "/exe " + kChildFlag +
                              " '" + load.description + "' " + std::to_string(load.streams) + " " +
                              std::to_string(load.seconds) + " " +
                              std::to_string(load.per_pipeline);
  StreamFigures f;
  FILE *pipe = popen(command.c_str(), "r");
  if (pipe == nullptr)
    return support::Failure{0, "no process can be started", load.description};
  const int read =
      fscanf(pipe, "%lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", &f.cpu_percent, &f.kib_per_stream,
             &f.start_ms, &f.stop_ms, &f.late_p50_ms, &f.late_p99_ms, &f.late_max_ms,
             &f.step_late_p99_ms, &f.threads, &f.delivered);
  const int status = pclose(pipe);
  if (status != 0 || read != 10)
    return support::Failure{0, why_it_ended(status, load), load.description};
  return f;
}

}  // namespace streamlib::bench
