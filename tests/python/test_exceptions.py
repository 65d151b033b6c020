#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of an exception in a method that GStreamer calls, and what do_process() may return."""
import sys
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, GObject, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT = 20 * Gst.SECOND
ANY = Gst.Caps.new_any()


def describe(klass, with_sink=True):
    klass.set_metadata(klass.__name__, "Generic", klass.__name__, "The gst-streamlib authors")
    if with_sink:
        klass.add_pad_template(Gst.PadTemplate.new_with_gtype(
            "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, ANY,
            GstStreamlib.LinkPad.__gtype__))
    klass.add_pad_template(Gst.PadTemplate.new(
        "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, ANY))
    return klass


class Mistake(Exception):
    """What the methods here raise."""


def raising(name):
    """A class whose method `name` raises."""
    def method(self, *args):
        raise Mistake("the lamp is out")
    method.__name__ = name
    return describe(type(f"Raises_{name}", (GstStreamlib.Processor,), {name: method}))


def returning(function):
    """A class whose do_process() is `function`."""
    return describe(type(f"Returns_{function.__name__}", (GstStreamlib.Processor,),
                         {"do_process": function}))


class Pipelines(unittest.TestCase):
    def setUp(self):
        self.pipeline = Gst.Pipeline.new(None)
        self.numbers = []
        self.hooked = []
        self.hook, sys.excepthook = sys.excepthook, lambda *what: self.hooked.append(what[1])

    def tearDown(self):
        self.pipeline.set_state(Gst.State.NULL)
        sys.excepthook = self.hook
        self.pipeline.get_bus().set_flushing(True)

    def build(self, processor, buffers=10):
        # It numbers its buffers in their offsets.
        source = Gst.ElementFactory.make("videotestsrc")
        source.set_property("num-buffers", buffers)
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("signal-handoffs", True)
        sink.connect("handoff", lambda _sink, buffer, _pad: self.numbers.append(buffer.offset))
        for element in (source, processor, sink):
            self.pipeline.add(element)
        self.assertTrue(source.link(processor))
        self.assertTrue(processor.link(sink))

    def play(self, processor, buffers=10):
        self.build(processor, buffers)
        return self.pipeline.set_state(Gst.State.PLAYING)

    def next_message(self):
        message = self.pipeline.get_bus().timed_pop_filtered(
            LIMIT, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.assertIsNotNone(message, "neither EOS nor an error")
        return message

    def expect_error(self, processor, method):
        """An error that names element, method and exception, with the traceback."""
        message = self.next_message()
        self.assertEqual(message.type, Gst.MessageType.ERROR)
        self.assertEqual(message.src, processor)
        error, debug = message.parse_error()
        for part in (processor.get_name(), f".{method}()", "Mistake: the lamp is out"):
            self.assertIn(part, error.message)
        self.assertIn("Traceback (most recent call last)", debug)
        self.assertIn("test_exceptions.py", debug)
        self.assertNotIn("guarded", debug)
        self.assertEqual(self.hooked, [], "it was said twice")
        return error

    def expect_no_error(self):
        self.assertIsNone(self.pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR))


class Exceptions(Pipelines):
    def test_process(self):
        processor = raising("do_process")()
        self.play(processor, 1000)
        self.expect_error(processor, "do_process")
        self.assertEqual(self.numbers, [])
        # The source is told, too: without that it would go on.
        self.assertIs(self.next_message().type, Gst.MessageType.ERROR)

    def test_process_is_not_called_again(self):
        calls = []

        def do_process(self, pad, buffer):
            calls.append(buffer)
            raise Mistake("the lamp is out")
        processor = returning(do_process)()
        self.play(processor, 1000)
        self.expect_error(processor, "do_process")
        self.pipeline.set_state(Gst.State.NULL)
        self.assertEqual(len(calls), 1)

    def test_process_list(self):
        class Lists(GstStreamlib.Processor):
            def do_process(self, pad, buffer):
                return buffer

            def do_process_list(self, pad, buffers):
                raise Mistake("the lamp is out")
        processor = describe(Lists)()
        self.build(processor)
        self.pipeline.set_state(Gst.State.PAUSED)
        self.pipeline.get_state(LIMIT)
        buffers = Gst.BufferList.new()
        buffers.insert(-1, Gst.Buffer.new_wrapped(b"x"))
        processor.get_static_pad("sink").get_peer().push_list(buffers)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.expect_error(processor, "do_process_list")

    def test_setup(self):
        processor = raising("do_setup")()
        self.assertEqual(self.play(processor), Gst.StateChangeReturn.FAILURE)
        error = self.expect_error(processor, "do_setup")
        self.assertTrue(error.matches(Gst.LibraryError.quark(), Gst.LibraryError.INIT))
        self.expect_no_error()

    def test_start(self):
        processor = raising("do_start")()
        processor.set_execution(GstStreamlib.Execution.MANUAL)
        self.assertEqual(self.play(processor), Gst.StateChangeReturn.FAILURE)
        self.expect_error(processor, "do_start")
        self.expect_no_error()

    def test_stop_and_teardown(self):
        for method in ("do_stop", "do_teardown"):
            with self.subTest(method):
                self.pipeline = Gst.Pipeline.new(None)
                processor = raising(method)()
                processor.set_execution(GstStreamlib.Execution.MANUAL)
                self.play(processor)
                # NULL would empty the bus.
                self.pipeline.set_state(Gst.State.READY)
                error = self.expect_error(processor, method)
                self.assertTrue(error.matches(Gst.LibraryError.quark(), Gst.LibraryError.SHUTDOWN))
                self.pipeline.set_state(Gst.State.NULL)

    def test_set_caps_is_not_negotiated(self):
        processor = raising("do_set_caps")()
        source = Gst.ElementFactory.make("videotestsrc")
        sink = Gst.ElementFactory.make("fakesink")
        for element in (source, processor, sink):
            self.pipeline.add(element)
        source.link(processor)
        processor.link(sink)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.expect_error(processor, "do_set_caps")
        error, debug = self.next_message().parse_error()
        self.assertIn("not-negotiated", debug)

    def test_sink_event(self):
        processor = raising("do_sink_event")()
        self.play(processor)
        self.expect_error(processor, "do_sink_event")

    def test_change_state(self):
        processor = raising("do_change_state")()
        self.assertEqual(self.play(processor), Gst.StateChangeReturn.FAILURE)
        self.expect_error(processor, "do_change_state")
        processor.set_locked_state(True)

    def test_query(self):
        processor = raising("do_query")()
        self.build(processor)
        self.assertFalse(processor.query(Gst.Query.new_latency()))
        self.expect_error(processor, "do_query")

    def test_properties(self):
        class ByMethods(GstStreamlib.Processor):
            __gproperties__ = {"level": (int, "Level", "Level", 0, 10, 7,
                                         GObject.ParamFlags.READWRITE)}

            def do_get_property(self, spec):
                raise Mistake("the lamp is out")

            def do_set_property(self, spec, value):
                raise Mistake("the lamp is out")

        class ByDecorator(GstStreamlib.Processor):
            @GObject.Property(type=int, default=7)
            def level(self):
                raise Mistake("the lamp is out")

            @level.setter
            def level(self, value):
                raise Mistake("the lamp is out")
        for klass in (ByMethods, ByDecorator):
            with self.subTest(klass.__name__):
                processor = describe(klass)()
                self.pipeline = Gst.Pipeline.new(None)
                self.build(processor)
                self.assertEqual(processor.get_property("level"), 7)
                self.expect_error(processor, "do_get_property")
                processor.set_property("level", 9)
                error = self.expect_error(processor, "do_set_property")
                self.assertTrue(error.matches(Gst.LibraryError.quark(),
                                              Gst.LibraryError.SETTINGS))

    def test_post_message_that_raises_ends(self):
        """It cannot be posted, so the hook of Python gets it."""
        processor = raising("do_post_message")()
        self.build(processor)
        self.assertFalse(processor.post_message(Gst.Message.new_latency(processor)))
        self.assertGreaterEqual(len(self.hooked), 1)
        self.assertIsInstance(self.hooked[0], Mistake)

    def test_without_a_bus(self):
        """An element outside a pipeline has nobody to tell."""
        processor = raising("do_query")()
        self.assertFalse(processor.query(Gst.Query.new_latency()))
        self.assertIsInstance(self.hooked[0], Mistake)

    def test_error_of_glib_keeps_its_domain(self):
        def do_process(self, pad, buffer):
            raise GLib.Error.new_literal(Gst.ResourceError.quark(), "The disk is full.",
                                         Gst.ResourceError.NO_SPACE_LEFT)
        processor = returning(do_process)()
        self.play(processor)
        error, debug = self.next_message().parse_error()
        self.assertTrue(error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NO_SPACE_LEFT))
        self.assertIn("The disk is full.", error.message)
        self.assertIn("do_process()", error.message)
        self.assertIn("Traceback", debug)

    def test_exit_is_an_error(self):
        """sys.exit() in a streaming thread would end nothing, or everything."""
        def do_process(self, pad, buffer):
            sys.exit(3)
        self.play(returning(do_process)())
        error, _debug = self.next_message().parse_error()
        self.assertIn("SystemExit: 3", error.message)

    def test_chained_up_exception_can_be_caught(self):
        """And what is not caught is said once, for the method that GStreamer called."""
        class Base(GstStreamlib.Processor):
            def do_process(self, pad, buffer):
                raise Mistake("the lamp is out")

        class Careful(Base):
            def do_process(self, pad, buffer):
                try:
                    return super().do_process(pad, buffer)
                except Mistake:
                    return buffer
        describe(Base)
        self.play(describe(Careful)())
        self.assertEqual(self.next_message().type, Gst.MessageType.EOS)
        self.assertEqual(len(self.numbers), 10)
        with self.assertRaises(Mistake):
            Base().do_process(None, None)


class Answers(Pipelines):
    def run_with(self, function, buffers=10):
        processor = returning(function)()
        self.play(processor, buffers)
        message = self.next_message()
        return message.type == Gst.MessageType.EOS or message.parse_error()

    def test_buffer(self):
        def do_process(self, pad, buffer):
            return buffer
        self.assertIs(self.run_with(do_process), True)
        self.assertEqual(self.numbers, list(range(10)))

    def test_nothing(self):
        def do_process(self, pad, buffer):
            pass
        self.assertIs(self.run_with(do_process), True)
        self.assertEqual(self.numbers, [])

    def test_flow_only(self):
        def do_process(self, pad, buffer):
            if buffer.offset < 3:
                self.push(None, buffer)
                return Gst.FlowReturn.OK
            return Gst.FlowReturn.EOS
        self.assertIs(self.run_with(do_process), True)
        self.assertEqual(self.numbers, [0, 1, 2])

    def test_list(self):
        def do_process(self, pad, buffer):
            twin = buffer.copy_deep()
            twin.offset = 100 + buffer.offset
            return [buffer, None, twin]
        self.assertIs(self.run_with(do_process, 2), True)
        self.assertEqual(self.numbers, [0, 100, 1, 101])

    def test_generator(self):
        def do_process(self, pad, buffer):
            for i in range(2):
                new = Gst.Buffer.new_wrapped(bytes([i]))
                new.offset = 10 * buffer.offset + i
                yield new
        self.assertIs(self.run_with(do_process, 2), True)
        self.assertEqual(self.numbers, [0, 1, 10, 11])

    def test_generator_that_raises(self):
        def do_process(self, pad, buffer):
            yield buffer
            raise Mistake("the lamp is out")
        error, debug = self.run_with(do_process)
        self.assertIn("Mistake: the lamp is out", error.message)
        self.assertEqual(self.numbers, [0])

    def test_what_is_no_answer(self):
        for wrong in ("a string", True, (1, 2, 3), (Gst.FlowReturn.OK, "x"), ["x"], 12345):
            with self.subTest(wrong):
                self.tearDown()
                self.setUp()

                def do_process(self, pad, buffer, wrong=wrong):
                    return wrong
                error, debug = self.run_with(do_process)
                self.assertIn("do_process() raised", error.message)
                self.assertIn("Error", error.message)

    def test_forgotten_true(self):
        class Forgetful(GstStreamlib.Processor):
            def do_setup(self):
                pass

            def do_sink_event(self, pad, event):
                GstStreamlib.Processor.do_sink_event(self, pad, event)

            def do_set_caps(self, pad, caps):
                self.set_src_caps(None, caps)
        self.play(describe(Forgetful)())
        self.assertEqual(self.next_message().type, Gst.MessageType.EOS)
        self.assertEqual(len(self.numbers), 10)

    def test_false_is_a_failure(self):
        class Refusing(GstStreamlib.Processor):
            def do_setup(self):
                return False
        self.assertEqual(self.play(describe(Refusing)()), Gst.StateChangeReturn.FAILURE)
        error, _debug = self.next_message().parse_error()
        self.assertEqual(error.message, "The processor could not be set up.")

    def test_setup_that_reports_says_it_once(self):
        class Reporting(GstStreamlib.Processor):
            def do_setup(self):
                self.report_error(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND,
                                  "There is no lamp. Buy one.")
                return False
        self.assertEqual(self.play(describe(Reporting)()), Gst.StateChangeReturn.FAILURE)
        error, _debug = self.next_message().parse_error()
        self.assertEqual(error.message, "There is no lamp. Buy one.")
        self.expect_no_error()


if __name__ == "__main__":
    unittest.main()
