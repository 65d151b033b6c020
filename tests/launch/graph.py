#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Graphs under gst-launch-1.0: the same as from C++ and Python, and ended by a signal or a window.

usage: graph.py DESCRIBE-PROGRAM
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gst, GstStreamlib  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "devices"))
import stage  # noqa: E402
from test_display import Xlib, window_id  # noqa: E402

LIMIT_S = 30 * int(os.environ.get("CK_TIMEOUT_MULTIPLIER", "1"))
BARS = {"type": "test", "config": {"media": "video", "interval": 20000000}}
DESCRIBE = sys.argv.pop(1) if len(sys.argv) > 1 else None


class Launched(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.teardowns = self.folder / "teardowns"
        self.graph = self.folder / "graph.json"

    def start(self, graph, *options, **environment):
        self.graph.write_text(json.dumps(graph))
        hidden = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"}
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        env |= {"TEST_TEARDOWNS": str(self.teardowns), **environment}
        process = subprocess.Popen(
            ["gst-launch-1.0", "-m", *options, "slgraph", f"location={self.graph}"], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process

    def read_until(self, process, what):
        said = ""
        for line in process.stdout:
            said += line
            if what in line:
                return said
        return self.fail(f"no '{what}' in {said}")

    def finish(self, process):
        """What it still says, and how long that took."""
        begin = time.monotonic()
        said, _ = process.communicate(timeout=LIMIT_S)
        return said, time.monotonic() - begin

    def torn_down(self):
        return sorted(self.teardowns.read_text().split()) if self.teardowns.exists() else []


class SameFromEverywhere(Launched):
    def test_describe(self):
        (self.folder / "more.json").write_text(json.dumps({"templates": {"pair": {
            "params": {"token": {"type": "string"}},
            "nodes": {"a": {"type": "sltestnoted"}, "b": {"type": "identity"}},
            "links": [{"from": "a", "to": "b"}],
            "inputs": {"sink": "a.sink"}, "outputs": {"src": "b.src"}}}}))
        bars = {"type": "test", "config": {**BARS["config"], "num-buffers": 10}, "priority": "high"}
        graph = {"name": "same", "editor": {"zoom": 1.5},
                 "nodes": {"bars": bars, "out": {"type": "fakesink"}, "other": {"type": "fakesink"},
                           "pair": {"type": {"template": {"file": "more.json", "name": "pair"},
                                             "params": {"token": "hunter2"}}}},
                 "links": [{"from": "bars", "to": "pair.sink", "policy": "in-order", "depth": 20},
                           {"from": "pair.src", "to": "out"}, {"from": "bars", "to": "other"}]}
        said = self.folder / "description"
        process = self.start(graph, TEST_DESCRIPTION=str(said), GST_TRACERS="sltestdescriber")
        text, _ = self.finish(process)
        self.assertEqual(process.returncode, 0, text)
        launched = said.read_text()

        program = subprocess.run([DESCRIBE, self.graph], capture_output=True, text=True,
                                 timeout=LIMIT_S, check=True).stdout

        graph = GstStreamlib.Graph()
        graph.apply(self.graph)
        pipeline = Gst.Pipeline.new(None)
        pipeline.add(graph)
        pipeline.set_state(Gst.State.PLAYING)
        message = pipeline.get_bus().timed_pop_filtered(
            LIMIT_S * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.assertEqual(message.type, Gst.MessageType.EOS)
        python = graph.describe()
        pipeline.set_state(Gst.State.NULL)

        self.assertEqual(json.loads(launched), python)
        self.assertEqual(launched.strip(), program.strip())
        self.assertEqual((python["revision"], python["editor"]), (1, {"zoom": 1.5}))
        self.assertNotIn("hunter2", launched)


class Ends(Launched):
    GRAPH = {"nodes": {"bars": BARS, "one": {"type": "sltestnoted"}, "two": {"type": "sltestnoted"},
                       "three": {"type": "sltestnoted"}, "out": {"type": "fakesink"},
                       "other": {"type": "fakesink"}},
             "links": [{"from": "bars", "to": "one"}, {"from": "one", "to": "two"},
                       {"from": "one", "to": "three"}, {"from": "two", "to": "out"},
                       {"from": "three", "to": "other"}]}

    def interrupt(self, *options):
        process = self.start(self.GRAPH, *options)
        self.read_until(process, "graph-ready")
        process.send_signal(signal.SIGINT)
        said, seconds = self.finish(process)
        self.assertEqual(process.returncode, 0, said)
        self.assertLess(seconds, 2)
        self.assertEqual(self.torn_down(), ["one", "three", "two"])
        return said

    def test_interrupted(self):
        self.assertNotIn("Got EOS", self.interrupt())

    def test_interrupted_with_an_end_of_stream(self):
        self.assertIn("Got EOS", self.interrupt("-e"))

    def test_a_file_is_complete(self):
        path = self.folder / "tone.wav"
        tone = {"type": "test", "config": {"media": "audio"}}
        process = self.start({
            "nodes": {"tone": tone, "form": {"type": {"bin": "audioconvert ! wavenc"}},
                      "file": {"type": "filesink", "config": {"location": str(path)}}},
            "links": [{"from": "tone", "to": "form"}, {"from": "form", "to": "file"}]}, "-e")
        self.read_until(process, "graph-ready")
        process.send_signal(signal.SIGINT)
        said, _ = self.finish(process)
        self.assertEqual(process.returncode, 0, said)
        data = path.read_bytes()
        # The length in the header is only known at the end.
        self.assertEqual(int.from_bytes(data[4:8], "little"), len(data) - 8)
        self.assertGreater(len(data), 44)

    def test_a_wrong_description(self):
        wrong = {"nodes": {"a": {"type": "vidoetestsrc"}, "b": {"type": "fakesink"}},
                 "links": [{"from": "a", "to": "c"}]}
        process = self.start(wrong)
        said, _ = self.finish(process)
        self.assertNotEqual(process.returncode, 0, said)
        self.assertIn("/links/0/to: there is no node 'c'", said)


class Windows(Launched):
    def setUp(self):
        super().setUp()
        self.server = stage.XServer()
        self.addCleanup(self.server.stop)

    def close_window(self, title):
        x = Xlib(self.server.display)
        x.ask_to_close(stage.wait_until(lambda: window_id(self.server.display, title)))
        x.close()

    def closed(self, graph):
        process = self.start(graph, DISPLAY=self.server.display)
        self.read_until(process, "graph-ready")
        self.close_window("closing")
        said, seconds = self.finish(process)
        self.assertLess(seconds, 3)
        return process.returncode, said

    def test_the_only_one_ends_the_graph(self):
        code, said = self.closed({
            "nodes": {"bars": BARS, "one": {"type": "sltestnoted"},
                      "out": {"type": "display", "config": {"title": "closing"}}},
            "links": [{"from": "bars", "to": "one"}, {"from": "one", "to": "out"}]})
        self.assertEqual(code, 0, said)
        self.assertIn("Got EOS", said)
        self.assertEqual(self.torn_down(), ["one"])

    def test_one_of_several_ends_it_where_it_is_essential(self):
        display = {"type": "display", "config": {"title": "closing", "on-close": "error"},
                   "essential": True}
        graph = {**Ends.GRAPH, "nodes": {**Ends.GRAPH["nodes"], "out": display}}
        code, said = self.closed(graph)
        self.assertNotEqual(code, 0, said)
        self.assertIn("Node 'out' failed", said)
        self.assertEqual(self.torn_down(), ["one", "three", "two"])


if __name__ == "__main__":
    Gst.init(None)
    unittest.main()
