#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests of a build folder that belong to a suite, and notes how many passed.

usage: run-suite.py BUILD SUITE RESULTS

SUITE is 'normal', or one of the special suites. A test in no special suite is part of the normal
run, and of the runs under a sanitizer too, where every test belongs that can run there. A line with
the numbers of passed, failed and skipped tests is appended to the file RESULTS.
"""
import collections
import json
import pathlib
import subprocess
import sys

SPECIAL = {"tsan", "asan", "bench", "fuzz", "soak", "interop"}
SANITIZED = {"tsan", "asan"}
PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}


def tests_of(build, suite):
    """Names of the tests of BUILD that SUITE runs."""
    introspected = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
    names = []
    for test in json.loads(introspected):
        special = {name.split(":")[-1] for name in test["suite"]} & SPECIAL
        if suite in special or (not special and suite in SANITIZED | {"normal"}):
            names.append(test["name"])
    return names


def outcomes(log):
    """What became of each test, by name: passed, failed or skipped; from meson's log of a run."""
    found = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        result = entry["result"]
        found[entry["name"].rpartition(" / ")[2]] = (
            "passed" if result in PASSED else "skipped" if result in SKIPPED else "failed")
    return found


def run(command, log):
    """Runs meson; its exit code, and the outcomes."""
    log.unlink(missing_ok=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if not log.exists():
        sys.exit(f"run-suite: 'meson test' has not run; its message is above (exit code "
                 f"{done.returncode})")
    return done.returncode, outcomes(log)


def second_try(command, failed, log):
    """Runs each test that failed once more, alone: many count on time, and a machine that many
    share has none to spare. Those that pass now are named, since a test that fails now and then is
    a fault as well."""
    print(f"Once more, alone: {' '.join(failed)}", flush=True)
    _, again = run([*command, "--num-processes", "1", *failed], log)
    unsteady = [name for name in failed if again.get(name) == "passed"]
    if unsteady:
        print(f"UNSTEADY, failed at first and passed at the second try: {' '.join(unsteady)}")
    return {name: "passed" for name in unsteady}


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    build, suite, results = sys.argv[1:]
    names = tests_of(build, suite)
    if not names:
        sys.exit(f"run-suite: {build} has no tests of the suite '{suite}'")
    log = pathlib.Path(build, "meson-logs", "testlog.json")
    command = ["meson", "test", "-C", build, "--print-errorlogs"]
    if suite == "bench":
        command += ["--num-processes", "1", "--verbose"]
    code, found = run([*command, *names], log)
    failed = [name for name, outcome in found.items() if outcome == "failed"]
    # What a sanitizer reports is a fault however seldom it is.
    if failed and suite not in SANITIZED | {"bench"}:
        found |= second_try(command, failed, log)
        code = 0
    found = collections.Counter(found.values())
    lost = len(names) - sum(found.values())
    if lost > 0:
        print(f"{lost} tests have not run.")
        found["failed"] += lost
    with open(results, "a", encoding="utf-8") as file:
        print(found["passed"], found["failed"], found["skipped"], file=file)
    sys.exit(1 if found["failed"] or code else 0)


if __name__ == "__main__":
    main()
