#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""sldisplaysink on X servers and Wayland compositors: what is on the screen, and what when they go."""
import ctypes
import ctypes.util
import os
import resource
import subprocess
import tempfile
import time
import unittest

import stage
from gi.repository import Gst, GstVideo

RED, BLACK, WHITE = (254, 0, 0), (0, 0, 0), (255, 255, 255)


GL_TITLE = "OpenGL renderer"


def near(pixel, wanted):
    return all(abs(a - b) <= 6 for a, b in zip(pixel, wanted))


def show(pattern, caps, options):
    return stage.Run(f"videotestsrc name=source is-live=true pattern={pattern} ! "
                     f"video/x-raw,framerate=30/1,{caps} ! sldisplaysink name=display {options}")


class Xlib:
    """The little of Xlib that a window manager would do."""

    class ClientMessage(ctypes.Structure):
        _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong),
                    ("send_event", ctypes.c_int), ("display", ctypes.c_void_p),
                    ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
                    ("format", ctypes.c_int), ("data", ctypes.c_long * 5),
                    ("rest", ctypes.c_long * 24)]

    def __init__(self, display):
        self.lib = ctypes.CDLL(ctypes.util.find_library("X11"))
        self.lib.XOpenDisplay.restype = ctypes.c_void_p
        for name in ("XDefaultRootWindow", "XInternAtom", "XCreateSimpleWindow"):
            getattr(self.lib, name).restype = ctypes.c_ulong
        self.display = ctypes.c_void_p(self.lib.XOpenDisplay(display.encode()))

    def atom(self, name):
        return self.lib.XInternAtom(self.display, name.encode(), 0)

    def ask_to_close(self, window):
        event = self.ClientMessage(type=33, window=window, format=32,
                                   message_type=self.atom("WM_PROTOCOLS"))
        event.data[0] = self.atom("WM_DELETE_WINDOW")
        self.lib.XSendEvent(self.display, ctypes.c_ulong(window), 0, ctypes.c_long(0),
                            ctypes.byref(event))
        self.lib.XSync(self.display, 0)

    def create_window(self, x, y, width, height):
        root = self.lib.XDefaultRootWindow(self.display)
        window = self.lib.XCreateSimpleWindow(self.display, ctypes.c_ulong(root), x, y, width,
                                              height, 0, ctypes.c_ulong(0), ctypes.c_ulong(0))
        self.lib.XMapWindow(self.display, ctypes.c_ulong(window))
        self.lib.XSync(self.display, 0)
        return window

    def resize(self, window, width, height):
        self.lib.XResizeWindow(self.display, ctypes.c_ulong(window), width, height)
        self.lib.XSync(self.display, 0)

    def close(self):
        self.lib.XCloseDisplay(self.display)


def window_id(display, title):
    found = subprocess.run(["xwininfo", "-display", display, "-name", title], capture_output=True,
                           text=True).stdout
    for line in found.splitlines():
        if "Window id:" in line:
            return int(line.split("Window id:")[1].split()[0], 16)
    return None


class Common:
    """What holds on each display server."""

    def tearDown(self):
        self.assertEqual(stage.threads("sldisplay"), 0)

    def expect(self, points, screen=None):
        """Waits until the screen has these colours at these places."""
        def seen():
            pixel = (screen or self.server.screen)()
            return all(near(pixel(x, y), colour) for (x, y), colour in points.items())
        try:
            stage.wait_until(seen, every_s=0.1)
        except AssertionError:
            pixel = (screen or self.server.screen)()
            self.fail({point: (pixel(*point), wanted) for point, wanted in points.items()})

    def test_scaling(self):
        # A picture twice as wide as high on a screen of 4 by 3.
        with show("red", "width=200,height=100", f"{self.options} fullscreen=true") as run:
            run.play()
            self.expect({(320, 240): RED, (2, 90): RED, (320, 70): BLACK, (320, 410): BLACK})
            run.display.set_property("scaling", "stretch")
            self.expect({(320, 240): RED, (2, 2): RED, (637, 477): RED})
            run.display.set_property("scaling", "letterbox")
            self.expect({(320, 240): RED, (320, 70): BLACK})
            run.display.set_property("scaling", "crop")
            self.expect({(2, 2): RED, (637, 477): RED})

    def test_pixel_aspect_odd_sizes_and_depths(self):
        for caps in ("width=33,height=101,pixel-aspect-ratio=2/1", "width=101,height=51,format=v210",
                     "width=57,height=43,format=I420_10LE", "width=57,height=43,format=NV12",
                     "width=31,height=17,format=RGB16"):
            with self.subTest(caps), show("red", caps, f"{self.options} fullscreen=true") as run:
                run.play()
                self.expect({(320, 240): RED})

    def test_rotation_tag(self):
        # A picture whose left half is white becomes one whose top is white.
        with stage.Run(
                "videotestsrc is-live=true pattern=white ! video/x-raw,width=100,height=100 ! "
                "videobox right=-100 ! video/x-raw,format=I420 ! taginject tags=image-orientation=rotate-90 ! "
                f"sldisplaysink name=display fullscreen=true scaling=stretch {self.options}") as run:
            run.play()
            self.expect({(20, 100): WHITE, (600, 100): WHITE, (20, 380): BLACK, (600, 380): BLACK})

    def test_renegotiation_while_playing(self):
        with stage.Run("videotestsrc is-live=true pattern=red ! capsfilter name=filter "
                       f"caps=video/x-raw,width=64,height=64,framerate=30/1 ! sldisplaysink "
                       f"name=display fullscreen=true {self.options}") as run:
            run.play()
            self.expect({(320, 240): RED, (20, 240): BLACK})
            run.filter.set_property("caps", Gst.Caps.from_string(
                "video/x-raw,format=I420,width=129,height=31,framerate=30/1"))
            self.expect({(320, 240): RED, (20, 240): RED, (320, 20): BLACK})

    def test_server_dies(self):
        with show("red", "width=64,height=64", f"{self.options} fullscreen=true") as run:
            run.play()
            self.expect({(320, 240): RED})
            self.server.kill()
            error = run.error()
            self.assertIn(self.server.display, error.message)
            self.assertIn("headless", error.message)

    def test_no_frames_cost_no_cpu(self):
        with stage.Run(f"appsrc name=source is-live=true format=time "
                       "caps=video/x-raw,format=BGRx,width=8,height=8,framerate=0/1 ! "
                       f"sldisplaysink name=display sync=false fullscreen=true {self.options}") as run:
            run.play()
            run.source.emit("push-buffer", Gst.Buffer.new_wrapped(b"\0\0\xfe\xff" * 64))
            self.expect({(320, 240): RED})
            before = resource.getrusage(resource.RUSAGE_SELF)
            time.sleep(2)
            after = resource.getrusage(resource.RUSAGE_SELF)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            switches = after.ru_nvcsw - before.ru_nvcsw
            self.assertLess(used, 0.02)
            self.assertLess(switches, 40)


class OnX(Common, unittest.TestCase):
    def setUp(self):
        self.server = stage.XServer()
        self.addCleanup(self.server.stop)
        self.options = f"backend=x11 display={self.server.display}"

    def test_title_and_own_size(self):
        with show("red", "width=200,height=100", f'{self.options} title="first title"') as run:
            run.play()
            self.expect({(100, 50): RED, (220, 50): BLACK})
            self.assertTrue(window_id(self.server.display, "first title"))
            run.display.set_property("title", "second title")
            stage.wait_until(lambda: window_id(self.server.display, "second title"))

    def test_window_of_the_application(self):
        x = Xlib(self.server.display)
        self.addCleanup(x.close)
        window = x.create_window(100, 100, 300, 200)
        with show("red", "width=300,height=200", self.options) as run:
            # Long before there is a sink that could take it.
            GstVideo.VideoOverlay.set_window_handle(run.display, window)
            run.play()
            self.expect({(110, 110): RED, (395, 295): RED, (90, 90): BLACK})
            x.resize(window, 360, 240)
            self.expect({(455, 335): RED})
            run.display.set_render_rectangle(50, 50, 100, 100)
            self.expect({(200, 200): RED, (110, 110): BLACK})

    def test_handle_is_asked_for(self):
        x = Xlib(self.server.display)
        self.addCleanup(x.close)
        window = x.create_window(300, 200, 100, 100)
        with show("red", "width=64,height=64", self.options) as run:
            def on_message(_bus, message, _data):
                if GstVideo.is_video_overlay_prepare_window_handle_message(message):
                    message.src.set_window_handle(window)
                return Gst.BusSyncReply.PASS
            run.bus.set_sync_handler(on_message, None)
            run.play()
            self.expect({(350, 250): RED, (50, 50): BLACK})
            run.bus.set_sync_handler(None, None)

    def test_mouse_and_keys(self):
        with show("red", "width=320,height=240", f"{self.options} fullscreen=true") as run:
            run.play()
            self.expect({(320, 240): RED})
            env = dict(os.environ, DISPLAY=self.server.display)
            seen = {}

            def probe(_pad, info):
                event = info.get_event()
                if event.type == Gst.EventType.NAVIGATION:
                    structure = event.get_structure()
                    seen[structure.get_value("event")] = structure.to_string()
                return Gst.PadProbeReturn.OK
            run.source.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, probe)
            subprocess.run(["xdotool", "mousemove", "100", "200", "click", "1", "key", "a"], env=env,
                           check=True, timeout=10)
            stage.wait_until(lambda: {"mouse-move", "mouse-button-press", "mouse-button-release",
                                      "key-press"} <= seen.keys())
            # The window is twice the size of the frame.
            self.assertIn("pointer_x=(double)50", seen["mouse-button-press"])
            self.assertIn("pointer_y=(double)100", seen["mouse-button-press"])
            self.assertIn("key=(string)a", seen["key-press"])

    def close_window(self, title):
        x = Xlib(self.server.display)
        window = stage.wait_until(lambda: window_id(self.server.display, title))
        x.ask_to_close(window)
        x.close()

    def test_closed_ends_the_source(self):
        with show("red", "width=64,height=64", f"{self.options} title=closing") as run:
            run.play()
            self.close_window("closing")
            said = run.wait_for_element_message("window-closed")
            self.assertEqual(said.get_value("on-close"), "eos")
            message = run.wait_for(Gst.MessageType.EOS | Gst.MessageType.ERROR)
            self.assertEqual(message.type, Gst.MessageType.EOS)
            self.assertIsNone(window_id(self.server.display, "closing"))

    def test_closed_is_an_error(self):
        with show("red", "width=64,height=64",
                  f"{self.options} title=closing on-close=error") as run:
            run.play()
            self.close_window("closing")
            run.wait_for(Gst.MessageType.ELEMENT)
            error = run.error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND))
            self.assertIn("window was closed", error.message)

    def test_closed_branch_only(self):
        with stage.Run("videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1 ! "
                       f"tee name=t ! sldisplaysink name=display {self.options} title=closing "
                       "on-close=disconnect t. ! queue ! appsink name=other sync=false") as run:
            run.play()
            self.close_window("closing")
            run.wait_for_element_message("window-closed")
            for _ in range(60):
                self.assertIsNotNone(run.other.emit("try-pull-sample", 2 * Gst.SECOND))
            self.assertIsNone(run.wait_for(Gst.MessageType.EOS | Gst.MessageType.ERROR, 0.01))
            # It can pause and play without a window.
            self.assertEqual(run.pipeline.set_state(Gst.State.PAUSED),
                             Gst.StateChangeReturn.NO_PREROLL)
            run.play()
            self.assertIsNotNone(run.other.emit("try-pull-sample", 2 * Gst.SECOND))

    def test_closed_while_it_stops(self):
        for _ in range(5):
            with show("red", "width=64,height=64", f"{self.options} title=closing") as run:
                run.play()
                self.close_window("closing")

    def test_server_that_hangs_does_not_hang_the_pipeline(self):
        with stage.Run("videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1 ! "
                       f"tee name=t ! sldisplaysink name=display {self.options} t. ! queue ! "
                       "appsink name=other sync=false") as run:
            run.play()
            stage.wait_until(lambda: run.display.get_property("stats").get_value("shown") > 3)
            self.server.pause()
            for _ in range(60):
                self.assertIsNotNone(run.other.emit("try-pull-sample", 2 * Gst.SECOND))
            run.stop()
            self.server.resume()

    def test_two_displays_in_one_process(self):
        other = stage.XServer()
        self.addCleanup(other.stop)
        with show("red", "width=64,height=64", self.options) as run, \
                show("white", "width=64,height=64",
                     f"backend=x11 display={other.display}") as second:
            run.play()
            second.play()
            self.expect({(32, 32): RED})
            self.expect({(32, 32): WHITE}, other.screen)


class OnGl(unittest.TestCase):
    """The sink of another plugin, on an X server."""

    expect = Common.expect

    def setUp(self):
        self.server = stage.XServer()
        self.addCleanup(self.server.stop)
        # Where the tests without a screen draw is not a window.
        environment = stage.environment(GST_GL_WINDOW="x11", GST_GL_PLATFORM=None)
        environment.__enter__()
        self.addCleanup(environment.__exit__, None, None, None)
        self.options = f"backend=gl display={self.server.display}"

    def in_window_of(self, run, width, height):
        x = Xlib(self.server.display)
        self.addCleanup(x.close)
        window = x.create_window(0, 0, width, height)
        run.display.set_window_handle(window)
        return x, window

    def close_gl_window(self):
        x = Xlib(self.server.display)

        def visible():
            # There is another one, which is never seen.
            tree = subprocess.run(["xwininfo", "-display", self.server.display, "-root", "-tree"],
                                  capture_output=True, text=True).stdout
            return [int(line.split()[0], 16) for line in tree.splitlines()
                    if GL_TITLE in line and " 1x1+" not in line]
        x.ask_to_close(stage.wait_until(visible)[0])
        x.close()

    def test_own_window(self):
        with show("red", "width=200,height=100", self.options) as run:
            run.play()
            self.expect({(100, 50): RED, (220, 50): BLACK})

    def test_environment_names_the_server(self):
        with stage.environment(DISPLAY=self.server.display):
            with show("red", "width=200,height=100", "backend=gl") as run:
                run.play()
                self.expect({(100, 50): RED})

    def test_no_server(self):
        with show("red", "width=64,height=64", "backend=gl display=:4711") as run:
            self.assertEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            self.assertIn(":4711", run.error().message)

    def test_scaling(self):
        # The right half of the picture is black: what is cut off at its sides shows.
        with stage.Run(
                "videotestsrc is-live=true pattern=red ! video/x-raw,width=100,height=100 ! "
                "videobox left=-150 right=-150 border-alpha=1 fill=white ! "
                "video/x-raw,width=400,height=100,format=I420 ! sldisplaysink name=display "
                f"{self.options}") as run:
            x, window = self.in_window_of(run, 400, 300)
            run.play()
            self.expect({(200, 150): RED, (100, 150): WHITE, (300, 150): WHITE, (200, 20): BLACK})
            run.display.set_property("scaling", "stretch")
            self.expect({(200, 150): RED, (200, 2): RED, (100, 2): WHITE, (390, 290): WHITE})
            # A third of the picture fills the window: 300 of 1200 pixels are red.
            run.display.set_property("scaling", "crop")
            self.expect({(60, 2): RED, (340, 298): RED, (40, 150): WHITE, (360, 150): WHITE})
            x.resize(window, 400, 100)
            self.expect({(155, 50): RED, (145, 50): WHITE, (245, 50): RED, (255, 50): WHITE})
            run.display.set_property("scaling", "letterbox")
            x.resize(window, 400, 300)
            self.expect({(200, 150): RED, (100, 150): WHITE, (200, 20): BLACK})

    def test_crop_of_a_turned_picture(self):
        # 400 by 100 stands upright as 100 by 400: a window of 400 by 300 shows 75 of its lines.
        with stage.Run(
                "videotestsrc is-live=true pattern=red ! video/x-raw,width=60,height=100 ! "
                "videobox left=-170 right=-170 border-alpha=1 fill=white ! "
                "video/x-raw,width=400,height=100,format=I420 ! "
                "taginject tags=image-orientation=rotate-90 ! sldisplaysink name=display "
                f"scaling=crop {self.options}") as run:
            self.in_window_of(run, 400, 300)
            run.play()
            # 60 lines are red, which is 240 of the 300.
            self.expect({(2, 150): RED, (398, 150): RED, (200, 40): RED, (200, 260): RED,
                         (200, 20): WHITE, (200, 280): WHITE})

    def test_latency_and_last_frame(self):
        with tempfile.TemporaryDirectory() as folder, show(
                "red", "width=200,height=100,pixel-aspect-ratio=2/1", self.options) as run:
            picture = os.path.join(folder, "frame.png")
            self.assertFalse(run.display.emit("snapshot", picture))
            run.play()

            def figures():
                stats = run.display.get_property("stats")
                return {name: stats.get_value(name)
                        for name in ("shown", "late", "latency-p50", "latency-p99", "latency-max")}
            stage.wait_until(lambda: figures()["shown"] > 60)
            seen = figures()
            print(f"\n  {seen}")
            # Drawn after its time has come, and before the next frame or two.
            self.assertGreater(seen["latency-p50"], 1 * Gst.MSECOND)
            self.assertLess(seen["latency-p50"], 200 * Gst.MSECOND * stage.SLOWNESS)
            self.assertLessEqual(seen["latency-p50"], seen["latency-p99"])
            caps = run.display.get_property("last-sample").get_caps().get_structure(0)
            self.assertEqual((caps.get_name(), caps.get_value("width")), ("video/x-raw", 200))
            self.assertTrue(run.display.emit("snapshot", picture))
            pixel = stage.read_png(picture)
            self.assertTrue(near(pixel(390, 90), RED), pixel(390, 90))

    def test_frames_in_gl_memory(self):
        with tempfile.TemporaryDirectory() as folder, stage.Run(
                "gltestsrc is-live=true pattern=red ! "
                "video/x-raw(memory:GLMemory),width=200,height=100,framerate=30/1 ! "
                f"sldisplaysink name=display {self.options}") as run:
            run.play()
            self.expect({(100, 50): RED})
            picture = os.path.join(folder, "frame.png")
            features = run.display.get_property("last-sample").get_caps().get_features(0)
            self.assertTrue(features.contains("memory:GLMemory"))
            self.assertTrue(run.display.emit("snapshot", picture))
            self.assertTrue(near(stage.read_png(picture)(100, 50), RED))

    def test_mouse(self):
        for scaling, places in (
                # The window has 400 by 300 pixels; `crop` shows 133 of the 200 columns, `letterbox`
                # 200 of the 300 lines.
                ("stretch", {(0, 0): (0, 0), (100, 150): (50, 50)}),
                ("letterbox", {(100, 50): (50, 0), (200, 150): (100, 50)}),
                ("crop", {(0, 0): (33.3, 0), (200, 150): (100, 50)})):
            with self.subTest(scaling), show(
                    "red", "width=200,height=100", f"{self.options} scaling={scaling}") as run:
                self.in_window_of(run, 400, 300)
                run.play()
                self.expect({(200, 150): RED})
                seen = []

                def probe(_pad, info):
                    event = info.get_event()
                    if event.type == Gst.EventType.NAVIGATION:
                        structure = event.get_structure()
                        seen.append([structure.get_value("pointer_x"),
                                     structure.get_value("pointer_y")])
                    return Gst.PadProbeReturn.OK
                run.source.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_UPSTREAM, probe)
                env = dict(os.environ, DISPLAY=self.server.display)
                for (x, y), wanted in places.items():
                    # By the application, and by a hand.
                    for send in (lambda: run.display.send_mouse_event("mouse-move", 0, x, y),
                                 lambda: subprocess.run(["xdotool", "mousemove", str(x), str(y)],
                                                        env=env, check=True, timeout=10)):
                        seen.clear()
                        send()
                        stage.wait_until(lambda: seen)
                        for got, value in zip(seen[-1], wanted):
                            self.assertAlmostEqual(got, value, delta=1.5)

    def test_closed(self):
        for on_close, end in (("eos", Gst.MessageType.EOS), ("error", Gst.MessageType.ERROR)):
            with self.subTest(on_close), show("red", "width=64,height=64",
                                              f"{self.options} on-close={on_close}") as run:
                run.play()
                self.close_gl_window()
                said = run.wait_for_element_message("window-closed")
                self.assertEqual(said.get_value("on-close"), on_close)
                message = run.wait_for(Gst.MessageType.EOS | Gst.MessageType.ERROR)
                self.assertEqual(message.type, end)
                if end == Gst.MessageType.ERROR:
                    self.assertIn("window was closed", message.parse_error()[0].message)

    def test_closed_branch_only(self):
        with stage.Run("videotestsrc is-live=true ! video/x-raw,width=64,height=64,framerate=30/1 ! "
                       f"tee name=t ! sldisplaysink name=display {self.options} "
                       "on-close=disconnect t. ! queue ! appsink name=other sync=false") as run:
            run.play()
            self.close_gl_window()
            run.wait_for_element_message("window-closed")
            for _ in range(60):
                self.assertIsNotNone(run.other.emit("try-pull-sample", 2 * Gst.SECOND))
            self.assertIsNone(run.wait_for(Gst.MessageType.EOS | Gst.MessageType.ERROR, 0.01))

    def test_server_dies(self):
        with show("red", "width=64,height=64", self.options) as run:
            run.play()
            self.expect({(32, 32): RED})
            self.server.kill()
            error = run.error()
            self.assertIn(self.server.display, error.message)
            self.assertIn("headless", error.message)
        # This process is still there; and it can go on with another server.
        other = stage.XServer()
        self.addCleanup(other.stop)
        with show("white", "width=64,height=64", f"backend=gl display={other.display}") as run:
            run.play()
            self.expect({(32, 32): WHITE}, other.screen)


class Kms(unittest.TestCase):
    @unittest.skipIf(any(name.startswith("card") for name in
                         (os.listdir("/dev/dri") if os.path.isdir("/dev/dri") else [])),
                     "this machine has a screen for KMS, which the test would take")
    def test_no_screen(self):
        with show("red", "width=64,height=64", "backend=kms") as run:
            self.assertEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            error = run.error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.OPEN_WRITE))
            for text in ("/dev/dri/card0", "driver", "another backend"):
                self.assertIn(text, error.message)


class OnWayland(Common, unittest.TestCase):
    def setUp(self):
        self.server = stage.Compositor()
        self.addCleanup(self.server.stop)
        self.options = f"backend=wayland display={self.server.display}"


if __name__ == "__main__":
    unittest.main()
