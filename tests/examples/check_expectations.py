#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks whether the tests that docs/graph-expectations.md names are there.

usage: check_expectations.py ROOT
"""
import pathlib
import re
import sys

ENTRY = re.compile(r"`(tests/\S+): (\w+)`")
ROW = re.compile(r"^\| (\d+) \|.*\|$", re.MULTILINE)


def is_there(root, file, test):
    path = root / file
    if not path.is_file():
        return False
    name = re.escape(test)
    return re.search(rf"^\s*def {name}\(|^GST_START_TEST\({name}\)|\b{name}\(", path.read_text(),
                     re.MULTILINE) is not None


def main():
    root = pathlib.Path(sys.argv[1])
    page = (root / "docs/graph-expectations.md").read_text()
    faults = [f"{file} has no {test}" for file, test in ENTRY.findall(page)
              if not is_there(root, file, test)]
    rows = [match for match in ROW.finditer(page)]
    if [int(row[1]) for row in rows] != [*range(1, 16), *range(1, 11)]:
        faults.append("there are fifteen points and ten")
    faults += [f"no test for the row {row[0]}" for row in rows if not ENTRY.search(row[0])]
    print("\n".join(faults) or f"{len(ENTRY.findall(page))} tests")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
