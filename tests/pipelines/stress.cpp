// SPDX-License-Identifier: LGPL-2.1-or-later
// A hundred running links under random state changes, flushes, seeks, blocks and settings, from
// several threads at once. Nothing may hang, report an error or leave a thread behind, the counters
// must add up whenever they are read, and in the end every pipeline must still play.
//
// usage: test-stress SECONDS [SEED [ELEMENT]]
//
// ELEMENT takes the place of sllink, with properties if need be: `queue` tells whether a fault is
// GStreamer's own. SEED `-` is a random one.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>

#include "tests/pipelines/stress_subject.h"

namespace {

using namespace stress;

constexpr unsigned kActors = 3;
// An operation that takes this long has hung.
constexpr double kHangSeconds = 30;

// The threads of links have the links' names.
std::string links_left()
{
  return threads_left([](const std::string &name) { return name.size() == 2 && name[0] == 'l'; });
}

// --- What each thread is doing, to name what hangs ---

struct Beat {
  std::atomic<const char *> what = "begins";
  std::atomic<int> subject = -1;
  std::atomic<gint64> since = 0;
  std::atomic<uint64_t> count = 0;

  void begin(const char *operation, int index)
  {
    what.store(operation);
    subject.store(index);
    since.store(g_get_monotonic_time());
    count++;
  }
};

// --- Operations ---

void change_state(Subject &subject, Random &random)
{
  const GstState states[] = {GST_STATE_NULL,    GST_STATE_READY,   GST_STATE_PAUSED,
                             GST_STATE_PLAYING, GST_STATE_PLAYING, GST_STATE_PLAYING};
  const std::unique_lock<std::mutex> lock(subject.changing, std::try_to_lock);
  if (!lock)
    return;
  const GstState target = states[below(random, G_N_ELEMENTS(states))];
  if (gst_element_set_state(subject.pipeline(), target) == GST_STATE_CHANGE_FAILURE)
    fault("%s cannot go to %s", GST_OBJECT_NAME(subject.pipeline()),
          gst_element_state_get_name(target));
  if (below(random, 2) == 0)
    gst_element_get_state(subject.pipeline(), nullptr, nullptr, below(random, 50) * GST_MSECOND);
}

// NULL while it changes.
GstState state_of(GstElement *element)
{
  GstState state = GST_STATE_NULL;
  const GstStateChangeReturn result = gst_element_get_state(element, &state, nullptr, 0);
  return result == GST_STATE_CHANGE_SUCCESS ? state : GST_STATE_NULL;
}

// A seek that does not flush, and an EOS from outside, wait for the source's thread with the state
// lock held. In PAUSED that one waits for PLAYING, which nobody could set then.
class WaitsForSource {
public:
  explicit WaitsForSource(Subject &subject)
      : lock_(subject.changing, std::try_to_lock),
        is_playing_(lock_ && state_of(subject.pipeline()) == GST_STATE_PLAYING)
  {}
  explicit operator bool() const { return is_playing_; }

private:
  const std::unique_lock<std::mutex> lock_;
  const bool is_playing_;
};

void seek(Subject &subject, Random &random)
{
  const std::unique_lock<std::mutex> lock(subject.seeking, std::try_to_lock);
  if (!lock)
    return;
  if (subject.is_live())
    return;
  const WaitsForSource may_wait(subject);
  const gdouble rates[] = {1, 1, 2, 0.5};
  int flags = GST_SEEK_FLAG_NONE;
  // A mixer waits for the source whose segment is done while the other source waits for the mixer,
  // so that a seek which does not flush never gets through to that one; with queues too.
  if (!may_wait || subject.has_mixer() || below(random, 4) != 0)
    flags |= GST_SEEK_FLAG_FLUSH;
  if (!subject.has_mixer() && below(random, 4) == 0)
    flags |= GST_SEEK_FLAG_SEGMENT;
  if (below(random, 4) == 0)
    flags |= GST_SEEK_FLAG_TRICKMODE_KEY_UNITS;
  const gint64 start = below(random, 20) * GST_SECOND;
  const bool has_stop = below(random, 3) == 0;
  // Refused below PAUSED, and by a pipeline that changes its state meanwhile.
  gst_element_seek(subject.pipeline(), rates[below(random, G_N_ELEMENTS(rates))], GST_FORMAT_TIME,
                   static_cast<GstSeekFlags>(flags), GST_SEEK_TYPE_SET, start, GST_SEEK_TYPE_SET,
                   has_stop ? start + 200 * GST_MSECOND : GST_CLOCK_TIME_NONE);
}

// From the beginning without an end. A live source gives buffers of before a seek wrong times, so
// it begins anew.
void rewind(Subject &subject)
{
  if (subject.is_live()) {
    gst_element_set_state(subject.pipeline(), GST_STATE_READY);
    gst_element_set_state(subject.pipeline(), GST_STATE_PLAYING);
    return;
  }
  gst_element_seek(subject.pipeline(), 1, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET,
                   0, GST_SEEK_TYPE_SET, -1);
}

// What a source that knows nothing of the flush still pushes lacks a segment: it is dropped.
GstPadProbeReturn drop_until_segment(GstPad *, GstPadProbeInfo *info, gpointer)
{
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM)
    return GST_EVENT_TYPE(GST_PAD_PROBE_INFO_EVENT(info)) == GST_EVENT_SEGMENT
               ? GST_PAD_PROBE_REMOVE
               : GST_PAD_PROBE_OK;
  return GST_PAD_PROBE_DROP;
}

// A flush that nobody upstream knows of stops the source; the seek starts it again.
void flush_one(Subject &subject, Random &random)
{
  const std::unique_lock<std::mutex> lock(subject.seeking, std::try_to_lock);
  if (!lock)
    return;
  const auto &link = subject.links()[below(random, subject.links().size())];
  const auto pad = adopt_object(gst_element_get_static_pad(link.get(), "sink"));
  const auto peer = adopt_object(gst_pad_get_peer(pad.get()));
  subject.flushed_at.store(g_get_monotonic_time());
  gst_pad_send_event(pad.get(), gst_event_new_flush_start());
  gst_pad_add_probe(
      peer.get(),
      static_cast<GstPadProbeType>(GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
                                   GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM),
      drop_until_segment, nullptr, nullptr);
  // Who passed the peer before the probe was there finds the pad flushing.
  g_usleep(200 + below(random, 2000));
  // A sink that has the running time reset posts a message, for which a live pipeline takes its
  // state lock, while a state change may be waiting for the flush under that lock; rewind() does
  // both.
  gst_pad_send_event(pad.get(), gst_event_new_flush_stop(!subject.is_live()));
  rewind(subject);
}

void block(Subject &subject, Random &random)
{
  const auto &link = subject.links()[below(random, subject.links().size())];
  const char *name = below(random, 2) == 0 ? "sink" : "src";
  const auto pad = adopt_object(gst_element_get_static_pad(link.get(), name));
  const PadProbe probe(
      pad.get(),
      below(random, 3) == 0 ? GST_PAD_PROBE_TYPE_IDLE : GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM,
      [](GstPad *, GstPadProbeInfo *, gpointer) -> GstPadProbeReturn { return GST_PAD_PROBE_OK; },
      nullptr);
  g_usleep(below(random, 5000));
}

void change_settings(Subject &subject, Random &random)
{
  if (!has_our_links())
    return;
  GstElement *link = subject.links()[below(random, subject.links().size())].get();
  switch (below(random, 4)) {
    case 0:
      g_object_set(link, "depth", below(random, 80), nullptr);
      break;
    case 1:
      // Where nothing else holds a source back it would run at full speed.
      g_object_set(link, "policy", subject.is_live() ? static_cast<int>(below(random, 4)) : 0,
                   nullptr);
      break;
    case 2:
      g_object_set(link, "max-time", static_cast<guint64>(below(random, 3) * 20 * GST_MSECOND),
                   "max-bytes", static_cast<guint64>(below(random, 3) * 5000), nullptr);
      break;
    default:
      g_object_set(link, "paused", TRUE, nullptr);
      g_usleep(below(random, 5000));
      g_object_set(link, "paused", FALSE, nullptr);
      break;
  }
}

void ask(Subject &subject, Random &random)
{
  gint64 value;
  gst_element_query_position(subject.pipeline(), GST_FORMAT_TIME, &value);
  gst_element_query_duration(subject.pipeline(), GST_FORMAT_TIME, &value);
  const auto latency = adopt_mini(gst_query_new_latency());
  gst_element_query(subject.pipeline(), latency.get());
  if (below(random, 2) == 0)
    gst_bin_recalculate_latency(GST_BIN(subject.pipeline()));
  const auto &link = subject.links()[below(random, subject.links().size())];
  const auto pad = adopt_object(gst_element_get_static_pad(link.get(), "src"));
  const auto sink = adopt_object(gst_element_get_static_pad(link.get(), "sink"));
  gst_pad_push_event(sink.get(), gst_event_new_reconfigure());
  const auto caps = adopt_mini(gst_pad_query_caps(pad.get(), nullptr));
}

void end_stream(Subject &subject, Random &)
{
  const std::unique_lock<std::mutex> lock(subject.seeking, std::try_to_lock);
  const WaitsForSource may_wait(subject);
  if (!lock || !may_wait)
    return;
  gst_element_send_event(subject.pipeline(), gst_event_new_eos());
}

struct Operation {
  const char *name;
  void (*run)(Subject &, Random &);
  unsigned weight;
};
const Operation kOperations[] = {
    {"state change", change_state, 6}, {"seek", seek, 6},
    {"flush of a link", flush_one, 4}, {"block", block, 2},
    {"settings", change_settings, 4},  {"queries", ask, 2},
    {"end of stream", end_stream, 1},
};

const Operation &pick(Random &random)
{
  unsigned total = 0;
  for (const Operation &operation : kOperations)
    total += operation.weight;
  unsigned at = below(random, total);
  for (const Operation &operation : kOperations) {
    if (at < operation.weight)
      return operation;
    at -= operation.weight;
  }
  return kOperations[0];
}

// --- What must be true at any moment ---

void check_stats(Subject &subject, Random &random)
{
  if (!has_our_links())
    return;
  GstElement *link = subject.links()[below(random, subject.links().size())].get();
  GstStructure *raw = nullptr;
  g_object_get(link, "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  guint64 pushed, popped, dropped, full, stale, flushed;
  guint level;
  gst_structure_get(raw, "pushed", G_TYPE_UINT64, &pushed, "popped", G_TYPE_UINT64, &popped,
                    "dropped", G_TYPE_UINT64, &dropped, "dropped-full", G_TYPE_UINT64, &full,
                    "dropped-stale", G_TYPE_UINT64, &stale, "dropped-flush", G_TYPE_UINT64,
                    &flushed, "level", G_TYPE_UINT, &level, nullptr);
  if (pushed != popped + dropped + level || dropped != full + stale + flushed || level > 100000)
    fault("the counters do not add up: %s",
          streamlib::support::CStr(gst_structure_to_string(raw)).get());
}

// --- A hang ---

void check_beats(const std::vector<std::unique_ptr<Beat>> &beats, const Subjects &subjects)
{
  const gint64 now = g_get_monotonic_time();
  for (const auto &beat : beats) {
    const gint64 since = beat->since.load();
    if (since == 0 || now - since < static_cast<gint64>(kHangSeconds * slowness() * 1e6))
      continue;
    std::fprintf(stderr, "HANG: %s of pipeline%d does not return\n", beat->what.load(),
                 beat->subject.load());
    for (const auto &other : beats) {
      if (other != beat && other->since.load() != 0)
        std::fprintf(stderr, "%s of pipeline%d is under way for %g s\n", other->what.load(),
                     other->subject.load(), static_cast<double>(now - other->since.load()) / 1e6);
    }
    print_stacks();
    print_all(subjects);
    std::abort();
  }
}

// --- The end: everything still plays ---

void settle(Subject &subject)
{
  const auto limit = static_cast<GstClockTime>(kHangSeconds / 2 * slowness() * GST_SECOND);
  for (const auto &link : subject.links()) {
    if (has_our_links())
      g_object_set(link.get(), "policy", 0, "depth", 0, "max-time", guint64(0), "max-bytes",
                   guint64(0), "paused", FALSE, nullptr);
  }
  const char *name = GST_OBJECT_NAME(subject.pipeline());
  // A mixer that a state change has caught between the two ends of a flush flushes for ever.
  if (subject.has_mixer())
    gst_element_set_state(subject.pipeline(), GST_STATE_READY);
  gst_element_set_state(subject.pipeline(), GST_STATE_PLAYING);
  // A stream that ended in PAUSED prerolls again by the seek, so this comes before the wait.
  rewind(subject);
  GstState state;
  if (gst_element_get_state(subject.pipeline(), &state, nullptr, limit) <
          GST_STATE_CHANGE_SUCCESS ||
      state != GST_STATE_PLAYING) {
    fault("%s does not reach PLAYING any more", name);
    print_links(subject);
    return;
  }
  rewind(subject);
  for (size_t i = 0; i < subject.sinks().size(); i++) {
    const Sink &sink = *subject.sinks()[i];
    const uint64_t before = sink.buffers.load();
    const gint64 end = g_get_monotonic_time() + static_cast<gint64>(limit / 1000);
    while (sink.buffers.load() < before + 3 && g_get_monotonic_time() < end)
      g_usleep(1000);
    if (sink.buffers.load() < before + 3) {
      fault("nothing reaches sink %zu of %s any more", i, name);
      print_links(subject);
    }
  }
}

// --- The run ---

class Run {
public:
  explicit Run(unsigned seed);
  void stress(double seconds);
  void settle_all();
  void stop_all();

private:
  void act(Beat &beat, unsigned number);
  void read(Beat &beat);

  const unsigned seed_;
  Subjects subjects_;
  std::vector<std::unique_ptr<Beat>> beats_;
  std::atomic<bool> ends_ = false;
};

Run::Run(unsigned seed) : seed_(seed)
{
  for (unsigned i = 0; i < kPipelines; i++)
    subjects_.push_back(std::make_unique<Subject>(i));
  for (unsigned i = 0; i < kActors + 2; i++)
    beats_.push_back(std::make_unique<Beat>());
  for (const auto &subject : subjects_)
    gst_element_set_state(subject->pipeline(), GST_STATE_PLAYING);
}

void Run::act(Beat &beat, unsigned number)
{
  Random random(seed_ * 31 + number + 1);
  while (!ends_.load()) {
    const unsigned index = below(random, kPipelines);
    const Operation &operation = pick(random);
    beat.begin(operation.name, static_cast<int>(index));
    operation.run(*subjects_[index], random);
    beat.since.store(0);
    if (below(random, 4) == 0)
      g_usleep(below(random, 3000));
  }
}

void Run::read(Beat &beat)
{
  Random random(seed_);
  while (!ends_.load()) {
    const unsigned index = below(random, kPipelines);
    beat.begin("stats", static_cast<int>(index));
    check_stats(*subjects_[index], random);
    beat.since.store(0);
    g_usleep(500);
  }
}

void Run::stress(double seconds)
{
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kActors; i++)
    threads.emplace_back([this, i] { act(*beats_[i], i); });
  threads.emplace_back([this] { read(*beats_[kActors]); });
  const gint64 end = g_get_monotonic_time() + static_cast<gint64>(seconds * 1e6);
  while (g_get_monotonic_time() < end) {
    check_beats(beats_, subjects_);
    g_usleep(100000);
  }
  ends_.store(true);
  std::atomic<bool> joined = false;
  std::thread watch([&] {
    while (!joined.load()) {
      check_beats(beats_, subjects_);
      g_usleep(100000);
    }
  });
  // Whoever waits for a preroll now gets it.
  for (const auto &subject : subjects_)
    gst_element_set_state(subject->pipeline(), GST_STATE_PLAYING);
  for (std::thread &thread : threads)
    thread.join();
  joined.store(true);
  watch.join();
  uint64_t operations = 0;
  for (unsigned i = 0; i < kActors; i++)
    operations += beats_[i]->count.load();
  std::printf("%" G_GUINT64_FORMAT " operations in %g s\n", static_cast<guint64>(operations),
              seconds);
}

void Run::settle_all()
{
  std::atomic<bool> done = false;
  std::thread watch([&] {
    while (!done.load()) {
      check_beats(beats_, subjects_);
      g_usleep(100000);
    }
  });
  Beat &beat = *beats_[kActors + 1];
  // One at a time, so that each is judged alone.
  for (unsigned i = 0; i < kPipelines; i++) {
    beat.begin("end of the others", static_cast<int>(i));
    gst_element_set_state(subjects_[i]->pipeline(), GST_STATE_PAUSED);
    beat.since.store(0);
  }
  for (unsigned i = 0; i < kPipelines; i++) {
    settle(*subjects_[i]);
    beat.begin("stop", static_cast<int>(i));
    gst_element_set_state(subjects_[i]->pipeline(), GST_STATE_NULL);
    beat.since.store(0);
  }
  done.store(true);
  watch.join();
}

void Run::stop_all()
{
  subjects_.clear();
}

}  // namespace

int main(int argc, char **argv)
{
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s SECONDS [SEED [ELEMENT]]\n", argv[0]);
    return 2;
  }
  const double seconds = std::atof(argv[1]);
  const unsigned seed = argc > 2 && std::strcmp(argv[2], "-") != 0
                            ? static_cast<unsigned>(std::atoi(argv[2]))
                            : std::random_device()();
  if (argc > 3)
    link_element = argv[3];
  std::printf("seed %u\n", seed);
  std::fflush(stdout);
  gst_init(nullptr, nullptr);
  {
    Run run(seed);
    run.stress(seconds);
    run.settle_all();
    run.stop_all();
  }
  gst_task_cleanup_all();
  for (int i = 0; i < 500 && !links_left().empty(); i++)
    g_usleep(10000);
  if (!links_left().empty())
    fault("threads are left:%s", links_left().c_str());
  gst_deinit();
  std::printf("%u faults\n", faults.load());
  return faults.load() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
