#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A whole processor in Python: it lights a lamp while its sound is loud.

Lamps are fragile: only the thread that opened one may touch it, as it is with windows on many
platforms. Run it: it plays a tone, holds it back for a moment, and then tries a lamp that is not
there.
"""
import array
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

BUFFERS = 50
PAUSE_MS = 200
SOUND = Gst.Caps.from_string("audio/x-raw, format=S16LE, rate=44100")


class Lamp:
    """The platform's lamp. It insists on its thread."""

    def __init__(self, device):
        if device != "desk":
            raise GLib.Error.new_literal(Gst.ResourceError.quark(),
                                         f'There is no lamp "{device}". Take "desk".',
                                         Gst.ResourceError.NOT_FOUND)
        self.owner = threading.get_ident()
        self.lit = False
        self.switched = 0

    def switch(self, lit):
        assert threading.get_ident() == self.owner
        self.switched += lit != self.lit
        self.lit = lit


class LampProcessor(GstStreamlib.Processor):
    """Lights a lamp while its sound is loud."""

    def __init__(self, device="desk"):
        super().__init__()
        self.device = device
        self.lamp = None
        self.loud = False

    def do_setup(self):
        # What this raises ends the state change, as an error of the element.
        self.lamp = self.invoke("open the lamp", Lamp, self.device)

    def do_process(self, pad, buffer):
        samples = array.array("h", buffer.extract_dup(0, buffer.get_size()))
        loud = max(samples) > 32767 // 4
        if loud != self.loud:
            self.loud = loud
            # At a change only: it waits for the application.
            self.invoke("switch the lamp", self.lamp.switch, loud)
            change = Gst.Structure.new_empty("lamp")
            change.set_value("lit", loud)
            self.post_message(Gst.Message.new_element(self, change))
        return buffer

    def do_teardown(self):
        # It waits until the lamp is off.
        if self.lamp is not None:
            self.get_runtime().get_dispatcher().invoke("close the lamp", self.lamp.switch, False)


LampProcessor.set_metadata("Lamp", "Filter/Audio", LampProcessor.__doc__,
                           "The gst-streamlib authors")
# The type of the sink pad is what makes it a link.
LampProcessor.add_pad_template(Gst.PadTemplate.new_with_gtype(
    "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, SOUND, GstStreamlib.LinkPad.__gtype__))
LampProcessor.add_pad_template(Gst.PadTemplate.new(
    "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, SOUND))


class Application:
    """Plays a tone through a processor."""

    def __init__(self, processor):
        self.processor = processor
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new(None)
        self.paused_at = None
        self.went_on_at = None
        self.end = None
        source = Gst.ElementFactory.make("audiotestsrc")
        source.set_property("num-buffers", BUFFERS)
        source.set_property("samplesperbuffer", 441)
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", True)
        for element in (source, processor, sink):
            self.pipeline.add(element)
        source.link(processor)
        processor.link(sink)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def processed(self):
        return self.processor.get_property("stats").get_value("popped")

    def on_message(self, _bus, message):
        if message.has_name("lamp") and self.paused_at is None:
            # The lamp is lit: hold the sound back for a moment.
            self.processor.set_property("paused", True)
            self.paused_at = self.processed()
            GLib.timeout_add(PAUSE_MS, self.go_on)
        elif message.type in (Gst.MessageType.EOS, Gst.MessageType.ERROR):
            self.end = message
            self.loop.quit()

    def go_on(self):
        self.went_on_at = self.processed()
        self.processor.set_property("paused", False)
        return GLib.SOURCE_REMOVE

    def play(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        processed = self.processed()
        self.pipeline.set_state(Gst.State.NULL)
        return processed


def play():
    processor = LampProcessor()
    application = Application(processor)
    processed = application.play()
    while_paused = application.went_on_at - application.paused_at
    switched = processor.lamp.switched
    print(f"{processed} buffers, {while_paused} of them while paused; "
          f"the lamp was switched {switched} times")
    # A buffer that was under way when the pause began is not held back.
    return (application.end.type == Gst.MessageType.EOS and processed == BUFFERS
            and while_paused <= 1 and switched == 2)


def fail():
    """What a user sees when the set-up fails."""
    application = Application(LampProcessor("street"))
    application.play()
    error, _debug = application.end.parse_error()
    print(error.message)
    return error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND)


if __name__ == "__main__":
    sys.exit(0 if play() and fail() else 1)
