// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tests/pipelines/stress_subject.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace stress {

namespace {

// Five links each.
const char *const kDescriptions[] = {
    // Two branches, one of which waits for the clock.
    "audiotestsrc samplesperbuffer=480 ! LINK ! tee name=t "
    "t. ! LINK ! fakesink name=s0 sync=true "
    "t. ! LINK ! LINK ! LINK ! fakesink name=s1 async=false",
    "audiotestsrc samplesperbuffer=480 is-live=true ! LINK ! audioconvert ! LINK ! audioconvert ! "
    "LINK ! identity ! LINK ! LINK ! fakesink name=s0 sync=true",
    "audiomixer name=m ! LINK ! LINK ! fakesink name=s0 sync=true "
    "audiotestsrc samplesperbuffer=480 ! LINK ! m. "
    "audiotestsrc samplesperbuffer=480 ! LINK ! LINK ! m.",
    "videotestsrc is-live=true ! video/x-raw,width=32,height=32,framerate=100/1 ! LINK ! tee "
    "name=t t. ! LINK ! LINK ! fakesink name=s0 sync=true t. ! LINK ! LINK ! fakesink name=s1 "
    "sync=true",
    "videotestsrc ! video/x-raw,width=32,height=32,framerate=100/1 ! LINK ! identity ! LINK ! LINK "
    "! videoconvert ! LINK ! LINK ! fakesink name=s0 sync=true",
};
std::string pad_text(GstElement *element, const char *name)
{
  const auto pad = adopt_object(gst_element_get_static_pad(element, name));
  const auto peer = pad ? adopt_object(gst_pad_get_peer(pad.get())) : nullptr;
  std::string text = gst_flow_get_name(gst_pad_get_last_flow_return(pad.get()));
  if (peer)
    text += std::string("/") + gst_flow_get_name(gst_pad_get_last_flow_return(peer.get()));
  for (const auto &[flag, label] :
       {std::pair(GST_PAD_FLAG_FLUSHING, " flushing"), std::pair(GST_PAD_FLAG_EOS, " EOS"),
        std::pair(GST_PAD_FLAG_BLOCKED, " blocked")}) {
    if (GST_OBJECT_FLAG_IS_SET(pad.get(), flag))
      text += label;
    if (peer && GST_OBJECT_FLAG_IS_SET(peer.get(), flag))
      text += std::string(label) + " (peer)";
  }
  if (peer && GST_PAD_TASK(peer.get()) != nullptr)
    text += " task " + std::to_string(GST_TASK_STATE(GST_PAD_TASK(peer.get())));
  return text;
}

}  // namespace

std::string link_element = "sllink";
std::atomic<unsigned> faults = 0;

bool has_our_links()
{
  return link_element.rfind("sllink", 0) == 0;
}

double slowness()
{
  const char *factor = std::getenv("CK_TIMEOUT_MULTIPLIER");
  return factor != nullptr && std::atof(factor) >= 1 ? std::atof(factor) : 1;
}

void fault(const char *format, ...)
{
  va_list args;
  va_start(args, format);
  const streamlib::support::CStr text(gst_info_strdup_vprintf(format, args));
  va_end(args);
  std::fprintf(stderr, "FAULT: %s\n", text.get());
  faults++;
}

std::string first_line(const std::string &file)
{
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

unsigned below(Random &random, unsigned limit)
{
  return std::uniform_int_distribution<unsigned>(0, limit - 1)(random);
}

std::string threads_left(bool (*is_ours)(const std::string &name))
{
  std::string names;
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task")) {
    const std::string name = first_line(task.path().string() + "/comm");
    if (name.rfind("sl-", 0) == 0 || is_ours(name))
      names += " " + name;
  }
  return names;
}

// A buffer that fell into a segment it does not belong to can be due in a hundred years.
GstPadProbeReturn Sink::on_buffer(GstPad *pad, GstPadProbeInfo *info, gpointer self)
{
  static_cast<Sink *>(self)->buffers++;
  const auto event = adopt_mini(gst_pad_get_sticky_event(pad, GST_EVENT_SEGMENT, 0));
  if (!event)
    return GST_PAD_PROBE_OK;
  const GstSegment *segment;
  gst_event_parse_segment(event.get(), &segment);
  const GstClockTime pts = GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info));
  const GstClockTime time = gst_segment_to_running_time(segment, GST_FORMAT_TIME, pts);
  if (GST_CLOCK_TIME_IS_VALID(time) && time > 3600 * GST_SECOND)
    fault("%s:%s: a buffer of %" GST_TIME_FORMAT " has the running time %" GST_TIME_FORMAT
          " in %" GST_SEGMENT_FORMAT,
          GST_DEBUG_PAD_NAME(pad), GST_TIME_ARGS(pts), GST_TIME_ARGS(time), segment);
  return GST_PAD_PROBE_OK;
}

Subject::Subject(unsigned index)
{
  std::string description = kDescriptions[index % G_N_ELEMENTS(kDescriptions)];
  is_live_ = description.find("is-live=true") != std::string::npos;
  has_mixer_ = description.find("audiomixer") != std::string::npos;
  unsigned number = 0;
  for (size_t at; (at = description.find("LINK")) != std::string::npos; number++)
    description.replace(at, 4, link_element + " name=l" + std::to_string(number));
  GError *error = nullptr;
  pipeline_ = streamlib::support::sink_object(gst_parse_launch(description.c_str(), &error));
  if (error != nullptr) {
    std::fprintf(stderr, "%s: %s\n", description.c_str(), error->message);
    std::exit(EXIT_FAILURE);
  }
  gst_object_set_name(GST_OBJECT(pipeline()), ("pipeline" + std::to_string(index)).c_str());
  for (unsigned i = 0; i < number; i++)
    links_.push_back(
        adopt_object(gst_bin_get_by_name(GST_BIN(pipeline()), ("l" + std::to_string(i)).c_str())));
  for (const char *name : {"s0", "s1"}) {
    const auto element = adopt_object(gst_bin_get_by_name(GST_BIN(pipeline()), name));
    if (!element)
      continue;
    const auto pad = adopt_object(gst_element_get_static_pad(element.get(), "sink"));
    auto sink = std::make_unique<Sink>();
    sink->probe = PadProbe(pad.get(), GST_PAD_PROBE_TYPE_BUFFER, Sink::on_buffer, sink.get());
    sinks_.push_back(std::move(sink));
  }
  const auto bus = adopt_object(gst_element_get_bus(pipeline()));
  gst_bus_set_sync_handler(bus.get(), on_message, this, nullptr);
}

Subject::~Subject()
{
  gst_element_set_state(pipeline(), GST_STATE_NULL);
  const auto bus = adopt_object(gst_element_get_bus(pipeline()));
  gst_bus_set_sync_handler(bus.get(), nullptr, nullptr, nullptr);
}

GstBusSyncReply Subject::on_message(GstBus *, GstMessage *message, gpointer data)
{
  auto *self = static_cast<Subject *>(data);
  if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
    GError *error = nullptr;
    gchar *debug = nullptr;
    gst_message_parse_error(message, &error, &debug);
    // A transform between two links makes an error of it when an event cannot be passed on to a
    // link that flushes; the seek that follows starts its source again.
    const gint64 since = g_get_monotonic_time() - self->flushed_at.load();
    const bool is_flush = static_cast<double>(since) < slowness() * 1e6 &&
                          g_error_matches(error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED);
    if (!is_flush)
      fault("%s: %s: %s (%s)", GST_OBJECT_NAME(self->pipeline()), GST_MESSAGE_SRC_NAME(message),
            error->message, debug);
    g_error_free(error);
    g_free(debug);
  } else if (gst_message_has_name(message, "streamlib-stall")) {
    // On a machine that is busy this can be true for a moment; the deadline decides.
    const streamlib::support::CStr text(
        gst_structure_to_string(gst_message_get_structure(message)));
    std::fprintf(stderr, "%s: %s\n", GST_OBJECT_NAME(self->pipeline()), text.get());
  }
  gst_message_unref(message);
  return GST_BUS_DROP;
}

void print_links(const Subject &subject)
{
  std::fprintf(stderr, "%s\n", GST_OBJECT_NAME(subject.pipeline()));
  for (const auto &link : subject.links()) {
    std::fprintf(stderr, "  %s %s; sink %s; src %s;", GST_OBJECT_NAME(link.get()),
                 gst_element_state_get_name(GST_STATE(link.get())),
                 pad_text(link.get(), "sink").c_str(), pad_text(link.get(), "src").c_str());
    if (has_our_links()) {
      GstStructure *raw = nullptr;
      g_object_get(link.get(), "stats", &raw, nullptr);
      const StructurePtr stats(raw);
      std::fprintf(stderr, " %s", streamlib::support::CStr(gst_structure_to_string(raw)).get());
    }
    std::fputc('\n', stderr);
  }
}

void print_all(const Subjects &subjects)
{
  for (const auto &subject : subjects)
    print_links(*subject);
  for (const auto &task : std::filesystem::directory_iterator("/proc/self/task"))
    std::fprintf(stderr, "thread %s %s in %s\n", task.path().filename().c_str(),
                 first_line(task.path().string() + "/comm").c_str(),
                 first_line(task.path().string() + "/wchan").c_str());
  if (const char *folder = std::getenv("GST_DEBUG_DUMP_DOT_DIR")) {
    std::fprintf(stderr, "the graphs are in %s\n", folder);
    for (const auto &subject : subjects)
      GST_DEBUG_BIN_TO_DOT_FILE(GST_BIN(subject->pipeline()), GST_DEBUG_GRAPH_SHOW_ALL,
                                GST_OBJECT_NAME(subject->pipeline()));
  }
}

void print_stacks()
{
  const std::string command = "gdb -batch -ex 'thread apply all backtrace 24' -p " +
                              std::to_string(getpid()) + " 1>&2 2>/dev/null";
  if (std::system(command.c_str()) != 0)
    std::fprintf(stderr, "there is no gdb to print the stacks of the threads\n");
}

}  // namespace stress
