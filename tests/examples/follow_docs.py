#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does what a page says, word by word, in an empty folder.

usage: follow_docs.py PAGE

The block under <!-- file NAME --> becomes a file, the one under <!-- run --> is run by bash (under
<!-- run fails --> it has to fail), and each line of the one under <!-- prints --> has to be in what
the last run printed. A page with another kind of block is refused, unless no comment stands above it
and it has no language.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = re.compile(r"(?:<!-- ([a-z]+)(?: ([^ ]+))? -->\n)?^```(\w*)\n(.*?)^```$",
                   re.MULTILINE | re.DOTALL)
LIMIT_S = 60
# A page that lost its blocks would pass otherwise.
LEAST = {"file": 2, "run": 2, "prints": 2}


def run(script, folder):
    env = {name: value for name, value in os.environ.items()
           if name not in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR")}
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=env, timeout=LIMIT_S,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def follow(page, folder):
    """How many blocks there were of each kind."""
    counts = dict.fromkeys(LEAST, 0)
    output = ""
    for kind, argument, language, text in BLOCK.findall(page):
        if kind not in counts:
            if kind or language:
                sys.exit(f"what is to be done with this block?\n{text}")
            continue
        counts[kind] += 1
        if kind == "file":
            (folder / argument).write_text(text)
        elif kind == "run":
            done = run(text, folder)
            output = done.stdout
            if (done.returncode != 0) != (argument == "fails"):
                sys.exit(f"exit code {done.returncode} of\n{text}\n{output}")
        else:
            for line in text.splitlines():
                if line not in output:
                    sys.exit(f"'{line}' is not in\n{output}")
    return counts


def main():
    page = pathlib.Path(sys.argv[1]).read_text()
    with tempfile.TemporaryDirectory() as folder:
        counts = follow(page, pathlib.Path(folder))
    if any(counts[kind] < least for kind, least in LEAST.items()):
        sys.exit(f"too few blocks: {counts}")
    print(counts)


if __name__ == "__main__":
    main()
