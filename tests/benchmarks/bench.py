#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the benchmarks and prints their rows as a table and as JSON.

Each row is measured against a baseline that is named and was run in between, and says whether its
budget was met. The short form takes four minutes, three of which are WebRTC's. The exit code is 0 when every row was
measured, whatever the figures are; with --strict only when every budget was met as well.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

PROGRAMS = ["link_bench", "calls_bench", "forms_bench", "dispatch_bench", "executor_bench",
            "graph_bench", "webrtc_bench"]
# Left out where the project was built without WebRTC.
OPTIONAL = {"webrtc_bench"}
SKIPPED = 77


def ask_for_priority():
    """Other users of the machine disturb less so; measured and baseline profit alike."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    except PermissionError:
        pass


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true", help="more repetitions, and longer ones")
    parser.add_argument("--strict", action="store_true", help="fail when a budget is missed")
    parser.add_argument("--json", metavar="FILE", help="also write the JSON to FILE")
    parser.add_argument("--only", metavar="ROW", help="only the rows whose name begins with ROW")
    parser.add_argument("--element", metavar="LAUNCH",
                        help="measure this element instead of sllink, e.g. 'benchform form=ring'")
    parser.add_argument("--list", action="store_true", help="name the rows and measure nothing")
    parser.add_argument("--programs", metavar="FOLDER", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent,
                        help="where the built programs are (default: beside this script)")
    return parser.parse_args()


def program_options(arguments):
    options = []
    if arguments.long:
        options.append("--long")
    if arguments.list:
        options.append("--list")
    if arguments.only:
        options.append("--only=" + arguments.only)
    if arguments.element:
        options.append("--element=" + arguments.element)
    return options


def run(program, options):
    """The rows that PROGRAM measures. Raises CalledProcessError when it fails."""
    done = subprocess.run([program, *options], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == SKIPPED:
        return None
    done.check_returncode()
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def cpu_model():
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def machine():
    return {"cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "load": round(os.getloadavg()[0], 2)}


def value(number, unit):
    if unit.endswith("/s"):
        return f"{number / 1e6:.2f} M{unit}"
    return f"{number:.3g} {unit}"


def short(launch):
    """Launch syntax without what all rows share."""
    shared = ("max-size-", "policy=", "depth=")
    return " ".join(word for word in launch.split() if not word.startswith(shared))


def verdict(row):
    if row["met"] is None:
        if row["goal_met"] is None:
            return "-"
        return "yes" if row["goal_met"] else "no"
    text = "met" if row["met"] else "MISSED"
    return text + (", goal too" if row["goal_met"] else "")


def cells(row):
    figure = f"{row['figure']:.3g}" + ("×" if row["compared"] == "ratio" else "")
    has_baseline = bool(row["baseline"])
    return [row["row"], value(row["subject_median"], row["unit"]),
            value(row["baseline_median"], row["unit"]) if has_baseline else "-",
            short(row["baseline"]),
            figure, row["budget"] or "", row["goal"] or "", verdict(row)]


def print_table(rows):
    header = ["row", "measured", "baseline", "of", "figure", "budget", "goal", "verdict"]
    lines = [header] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for number, line in enumerate(lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    for row in rows:
        if row.get("note"):
            print(f"{row['row']}: {row['note']}")


def as_json(rows, seconds):
    document = {"machine": machine(), "seconds": round(seconds, 1), "rows": rows}
    return json.dumps(document, indent=1, ensure_ascii=False)


def main():
    arguments = parse_arguments()
    options = program_options(arguments)
    programs = [name for name in PROGRAMS
                if name not in OPTIONAL or (arguments.programs / name).exists()]
    if arguments.list:
        for name in programs:
            subprocess.run([arguments.programs / name, *options], check=True)
        return 0
    ask_for_priority()
    start = time.monotonic()
    rows = []
    for name in programs:
        found = run(arguments.programs / name, options)
        if found is None:
            print(f"{name} cannot run on this machine; its message is above", file=sys.stderr)
            return SKIPPED
        rows += found
    print_table(rows)
    text = as_json(rows, time.monotonic() - start)
    print(text)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(text + "\n", encoding="utf-8")
    missed = [row["row"] for row in rows if row["met"] is False]
    if missed:
        print("missed: " + ", ".join(missed))
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed.cmd[0]} failed (exit code {failed.returncode}); its message is above")
