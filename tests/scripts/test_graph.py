#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/graph.py, and the graphs of docs/graphs, on a machine without camera, display and sound."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GRAPHS = ROOT / "docs" / "graphs"
SCRIPT = ROOT / "scripts" / "graph.py"
STATUS = re.compile(r"^ +\d+ s  (ready|not ready) +(.*)  dropped: (\d+)$", re.MULTILINE)

sys.path.insert(0, str(ROOT / "tests" / "devices"))
import stage  # noqa: E402
from test_display import Xlib, window_id  # noqa: E402

SMALL = {"nodes": {"bars": {"type": "test", "config": {"media": "video", "interval": 20000000}},
                   "out": {"type": "fakesink", "config": {"sync": True}}},
         "links": [{"from": "bars", "to": "out"}]}


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.picture = self.folder / "new" / "last.png"

    def start(self, *arguments, **environment):
        hidden = {"DISPLAY", "WAYLAND_DISPLAY", "PULSE_SERVER"}
        env = {name: value for name, value in os.environ.items() if name not in hidden}
        env |= {"XDG_RUNTIME_DIR": str(self.folder), **environment}
        process = subprocess.Popen(
            ["/usr/bin/python3", SCRIPT, "--picture", self.picture, *map(str, arguments)], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
        self.addCleanup(end)
        return process

    def run_script(self, *arguments, **environment):
        """Exit code, standard output and error output."""
        process = self.start(*arguments, **environment)
        output, errors = process.communicate(timeout=60)
        return process.returncode, output, errors

    def write(self, graph):
        path = self.folder / "graph.json"
        path.write_text(graph if isinstance(graph, str) else json.dumps(graph))
        return path


class Documented(Runs):
    """Each graph of docs/graphs plays, and data reach each of its links."""

    def play(self, name, *arguments):
        code, output, errors = self.run_script(GRAPHS / f"{name}.json", *arguments)
        # What autoaudiosink says where there is no sound device.
        errors = errors.replace("speaker: Resource not found.\n", "")
        self.assertEqual((code, errors), (0, ""), output)
        self.assertIn("ready", {state for state, _, _ in STATUS.findall(output)}, output)
        return output

    def shown(self, name):
        output = self.play(name, "--seconds", "2.5")
        self.assertIn("There is no camera: this is the test picture", output)
        self.assertIn("No display", output)
        return stage.read_png(self.picture)

    def test_all_are_tested(self):
        tested = {"hello", "camera-display", "bouncing-ball", "edges", "news-cast", "chord",
                  "audio-mixer", "publish", "play"}
        self.assertEqual({path.stem for path in GRAPHS.glob("*.json")}, tested)

    def test_publish_and_play(self):
        """They need a server: what is wrong without one is said."""
        for name, endpoint in (("publish", "whip-endpoint"), ("play", "whep-endpoint")):
            path = GRAPHS / f"{name}.json"
            code, output, errors = self.run_script(path, "--check")
            self.assertEqual((code, errors), (0, ""), output)
            code, output, errors = self.run_script(
                path, "--set", f"{name}.{endpoint}=http://127.0.0.1:1/live", "--set",
                f"{name}.reconnect=never", "--seconds", "5")
            self.assertNotEqual(code, 0, output)
            self.assertIn("127.0.0.1:1", errors)

    def test_hello(self):
        pixel = self.shown("hello")
        # Bars, and grain all over them.
        self.assertGreater(len({pixel(x, 100) for x in range(0, 1280, 40)}), 8)
        self.assertGreater(len({pixel(100, y) for y in range(20, 300, 10)}), 4)

    def test_camera_display(self):
        pixel = self.shown("camera-display")
        self.assertGreater(len({pixel(x, 100) for x in range(0, 1280, 40)}), 4)
        self.assertEqual(len({pixel(100, y) for y in range(20, 300, 10)}), 1)

    def test_bouncing_ball(self):
        pixel = self.shown("bouncing-ball")

        def bright(left):
            """How much of a part of the picture is, in percent."""
            shown = [max(pixel(x, y)) > 150 for x in range(left, left + 280, 10)
                     for y in range(60, 260, 10)]
            return 100 * sum(shown) / len(shown)
        # The bars are dark where the picture with the ball lies over them, but for the ball.
        self.assertLess(bright(60), 20)
        self.assertGreater(bright(60), 0.2)
        self.assertGreater(bright(500), 80)

    def test_edges(self):
        pixel = self.shown("edges")
        black = sum(max(pixel(x, y)) < 60 for x in range(0, 1280, 16) for y in range(0, 480, 16))
        self.assertGreater(black, 80 * 30 // 2)

    def test_news_cast(self):
        pixel = self.shown("news-cast")
        # Letters on a shade, where the bars have three colours.
        colours = {pixel(x, y) for x in range(30, 500) for y in range(640, 715)}
        self.assertGreater(len(colours), 30)

    def test_chord(self):
        output = self.play("chord")
        self.assertIn("The graph is over.", output)

    def test_audio_mixer(self):
        self.play("audio-mixer", "--seconds", "2.5")


class Options(Runs):
    def test_check(self):
        code, output, errors = self.run_script(self.write(SMALL), "--check")
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("2 nodes, 1 links, no problems", output)

    def test_problems_have_their_places(self):
        wrong = {"nodes": {**SMALL["nodes"], "more": {"type": "fakesink", "config": {"sink": 1}}},
                 "links": [*SMALL["links"], {"from": "bars", "to": "more", "policy": "latst"}]}
        for option in ("--check", "--plan", "--seconds=1"):
            code, output, errors = self.run_script(self.write(wrong), option)
            self.assertEqual((code, output), (1, ""), errors)
            self.assertIn("/links/1/policy: 'latst' is not one of", errors)
            self.assertIn("did you mean 'latest'?", errors)
            self.assertNotIn("Traceback", errors)

    def test_no_json(self):
        code, _, errors = self.run_script(self.write("{\n  nodes"))
        self.assertEqual(code, 1)
        self.assertIn("line 2", errors)

    def test_no_file(self):
        code, _, errors = self.run_script(self.folder / "gone.json")
        self.assertEqual(code, 1)
        self.assertIn("gone.json", errors)
        self.assertNotIn("Traceback", errors)

    def test_plan(self):
        code, output, _ = self.run_script(self.write(SMALL), "--plan")
        self.assertEqual(code, 0)
        plan = json.loads(output)
        self.assertEqual(plan["touches-links"], ["bars.src -> out.sink"])

    def test_dot(self):
        path = self.folder / "graph.dot"
        code, _, errors = self.run_script(self.write(SMALL), "--dot", path)
        self.assertEqual((code, errors), (0, ""))
        self.assertIn('"bars" -> "out" [label="lossless 16"', path.read_text())
        code, _, errors = self.run_script(self.write(SMALL), "--dot", self.folder / "graph.png")
        self.assertEqual(code, 1)
        self.assertIn("a drawing is a .svg, a .dot or a .mmd", errors)

    def test_mermaid(self):
        path = self.folder / "graph.mmd"
        code, _, errors = self.run_script(self.write(SMALL), "--dot", path)
        self.assertEqual((code, errors), (0, ""))
        lines = path.read_text().splitlines()
        self.assertEqual(lines[0], "flowchart LR")
        names = {line.split('["')[1].split("<")[0]: line.split("[")[0].strip()
                 for line in lines if '["' in line}
        self.assertEqual(set(names), {"bars", "out"})
        self.assertIn(f'  {names["bars"]} -->|"lossless 16"| {names["out"]}', lines)

    @unittest.skipUnless(shutil.which("dot"), "Graphviz is missing (Debian: graphviz)")
    def test_svg(self):
        path = self.folder / "graph.svg"
        code, _, errors = self.run_script(GRAPHS / "hello.json", "--dot", path)
        self.assertEqual((code, errors), (0, ""))
        drawn = path.read_text()
        for part in ("<svg", ">camera<", ">slcamerasrc<", ">fused<"):
            self.assertIn(part, drawn)

    def test_set(self):
        graph = self.write(SMALL)
        code, output, errors = self.run_script(graph, "--set", "bars.num-buffers=20")
        self.assertEqual((code, errors), (0, ""))
        self.assertIn("The graph is over.", output)
        for setting, place in (("bars.num-bufers=1", "/nodes/bars/config/num-bufers: "),
                               ("bar.num-buffers=1", "--set bar.num-buffers: there is no node"),
                               ("bars.num-buffers=many", "/nodes/bars/config/num-buffers: ")):
            code, _, errors = self.run_script(graph, "--check", "--set", setting)
            self.assertEqual(code, 1)
            self.assertIn(place, errors)

    def test_wrong_arguments(self):
        for arguments in (("--set", "bars=1"), ("--seconds", "0"), ("--seconds", "nan"), ("--nosuch",)):
            code, _, errors = self.run_script(self.write(SMALL), *arguments)
            self.assertEqual(code, 2, errors)

    def test_an_error_while_it_runs(self):
        graph = {**SMALL, "nodes": {**SMALL["nodes"], "out": {
            "type": "fakesink", "essential": True, "config": {"can-activate-push": True}}}}
        graph["nodes"]["bad"] = {"type": "identity", "essential": True, "config": {"error-after": 5}}
        graph["links"] = [{"from": "bars", "to": "bad"}, {"from": "bad", "to": "out"}]
        code, _, errors = self.run_script(self.write(graph))
        self.assertEqual(code, 1)
        self.assertIn("Node 'bad' failed", errors)


class Ends(Runs):
    def test_signals_are_a_clean_end(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            tone = self.folder / "tone.wav"
            graph = {"nodes": {"tone": {"type": "test", "config": {"media": "audio"}},
                               "form": {"type": {"bin": "audioconvert ! wavenc"}},
                               "file": {"type": "filesink", "config": {"location": str(tone)}}},
                     "links": [{"from": "tone", "to": "form"}, {"from": "form", "to": "file"}]}
            process = self.start(self.write(graph))
            for line in process.stdout:
                if "buffers/s" in line:
                    break
            process.send_signal(number)
            begin = time.monotonic()
            output, errors = process.communicate(timeout=30)
            self.assertEqual((process.returncode, errors), (0, ""), output)
            self.assertLess(time.monotonic() - begin, 2)
            self.assertIn("Stopped.", output)
            data = tone.read_bytes()
            self.assertEqual(int.from_bytes(data[4:8], "little"), len(data) - 8)

    def test_a_closed_window(self):
        server = stage.XServer()
        self.addCleanup(server.stop)
        process = self.start(GRAPHS / "hello.json", DISPLAY=server.display)
        for line in process.stdout:
            if "buffers/s" in line:
                break
        x = Xlib(server.display)
        x.ask_to_close(stage.wait_until(lambda: window_id(server.display, "Hello")))
        x.close()
        output, errors = process.communicate(timeout=30)
        self.assertEqual((process.returncode, errors), (0, ""), output)
        self.assertIn("The window was closed.", output)
        self.assertFalse(self.picture.exists())


if __name__ == "__main__":
    unittest.main()
