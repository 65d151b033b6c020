#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A camera stand-in: plays a film, or a picture of one colour, as a video source of PipeWire.

Each frame carries its number (framecode.py). Frame n is captured at start + n * duration; both are
printed on one line, in ns of CLOCK_MONOTONIC, when the camera is there.
"""
import argparse
import pathlib
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

import framecode  # noqa: E402

# So many frames of the film are played in a circle.
MOST_FRAMES = 100


def decode(source, caps):
    """The first frames of what `source` delivers, as bytes."""
    pipeline = Gst.parse_launch(f"{source} ! videoconvert ! videoscale ! videorate ! {caps} ! "
                                "appsink name=sink sync=false")
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    frames = []
    while len(frames) < MOST_FRAMES:
        sample = sink.emit("try-pull-sample", 10 * Gst.SECOND)
        if sample is None:
            break
        buffer = sample.get_buffer()
        frames.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    if not frames:
        sys.exit(f"nothing can be played of {source}")
    return frames


class StandIn:
    def __init__(self, args):
        self.frame_ns = 10**9 * 1 // args.rate
        self.width = args.width
        caps = (f"video/x-raw,format=I420,width={args.width},height={args.height},"
                f"framerate={args.rate}/1")
        if args.film:
            self.frames = decode(f'filesrc location="{args.film}" ! decodebin', caps)
        else:
            self.frames = decode(f"videotestsrc pattern={args.pattern} num-buffers=30", caps)
        self.pipeline = Gst.parse_launch(
            f"appsrc name=source is-live=true format=time caps={caps} ! "
            "pipewiresink name=sink mode=provide sync=false")
        properties = Gst.Structure.new_empty("properties")
        for name, value in {"media.class": "Video/Source", "node.name": args.node,
                            "node.description": args.description}.items():
            properties.set_value(name, value)
        self.pipeline.get_by_name("sink").set_property("stream-properties", properties)
        self.source = self.pipeline.get_by_name("source")

    def push(self, number):
        frame = bytearray(self.frames[number % len(self.frames)])
        framecode.write(frame, self.width, number & 0xffff)
        buffer = Gst.Buffer.new_wrapped(bytes(frame))
        buffer.pts = number * self.frame_ns
        buffer.duration = self.frame_ns
        self.source.emit("push-buffer", buffer)

    def play(self, start_ns):
        number = 0
        while True:
            wait_ns = start_ns + number * self.frame_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
            self.push(number)
            number += 1

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        start_ns = time.monotonic_ns() + 50_000_000
        print(start_ns, self.frame_ns, flush=True)
        threading.Thread(target=self.play, args=[start_ns], daemon=True).start()
        loop = GLib.MainLoop()
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _bus, message: (
            print(message.parse_error(), file=sys.stderr), loop.quit()))
        loop.run()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("node")
    parser.add_argument("description")
    parser.add_argument("--film", type=pathlib.Path)
    parser.add_argument("--pattern", default="smpte")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--rate", type=int, default=30)
    args = parser.parse_args()
    Gst.init(None)
    StandIn(args).run()


if __name__ == "__main__":
    main()
