#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Processors that are written in Python."""
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT = 20 * Gst.SECOND
ANY = Gst.Caps.new_any()


def describe(klass, *templates):
    """Gives a class what a factory would show; needs no gst-python."""
    klass.set_metadata(klass.__name__, "Generic", klass.__doc__, "The gst-streamlib authors")
    for name, direction, presence in templates:
        gtype = GstStreamlib.LinkPad if direction == Gst.PadDirection.SINK else Gst.Pad
        klass.add_pad_template(
            Gst.PadTemplate.new_with_gtype(name, direction, presence, ANY, gtype.__gtype__))


SINK = ("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS)
SINKS = ("sink_%u", Gst.PadDirection.SINK, Gst.PadPresence.REQUEST)
SRC = ("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS)


class Renumber(GstStreamlib.Processor):
    """Gives each buffer its number, and drops every third one."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.threads = set()
        self.count = 0

    def do_setup(self):
        self.calls.append("setup")
        return True

    def do_teardown(self):
        self.calls.append("teardown")

    def do_process(self, pad, buffer):
        self.threads.add(threading.get_ident())
        self.count += 1
        if self.count % 3 == 0:
            return Gst.FlowReturn.OK, None
        buffer.offset = self.count
        return Gst.FlowReturn.OK, buffer

    def do_sink_event(self, pad, event):
        self.calls.append(event.type.get_name(event.type))
        return GstStreamlib.Processor.do_sink_event(self, pad, event)


describe(Renumber, SINK, SRC)


class PooledSource(GstStreamlib.Processor):
    """Makes 300 buffers out of a pool of four."""

    def __init__(self):
        super().__init__()
        self.set_execution(GstStreamlib.Execution.CONTINUOUS)
        self.set_property("interval", 0)
        self.made = 0
        self.pool = None

    def do_setup(self):
        self.pool = GstStreamlib.BufferPool.new()
        config = self.pool.get_config()
        Gst.BufferPool.config_set_params(config, None, 64, 32, 32)
        return self.pool.set_config(config) and self.pool.set_active(True)

    def do_teardown(self):
        self.pool.set_active(False)

    def do_process(self, pad, buffer):
        if self.made == 300:
            return Gst.FlowReturn.EOS, None
        if self.made == 0:
            self.set_src_caps(None, Gst.Caps.from_string("application/x-pooled"))
        flow, output = self.pool.acquire_buffer(None)
        if flow != Gst.FlowReturn.OK:
            self.report_error(Gst.ResourceError.quark(), Gst.ResourceError.NO_SPACE_LEFT,
                              "The pool is empty: buffers are not given back.", None)
            return Gst.FlowReturn.ERROR, None
        output.pts = self.made * Gst.MSECOND
        self.made += 1
        return Gst.FlowReturn.OK, output


describe(PooledSource, SRC)


class Pairs(GstStreamlib.Processor):
    """Joins two streams, buffer by buffer."""

    def __init__(self):
        super().__init__()
        self.pairs = []

    def do_process(self, pad, buffer):
        heads = [sink.pop_buffer() for sink in self.sinkpads]
        sizes = [head.get_size() if head else 0 for head in heads]
        self.pairs.append(sizes)
        output = Gst.Buffer.new_allocate(None, sum(sizes), None)
        output.pts = 0
        return Gst.FlowReturn.OK, output


describe(Pairs, SINKS, SRC)


class Driven(GstStreamlib.Processor):
    """Drives itself."""

    def __init__(self):
        super().__init__()
        self.set_execution(GstStreamlib.Execution.MANUAL)
        self.thread = None
        self.runs = False
        self.flows = set()

    def push_all(self):
        while self.runs:
            buffer = Gst.Buffer.new_allocate(None, 4, None)
            buffer.pts = 0
            self.flows.add(self.push(None, buffer))
            time.sleep(0.001)

    def do_start(self):
        self.runs = True
        self.thread = threading.Thread(target=self.push_all)
        self.thread.start()
        return True

    def do_stop(self):
        self.runs = False
        self.thread.join()


describe(Driven, SRC)


class Broken(GstStreamlib.Processor):
    """Cannot be set up."""

    def do_setup(self):
        raise GLib.Error.new_literal(Gst.ResourceError.quark(), "There is no lamp. Buy one.",
                                     Gst.ResourceError.NOT_FOUND)


describe(Broken, SINK, SRC)


class Failing(GstStreamlib.Processor):
    """Says why it fails."""

    def do_process(self, pad, buffer):
        self.report_error(Gst.StreamError.quark(), Gst.StreamError.DECODE, "That is no film.",
                          "byte 0 is 0")
        return Gst.FlowReturn.ERROR, None


describe(Failing, SINK, SRC)


def chain(*elements):
    pipeline = Gst.Pipeline.new(None)
    for element in elements:
        pipeline.add(element)
    for first, second in zip(elements, elements[1:]):
        assert first.link(second)
    return pipeline


def make(factory, **properties):
    element = Gst.ElementFactory.make(factory)
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    return element


def wait_for(pipeline, kind):
    message = pipeline.get_bus().timed_pop_filtered(
        LIMIT, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message is not None, "neither EOS nor an error"
    assert message.type == kind, message.type == Gst.MessageType.ERROR and message.parse_error()
    return message


class Processors(unittest.TestCase):
    def setUp(self):
        self.pipeline = None

    def tearDown(self):
        self.pipeline.set_state(Gst.State.NULL)

    def play(self, *elements):
        self.pipeline = chain(*elements)
        self.pipeline.set_state(Gst.State.PLAYING)

    def test_filter(self):
        processor = Renumber()
        sink = make("fakesink", signal_handoffs=True)
        numbers = []
        sink.connect("handoff", lambda _sink, buffer, _pad: numbers.append(buffer.offset))
        self.play(make("fakesrc", num_buffers=30, format=Gst.Format.TIME), processor, sink)
        wait_for(self.pipeline, Gst.MessageType.EOS)
        self.assertEqual(numbers, [i for i in range(1, 31) if i % 3])
        self.assertEqual(len(processor.threads), 1)
        self.assertNotIn(threading.get_ident(), processor.threads)
        self.pipeline.set_state(Gst.State.NULL)
        self.assertEqual(processor.calls[0], "setup")
        self.assertEqual(processor.calls[-1], "teardown")
        self.assertEqual(processor.calls[1:-1], ["stream-start", "segment", "eos"])
        self.assertEqual(processor.get_property("stats").get_value("late-joins"), 0)

    def test_buffers_are_given_back(self):
        """Neither what do_process() gets nor what it returns is kept."""
        source, processor = PooledSource(), Renumber()
        self.play(source, processor, make("fakesink"))
        wait_for(self.pipeline, Gst.MessageType.EOS)
        self.assertEqual(source.made, 300)
        self.assertEqual(source.pool.get_misses(), 0)

    def test_join(self):
        pairs = Pairs()
        sources = [make("fakesrc", num_buffers=10, sizetype=2, sizemax=size, do_timestamp=False,
                        format=Gst.Format.TIME) for size in (3, 5)]
        sink = make("fakesink", signal_handoffs=True)
        sizes = []
        sink.connect("handoff", lambda _sink, buffer, _pad: sizes.append(buffer.get_size()))
        self.pipeline = chain(pairs, sink)
        for source in sources:
            self.pipeline.add(source)
            self.assertTrue(source.link(pairs))
        self.pipeline.set_state(Gst.State.PLAYING)
        wait_for(self.pipeline, Gst.MessageType.EOS)
        self.assertEqual(pairs.pairs, [[3, 5]] * 10)
        self.assertEqual(sizes, [8] * 10)

    def test_manual(self):
        processor = Driven()
        self.play(processor, make("fakesink", num_buffers=20, sync=False))
        wait_for(self.pipeline, Gst.MessageType.EOS)
        self.pipeline.set_state(Gst.State.NULL)
        self.assertFalse(processor.thread.is_alive())
        self.assertIn(Gst.FlowReturn.OK, processor.flows)
        self.assertIn(Gst.FlowReturn.EOS, processor.flows)

    def test_setup_error(self):
        self.pipeline = chain(make("fakesrc"), Broken(), make("fakesink"))
        self.assertEqual(self.pipeline.set_state(Gst.State.PLAYING),
                         Gst.StateChangeReturn.FAILURE)
        error, _debug = wait_for(self.pipeline, Gst.MessageType.ERROR).parse_error()
        self.assertEqual(error.message, "There is no lamp. Buy one.")
        self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND))

    def test_reported_error(self):
        self.play(make("fakesrc"), Failing(), make("fakesink"))
        error, debug = wait_for(self.pipeline, Gst.MessageType.ERROR).parse_error()
        self.assertEqual(error.message, "That is no film.")
        self.assertIn("byte 0 is 0", debug)


if __name__ == "__main__":
    unittest.main()
