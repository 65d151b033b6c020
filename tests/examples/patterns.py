#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three ways to work with an interface that insists on the application's thread, here a film writer.

Open it when the first frame comes, share it with the runtime thread, or wait for its end. Run it:
each way writes thirty frames.
"""
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

FRAMES = 30
VIDEO = Gst.Caps.from_string("video/x-raw")


class Writer:
    """The platform's writer."""

    def __init__(self):
        self.home = threading.get_ident()
        self.frames = 0
        self.finished = False

    def append(self, buffer):
        assert threading.get_ident() == self.home
        self.frames += 1

    def finish(self):
        assert threading.get_ident() == self.home
        self.finished = True


class Recorder(GstStreamlib.Processor):
    """What the three have in common."""

    def __init__(self):
        super().__init__()
        self.writer = None

    def dispatcher(self):
        return self.get_runtime().get_dispatcher()


class Lazy(Recorder):
    """Opens the writer when the first frame comes: by then the application's main loop runs."""

    def do_process(self, pad, buffer):
        if self.writer is None:
            self.writer = self.invoke("open the writer", Writer)
        self.invoke("append a frame", self.writer.append, buffer)
        return buffer


class Shared(Recorder):
    """Nobody waits: what both threads use stands in one object, under one lock."""

    def __init__(self):
        super().__init__()
        self.guard = threading.Lock()

    def do_setup(self):
        self.dispatcher().invoke_async("open the writer", self.open)

    def do_process(self, pad, buffer):
        # Closures run in the order of their posting: the writer is there.
        self.dispatcher().invoke_async("append a frame", self.append, buffer)
        return buffer

    def open(self):
        with self.guard:
            self.writer = Writer()

    def append(self, buffer):
        with self.guard:
            self.writer.append(buffer)


class Finishing(Lazy):
    """The end is waited for: when the element is stopped the film is whole."""

    def do_teardown(self):
        # Not self.invoke(), which ends when the processor is stopped.
        if self.writer is not None:
            self.dispatcher().invoke("finish", self.writer.finish)


def describe(klass):
    klass.set_metadata(klass.__name__, "Filter/Video", klass.__doc__, "The gst-streamlib authors")
    klass.add_pad_template(Gst.PadTemplate.new_with_gtype(
        "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, VIDEO,
        GstStreamlib.LinkPad.__gtype__))
    klass.add_pad_template(Gst.PadTemplate.new(
        "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, VIDEO))


for way in (Lazy, Shared, Finishing):
    describe(way)


def write_film(recorder):
    loop = GLib.MainLoop()
    ends = []

    def on_message(_bus, message):
        if message.type in (Gst.MessageType.EOS, Gst.MessageType.ERROR):
            ends.append(message.type)
            loop.quit()

    pipeline = Gst.Pipeline.new(None)
    source = Gst.ElementFactory.make("videotestsrc")
    source.set_property("num-buffers", FRAMES)
    sink = Gst.ElementFactory.make("fakesink")
    for element in (source, recorder, sink):
        pipeline.add(element)
    source.link(recorder)
    recorder.link(sink)
    bus = pipeline.get_bus()
    bus.add_signal_watch()
    bus.connect("message", on_message)
    pipeline.set_state(Gst.State.PLAYING)
    loop.run()
    bus.remove_signal_watch()
    pipeline.set_state(Gst.State.NULL)
    # What was posted and not waited for may still be there.
    context = GLib.MainContext.default()
    while context.iteration(False):
        pass
    print(f"{type(recorder).__name__}: {recorder.writer.frames} frames")
    return ends == [Gst.MessageType.EOS] and recorder.writer.frames == FRAMES


def main():
    finishing = Finishing()
    worked = [write_film(recorder) for recorder in (Lazy(), Shared(), finishing)]
    return 0 if all(worked) and finishing.writer.finished else 1


if __name__ == "__main__":
    sys.exit(main())
