// SPDX-License-Identifier: LGPL-2.1-or-later
// sldisplaysink on Wayland: mouse, keys, windows that are closed, surfaces of an application.

#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include <linux/input-event-codes.h>
#include <wayland-client.h>

#include <gst/support/guards.h>
#include <gst/video/navigation.h>
#include <gst/video/videooverlay.h>

#include "tests/check/displayrun.h"
#include "tests/check/fakecompositor.h"

using displaysink::Run;
using fakecompositor::Compositor;
using fakecompositor::Seen;
using namespace streamlib::support;

static constexpr int kWidth = 200;
static constexpr int kHeight = 100;
static constexpr int kWaitSteps = 600;
static constexpr uint32_t kRed = 0xff0000;

static std::string launch(const Compositor &compositor, const std::string &options = "")
{
  return "videotestsrc is-live=true pattern=red name=source ! "
         "video/x-raw,format=BGRx,width=100,height=50,framerate=50/1 ! sldisplaysink name=display "
         "scaling=stretch backend=wayland display=" +
         compositor.path() + " " + options;
}

static bool is_window(const Seen &seen)
{
  return seen.frames > 2 && seen.toplevel && seen.width == kWidth && seen.height == kHeight;
}

// The navigation events that arrive at the source, as text.
class Navigation {
public:
  explicit Navigation(const Run &run)
      : source_(adopt_object(gst_bin_get_by_name(GST_BIN(run.pipeline()), "source"))),
        pad_(adopt_object(gst_element_get_static_pad(source_.get(), "src"))),
        probe_(pad_.get(), GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, &Navigation::on_event, this)
  {}

  void expect(const std::string &text)
  {
    for (int i = 0; i < kWaitSteps; i++) {
      {
        std::lock_guard lock(mutex_);
        if (next_ < seen_.size()) {
          fail_unless_equals_string(seen_[next_].c_str(), text.c_str());
          next_++;
          return;
        }
      }
      g_usleep(5000);
    }
    fail("no event %s", text.c_str());
  }

private:
  static std::string text_of(GstEvent *event)
  {
    const GstStructure *structure = gst_event_get_structure(event);
    std::string text = gst_structure_get_string(structure, "event");
    gdouble x = 0;
    gdouble y = 0;
    gint button = 0;
    if (const char *key = gst_structure_get_string(structure, "key"))
      text += std::string(" ") + key;
    if (gst_structure_get_int(structure, "button", &button) && button != 0)
      text += " " + std::to_string(button);
    if (gst_navigation_event_get_coordinates(event, &x, &y))
      text += " " + std::to_string(static_cast<int>(x + 0.5)) + "," +
              std::to_string(static_cast<int>(y + 0.5));
    return text;
  }
  static GstPadProbeReturn on_event(GstPad *, GstPadProbeInfo *info, gpointer data)
  {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) == GST_EVENT_NAVIGATION) {
      auto *self = static_cast<Navigation *>(data);
      std::lock_guard lock(self->mutex_);
      self->seen_.push_back(text_of(event));
    }
    return GST_PAD_PROBE_OK;
  }

  std::mutex mutex_;
  std::vector<std::string> seen_;
  size_t next_ = 0;
  GObjectPtr<GstElement> source_;
  GObjectPtr<GstPad> pad_;
  PadProbe probe_;
};

// ---- Input

GST_START_TEST(test_pointer)
{
  Compositor compositor(kWidth, kHeight);
  Run run(launch(compositor));
  Navigation navigation(run);
  run.play();
  fail_unless(compositor.wait_until(is_window));
  // The window is twice as large as the picture.
  compositor.enter(100, 50);
  navigation.expect("mouse-move 50,25");
  compositor.move(20, 80);
  navigation.expect("mouse-move 10,40");
  const std::vector<std::pair<uint32_t, int>> buttons = {
      {BTN_LEFT, 1}, {BTN_MIDDLE, 2}, {BTN_RIGHT, 3}, {BTN_SIDE, 8}};
  for (const auto &[code, number] : buttons) {
    const std::string rest = " " + std::to_string(number) + " 10,40";
    compositor.button(code, true);
    navigation.expect("mouse-button-press" + rest);
    compositor.button(code, false);
    navigation.expect("mouse-button-release" + rest);
  }
  // Outside of the window it is another one's.
  compositor.leave();
  compositor.button(BTN_LEFT, true);
  compositor.enter(0, 0);
  navigation.expect("mouse-move 0,0");
}
GST_END_TEST

GST_START_TEST(test_pointer_after_a_resize)
{
  Compositor compositor(kWidth, kHeight);
  Run run(launch(compositor));
  Navigation navigation(run);
  run.play();
  fail_unless(compositor.wait_until(is_window));
  compositor.resize(400, 50);
  fail_unless(compositor.wait_until([](const Seen &seen) { return seen.width == 400; }));
  compositor.enter(200, 30);
  navigation.expect("mouse-move 50,30");
}
GST_END_TEST

GST_START_TEST(test_keys)
{
  Compositor compositor(kWidth, kHeight);
  Run run(launch(compositor));
  Navigation navigation(run);
  run.play();
  fail_unless(compositor.wait_until(is_window));
  // Without the focus they are another window's.
  compositor.key(KEY_Z, true);
  compositor.enter(100, 50);
  navigation.expect("mouse-move 50,25");
  compositor.key(KEY_A, true);
  navigation.expect("key-press a");
  compositor.key(KEY_A, false);
  navigation.expect("key-release a");
  compositor.shift(true);
  compositor.key(KEY_A, true);
  navigation.expect("key-press A");
  compositor.shift(false);
  compositor.key(KEY_LEFT, true);
  navigation.expect("key-press Left");
  compositor.key(KEY_SPACE, true);
  navigation.expect("key-press space");
}
GST_END_TEST

// The application takes care of them itself.
GST_START_TEST(test_events_not_handled)
{
  Compositor compositor(kWidth, kHeight);
  Run run(launch(compositor));
  Navigation navigation(run);
  gst_video_overlay_handle_events(GST_VIDEO_OVERLAY(run.display()), FALSE);
  run.play();
  fail_unless(compositor.wait_until(is_window));
  compositor.enter(100, 50);
  compositor.button(BTN_LEFT, true);
  compositor.key(KEY_A, true);
  gst_video_overlay_handle_events(GST_VIDEO_OVERLAY(run.display()), TRUE);
  // The window's thread has taken the change with the next frame or two.
  const int frames = compositor.seen().frames;
  fail_unless(compositor.wait_until([=](const Seen &seen) { return seen.frames > frames + 3; }));
  compositor.enter(20, 80);
  navigation.expect("mouse-move 10,40");
}
GST_END_TEST

// ---- The window

GST_START_TEST(test_title_and_fullscreen)
{
  Compositor compositor(kWidth, kHeight);
  Run run(launch(compositor, "title=First"));
  run.play();
  fail_unless(compositor.wait_until(
      [](const Seen &seen) { return is_window(seen) && seen.title == "First"; }));
  fail_unless_equals_int(compositor.seen().middle, kRed);
  fail_if(compositor.seen().fullscreen);
  g_object_set(run.display(), "title", "Second", "fullscreen", TRUE, nullptr);
  fail_unless(compositor.wait_until(
      [](const Seen &seen) { return seen.title == "Second" && seen.fullscreen; }));
  g_object_set(run.display(), "fullscreen", FALSE, nullptr);
  fail_unless(compositor.wait_until([](const Seen &seen) { return !seen.fullscreen; }));
}
GST_END_TEST

static void expect_window_closed(Run &run, const char *on_close)
{
  for (;;) {
    auto message = run.wait_for(GST_MESSAGE_ELEMENT);
    fail_unless(static_cast<bool>(message), "no message window-closed");
    if (!gst_message_has_name(message.get(), "window-closed"))
      continue;
    fail_unless_equals_string(
        gst_structure_get_string(gst_message_get_structure(message.get()), "on-close"), on_close);
    return;
  }
}

GST_START_TEST(test_closed)
{
  for (const char *on_close : {"eos", "error"}) {
    Compositor compositor(kWidth, kHeight);
    Run run(launch(compositor, std::string("on-close=") + on_close));
    run.play();
    fail_unless(compositor.wait_until(is_window));
    compositor.close();
    expect_window_closed(run, on_close);
    if (strcmp(on_close, "eos") == 0)
      run.wait_for_eos();
    else
      run.expect_error("window was closed");
    // It is not to be seen any more.
    fail_unless(compositor.wait_until([](const Seen &seen) { return seen.surfaces == 0; }));
  }
}
GST_END_TEST

GST_START_TEST(test_closed_branch_only)
{
  Compositor compositor(kWidth, kHeight);
  Run run(
      "videotestsrc is-live=true ! video/x-raw,width=100,height=50,framerate=50/1 ! tee name=t ! "
      "sldisplaysink name=display scaling=stretch on-close=disconnect backend=wayland display=" +
      compositor.path() + " t. ! queue ! fakesink name=other sync=false");
  run.play();
  fail_unless(compositor.wait_until(is_window));
  compositor.close();
  expect_window_closed(run, "disconnect");
  fail_unless(compositor.wait_until([](const Seen &seen) { return seen.surfaces == 0; }));
  auto other = adopt_object(gst_bin_get_by_name(GST_BIN(run.pipeline()), "other"));
  const auto rendered = [&] {
    GstStructure *raw = nullptr;
    g_object_get(other.get(), "stats", &raw, nullptr);
    const StructurePtr stats(raw);
    guint64 count = 0;
    gst_structure_get_uint64(stats.get(), "rendered", &count);
    return count;
  };
  const guint64 before = rendered();
  for (int i = 0; i < kWaitSteps && rendered() < before + 20; i++)
    g_usleep(10 * 1000);
  fail_unless(rendered() >= before + 20);
  fail_if(static_cast<bool>(run.wait_for(GST_MESSAGE_EOS | GST_MESSAGE_ERROR, 1)));
}
GST_END_TEST

// The user was faster than the application, which is just ending.
GST_START_TEST(test_closed_on_the_way_to_null)
{
  for (int i = 0; i < 10; i++) {
    Compositor compositor(kWidth, kHeight);
    Run run(launch(compositor));
    run.play();
    fail_unless(compositor.wait_until(is_window));
    compositor.close();
    run.stop();
    fail_unless(compositor.wait_until([](const Seen &seen) { return seen.surfaces == 0; }));
  }
}
GST_END_TEST

GST_START_TEST(test_compositor_ends)
{
  auto compositor = std::make_unique<Compositor>(kWidth, kHeight);
  Run run(launch(*compositor));
  run.play();
  fail_unless(compositor->wait_until(is_window));
  const std::string path = compositor->path();
  compositor.reset();
  run.expect_error(path.c_str());
}
GST_END_TEST

// ---- Surfaces of the application

// An application with a connection and a surface of its own.
class Application {
public:
  explicit Application(const std::string &path) : display_(wl_display_connect(path.c_str()))
  {
    fail_unless(display_ != nullptr);
    wl_registry *registry = wl_display_get_registry(display_);
    static const wl_registry_listener listener = {
        .global =
            [](void *data, wl_registry *registry, uint32_t id, const char *interface, uint32_t) {
              if (strcmp(interface, wl_compositor_interface.name) == 0)
                static_cast<Application *>(data)->compositor_ = static_cast<wl_compositor *>(
                    wl_registry_bind(registry, id, &wl_compositor_interface, 4));
            },
        .global_remove = [](void *, wl_registry *, uint32_t) {},
    };
    wl_registry_add_listener(registry, &listener, this);
    wl_display_roundtrip(display_);
    wl_registry_destroy(registry);
    fail_unless(compositor_ != nullptr);
    surface_ = wl_compositor_create_surface(compositor_);
    wl_display_roundtrip(display_);
  }
  ~Application()
  {
    wl_surface_destroy(surface_);
    wl_compositor_destroy(compositor_);
    wl_display_disconnect(display_);
  }

  guintptr handle() const { return reinterpret_cast<guintptr>(surface_); }
  // The connection is what the application answers NEED_CONTEXT with.
  void share_with(GstElement *element)
  {
    auto context = adopt_mini(gst_context_new("GstWlDisplayHandleContextType", TRUE));
    gst_structure_set(gst_context_writable_structure(context.get()), "display", G_TYPE_POINTER,
                      display_, nullptr);
    gst_element_set_context(element, context.get());
  }

private:
  wl_display *display_;
  wl_compositor *compositor_ = nullptr;
  wl_surface *surface_ = nullptr;
};

GST_START_TEST(test_surface_of_the_application)
{
  Compositor compositor(kWidth, kHeight);
  Application application(compositor.path());
  Run run(launch(compositor));
  Navigation navigation(run);
  application.share_with(run.display());
  auto *overlay = GST_VIDEO_OVERLAY(run.display());
  gst_video_overlay_set_window_handle(overlay, application.handle());
  gst_video_overlay_set_render_rectangle(overlay, 12, 34, 50, 100);
  run.play();
  fail_unless(compositor.wait_until([](const Seen &seen) {
    return seen.frames > 2 && seen.subsurface && !seen.toplevel && seen.width == 50 &&
           seen.height == 100 && seen.x == 12 && seen.y == 34;
  }));
  fail_unless_equals_int(compositor.seen().middle, kRed);
  compositor.enter(25, 50);
  navigation.expect("mouse-move 50,25");
  gst_video_overlay_set_render_rectangle(overlay, 0, 5, 20, 30);
  fail_unless(compositor.wait_until([](const Seen &seen) {
    return seen.subsurface && seen.width == 20 && seen.height == 30 && seen.y == 5;
  }));
  run.stop();
  // Of the surfaces only that of the application is left.
  fail_unless(compositor.wait_until([](const Seen &seen) { return seen.surfaces == 1; }));
}
GST_END_TEST

GST_START_TEST(test_surface_without_its_connection)
{
  Compositor compositor(kWidth, kHeight);
  Application application(compositor.path());
  Run run(launch(compositor));
  gst_video_overlay_set_window_handle(GST_VIDEO_OVERLAY(run.display()), application.handle());
  run.play();
  run.expect_error("GstWlDisplayHandleContextType");
}
GST_END_TEST

static Suite *displaysink_wayland_suite(void)
{
  Suite *suite = suite_create("sldisplaysink-wayland");
  TCase *input = tcase_create("input");
  suite_add_tcase(suite, input);
  tcase_add_test(input, test_pointer);
  tcase_add_test(input, test_pointer_after_a_resize);
  tcase_add_test(input, test_keys);
  tcase_add_test(input, test_events_not_handled);
  TCase *window = tcase_create("window");
  suite_add_tcase(suite, window);
  tcase_add_test(window, test_title_and_fullscreen);
  tcase_add_test(window, test_closed);
  tcase_add_test(window, test_closed_branch_only);
  tcase_add_test(window, test_closed_on_the_way_to_null);
  tcase_add_test(window, test_compositor_ends);
  TCase *application = tcase_create("application");
  suite_add_tcase(suite, application);
  tcase_add_test(application, test_surface_of_the_application);
  tcase_add_test(application, test_surface_without_its_connection);
  return suite;
}

GST_CHECK_MAIN(displaysink_wayland)
