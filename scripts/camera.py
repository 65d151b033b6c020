#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows a camera on the display, with one status line a second.

Without a camera it takes the moving test picture, without a display it leaves a picture of the last
frame, and says so. The exit code is 0 when the time is over, the window was closed or after Ctrl-C,
and 1 after an error.

Needs PyGObject and GStreamer's typelibs, but not the overrides of gst-python.
"""
import argparse
import pathlib
import signal
import sys
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

EFFECT = "videoconvert ! slwave !"


def milliseconds(stats, field):
    value = stats.get_value(field)
    return f"{value / 1e6:.1f}" if value else "-"


class Show:
    def __init__(self, device, effect, picture):
        self.picture = picture
        self.error = None
        self.headless = False
        self.shown = 0
        self.seconds = 0
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.parse_launch(
            f"slcamerasrc name=camera fallback=test ! {EFFECT if effect else ''} "
            "sldisplaysink name=display")
        self.camera = self.pipeline.get_by_name("camera")
        self.display = self.pipeline.get_by_name("display")
        self.camera.set_property("device", device)
        self.display.set_property("title", "Camera")
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::warning", self.on_warning)
        bus.connect("message::info", self.on_info)
        bus.connect("message::element", self.on_element_message)
        bus.connect("message::eos", lambda *_: self.stop("The camera's stream has ended."))

    def on_error(self, _bus, message):
        error, debug = message.parse_error()
        # The first error is the cause of the others.
        self.error = self.error or f"{error.message}\n  in {message.src.get_path_string()}\n  {debug}"
        self.loop.quit()

    def on_warning(self, _bus, message):
        print(message.parse_warning()[0].message, file=sys.stderr, flush=True)

    def on_info(self, _bus, message):
        print(message.parse_info()[0].message, flush=True)

    def on_element_message(self, _bus, message):
        structure = message.get_structure()
        name = structure.get_name()
        if name == "display-backend":
            self.headless = structure.get_value("backend") == "headless"
            print(f"Display: {structure.get_value('backend')}", flush=True)
        elif name == "camera-mode":
            print(f"Camera: {structure.get_value('device')}, {structure.get_value('mode')}",
                  flush=True)
        elif name == "window-closed":
            self.stop("The window was closed.")

    def stop(self, text):
        print(text, flush=True)
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def on_second(self):
        self.seconds += 1
        stats = self.display.get_property("stats")
        shown = stats.get_value("shown")
        rate, self.shown = shown - self.shown, shown
        link = stats.get_value("link")
        print(f"{self.seconds:4} s  {rate:3} frames/s  capture to display p50/p99 in ms: "
              f"{milliseconds(stats, 'latency-p50')}/{milliseconds(stats, 'latency-p99')}  "
              f"dropped: link {link.get_value('dropped')}, replaced "
              f"{stats.get_value('replaced')}, late {stats.get_value('late')}", flush=True)
        return GLib.SOURCE_CONTINUE

    def save_picture(self):
        self.picture.parent.mkdir(parents=True, exist_ok=True)
        if self.display.emit("snapshot", str(self.picture)):
            print(f"The last frame: {self.picture}")
        else:
            print("There was no frame to save as a picture.")

    def run(self, seconds):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self.stop, "Stopped.")
        begin = time.monotonic()
        if self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
            GLib.timeout_add(1000, self.on_second)
        if seconds:
            rest = max(0, seconds - (time.monotonic() - begin))
            GLib.timeout_add(round(rest * 1000), self.stop, f"{seconds:g} seconds are over.")
        self.loop.run()
        if self.error is None and self.headless:
            self.save_picture()
        self.pipeline.set_state(Gst.State.NULL)
        return self.error


def main():
    parser = argparse.ArgumentParser(prog="scripts/run", description="Shows a camera.")
    parser.add_argument("--device", default="", help="path, serial, name or part of the name of a "
                        "camera; by default the first, 'test' for the test picture")
    parser.add_argument("--effect", action="store_true", help="put the example effect in between")
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds")
    parser.add_argument("--picture", type=pathlib.Path, default=pathlib.Path("last-frame.png"),
                        help="where the last frame goes when there is no display")
    args = parser.parse_args()
    Gst.init(None)
    try:
        error = Show(args.device, args.effect, args.picture).run(args.seconds)
    except GLib.Error as failure:
        error = failure.message
    if error is not None:
        sys.exit(f"scripts/run: {error}")


if __name__ == "__main__":
    main()
