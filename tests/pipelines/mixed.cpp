// SPDX-License-Identifier: LGPL-2.1-or-later
// Mixed load: dedicated, pooled, inline and async processors in one process, which all call the
// runtime thread, while threads and the runtime thread itself start and stop their pipelines at
// random. Nothing may hang, report an error, or leave a thread or a descriptor behind.
//
// usage: test-mixed SECONDS [SEED]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gst/gst.h>

#include "gst/streamlib/streamlib.h"
#include "tests/pipelines/stress_subject.h"

namespace {

using namespace stress;

constexpr unsigned kPipelines = 16;
constexpr unsigned kActors = 2;
constexpr double kHangSeconds = 30;
// Of a processor's buffers.
constexpr guint kPostEvery = 20;
constexpr guint kCallEvery = 150;

std::atomic<uint64_t> posted = 0;
std::atomic<uint64_t> served = 0;
std::atomic<uint64_t> calls = 0;
std::atomic<uint64_t> refused_calls = 0;

const char *const kDescriptions[] = {
    "sltestsrc ! mixedfilter scheduling=pooled ! sllink ! mixedfilter ! fakesink sync=true",
    "audiotestsrc is-live=true samplesperbuffer=480 ! mixedfilter scheduling=inline ! sllink "
    "scheduling=pooled ! mixedfilter ! fakesink async=false sync=true",
    "sltestsrc media=audio scheduling=async ! mixedfilter scheduling=async ! sllink ! audioconvert "
    "! "
    "mixedfilter scheduling=pooled ! fakesink async=false",
    "sltestsrc media=video ! video/x-raw,width=32,height=32,framerate=100/1 ! tee name=t "
    "t. ! mixedfilter scheduling=pooled ! fakesink async=false sync=true "
    "t. ! mixedfilter priority=high ! fakesink async=false",
};

// --- A processor that calls the runtime thread ---

struct MixedFilter {
  GstSlProcessor parent;
  guint buffers;
};
struct MixedFilterClass {
  GstSlProcessorClass parent;
};

G_DEFINE_TYPE(MixedFilter, mixed_filter, GST_TYPE_SL_PROCESSOR)

GVariant *serve(gpointer)
{
  served++;
  return g_variant_new_boolean(TRUE);
}

void call(GstSlProcessor *processor)
{
  GVariant *result = nullptr;
  GError *error = nullptr;
  calls++;
  if (!gst_sl_processor_invoke(processor, "call", serve, nullptr, nullptr, &result, &error)) {
    // Stopped, or the runtime thread is stopping this very pipeline.
    refused_calls++;
    g_clear_error(&error);
  }
  g_clear_pointer(&result, g_variant_unref);
}

GstFlowReturn mixed_filter_process(GstSlProcessor *processor, GstSlLinkPad *, GstBuffer *input,
                                   GstBuffer **output)
{
  auto *self = reinterpret_cast<MixedFilter *>(processor);
  self->buffers++;
  if (self->buffers % kPostEvery == 0) {
    posted++;
    gst_sl_dispatcher_invoke_async(
        gst_sl_runtime_get_dispatcher(gst_sl_processor_get_runtime(processor)), "post", serve,
        nullptr, nullptr);
  }
  GstSlScheduling scheduling;
  g_object_get(processor, "scheduling", &scheduling, nullptr);
  // The I/O thread must not wait.
  if (self->buffers % kCallEvery == 0 && scheduling != GST_SL_SCHEDULING_ASYNC)
    call(processor);
  *output = input;
  return GST_FLOW_OK;
}

void mixed_filter_class_init(MixedFilterClass *klass)
{
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  const auto any = adopt_mini(gst_caps_new_any());
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new_with_gtype("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                                                     any.get(), GST_TYPE_SL_LINK_PAD));
  gst_element_class_add_pad_template(
      element_class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, any.get()));
  gst_element_class_set_static_metadata(element_class, "Mixed", "Filter", "Calls", "The authors");
  GST_SL_PROCESSOR_CLASS(klass)->process = mixed_filter_process;
}

void mixed_filter_init(MixedFilter *) {}

// --- Pipelines ---

class Work {
public:
  Work(unsigned index, GstContext *shared);
  Work(const Work &) = delete;
  Work &operator=(const Work &) = delete;
  ~Work() { stop(); }

  void change(Random &random);
  void read(Random &random);
  void stop();
  uint64_t passed() const;

  // When the operation under way began; 0 for none.
  std::atomic<gint64> since = 0;

private:
  static GstBusSyncReply on_message(GstBus *bus, GstMessage *message, gpointer self);

  GObjectPtr<GstElement> pipeline_;
  std::vector<GObjectPtr<GstElement>> processors_;
  // Held by whoever changes the state.
  std::mutex changing_;
};

Work::Work(unsigned index, GstContext *shared)
{
  GError *error = nullptr;
  pipeline_ = streamlib::support::sink_object(
      gst_parse_launch(kDescriptions[index % G_N_ELEMENTS(kDescriptions)], &error));
  if (error != nullptr) {
    std::fprintf(stderr, "%s\n", error->message);
    std::exit(EXIT_FAILURE);
  }
  // One half has one runtime, the others one each.
  if (index % 2 == 0)
    gst_element_set_context(pipeline_.get(), shared);
  GstIterator *elements = gst_bin_iterate_elements(GST_BIN(pipeline_.get()));
  gst_iterator_foreach(
      elements,
      [](const GValue *value, gpointer data) {
        auto *element = GST_ELEMENT(g_value_get_object(value));
        if (GST_IS_SL_PROCESSOR(element))
          static_cast<Work *>(data)->processors_.push_back(
              streamlib::support::share_object(element));
      },
      this);
  gst_iterator_free(elements);
  const auto bus = adopt_object(gst_element_get_bus(pipeline_.get()));
  gst_bus_set_sync_handler(bus.get(), on_message, this, nullptr);
}

GstBusSyncReply Work::on_message(GstBus *, GstMessage *message, gpointer)
{
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    fault("%s: %s (%s)", GST_MESSAGE_SRC_NAME(message), error->message, debug);
    g_error_free(error);
    g_free(debug);
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void Work::change(Random &random)
{
  const GstState states[] = {GST_STATE_NULL,    GST_STATE_READY,   GST_STATE_PAUSED,
                             GST_STATE_PLAYING, GST_STATE_PLAYING, GST_STATE_PLAYING,
                             GST_STATE_PLAYING};
  const std::unique_lock<std::mutex> lock(changing_, std::try_to_lock);
  if (!lock)
    return;
  since.store(g_get_monotonic_time());
  const GstState target = states[below(random, G_N_ELEMENTS(states))];
  if (gst_element_set_state(pipeline_.get(), target) == GST_STATE_CHANGE_FAILURE)
    fault("%s cannot go to %s", GST_OBJECT_NAME(pipeline_.get()),
          gst_element_state_get_name(target));
  since.store(0);
}

void Work::read(Random &random)
{
  GstElement *processor = processors_[below(random, processors_.size())].get();
  GstStructure *raw = nullptr;
  g_object_get(processor, "stats", &raw, nullptr);
  const StructurePtr stats(raw);
  if (below(random, 4) == 0) {
    g_object_set(processor, "paused", TRUE, nullptr);
    g_usleep(below(random, 3000));
    g_object_set(processor, "paused", FALSE, nullptr);
  }
}

void Work::stop()
{
  const std::lock_guard<std::mutex> lock(changing_);
  since.store(g_get_monotonic_time());
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
  since.store(0);
}

uint64_t Work::passed() const
{
  guint64 steps = 0;
  for (const auto &processor : processors_) {
    GstStructure *raw = nullptr;
    g_object_get(processor.get(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    guint64 own = 0;
    gst_structure_get_uint64(raw, "steps", &own);
    steps += own;
  }
  return steps;
}

// --- What is left behind ---

std::string processors_left()
{
  return threads_left([](const std::string &name) {
    return name.rfind("sllink", 0) == 0 || name.rfind("mixed", 0) == 0;
  });
}

long descriptors()
{
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::distance(begin(all), end(all));
}

// --- The run ---

class Run {
public:
  explicit Run(unsigned seed);
  void run(double seconds);

private:
  static gboolean on_timeout(gpointer data);
  void act(unsigned number);
  void look();

  const unsigned seed_;
  Random main_random_;
  std::vector<std::unique_ptr<Work>> works_;
  std::atomic<bool> ends_ = false;
  std::atomic<uint64_t> operations_ = 0;
  GMainLoop *loop_ = nullptr;
  gint64 end_ = 0;
};

Run::Run(unsigned seed) : seed_(seed), main_random_(seed + 99)
{
  const auto runtime = adopt_object(gst_sl_runtime_new());
  const auto context = adopt_mini(gst_sl_runtime_to_context(runtime.get(), TRUE));
  for (unsigned i = 0; i < kPipelines; i++)
    works_.push_back(std::make_unique<Work>(i, context.get()));
}

// The runtime thread changes states as well, and then waits for threads that call it.
gboolean Run::on_timeout(gpointer data)
{
  auto *self = static_cast<Run *>(data);
  if (g_get_monotonic_time() >= self->end_) {
    g_main_loop_quit(self->loop_);
    return G_SOURCE_REMOVE;
  }
  self->works_[below(self->main_random_, kPipelines)]->change(self->main_random_);
  self->operations_++;
  return G_SOURCE_CONTINUE;
}

void Run::act(unsigned number)
{
  Random random(seed_ * 31 + number + 1);
  while (!ends_.load()) {
    Work &work = *works_[below(random, kPipelines)];
    if (below(random, 12) == 0)
      work.change(random);
    else
      work.read(random);
    operations_++;
    g_usleep(below(random, 4000));
  }
}

void Run::look()
{
  const auto limit = static_cast<gint64>(kHangSeconds * slowness() * 1e6);
  while (!ends_.load()) {
    for (const auto &work : works_) {
      const gint64 since = work->since.load();
      if (since == 0 || g_get_monotonic_time() - since < limit)
        continue;
      std::fprintf(stderr, "HANG: a state change does not return\n");
      print_stacks();
      std::abort();
    }
    g_usleep(100000);
  }
}

void Run::run(double seconds)
{
  loop_ = g_main_loop_new(nullptr, FALSE);
  end_ = g_get_monotonic_time() + static_cast<gint64>(seconds * 1e6);
  std::thread watch([this] { look(); });
  std::vector<std::thread> actors;
  for (unsigned i = 0; i < kActors; i++)
    actors.emplace_back([this, i] { act(i); });
  g_timeout_add(25, on_timeout, this);
  g_main_loop_run(loop_);
  uint64_t steps = 0;
  for (const auto &work : works_) {
    steps += work->passed();
    work->stop();
  }
  ends_.store(true);
  for (std::thread &actor : actors)
    actor.join();
  watch.join();
  works_.clear();
  g_main_loop_unref(loop_);
  std::printf("%" G_GUINT64_FORMAT " operations, %" G_GUINT64_FORMAT
              " steps at the end, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
              " closures served, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " calls refused\n",
              static_cast<guint64>(operations_), static_cast<guint64>(steps),
              static_cast<guint64>(served), static_cast<guint64>(posted + calls),
              static_cast<guint64>(refused_calls), static_cast<guint64>(calls));
}

}  // namespace

int main(int argc, char **argv)
{
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: %s SECONDS [SEED]\n", argv[0]);
    return 2;
  }
  const unsigned seed =
      argc > 2 ? static_cast<unsigned>(std::atoi(argv[2])) : std::random_device()();
  std::printf("seed %u\n", seed);
  std::fflush(stdout);
  gst_init(nullptr, nullptr);
  gst_element_register(nullptr, "mixedfilter", GST_RANK_NONE, mixed_filter_get_type());
  {
    // What every first run of a process opens.
    Run warm_up(seed + 1);
    warm_up.run(0.3);
  }
  const long before = descriptors();
  {
    Run run(seed);
    run.run(std::atof(argv[1]));
  }
  // Closures that were posted hold nothing; the context's last iterations drop them.
  while (g_main_context_iteration(nullptr, FALSE)) {
  }
  gst_task_cleanup_all();
  for (int i = 0; i < 500 && !(processors_left().empty() && descriptors() <= before); i++)
    g_usleep(10000);
  if (!processors_left().empty())
    fault("threads are left:%s", processors_left().c_str());
  if (descriptors() > before)
    fault("%ld descriptors are left", descriptors() - before);
  if (served.load() == 0 || calls.load() == 0)
    fault("nobody called the runtime thread");
  gst_deinit();
  std::printf("%u faults\n", faults.load());
  return faults.load() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
