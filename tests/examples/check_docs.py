#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Looks whether the pieces of programs that the pages show stand in those programs.

usage: check_docs.py ROOT

A piece is a code block under a line such as <!-- from tests/examples/lamp.c -->. In the program it
may be indented further; a line with just ... stands for any lines. Links to files of the project
must lead somewhere, too.
"""
import pathlib
import re
import sys
import textwrap

PIECE = re.compile(r"<!-- from (\S+) -->\n```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# A page that lost its pieces would pass otherwise.
PIECES = {"docs/tutorial-processor.md": 10, "docs/dispatcher.md": 6}


def find(lines, piece, start):
    """Where the piece stands in the program from a line on, and the line after it; or None."""
    for at in range(start, len(lines) - len(piece) + 1):
        part = textwrap.dedent("\n".join(lines[at:at + len(piece)])).split("\n")
        if part == piece:
            return at + len(piece)
    return None


def stands_in(program, piece):
    lines = [line.rstrip() for line in program.split("\n")]
    start = 0
    for part in re.split(r"^[ ]*\.\.\.$\n?", piece, flags=re.MULTILINE):
        part = textwrap.dedent(part).strip("\n")
        if part == "":
            continue
        start = find(lines, part.split("\n"), start)
        if start is None:
            return False
    return True


def faults_of(root, page):
    text = (root / page).read_text()
    faults = []
    pieces = PIECE.findall(text)
    for name, piece in pieces:
        if not (root / name).is_file():
            faults.append(f"{page}: there is no {name}")
        elif not stands_in((root / name).read_text(), piece):
            faults.append(f"{page}: this does not stand in {name}:\n{piece}")
    if len(pieces) < PIECES.get(str(page), 0):
        faults.append(f"{page}: {len(pieces)} pieces of programs, {PIECES[str(page)]} are expected")
    for link in LINK.findall(text):
        if not ((root / page).parent / link).exists():
            faults.append(f"{page}: the link to {link} leads nowhere")
    return faults


def main():
    root = pathlib.Path(sys.argv[1])
    pages = [pathlib.Path("README.md"), *sorted(
        path.relative_to(root) for path in (root / "docs").rglob("*.md"))]
    faults = [f"there is no {page}" for page in PIECES if pathlib.Path(page) not in pages]
    for page in pages:
        faults += faults_of(root, page)
    print("\n".join(faults) or f"{len(pages)} pages")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
