#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What users of graphs expect, as docs/graph-expectations.md lists it, as far as no other test has it."""
import json
import os
import pathlib
import tempfile
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT_S = 20
BARS = {"type": "test", "config": {"media": "video", "interval": 20000000}}
SINK = {"type": "fakesink"}


class Gate(GstStreamlib.Processor):
    """Passes on while it is open."""
    is_open = threading.Event()

    def do_process(self, pad, buffer):
        Gate.is_open.wait(LIMIT_S)
        return buffer


Gate.set_metadata("Gate", "Filter", Gate.__doc__, "The gst-streamlib authors")
Gate.add_pad_template(Gst.PadTemplate.new_with_gtype(
    "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any(),
    GstStreamlib.LinkPad.__gtype__))
Gate.add_pad_template(Gst.PadTemplate.new(
    "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()))
Gst.Element.register(None, "testgate", Gst.Rank.NONE, Gate)


def wait_until(condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it does not come to be")
        time.sleep(0.02)


class Playing(unittest.TestCase):
    def setUp(self):
        Gate.is_open.set()
        self.graph = GstStreamlib.Graph("graph")
        self.pipeline = Gst.Pipeline.new(None)
        self.pipeline.add(self.graph)
        self.addCleanup(self.pipeline.set_state, Gst.State.NULL)
        self.addCleanup(Gate.is_open.set)

    def play(self, nodes, links):
        self.graph.apply({"nodes": nodes, "links": [dict(zip(("from", "to"), link))
                                                    for link in links]})
        self.pipeline.set_state(Gst.State.PLAYING)

    def play_bars(self, **more):
        self.play({"bars": BARS, "out": SINK, **more}, [("bars", "out")])
        wait_until(lambda: self.graph.stats()["ready"])

    def watch(self, sink, note):
        """Calls note(buffer, native thread id) for each buffer."""
        element = self.graph[sink]
        element.props.signal_handoffs = True
        element.connect("handoff",
                        lambda _sink, buffer, _pad: note(buffer, threading.get_native_id()))
        return element


class Edits(Playing):
    def test_untouched_branches(self):
        self.play_bars()
        times, threads = [], set()
        elements = (self.watch("out", lambda buffer, thread: (times.append(buffer.pts),
                                                              threads.add(thread))),
                    self.graph["bars"])
        for turn in range(20):
            with self.graph.edit() as edit:
                edit.add("flip", "videoflip").add("second", "fakesink", sync=True)
                edit.link("bars", "flip").link("flip", "second", policy="latest")
            self.graph.replace_node("second")
            self.graph.configure("flip", method="clockwise")
            with self.graph.edit() as edit:
                edit.remove("flip").remove("second")
        wait_until(lambda: len(times) > 20)
        self.assertEqual((self.graph["out"], self.graph["bars"]), elements)
        self.assertEqual(len(threads), 1)
        gaps = {round((later - earlier) / Gst.MSECOND) for earlier, later in zip(times, times[1:])}
        self.assertEqual(gaps, {20})

    def test_from_eight_threads(self):
        self.play_bars()
        failures = []

        def edit(name):
            try:
                for _turn in range(10):
                    with self.graph.edit() as edit:
                        edit.add(name, SINK).link("bars", name)
                    self.graph.configure(name, silent=False)
                    self.graph.remove_node(name)
            except Exception as error:
                failures.append(error)
        threads = [threading.Thread(target=edit, args=(f"sink{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        self.assertEqual(self.graph.revision, 1 + 8 * 10 * 3)
        self.assertEqual(sorted(self.graph), ["bars", "out"])

    def test_none_is_left_out_in_silence(self):
        self.play_bars()
        before = self.graph.describe()
        for edit in (lambda: self.graph.remove_node("nobody"),
                     lambda: self.graph.unlink("out", "bars"),
                     lambda: self.graph.configure("out", colour="red"),
                     lambda: self.graph.add_node("out", SINK),
                     lambda: self.graph.link("bars", "out"),
                     lambda: self.graph.link("out", "bars"),
                     lambda: self.graph.edit().add("more", SINK).link("bars", "mroe").commit(),
                     lambda: self.graph.add_node("unlinked", SINK)):
            with self.assertRaises(GstStreamlib.GraphError) as caught:
                edit()
            self.assertTrue(caught.exception.problems)
            self.assertEqual(self.graph.describe(), before)

    def test_a_property_that_cannot_change_is_a_replacement_and_planned_as_one(self):
        self.play_bars()
        plan = self.graph.edit().configure("bars", media="audio").plan()
        self.assertEqual([entry["node"] for entry in plan["interrupts"]], ["bars"])
        plan = self.graph.edit().configure("out", silent=False).plan()
        self.assertEqual(plan["interrupts"], [])
        source = self.graph["bars"]
        self.graph.configure("bars", media="audio")
        self.assertNotEqual(self.graph["bars"], source)

    def test_links_in_any_order_and_pads_that_come_later(self):
        self.play({"out": SINK, "decoder": {"type": "decodebin"},
                   "tone": {"type": "test", "config": {"media": "audio"}}},
                  [("decoder", "out"), ("tone", "decoder")])
        wait_until(lambda: self.graph.stats()["nodes"]["out"]["buffers-in"] > 5)

    def test_a_stream_that_joins_late(self):
        arrivals = []
        self.play_bars()
        time.sleep(1)
        with self.graph.edit() as edit:
            edit.add("film", {"type": {"bin": "videotestsrc num-buffers=25 ! capsfilter "
                                              "caps=video/x-raw,framerate=50/1"}})
            edit.add("gate", "testgate").add("late", "fakesink", sync=True, signal_handoffs=True)
            edit.link("film", "gate", timing="restart").link("gate", "late")
            Gate.is_open.clear()
        self.watch("late", lambda *_: arrivals.append(time.monotonic()))
        Gate.is_open.set()
        wait_until(lambda: len(arrivals) >= 20)
        # In its own time, not all at once because it would be a second late.
        self.assertGreater(arrivals[-1] - arrivals[0], 0.2)

    def test_edits_leave_nothing_behind(self):
        self.play_bars()

        def held():
            return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
        counts = []
        for turn in range(120):
            with self.graph.edit() as edit:
                edit.add("more", SINK).link("bars", "more", policy="latest")
            self.graph.remove_node("more")
            if turn >= 20:
                counts.append(held())
        for kind in (0, 1):
            self.assertLess(max(count[kind] for count in counts[-20:]),
                            max(count[kind] for count in counts[:20]) + 10)


class Files(Playing):
    def test_saved_and_loaded(self):
        self.play_bars()
        with self.graph.edit() as edit:
            edit.add("more", "fakesink", sync=True).link("bars", "more", policy="latest", depth=4)
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "saved.json")
            path.write_text(json.dumps(self.graph.describe()))
            other = GstStreamlib.Graph()
            other.apply(path)
        wanted, got = self.graph.describe(), other.describe()
        self.assertEqual((got["nodes"], got["links"]), (wanted["nodes"], wanted["links"]))

    def test_edits_outlast_a_stop(self):
        self.play_bars()
        with self.graph.edit() as edit:
            edit.add("more", SINK).link("bars", "more")
        self.pipeline.set_state(Gst.State.NULL)
        self.pipeline.set_state(Gst.State.PLAYING)
        wait_until(lambda: self.graph.stats()["nodes"]["more"]["buffers-in"] > 0)

    def test_a_type_that_is_missing_is_named(self):
        with self.assertRaises(GstStreamlib.GraphError) as caught:
            self.graph.apply({"nodes": {"a": {"type": "nosuchelement"}}, "links": []})
        self.assertEqual(caught.exception.problems[0].pointer, "/nodes/a/type")
        self.assertIn("plugin", caught.exception.problems[0].hint)


class Figures(Playing):
    def test_caps_state_level_and_latency(self):
        self.play_bars()
        wait_until(lambda: self.graph.stats()["links"][0]["queueing-p99-ns"] > 0)
        stats = self.graph.stats()
        link, = stats["links"]
        self.assertIn("video/x-raw", link["caps"])
        self.assertEqual(link["state"], "flowing")
        self.assertLessEqual(link["level"], link["depth"])
        path, = stats["paths"]
        self.assertEqual((path["from"], path["to"]), ("bars", "out"))
        self.assertEqual([hop.get("node", hop.get("link")) for hop in path["hops"]],
                         ["bars", "bars.src -> out.sink", "out"])
        self.assertGreater(path["measured-p50-ns"], 0)

    def test_while_a_node_is_stuck(self):
        self.play({"bars": BARS, "gate": {"type": "testgate"}, "end": SINK, "out": SINK},
                  [("bars", "gate"), ("gate", "end"), ("bars", "out")])
        wait_until(lambda: self.graph.stats()["ready"])
        Gate.is_open.clear()
        wait_until(lambda: self.graph.stats()["stalled"])
        begin = time.monotonic()
        stats = self.graph.stats()
        self.assertLess(time.monotonic() - begin, 1)
        self.assertEqual(stats["stalled"]["node"], "gate", stats["stalled"])
        self.assertTrue(all("age-ms" in link for link in stats["links"]))
        # The other branch does not care.
        seen = stats["nodes"]["out"]["buffers-in"]
        wait_until(lambda: self.graph.stats()["nodes"]["out"]["buffers-in"] > seen + 10)
        Gate.is_open.set()


if __name__ == "__main__":
    unittest.main()
