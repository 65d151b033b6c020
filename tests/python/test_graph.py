#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Graphs and their edits in Python."""
import asyncio
import json
import pathlib
import tempfile
import time
import unittest

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, GObject, Gst, GstStreamlib  # noqa: E402

Gst.init(None)

LIMIT_S = 20
BARS = {"type": "test", "config": {"media": "video", "interval": 20000000}}


def with_nodes(**nodes):
    """A source and a sink, and some more that are linked to nothing yet."""
    return {"nodes": {"bars": BARS, "out": {"type": "fakesink"}, **nodes},
            "links": [{"from": "bars", "to": "out"}]}


class Lamp(GstStreamlib.Processor):
    """A processor that passes on, and whose set-up may raise."""
    broken = GObject.Property(type=bool, default=False)
    token = GObject.Property(type=str)
    address = GObject.Property(type=str)
    teardowns = 0

    def do_setup(self):
        if self.broken:
            raise RuntimeError("the lamp is out")

    def do_process(self, pad, buffer):
        return buffer

    def do_teardown(self):
        Lamp.teardowns += 1


Lamp.set_metadata("Lamp", "Filter", Lamp.__doc__, "The gst-streamlib authors")
Lamp.add_pad_template(Gst.PadTemplate.new_with_gtype(
    "sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.new_any(),
    GstStreamlib.LinkPad.__gtype__))
Lamp.add_pad_template(Gst.PadTemplate.new(
    "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()))
Gst.Element.register(None, "testlamp", Gst.Rank.NONE, Lamp)


class Graphs(unittest.TestCase):
    def setUp(self):
        self.graph = GstStreamlib.Graph("graph")
        self.pipeline = Gst.Pipeline.new(None)
        self.pipeline.add(self.graph)
        self.addCleanup(self.pipeline.set_state, Gst.State.NULL)

    def play(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        self.assertEqual(self.pipeline.get_state(LIMIT_S * Gst.SECOND).state, Gst.State.PLAYING)

    def wait_until(self, condition):
        end = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), end, self.graph.stats())
            time.sleep(0.02)

    def add_sink(self, id):
        with self.graph.edit() as edit:
            edit.add(id, "fakesink").link("bars", id)

    def buffers_to(self, node):
        return self.graph.stats()["nodes"][node]["buffers-in"]

    def assert_refused(self, code, function, *arguments, **keywords):
        before = self.graph.describe()
        with self.assertRaises(GstStreamlib.GraphError) as caught:
            function(*arguments, **keywords)
        self.assertEqual(caught.exception.code, code, caught.exception)
        self.assertEqual(self.graph.describe(), before)
        return caught.exception


class Container(Graphs):
    def test_elements_by_id(self):
        self.graph.apply(with_nodes())
        self.assertEqual(self.graph["bars"].get_factory().get_name(), "sltestsrc")
        self.assertIn("out", self.graph)
        self.assertNotIn("in", self.graph)
        self.assertNotIn(3, self.graph)
        self.assertEqual(len(self.graph), 2)
        self.assertEqual(list(self.graph), ["bars", "out"])
        with self.assertRaises(KeyError):
            self.graph["in"]

    def test_an_empty_one_is_true(self):
        self.assertEqual(len(self.graph), 0)
        self.assertTrue(self.graph)

    def test_made_by_name(self):
        graph = Gst.ElementFactory.make("slgraph", "other")
        self.assertIsInstance(graph, GstStreamlib.Graph)
        graph.apply(with_nodes())
        self.assertEqual(len(graph), 2)

    def test_properties(self):
        graph = GstStreamlib.Graph("named", setup_timeout=700)
        self.assertEqual((graph.name, graph.props.setup_timeout), ("named", 700))


class Descriptions(Graphs):
    def test_round_trip(self):
        wanted = with_nodes()
        wanted["colour-of-the-editor"] = {"bars": "#ff0000"}
        self.graph.apply(wanted)
        got = self.graph.describe()
        self.assertEqual({key: got[key] for key in wanted}, wanted)
        self.assertEqual(got["revision"], 1)
        other = GstStreamlib.Graph()
        other.apply(got)
        self.assertEqual({key: other.describe()[key] for key in wanted}, wanted)

    def test_text_and_files(self):
        self.graph.apply(json.dumps(with_nodes()))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "graph.json")
            effects = {"templates": {"two": {
                "nodes": {"a": {"type": "identity"}, "b": {"type": "identity"}},
                "links": [{"from": "a", "to": "b"}],
                "inputs": {"sink": "a.sink"}, "outputs": {"src": "b.src"}}}}
            pathlib.Path(folder, "effects.json").write_text(json.dumps(effects))
            wanted = with_nodes(pair={"type": {"template": {"file": "effects.json", "name": "two"}}})
            wanted["links"] = [{"from": "bars", "to": "pair.sink"}, {"from": "pair.src", "to": "out"}]
            path.write_text(json.dumps(wanted))
            for place in (path, str(path)):
                self.graph.apply(with_nodes())
                self.graph.apply(place)
                self.assertEqual(sorted(self.graph), ["bars", "out", "pair/a", "pair/b"])
            GstStreamlib.Graph.check(path)
            with self.assertRaises(FileNotFoundError):
                self.graph.apply(f"{folder}/gone.json")

    def test_values_of_gstreamer(self):
        node = {"type": "capsfilter", "config": {"caps": Gst.Caps.from_string("video/x-raw,width=64")}}
        self.graph.apply({"nodes": {"f": node}, "links": [], "inputs": {"sink": "f.sink"}})
        self.assertEqual(self.graph["f"].props.caps.to_string(), "video/x-raw, width=(int)64")
        with self.assertRaises(TypeError):
            self.graph.apply({"nodes": {"f": object()}})

    def test_secrets_outlast_a_round_trip(self):
        lamp = {"type": "testlamp", "config": {"token": "hunter2",
                                               "address": "http://me:pa55@lamps.example/"}}
        wanted = with_nodes(lamp=lamp)
        wanted["links"] = [{"from": "bars", "to": "lamp"}, {"from": "lamp", "to": "out"}]
        self.graph.apply(wanted)
        shown = self.graph.describe()
        text = json.dumps(shown)
        self.assertTrue("hunter2" not in text and "pa55" not in text, text)
        before = self.graph["lamp"]
        shown["nodes"]["out"]["config"] = {"silent": False}
        self.graph.apply(shown)
        self.assertEqual(self.graph["lamp"], before)
        self.assertEqual((before.token, before.address), tuple(lamp["config"].values()))
        self.graph.replace_node("lamp", shown["nodes"]["lamp"])
        self.assertEqual(self.graph["lamp"].token, "hunter2")

        error = self.assert_refused(GstStreamlib.GraphError.INVALID, GstStreamlib.Graph().apply, shown)
        self.assertEqual(error.problems[0].pointer, "/nodes/lamp/config/token")

    def test_plan_changes_nothing(self):
        self.graph.apply(with_nodes())
        wanted = with_nodes(more={"type": "fakesink"})
        wanted["links"].append({"from": "bars", "to": "more"})
        plan = self.graph.plan(wanted)
        self.assertEqual(plan["touches-nodes"], ["more"])
        self.assertEqual(plan["untouched"], 2)
        self.assertNotIn("more", self.graph)

    def test_undo(self):
        self.graph.apply(with_nodes())
        self.add_sink("more")
        self.graph.undo()
        self.assertNotIn("more", self.graph)
        self.graph.undo()
        self.assertEqual(len(self.graph), 0)
        error = self.assert_refused(GstStreamlib.GraphError.INVALID, self.graph.undo)
        self.assertIn("no commit", error.problems[0].reason)

    def test_launch_syntax(self):
        text = GstStreamlib.Graph.to_launch(with_nodes())
        self.assertIn("sltestsrc", text)
        back = GstStreamlib.Graph.from_launch("videotestsrc name=a pattern=ball ! fakesink name=b")
        self.assertEqual(back["nodes"]["a"], {"type": "videotestsrc", "config": {"pattern": "ball"}})
        GstStreamlib.Graph.check(back)
        for function, argument in ((GstStreamlib.Graph.from_launch, "vidoetestsrc ! fakesink"),
                                   (GstStreamlib.Graph.to_launch, {"nodes": {"a": {}}})):
            with self.assertRaises(GstStreamlib.GraphError):
                function(argument)

    def test_catalogue(self):
        types = {entry["type"] for entry in GstStreamlib.Graph.catalogue()}
        self.assertTrue({"test", "link", "identity"} <= types)
        pattern = GstStreamlib.Graph.catalogue("videotestsrc")["config"]["properties"]["pattern"]
        self.assertIn("snow", pattern["enum"])
        with self.assertRaises(GstStreamlib.GraphError) as caught:
            GstStreamlib.Graph.catalogue("vidoetestsrc")
        self.assertIn("'videotestsrc'", str(caught.exception))


class Problems(Graphs):
    def test_all_with_their_places(self):
        wanted = with_nodes(odd={"type": "videotestsrc", "config": {
            "patern": "snow", "num-buffers": "many", "a: b; c": 1}})
        wanted["links"].append({"from": "odd", "to": "nobody"})
        error = self.assert_refused(GstStreamlib.GraphError.INVALID, self.graph.apply, wanted)
        places = {problem.pointer: problem for problem in error.problems}
        self.assertIn("/links/1/to", places)
        self.assertEqual(str(error), "\n".join(map(str, error.problems)))

        del wanted["links"][1]
        with self.assertRaises(GstStreamlib.GraphError) as caught:
            GstStreamlib.Graph.check(wanted)
        places = {problem.pointer: problem for problem in caught.exception.problems}
        self.assertTrue({"/nodes/odd/config/patern", "/nodes/odd/config/num-buffers",
                         "/nodes/odd/config/a: b; c"} <= set(places), places)
        self.assertIn("'pattern'", places["/nodes/odd/config/patern"].hint)

    def test_it_is_an_error_of_glib(self):
        with self.assertRaises(GLib.Error) as caught:
            self.graph.apply("{")
        self.assertTrue(caught.exception.matches(GstStreamlib.GraphError.quark(),
                                                 GstStreamlib.GraphError.INVALID))

    def test_a_set_up_that_raises_is_taken_back(self):
        self.graph.apply(with_nodes())
        self.play()
        source, teardowns = self.graph["bars"], Lamp.teardowns
        error = self.assert_refused(
            GstStreamlib.GraphError.FAILED, self.graph.apply,
            {"nodes": {"bars": BARS, "lamp": {"type": "testlamp", "config": {"broken": True}},
                       "out": {"type": "fakesink"}},
             "links": [{"from": "bars", "to": "lamp"}, {"from": "lamp", "to": "out"}]})
        self.assertEqual(error.problems[0].pointer, "/nodes/lamp")
        self.assertIn("RuntimeError: the lamp is out", error.problems[0].reason)
        self.assertEqual(self.graph["bars"], source)
        seen = self.buffers_to("out")
        self.wait_until(lambda: self.buffers_to("out") > seen + 5)
        self.assertEqual(Lamp.teardowns, teardowns)

    def test_an_operation_is_named(self):
        self.graph.apply(with_nodes())
        error = self.assert_refused(GstStreamlib.GraphError.INVALID, self.graph.edit()
                                    .add("more", "fakesink").remove("nobody").commit)
        self.assertEqual(error.problems[0].pointer, "/operations/1/id")


class Edits(Graphs):
    def setUp(self):
        super().setUp()
        self.graph.apply(with_nodes())
        self.play()

    def test_a_block_is_one_commit(self):
        with self.graph.edit() as edit:
            edit.add("lamp", {"type": "testlamp"})
            edit.unlink("bars", "out")
            edit.link("bars.src", "lamp", policy="latest", depth=4)
            edit.link("lamp", "out")
            self.assertNotIn("lamp", self.graph)
        self.assertEqual(self.graph.revision, 2)
        self.assertIsInstance(self.graph["lamp"], Lamp)
        self.assertEqual(self.graph["lamp"].get_factory().get_name(), "testlamp")
        self.assertIn({"from": "bars.src", "to": "lamp", "policy": "latest", "depth": 4},
                      self.graph.describe()["links"])
        self.wait_until(lambda: self.buffers_to("lamp") > 5)
        teardowns = Lamp.teardowns
        with self.graph.edit() as edit:
            edit.remove("lamp").link("bars", "out")
        self.assertEqual(Lamp.teardowns, teardowns + 1)
        seen = self.buffers_to("out")
        self.wait_until(lambda: self.buffers_to("out") > seen + 5)

    def test_an_exception_forgets_it(self):
        with self.assertRaises(ZeroDivisionError):
            with self.graph.edit() as edit:
                edit.add("more", "fakesink")
                edit.link("bars", "more" * (1 // 0))
        self.assertNotIn("more", self.graph)
        self.assertEqual(self.graph.revision, 1)

    def test_a_block_that_changes_nothing_commits_nothing(self):
        with self.graph.edit():
            pass
        with self.graph.edit() as edit:
            edit.add("more", "fakesink").link("bars", "more")
            edit.rollback()
        self.assertEqual(self.graph.revision, 1)

    def test_configure(self):
        with self.graph.edit() as edit:
            edit.configure("out", max_lateness=5, dump=False).configure("out", {"silent": False})
        config = self.graph.describe()["nodes"]["out"]["config"]
        self.assertEqual(config, {"dump": False, "silent": False, "max-lateness": 5})
        self.graph.configure("out", silent=None)
        self.assertNotIn("silent", self.graph.describe()["nodes"]["out"]["config"])

    def test_replace(self):
        before = self.graph["out"]
        self.graph.replace_node("out")
        self.assertNotEqual(self.graph["out"], before)
        self.graph.replace_node("out", "fakevideosink")
        self.assertEqual(self.graph["out"].get_factory().get_name(), "fakevideosink")

    def test_based_on_an_old_revision(self):
        self.add_sink("more")
        edit = self.graph.edit().based_on(1).remove("more")
        self.assert_refused(GstStreamlib.GraphError.CONFLICT, edit.commit)
        edit.based_on(2).commit()
        self.assertNotIn("more", self.graph)

    def test_at_a_running_time(self):
        begin = self.pipeline.get_clock().get_time() - self.pipeline.get_base_time()
        instant = begin + 300 * Gst.MSECOND
        with self.graph.edit().at(instant) as edit:
            edit.add("more", "fakesink").link("bars", "more")
        self.assertGreaterEqual(
            self.pipeline.get_clock().get_time() - self.pipeline.get_base_time(), instant)
        with self.assertRaises(ValueError):
            self.graph.edit().at("soon")

    def test_a_plan_of_operations(self):
        plan = self.graph.edit().add("more", "fakesink").link("bars", "more").plan()
        self.assertEqual(plan["touches-links"], ["bars.src -> more.sink"])
        self.assertNotIn("more", self.graph)

    def test_pause(self):
        self.graph.pause_node("out")
        self.assertEqual(self.graph.stats()["nodes"]["out"]["state"], "paused")
        self.graph.resume_node("out")
        self.assertEqual(self.graph.stats()["nodes"]["out"]["state"], "running")
        self.assert_refused(GstStreamlib.GraphError.INVALID, self.graph.pause_node, "nobody")

    def test_the_bin_is_still_an_element(self):
        self.graph.apply({**with_nodes(), "nodes": {"bars": BARS}, "links": [],
                          "outputs": {"src": "bars.src"}})
        sink = Gst.ElementFactory.make("fakesink")
        self.pipeline.add(sink)
        self.assertTrue(self.graph.link(sink))
        self.graph.unlink(sink)
        self.assertFalse(sink.get_static_pad("sink").is_linked())


class Asynchronous(Graphs):
    def test_awaited(self):
        async def edit():
            await self.graph.apply_async(with_nodes())
            async with self.graph.edit() as edit:
                edit.add("more", "fakesink").link("bars", "more")
            with self.assertRaises(GstStreamlib.GraphError) as caught:
                await self.graph.edit().remove("nobody").commit_async()
            return caught.exception
        error = asyncio.run(edit())
        self.assertEqual(error.problems[0].pointer, "/operations/0/id")
        self.assertEqual(len(self.graph), 3)

    def test_called_back(self):
        loop = GLib.MainLoop()
        failures = []

        def on_applied(graph, result):
            graph.apply_finish(result)
            graph.edit().remove("nobody").commit_async(None, on_committed)

        def on_committed(edit, result):
            try:
                edit.commit_finish(result)
            except GstStreamlib.GraphError as error:
                failures.append(error)
            loop.quit()
        self.graph.apply_async(with_nodes(), None, on_applied)
        GLib.timeout_add_seconds(LIMIT_S, loop.quit)
        loop.run()
        self.assertEqual([error.problems[0].pointer for error in failures], ["/operations/0/id"])
        self.assertEqual(len(self.graph), 2)

    def test_from_a_stream_of_the_graph(self):
        caught = []

        def on_handoff(_sink, _buffer, _pad):
            if caught:
                return
            try:
                self.graph.add_node("more", "fakesink")
            except GstStreamlib.GraphError as error:
                caught.append(error)
            edit = self.graph.edit().add("more", "fakesink").link("bars", "more")
            edit.commit_async(None, lambda *_: None)
        self.graph.apply(with_nodes())
        self.graph["out"].props.signal_handoffs = True
        self.graph["out"].connect("handoff", on_handoff)
        self.play()
        self.wait_until(lambda: caught and "more" in self.graph)
        self.assertEqual(caught[0].code, GstStreamlib.GraphError.WRONG_THREAD)


class Stops(Graphs):
    def test_a_branch_without_data_keeps_no_live_graph_from_playing(self):
        wanted = with_nodes(shut={"type": "valve", "config": {"drop": True}},
                            unfed={"type": "fakesink"})
        wanted["links"] += [{"from": "bars", "to": "shut"}, {"from": "shut", "to": "unfed"}]
        self.graph.apply(wanted)
        self.play()

    def test_the_same_graph_many_times(self):
        wanted = with_nodes(lamp={"type": "testlamp"})
        wanted["links"] = [{"from": "bars", "to": "lamp"}, {"from": "lamp", "to": "out"}]
        self.graph.apply(wanted)
        teardowns, threads = Lamp.teardowns, 0
        for turn in range(30):
            self.play()
            self.wait_until(lambda: self.buffers_to("out") > 0)
            self.pipeline.set_state(Gst.State.NULL)
            self.assertEqual(Lamp.teardowns, teardowns + turn + 1)
            now = len(list(pathlib.Path("/proc/self/task").iterdir()))
            # Those of pools come and go; one that each turn left behind would be twenty.
            threads = max(threads, now) if turn < 10 else threads
        self.assertLess(now, threads + 10)
        self.assertEqual(self.graph.describe()["drift"], [])


if __name__ == "__main__":
    unittest.main()
