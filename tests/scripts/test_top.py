#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/top beside a graph that runs, and beside others that only pretend to."""
import importlib.machinery
import importlib.util
import json
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import Gst, GstStreamlib  # noqa: E402

Gst.init(None)
TOP = pathlib.Path(__file__).resolve().parents[2] / "scripts/top"
GRAPH = {"nodes": {"src": {"type": "videotestsrc", "config": {"is-live": True}},
                   "slow": {"type": "identity", "config": {"sleep-time": 5000}},
                   "out": {"type": "fakesink"}, "other": {"type": "fakesink"}},
         "links": [{"from": "src", "to": "slow"}, {"from": "slow", "to": "out"},
                   {"from": "src", "to": "other"}]}
STATS = {"nodes": {}, "links": [], "paths": [], "joins": [], "revision": 1, "ready": False,
         "stalled": None, "quarantine": []}


def load():
    loader = importlib.machinery.SourceFileLoader("top", str(TOP))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("top", loader))
    loader.exec_module(module)
    return module


def run(*arguments):
    return subprocess.run([TOP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60)


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name + "/socket"

    def pretend(self, *answers):
        """Gives these bytes to those who come, one after the other."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(listener.close)
        listener.bind(self.path)
        listener.listen()

        def serve():
            for answer in answers:
                peer = listener.accept()[0]
                with peer:
                    peer.recv(4096)
                    peer.sendall(answer)
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)


class Running(Scratch):
    def setUp(self):
        super().setUp()
        self.pipeline = Gst.Pipeline.new()
        graph = Gst.ElementFactory.make("slgraph")
        graph.set_property("description", json.dumps(GRAPH))
        graph.set_property("control-socket", self.path)
        self.pipeline.add(graph)
        self.pipeline.set_state(Gst.State.PLAYING)
        self.addCleanup(self.pipeline.set_state, Gst.State.NULL)
        end = time.monotonic() + 20
        while not graph.get_property("ready"):
            self.assertLess(time.monotonic(), end, graph.get_property("stats"))
            time.sleep(0.05)

    def test_once(self):
        done = run(self.path, "--once")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = [line.split() for line in done.stdout.splitlines()]
        self.assertRegex(done.stdout, r"^revision 1, ready, 4 nodes, 3 links, figures of")
        rows = {row[0]: row for row in reversed(lines) if row}
        for node in GRAPH["nodes"]:
            self.assertEqual(rows[node][1], "running")
        self.assertIn("src.src -> slow.sink", done.stdout)
        self.assertIn("flowing", done.stdout)
        self.assertIn("src -> out", done.stdout)
        # identity's own time.
        self.assertRegex(done.stdout, r"(?m)^slow .* (4\.[89]|[5-9]\.\d|\d\d+) ms")

    def test_until_the_end(self):
        watching = subprocess.Popen([TOP, self.path], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watching.stdout.close)
        self.assertIn("revision 1", watching.stdout.readline())
        self.pipeline.set_state(Gst.State.NULL)
        rest = watching.stdout.read()
        self.assertEqual(watching.wait(20), 0)
        self.assertTrue(rest.endswith("the graph has ended\n"), rest[-200:])


class Refused(Scratch):
    def test_nobody_there(self):
        done = run(self.path)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn(f"slgraph control-socket={self.path}", done.stderr)

    def test_no_graph(self):
        answers = [b"hello\n", b"[]\n", b"{}\n", b"", b'{"error": "no \\u001b[31m such"}\n',
                   b'{"stats": ']
        self.pretend(*answers)
        for answer in answers:
            done = run(self.path, "--once")
            self.assertEqual((done.returncode, done.stdout), (1, ""), answer)
            self.assertTrue(done.stderr.startswith("top: "), done.stderr)
            self.assertNotIn("\x1b", done.stderr)

    def test_wrong_arguments(self):
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("a", "b").returncode, 2)
        self.assertEqual(run("--help").returncode, 0)


class View(unittest.TestCase):
    def test_spans(self):
        span = load().span
        self.assertEqual([span(value) for value in
                          (None, 0, 1500, 12_345, 3_400_000, 45_000_000, 1_200_000_000, -2_000_000)],
                         ["-", "0.0 us", "1.5 us", "12 us", "3.4 ms", "45 ms", "1.2 s", "-2.0 ms"])

    def test_names_do_not_reach_the_terminal(self):
        stats = dict(STATS, stalled={"node": "a\x1b[2J", "why": "b\rc\x9b"},
                     quarantine=[{"node": "\n", "holds": "\x07"}],
                     joins=[{"node": "j\x1b", "skew-ns": 5}])
        text = "".join(load().view(stats))
        self.assertIn("STALLED a?[2J: b?c?", text)
        self.assertTrue(text.isprintable(), repr(text))


if __name__ == "__main__":
    unittest.main()
