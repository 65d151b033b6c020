#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/camera.py: the first thing that anybody sees."""
import contextlib
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import stage

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "camera.py"
STATUS = re.compile(r"^ +\d+ s +(\d+) frames/s  capture to display p50/p99 in ms: "
                    r"([\d.]+)/([\d.]+)  dropped: link (\d+)")


class Run(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.picture = pathlib.Path(folder.name, "new", "last.png")
        # Only what a test puts there is there.
        self.enter(stage.environment(DISPLAY=None, WAYLAND_DISPLAY=None, XDG_RUNTIME_DIR=folder.name))

    def enter(self, context):
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def start(self, *arguments):
        process = subprocess.Popen(["/usr/bin/python3", SCRIPT, "--picture", self.picture,
                                    *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)

        def end():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        return process

    def test_with_neither_camera_nor_display(self):
        process = self.start("--seconds", "2.5")
        out, error = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, error)
        self.assertIn("There is no camera: this is the test picture", out)
        self.assertIn("No display", out)
        self.assertIn(str(self.picture), out)
        self.assertTrue(any(STATUS.match(line) for line in out.splitlines()), out)
        pixel = stage.read_png(self.picture)
        self.assertGreater(len({pixel(x, 100) for x in range(0, 1280, 40)}), 4)

    def test_camera_on_a_display(self):
        self.enter(stage.PipeWireSession())
        camera = stage.Camera("cam", "Desk Camera", "--pattern", "red")
        self.addCleanup(camera.stop)
        server = stage.XServer()
        self.addCleanup(server.stop)
        with stage.environment(DISPLAY=server.display):
            process = self.start("--effect")
            lines = [process.stdout.readline() for _ in range(5)]
            self.assertIn("Display: x11\n", lines)
            self.assertTrue(any(line.startswith("Camera: Desk Camera, 320x240") for line in lines))
            status = [match for match in map(STATUS.match, lines) if match]
            self.assertTrue(status, lines)
            red, green, blue = server.screen()(160, 120)
            self.assertTrue(red > 240 and green < 15 and blue < 15)
            process.send_signal(signal.SIGINT)
            out, error = process.communicate(timeout=10)
            self.assertEqual(process.returncode, 0, error)
            self.assertIn("Stopped.", out)
        self.assertFalse(self.picture.exists())

    def test_unknown_camera(self):
        self.enter(stage.PipeWireSession())
        camera = stage.Camera("cam", "Desk Camera")
        self.addCleanup(camera.stop)
        process = self.start("--device", "attic")
        _out, error = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn("“attic”", error)
        self.assertIn("Desk Camera", error)


if __name__ == "__main__":
    unittest.main()
