// SPDX-License-Identifier: LGPL-2.1-or-later
// sldisplaysink without a screen, and with display servers that do not answer.

#include <atomic>
#include <cstring>
#include <memory>
#include <string>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gst/check/gstcheck.h>
#include <gst/support/guards.h>
#include <gst/support/ownership.h>
#include <gst/video/navigation.h>
#include <gst/video/video.h>

#include "tests/check/displayrun.h"

using displaysink::Run;
using namespace streamlib::support;

static GObjectPtr<GstPad> pad_of(GstElement *element, const char *name)
{
  return adopt_object(gst_element_get_static_pad(element, name));
}

// The pad of the sink inside, behind the link.
static GObjectPtr<GstPad> inner_sink_pad(GstElement *display)
{
  GstIterator *sinks = gst_bin_iterate_sinks(GST_BIN(display));
  GValue value = G_VALUE_INIT;
  fail_unless_equals_int(gst_iterator_next(sinks, &value), GST_ITERATOR_OK);
  auto pad = pad_of(GST_ELEMENT(g_value_get_object(&value)), "sink");
  g_value_unset(&value);
  gst_iterator_free(sinks);
  return pad;
}

GST_START_TEST(test_headless_keeps_time)
{
  Run run(
      "videotestsrc num-buffers=30 ! video/x-raw,framerate=50/1 ! sldisplaysink name=display "
      "backend=headless");
  const gint64 begin = g_get_monotonic_time();
  run.play();
  run.wait_for_eos();
  const gint64 took_ms = (g_get_monotonic_time() - begin) / 1000;
  fail_unless(took_ms >= 550 && took_ms < 2000, "took %d ms", static_cast<int>(took_ms));
  fail_unless_equals_uint64(run.figure("shown") + run.figure("late"), 30);

  Run fast(
      "videotestsrc num-buffers=300 ! video/x-raw,framerate=50/1,width=32,height=32 ! "
      "sldisplaysink name=display backend=headless sync=false");
  const gint64 again = g_get_monotonic_time();
  fast.play();
  fast.wait_for_eos();
  fail_unless(g_get_monotonic_time() - again < 3 * G_USEC_PER_SEC);
  fail_unless_equals_uint64(fast.figure("shown"), 300);
}
GST_END_TEST

GST_START_TEST(test_auto_says_what_it_took)
{
  g_unsetenv("DISPLAY");
  g_unsetenv("WAYLAND_DISPLAY");
  Run run("videotestsrc num-buffers=3 ! sldisplaysink name=display");
  run.play();
  auto message = run.wait_for(GST_MESSAGE_ELEMENT);
  fail_unless(message && gst_message_has_name(message.get(), "display-backend"));
  const GstStructure *said = gst_message_get_structure(message.get());
  fail_unless_equals_string(gst_structure_get_string(said, "backend"), "headless");
  auto info = run.wait_for(GST_MESSAGE_INFO);
  fail_unless(info && Run::text_of(info.get()).find("No display") == 0);
  gint backend = 0;
  g_object_get(run.display(), "current-backend", &backend, nullptr);
  fail_unless_equals_int(backend, 5);
  run.wait_for_eos();
}
GST_END_TEST

// A link of its own before the display: a live source does not feel how slow it is.
GST_START_TEST(test_slow_display_shows_the_newest)
{
  constexpr int kSlowMs = 100;
  Run run(
      "videotestsrc is-live=true ! video/x-raw,framerate=50/1,width=64,height=64 ! "
      "sldisplaysink name=display backend=headless");
  run.play();
  g_usleep(200 * 1000);
  struct Seen {
    Run *run;
    std::atomic<int> shown = 0;
    std::atomic<gint64> oldest_ms = 0;
  } seen = {&run};
  const auto pad = inner_sink_pad(run.display());
  const PadProbe slow(
      pad.get(), GST_PAD_PROBE_TYPE_BUFFER,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        auto *seen = static_cast<Seen *>(data);
        GstElement *pipeline = seen->run->pipeline();
        auto clock = adopt_object(gst_element_get_clock(pipeline));
        const auto now = static_cast<gint64>(gst_clock_get_time(clock.get()) -
                                             gst_element_get_base_time(pipeline));
        const auto age =
            (now - static_cast<gint64>(GST_BUFFER_PTS(GST_PAD_PROBE_INFO_BUFFER(info)))) /
            static_cast<gint64>(GST_MSECOND);
        seen->shown++;
        seen->oldest_ms = MAX(seen->oldest_ms.load(), age);
        g_usleep(kSlowMs * 1000);
        return GST_PAD_PROBE_OK;
      },
      &seen);
  g_usleep(2000 * 1000);
  // Ten a second fit in; each is as new as the source has them, whatever time has passed.
  fail_unless(seen.shown >= 12 && seen.shown <= 25, "%d shown", seen.shown.load());
  fail_unless(seen.oldest_ms < 120, "a frame was %d ms old",
              static_cast<int>(seen.oldest_ms.load()));
  fail_unless(run.figure("dropped", "link") >= 50);
}
GST_END_TEST

// The audio branch makes the whole pipeline wait; every frame is still shown, at its time.
GST_START_TEST(test_latency_of_another_branch)
{
  Run run(
      "videotestsrc is-live=true num-buffers=60 ! video/x-raw,framerate=30/1,width=64,height=64 "
      "! sldisplaysink name=display backend=headless "
      "audiotestsrc is-live=true num-buffers=100 ! audiomixer latency=300000000 ! fakesink "
      "sync=true");
  run.play();
  run.wait_for_eos(10 * GST_SECOND);
  fail_unless(run.figure("shown") >= 58, "%d of 60 shown", static_cast<int>(run.figure("shown")));
  const guint64 p50_ms = run.figure("latency-p50") / GST_MSECOND;
  fail_unless(p50_ms >= 290 && p50_ms < 420, "p50 %d ms", static_cast<int>(p50_ms));
}
GST_END_TEST

GST_START_TEST(test_renegotiation_and_odd_sizes)
{
  Run run(
      "videotestsrc is-live=true ! capsfilter name=filter "
      "caps=video/x-raw,format=I420,width=64,height=48,framerate=50/1 ! sldisplaysink "
      "name=display backend=headless");
  run.play();
  auto filter = adopt_object(gst_bin_get_by_name(GST_BIN(run.pipeline()), "filter"));
  // What begins is seen first: caps that change during the first negotiation can be lost on the way
  // to the source.
  for (const char *text : {"video/x-raw,format=I420,width=64,height=48,framerate=50/1",
                           "video/x-raw,format=I420,width=33,height=17,framerate=50/1",
                           "video/x-raw,format=I420_10LE,width=71,height=1,framerate=50/1",
                           "video/x-raw,format=BGRx,width=1,height=55,framerate=25/1"}) {
    auto caps = adopt_mini(gst_caps_from_string(text));
    g_object_set(filter.get(), "caps", caps.get(), nullptr);
    bool seen = false;
    for (int i = 0; i < 500 && !seen; i++) {
      g_usleep(20 * 1000);
      GstSample *raw = nullptr;
      g_object_get(run.display(), "last-sample", &raw, nullptr);
      auto sample = adopt_mini(raw);
      seen = sample && gst_caps_can_intersect(gst_sample_get_caps(sample.get()), caps.get());
    }
    fail_unless(seen, "never saw %s", text);
  }
  fail_if(static_cast<bool>(run.wait_for(GST_MESSAGE_ERROR, 1)));
}
GST_END_TEST

// The size of a PNG stands in its header.
static void expect_png(const char *path, guint32 width, guint32 height)
{
  gchar *data = nullptr;
  gsize size = 0;
  fail_unless(g_file_get_contents(path, &data, &size, nullptr));
  const CStr holder(data);
  fail_unless(size > 24 && memcmp(data + 1, "PNG", 3) == 0);
  fail_unless_equals_int(GST_READ_UINT32_BE(data + 16), width);
  fail_unless_equals_int(GST_READ_UINT32_BE(data + 20), height);
}

GST_START_TEST(test_snapshot)
{
  Run run(
      "videotestsrc is-live=true ! "
      "video/x-raw,width=72,height=57,pixel-aspect-ratio=2/1,framerate=50/1 ! taginject "
      "tags=image-orientation=rotate-90 ! sldisplaysink name=display backend=headless");
  CStr folder(g_dir_make_tmp("sldisplay-XXXXXX", nullptr));
  const std::string path = std::string(folder.get()) + "/frame.png";
  fail_if(run.snapshot(path.c_str()));
  auto warning = run.wait_for(GST_MESSAGE_WARNING);
  fail_unless(warning && Run::text_of(warning.get()).find("no frame yet") != std::string::npos);
  run.play();
  for (int i = 0; i < 100 && run.figure("shown") == 0; i++)
    g_usleep(20 * 1000);
  const gint64 begin = g_get_monotonic_time();
  fail_unless(run.snapshot(path.c_str()));
  fail_unless(g_get_monotonic_time() - begin < 2 * G_USEC_PER_SEC);
  // Twice as wide as it has pixels, then a quarter turn.
  expect_png(path.c_str(), 57, 144);
  fail_if(run.snapshot("/nowhere/at/all.png"));
  warning = run.wait_for(GST_MESSAGE_WARNING);
  fail_unless(warning && Run::text_of(warning.get()).find("/nowhere") != std::string::npos);
  unlink(path.c_str());
  rmdir(folder.get());
}
GST_END_TEST

GST_START_TEST(test_navigation_goes_upstream)
{
  Run run(
      "videotestsrc is-live=true name=source ! video/x-raw,width=64,height=48,framerate=50/1 ! "
      "sldisplaysink name=display backend=headless");
  std::atomic<int> moves = 0;
  auto source = adopt_object(gst_bin_get_by_name(GST_BIN(run.pipeline()), "source"));
  const auto pad = pad_of(source.get(), "src");
  const PadProbe probe(
      pad.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM,
      [](GstPad *, GstPadProbeInfo *info, gpointer data) {
        gdouble x = 0;
        gdouble y = 0;
        GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
        if (GST_EVENT_TYPE(event) == GST_EVENT_NAVIGATION &&
            gst_navigation_event_parse_mouse_move_event(event, &x, &y) && x == 5 && y == 7)
          (*static_cast<std::atomic<int> *>(data))++;
        return GST_PAD_PROBE_OK;
      },
      &moves);
  run.play();
  gst_navigation_send_mouse_event(GST_NAVIGATION(run.display()), "mouse-move", 0, 5, 7);
  fail_unless_equals_int(moves.load(), 1);
}
GST_END_TEST

// ---- Display servers

GST_START_TEST(test_no_server)
{
  Run x11("videotestsrc ! sldisplaysink name=display backend=x11 display=:4711");
  fail_unless_equals_int(x11.play(), GST_STATE_CHANGE_FAILURE);
  x11.expect_error(":4711");
  Run wayland("videotestsrc ! sldisplaysink name=display backend=wayland display=wayland-4711");
  fail_unless_equals_int(wayland.play(), GST_STATE_CHANGE_FAILURE);
  wayland.expect_error("wayland-4711");
}
GST_END_TEST

// A socket that takes connections and never answers.
class SilentServer {
public:
  explicit SilentServer(const std::string &path) : path_(path)
  {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    g_strlcpy(address.sun_path, path.c_str(), sizeof address.sun_path);
    unlink(path.c_str());
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fail_unless_equals_int(bind(fd_, reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    fail_unless_equals_int(listen(fd_, 5), 0);
  }
  ~SilentServer()
  {
    close(fd_);
    unlink(path_.c_str());
  }

private:
  std::string path_;
  int fd_;
};

GST_START_TEST(test_silent_server)
{
  CStr folder(g_dir_make_tmp("sldisplay-XXXXXX", nullptr));
  const std::string path = std::string(folder.get()) + "/silent";
  {
    const SilentServer server(path);
    Run wayland("videotestsrc ! sldisplaysink name=display backend=wayland display=" + path);
    fail_unless_equals_int(wayland.play(), GST_STATE_CHANGE_FAILURE);
    wayland.expect_error("does not answer");
  }
  rmdir(folder.get());

  // Displays of X have a place of their own.
  g_mkdir_with_parents("/tmp/.X11-unix", 01777);
  const std::string number = std::to_string(20000 + getpid() % 10000);
  const SilentServer server("/tmp/.X11-unix/X" + number);
  Run x11("videotestsrc ! sldisplaysink name=display backend=x11 display=:" + number);
  fail_unless_equals_int(x11.play(), GST_STATE_CHANGE_FAILURE);
  x11.expect_error("does not answer");
}
GST_END_TEST

GST_START_TEST(test_nothing_is_left)
{
  GWeakRef weak;
  {
    Run run("videotestsrc is-live=true ! sldisplaysink name=display backend=headless");
    g_weak_ref_init(&weak, run.display());
    for (int i = 0; i < 5; i++) {
      run.play();
      g_usleep(30 * 1000);
      run.stop();
    }
  }
  gpointer left = g_weak_ref_get(&weak);
  fail_unless(left == nullptr);
  g_weak_ref_clear(&weak);
}
GST_END_TEST

static Suite *displaysink_suite(void)
{
  Suite *suite = suite_create("sldisplaysink");
  TCase *headless = tcase_create("headless");
  suite_add_tcase(suite, headless);
  tcase_add_test(headless, test_headless_keeps_time);
  tcase_add_test(headless, test_auto_says_what_it_took);
  tcase_add_test(headless, test_slow_display_shows_the_newest);
  tcase_add_test(headless, test_latency_of_another_branch);
  tcase_add_test(headless, test_renegotiation_and_odd_sizes);
  tcase_add_test(headless, test_snapshot);
  tcase_add_test(headless, test_navigation_goes_upstream);
  tcase_add_test(headless, test_nothing_is_left);
  TCase *servers = tcase_create("servers");
  suite_add_tcase(suite, servers);
  tcase_add_test(servers, test_no_server);
  tcase_add_test(servers, test_silent_server);
  return suite;
}

GST_CHECK_MAIN(displaysink)
