#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A processor in Python: it tells the application when a picture gets bright or dark.

Run it: it looks at a film that blinks, and says how often that was seen. An exception in a method
that GStreamer calls becomes an error of the element, so nothing is caught here.
"""
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gst, GstStreamlib  # noqa: E402

Gst.init(None)

GRAY = Gst.Caps.from_string("video/x-raw, format=GRAY8")


class Brightness(GstStreamlib.Processor):
    """Posts an element message "brightness" at each change."""

    def __init__(self):
        super().__init__()
        self.was_bright = None

    def do_process(self, pad, buffer):
        pixels = buffer.extract_dup(0, buffer.get_size())
        is_bright = sum(pixels) / len(pixels) > 127
        if is_bright != self.was_bright:
            self.was_bright = is_bright
            change = Gst.Structure.new_empty("brightness")
            change.set_value("bright", is_bright)
            change.set_value("at", buffer.pts)
            self.post_message(Gst.Message.new_element(self, change))
        return buffer


Brightness.set_metadata("Brightness", "Filter/Analyzer", Brightness.__doc__,
                        "The gst-streamlib authors")
# The type of the sink pad is what makes it a link.
Brightness.add_pad_template(Gst.PadTemplate.new_with_gtype(
    "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, GRAY, GstStreamlib.LinkPad.__gtype__))
Brightness.add_pad_template(Gst.PadTemplate.new(
    "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, GRAY))


def main():
    pipeline = Gst.Pipeline.new(None)
    source = Gst.ElementFactory.make("videotestsrc")
    source.set_property("num-buffers", 20)
    Gst.util_set_object_arg(source, "pattern", "blink")
    eye = Brightness()
    sink = Gst.ElementFactory.make("fakesink")
    for element in (source, eye, sink):
        pipeline.add(element)
    source.link(eye)
    eye.link(sink)
    pipeline.set_state(Gst.State.PLAYING)

    changes = 0
    while True:
        message = pipeline.get_bus().timed_pop_filtered(
            30 * Gst.SECOND,
            Gst.MessageType.ELEMENT | Gst.MessageType.EOS | Gst.MessageType.ERROR)
        if message is None or message.type != Gst.MessageType.ELEMENT:
            break
        if message.has_name("brightness"):
            changes += 1
    pipeline.set_state(Gst.State.NULL)
    print(f"{changes} changes in 20 pictures")
    return 0 if message is not None and message.type == Gst.MessageType.EOS and changes == 20 else 1


if __name__ == "__main__":
    sys.exit(main())
