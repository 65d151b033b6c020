#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""slcamerasrc with cameras of PipeWire: pictures, time stamps, loss and return, on real displays."""
import concurrent.futures
import os
import pathlib
import statistics
import time
import unittest

import framecode
import stage
from gi.repository import Gst

# A real film makes the pictures; without one they are of the test picture.
FILM = os.environ.get("STREAMLIB_TEST_FILM")
FILM_OPTIONS = ["--film", FILM] if FILM and pathlib.Path(FILM).exists() else []
SECONDS_APART = float(os.environ.get("STREAMLIB_TEST_SECONDS", "60"))

WIDTH, HEIGHT = 320, 240


def number_in(sample):
    buffer = sample.get_buffer()
    return framecode.read_luma_plane(buffer.extract_dup(0, WIDTH * framecode.CELL), WIDTH)


class Reader:
    """Frame numbers and times of what a camera delivers."""

    def __init__(self, run, sink, camera):
        self.run, self.sink, self.camera = run, sink, camera
        self.numbers, self.stamp_errors, self.delays, self.grain = [], [], [], []

    def pull(self):
        sample = self.sink.emit("try-pull-sample", 3 * Gst.SECOND)
        arrived_ns = time.monotonic_ns()
        if sample is None:
            raise AssertionError(f"no frame; {self.run.wait_for(Gst.MessageType.ERROR, 0.01)}")
        number = number_in(sample)
        if number is None:
            raise AssertionError("a frame carries no number: it is a mixture or of another camera")
        captured_ns = self.camera.start_ns + number * self.camera.frame_ns
        stamp_ns = sample.get_buffer().pts + self.run.pipeline.get_base_time()
        self.numbers.append(number)
        self.stamp_errors.append((stamp_ns - captured_ns) / 1e6)
        self.delays.append((arrived_ns - captured_ns) / 1e6)
        self.grain.append(self.grain_of(sample.get_buffer()))
        return sample

    @staticmethod
    def grain_of(buffer):
        """How much neighbours in a line of the picture differ, of 255: much in snow."""
        line = buffer.extract_dup(WIDTH * (HEIGHT // 2), WIDTH)
        return sum(abs(a - b) for a, b in zip(line, line[1:])) / WIDTH


def quantile(values, share):
    return sorted(values)[round(share * (len(values) - 1))]


def camera_run(device, options="", sink="appsink name=sink sync=false max-buffers=30"):
    return stage.Run(f"slcamerasrc name=camera device={device} {options} ! "
                     f"video/x-raw,format=I420 ! {sink}")


class WithPipeWire(unittest.TestCase):
    def setUp(self):
        self.session = stage.PipeWireSession().__enter__()
        self.addCleanup(self.session.__exit__, None, None, None)

    def tearDown(self):
        # The watch of an element ends a moment after it, and leaves nothing behind.
        self.doCleanups()
        stage.wait_until(lambda: stage.threads("slcamera") == 0, 2)

    def plug(self, node, description, *options):
        camera = stage.Camera(node, description, *(options or FILM_OPTIONS))
        self.addCleanup(camera.stop)
        stage.wait_until(lambda: node in self.session.run("pw-cli", "ls", "Node"))
        return camera

    def test_two_cameras_for_a_minute(self):
        """They stay apart, and the stamps are those of the capture."""
        cameras = {name: self.plug(name, f"Camera {name}", *options)
                   for name, options in (("left", FILM_OPTIONS or ["--pattern", "smpte"]),
                                         ("right", ["--pattern", "snow", "--rate", "25"]))}
        readers = {}
        for name, camera in cameras.items():
            run = camera_run(name)
            self.addCleanup(run.stop)
            self.assertNotEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            readers[name] = Reader(run, run.sink, camera)
        end = time.monotonic() + SECONDS_APART

        def read(reader):
            while time.monotonic() < end:
                reader.pull()
        # Each camera is read in a thread of its own: they do not have the same rate.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for result in [pool.submit(read, reader) for reader in readers.values()]:
                result.result()
        for name, reader in readers.items():
            # The first second is that of the start.
            rate = 10**9 // reader.camera.frame_ns
            errors, delays = reader.stamp_errors[rate:], reader.delays[rate:]
            lost = sum(b - a - 1 for a, b in zip(reader.numbers, reader.numbers[1:]))
            self.assertEqual(reader.numbers, sorted(set(reader.numbers)), "frames repeat or go back")
            # Only the right camera sees snow, in each of its frames.
            self.assertEqual({grain > 50 for grain in reader.grain}, {name == "right"})
            jitter = quantile(errors, 0.99) - quantile(errors, 0.01)
            print(f"\n  {name}: {len(reader.numbers)} frames, {lost} lost; stamp less true capture "
                  f"time: median {statistics.median(errors):.3f} ms, spread 1 % to 99 % "
                  f"{jitter:.3f} ms, stdev {statistics.pstdev(errors):.3f} ms; arrival in Python: "
                  f"p50 {quantile(delays, 0.5):.2f} ms, p99 {quantile(delays, 0.99):.2f} ms, stdev "
                  f"{statistics.pstdev(delays):.3f} ms")
            self.assertLess(lost, 0.02 * len(reader.numbers) + 2)
            self.assertLess(abs(statistics.median(errors)), 10 * stage.SLOWNESS)
            # On a machine with more to do than it can, the stand-in itself is late.
            arrivals = quantile(delays, 0.99) - quantile(delays, 0.01)
            self.assertLess(jitter, max(10 * stage.SLOWNESS, arrivals + 1))
            # Stamps of the capture jitter less than what arrives.
            self.assertLessEqual(statistics.pstdev(errors), statistics.pstdev(delays) + 0.5)

    def test_two_pipelines_on_one_camera(self):
        camera = self.plug("shared", "Shared Camera")
        readers = []
        for _ in range(2):
            run = camera_run("shared")
            self.addCleanup(run.stop)
            run.play()
            readers.append(Reader(run, run.sink, camera))
        for _ in range(30):
            for reader in readers:
                reader.pull()
        for reader in readers:
            self.assertEqual(reader.numbers, sorted(set(reader.numbers)))

    def test_unknown_device_lists_what_is_there(self):
        self.plug("usb-1", "Desk Camera")
        with stage.Run("slcamerasrc name=camera device=attic ! fakesink") as run:
            self.assertEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            error = run.error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND))
            for text in ("attic", "Desk Camera", "usb-1"):
                self.assertIn(text, error.message)

    def test_unplugged(self):
        # The other camera must not take its place.
        camera = self.plug("first", "First Camera")
        self.plug("second", "Second Camera", "--pattern", "snow")
        with camera_run("first") as run:
            run.play()
            Reader(run, run.sink, camera).pull()
            camera.kill()
            error = run.error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND),
                            error.message)
            self.assertIn("First Camera", error.message)

    def test_comes_back(self):
        camera = self.plug("first", "First Camera")
        self.plug("second", "Second Camera", "--pattern", "snow")
        with camera_run("first", "on-device-lost=wait") as run:
            run.play()
            last = Reader(run, run.sink, camera).pull().get_buffer().pts
            for _ in range(2):
                camera.kill()
                run.wait_for_element_message("camera-lost")
                camera = self.plug("first", "First Camera")
                run.wait_for_element_message("camera-back", 8)
                # What was on its way when the camera went comes first.
                while run.sink.emit("try-pull-sample", 0):
                    pass
                reader = Reader(run, run.sink, camera)
                for _ in range(20):
                    pts = reader.pull().get_buffer().pts
                    self.assertGreater(pts, last)
                    last = pts
                self.assertEqual(reader.numbers, sorted(set(reader.numbers)))

    def test_stall_is_named(self):
        camera = self.plug("tired", "Tired Camera")
        with camera_run("tired") as run:
            run.play()
            Reader(run, run.sink, camera).pull()
            camera.pause()
            begin = time.monotonic()
            message = run.wait_for(Gst.MessageType.WARNING | Gst.MessageType.ERROR)
            self.assertIsNotNone(message)
            self.assertLess(time.monotonic() - begin, 2.3 * stage.SLOWNESS)
            self.assertEqual(message.type, Gst.MessageType.WARNING)
            self.assertIn("Tired Camera", message.parse_warning()[0].message)
            camera.resume()
            run.wait_for_element_message("camera-resumed")

    def test_server_ends(self):
        camera = self.plug("lonely", "Lonely Camera")
        with camera_run("lonely") as run:
            run.play()
            Reader(run, run.sink, camera).pull()
            begin = time.monotonic()
            self.session.kill_server()
            error = run.error()
            self.assertLess(time.monotonic() - begin, 1.5 * stage.SLOWNESS)
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND))
            for text in ("PipeWire has ended", "Lonely Camera", "on-device-lost=wait"):
                self.assertIn(text, error.message)

    def test_server_ends_and_comes_back(self):
        self.plug("other", "Other Camera", "--pattern", "snow")
        camera = self.plug("lonely", "Lonely Camera")
        # Another one in the process that has seen the server end, and still stands there.
        failed = camera_run("other")
        self.addCleanup(failed.stop)
        failed.play()
        with camera_run("lonely", "on-device-lost=wait") as run:
            run.play()
            last = Reader(run, run.sink, camera).pull().get_buffer().pts
            for _ in range(2):
                self.session.kill_server()
                warning = run.wait_for(Gst.MessageType.WARNING | Gst.MessageType.ERROR)
                self.assertEqual(warning.type, Gst.MessageType.WARNING)
                self.assertIn("PipeWire has ended", warning.parse_warning()[0].message)
                run.wait_for_element_message("camera-lost")
                time.sleep(0.5)
                self.session.start_server()
                self.plug("other", "Other Camera", "--pattern", "snow")
                camera = self.plug("lonely", "Lonely Camera")
                run.wait_for_element_message("camera-back", 8)
                while run.sink.emit("try-pull-sample", 0):
                    pass
                reader = Reader(run, run.sink, camera)
                for _ in range(20):
                    pts = reader.pull().get_buffer().pts
                    self.assertGreater(pts, last)
                    last = pts
            # And it is watched there as well.
            camera.kill()
            run.wait_for_element_message("camera-lost")

    def test_session_hangs(self):
        self.plug("frozen", "Frozen Camera")
        self.session.daemon.pause()
        begin = time.monotonic()
        with stage.Run("slcamerasrc device=frozen ! fakesink") as run:
            self.assertEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            self.assertLess(time.monotonic() - begin, 2 * stage.SLOWNESS)
            self.assertIn("Looking for cameras", run.error().message)
            self.session.daemon.resume()

    # ---- Through the portal

    def portal(self, *options):
        portal = stage.Portal(*options)
        self.addCleanup(portal.stop)
        return portal

    def test_portal(self):
        self.portal()
        self.plug("other", "Other Camera", "--pattern", "snow")
        camera = self.plug("allowed", "Allowed Camera")
        with camera_run("portal:allowed") as run:
            self.assertNotEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            run.wait_for_element_message("camera-allowed")
            reader = Reader(run, run.sink, camera)
            for _ in range(20):
                reader.pull()
            self.assertEqual(reader.numbers, sorted(set(reader.numbers)))
            self.assertEqual(run.camera.get_property("current-device"), "Allowed Camera")
            run.pipeline.set_state(Gst.State.READY)
            # The answer holds for as long as the element is not closed.
            run.play()
            reader.pull()

    def test_portal_takes_the_time_of_the_user(self):
        self.portal("--delay", "2.5")
        camera = self.plug("allowed", "Allowed Camera")
        with camera_run("portal") as run:
            begin = time.monotonic()
            self.assertNotEqual(run.play(), Gst.StateChangeReturn.FAILURE)
            self.assertLess(time.monotonic() - begin, 1 * stage.SLOWNESS)
            run.wait_for_element_message("camera-asking")
            run.wait_for_element_message("camera-allowed")
            Reader(run, run.sink, camera).pull()

    def test_portal_is_not_waited_for(self):
        portal = self.portal("--delay", "30")
        self.plug("allowed", "Allowed Camera")
        with camera_run("portal") as run:
            run.play()
            portal.wait_until_asked()
            # The stream can end, and the pipeline stop, while the user thinks.
            run.pipeline.send_event(Gst.Event.new_eos())
            self.assertEqual(run.wait_for(Gst.MessageType.EOS | Gst.MessageType.ERROR).type,
                             Gst.MessageType.EOS)

    def test_portal_refuses(self):
        self.plug("allowed", "Allowed Camera")
        for options, code, texts in (
                (["--answer", "1"], Gst.ResourceError.NOT_AUTHORIZED, ["did not allow", "settings"]),
                (["--answer", "2"], Gst.ResourceError.NOT_AUTHORIZED, ["did not allow"]),
                (["--deny"], Gst.ResourceError.NOT_AUTHORIZED, ["did not allow"]),
                (["--no-remote"], Gst.ResourceError.OPEN_READ, ["portal does not do its work"]),
                (["--die"], Gst.ResourceError.OPEN_READ, ["portal does not do its work"])):
            with self.subTest(options), stage.Portal(*options), camera_run("portal") as run:
                run.play()
                error = run.error()
                self.assertTrue(error.matches(Gst.ResourceError.quark(), code), error.message)
                for text in texts:
                    self.assertIn(text, error.message)
                self.assertIsNone(run.wait_for(Gst.MessageType.ERROR, 0.2))

    def test_no_portal(self):
        self.plug("allowed", "Allowed Camera")
        for bus in (os.environ["DBUS_SESSION_BUS_ADDRESS"], "unix:path=/nowhere/bus"):
            with self.subTest(bus), stage.environment(DBUS_SESSION_BUS_ADDRESS=bus), \
                    camera_run("portal") as run:
                self.assertEqual(run.play(), Gst.StateChangeReturn.FAILURE)
                error = run.error()
                self.assertTrue(error.matches(Gst.ResourceError.quark(),
                                              Gst.ResourceError.NOT_FOUND), error.message)
                self.assertIn("xdg-desktop-portal", error.message)

    def test_portal_without_the_camera(self):
        self.portal()
        with camera_run("portal") as run:
            run.play()
            self.assertIn("no camera", run.error().message)
        with camera_run("portal", "fallback=test width=320") as run:
            run.play()
            self.assertIsNotNone(run.sink.emit("try-pull-sample", 3 * Gst.SECOND))
        self.plug("allowed", "Allowed Camera")
        with camera_run("portal:attic") as run:
            run.play()
            error = run.error()
            self.assertIn("attic", error.message)
            self.assertIn("Allowed Camera", error.message)

    def test_portal_in_a_sandbox(self):
        camera = self.plug("allowed", "Allowed Camera")
        with stage.environment(SNAP="/snap/some/1"):
            # Without a portal the sandbox's own devices are looked through.
            with stage.Run("slcamerasrc name=camera ! video/x-raw,format=I420 ! "
                           "appsink name=sink sync=false") as run:
                run.play()
                Reader(run, run.sink, camera).pull()
            # The portal itself is not in the sandbox.
            with stage.environment(SNAP=None):
                portal = self.portal()
            with stage.Run("slcamerasrc name=camera ! video/x-raw,format=I420 ! "
                           "appsink name=sink sync=false") as run:
                run.play()
                portal.wait_until_asked()
                Reader(run, run.sink, camera).pull()

    def test_portal_camera_vanishes(self):
        self.portal()
        camera = self.plug("allowed", "Allowed Camera")
        with camera_run("portal") as run:
            run.play()
            Reader(run, run.sink, camera).pull()
            camera.kill()
            error = run.error()
            self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND),
                            error.message)
            self.assertIn("Allowed Camera", error.message)
        camera = self.plug("allowed", "Allowed Camera")
        with camera_run("portal", "on-device-lost=wait") as run:
            run.play()
            Reader(run, run.sink, camera).pull()
            camera.kill()
            run.wait_for_element_message("camera-lost")
            camera = self.plug("allowed", "Allowed Camera")
            run.wait_for_element_message("camera-back", 8)
            while run.sink.emit("try-pull-sample", 0):
                pass
            Reader(run, run.sink, camera).pull()
            # The server as well: the portal is asked for a new connection.
            self.session.kill_server()
            run.wait_for_element_message("camera-lost")
            self.session.start_server()
            camera = self.plug("allowed", "Allowed Camera")
            run.wait_for_element_message("camera-back", 8)
            while run.sink.emit("try-pull-sample", 0):
                pass
            Reader(run, run.sink, camera).pull()

    # ---- To the screen

    @staticmethod
    def link_drops(run):
        # The inner structure lives as long as the outer one.
        stats = run.display.get_property("stats")
        return stats.get_value("link").get_value("dropped")

    def watch_screen(self, run, screen, left, top, scale, camera, seconds):
        """The ages of the pictures on the screen, in ms."""
        stage.wait_until(lambda: framecode.read_screen(screen(), left, top, scale) is not None)
        time.sleep(1)
        ages, numbers = [], []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            number = framecode.read_screen(screen(), left, top, scale)
            if number is None:
                # Read while it was painted.
                continue
            numbers.append(number)
            ages.append((time.monotonic_ns() - camera.start_ns - number * camera.frame_ns) / 1e6)
            time.sleep(0.01)
        self.assertGreater(len(set(numbers)), 10)
        self.assertEqual(numbers, sorted(numbers))
        stats = run.display.get_property("stats")
        link = stats.get_value("link")
        print(f"\n  {len(set(numbers))} pictures seen; age on the screen p50 "
              f"{quantile(ages, 0.5):.1f} ms, p99 {quantile(ages, 0.99):.1f} ms; capture to display "
              f"p50 {stats.get_value('latency-p50') / 1e6:.1f} ms, p99 "
              f"{stats.get_value('latency-p99') / 1e6:.1f} ms; shown {stats.get_value('shown')}, "
              f"dropped {link.get_value('dropped')}, late {stats.get_value('late')}, replaced "
              f"{stats.get_value('replaced')}")
        return ages, numbers

    def test_camera_on_x(self):
        camera = self.plug("cam", "Camera")
        with stage.XServer() as server, camera_run(
                "cam", sink="sldisplaysink name=display fullscreen=true backend=x11 "
                f"display={server.display}") as run:
            run.play()
            ages, _numbers = self.watch_screen(run, server.screen, 0, 0, 2, camera, 5)
            # A frame, the time to paint, and up to a frame until the next one is there.
            self.assertLess(quantile(ages, 0.5), 120 * stage.SLOWNESS)

    def test_camera_on_wayland(self):
        camera = self.plug("cam", "Camera")
        with stage.Compositor() as server, camera_run(
                "cam", sink="sldisplaysink name=display fullscreen=true backend=wayland "
                f"display={server.display}") as run:
            run.play()
            ages, _numbers = self.watch_screen(run, server.screen, 0, 0, 2, camera, 5)
            self.assertLess(quantile(ages, 0.5), 250 * stage.SLOWNESS)

    def test_camera_on_x_with_the_latency_of_sound(self):
        camera = self.plug("cam", "Camera")
        with stage.XServer() as server, camera_run(
                "cam", sink="sldisplaysink name=display fullscreen=true backend=x11 "
                f"display={server.display} audiotestsrc is-live=true wave=silence ! "
                "audiomixer latency=300000000 ! fakesink sync=true") as run:
            run.play()
            ages, numbers = self.watch_screen(run, server.screen, 0, 0, 2, camera, 5)
            self.assertGreater(quantile(ages, 0.5), 290)
            self.assertLess(quantile(ages, 0.5), 500 * stage.SLOWNESS)
            # Every frame is shown; the screen is read too seldom to see each.
            self.assertLess(self.link_drops(run), 0.1 * (numbers[-1] - numbers[0]))

    def test_camera_on_a_slow_x(self):
        camera = self.plug("cam", "Camera")
        with stage.XServer() as server, camera_run(
                "cam", sink="sldisplaysink name=display fullscreen=true backend=x11 "
                f"display={server.display}") as run:
            run.play()
            stage.wait_until(lambda: framecode.read_screen(server.screen(), 0, 0, 2) is not None)
            ages = []
            dropped = self.link_drops(run)
            for _ in range(12):
                # The server does nothing for a while; then it has time for a frame or two.
                server.pause()
                time.sleep(0.3)
                server.resume()
                time.sleep(0.1)
                number = framecode.read_screen(server.screen(), 0, 0, 2)
                if number is not None:
                    ages.append((time.monotonic_ns() - camera.start_ns
                                 - number * camera.frame_ns) / 1e6)
            # What is shown is new, whatever was missed meanwhile.
            self.assertGreater(len(ages), 5)
            self.assertLess(quantile(ages, 0.5), 200 * stage.SLOWNESS, ages)
            missed = (self.link_drops(run) - dropped
                      + run.display.get_property("stats").get_value("replaced"))
            print(f"\n  ages {[round(age) for age in ages]} ms; {missed} frames not shown, counted")
            self.assertGreater(missed, 30)


if __name__ == "__main__":
    unittest.main()
