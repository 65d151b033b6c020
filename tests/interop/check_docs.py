#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares the tests that docs/interop.md names with those that are there.

usage: check_docs.py BUILD PAGE
"""
import json
import pathlib
import re
import subprocess
import sys


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    build, page = sys.argv[1:]
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    there = {test["name"] for test in json.loads(listed)
             if any(suite.split(":")[-1] == "interop" for suite in test["suite"])}
    named = set(re.findall(r"`(interop-[a-z0-9-]+)`", pathlib.Path(page).read_text(encoding="utf-8")))
    for name in sorted(there - named):
        print(f"{page} does not name the test {name}: add it to its table")
    for name in sorted(named - there):
        print(f"{page} names {name}, which is no test")
    sys.exit(there != named)


if __name__ == "__main__":
    main()
