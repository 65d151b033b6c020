#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plays a film through sllinks, with one status line a second.

An sllink stands behind each decoder and before each sink. Picture and sound go to the display and
the sound device that there are; without one of them to a sink that only keeps time. The exit code is
0 when the film or the time is over and after Ctrl-C, and 1 after an error.

Needs PyGObject and GStreamer's typelibs, but not the overrides of gst-python.
"""
import argparse
import glob
import os
import pathlib
import signal
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstVideo", "1.0")
from gi.repository import GLib, Gst, GstVideo  # noqa: E402

LINK = "sllink"
DROP_REASONS = ("full", "stale", "flush")
# How long a pipeline may take to stop before the process ends without it.
STOP_LIMIT_S = 5


class PlayError(Exception):
    """What went wrong and what to do about it, for the user."""


def make(factory, **properties):
    element = Gst.ElementFactory.make(factory)
    if element is None:
        hint = ("it is built in this checkout: is GST_PLUGIN_PATH set as by 'meson devenv'?"
                if factory == LINK else "'scripts/setup run' installs what is needed")
        raise PlayError(f"GStreamer has no element '{factory}'; {hint}")
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    return element


def opens(element):
    """Whether a sink can reach its device: it does so on the way to READY."""
    works = element.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    element.set_state(Gst.State.NULL)
    return works


def first_that_opens(factories):
    for factory in factories:
        element = Gst.ElementFactory.make(factory)
        if element is not None and opens(element):
            return element
    return None


def find_display():
    """A sink for pictures, or None and why there is none."""
    wayland, x11 = os.environ.get("WAYLAND_DISPLAY"), os.environ.get("DISPLAY")
    if not wayland and not x11:
        return None, "neither WAYLAND_DISPLAY nor DISPLAY is set"
    factories = (["waylandsink"] if wayland else []) + (["xvimagesink", "ximagesink"] if x11 else [])
    factories.append("glimagesink")
    sink = first_that_opens(factories)
    return sink, f"none of {', '.join(factories)} can open {wayland or x11}"


def find_sound():
    """A sink for sound, or None and why there is none."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "/nowhere")
    factories = []
    if os.environ.get("PULSE_SERVER") or os.path.exists(f"{runtime}/pulse/native"):
        factories.append("pulsesink")
    if os.path.exists(f"{runtime}/pipewire-0"):
        factories.append("pipewiresink")
    if glob.glob("/dev/snd/pcm*p"):
        factories.append("alsasink")
    if not factories:
        return None, "there is no PulseAudio, PipeWire or ALSA device"
    return first_that_opens(factories), f"none of {', '.join(factories)} can open a device"


def base_sink(element):
    """The sink itself, where an element is a bin around it, as glimagesink is."""
    if isinstance(element, Gst.Bin):
        return element.get_by_interface(GstVideo.VideoOverlay)
    return element


class Branch:
    """What stands behind one pad of the decoder: link, converters, link, sink."""

    def __init__(self, kind, converters, sink):
        self.kind = kind
        self.links = {f"{kind} decoded": make(LINK), f"{kind} sink": make(LINK)}
        self.sink = sink
        after_decoder, before_sink = self.links.values()
        self.elements = [after_decoder, *map(make, converters), before_sink, sink]

    def join(self, pipeline, pad):
        for element in self.elements:
            pipeline.add(element)
        for left, right in zip(self.elements, self.elements[1:]):
            if not left.link(right):
                raise PlayError(f"{left.name} and {right.name} cannot be linked for the {self.kind}")
        for element in reversed(self.elements):
            # While the film is prerolled the pipeline has no base time yet, with which it sends its
            # elements to PLAYING; one that went there by itself would think that it is hours late.
            if Gst.State.PLAYING == pipeline.get_state(0).state:
                element.sync_state_with_parent()
            else:
                element.set_state(Gst.State.PAUSED)
        result = pad.link(self.elements[0].get_static_pad("sink"))
        if result != Gst.PadLinkReturn.OK:
            raise PlayError(f"the decoder's {self.kind} cannot be linked: {result.value_nick}")

    def sink_count(self, field):
        stats = base_sink(self.sink).get_property("stats")
        return stats.get_value(field) if stats is not None else 0


def milliseconds(stats, field):
    value = stats.get_value(field)
    return "-" if value in (None, Gst.CLOCK_TIME_NONE) else f"{value / 1e6:.1f}"


class Player:
    def __init__(self, film, picture):
        self.film = film
        self.picture = picture
        self.branches = {}
        self.error = None
        self.seconds = 0
        self.shown = 0
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("film")
        self.decoder = make("decodebin")
        source = make("filesrc", location=str(film))
        self.pipeline.add(source)
        self.pipeline.add(self.decoder)
        source.link(self.decoder)
        self.decoder.connect("pad-added", self.on_pad)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::warning", self.on_warning)
        bus.connect("message::element", self.on_element_message)
        bus.connect("message::eos", lambda *_: self.stop("The film is over."))

        self.display, why = find_display()
        if self.display is None:
            print(f"No display ({why}): running without a window; a picture of the last frame is "
                  "left at the end.")
        self.sound, why = find_sound()
        if self.sound is None:
            print(f"No sound device ({why}): running without sound.")

    # In a thread of the decoder.
    def on_pad(self, _decoder, pad):
        kind = (pad.get_current_caps() or pad.query_caps()).get_structure(0).get_name()
        try:
            if kind.startswith("video/x-raw") and "video" not in self.branches:
                sink = self.display or make("fakesink", sync=True, qos=True)
                self.add_branch("video", ["videoconvert"], sink, pad)
            elif kind.startswith("audio/x-raw") and "audio" not in self.branches:
                sink = self.sound or make("fakesink", sync=True)
                self.add_branch("audio", ["audioconvert", "audioresample"], sink, pad)
        except PlayError as error:
            GLib.idle_add(self.fail, str(error))

    def add_branch(self, kind, converters, sink, pad):
        branch = Branch(kind, converters, sink)
        self.branches[kind] = branch
        branch.join(self.pipeline, pad)

    def on_error(self, _bus, message):
        error, debug = message.parse_error()
        if message.src == self.display and error.matches(Gst.ResourceError.quark(),
                                                         Gst.ResourceError.NOT_FOUND):
            self.stop("The window was closed.")
            return
        what = error.message
        if error.domain == "gst-stream-error-quark":
            what = (f"{self.film} cannot be played: {what} Give the path of a film, or none to play "
                    "the default one.")
        self.fail(f"{what}\n  in {message.src.get_path_string()}\n  {debug}")

    def on_warning(self, _bus, message):
        error, _debug = message.parse_warning()
        print(f"{message.src.name}: {error.message}", file=sys.stderr)

    def on_element_message(self, _bus, message):
        structure = message.get_structure()
        if structure.get_name() == "missing-plugin":
            print(f"There is no plugin here for: {structure.get_value('name')}; 'apt-cache search "
                  "gstreamer1.0' shows the packages that have more.", file=sys.stderr)

    def fail(self, text):
        # The first error is the cause of the others.
        self.error = self.error or text
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def stop(self, text):
        print(text, flush=True)
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def on_second(self):
        self.seconds += 1
        print(self.status_line(), flush=True)
        return GLib.SOURCE_CONTINUE

    def status_line(self):
        branches = list(self.branches.values())
        video = self.branches.get("video")
        shown = video.sink_count("rendered") if video else 0
        rate, self.shown = shown - self.shown, shown
        drops = dict.fromkeys((*DROP_REASONS, "late"), 0)
        queueing = []
        for branch in branches:
            for name, link in branch.links.items():
                stats = link.get_property("stats")
                queueing.append(f"{name} {milliseconds(stats, 'queueing-p50')}/"
                                f"{milliseconds(stats, 'queueing-p99')}")
                for reason in DROP_REASONS:
                    drops[reason] += stats.get_value(f"dropped-{reason}") or 0
            drops["late"] += branch.sink_count("dropped")
        dropped = ", ".join(f"{reason} {n}" for reason, n in drops.items() if n) or "none"
        return (f"{self.seconds:4} s  {rate:3} frames/s  queueing p50/p99 in ms: "
                f"{', '.join(queueing) or 'no stream yet'}  dropped: {dropped}")

    def save_picture(self):
        video = self.branches.get("video")
        sample = video and base_sink(video.sink).get_property("last-sample")
        if not sample:
            print("There was no frame to save as a picture.")
            return
        png = GstVideo.video_convert_sample(sample, Gst.Caps.from_string("image/png"),
                                            10 * Gst.SECOND).get_buffer()
        self.picture.parent.mkdir(parents=True, exist_ok=True)
        self.picture.write_bytes(png.extract_dup(0, png.get_size()))
        print(f"The last frame: {self.picture}")

    def run(self, seconds):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self.stop, "Stopped.")
        GLib.timeout_add(1000, self.on_second)
        if seconds:
            GLib.timeout_add(round(seconds * 1000), self.stop, f"{seconds:g} seconds are over.")
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        # Messages that came together with the one that ended the loop.
        while GLib.MainContext.default().iteration(False):
            pass
        try:
            if self.error is None and self.display is None:
                self.save_picture()
        finally:
            self.shut_down()
        if self.error is not None:
            raise PlayError(self.error)

    def shut_down(self):
        def give_up():
            print(f"The pipeline has not stopped within {STOP_LIMIT_S} s; some element does not "
                  "return.", file=sys.stderr, flush=True)
            os._exit(1)

        limit = threading.Timer(STOP_LIMIT_S, give_up)
        limit.daemon = True
        limit.start()
        self.pipeline.set_state(Gst.State.NULL)
        limit.cancel()


def positive(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError
    return value


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/run", description="Plays a film through lock-free links.")
    parser.add_argument("film", type=pathlib.Path, metavar="FILM")
    parser.add_argument("--seconds", type=positive, metavar="N", help="stop after N seconds")
    parser.add_argument("--picture", type=pathlib.Path, default=pathlib.Path("last-frame.png"),
                        help="where the last frame goes when there is no display")
    args = parser.parse_args()
    try:
        if not args.film.exists():
            raise PlayError(f"there is no file {args.film}")
        if not args.film.is_file() or not os.access(args.film, os.R_OK):
            raise PlayError(f"{args.film} is not a file that can be read")
        Gst.init(None)
        Player(args.film, args.picture).run(args.seconds)
    except PlayError as error:
        sys.exit(f"scripts/run: {error}")
    except GLib.Error as error:
        sys.exit(f"scripts/run: {error.message}")


if __name__ == "__main__":
    main()
