#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the description of a graph, with one status line a second; or checks, plans or draws it.

Where a display of the graph has no screen, a picture of its last frame is left at the end. The exit
code is 0 when the graph or the time is over, a window was closed and after Ctrl-C, 1 after an error
and 2 for wrong arguments.

Needs PyGObject and GStreamer's typelibs, but not the overrides of gst-python.
"""
import argparse
import json
import math
import pathlib
import signal
import subprocess
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstStreamlib", "1.0")
from gi.repository import GLib, Gst, GstStreamlib  # noqa: E402

# How long sources have, after Ctrl-C, to bring their streams to an end.
END_LIMIT_MS = 2000
# Of these a user should know; docs/graph-events.md tells what they mean.
TROUBLES = ("node-error", "node-stalled", "node-restarted", "node-quarantined", "node-fallback",
            "node-fallback-over", "compile-failed")


class GraphFailure(Exception):
    """What is wrong, for the user."""


def setting(text):
    """--set node.property=value; a value that is no JSON is text."""
    place, equals, value = text.partition("=")
    node, dot, name = place.partition(".")
    if not (equals and dot and node and name):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form node.property=value")
    try:
        value = json.loads(value)
    except ValueError:
        pass
    return node, name, value


def seconds(text):
    number = float(text)
    if not (0 < number < math.inf):
        raise argparse.ArgumentTypeError(f"'{text}' is no time above 0")
    return number


def edit_of(graph, path, settings):
    """The edit that makes the graph what the file and the settings say."""
    edit = graph.edit().apply(path)
    for node, name, value in settings:
        edit.configure(node, {name: value})
    return edit


def explain(error, settings):
    """A problem a line; one of a setting says which."""
    lines = []
    for problem in error.problems:
        parts = problem.pointer.split("/")
        if parts[1:2] == ["operations"]:
            node, name, _value = settings[int(parts[2])]
            problem = problem._replace(pointer=f"--set {node}.{name}")
        lines.append(str(problem))
    return "\n".join(lines)


def links_of(stats):
    """Of what was compiled: (from, its pad, to, its pad, what the link is, whether it is none)."""
    for link in stats["links"]:
        source, _, source_pad = link["from"].rpartition(".")
        sink, _, sink_pad = link["to"].rpartition(".")
        label = "fused" if link["fused"] else f"{link['policy']} {link['depth']}"
        yield source, source_pad, sink, sink_pad, label, link["fused"]


def dot_of(name, stats):
    """A drawing of what was compiled, in the language of Graphviz."""
    def quoted(text):
        return json.dumps(text, ensure_ascii=False)
    lines = [f"digraph {quoted(name)} {{", "  rankdir=LR; fontname=sans;",
             '  node [shape=box style="rounded,filled" fillcolor="#eef3fa" fontname=sans];',
             "  edge [fontname=sans fontsize=10];"]
    for id, node in stats["nodes"].items():
        # Graphviz breaks lines where it sees \n, and only there.
        lines.append(f"  {quoted(id)} [label={quoted(id)[:-1]}\\n{quoted(node['type'])[1:]}];")
    for source, source_pad, sink, sink_pad, label, is_fused in links_of(stats):
        style = " style=dashed" if is_fused else ""
        lines.append(f"  {quoted(source)} -> {quoted(sink)} [label={quoted(label)} "
                     f"taillabel={quoted(source_pad)} headlabel={quoted(sink_pad)}{style}];")
    return "\n".join([*lines, "}", ""])


def mermaid_of(stats):
    """The same in the language of Mermaid, which web pages draw."""
    def quoted(text):
        return '"' + text.replace('"', "#quot;") + '"'
    # Words of the language are no names there.
    names = {id: f"n{number}" for number, id in enumerate(stats["nodes"])}
    lines = ["flowchart LR"]
    for id, node in stats["nodes"].items():
        lines.append(f"  {names[id]}[{quoted(id + '<br/>' + node['type'])}]")
    for source, _, sink, _, label, is_fused in links_of(stats):
        arrow = "-.->" if is_fused else "-->"
        lines.append(f"  {names[source]} {arrow}|{quoted(label)}| {names[sink]}")
    return "\n".join([*lines, ""])


def draw(path, name, stats):
    if path.suffix == ".mmd":
        path.write_text(mermaid_of(stats), encoding="utf-8")
        return
    text = dot_of(name, stats)
    if path.suffix == ".dot":
        path.write_text(text, encoding="utf-8")
        return
    if path.suffix != ".svg":
        raise GraphFailure(f"{path}: a drawing is a .svg, a .dot or a .mmd")
    try:
        subprocess.run(["dot", "-Tsvg", "-o", path], input=text, text=True, check=True)
    except FileNotFoundError:
        raise GraphFailure(f"{path}: the program 'dot' is missing; install graphviz, or name a .dot")
    except subprocess.CalledProcessError:
        raise GraphFailure(f"{path}: dot could not write it; its message is above")


class Run:
    def __init__(self, graph, picture):
        self.graph = graph
        self.picture = picture
        self.error = None
        self.seconds = 0
        self.seen = {}
        self.headless = []
        self.ending = False
        self.loop = GLib.MainLoop()
        self.pipeline = Gst.Pipeline.new("run")
        self.pipeline.add(graph)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)
        bus.connect("message::warning", self.on_warning)
        bus.connect("message::info", lambda _bus, message: self.say(message.parse_info()[0].message))
        bus.connect("message::element", self.on_element_message)
        bus.connect("message::eos", lambda *_: self.stop(None if self.ending else "The graph is over."))

    @staticmethod
    def say(text):
        print(text, flush=True)

    def on_error(self, _bus, message):
        error, debug = message.parse_error()
        # The first error is the cause of the others.
        self.error = self.error or (f"{error.message}\n  in {message.src.get_path_string()}"
                                    + (f"\n  {debug}" if debug else ""))
        self.loop.quit()

    @staticmethod
    def on_warning(_bus, message):
        print(f"{message.src.name}: {message.parse_warning()[0].message}", file=sys.stderr,
              flush=True)

    def on_element_message(self, _bus, message):
        structure = message.get_structure()
        name = structure.get_name()
        if name == "display-backend":
            if structure.get_value("backend") == "headless":
                self.headless.append(message.src)
            self.say(f"Display: {structure.get_value('backend')}")
        elif name == "camera-mode":
            self.say(f"Camera: {structure.get_value('device')}, {structure.get_value('mode')}")
        elif name == "window-closed":
            self.stop("The window was closed.")
        elif name == "streamlib-graph" and structure.get_value("event") in TROUBLES:
            what = structure.get_value("node") if structure.has_field("node") else "graph"
            detail = structure.get_value("detail") if structure.has_field("detail") else ""
            print(f"{what}: {structure.get_value('event')}: {detail}", file=sys.stderr, flush=True)

    def stop(self, text):
        if text:
            self.say(text)
        self.loop.quit()
        return GLib.SOURCE_REMOVE

    def on_signal(self):
        """Streams end properly first, so that files are complete; the second time at once."""
        if self.ending:
            return self.stop(None)
        self.ending = True
        self.say("Stopped.")
        self.pipeline.send_event(Gst.Event.new_eos())
        GLib.timeout_add(END_LIMIT_MS, self.stop, None)
        return GLib.SOURCE_CONTINUE

    def on_second(self):
        self.seconds += 1
        self.say(self.status_line(self.graph.stats()))
        return GLib.SOURCE_CONTINUE

    def status_line(self, stats):
        rates = []
        dropped = 0
        for id, node in stats["nodes"].items():
            passed = node["buffers-in"]
            if node["buffers-out"] == 0 and passed:
                rates.append(f"{id} {passed - self.seen.get(id, 0)} buffers/s")
            self.seen[id] = passed
        for link in stats["links"]:
            dropped += sum(link.get(f"dropped-{why}", 0) for why in ("full", "stale", "flush"))
        state = "ready" if stats["ready"] else "not ready"
        return f"{self.seconds:4} s  {state:9}  {', '.join(rates) or 'no data yet'}  dropped: {dropped}"

    def save_pictures(self):
        for number, display in enumerate(self.headless):
            path = self.picture
            if number:
                path = path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
            path.parent.mkdir(parents=True, exist_ok=True)
            if display.emit("snapshot", str(path)):
                self.say(f"The last frame: {path}")
            else:
                self.say("There was no frame to save as a picture.")

    def run(self, limit):
        for number in (signal.SIGINT, signal.SIGTERM):
            GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, self.on_signal)
        begin = time.monotonic()
        if self.pipeline.set_state(Gst.State.PLAYING) != Gst.StateChangeReturn.FAILURE:
            GLib.timeout_add(1000, self.on_second)
        if limit:
            rest = max(0, limit - (time.monotonic() - begin))
            GLib.timeout_add(round(rest * 1000), self.stop, f"{limit:g} seconds are over.")
        self.loop.run()
        if self.error is None:
            self.save_pictures()
        self.pipeline.set_state(Gst.State.NULL)
        return self.error


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/run", description="Runs a graph.")
    parser.add_argument("graph", type=pathlib.Path, help="the JSON file of a description")
    parser.add_argument("--set", type=setting, action="append", default=[], dest="settings",
                        metavar="NODE.PROPERTY=VALUE", help="instead of what the file says")
    parser.add_argument("--check", action="store_true", help="only say what is wrong with it")
    parser.add_argument("--plan", action="store_true", help="only show what would be done, as JSON")
    parser.add_argument("--dot", type=pathlib.Path, metavar="FILE",
                        help="only draw it, as .svg, .dot or .mmd")
    parser.add_argument("--seconds", type=seconds, metavar="N", help="stop after N seconds")
    parser.add_argument("--picture", type=pathlib.Path, default=pathlib.Path("last-frame.png"),
                        help="where the last frame goes when there is no display")
    return parser.parse_args()


def carry_out(args):
    graph = GstStreamlib.Graph("graph")
    edit = edit_of(graph, args.graph, args.settings)
    plan = edit.plan()
    if args.plan:
        print(json.dumps(plan, indent=2, ensure_ascii=False))
    if args.check:
        print(f"{args.graph}: {len(plan['touches-nodes'])} nodes, {len(plan['touches-links'])} "
              "links, no problems")
    if args.plan or args.check and not args.dot:
        return
    edit.commit()
    if args.dot:
        draw(args.dot, graph.describe().get("name", args.graph.stem), graph.stats())
        return
    error = Run(graph, args.picture).run(args.seconds)
    if error is not None:
        raise GraphFailure(error)


def main():
    args = parse_arguments()
    Gst.init(None)
    try:
        carry_out(args)
    except GstStreamlib.GraphError as error:
        sys.exit(f"scripts/run: {args.graph} is refused:\n{explain(error, args.settings)}")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"scripts/run: {error}")
    except GraphFailure as failure:
        sys.exit(f"scripts/run: {failure}")


if __name__ == "__main__":
    main()
