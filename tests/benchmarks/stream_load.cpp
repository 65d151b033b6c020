// SPDX-License-Identifier: LGPL-2.1-or-later
#include "stream_load.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include <sys/resource.h>
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
constexpr double kStartLimitSeconds = 120;

class Stream {
public:
  Stream(const std::string &description, GstContext *context, double seconds)
  {
    GError *error = nullptr;
    pipeline_ = support::sink_object(gst_parse_launch(description.c_str(), &error));
    if (error != nullptr) {
      fprintf(stderr, "%s: %s\n", description.c_str(), error->message);
      exit(2);
    }
    gst_element_set_context(pipeline_.get(), context);
    const auto sink = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline_.get()), "sink"));
    const auto pad = adopt_object(gst_element_get_static_pad(sink.get(), "sink"));
    late_.reserve(static_cast<size_t>(seconds * 1000 / kPeriodMs * 2) + 100);
    gst_pad_add_probe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, on_buffer, this, nullptr);
  }
  Stream(const Stream &) = delete;
  Stream &operator=(const Stream &) = delete;

  void set_state(GstState state) { gst_element_set_state(pipeline_.get(), state); }
  bool has_begun() const { return buffers_.load() > 0; }
  uint64_t buffers() const { return buffers_.load(); }
  void begin_window() { measures_.store(true); }
  void end_window() { measures_.store(false); }
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
    const GstClockTime now = gst_element_get_current_running_time(pipeline_.get());
    late_.push_back(static_cast<double>(GST_CLOCK_DIFF(GST_BUFFER_PTS(buffer), now)) / 1e6);
  }

  GObjectPtr<GstElement> pipeline_;
  std::atomic<uint64_t> buffers_ = 0;
  std::atomic<bool> measures_ = false;
  std::vector<double> late_;
};

double resident_kib()
{
  long pages = 0, resident = 0;
  if (FILE *file = fopen("/proc/self/statm", "r")) {
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
      resident = 0;
    fclose(file);
  }
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

double threads_now()
{
  std::error_code error;
  const std::filesystem::directory_iterator tasks("/proc/self/task", error);
  return static_cast<double>(std::distance(begin(tasks), end(tasks)));
}

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

bool start_all(const Streams &streams)
{
  for (const auto &stream : streams)
    stream->set_state(GST_STATE_PLAYING);
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
  for (const auto &stream : streams) {
    before.push_back(stream->buffers());
    stream->begin_window();
  }
  const int64_t begin = monotonic_ns();
  const int64_t cpu = process_cpu_ns();
  sleep_s(seconds);
  const double wall_ms = ms_since(begin);
  figures->cpu_percent = static_cast<double>(process_cpu_ns() - cpu) / 1e4 / wall_ms;
  uint64_t delivered = 0;
  for (size_t i = 0; i < streams.size(); i++) {
    streams[i]->end_window();
    delivered += streams[i]->buffers() - before[i];
  }
  figures->delivered =
      static_cast<double>(delivered) / (wall_ms / kPeriodMs * static_cast<double>(streams.size()));
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

bool load(const std::string &description, int count, double seconds, StreamFigures *figures)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  {
    // What every first pipeline of a process costs.
    Stream first(description, context.get(), seconds);
    Streams none;
    first.set_state(GST_STATE_PLAYING);
    sleep_s(0.1);
    first.set_state(GST_STATE_NULL);
  }
  const double memory = resident_kib();
  Streams streams;
  for (int i = 0; i < count; i++)
    streams.push_back(std::make_unique<Stream>(description, context.get(), seconds));
  int64_t begin = monotonic_ns();
  if (!start_all(streams))
    return false;
  figures->start_ms = ms_since(begin);
  sleep_s(kSettleSeconds);
  measure_window(streams, seconds, figures);
  figures->threads = threads_now();
  figures->kib_per_stream = (resident_kib() - memory) / count;
  begin = monotonic_ns();
  for (const auto &stream : streams)
    stream->set_state(GST_STATE_NULL);
  figures->stop_ms = ms_since(begin);
  note_lateness(streams, figures);
  figures->step_late_p99_ms = step_lateness_ms(runtime.get());
  return true;
}

}  // namespace

bool run_stream_load_child(int argc, char **argv, int *exit_code)
{
  if (argc != 5 || strcmp(argv[1], kChildFlag) != 0)
    return false;
  allow_descriptors();
  gst_init(nullptr, nullptr);
  StreamFigures figures;
  const bool ok = load(argv[2], atoi(argv[3]), atof(argv[4]), &figures);
  printf("%g %g %g %g %g %g %g %g %g %g\n", figures.cpu_percent, figures.kib_per_stream,
         figures.start_ms, figures.stop_ms, figures.late_p50_ms, figures.late_p99_ms,
         figures.late_max_ms, figures.step_late_p99_ms, figures.threads, figures.delivered);
  fflush(stdout);
  *exit_code = ok ? 0 : 2;
  return true;
}

std::optional<StreamFigures> measure_streams(const std::string &description, int streams,
                                             double seconds)
{
  const std::string command = "exec /proc/" + std::to_string(getpid()) + "/exe " + kChildFlag +
                              " '" + description + "' " + std::to_string(streams) + " " +
                              std::to_string(seconds);
  StreamFigures f;
  FILE *pipe = popen(command.c_str(), "r");
  const int read =
      pipe == nullptr
          ? 0
          : fscanf(pipe, "%lf %lf %lf %lf %lf %lf %lf %lf %lf %lf", &f.cpu_percent,
                   &f.kib_per_stream, &f.start_ms, &f.stop_ms, &f.late_p50_ms, &f.late_p99_ms,
                   &f.late_max_ms, &f.step_late_p99_ms, &f.threads, &f.delivered);
  if (pipe == nullptr || pclose(pipe) != 0 || read != 10) {
    fprintf(stderr,
            "%d streams of \"%s\" could not be measured: look at the limits of the system "
            "(ulimit -n -u)\n",
            streams, description.c_str());
    return std::nullopt;
  }
  return f;
}

}  // namespace streamlib::bench
