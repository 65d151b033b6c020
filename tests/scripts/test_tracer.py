#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tracer slgraphstats under gst-launch-1.0."""
import json
import os
import re
import subprocess
import unittest

GRAPH = {"nodes": {"one": {"type": "videotestsrc", "config": {"is-live": True, "num-buffers": 45}},
                   "two": {"type": "audiotestsrc", "config": {"is-live": True, "num-buffers": 60}},
                   "other": {"type": "audiotestsrc", "config": {"is-live": True,
                                                                "num-buffers": 60}},
                   "mix": {"type": "audiomixer"}, "seen": {"type": "fakesink"},
                   "heard": {"type": "fakesink"}},
         "links": [{"from": "one", "to": "seen"}, {"from": "two", "to": "mix.sink_0"},
                   {"from": "other", "to": "mix.sink_1"}, {"from": "mix", "to": "heard"}]}


def lines_of(tracer):
    """What gst-launch-1.0 has written: (kind, fields) of each line of a series, and everything."""
    environment = dict(os.environ, GST_TRACERS=tracer, GST_DEBUG="GST_TRACER:7",
                       GST_DEBUG_NO_COLOR="1")
    done = subprocess.run(["gst-launch-1.0", "slgraph", f"description={json.dumps(GRAPH)}"],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout[-2000:]
    series = []
    for line in done.stdout.splitlines():
        match = re.search(r" (slgraph-\w+), (ts=.*);$", line)
        if match:
            fields = dict(re.findall(r"([\w-]+)=\(\w+\)([^,]*)", match[2]))
            series.append((match[1], fields))
    return series, done.stdout


class Tracer(unittest.TestCase):
    def test_series(self):
        series, text = lines_of("slgraphstats(interval=100)")
        self.assertEqual({kind for kind, _ in series},
                         {"slgraph-node", "slgraph-link", "slgraph-path", "slgraph-join"})
        nodes = [fields for kind, fields in series if kind == "slgraph-node"]
        self.assertEqual({fields["node"] for fields in nodes}, set(GRAPH["nodes"]))
        seen = [fields for fields in nodes if fields["node"] == "seen"]
        # 45 pictures take one and a half seconds.
        self.assertGreaterEqual(len(seen), 4, text[-2000:])
        counts = [int(fields["buffers-in"]) for fields in seen]
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(counts[-1], 20)
        times = [int(fields["ts"]) for fields in seen]
        self.assertTrue(all(later - before >= 90e6 for before, later in zip(times, times[1:])))
        links = [fields for kind, fields in series if kind == "slgraph-link"]
        self.assertIn("flowing", {fields["state"] for fields in links})
        self.assertEqual({fields["graph"].rsplit("/", 1)[1] for fields in nodes},
                         {"GstSlGraph:slgraph0"})

    def test_wrong_parameters(self):
        for wrong in ("slgraphstats(interval=often)", "slgraphstats(speed=3)"):
            _, text = lines_of(wrong)
            self.assertIn("it takes slgraphstats(interval=MILLISECONDS)", text)


if __name__ == "__main__":
    unittest.main()
