// SPDX-License-Identifier: LGPL-2.1-or-later
// A camera stand-in: plays a film, or a test picture, as a video source of PipeWire.
//
// usage: camera-standin NODE DESCRIPTION [--film FILE] [--pattern NAME] [--width N] [--height N]
//                       [--rate N]
//
// Each frame carries its number, as framecode.py reads it. Frame n is captured at start + n *
// duration; both are printed on one line, in nanoseconds of CLOCK_MONOTONIC, when the camera is
// there.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <gst/app/gstappsink.h>
#include <gst/base/gstpushsrc.h>
#include <gst/gst.h>

namespace {

// So many frames of a film are played in a circle.
constexpr size_t kMostFrames = 100;
constexpr int kBits = 16;
constexpr int kCell = 8;

struct Options {
  std::string node;
  std::string description;
  std::string film;
  std::string pattern = "smpte";
  int width = 320;
  int height = 240;
  int rate = 30;
};

struct Film {
  std::string caps;
  int width;
  gint64 start_ns;
  gint64 frame_ns;
  std::vector<std::vector<guint8>> frames;
};

gint64 now_ns()
{
  return g_get_monotonic_time() * 1000;
}

[[noreturn]] void die(const std::string &text)
{
  std::fprintf(stderr, "camera-standin: %s\n", text.c_str());
  std::exit(1);
}

// The number in black and white cells at the upper left, in the luma plane.
void write_number(guint8 *luma, int stride, gint64 number)
{
  std::vector<bool> cells = {true, false};
  for (int complement = 0; complement < 2; complement++) {
    for (int bit = 0; bit < kBits; bit++)
      cells.push_back(((number >> bit) & 1) != complement);
  }
  for (int row = 0; row < kCell; row++) {
    for (size_t i = 0; i < cells.size(); i++)
      std::memset(luma + row * stride + i * kCell, cells[i] ? 0xeb : 0x10, kCell);
  }
}

std::vector<std::vector<guint8>> decode(const Options &options, const std::string &caps)
{
  const std::string source = options.film.empty()
                                 ? "videotestsrc pattern=" + options.pattern + " num-buffers=30"
                                 : "filesrc location=\"" + options.film + "\" ! decodebin";
  const std::string launch = source + " ! videoconvert ! videoscale ! videorate ! " + caps +
                             " ! appsink name=sink sync=false";
  GstElement *pipeline = gst_parse_launch(launch.c_str(), nullptr);
  GstElement *sink = pipeline != nullptr ? gst_bin_get_by_name(GST_BIN(pipeline), "sink") : nullptr;
  if (sink == nullptr)
    die("cannot play " + source);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  std::vector<std::vector<guint8>> frames;
  while (frames.size() < kMostFrames) {
    GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(sink), 10 * GST_SECOND);
    if (sample == nullptr)
      break;
    GstBuffer *buffer = gst_sample_get_buffer(sample);
    std::vector<guint8> frame(gst_buffer_get_size(buffer));
    gst_buffer_extract(buffer, 0, frame.data(), frame.size());
    frames.push_back(std::move(frame));
    gst_sample_unref(sample);
  }
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(sink);
  gst_object_unref(pipeline);
  if (frames.empty())
    die("nothing can be played of " + source);
  return frames;
}

}  // namespace

struct StandIn {
  GstPushSrc parent;
  Film *film;
  gint64 number;
};
struct StandInClass {
  GstPushSrcClass parent;
};

static GstStaticPadTemplate stand_in_template = GST_STATIC_PAD_TEMPLATE(
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS("video/x-raw, format=I420"));

G_DEFINE_TYPE(StandIn, stand_in, GST_TYPE_PUSH_SRC)

static StandIn *stand_in_of(gpointer object)
{
  return static_cast<StandIn *>(object);
}

static GstCaps *stand_in_get_caps(GstBaseSrc *base, GstCaps *)
{
  return gst_caps_from_string(stand_in_of(base)->film->caps.c_str());
}

static gboolean stand_in_decide_allocation(GstBaseSrc *base, GstQuery *query)
{
  // The memory must be the sink's, which needs to know how large a frame is.
  if (gst_query_get_n_allocation_pools(query) > 0) {
    GstBufferPool *pool = nullptr;
    guint min = 0;
    guint max = 0;
    gst_query_parse_nth_allocation_pool(query, 0, &pool, nullptr, &min, &max);
    gst_query_set_nth_allocation_pool(
        query, 0, pool, static_cast<guint>(stand_in_of(base)->film->frames[0].size()), min, max);
    if (pool != nullptr)
      gst_object_unref(pool);
  }
  return GST_BASE_SRC_CLASS(stand_in_parent_class)->decide_allocation(base, query);
}

// A frame that waits for memory is not captured: the number is that of the time.
static GstFlowReturn stand_in_fill(GstPushSrc *push, GstBuffer *buffer)
{
  StandIn *self = stand_in_of(push);
  const Film &film = *self->film;
  const gint64 due = (now_ns() - film.start_ns) / film.frame_ns + 1;
  self->number = MAX(self->number + 1, due);
  const gint64 captured_ns = film.start_ns + self->number * film.frame_ns;
  g_usleep(static_cast<gulong>(MAX(captured_ns - now_ns(), 0) / 1000));

  const auto &frame = film.frames[static_cast<size_t>(self->number) % film.frames.size()];
  GstMapInfo map;
  if (!gst_buffer_map(buffer, &map, GST_MAP_WRITE) || map.size < frame.size())
    return GST_FLOW_ERROR;
  std::memcpy(map.data, frame.data(), frame.size());
  write_number(map.data, film.width, self->number & 0xffff);
  gst_buffer_unmap(buffer, &map);
  GST_BUFFER_PTS(buffer) = static_cast<GstClockTime>(self->number * film.frame_ns);
  return GST_FLOW_OK;
}

static void stand_in_class_init(StandInClass *klass)
{
  gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(klass), &stand_in_template);
  gst_element_class_set_static_metadata(GST_ELEMENT_CLASS(klass), "Film", "Source/Video",
                                        "Frames with numbers", "The gst-streamlib developers");
  GST_BASE_SRC_CLASS(klass)->get_caps = stand_in_get_caps;
  GST_BASE_SRC_CLASS(klass)->decide_allocation = stand_in_decide_allocation;
  GST_PUSH_SRC_CLASS(klass)->fill = stand_in_fill;
}

static void stand_in_init(StandIn *self)
{
  self->number = -1;
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

static Options parse(int argc, char **argv)
{
  Options options;
  if (argc < 3)
    die("which node, and what is it called?");
  options.node = argv[1];
  options.description = argv[2];
  for (int i = 3; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--film")
      options.film = argv[i + 1];
    else if (name == "--pattern")
      options.pattern = argv[i + 1];
    else if (name == "--width")
      options.width = std::atoi(argv[i + 1]);
    else if (name == "--height")
      options.height = std::atoi(argv[i + 1]);
    else if (name == "--rate")
      options.rate = std::atoi(argv[i + 1]);
    else
      die("unknown option " + name);
  }
  return options;
}

int main(int argc, char **argv)
{
  gst_init(&argc, &argv);
  const Options options = parse(argc, argv);
  Film film;
  film.caps = "video/x-raw,format=I420,width=" + std::to_string(options.width) +
              ",height=" + std::to_string(options.height) +
              ",framerate=" + std::to_string(options.rate) + "/1";
  film.width = options.width;
  film.frames = decode(options, film.caps);
  film.frame_ns = GST_SECOND / options.rate;
  film.start_ns = now_ns();

  GstElement *pipeline = gst_pipeline_new(nullptr);
  auto *source = static_cast<GstElement *>(g_object_new(stand_in_get_type(), nullptr));
  stand_in_of(source)->film = &film;
  GstElement *sink = gst_element_factory_make("pipewiresink", nullptr);
  if (sink == nullptr)
    die("there is no pipewiresink; install gstreamer1.0-pipewire");
  GstStructure *properties =
      gst_structure_new("properties", "media.class", G_TYPE_STRING, "Video/Source", "node.name",
                        G_TYPE_STRING, options.node.c_str(), "node.description", G_TYPE_STRING,
                        options.description.c_str(), nullptr);
  g_object_set(sink, "stream-properties", properties, "sync", FALSE, nullptr);
  gst_util_set_object_arg(G_OBJECT(sink), "mode", "provide");
  gst_structure_free(properties);
  gst_bin_add_many(GST_BIN(pipeline), source, sink, nullptr);
  gst_element_link(source, sink);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  std::printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", film.start_ns, film.frame_ns);
  std::fflush(stdout);

  // Until it is ended by a signal, or by an error.
  GstBus *bus = gst_element_get_bus(pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered(bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_ERROR);
  GError *error = nullptr;
  gst_message_parse_error(message, &error, nullptr);
  die(error->message);
}
