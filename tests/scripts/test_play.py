#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/play.py with films of its own making, on a machine without a display or a sound device."""
import os
import pathlib
import re
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

PLAYER = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "play.py"
LINKS = ("video decoded", "video sink", "audio decoded", "audio sink")


def headless():
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "PULSE_SERVER", "XDG_RUNTIME_DIR"}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def make_film(path, seconds):
    pipeline = Gst.parse_launch(
        f"oggmux name=mux ! filesink location={path} "
        f"videotestsrc num-buffers={seconds * 25} ! video/x-raw,width=320,height=240,framerate=25/1 "
        "! theoraenc ! queue ! mux. "
        f"audiotestsrc num-buffers={seconds * 10} samplesperbuffer=4800 "
        "! audio/x-raw,rate=48000,channels=1 ! audioconvert ! vorbisenc ! queue ! mux.")
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        60 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None and message.type == Gst.MessageType.EOS, message


class Play(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        Gst.init(None)
        cls.folder = tempfile.TemporaryDirectory()
        cls.long_film = pathlib.Path(cls.folder.name, "long.ogg")
        cls.short_film = pathlib.Path(cls.folder.name, "short.ogg")
        make_film(cls.long_film, 30)
        make_film(cls.short_film, 2)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def setUp(self):
        self.picture = pathlib.Path(self.folder.name, "new folder", f"{self.id()}.png")

    def start(self, *arguments):
        return subprocess.Popen(
            ["/usr/bin/python3", PLAYER, "--picture", self.picture, *arguments], env=headless(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def play(self, *arguments):
        """Exit code, standard output and error output of a run that ends by itself."""
        with self.start(*arguments) as player:
            output, errors = player.communicate(timeout=30)
            return player.returncode, output, errors

    def assert_picture(self, output):
        self.assertIn(str(self.picture), output)
        data = self.picture.read_bytes()
        self.assertEqual(data[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", data[16:24]), (320, 240))

    def assert_refused(self, what, *arguments):
        code, output, errors = self.play(*arguments)
        self.assertEqual(code, 1, output + errors)
        self.assertIn(what, errors)
        self.assertNotIn("Traceback", errors)
        self.assertFalse(self.picture.exists())

    def test_whole_film(self):
        code, output, errors = self.play(self.short_film)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("The film is over.", output)
        self.assert_picture(output)

    def test_status_lines(self):
        code, output, errors = self.play(self.long_film, "--seconds", "4.5")
        self.assertEqual((code, errors), (0, ""))
        lines = re.findall(r"^ +(\d+) s +(\d+) frames/s  (.*)$", output, re.MULTILINE)
        self.assertEqual([int(second) for second, _, _ in lines], [1, 2, 3, 4])
        for _, rate, rest in lines[1:]:
            self.assertTrue(15 <= int(rate) <= 35, output)
            for link in LINKS:
                self.assertRegex(rest, rf"{link} \d+\.\d/\d+\.\d\b")
            self.assertRegex(rest, r"dropped: (none|\w+ \d+)")
        self.assert_picture(output)

    def test_stops_in_time(self):
        start = time.monotonic()
        code, output, _ = self.play(self.long_film, "--seconds", "1")
        self.assertEqual(code, 0)
        self.assertIn("1 seconds are over.", output)
        self.assertLess(time.monotonic() - start, 6)

    def test_signals_are_a_clean_end(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.start(self.long_film) as player:
                # Its first status line.
                for line in player.stdout:
                    if "frames/s" in line:
                        break
                player.send_signal(number)
                output, errors = player.communicate(timeout=10)
            self.assertEqual((player.returncode, errors), (0, ""))
            self.assertIn("Stopped.", output)
            self.assert_picture(output)

    def test_no_such_file(self):
        self.assert_refused("there is no file /no/film", "/no/film")

    def test_folder(self):
        self.assert_refused("is not a file that can be read", self.folder.name)

    def test_no_film(self):
        self.assert_refused("cannot be played", __file__)

    def test_empty_file(self):
        empty = pathlib.Path(self.folder.name, "empty")
        empty.touch()
        self.assert_refused("cannot be played", empty)

    def test_bad_option(self):
        for seconds in ("0", "-1", "soon", "nan"):
            code, _, errors = self.play(self.short_film, f"--seconds={seconds}")
            self.assertEqual(code, 2)
            self.assertIn("--seconds", errors)


if __name__ == "__main__":
    unittest.main()
