#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Passes when a program is reported by ThreadSanitizer for a race in a certain function.

usage: expect-race.py FUNCTION PROGRAM [ARGUMENT...]
"""
import re
import subprocess
import sys

# What the runtime makes of the exit code of a program that it has reported.
REPORTED = 66


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    function, command = sys.argv[1], sys.argv[2:]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(done.stdout)
    if done.returncode != REPORTED:
        sys.exit(f"the exit code is {done.returncode}: ThreadSanitizer has seen no race")
    reports = done.stdout.split("==================")
    if not any("data race" in r and re.search(rf"#0 {function}\b", r) for r in reports):
        sys.exit(f"ThreadSanitizer has reported something, but no data race in {function}")


if __name__ == "__main__":
    main()
