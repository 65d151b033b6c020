#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The library as Python sees it: runtime, links, buffer pool, enumerations."""
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, GObject, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT = 20 * Gst.SECOND
LINK_STATS = {
    "policy": GstStreamlib.LinkPolicy, "depth": int, "level": int, "pushed": int, "popped": int,
    "dropped": int, "dropped-full": int, "dropped-stale": int, "dropped-flush": int,
    "wakeups": int, "queueing-p50": int, "queueing-p99": int, "queueing-max": int, "sampled": int,
    "flow": Gst.FlowReturn, "age": int, "age-max": int, "age-samples": int}


def nicks(enum):
    return [value.value_nick for value in enum.__enum_values__.values()]


def run_to_eos(pipeline):
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        LIMIT, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    assert message is not None, "neither EOS nor an error"
    assert message.type == Gst.MessageType.EOS, message.parse_error()


class Enumerations(unittest.TestCase):
    def test_nicks(self):
        self.assertEqual(nicks(GstStreamlib.LinkPolicy), ["auto", "latest", "in-order", "lossless"])
        self.assertEqual(nicks(GstStreamlib.Execution), ["reactive", "continuous", "manual"])
        self.assertEqual(nicks(GstStreamlib.Scheduling),
                         ["dedicated", "inline", "pooled", "async"])
        self.assertEqual(nicks(GstStreamlib.Priority), ["normal", "high", "realtime"])
        self.assertEqual(nicks(GstStreamlib.Step),
                         ["again", "idle", "wait-until", "suspended", "eos", "error"])
        self.assertEqual(GstStreamlib.RUNTIME_CONTEXT_TYPE, "gst.streamlib.Runtime")

    def test_are_those_of_the_properties(self):
        link = Gst.ElementFactory.make("sllink")
        self.assertIsInstance(link, GstStreamlib.Processor)
        self.assertEqual(link.get_property("policy"), GstStreamlib.LinkPolicy.AUTO)
        link.set_property("policy", GstStreamlib.LinkPolicy.IN_ORDER)
        self.assertEqual(link.get_property("policy"), GstStreamlib.LinkPolicy.IN_ORDER)
        Gst.util_set_object_arg(link, "scheduling", "inline")
        self.assertEqual(link.get_property("scheduling"), GstStreamlib.Scheduling.INLINE)


class Runtime(unittest.TestCase):
    def test_travels_in_a_context(self):
        runtime = GstStreamlib.Runtime.new()
        context = runtime.to_context(True)
        self.assertTrue(context.is_persistent())
        self.assertEqual(context.get_context_type(), GstStreamlib.RUNTIME_CONTEXT_TYPE)
        self.assertEqual(GstStreamlib.Runtime.from_context(context), runtime)
        self.assertIsNone(GstStreamlib.Runtime.from_context(Gst.Context.new("other", False)))

    def test_is_shared_by_two_pipelines(self):
        runtime = GstStreamlib.Runtime.new()
        for _ in range(2):
            pipeline = Gst.parse_launch("fakesrc num-buffers=1 ! sllink name=link ! fakesink")
            pipeline.set_context(runtime.to_context(True))
            pipeline.set_state(Gst.State.READY)
            link = pipeline.get_by_name("link")
            self.assertEqual(link.get_runtime(), runtime)
            self.assertEqual(GstStreamlib.Runtime.for_element(link), runtime)
            pipeline.set_state(Gst.State.NULL)
            self.assertIsNone(link.get_runtime())

    def test_io_context_runs(self):
        runtime = GstStreamlib.Runtime.new()
        ran = threading.Event()
        source = GLib.idle_source_new()
        source.set_callback(lambda *_: ran.set() or GLib.SOURCE_REMOVE)
        source.attach(runtime.get_io_context())
        self.assertTrue(ran.wait(20))


class Link(unittest.TestCase):
    def test_stats(self):
        pipeline = Gst.parse_launch(
            "fakesrc num-buffers=200 ! sllink name=link depth=4 ! fakesink")
        run_to_eos(pipeline)
        stats = pipeline.get_by_name("link").get_property("stats")
        for field, kind in LINK_STATS.items():
            self.assertTrue(stats.has_field(field), field)
            self.assertIsInstance(stats.get_value(field), kind, field)
        self.assertEqual(stats.get_value("policy"), GstStreamlib.LinkPolicy.LOSSLESS)
        self.assertEqual(stats.get_value("depth"), 4)
        self.assertEqual(stats.get_value("pushed"), 200)
        self.assertEqual(stats.get_value("popped"), 200)
        self.assertEqual(stats.get_value("dropped"), 0)
        pad = pipeline.get_by_name("link").get_static_pad("sink")
        self.assertIsInstance(pad, GstStreamlib.LinkPad)
        self.assertEqual(pad.get_stats().get_value("pushed"), 200)
        self.assertEqual(pad.get_property("level"), 0)
        pipeline.set_state(Gst.State.NULL)

    def test_take_over(self):
        pipeline = Gst.parse_launch(
            "fakesrc sizetype=fixed sizemax=8 ! sllink name=old ! fakesink async=false "
            "sllink name=next ! fakesink async=false")
        old, following = pipeline.get_by_name("old"), pipeline.get_by_name("next")
        with self.assertRaises(GLib.Error) as caught:
            following.get_static_pad("sink").take_over(old.get_static_pad("sink"))
        self.assertTrue(caught.exception.matches(GstStreamlib.link_error_quark(),
                                                 GstStreamlib.LinkError.INACTIVE))
        self.assertEqual(caught.exception.domain, "gst-sl-link-error-quark")
        pipeline.set_state(Gst.State.PLAYING)
        pipeline.get_state(LIMIT)
        self.assertTrue(following.get_static_pad("sink").take_over(old.get_static_pad("sink")))
        end = time.monotonic() + 20
        while (following.get_property("stats").get_value("popped") == 0
               or following.get_static_pad("sink").get_peer() is None):
            self.assertLess(time.monotonic(), end, "nothing comes to the new consumer")
            time.sleep(0.01)
        pipeline.set_state(Gst.State.NULL)


class BufferPool(unittest.TestCase):
    def test_acquire(self):
        pool = GstStreamlib.BufferPool.new()
        self.assertIsInstance(pool, Gst.BufferPool)
        config = pool.get_config()
        Gst.BufferPool.config_set_params(config, None, 100, 2, 3)
        self.assertTrue(pool.set_config(config))
        self.assertTrue(pool.set_active(True))
        buffers = []
        for _ in range(3):
            flow, buffer = pool.acquire_buffer(None)
            self.assertEqual(flow, Gst.FlowReturn.OK)
            self.assertEqual(buffer.get_size(), 100)
            buffers.append(buffer)
        self.assertEqual(pool.get_misses(), 1)
        flow, buffer = pool.acquire_buffer(None)
        self.assertEqual(flow, Gst.FlowReturn.EOS)
        self.assertIsNone(buffer)
        buffer = None
        buffers.clear()
        flow, buffer = pool.acquire_buffer(None)
        self.assertEqual(flow, Gst.FlowReturn.OK)
        buffer = None
        self.assertTrue(pool.set_active(False))


class Introspection(unittest.TestCase):
    def test_virtual_methods(self):
        """What a subclass may override is there, with the signatures that Python needs."""
        for name in ("setup", "teardown", "process", "process_list", "start", "stop", "set_caps",
                     "sink_event"):
            self.assertTrue(hasattr(GstStreamlib.Processor, f"do_{name}"), name)
        self.assertTrue(GObject.type_is_a(GstStreamlib.Processor, Gst.Element))


if __name__ == "__main__":
    unittest.main()
