#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The dispatcher from Python, with GLib's main loop."""
import gc
import sys
import threading
import unittest
import weakref

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gio, GLib, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT = 20 * Gst.SECOND
Error = GstStreamlib.DispatcherError


class Served(unittest.TestCase):
    """The main thread runs a loop, and a thread calls."""

    def setUp(self):
        self.context = GLib.MainContext()
        self.dispatcher = GstStreamlib.Dispatcher.new(self.context)
        self.loop = GLib.MainLoop.new(self.context, False)

    def run_beside(self, function):
        """The result of a function that runs in another thread while the loop runs here."""
        outcome = {}

        def run():
            try:
                outcome["value"] = function()
            except BaseException as error:
                outcome["error"] = error
            # As a source: it ends a loop that has not begun, too.
            quit_source = GLib.idle_source_new()
            quit_source.set_callback(lambda *_: self.loop.quit())
            quit_source.attach(self.context)
        thread = threading.Thread(target=run)
        thread.start()
        self.loop.run()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def expect(self, code, function):
        with self.assertRaises(GLib.Error) as caught:
            function()
        self.assertEqual(caught.exception.domain, "gst-sl-dispatcher-error-quark")
        self.assertTrue(caught.exception.matches(GstStreamlib.dispatcher_error_quark(), code),
                        caught.exception)
        return caught.exception.message

    def test_result_and_thread(self):
        def work(number, text):
            self.assertTrue(self.dispatcher.is_runtime_thread())
            return threading.get_ident(), number, [text]
        self.assertEqual(self.run_beside(lambda: self.dispatcher.invoke("work", work, 5, "x")),
                         (threading.get_ident(), 5, ["x"]))
        self.assertIsNone(self.run_beside(lambda: self.dispatcher.invoke("none", lambda: None)))

    def test_exception_is_raised_where_it_was_called(self):
        def work():
            return {}["lamp"]
        with self.assertRaises(KeyError):
            self.run_beside(lambda: self.dispatcher.invoke("work", work))

    def test_posted_ones_keep_their_order(self):
        order = []
        for number in range(100):
            self.dispatcher.invoke_async("early", order.append, number)
        self.assertEqual(order, [])
        self.run_beside(lambda: self.dispatcher.invoke("last", order.append, 100))
        self.assertEqual(order, list(range(101)))
        stats = self.dispatcher.get_stats()
        self.assertEqual(stats.get_value("run"), 101)

    def test_exception_of_a_posted_one(self):
        hooked = []
        hook, sys.excepthook = sys.excepthook, lambda *what: hooked.append(what[0])
        try:
            self.dispatcher.invoke_async("bad", lambda: 1 / 0)
            self.run_beside(lambda: self.dispatcher.invoke("good", lambda: None))
        finally:
            sys.excepthook = hook
        self.assertEqual(hooked, [ZeroDivisionError])

    def test_inside_another(self):
        def outer():
            return self.dispatcher.invoke("inner", lambda: "from inside")
        self.assertEqual(self.run_beside(lambda: self.dispatcher.invoke("outer", outer)),
                         "from inside")

    def test_no_loop(self):
        result = []

        def call():
            result.append(self.expect(Error.NEVER_RAN, lambda: self.dispatcher.invoke(
                "open", lambda: None, timeout=50 * Gst.MSECOND)))
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        self.assertIn("open", result[0])

    def test_busy_with_what(self):
        entered, release = threading.Event(), threading.Event()

        def long_work():
            entered.set()
            release.wait(20)

        def call():
            self.dispatcher.invoke_async("long work", long_work)
            entered.wait(20)
            try:
                return self.expect(Error.BUSY, lambda: self.dispatcher.invoke(
                    "short", lambda: None, timeout=50 * Gst.MSECOND))
            finally:
                release.set()
        self.assertIn("long work", self.run_beside(call))

    def test_late_exception_is_not_lost(self):
        """Nobody waits for it any more."""
        hooked = []
        hook, sys.excepthook = sys.excepthook, lambda *what: hooked.append(what[0])
        release = threading.Event()

        def late():
            release.wait(20)
            raise KeyError("late")

        def call():
            try:
                self.expect(Error.BUSY, lambda: self.dispatcher.invoke(
                    "late", late, timeout=50 * Gst.MSECOND))
            finally:
                release.set()
            self.dispatcher.invoke("after", lambda: None, timeout=LIMIT)
        try:
            self.run_beside(call)
        finally:
            sys.excepthook = hook
        self.assertEqual(hooked, [KeyError])

    def test_cancelled(self):
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        with self.assertRaises(GLib.Error) as caught:
            self.run_beside(lambda: self.dispatcher.invoke("work", lambda: None,
                                                           cancellable=cancellable))
        self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))

    def test_loop_that_is_quit_and_run_again(self):
        for number in range(3):
            self.assertEqual(self.run_beside(lambda: self.dispatcher.invoke("n", lambda: number)),
                             number)
            # No loop runs now; the thread is still the one.
            self.assertEqual(self.dispatcher.invoke("own", lambda: -number), -number)

    def test_what_is_left_is_dropped(self):
        class Thing:
            pass
        thing = Thing()
        gone = weakref.ref(thing)
        self.dispatcher.invoke_async("never", lambda kept: None, thing)
        del thing
        self.assertIsNotNone(gone())
        self.dispatcher = None
        gc.collect()
        self.assertIsNone(gone())


class InAPipeline(unittest.TestCase):
    def test_state_change_waits_for_the_caller(self):
        """The main thread stops the processor that calls it: the call is answered at once."""
        answers = []
        entered = threading.Event()

        class Calling(GstStreamlib.Processor):
            def do_process(self, pad, buffer):
                entered.set()
                dispatcher = self.get_runtime().get_dispatcher()
                try:
                    dispatcher.invoke("from process", lambda: None, timeout=LIMIT)
                except GLib.Error as error:
                    answers.append(error)
                    return Gst.FlowReturn.FLUSHING
                return buffer
        any_caps = Gst.Caps.new_any()
        Calling.set_metadata("Calling", "Generic", "Calls", "The gst-streamlib authors")
        Calling.add_pad_template(Gst.PadTemplate.new_with_gtype(
            "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, any_caps,
            GstStreamlib.LinkPad.__gtype__))
        Calling.add_pad_template(Gst.PadTemplate.new(
            "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, any_caps))
        pipeline = Gst.Pipeline.new(None)
        source = Gst.ElementFactory.make("fakesrc")
        calling = Calling()
        sink = Gst.ElementFactory.make("fakesink")
        for element in (source, calling, sink):
            pipeline.add(element)
        source.link(calling)
        calling.link(sink)
        pipeline.set_state(Gst.State.PLAYING)
        self.assertTrue(entered.wait(20))
        self.assertEqual(pipeline.set_state(Gst.State.NULL), Gst.StateChangeReturn.SUCCESS)
        self.assertEqual(len(answers), 1)
        self.assertTrue(answers[0].matches(GstStreamlib.dispatcher_error_quark(),
                                           Error.WAITS_FOR_CALLER), answers[0])


if __name__ == "__main__":
    unittest.main()
