#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""That a graph sends each message that docs/graph-events.md lists, and no other.

usage: test_graph_events.py ROOT
"""
import pathlib
import re
import sys
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GObject, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT_S = 20
ROOT = pathlib.Path(sys.argv.pop(1))
BARS = {"type": "test", "config": {"media": "video", "interval": 20000000}}
SINK = {"type": "fakesink"}
# Of every message.
COMMON = {"event", "sequence", "running-time"}
ROW = re.compile(r"^\| `([a-z-]+)` \| (`[a-z`, ]+`) \| .* \|(.*)\|$", re.MULTILINE)


def documented():
    """The fields of each event, and whether it may have a detail."""
    return {event: (set(re.findall("[a-z]+", fields)), bool(detail.strip()))
            for event, fields, detail in ROW.findall((ROOT / "docs/graph-events.md").read_text())
            if "-" in event}


def in_source():
    """The events that the library can send."""
    text = "".join(path.read_text() for path in (ROOT / "gst/streamlib/graph").glob("*.cpp"))
    return set(re.findall(r'"((?:graph|compile|node|link)-[a-z]+[a-z-]*)"', text))


class Gate(GstStreamlib.Processor):
    """Passes on while it is open; its set-up fails when it is broken."""
    broken = GObject.Property(type=bool, default=False)
    is_open = threading.Event()

    def do_setup(self):
        return not self.broken

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


class Scene:
    """A graph in a pipeline, and what it tells."""

    def __init__(self):
        self.heard = heard = []
        self.graph = GstStreamlib.Graph("graph")
        self.pipeline = Gst.Pipeline.new(None)
        self.pipeline.add(self.graph)
        # Otherwise it forgets what its elements have said when it goes to NULL.
        self.pipeline.set_auto_flush_bus(False)

        def on_message(_bus, message):
            structure = message.get_structure()
            if structure.get_name() == "streamlib-graph":
                heard.append(structure)
        self.bus = self.pipeline.get_bus()
        self.on_message = on_message

    def hear(self):
        while message := self.bus.pop_filtered(Gst.MessageType.ELEMENT):
            self.on_message(self.bus, message)

    def wait_for(self, event, node=None):
        """The next one, or the last of those that have not been waited for."""
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            self.hear()
            for structure in self.heard:
                if structure.get_value("event") == event and (
                        node is None or structure.get_value("node") == node):
                    return structure
            time.sleep(0.02)
        raise AssertionError(f"no {event} {node or ''} in "
                             + "\n".join(item.to_string() for item in self.heard))

    def play(self):
        self.pipeline.set_state(Gst.State.PLAYING)

    def stop(self):
        self.pipeline.set_state(Gst.State.NULL)
        self.hear()


def life_of_edits(scene):
    graph = scene.graph
    graph.apply({"nodes": {"bars": BARS, "out": SINK}, "links": [{"from": "bars", "to": "out"}]})
    scene.play()
    scene.wait_for("graph-ready")
    with graph.edit() as edit:
        edit.add("more", SINK).link("bars", "more")
    graph.configure("more", silent=False)
    graph.replace_node("more")
    graph.pause_node("out")
    graph.resume_node("out")
    graph.remove_node("more")
    try:
        with graph.edit() as edit:
            edit.add("gate", "testgate", broken=True).link("bars", "gate")
            edit.add("end", SINK).link("gate", "end")
    except GstStreamlib.GraphError:
        pass
    scene.wait_for("link-state-changed")


def drops(scene):
    scene.graph.apply({
        "nodes": {"bars": BARS, "slow": {"type": "identity", "config": {"sleep-time": 200000}},
                  "out": SINK},
        "links": [{"from": "bars", "to": "slow", "policy": "in-order", "depth": 1},
                  {"from": "slow", "to": "out"}]})
    scene.play()
    scene.wait_for("link-dropping")


def failures(scene):
    scene.graph.apply({
        "nodes": {"bars": BARS, "spare": BARS, "out": SINK,
                  "bad": {"type": "identity", "config": {"error-after": 30},
                          "restart": {"delay": 100}, "fallback": "spare"}},
        "links": [{"from": "bars", "to": "bad"}, {"from": "bad", "to": "out"}]})
    scene.play()
    for event in ("node-error", "node-fallback", "node-restarted", "node-fallback-over"):
        scene.wait_for(event, "bad")


def stalls(scene):
    Gate.is_open.set()
    scene.graph.apply({"nodes": {"bars": BARS, "gate": {"type": "testgate"}, "out": SINK},
                       "links": [{"from": "bars", "to": "gate"}, {"from": "gate", "to": "out"}]})
    scene.play()
    scene.wait_for("graph-ready")
    Gate.is_open.clear()
    scene.wait_for("node-stalled")
    Gate.is_open.set()
    scene.wait_for("node-stall-over")
    Gate.is_open.clear()
    time.sleep(0.2)
    begin = time.monotonic()
    scene.stop()
    seconds = time.monotonic() - begin
    Gate.is_open.set()
    assert seconds < 2, f"the stop has waited {seconds} s for a node"
    scene.wait_for("node-quarantined", "gate")


class Events(unittest.TestCase):
    heard = []

    @classmethod
    def setUpClass(cls):
        for play in (life_of_edits, drops, failures, stalls):
            scene = Scene()
            play(scene)
            scene.stop()
            cls.heard.append(scene.heard)

    def test_the_page_lists_what_there_is(self):
        self.assertEqual(set(documented()), in_source())

    def test_each_is_sent(self):
        sent = {item.get_value("event") for scene in self.heard for item in scene}
        self.assertEqual(sent, set(documented()))

    def test_fields(self):
        events = documented()
        for item in (item for scene in self.heard for item in scene):
            fields, has_detail = events[item.get_value("event")]
            got = {item.nth_field_name(i) for i in range(item.n_fields())}
            self.assertEqual(got - {"detail"}, COMMON | fields, item.to_string())
            if not has_detail:
                self.assertNotIn("detail", got, item.to_string())

    def test_complete_and_in_order(self):
        for scene in self.heard:
            self.assertEqual([item.get_value("sequence") for item in scene],
                             list(range(1, len(scene) + 1)))


if __name__ == "__main__":
    unittest.main()
