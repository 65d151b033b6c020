// SPDX-License-Identifier: LGPL-2.1-or-later
// Pipelines of everyday use with sllink where others have a queue. Each is judged by what comes
// out, where that is possible against the same pipeline with a queue.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <sys/wait.h>

#include "tests/pipelines/pipeline.h"

namespace {

using namespace pipelines;

using Lines = std::vector<std::string>;

// What a source pad or sink pad of `element` saw of data while the pipeline ran to its end.
Lines data_of(const std::string &description, const char *element = "out",
              const char *pad_name = "sink")
{
  Pipeline pipeline(description);
  PadLog log(pipeline.pad(element, pad_name).get(), PadLog::Buffers);
  pipeline.run();
  return log.lines();
}

void expect_equal(const Lines &expected, const Lines &got)
{
  fail_unless_equals_int(static_cast<int>(expected.size()), static_cast<int>(got.size()));
  for (size_t i = 0; i < expected.size(); i++)
    ck_assert_str_eq(expected[i].c_str(), got[i].c_str());
}

// The same description with queues and with links gives the same data.
Lines same_as_with_queues(const std::string &description)
{
  const Lines with_queues = data_of(with_link(description, "queue"));
  const Lines with_links = data_of(with_link(description, "sllink"));
  expect_equal(with_queues, with_links);
  return with_links;
}

// --- Files ---

// Three seconds of intra-coded video, with a tone unless it is silent.
void make_film(const std::string &file, bool is_silent = false)
{
  const std::string video =
      "videotestsrc num-buffers=75 ! video/x-raw,width=96,height=64,framerate=25/1 ! jpegenc ! "
      "sllink ! qtmux name=mux ! filesink location=" +
      file;
  const std::string audio =
      " audiotestsrc num-buffers=150 samplesperbuffer=882 ! audio/x-raw,rate=44100,channels=1 ! "
      "sllink ! mux.";
  Pipeline pipeline(is_silent ? video : video + audio);
  pipeline.run();
}

const char *const kPlayer =
    " ! qtdemux name=demux "
    "demux.video_0 ! LINK ! jpegdec ! LINK ! fakesink name=out sync=false "
    "demux.audio_0 ! LINK ! audioconvert ! fakesink name=sound sync=false";

const char *const kSilentPlayer =
    " ! qtdemux name=demux demux.video_0 ! LINK ! jpegdec ! LINK ! fakesink name=out sync=false";

GST_START_TEST(test_playback)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  const Lines frames = same_as_with_queues("filesrc location=" + film + kPlayer);
  fail_unless_equals_int(static_cast<int>(frames.size()), 75);
}
GST_END_TEST;

// The data that arrives after a seek, up to EOS.
Lines after_seek(const std::string &description, gdouble rate, int flags, GstClockTime start,
                 GstClockTime stop)
{
  Pipeline pipeline(description);
  pipeline.go(GST_STATE_PAUSED);
  PadLog log(pipeline.pad("out", "sink").get());
  pipeline.seek(rate, static_cast<GstSeekFlags>(flags), start, stop);
  pipeline.begin(GST_STATE_PLAYING);
  const bool is_segment = (flags & GST_SEEK_FLAG_SEGMENT) != 0;
  // The demuxer says that the segment is done as soon as it has pushed all of it.
  pipeline.expect(is_segment ? GST_MESSAGE_SEGMENT_DONE : GST_MESSAGE_EOS);
  if (is_segment)
    fail_unless(eventually([&] { return log.count("event segment-done") > 0; }));
  // Only data and segments: how many tags come again is no matter.
  Lines lines;
  for (const std::string &line : log.lines()) {
    if (line.rfind("buffer", 0) == 0 || line.rfind("event segment", 0) == 0)
      lines.push_back(line);
  }
  return lines;
}

GST_START_TEST(test_flushing_seeks)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  struct Seek {
    gdouble rate;
    int flags;
    GstClockTime start;
    GstClockTime stop;
  };
  const Seek seeks[] = {
      {1, GST_SEEK_FLAG_FLUSH, GST_SECOND, GST_CLOCK_TIME_NONE},
      {1, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, 520 * GST_MSECOND, GST_SECOND},
      {1, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_KEY_UNIT, 2 * GST_SECOND, GST_CLOCK_TIME_NONE},
      {1, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT, 0, GST_SECOND},
      // Trick modes.
      {4, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_TRICKMODE, 0, GST_CLOCK_TIME_NONE},
      {8, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_TRICKMODE_KEY_UNITS, 0, GST_CLOCK_TIME_NONE},
      {0.5, GST_SEEK_FLAG_FLUSH, 2 * GST_SECOND, GST_CLOCK_TIME_NONE},
      // Reverse; the demuxer cannot do that with raw sound.
      {-1, GST_SEEK_FLAG_FLUSH, 0, 2 * GST_SECOND},
      {-2, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_TRICKMODE, 0, 3 * GST_SECOND},
  };
  const std::string silent = folder.file("silent.mov");
  make_film(silent, true);
  for (const Seek &seek : seeks) {
    const std::string player = seek.rate > 0 ? "filesrc location=" + film + kPlayer
                                             : "filesrc location=" + silent + kSilentPlayer;
    const Lines expected =
        after_seek(with_link(player, "queue"), seek.rate, seek.flags, seek.start, seek.stop);
    const Lines got =
        after_seek(with_link(player, "sllink"), seek.rate, seek.flags, seek.start, seek.stop);
    fail_unless(expected.size() > 2, "nothing after the seek at rate %g", seek.rate);
    expect_equal(expected, got);
  }
}
GST_END_TEST;

// A loop by segment seeks, of which only the first flushes: the second begins as soon as the first
// segment is done, and all frames of both are seen.
Lines loop(const std::string &description)
{
  Pipeline pipeline(description);
  pipeline.go(GST_STATE_PAUSED);
  PadLog log(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  pipeline.seek(1, static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_SEGMENT), 0,
                GST_SECOND);
  pipeline.begin(GST_STATE_PLAYING);
  pipeline.expect(GST_MESSAGE_SEGMENT_DONE);
  pipeline.seek(1, GST_SEEK_FLAG_SEGMENT, 0, GST_SECOND);
  pipeline.expect(GST_MESSAGE_SEGMENT_DONE);
  pipeline.seek(1, GST_SEEK_FLAG_NONE, 2 * GST_SECOND, 3 * GST_SECOND);
  pipeline.expect(GST_MESSAGE_EOS);
  return log.lines();
}

GST_START_TEST(test_seeks_that_do_not_flush)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  const std::string player = "filesrc location=" + film + kSilentPlayer;
  const Lines expected = loop(with_link(player, "queue"));
  fail_unless(expected.size() >= 75, "%u frames", static_cast<unsigned>(expected.size()));
  expect_equal(expected, loop(with_link(player, "sllink")));
}
GST_END_TEST;

GST_START_TEST(test_position_and_duration)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  Pipeline pipeline(with_link("filesrc location=" + film + kPlayer, "sllink"));
  pipeline.go(GST_STATE_PAUSED);
  gint64 duration = 0;
  fail_unless(gst_element_query_duration(pipeline.get(), GST_FORMAT_TIME, &duration));
  fail_unless_equals_int64(duration, 3 * GST_SECOND);
  pipeline.seek(1, static_cast<GstSeekFlags>(GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE),
                1200 * GST_MSECOND);
  pipeline.go(GST_STATE_PAUSED);
  fail_unless_equals_uint64(pipeline.position(), 1200 * GST_MSECOND);
  const auto seeking = adopt_mini(gst_query_new_seeking(GST_FORMAT_TIME));
  fail_unless(gst_element_query(pipeline.get(), seeking.get()));
  gboolean can_seek = FALSE;
  gst_query_parse_seeking(seeking.get(), nullptr, &can_seek, nullptr, nullptr);
  fail_unless(can_seek);
}
GST_END_TEST;

// --- Decoder chains ---

GST_START_TEST(test_decodebin)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  const Lines frames =
      same_as_with_queues("filesrc location=" + film +
                          " ! LINK ! decodebin name=decode decode. ! LINK ! videoconvert ! "
                          "video/x-raw,format=RGB ! LINK ! fakesink name=out sync=false "
                          "decode. ! LINK ! audioconvert ! audioresample ! fakesink sync=false");
  fail_unless_equals_int(static_cast<int>(frames.size()), 75);
}
GST_END_TEST;

GST_START_TEST(test_encode_and_decode)
{
  const Lines frames = same_as_with_queues(
      "videotestsrc num-buffers=50 ! video/x-raw,width=64,height=48,framerate=25/1 ! LINK ! "
      "vp8enc deadline=1 threads=1 ! LINK ! matroskamux ! LINK ! matroskademux ! LINK ! vp8dec ! "
      "LINK ! fakesink name=out sync=false");
  fail_unless_equals_int(static_cast<int>(frames.size()), 50);
}
GST_END_TEST;

// --- Branches ---

GST_START_TEST(test_tee)
{
  Pipeline pipeline(
      "audiotestsrc num-buffers=100 samplesperbuffer=441 ! tee name=tee "
      "tee. ! sllink name=first ! fakesink name=out sync=false "
      "tee. ! sllink name=second ! audioconvert ! fakesink name=other sync=true");
  PadLog out(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  PadLog other(pipeline.pad("other", "sink").get(), PadLog::Buffers);
  pipeline.run();
  expect_equal(out.lines(), other.lines());
  fail_unless_equals_int(static_cast<int>(out.buffers()), 100);
  for (const char *name : {"first", "second"}) {
    const auto link = pipeline.element(name);
    fail_unless_equals_uint64(stat(link.get(), "popped"), 100);
    fail_unless_equals_uint64(stat(link.get(), "dropped"), 0);
  }
}
GST_END_TEST;

// One stream after the other, with an EOS between them that must not end the whole.
GST_START_TEST(test_concat)
{
  const Lines lines = same_as_with_queues(
      "audiotestsrc num-buffers=60 ! LINK ! concat name=all ! LINK ! fakesink name=out sync=false "
      "audiotestsrc num-buffers=40 wave=square ! LINK ! all.");
  fail_unless_equals_int(static_cast<int>(lines.size()), 100);
}
GST_END_TEST;

// --- Live mixing ---

GST_START_TEST(test_live_compositor)
{
  Pipeline pipeline(
      "compositor name=mix sink_1::xpos=32 ! video/x-raw,format=AYUV,width=64,height=32 ! sllink ! "
      "fakesink name=out sync=true "
      "videotestsrc is-live=true num-buffers=45 pattern=white ! "
      "video/x-raw,format=AYUV,width=32,height=32,framerate=30/1 ! sllink name=left ! mix. "
      "videotestsrc is-live=true num-buffers=45 pattern=black ! "
      "video/x-raw,format=AYUV,width=32,height=32,framerate=30/1 ! sllink name=right ! mix.");
  // One from the middle: at the very end one of the two may have ended before the other.
  struct Kept {
    unsigned count = 0;
    MiniPtr<GstBuffer> frame;
  } kept;
  const PadProbe keep(
      pipeline.pad("out", "sink").get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) -> GstPadProbeReturn {
        auto *self = static_cast<Kept *>(data);
        if (self->count++ == 15)
          self->frame = share_mini(GST_PAD_PROBE_INFO_BUFFER(info));
        return GST_PAD_PROBE_OK;
      },
      &kept);
  PadLog out(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  pipeline.run();
  fail_unless(out.buffers() >= 30, "%u of 45 frames", static_cast<unsigned>(out.buffers()));
  // What auto takes for live raw video.
  for (const char *name : {"left", "right"}) {
    GstStructure *raw = nullptr;
    g_object_get(pipeline.element(name).get(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    int policy = 0;
    fail_unless(
        gst_structure_get_enum(raw, "policy", g_type_from_name("GstSlLinkPolicy"), &policy));
    fail_unless_equals_int(policy, 1);
  }
  fail_unless(static_cast<bool>(kept.frame));
  const streamlib::support::MappedBuffer map(kept.frame.get(), GST_MAP_READ);
  fail_unless(static_cast<bool>(map) && map.size() == 64 * 32 * 4);
  const guint8 *row = map.data() + 16 * 64 * 4;
  fail_unless(row[8 * 4 + 1] > 200 && row[48 * 4 + 1] < 40, "luma left %u, right %u",
              row[8 * 4 + 1], row[48 * 4 + 1]);
}
GST_END_TEST;

GST_START_TEST(test_live_audiomixer)
{
  Pipeline pipeline(
      "audiomixer name=mix latency=60000000 ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! "
      "sllink ! fakesink name=out sync=true "
      "audiotestsrc is-live=true num-buffers=100 samplesperbuffer=80 wave=square volume=0.25 ! "
      "audio/x-raw,rate=8000 ! sllink ! mix. "
      "audiotestsrc is-live=true num-buffers=100 samplesperbuffer=80 wave=square volume=0.25 ! "
      "audio/x-raw,rate=8000 ! sllink ! mix.");
  struct Loudness {
    guint64 samples = 0;
    guint64 loud = 0;
  } loudness;
  const PadProbe listen(
      pipeline.pad("out", "sink").get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) -> GstPadProbeReturn {
        auto *sum = static_cast<Loudness *>(data);
        const streamlib::support::MappedBuffer map(GST_PAD_PROBE_INFO_BUFFER(info), GST_MAP_READ);
        const auto *sample = reinterpret_cast<const gint16 *>(map.data());
        for (gsize i = 0; i < map.size() / 2; i++) {
          sum->samples++;
          // Louder than one of the two alone can be.
          sum->loud += std::abs(sample[i]) > 12000 || std::abs(sample[i]) < 3000;
        }
        return GST_PAD_PROBE_OK;
      },
      &loudness);
  pipeline.run();
  fail_unless(loudness.samples >= 7200, "%u samples of 8000",
              static_cast<unsigned>(loudness.samples));
  fail_unless(loudness.loud * 10 >= loudness.samples * 8, "only %u of %u samples are mixed ones",
              static_cast<unsigned>(loudness.loud), static_cast<unsigned>(loudness.samples));
}
GST_END_TEST;

// --- gst-launch-1.0 -e, and Ctrl-C ---

GST_START_TEST(test_interrupted_recording)
{
  const TempFolder folder;
  const std::string file = folder.file("recording.mov");
  // Of the leaks of a program that is not ours nothing is said.
  const char *preload = std::getenv("SANITIZER_PRELOAD");
  const std::string environment =
      preload != nullptr ? "LD_PRELOAD=" + std::string(preload) + " ASAN_OPTIONS=detect_leaks=0 "
                         : "";
  const std::string command =
      "exec env " + environment +
      "gst-launch-1.0 -q -e videotestsrc is-live=true ! "
      "video/x-raw,width=64,height=48,framerate=25/1 ! sllink ! jpegenc ! sllink ! qtmux name=mux "
      "! sllink ! filesink location=" +
      file + " audiotestsrc is-live=true ! audioconvert ! sllink ! mux.";
  const gchar *argv[] = {"/bin/sh", "-c", command.c_str(), nullptr};
  GPid child = 0;
  GError *error = nullptr;
  const bool started = g_spawn_async(
      nullptr, const_cast<gchar **>(argv), nullptr, G_SPAWN_DO_NOT_REAP_CHILD,
      [](gpointer) {
        // A program under a test may have been started with SIGINT ignored.
        std::signal(SIGINT, SIG_DFL);
      },
      nullptr, &child, &error);
  fail_unless(started, "gst-launch-1.0 cannot be started");
  fail_unless(eventually(
      [&] {
        std::error_code none;
        return std::filesystem::file_size(file, none) > 20000 && !none;
      },
      15));
  kill(child, SIGINT);
  int status = -1;
  const bool ended = eventually([&] { return waitpid(child, &status, WNOHANG) == child; }, 15);
  if (!ended)
    kill(child, SIGKILL);
  fail_unless(ended, "the recording does not end");
  fail_unless(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %x", status);

  // A file without its index, which is written at EOS, would not play.
  const Lines frames =
      data_of("filesrc location=" + file +
              " ! qtdemux name=demux demux.video_0 ! sllink ! jpegdec ! fakesink name=out "
              "sync=false demux.audio_0 ! sllink ! fakesink sync=false");
  fail_unless(frames.size() >= 5, "%u frames", static_cast<unsigned>(frames.size()));
}
GST_END_TEST;

// --- Caps that change, streams that come again ---

GST_START_TEST(test_caps_change_in_mid_stream)
{
  const Lines lines = same_as_with_queues(
      "concat name=all ! LINK ! jpegenc ! LINK ! fakesink name=out sync=false "
      "videotestsrc num-buffers=10 ! video/x-raw,width=32,height=32 ! LINK ! all. "
      "videotestsrc num-buffers=10 ! video/x-raw,width=64,height=48 ! LINK ! all.");
  fail_unless_equals_int(static_cast<int>(lines.size()), 20);
}
GST_END_TEST;

GST_START_TEST(test_restart_after_eos)
{
  Pipeline pipeline(
      "audiotestsrc num-buffers=20 ! sllink name=link ! audioconvert ! sllink ! fakesink name=out "
      "sync=false");
  PadLog log(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  Lines once;
  for (const GstState between : {GST_STATE_READY, GST_STATE_NULL, GST_STATE_READY}) {
    log.clear();
    pipeline.run();
    if (once.empty())
      once = log.lines();
    expect_equal(once, log.lines());
    fail_unless_equals_uint64(stat(pipeline.element("link").get(), "popped"), 20);
    pipeline.go(between);
  }
  fail_unless_equals_int(static_cast<int>(once.size()), 20);
}
GST_END_TEST;

// A seek after EOS plays the film again.
GST_START_TEST(test_seek_after_eos)
{
  const TempFolder folder;
  const std::string film = folder.file("film.mov");
  make_film(film);
  Pipeline pipeline(with_link("filesrc location=" + film + kPlayer, "sllink"));
  PadLog log(pipeline.pad("out", "sink").get(), PadLog::Buffers);
  pipeline.run();
  const Lines first = log.lines();
  log.clear();
  pipeline.seek(1, GST_SEEK_FLAG_FLUSH, 0);
  pipeline.expect(GST_MESSAGE_EOS);
  expect_equal(first, log.lines());
}
GST_END_TEST;

Suite *everyday_suite()
{
  Suite *suite = suite_create("everyday");
  TCase *films = tcase_create("films");
  suite_add_tcase(suite, films);
#define FILM_ELEMENTS "sllink", "qtmux", "qtdemux", "jpegenc", "jpegdec", "audioconvert"
  ADD_CASE(films, test_playback, FILM_ELEMENTS);
  ADD_CASE(films, test_flushing_seeks, FILM_ELEMENTS);
  ADD_CASE(films, test_seeks_that_do_not_flush, FILM_ELEMENTS);
  ADD_CASE(films, test_position_and_duration, FILM_ELEMENTS);
  ADD_CASE(films, test_decodebin, FILM_ELEMENTS, "decodebin", "videoconvert", "audioresample");
  ADD_CASE(films, test_encode_and_decode, "sllink", "vp8enc", "vp8dec", "matroskamux",
           "matroskademux");
  ADD_CASE(films, test_interrupted_recording, FILM_ELEMENTS);
  ADD_CASE(films, test_seek_after_eos, FILM_ELEMENTS);
  TCase *streams = tcase_create("streams");
  suite_add_tcase(suite, streams);
  ADD_CASE(streams, test_tee, "sllink", "audiotestsrc", "audioconvert");
  ADD_CASE(streams, test_concat, "sllink", "audiotestsrc", "concat");
  ADD_CASE(streams, test_live_compositor, "sllink", "compositor", "videotestsrc");
  ADD_CASE(streams, test_live_audiomixer, "sllink", "audiomixer", "audiotestsrc");
  ADD_CASE(streams, test_caps_change_in_mid_stream, "sllink", "concat", "jpegenc");
  ADD_CASE(streams, test_restart_after_eos, "sllink", "audiotestsrc", "audioconvert");
  return suite;
}

}  // namespace

PIPELINE_TEST_MAIN(everyday_suite)
