#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Steps that await, written in Python."""
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gio, GLib, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT = 20 * Gst.SECOND
DELAY_MS = 100


class Delayed(GstStreamlib.Processor):
    """Gives numbers, each after a while."""

    def __init__(self, fails=False):
        super().__init__()
        self.set_execution(GstStreamlib.Execution.CONTINUOUS)
        self.set_property("scheduling", GstStreamlib.Scheduling.ASYNC)
        self.set_property("interval", 0)
        self.set_live(True)
        self.fails = fails
        self.count = 0
        self.threads = set()

    def do_process_async(self, pad, buffer, cancellable, callback, *_):
        task = Gio.Task.new(self, cancellable, lambda source, result: callback(source, result))
        timer = GLib.timeout_source_new(DELAY_MS)
        timer.set_callback(self.end, task)
        timer.attach(GLib.MainContext.get_thread_default())

    def end(self, task):
        self.threads.add(threading.get_ident())
        if self.fails:
            task.return_error(GLib.Error("the well is dry", "python-test", 7))
        else:
            task.return_boolean(True)
        return GLib.SOURCE_REMOVE

    def do_process_finish(self, task):
        task.propagate_boolean()
        self.count += 1
        buffer = Gst.Buffer.new_allocate(None, 8, None)
        buffer.offset = self.count
        last = self.count == 3
        return (Gst.FlowReturn.EOS if last else Gst.FlowReturn.OK), buffer


Delayed.set_metadata("Delayed", "Generic", Delayed.__doc__, "The gst-streamlib authors")
Delayed.add_pad_template(Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS,
                                             Gst.Caps.new_any()))


def run(source):
    """The message that ends the stream of `source`, and the numbers that came."""
    pipeline = Gst.Pipeline.new(None)
    sink = Gst.ElementFactory.make("fakesink")
    sink.set_property("signal-handoffs", True)
    numbers = []
    sink.connect("handoff", lambda sink, buffer, pad: numbers.append(buffer.offset))
    pipeline.add(source)
    pipeline.add(sink)
    source.link(sink)
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(LIMIT,
                                                    Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    return message, numbers


class Await(unittest.TestCase):

    def test_each_step_awaits(self):
        source = Delayed()
        began = time.monotonic()
        message, numbers = run(source)
        self.assertEqual(message.type, Gst.MessageType.EOS)
        self.assertEqual(numbers, [1, 2, 3])
        self.assertGreaterEqual(time.monotonic() - began, 3 * DELAY_MS / 1000)
        self.assertEqual(len(source.threads), 1)
        self.assertNotIn(threading.get_ident(), source.threads)

    def test_error_of_the_operation_is_that_of_the_element(self):
        message, numbers = run(Delayed(fails=True))
        self.assertEqual(message.type, Gst.MessageType.ERROR)
        error, _ = message.parse_error()
        self.assertEqual((error.domain, error.code, error.message),
                         ("python-test", 7, "the well is dry"))
        self.assertEqual(numbers, [])


if __name__ == "__main__":
    unittest.main()
